/* What cuDNN's graph API is told of a convolution: tensors, and operations that read and write them.
 *     forward     conv(x, w) -> add residual -> add bias -> activation, of which only the last is stored;
 *                 in this order cuDNN knows it as one of its fused kernels
 *     data        dx (+)= conv^T(dy, w)
 *     weights     dw (+)= sum over N of x * dy, stored as F32. From BF16, which the kernels built ahead of
 *                 time would round dw to, it is a product with an identity fused behind it: that has kernels
 *                 with an F32 result, which cuDNN compiles at run time
 * All arithmetic is F32. Attributes are checked when a descriptor is finalised, by the library alone: no
 * handle and no GPU is needed, so tests/cuda/test_conv_describe.c does all of it. */
#include <stdio.h>
#include <string.h>

#include "cuda/conv.h"

/* ---- text -------------------------------------------------------------------------------------------------
 */

const char *conv_shape_text(const struct conv_shape *s, char *text, size_t size) {
    static const char *const passes[] = {"forward", "backward data", "backward weights"};
    static const char *const acts[] = {"", ", relu", ", tanh", ", sigmoid"};
    snprintf(text, size, "%s %s %dx%dx%dx%d to %d, %dx%d / %d%s%s%s%s", passes[s->pass],
             s->tf32 ? "tf32" : dtype_name((enum dtype)s->dtype), s->x[0], s->x[1], s->x[2], s->x[3], s->y[3],
             s->kernel[0], s->kernel[1], s->conv.stride_h, s->bias ? ", bias" : "",
             s->residual ? ", residual" : "", acts[s->act], s->add ? ", added" : "");
    return text;
}

/* ---- descriptors ------------------------------------------------------------------------------------------
 */

