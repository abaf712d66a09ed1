/* How a row's action is drawn. Written once, for the CPU's operations and the CUDA kernels (ops.def). */
#ifndef OPS_POLICY_DRAW_H
#define OPS_POLICY_DRAW_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ops/check.h"
#include "tengen/rng.h" /* HD */

/* The arrays of a call, as ops.def names them. */
struct draw_arguments {
    void *action;
    float *log_prob;
    struct rng *rngs;
    const float *x, *log_std; /* log_std NULL: choices */
    const uint8_t *mask;
    struct choices choices;
    int rows, width;
};

/* From softmax(x) of n logits under the mask (or NULL); adds to *log_prob. */
HD static inline int32_t draw_choice(const float *x, const uint8_t *mask, int n, struct rng *rng,
                                     float *log_prob) {
    float max = -INFINITY, sum = 0.0f;
    int last = 0;
    for (int i = 0; i < n; i++)
        if (!mask || mask[i]) {
            max = fmaxf(max, x[i]);
            last = i;
        }
    for (int i = 0; i < n; i++)
        if (!mask || mask[i]) sum += expf(x[i] - max);
    const float u = rng_uniform(rng) * sum;
    float below = 0.0f;
    int choice = 0;
    for (; choice < last; choice++) {
        if (mask && !mask[choice]) continue;
        below += expf(x[choice] - max);
        if (u < below) break;
    }
    *log_prob += x[choice] - max - logf(sum);
    return choice;
}

HD static inline float draw_normal(float mean, float log_std, struct rng *rng, float *log_prob) {
    const float log_sqrt_2pi = 0.91893853320467274f, z = rng_normal(rng);
    *log_prob -= 0.5f * z * z + log_std + log_sqrt_2pi;
    return mean + z * expf(log_std);
}

HD static inline void draw_row(const struct draw_arguments *a, int row) {
    const size_t at = (size_t)row * (size_t)a->width;
    struct rng rng = a->rngs[row];
    float log_prob = 0.0f;
    if (a->log_std) {
        for (size_t i = at; i < at + (size_t)a->width; i++)
            ((float *)a->action)[i] = draw_normal(a->x[i], a->log_std[i], &rng, &log_prob);
    } else {
        int32_t *action = (int32_t *)a->action + (size_t)row * (size_t)a->choices.components;
        size_t from = at;
        for (int k = 0; k < a->choices.components; from += (size_t)a->choices.count[k++])
            action[k] = draw_choice(a->x + from, a->mask ? a->mask + from : NULL, a->choices.count[k], &rng,
                                    &log_prob);
    }
    a->log_prob[row] = log_prob;
    a->rngs[row] = rng;
}

/* ---- checks ---------------------------------------------------------------------------------------------
 */

static inline struct draw_arguments draw_columns(const char *op, struct tensor action, struct tensor log_prob,
                                                 struct tensor rngs, struct tensor x) {
    check_rank(op, x, 2);
    check_dtype(op, x, DTYPE_F32);
    check_vector(op, log_prob, x.dims[0], x);
    check_dtype(op, rngs, DTYPE_U8);
    check_vector(op, rngs, x.dims[0] * (int)sizeof(struct rng), x);
    struct draw_arguments a;
    memset(&a, 0, sizeof a);
    a.action = action.data;
    a.log_prob = (float *)log_prob.data;
    a.rngs = (struct rng *)rngs.data;
    a.x = (const float *)x.data;
    a.rows = x.dims[0];
    a.width = x.dims[1];
    return a;
}

static inline struct draw_arguments draw_choices(struct tensor action, struct tensor log_prob,
                                                 struct tensor rngs, struct tensor x, struct tensor mask,
                                                 struct choices choices) {
    const char *op = "policy_draw";
    struct draw_arguments a = draw_columns(op, action, log_prob, rngs, x);
    check_choices(op, action, mask, x, choices);
    a.mask = (const uint8_t *)mask.data;
    a.choices = choices;
    return a;
}

static inline struct draw_arguments draw_normals(struct tensor action, struct tensor log_prob,
                                                 struct tensor rngs, struct tensor x, struct tensor log_std) {
    const char *op = "gaussian_policy_draw";
    struct draw_arguments a = draw_columns(op, action, log_prob, rngs, x);
    check_same(op, action, x);
    check_dtype(op, action, DTYPE_F32);
    check_same(op, log_std, x);
    a.log_std = (const float *)log_std.data;
    return a;
}

#endif
