/* The operations: one table a device, made from ops.def. Arguments are outputs first, then inputs.
 *
 * Operations are asynchronous and return nothing; a wrong shape is the caller's bug and aborts with both
 * shapes named. Gradients of parameters accumulate (+=); a gradient of an activation is overwritten, or added
 * to where `add` is true. Activations are F32 or BF16 (all activations of one call alike); parameters,
 * statistics, losses and optimiser state are F32, arithmetic accumulates in F32 or wider. Optional tensors
 * are tensor_none().
 */
#ifndef TENGEN_OPS_H
#define TENGEN_OPS_H

#include "tengen/device.h"
#include "tengen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum activation { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_SIGMOID };
enum pooling { POOLING_MEAN, POOLING_MAX };

/* A convolution's geometry besides its tensors; output size is (H + 2 pad_h - KH) / stride_h + 1. */
struct conv {
    int stride_h, stride_w, pad_h, pad_w;
};

/* Constants of PPO's loss (Schulman et al. 2017, eq. 9; details: Huang et al. 2022). */
struct ppo_constants {
    float clip;           /* epsilon */
    float value_clip;     /* 0: values are not clipped */
    float value_weight;   /* c1 */
    float entropy_weight; /* c2 */
};

/* Places in an optimiser's `hyper` tensor, which lives in device memory so that captured graphs do not bake
 * it in. */
enum hyper {
    HYPER_RATE,     /* learning rate */
    HYPER_DECAY,    /* L2 or decoupled weight decay */
    HYPER_MOMENTUM, /* SGD; beta1 of Adam */
    HYPER_BETA2,
    HYPER_EPSILON,
    HYPER_CORRECTION1, /* 1 - beta1^t */
    HYPER_CORRECTION2, /* 1 - beta2^t */
    HYPER_SCALE,       /* of gradients: written by clip_scale, else 1 */
    HYPER_COUNT
};

struct ops {
#define OP(name, parameters, names) void(*name) parameters;
#include "tengen/ops.def"
#undef OP
};

#define OP(name, parameters, names) void cpu_##name parameters;
#include "tengen/ops.def"
#undef OP

#ifdef __cplusplus
}
#endif
#endif
