/* Rollouts: what N environments lived through in T steps of one policy, learnt from once and then overwritten
 * (on-policy).
 *
 * Acting fills the rows step by step, rollout_advantages judges them, minibatches are gathered by the numbers
 * of their samples: row t, environment n is sample t N + n. The two ends of an episode are kept apart: after
 * termination there is no future, after truncation the future is worth what the critic says of the episode's
 * last observation (Pardo et al. 2018). All columns are memory of a device, so that where environments live
 * there, too, nothing crosses to the host. One thread at a time.
 */
#ifndef TENGEN_ROLLOUT_H
#define TENGEN_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tengen/device.h"
#include "tengen/rng.h"

struct rollout_shape {
    int horizon, count; /* T, N */
    int features;       /* F, of an observation */
    bool pixels;        /* observations are bytes, of which networks see value / 255; else floats */
    bool continuous;    /* actions are floats; else choices */
    int components;     /* K, numbers in an action */
    int choices;        /* A, width of the masks of legal choices; 0: there are none */
    int units;          /* U, recurrent units of the network; 0: there are none */
};

struct rollout {
    struct rollout_shape shape;
    struct device *device;
    /* Written by the caller. */
    int rows;                            /* filled; T unless the caller stops before */
    struct tensor observations;          /* F32 or U8 [T N, F] that were acted on */
    struct tensor actions;               /* I32 or F32 [T N, K] */
    struct tensor masks;                 /* U8 [T N, A] or none */
    struct tensor log_probs;             /* F32 [T, N] of those actions, under the policy that took them */
    struct tensor values;                /* F32 [T, N] of those observations, by the critic of that time */
    struct tensor rewards;               /* F32 [T, N] that followed */
    struct tensor terminated, truncated; /* U8 [T, N] whether the episode ended with this step, and how; if
                                            both: terminated */
    struct tensor final_values; /* F32 [T, N] value of an episode's last observation; read where truncated */
    struct tensor last_values;  /* F32 [N] value of what is observed after the last row */
    struct tensor states;       /* F32 [N, U] the units before the first row, or none */
    struct tensor starts;       /* F32 [T, N] 1 where a row begins an episode, with units; or none */
    /* Written by rollout_advantages. */
    struct tensor advantages, returns; /* F32 [T, N] */
};

void rollout_init(struct rollout *r, struct rollout_shape shape, struct device *device);
void rollout_free(struct rollout *r); /* legal on a zeroed one */

/* n samples of a column from number `sample` on, as [n, ...]. */
struct tensor rollout_samples(const struct rollout *r, struct tensor column, size_t sample, int n);
/* All samples of a column that is [T, N], as [T N]. */
struct tensor rollout_column(struct tensor column);

/* Generalised advantage estimation (Schulman et al. 2016, eq. 16), per environment backwards over t:
 *     delta_t = r_t + gamma V_{t+1} - V_t             V_{t+1}: 0 if terminated, final_values if truncated
 *     A_t     = delta_t + gamma lambda A_{t+1}        the sum ends with the episode
 *     R_t     = A_t + V_t                             what the critic learns */
void rollout_advantages(struct rollout *r, struct queue *q, float gamma, float lambda);

/* order: 0 .. n-1, shuffled (Fisher and Yates). */
void rollout_shuffle(int32_t *order, int n, struct rng *rng);

/* The same of samples of T rows and N environments in `parts`, a divisor of N: each has all rows of N / parts
 * environments, in the order of time. */
void rollout_shuffle_sequences(int32_t *order, int t, int n, int parts, struct rng *rng);

#endif
