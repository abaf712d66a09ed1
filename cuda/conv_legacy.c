/* Convolutions by cuDNN's older API, where the graph API has no plan. A forward pass is one call where cuDNN
 * fuses (a bias, ReLU or nothing), else a convolution alone. Algorithms are the first that cuDNN's heuristics
 * name and that are deterministic (a warning says so where none is); one that refuses its work when it is run
 * gives way to the next. */
#include "cuda/conv.h"

#include "tengen/log.h"
#include "tengen/mem.h"

enum { CHOICES = 8 };
static const size_t WORKSPACE_MOST = (size_t)1 << 30;

struct conv_legacy {
    struct conv_shape shape;
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
    bool refuses_fused;
};

void conv_legacy_free(struct conv_legacy *p) {
    if (!p) return;
    if (p->x) cudnnDestroyTensorDescriptor(p->x);
    if (p->y) cudnnDestroyTensorDescriptor(p->y);
    if (p->bias) cudnnDestroyTensorDescriptor(p->bias);
    if (p->w) cudnnDestroyFilterDescriptor(p->w);
    if (p->conv) cudnnDestroyConvolutionDescriptor(p->conv);
    if (p->act) cudnnDestroyActivationDescriptor(p->act);
    mem_free(p);
}

/* ---- making -----------------------------------------------------------------------------------------------
 */

static bool tensor_describe(struct queue *q, cudnnTensorDescriptor_t *t, cudnnDataType_t type,
                            const int *dims) {
    const char *what = "convolution's tensor";
    return cudnn_ok(q, cudnnCreateTensorDescriptor(t), what) &&
           cudnn_ok(
               q, cudnnSetTensor4dDescriptor(*t, CUDNN_TENSOR_NHWC, type, dims[0], dims[3], dims[1], dims[2]),
               what);
}

static cudnnMathType_t math_of(const struct conv_shape *s) {
    if (s->dtype == DTYPE_BF16) return CUDNN_TENSOR_OP_MATH;
    return s->tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH; /* the default rounds F32 to TF32 */
}

static bool describe(struct queue *q, struct conv_legacy *p) {
    const struct conv_shape *s = &p->shape;
    const cudnnDataType_t type = s->dtype == DTYPE_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    const int bias[4] = {1, 1, 1, s->y[3]};
    const struct conv *c = &s->conv;
    const cudnnActivationMode_t act =
        s->act == ACTIVATION_RELU ? CUDNN_ACTIVATION_RELU : CUDNN_ACTIVATION_IDENTITY;
    return tensor_describe(q, &p->x, type, s->x) && tensor_describe(q, &p->y, type, s->y) &&
           tensor_describe(q, &p->bias, type, bias) &&
           cudnn_ok(q, cudnnCreateFilterDescriptor(&p->w), "convolution's weights") &&
           cudnn_ok(q,
                    cudnnSetFilter4dDescriptor(p->w, type, CUDNN_TENSOR_NHWC, s->y[3], s->x[3], s->kernel[0],
                                               s->kernel[1]),
                    "convolution's weights") &&
           cudnn_ok(q, cudnnCreateConvolutionDescriptor(&p->conv), "convolution's description") &&
           cudnn_ok(q,
                    cudnnSetConvolution2dDescriptor(p->conv, c->pad_h, c->pad_w, c->stride_h, c->stride_w, 1,
                                                    1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                    "convolution's description") &&
           cudnn_ok(q, cudnnSetConvolutionMathType(p->conv, math_of(s)), "convolution's description") &&
           cudnn_ok(q, cudnnCreateActivationDescriptor(&p->act), "convolution's activation") &&
           cudnn_ok(q, cudnnSetActivationDescriptor(p->act, act, CUDNN_NOT_PROPAGATE_NAN, 0.0),
                    "convolution's activation");
}

static void consider(struct conv_legacy *p, int algorithm, cudnnStatus_t status, cudnnDeterminism_t order,
                     cudnnMathType_t math, size_t workspace) {
    if (math_of(&p->shape) == CUDNN_FMA_MATH) math = CUDNN_FMA_MATH; /* whatever else is proposed */
    if (status == CUDNN_STATUS_SUCCESS && workspace <= WORKSPACE_MOST)
        p->choices[p->count++] =
            (struct conv_choice){algorithm, math, workspace, order == CUDNN_DETERMINISTIC};
}

/* Keeps the ordered ones, where there are any. */
static bool settle(struct queue *q, struct conv_legacy *p) {
    char text[128];
    int ordered = 0;
    for (int i = 0; i < p->count; i++)
        if (p->choices[i].ordered) p->choices[ordered++] = p->choices[i];
    if (p->count == 0)
        cuda_fail(q, "cuDNN has no algorithm for a convolution, %s",
                  conv_shape_text(&p->shape, text, sizeof text));
    else if (ordered == 0)
        log_warn("cuDNN sums a convolution in no fixed order, so runs will not repeat bit for bit: %s",
                 conv_shape_text(&p->shape, text, sizeof text));
    else
        p->count = ordered;
    return p->count > 0;
}

/* What the heuristics name for each of the three passes, best first. */
static bool choose(struct queue *q, struct conv_legacy *p) {
    cudnnHandle_t cudnn = cuda_state(q)->cudnn;
    const char *what = "choosing a convolution";
    int n = 0;
    if (p->shape.pass == PASS_FORWARD) {
        cudnnConvolutionFwdAlgoPerf_t r[CHOICES];
        if (!cudnn_ok(
                q, cudnnGetConvolutionForwardAlgorithm_v7(cudnn, p->x, p->w, p->conv, p->y, CHOICES, &n, r),
                what))
            return false;
        for (int i = 0; i < n; i++)
            consider(p, (int)r[i].algo, r[i].status, r[i].determinism, r[i].mathType, r[i].memory);
    } else if (p->shape.pass == PASS_DATA) {
        cudnnConvolutionBwdDataAlgoPerf_t r[CHOICES];
        if (!cudnn_ok(
                q,
                cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnn, p->w, p->y, p->conv, p->x, CHOICES, &n, r),
                what))
            return false;
        for (int i = 0; i < n; i++)
            consider(p, (int)r[i].algo, r[i].status, r[i].determinism, r[i].mathType, r[i].memory);
    } else {
        cudnnConvolutionBwdFilterAlgoPerf_t r[CHOICES];
        if (!cudnn_ok(q,
                      cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnn, p->x, p->y, p->conv, p->w, CHOICES,
                                                                    &n, r),
                      what))
            return false;
        for (int i = 0; i < n; i++)
            consider(p, (int)r[i].algo, r[i].status, r[i].determinism, r[i].mathType, r[i].memory);
    }
    return settle(q, p);
}

