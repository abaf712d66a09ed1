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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tengen/rng.h"

struct rollout_shape {
    int horizon, count; /* T, N */
    int features;       /* F, of an observation */
    bool pixels;        /* observations are bytes, of which networks see value / 255; else floats */
    int components;     /* K, numbers in an action: int32_t, or float */
    int choices;        /* A, width of the masks of legal choices; 0: there are none */
    int units;          /* U, recurrent units of the network; 0: there are none */
};

struct rollout {
    struct rollout_shape shape;
    /* Written by the caller. */
    int rows;           /* filled; T unless the caller stops before */
    void *observations; /* [T, N, F] that were acted on: float or uint8_t */
    void *actions;      /* [T, N, K] of four bytes each */
    uint8_t *masks;     /* [T, N, A] or NULL */
    float *log_probs;   /* [T, N] of those actions, under the policy that took them */
    float *values;      /* [T, N] of those observations, by the critic of that time */
    float *rewards;     /* [T, N] that followed */
    uint8_t *terminated,
        *truncated;      /* [T, N] whether the episode ended with this step, and how; if both: terminated */
    float *final_values; /* [T, N] value of an episode's last observation; read where it was truncated only */
    float *last_values;  /* [N] value of what is observed after the last row */
    float *states;       /* [N, U] the units before the first row, or NULL */
    /* Written by rollout_advantages. */
    float *advantages, *returns; /* [T, N] */
};

void rollout_init(struct rollout *r, struct rollout_shape shape);
void rollout_free(struct rollout *r);
/* Where sample i's observation lies; its actions. */
void *rollout_observation(const struct rollout *r, size_t i);
void *rollout_action(const struct rollout *r, size_t i);
/* What a network sees of n observations, in `to` [n, F]. */
void rollout_floats(const struct rollout_shape *shape, const void *observations, size_t n, float *to);

/* Generalised advantage estimation (Schulman et al. 2016, eq. 16), per environment backwards over t:
 *     delta_t = r_t + gamma V_{t+1} - V_t             V_{t+1}: 0 if terminated, final_values if truncated
 *     A_t     = delta_t + gamma lambda A_{t+1}        the sum ends with the episode
 *     R_t     = A_t + V_t                             what the critic learns */
void rollout_advantages(struct rollout *r, float gamma, float lambda);

/* 1 - Var[R - V] / Var[R]: what share of the returns the critic foresaw; 0 where returns do not vary. */
double rollout_explained_variance(const struct rollout *r);

/* order: 0 .. n-1, shuffled (Fisher and Yates). */
void rollout_shuffle(int32_t *order, int n, struct rng *rng);

/* The same of samples of T rows and N environments in `parts`, a divisor of N: each has all rows of N / parts
 * environments, in the order of time. */
void rollout_shuffle_sequences(int32_t *order, int t, int n, int parts, struct rng *rng);

/* M samples, gathered. */
struct rollout_batch {
    int count; /* M, of at most `capacity` */
    int capacity;
    float *observations;                              /* [M, F], as a network sees them */
    void *actions;                                    /* [M, K] */
    uint8_t *masks;                                   /* [M, A] or NULL */
    float *log_probs, *values, *advantages, *returns; /* [M] */
    float *starts;                                    /* [M] 1 where a row begins an episode, or NULL */
    float *states;                                    /* [sequences, U] or NULL */
};

void rollout_batch_init(struct rollout_batch *b, const struct rollout_shape *shape, int capacity);
void rollout_batch_free(struct rollout_batch *b);

/* The n samples whose indices stand in `order`; where there are recurrent units, all rows of some
 * environments in the order of time. `starts` leaves out first rows: their state is that of the episode they
 * are in. */
void rollout_gather(struct rollout_batch *b, const struct rollout *r, const int32_t *order, int n);

/* Advantages to mean 0 and standard deviation 1 (of a sample, + 1e-8, as PyTorch users write it). */
void rollout_batch_normalise(struct rollout_batch *b);

#endif
