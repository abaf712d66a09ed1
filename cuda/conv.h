/* Convolutions on a GPU, in four files:
 *   conv.c            the operations; each shape is planned once, by the first of the next two that can do it
 *   conv_graph.c      cuDNN's graph API: one kernel or a few for convolution, bias, residual and activation
 *   conv_describe.c   what the graph API is told, which needs neither handle nor GPU
 *   conv_legacy.c     cuDNN's older API
 */
#ifndef CUDA_CONV_H
#define CUDA_CONV_H

#include "cuda/state.h"

enum conv_pass { PASS_FORWARD, PASS_DATA, PASS_WEIGHTS };

/* A convolution and what is fused with it. Plans are found by its bytes, so it has no padding. */
struct conv_shape {
    int pass;       /* enum conv_pass */
    int dtype;      /* of x, y, r and gradients of activations, and of w as the library gets it; dw is F32 */
    int tf32;       /* F32 factors may be rounded */
    int x[4], y[4]; /* NHWC */
    int kernel[2];  /* weights are OHWI */
    struct conv conv;
    int bias, residual; /* forward: whether there are any */
    int act;            /* forward: enum activation */
    int add;            /* the result is added to what is in its place; not with anything fused */
    int alignment;      /* of all operands, bytes */
};

/* "forward bf16 5x19x19x192 to 192, 3x3 / 1, bias, residual, relu" */
const char *conv_shape_text(const struct conv_shape *shape, char *text, size_t size);

/* Device memory: y is where the result of PASS_FORWARD goes, x that of PASS_DATA, w that of PASS_WEIGHTS. */
struct conv_operands {
    const void *x, *w, *y, *bias, *residual;
};

/* ---- descriptions: conv_describe.c ------------------------------------------------------------------------
 */

enum { CONV_DESCRIPTORS = 24, CONV_OPERATIONS = 4 };

/* Names that operands go by; greater ones are values between fused operations, which are F32 and never lie in
 * memory. */
enum conv_uid { UID_X = 1, UID_W, UID_Y, UID_BIAS, UID_RESIDUAL, UID_VIRTUAL };

struct conv_description {
    cudnnBackendDescriptor_t all[CONV_DESCRIPTORS], operations[CONV_OPERATIONS];
    int count, operation_count;
    cudnnStatus_t status; /* of the first call that failed, */
    const char *failed;   /* and what it was about; NULL: all are finalised */
};

/* Descriptors of a shape with its bias in `bias`, all finalised; false and why in d->status and d->failed.
 * The caller frees either. */
bool conv_describe(struct conv_description *d, const struct conv_shape *shape, enum dtype bias);
void conv_description_free(struct conv_description *d);

/* Whether an engine with these notes may be taken. Refused are: sums in no fixed order; sums narrower than
 * F32; rounded factors where F32 is exact, and no tensor cores where it is not; `compiled` at run time, which
 * takes seconds a shape, except for the gradients of weights from BF16, which have no others. */
bool conv_engine_fits(const struct conv_shape *shape, const cudnnBackendNumericalNote_t *notes, int64_t count,
                      bool compiled);

/* ---- plans of the graph API: conv_graph.c -----------------------------------------------------------------
 */

/* What plans are made for: a queue's handle; or, to ask without a GPU, a descriptor of a device's properties.
 */
struct conv_target {
    cudnnHandle_t cudnn;
    cudnnBackendDescriptor_t properties;
};

struct conv_graph {
    struct conv_description description;
    cudnnBackendDescriptor_t graph, config, plan;
    enum dtype bias; /* the type that the bias must have */
    int64_t engine, workspace;
};

/* NULL where no engine does it; `why` says at what that came to light. */
struct conv_graph *conv_graph_make(const struct conv_target *target, const struct conv_shape *shape,
                                   char *why, size_t size);
void conv_graph_free(struct conv_graph *g);
cudnnStatus_t conv_graph_run(struct queue *q, const struct conv_graph *g, const struct conv_operands *o);

/* ---- plans of the older API: conv_legacy.c ----------------------------------------------------------------
 */

struct conv_legacy;

/* NULL where there is none, and the queue has failed. */
struct conv_legacy *conv_legacy_make(struct queue *q, const struct conv_shape *shape);
void conv_legacy_free(struct conv_legacy *p);
/* The convolution alone, without bias, residual and activation. */
void conv_legacy_run(struct queue *q, struct conv_legacy *p, const struct conv_operands *o);
/* All of a forward pass in one call; false where cuDNN does not do it. */
bool conv_legacy_fused(struct queue *q, struct conv_legacy *p, const struct conv_operands *o);

#endif
