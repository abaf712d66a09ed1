/* What a sample's loss has besides its distribution: the surrogate of the policy and the critic's loss.
 * Written once, for the CPU's operations and the CUDA kernels (ops.def has the formulas). */
#ifndef OPS_POLICY_GRADIENT_H
#define OPS_POLICY_GRADIENT_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/check.h"
#include "tengen/rng.h" /* HD */

enum { POLICY_STATS = 5 };

/* The arrays of a call, as ops.def names them. */
struct policy_arguments {
    float *stats, *dx, *dlog_std, *dv; /* dv NULL: no critic */
    const float *x, *log_std, *v, *old_log_prob, *advantage, *ret, *old_value;
    const int32_t *choice; /* categorical actions */
    const float *action;   /* normal ones */
    const uint8_t *mask;
    struct choices choices;
    struct policy_constants k;
    int rows, width;
    float s;
};

struct policy_term {
    float loss;  /* -surrogate */
    float slope; /* d loss / d log pi(a) */
    float kl, clipped;
};

HD static inline struct policy_term policy_term_make(const struct policy_arguments *a, int row,
                                                     float log_prob) {
    const float advantage = a->advantage[row];
    const float log_ratio = log_prob - a->old_log_prob[row], ratio = expf(log_ratio);
    const float low = 1.0f - a->k.clip, high = 1.0f + a->k.clip;
    const float clipped = ratio < low ? low : ratio > high ? high : ratio;
    struct policy_term t;
    t.loss = -ratio * advantage;
    t.slope = t.loss;
    t.kl = (ratio - 1.0f) - log_ratio;
    t.clipped = ratio < low || ratio > high ? 1.0f : 0.0f;
    if (a->k.surrogate == SURROGATE_CLIP && -clipped * advantage > t.loss) {
        t.loss = -clipped * advantage;
        t.slope = 0.0f;
    } else if (a->k.surrogate == SURROGATE_KL) {
        t.loss += a->k.kl_weight * t.kl;
        t.slope += a->k.kl_weight * (ratio - 1.0f);
    } else if (a->k.surrogate == SURROGATE_LOG) {
        t.loss = -advantage * log_prob;
        t.slope = -advantage;
    }
    return t;
}

/* 1/2 (v - R)^2, or the larger of that and the same for v kept within value_clip of the old value; *gradient
 * is that of v. */
HD static inline float value_term(const struct policy_arguments *a, int row, float *gradient) {
    const float v = a->v[row], ret = a->ret[row], error = v - ret;
    *gradient = error;
    if (a->k.value_clip <= 0.0f) return 0.5f * error * error;
    const float old = a->old_value[row], move = v - old, clip = a->k.value_clip;
    const float kept = move > clip ? clip : move < -clip ? -clip : move, kept_error = old + kept - ret;
    if (error * error >= kept_error * kept_error) return 0.5f * error * error;
    *gradient = kept == move ? kept_error : 0.0f;
    return 0.5f * kept_error * kept_error;
}

/* What is written once a sample: its statistics and the critic's gradient. */
HD static inline void policy_sample_write(const struct policy_arguments *a, int row, struct policy_term t,
                                          float entropy) {
    float *stats = a->stats + POLICY_STATS * (size_t)row, gradient = 0.0f;
    stats[0] = t.loss;
    stats[1] = a->dv ? value_term(a, row, &gradient) : 0.0f;
    stats[2] = entropy;
    stats[3] = t.kl;
    stats[4] = t.clipped;
    if (a->dv) a->dv[row] = a->s * a->k.value_weight * gradient;
}

/* ---- normal actions: one component's share --------------------------------------------------------------
 */

#define LOG_SQRT_2PI 0.91893853320467274f

HD static inline float gaussian_log_prob(float action, float mean, float log_std) {
    const float z = (action - mean) * expf(-log_std);
    return -0.5f * z * z - log_std - LOG_SQRT_2PI;
}

HD static inline float gaussian_entropy(float log_std) {
    return 0.5f + LOG_SQRT_2PI + log_std;
}

/* Gradients of component i of a row: d log pi / d mean = z / std, d log pi / d log_std = z^2 - 1. */
HD static inline void gaussian_gradient(const struct policy_arguments *a, size_t at, float slope) {
    const float inverse = expf(-a->log_std[at]), z = (a->action[at] - a->x[at]) * inverse;
    a->dx[at] = a->s * slope * z * inverse;
    a->dlog_std[at] = a->s * (slope * (z * z - 1.0f) - a->k.entropy_weight);
}

/* ---- checks ---------------------------------------------------------------------------------------------
 */

/* Those that both operations share; the columns of samples into *a. */
static inline void policy_columns(const char *op, struct policy_arguments *a, struct tensor stats,
                                  struct tensor dx, struct tensor dv, struct tensor x, struct tensor v,
                                  struct tensor old_log_prob, struct tensor advantage, struct tensor ret,
                                  struct tensor old_value) {
    check_rank(op, x, 2);
    check_dtype(op, x, DTYPE_F32);
    check_same(op, dx, x);
    const int rows = x.dims[0];
    check_vector(op, stats, POLICY_STATS * rows, x);
    check_vector(op, old_log_prob, rows, x);
    check_vector(op, advantage, rows, x);
    ENSURE(tensor_is(v) == tensor_is(dv), "%s: v and dv are given together or not at all", op);
    if (tensor_is(v)) {
        check_vector(op, v, rows, x);
        check_vector(op, dv, rows, x);
        check_vector(op, ret, rows, x);
        if (a->k.value_clip > 0.0f) check_vector(op, old_value, rows, x);
    }
    a->stats = (float *)stats.data;
    a->dx = (float *)dx.data;
    a->dv = (float *)dv.data;
    a->x = (const float *)x.data;
    a->v = (const float *)v.data;
    a->old_log_prob = (const float *)old_log_prob.data;
    a->advantage = (const float *)advantage.data;
    a->ret = (const float *)ret.data;
    a->old_value = (const float *)old_value.data;
    a->rows = rows;
    a->width = x.dims[1];
}

static inline void policy_choices(const char *op, struct policy_arguments *a, struct tensor action,
                                  struct tensor mask, struct tensor x, struct choices choices) {
    check_choices(op, action, mask, x, choices);
    a->choices = choices;
    a->choice = (const int32_t *)action.data;
    a->mask = (const uint8_t *)mask.data;
}

static inline void policy_normals(const char *op, struct policy_arguments *a, struct tensor dlog_std,
                                  struct tensor log_std, struct tensor action, struct tensor x) {
    check_same(op, dlog_std, x);
    check_same(op, log_std, x);
    check_same(op, action, x);
    check_dtype(op, action, DTYPE_F32);
    a->dlog_std = (float *)dlog_std.data;
    a->log_std = (const float *)log_std.data;
    a->action = (const float *)action.data;
}

#endif
