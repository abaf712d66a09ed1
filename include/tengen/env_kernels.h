/* Our own environments on a device: the loops of envs.def as kernels over lanes that live in the device's
 * memory.
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
};

struct env_kernels {
    /* Lanes that were terminated or truncated, [n] each, begin an episode; NULL: all do. The rules are read
     * when a call is made. */
    void (*reset)(struct queue *q, const struct env_rules *rules, struct env_lanes lanes,
                  const uint8_t *terminated, const uint8_t *truncated);
    /* actions: [n] of int32_t or float; writes [n] each */
    void (*step)(struct queue *q, const struct env_rules *rules, struct env_lanes lanes, const void *actions,
                 float *rewards, uint8_t *terminated, uint8_t *truncated);
    /* observations: [n, h, w, c] of float or uint8_t */
    void (*observe)(struct queue *q, const struct env_rules *rules, struct env_lanes lanes,
                    void *observations);
};

#ifdef __cplusplus
}
#endif
#endif
