/* Rollouts: what N environments lived through in T steps of one policy, learnt from once and then overwritten
 * (on-policy).
 *
 * Acting fills the rows step by step, rollout_advantages judges them, rollout_gather deals out minibatches. A
 * sample is row t, environment n, at index t N + n. The two ends of an episode are kept apart: after
 * termination there is no future, after truncation the future is worth what the critic says of the episode's
 * last observation (Pardo et al. 2018). Plain host memory owned by the rollout; one thread at a time.
 */
#ifndef TENGEN_ROLLOUT_H
#define TENGEN_ROLLOUT_H

#include <stdint.h>

#include "tengen/rng.h"

struct rollout {
    int horizon, count, features; /* T, N, F */
    /* Written by the caller. */
    float *observations; /* [T, N, F] that were acted on */
    int32_t *actions;    /* [T, N] */
    float *log_probs;    /* [T, N] of those actions, under the policy that took them */
    float *values;       /* [T, N] of those observations, by the critic of that time */
    float *rewards;      /* [T, N] that followed */
    uint8_t *terminated,
        *truncated;      /* [T, N] whether the episode ended with this step, and how; if both: terminated */
    float *final_values; /* [T, N] value of an episode's last observation; read where it was truncated only */
    float *last_values;  /* [N] value of what is observed after the last row */
    /* Written by rollout_advantages. */
    float *advantages, *returns; /* [T, N] */
};

void rollout_init(struct rollout *r, int horizon, int count, int features);
void rollout_free(struct rollout *r);

/* Generalised advantage estimation (Schulman et al. 2016, eq. 16), per environment backwards over t:
 *     delta_t = r_t + gamma V_{t+1} - V_t             V_{t+1}: 0 if terminated, final_values if truncated
 *     A_t     = delta_t + gamma lambda A_{t+1}        the sum ends with the episode
 *     R_t     = A_t + V_t                             what the critic learns */
void rollout_advantages(struct rollout *r, float gamma, float lambda);

/* 1 - Var[R - V] / Var[R]: what share of the returns the critic foresaw; 0 where returns do not vary. */
double rollout_explained_variance(const struct rollout *r);

/* order: 0 .. n-1, shuffled (Fisher and Yates). */
void rollout_shuffle(int32_t *order, int n, struct rng *rng);

/* M samples, gathered. */
struct rollout_batch {
    int count, features; /* M, F */
    float *observations; /* [M, F] */
    int32_t *actions;    /* [M], and so on */
    float *log_probs, *values, *advantages, *returns;
};

void rollout_batch_init(struct rollout_batch *b, int count, int features);
void rollout_batch_free(struct rollout_batch *b);

/* The b->count samples whose indices stand in `order`. */
void rollout_gather(struct rollout_batch *b, const struct rollout *r, const int32_t *order);

/* Advantages to mean 0 and standard deviation 1 (of a sample, + 1e-8, as PyTorch users write it). */
void rollout_batch_normalise(struct rollout_batch *b);

#endif