static cudnnDataType_t data_type(enum dtype dtype) {
    return dtype == DTYPE_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

/* Keeps the first failure; what comes after it does nothing. */
static void note(struct conv_description *d, cudnnStatus_t status, const char *what) {
    if (d->failed || status == CUDNN_STATUS_SUCCESS) return;
    d->status = status;
    d->failed = what;
}

static cudnnBackendDescriptor_t create(struct conv_description *d, cudnnBackendDescriptorType_t type,
                                       const char *what) {
    cudnnBackendDescriptor_t made = NULL;
    ENSURE(d->count < CONV_DESCRIPTORS, "a convolution with more than %d descriptors", CONV_DESCRIPTORS);
    if (!d->failed) note(d, cudnnBackendCreateDescriptor(type, &made), what);
    if (made) d->all[d->count++] = made;
    return made;
}

static void set(struct conv_description *d, cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values, const char *what) {
    if (!d->failed) note(d, cudnnBackendSetAttribute(of, name, type, count, values), what);
}

static void set_descriptor(struct conv_description *d, cudnnBackendDescriptor_t of,
                           cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value,
                           const char *what) {
    set(d, of, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value, what);
}

static void finalise(struct conv_description *d, cudnnBackendDescriptor_t of, const char *what) {
    if (!d->failed) note(d, cudnnBackendFinalize(of), what);
}

void conv_description_free(struct conv_description *d) {
    while (d->count > 0)
        cudnnBackendDestroyDescriptor(d->all[--d->count]);
}

/* ---- tensors ----------------------------------------------------------------------------------------------
 */

/* cuDNN names dimensions N, C, H, W; strides say that they lie as N, H, W, C. */
static cudnnBackendDescriptor_t tensor(struct conv_description *d, int uid, enum dtype dtype, int n, int h,
                                       int w, int c, int alignment) {
    const char *what = "a tensor";
    const int64_t dims[4] = {n, c, h, w}, id = uid, size = (int64_t)dtype_size(dtype);
    const int64_t align = alignment > size ? alignment : size;
    const int64_t strides[4] = {(int64_t)h * w * c, 1, (int64_t)w * c, c};
    const cudnnDataType_t type = data_type(dtype);
    const bool is_virtual = uid >= UID_VIRTUAL;
    cudnnBackendDescriptor_t t = create(d, CUDNN_BACKEND_TENSOR_DESCRIPTOR, what);
    set(d, t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type, what);
    set(d, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims, what);
    set(d, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides, what);
    set(d, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id, what);
    set(d, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align, what);
    set(d, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual, what);
    finalise(d, t, what);
    return t;
}

static cudnnBackendDescriptor_t activations(struct conv_description *d, int uid, enum dtype dtype,
                                            const int dims[4], int alignment) {
    return tensor(d, uid, dtype, dims[0], dims[1], dims[2], dims[3], alignment);
}

/* ---- operations -------------------------------------------------------------------------------------------
 */

static cudnnBackendDescriptor_t geometry(struct conv_description *d, const struct conv *c) {
    const char *what = "the convolution";
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t spatial = 2, dilations[2] = {1, 1}, strides[2] = {c->stride_h, c->stride_w};
    const int64_t pads[2] = {c->pad_h, c->pad_w};
    cudnnBackendDescriptor_t g = create(d, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, what);
    set(d, g, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial, what);
    set(d, g, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute, what);
    set(d, g, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode, what);
    set(d, g, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations, what);
    set(d, g, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides, what);
    set(d, g, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads, what);
    set(d, g, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads, what);
    finalise(d, g, what);
    return g;
}

/* The three passes differ in the names of their attributes only. */
static const struct pass_attributes {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t conv, x, w, y, alpha, beta;
} pass_attributes[] = {
    [PASS_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [PASS_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [PASS_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                      CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static void operation(struct conv_description *d, cudnnBackendDescriptor_t made) {
    ENSURE(d->operation_count < CONV_OPERATIONS, "more than %d operations fused", CONV_OPERATIONS);
    d->operations[d->operation_count++] = made;
}

static cudnnBackendDescriptor_t weights(struct conv_description *d, int uid, enum dtype dtype,
                                        const struct conv_shape *s) {
    return tensor(d, uid, dtype, s->y[3], s->kernel[0], s->kernel[1], s->x[3], s->alignment);
}

static void convolution(struct conv_description *d, const struct conv_shape *s, cudnnBackendDescriptor_t w,
                        cudnnBackendDescriptor_t y) {
    static const char *const whats[] = {"the forward operation", "the backward data operation",
                                        "the backward weights operation"};
    const char *what = whats[s->pass];
    const struct pass_attributes *a = &pass_attributes[s->pass];
    const float alpha = 1.0f, beta = s->add ? 1.0f : 0.0f;
    cudnnBackendDescriptor_t g = geometry(d, &s->conv);
    cudnnBackendDescriptor_t x = activations(d, UID_X, (enum dtype)s->dtype, s->x, s->alignment);
    cudnnBackendDescriptor_t o = create(d, a->type, what);
    set_descriptor(d, o, a->conv, g, what);
    set_descriptor(d, o, a->x, x, what);
    set_descriptor(d, o, a->w, w, what);
    set_descriptor(d, o, a->y, y, what);
    set(d, o, a->alpha, CUDNN_TYPE_FLOAT, 1, &alpha, what);
    set(d, o, a->beta, CUDNN_TYPE_FLOAT, 1, &beta, what);
    finalise(d, o, what);
    operation(d, o);
}

/* y = mode(x, b), or mode(x) where b is NULL. */
static void pointwise(struct conv_description *d, cudnnPointwiseMode_t mode, cudnnBackendDescriptor_t x,
                      cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y, const char *what) {
    const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t p = create(d, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what);
    set(d, p, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode, what);
    set(d, p, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute, what);
    finalise(d, p, what);
    cudnnBackendDescriptor_t o = create(d, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what);
    set_descriptor(d, o, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, p, what);
    set_descriptor(d, o, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x, what);
    if (b) set_descriptor(d, o, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b, what);
    set_descriptor(d, o, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y, what);
    finalise(d, o, what);
    operation(d, o);
}

/* Where an operation's result goes: to memory if no more are to come, else on to the next. */
static cudnnBackendDescriptor_t result(struct conv_description *d, const struct conv_shape *s, int more) {
    if (more == 0) return activations(d, UID_Y, (enum dtype)s->dtype, s->y, s->alignment);
    return activations(d, UID_VIRTUAL + d->operation_count, DTYPE_F32, s->y, s->alignment);
}

static void describe_forward(struct conv_description *d, const struct conv_shape *s, enum dtype bias) {
    static const cudnnPointwiseMode_t modes[] = {[ACTIVATION_RELU] = CUDNN_POINTWISE_RELU_FWD,
                                                 [ACTIVATION_TANH] = CUDNN_POINTWISE_TANH_FWD,
                                                 [ACTIVATION_SIGMOID] = CUDNN_POINTWISE_SIGMOID_FWD};
    const bool act = s->act != ACTIVATION_NONE;
    int more = (s->bias != 0) + (s->residual != 0) + act;
    cudnnBackendDescriptor_t w = weights(d, UID_W, (enum dtype)s->dtype, s), y = result(d, s, more);
    convolution(d, s, w, y);
    if (s->residual) {
        cudnnBackendDescriptor_t x = y,
                                 r = activations(d, UID_RESIDUAL, (enum dtype)s->dtype, s->y, s->alignment);
        y = result(d, s, --more);
        pointwise(d, CUDNN_POINTWISE_ADD, x, r, y, "adding the residual");
    }
    if (s->bias) {
        cudnnBackendDescriptor_t x = y, b = tensor(d, UID_BIAS, bias, 1, 1, 1, s->y[3], s->alignment);
        y = result(d, s, --more);
        pointwise(d, CUDNN_POINTWISE_ADD, x, b, y, "adding the bias");
    }
    if (act) {
        cudnnBackendDescriptor_t x = y;
        y = result(d, s, --more);
        pointwise(d, modes[s->act], x, NULL, y, "the activation");
    }
}

static void describe_weights(struct conv_description *d, const struct conv_shape *s) {
    const bool fused = s->dtype == DTYPE_BF16;
    cudnnBackendDescriptor_t y = result(d, s, 0), w = weights(d, fused ? UID_VIRTUAL : UID_W, DTYPE_F32, s);
    convolution(d, s, w, y);
    if (fused) pointwise(d, CUDNN_POINTWISE_IDENTITY, w, NULL, weights(d, UID_W, DTYPE_F32, s), "storing dw");
}

bool conv_describe(struct conv_description *d, const struct conv_shape *s, enum dtype bias) {
    const bool epilogue = s->bias || s->residual || s->act != ACTIVATION_NONE;
    ENSURE(s->pass == PASS_FORWARD || !epilogue, "a backward pass with an epilogue");
    ENSURE(!s->add || (!epilogue && (s->pass != PASS_WEIGHTS || s->dtype == DTYPE_F32)),
           "a result is added to what is in memory, and more is fused with it");
    *d = (struct conv_description){0};
    if (s->pass == PASS_FORWARD)
        describe_forward(d, s, bias);
    else if (s->pass == PASS_WEIGHTS)
        describe_weights(d, s);
    else
        convolution(d, s, weights(d, UID_W, (enum dtype)s->dtype, s), result(d, s, 0));
    return !d->failed;
}

/* ---- engines ----------------------------------------------------------------------------------------------
 */

bool conv_engine_fits(const struct conv_shape *s, const cudnnBackendNumericalNote_t *notes, int64_t count,
                      bool compiled) {
    const bool exact = s->dtype == DTYPE_F32 && !s->tf32;
    bool tensor_cores = false;
    if (compiled && !(s->pass == PASS_WEIGHTS && s->dtype == DTYPE_BF16)) return false;
    for (int64_t i = 0; i < count; i++)
        switch (notes[i]) {
        case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
            return false;
        case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
            if (exact) return false;
            break;
        case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
            tensor_cores = true;
            break;
        default:
            break;
        }
    return tensor_cores != exact; /* tensor cores have no F32 of 24 bits */
}
