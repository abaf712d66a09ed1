/* Generalised advantage estimation of one step. Written once, for the CPU's operation and the CUDA kernel
 * (ops.def). */
#ifndef OPS_ADVANTAGE_H
#define OPS_ADVANTAGE_H

#include <stdbool.h>
#include <string.h>

#include "ops/check.h"
#include "tengen/rng.h" /* HD */

/* The arrays of a call, as ops.def names them: [T,N], last_value [N]. */
struct advantage_arguments {
    float *advantage, *ret;
    const float *reward, *value, *final_value, *last_value;
    const uint8_t *terminated, *truncated;
    int steps, count; /* T, N */
    float gamma, lambda;
};

/* The advantage of a step, from the value and the advantage of the next. */
HD static inline float advantage_step(const struct advantage_arguments *a, float reward, float value,
                                      bool terminated, bool truncated, float final_value, float next_value,
                                      float next_advantage) {
    if (truncated) next_value = final_value;
    if (terminated) next_value = 0.0f;
    if (terminated || truncated) next_advantage = 0.0f;
    const float delta = reward + a->gamma * next_value - value;
    return delta + a->gamma * a->lambda * next_advantage;
}

static inline struct advantage_arguments
advantage_arguments_make(struct tensor advantage, struct tensor ret, struct tensor reward,
                         struct tensor value, struct tensor terminated, struct tensor truncated,
                         struct tensor final_value, struct tensor last_value, float gamma, float lambda) {
    const char *op = "advantages";
    struct advantage_arguments a;
    check_rank(op, value, 2);
    check_rows(op, value, value);
    check_rows(op, advantage, value);
    check_rows(op, ret, value);
    check_rows(op, reward, value);
    check_rows(op, final_value, value);
    check_flags(op, terminated, value);
    check_flags(op, truncated, value);
    check_vector(op, last_value, value.dims[1], value);
    check_dtype(op, last_value, DTYPE_F32);
    memset(&a, 0, sizeof a);
    a.advantage = (float *)advantage.data;
    a.ret = (float *)ret.data;
    a.reward = (const float *)reward.data;
    a.value = (const float *)value.data;
    a.final_value = (const float *)final_value.data;
    a.last_value = (const float *)last_value.data;
    a.terminated = (const uint8_t *)terminated.data;
    a.truncated = (const uint8_t *)truncated.data;
    a.steps = value.dims[0];
    a.count = value.dims[1];
    a.gamma = gamma;
    a.lambda = lambda;
    return a;
}

#endif
