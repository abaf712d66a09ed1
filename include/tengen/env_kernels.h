/* Our own environments on a device: the loops of envs.def as kernels over lanes that live in the device's
 * memory (env_resident.h owns it).
 *
 * The table of a back end (backend.env_kernels) has an entry for each environment, in the order of envs.def.
 * The calls are queued; lanes, streams and what the calls read and write are device memory, laid out as a
 * batch of our own environments lays them out on the host (src/env/native.h), and equal to it bit for bit.
 */
#ifndef TENGEN_ENV_KERNELS_H
#define TENGEN_ENV_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "tengen/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

struct env_rules;
struct queue;

/* n lanes in an array a word, stride apart; lane i draws from rngs[i]. */
struct env_lanes {
    void *state;
    size_t stride;
    struct rng *rngs;
    int n;
    /* Of the episodes that run: [n] each. */
    float *returns;
    int32_t *lengths;
    /* Last observations of truncated episodes, [slots n, h, w, c]; NULL: they are not kept. The k-th of lane
     * i goes to row k n + i, and finals_used[i] counts them: [n]. */
    void *finals;
    int32_t *finals_used;
};

/* The columns of a step, [n] each. */
struct env_step {
    const void *actions; /* int32_t, or float, which is clipped to the bounds */
    float *rewards;
    uint8_t *terminated, *truncated;
    /* Of the episode that ended with this step; 0 where none did. */
    float *returns;
    int32_t *lengths;
    int32_t *final_slots; /* row of finals that an episode's last observation went to which was truncated and
                             not terminated; -1: none */
    void *observations;   /* [n, h, w, c] of float or uint8_t: what is seen next, a new episode's first where
                             one ended */
};

/* The rules are read when a call is made. */
struct env_kernels {
    void (*observe)(struct queue *q, const struct env_rules *rules, struct env_lanes lanes,
                    void *observations);
    /* Steps, keeps accounts, begins episodes where one ended, and observes: state is read and written once.
     */
    void (*step)(struct queue *q, const struct env_rules *rules, struct env_lanes lanes,
                 struct env_step step);
};

#ifdef __cplusplus
}
#endif
#endif