struct conv_legacy *conv_legacy_make(struct queue *q, const struct conv_shape *shape) {
    struct conv_legacy *p = MEM_NEW(struct conv_legacy, 1);
    p->shape = *shape;
    if (describe(q, p) && choose(q, p)) return p;
    conv_legacy_free(p);
    return NULL;
}

/* ---- running ----------------------------------------------------------------------------------------------
 */

/* One call by the chosen algorithm. */
static cudnnStatus_t call(struct queue *q, struct conv_legacy *p, const struct conv_operands *o) {
    const struct conv_choice *c = &p->choices[p->chosen];
    cudnnHandle_t cudnn = cuda_state(q)->cudnn;
    void *workspace = cuda_scratch(q, PLACE_LIBRARY, c->workspace);
    const float alpha = 1.0f, beta = p->shape.add ? 1.0f : 0.0f;
    cudnnStatus_t status = cudnnSetConvolutionMathType(p->conv, c->math);
    if (status != CUDNN_STATUS_SUCCESS) return status;
    switch ((enum conv_pass)p->shape.pass) {
    case PASS_FORWARD:
        return cudnnConvolutionForward(cudnn, &alpha, p->x, o->x, p->w, o->w, p->conv,
                                       (cudnnConvolutionFwdAlgo_t)c->algorithm, workspace, c->workspace,
                                       &beta, p->y, (void *)(uintptr_t)o->y);
    case PASS_DATA:
        return cudnnConvolutionBackwardData(cudnn, &alpha, p->w, o->w, p->y, o->y, p->conv,
                                            (cudnnConvolutionBwdDataAlgo_t)c->algorithm, workspace,
                                            c->workspace, &beta, p->x, (void *)(uintptr_t)o->x);
    default:
        return cudnnConvolutionBackwardFilter(cudnn, &alpha, p->x, o->x, p->y, o->y, p->conv,
                                              (cudnnConvolutionBwdFilterAlgo_t)c->algorithm, workspace,
                                              c->workspace, &beta, p->w, (void *)(uintptr_t)o->w);
    }
}

/* An algorithm that turns out not to do this shape gives way to the next, for good. */
void conv_legacy_run(struct queue *q, struct conv_legacy *p, const struct conv_operands *o) {
    cuda_stream(q); /* binds the thread to the device */
    for (;;) {
        cudnnStatus_t status = call(q, p, o);
        bool refused = status != CUDNN_STATUS_SUCCESS && status != CUDNN_STATUS_EXECUTION_FAILED;
        if (!refused || p->chosen + 1 == p->count) {
            cudnn_ok(q, status, "convolution");
            return;
        }
        p->chosen++;
    }
}

/* cuDNN fuses "no activation" with this one algorithm only. */
bool conv_legacy_fused(struct queue *q, struct conv_legacy *p, const struct conv_operands *o) {
    const cudnnConvolutionFwdAlgo_t algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
    const float one = 1.0f, residual = o->residual ? 1.0f : 0.0f;
    cudnnHandle_t cudnn = cuda_state(q)->cudnn;
    size_t workspace = 0;
    if (p->refuses_fused || p->shape.add || !o->bias) return false;
    if (p->shape.act != ACTIVATION_NONE && p->shape.act != ACTIVATION_RELU) return false;
    cuda_stream(q); /* binds the thread to the device */
    cudnnStatus_t status = cudnnSetConvolutionMathType(p->conv, math_of(&p->shape));
    if (status == CUDNN_STATUS_SUCCESS)
        status =
            cudnnGetConvolutionForwardWorkspaceSize(cudnn, p->x, p->w, p->conv, p->y, algorithm, &workspace);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnConvolutionBiasActivationForward(
            cudnn, &one, p->x, o->x, p->w, o->w, p->conv, algorithm,
            cuda_scratch(q, PLACE_LIBRARY, workspace), workspace, &residual, p->y,
            o->residual ? o->residual : o->y, p->bias, o->bias, p->act, p->y, (void *)(uintptr_t)o->y);
    if (status == CUDNN_STATUS_EXECUTION_FAILED) cudnn_ok(q, status, "convolution");
    p->refuses_fused = status != CUDNN_STATUS_SUCCESS && status != CUDNN_STATUS_EXECUTION_FAILED;
    return !p->refuses_fused;
}
