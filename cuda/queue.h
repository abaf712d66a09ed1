/* What the CUDA twins ask of a queue, and their prototypes. Kernel files include nothing else of the back
 * end, so that the tests can run them on a CPU with a queue of their own (tests/cuda/emulation.cpp).
 */
#ifndef CUDA_QUEUE_H
#define CUDA_QUEUE_H

#include "tengen/env_kernels.h"
#include "tengen/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OP(name, parameters, names) void cuda_##name parameters;
#include "tengen/ops.def"
#undef OP

/* Device memory of at least `bytes`, 256-byte aligned, not cleared, that lives until the next request for the
 * same place on the same queue. Work of one queue is ordered, so one operation after the other may use it. */
enum cuda_place {
    PLACE_PARTIALS, /* partial sums of own kernels */
    PLACE_LIBRARY,  /* workspace of cuDNN and cuBLASLt */
    PLACE_WEIGHTS,  /* converted weights that have no version, and so are not kept */
    PLACE_BIAS,     /* the same of a bias */
    PLACE_X,        /* converted activations, where a library wants another type */
    PLACE_GRADIENT, /* the same of their gradients; means that a second kernel reads */
    PLACE_COUNT
};
void *cuda_scratch(struct queue *q, enum cuda_place place, size_t bytes);

/* The queue's cudaStream_t; also makes its device the calling thread's. */
void *cuda_stream(struct queue *q);

/* After every launch: keeps the first failure, which queue_wait() reports. */
void cuda_launched(struct queue *q, const char *kernel);

/* y = act(x + b + r); b: [C] of the last dimension, or none; r: like y, or none. y may be x or r. What a
 * library's convolution or product could not fuse. */
void cuda_epilogue(struct queue *q, struct tensor y, struct tensor x, struct tensor b, struct tensor r,
                   enum activation act);

/* One for each environment of envs.def. */
extern const struct env_kernels cuda_env_kernels[];

#ifdef __cplusplus
}
#endif
#endif
