/* Convolutions by cuDNN, NHWC with weights OHWI, cross-correlation.
 *     y = act(conv(x, w) + b + r)     dx (+)= conv^T(dy, w)     dw += sum over N of x * dy
 * Bound by operations: 2 N OH OW O KH KW C each.
 *
 * Forward is one call of cuDNN where it fuses (a bias, ReLU or nothing, a residual that is not the output
 * itself); what it refuses is a plain convolution and cuda_epilogue(). F32 is exact F32 unless the queue
 * allows TF32. BF16 adds in F32. The gradient of weights must come out in F32, which this interface of cuDNN
 * does not do from BF16: x and dy are converted to F32 and multiplied as TF32, in which every BF16 number is
 * exact, so only speed is lost. Algorithms are the first that cuDNN's heuristics name and that are
 * deterministic (a warning says so where none is); one that refuses its work when it is run gives way to the
 * next. */
#include "cuda/state.h"

#include <string.h>

#include "ops/check.h"
#include "tengen/log.h"
#include "tengen/mem.h"

enum conv_pass { PASS_FORWARD, PASS_DATA, PASS_WEIGHTS };
enum { CHOICES = 8 };
static const size_t WORKSPACE_MOST = (size_t)1 << 30;

struct conv_key {
    int pass, dtype, tf32;
    int x[4], y[4], kernel[2];
    struct conv conv;
};

struct conv_plan {
    struct conv_plan *next;
    struct conv_key key;
    cudnnTensorDescriptor_t x, y, bias;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv;
    cudnnActivationDescriptor_t act;
    struct conv_choice {
        int algorithm;
        cudnnMathType_t math;
        size_t workspace;
        bool ordered; /* its sums have a fixed order */
    } choices[CHOICES];
    int count, chosen;
    bool usable, refuses_fused;
};

/* ---- plans ------------------------------------------------------------------------------------------------
 */

static void conv_plan_free(struct conv_plan *p) {
    if (p->x) cudnnDestroyTensorDescriptor(p->x);
    if (p->y) cudnnDestroyTensorDescriptor(p->y);
    if (p->bias) cudnnDestroyTensorDescriptor(p->bias);
    if (p->w) cudnnDestroyFilterDescriptor(p->w);
    if (p->conv) cudnnDestroyConvolutionDescriptor(p->conv);
    if (p->act) cudnnDestroyActivationDescriptor(p->act);
    mem_free(p);
}

void conv_plans_free(struct cuda_queue *state) {
    for (int i = 0; i < PLAN_BUCKETS; i++)
        while (state->conv_plans[i]) {
            struct conv_plan *next = state->conv_plans[i]->next;
            conv_plan_free(state->conv_plans[i]);
            state->conv_plans[i] = next;
        }
}

static bool tensor_describe(struct queue *q, cudnnTensorDescriptor_t *t, cudnnDataType_t type,
                            const int *dims) {
    const char *what = "convolution's tensor";
    return cudnn_ok(q, cudnnCreateTensorDescriptor(t), what) &&
           cudnn_ok(
               q, cudnnSetTensor4dDescriptor(*t, CUDNN_TENSOR_NHWC, type, dims[0], dims[3], dims[1], dims[2]),
               what);
}

static cudnnMathType_t conv_math(const struct conv_key *k) {
    if (k->dtype == DTYPE_BF16) return CUDNN_TENSOR_OP_MATH;
    return k->tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH; /* the default rounds F32 to TF32 */
}

