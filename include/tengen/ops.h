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

/* What a policy's gradient is taken of, with ratio = pi(a) / pi_old(a) and advantage A. */
enum surrogate {
    SURROGATE_CLIP, /* min(ratio A, clip(ratio, 1 - epsilon, 1 + epsilon) A): PPO (Schulman et al. 2017, eq.
                       7) */
    SURROGATE_KL,   /* ratio A - beta KL(pi_old, pi): PPO with a penalty (eq. 8) */
    SURROGATE_LOG,  /* A log pi(a): REINFORCE (Williams 1992), actor-critic */
};

/* Constants of a policy gradient's loss (Schulman et al. 2017, eq. 9; details: Huang et al. 2022). */
struct policy_constants {
    enum surrogate surrogate;
    float clip;           /* epsilon of SURROGATE_CLIP */
    float kl_weight;      /* beta of SURROGATE_KL */
    float value_clip;     /* 0: values are not clipped */
    float value_weight;   /* c1 */
    float entropy_weight; /* c2 */
};

/* Discrete actions of one or more components, each a choice among some: logits of all components stand side
 * by side. */
enum { CHOICE_COMPONENTS = 16 };
struct choices {
    int components;
    int count[CHOICE_COMPONENTS]; /* of each component; together the logits of a row */
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

/* Differs where the program and a library that was left over from another build do not fit together: the
 * sizes of what they share. */
#define BACKEND_LAYOUT (sizeof(struct backend) + 1000 * (sizeof(struct queue) + 1000 * sizeof(struct ops)))

#define OP(name, parameters, names) void cpu_##name parameters;
#include "tengen/ops.def"
#undef OP

#ifdef __cplusplus
}
#endif
#endif