static bool conv_describe(struct queue *q, struct conv_plan *p) {
    const struct conv_key *k = &p->key;
    const cudnnDataType_t type = k->dtype == DTYPE_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const int bias[4] = {1, 1, 1, k->y[3]};
    const struct conv *c = &k->conv;
    return tensor_describe(q, &p->x, type, k->x) && tensor_describe(q, &p->y, type, k->y) &&
           tensor_describe(q, &p->bias, type, bias) &&
           cudnn_ok(q, cudnnCreateFilterDescriptor(&p->w), "convolution's weights") &&
           cudnn_ok(q,
                    cudnnSetFilter4dDescriptor(p->w, type, CUDNN_TENSOR_NHWC, k->y[3], k->x[3], k->kernel[0],
                                               k->kernel[1]),
                    "convolution's weights") &&
           cudnn_ok(q, cudnnCreateConvolutionDescriptor(&p->conv), "convolution's description") &&
           cudnn_ok(q,
                    cudnnSetConvolution2dDescriptor(p->conv, c->pad_h, c->pad_w, c->stride_h, c->stride_w, 1,
                                                    1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                    "convolution's description") &&
           cudnn_ok(q, cudnnSetConvolutionMathType(p->conv, conv_math(k)), "convolution's description") &&
           cudnn_ok(q, cudnnCreateActivationDescriptor(&p->act), "convolution's activation");
}

static void conv_consider(struct conv_plan *p, int algorithm, cudnnStatus_t status, cudnnDeterminism_t order,
                          cudnnMathType_t math, size_t workspace) {
    if (conv_math(&p->key) == CUDNN_FMA_MATH) math = CUDNN_FMA_MATH; /* whatever else is proposed */
    if (status == CUDNN_STATUS_SUCCESS && workspace <= WORKSPACE_MOST)
        p->choices[p->count++] =
            (struct conv_choice){algorithm, math, workspace, order == CUDNN_DETERMINISTIC};
}

/* Keeps the ordered ones, where there are any. */
static bool conv_settle(struct queue *q, struct conv_plan *p) {
    const struct conv_key *k = &p->key;
    int ordered = 0;
    for (int i = 0; i < p->count; i++)
        if (p->choices[i].ordered) p->choices[ordered++] = p->choices[i];
    if (p->count == 0)
        cuda_fail(q, "cuDNN has no algorithm for a %s convolution of %dx%dx%d to %d, pass %d",
                  dtype_name((enum dtype)k->dtype), k->x[1], k->x[2], k->x[3], k->y[3], k->pass);
    else if (ordered == 0)
        log_warn(
            "cuDNN sums a convolution of %dx%dx%d to %d, pass %d, in no fixed order: runs will not repeat "
            "bit for bit",
            k->x[1], k->x[2], k->x[3], k->y[3], k->pass);
    else
        p->count = ordered;
    return p->count > 0;
}

/* What the heuristics name for each of the three passes, best first. */
static bool conv_choose(struct queue *q, struct conv_plan *p) {
    cudnnHandle_t cudnn = cuda_state(q)->cudnn;
    const char *what = "choosing a convolution";
    int n = 0;
    if (p->key.pass == PASS_FORWARD) {
        cudnnConvolutionFwdAlgoPerf_t r[CHOICES];
        if (!cudnn_ok(
                q, cudnnGetConvolutionForwardAlgorithm_v7(cudnn, p->x, p->w, p->conv, p->y, CHOICES, &n, r),
                what))
            return false;
        for (int i = 0; i < n; i++)
            conv_consider(p, (int)r[i].algo, r[i].status, r[i].determinism, r[i].mathType, r[i].memory);
    } else if (p->key.pass == PASS_DATA) {
        cudnnConvolutionBwdDataAlgoPerf_t r[CHOICES];
        if (!cudnn_ok(
                q,
                cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnn, p->w, p->y, p->conv, p->x, CHOICES, &n, r),
                what))
            return false;
        for (int i = 0; i < n; i++)
            conv_consider(p, (int)r[i].algo, r[i].status, r[i].determinism, r[i].mathType, r[i].memory);
    } else {
        cudnnConvolutionBwdFilterAlgoPerf_t r[CHOICES];
        if (!cudnn_ok(q,
                      cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnn, p->x, p->y, p->conv, p->w, CHOICES,
                                                                    &n, r),
                      what))
            return false;
        for (int i = 0; i < n; i++)
            conv_consider(p, (int)r[i].algo, r[i].status, r[i].determinism, r[i].mathType, r[i].memory);
    }
    return conv_settle(q, p);
}

static struct conv_plan *conv_plan(struct queue *q, enum conv_pass pass, struct tensor x, struct tensor w,
                                   struct tensor y, struct conv conv, bool tf32) {
    struct conv_key key;
    memset(&key, 0, sizeof key);
    key.pass = (int)pass;
    key.dtype = (int)x.dtype;
    key.tf32 = tf32;
    memcpy(key.x, x.dims, sizeof key.x);
    memcpy(key.y, y.dims, sizeof key.y);
    memcpy(key.kernel, w.dims + 1, sizeof key.kernel);
    key.conv = conv;
    struct conv_plan **bucket = &cuda_state(q)->conv_plans[plan_bucket(&key, sizeof key)];
    for (struct conv_plan *p = *bucket; p; p = p->next)
        if (memcmp(&p->key, &key, sizeof key) == 0) return p->usable ? p : NULL;
    struct conv_plan *p = MEM_NEW(struct conv_plan, 1);
    p->key = key;
    p->next = *bucket;
    *bucket = p;
    p->usable = conv_describe(q, p) && conv_choose(q, p);
    return p->usable ? p : NULL;
}

/* ---- running ----------------------------------------------------------------------------------------------
 */

/* One call by the chosen algorithm. out = result + beta out. */
static cudnnStatus_t conv_call(struct queue *q, struct conv_plan *p, const void *x, const void *w,
                               const void *y, float beta) {
    const struct conv_choice *c = &p->choices[p->chosen];
    cudnnHandle_t cudnn = cuda_state(q)->cudnn;
    void *workspace = cuda_scratch(q, PLACE_LIBRARY, c->workspace);
    const float alpha = 1.0f;
    cudnnStatus_t status = cudnnSetConvolutionMathType(p->conv, c->math);
    if (status != CUDNN_STATUS_SUCCESS) return status;
    switch ((enum conv_pass)p->key.pass) {
    case PASS_FORWARD:
        return cudnnConvolutionForward(cudnn, &alpha, p->x, x, p->w, w, p->conv,
                                       (cudnnConvolutionFwdAlgo_t)c->algorithm, workspace, c->workspace,
                                       &beta, p->y, (void *)(uintptr_t)y);
    case PASS_DATA:
        return cudnnConvolutionBackwardData(cudnn, &alpha, p->w, w, p->y, y, p->conv,
                                            (cudnnConvolutionBwdDataAlgo_t)c->algorithm, workspace,
                                            c->workspace, &beta, p->x, (void *)(uintptr_t)x);
    default:
        return cudnnConvolutionBackwardFilter(cudnn, &alpha, p->x, x, p->y, y, p->conv,
                                              (cudnnConvolutionBwdFilterAlgo_t)c->algorithm, workspace,
                                              c->workspace, &beta, p->w, (void *)(uintptr_t)w);
    }
}

/* An algorithm that turns out not to do this shape gives way to the next, for good. */
static void conv_run(struct queue *q, struct conv_plan *p, const void *x, const void *w, const void *y,
                     float beta, const char *what) {
    cuda_stream(q); /* binds the thread to the device */
    for (;;) {
        cudnnStatus_t status = conv_call(q, p, x, w, y, beta);
        bool refused = status != CUDNN_STATUS_SUCCESS && status != CUDNN_STATUS_EXECUTION_FAILED;
        if (!refused || p->chosen + 1 == p->count) {
            cudnn_ok(q, status, what);
            return;
        }
        p->chosen++;
    }
}

/* y = act(conv(x, w) + b + r) in one call; false where cuDNN does not do it. cuDNN fuses "no activation" with
 * this one algorithm only. */
static bool conv_fused(struct queue *q, struct conv_plan *p, struct tensor y, struct tensor x,
                       struct tensor w, struct tensor b, struct tensor r, enum activation act) {
    const cudnnConvolutionFwdAlgo_t algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
    const float one = 1.0f, residual = tensor_is(r) ? 1.0f : 0.0f;
    cudnnHandle_t cudnn = cuda_state(q)->cudnn;
    size_t workspace = 0;
    if (p->refuses_fused) return false;
    cuda_stream(q); /* binds the thread to the device */
    cudnnStatus_t status = cudnnSetActivationDescriptor(
        p->act, act == ACTIVATION_RELU ? CUDNN_ACTIVATION_RELU : CUDNN_ACTIVATION_IDENTITY,
        CUDNN_NOT_PROPAGATE_NAN, 0.0);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnSetConvolutionMathType(p->conv, conv_math(&p->key));
    if (status == CUDNN_STATUS_SUCCESS)
        status =
            cudnnGetConvolutionForwardWorkspaceSize(cudnn, p->x, p->w, p->conv, p->y, algorithm, &workspace);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnConvolutionBiasActivationForward(
            cudnn, &one, p->x, x.data, p->w, w.data, p->conv, algorithm,
            cuda_scratch(q, PLACE_LIBRARY, workspace), workspace, &residual, p->y,
            tensor_is(r) ? r.data : y.data, p->bias, b.data, p->act, p->y, y.data);
    if (status == CUDNN_STATUS_EXECUTION_FAILED) cudnn_ok(q, status, "conv_forward");
    p->refuses_fused = status != CUDNN_STATUS_SUCCESS && status != CUDNN_STATUS_EXECUTION_FAILED;
    return !p->refuses_fused;
}

/* ---- operations -------------------------------------------------------------------------------------------
 */

/* Where the device knows no BF16: in F32, then rounded, then what follows the convolution. */
static void conv_forward_by_f32(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                                struct tensor b, struct tensor r, struct conv conv, enum activation act) {
    struct tensor y32 = cuda_like(q, y, DTYPE_F32, PLACE_GRADIENT);
    cuda_conv_forward(q, y32, cuda_convert(q, x, DTYPE_F32, PLACE_X), w, tensor_none(), tensor_none(), conv,
                      ACTIVATION_NONE);
    cuda_epilogue(q, y, cuda_convert(q, y32, DTYPE_BF16, PLACE_X), b, r, act);
}

void cuda_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                       struct tensor r, struct conv conv, enum activation act) {
    check_conv_forward(y, x, w, b, r, conv);
    if (x.dims[0] == 0) return;
    if (y.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        conv_forward_by_f32(q, y, x, w, b, r, conv, act);
        return;
    }
    struct conv_plan *p = conv_plan(q, PASS_FORWARD, x, w, y, conv, q->tf32);
    if (!p) return;
    struct tensor weights = cuda_parameter(q, w, x.dtype, PLACE_WEIGHTS);
    const bool in_place = tensor_is(r) && r.data == y.data;
    if (tensor_is(b) && !in_place && (act == ACTIVATION_NONE || act == ACTIVATION_RELU) &&
        conv_fused(q, p, y, x, weights, cuda_parameter(q, b, x.dtype, PLACE_BIAS), r, act))
        return;
    /* A residual in y's own place is added by the convolution. */
    conv_run(q, p, x.data, weights.data, y.data, in_place ? 1.0f : 0.0f, "conv_forward");
    if (in_place) r = tensor_none();
    if (tensor_is(b) || tensor_is(r) || act != ACTIVATION_NONE) cuda_epilogue(q, y, y, b, r, act);
}

void cuda_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                             struct conv conv, bool add) {
    check_conv("conv_backward_data", dy, dx, w, conv);
    if (dx.dims[0] == 0) return;
    if (dx.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        struct tensor dx32 = cuda_like(q, dx, DTYPE_F32, PLACE_GRADIENT);
        cuda_conv_backward_data(q, dx32, cuda_convert(q, dy, DTYPE_F32, PLACE_X), w, conv, false);
        cuda_scale(q, dx, dx32, 1.0f, add);
        return;
    }
    struct conv_plan *p = conv_plan(q, PASS_DATA, dx, w, dy, conv, q->tf32);
    if (!p) return;
    struct tensor weights = cuda_parameter(q, w, dx.dtype, PLACE_WEIGHTS);
    conv_run(q, p, dx.data, weights.data, dy.data, add ? 1.0f : 0.0f, "conv_backward_data");
}

void cuda_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                struct conv conv) {
    check_conv("conv_backward_weights", dy, x, dw, conv);
    if (x.dims[0] == 0) return;
    const bool exact = x.dtype == DTYPE_BF16; /* in TF32 */
    x = cuda_convert(q, x, DTYPE_F32, PLACE_X);
    dy = cuda_convert(q, dy, DTYPE_F32, PLACE_GRADIENT);
    struct conv_plan *p = conv_plan(q, PASS_WEIGHTS, x, dw, dy, conv, exact || q->tf32);
    if (p) conv_run(q, p, x.data, dw.data, dy.data, 1.0f, "conv_backward_weights");
}
