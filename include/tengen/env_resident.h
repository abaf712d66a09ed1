/* Environments that live in a device's memory: a batch of our own rules that is stepped there, with the
 * accounts of its episodes and the last observations of truncated ones, so that nobody waits for the host.
 *
 *     open -> push -> observe -> begin -> step, step, ... (horizon at most) -> begin -> step, ... -> pull
 *
 * Everything is queued on the queue that it was opened with; only pull waits. Columns are the caller's, in
 * the device's memory (struct env_step). On a CPU the loops of the host do the same, cut over the queue's
 * threads; results have the same bits on every device and for every number of threads. On a device that
 * counts memory is counted and nothing is done. One thread at a time.
 */
#ifndef TENGEN_ENV_RESIDENT_H
#define TENGEN_ENV_RESIDENT_H

#include "tengen/device.h"
#include "tengen/env.h"
#include "tengen/env_kernels.h"

/* New memory for n observations, as environments show them: F32 or U8 [n, F], for device_release. */
struct tensor env_observations(const struct env_spec *spec, struct device *d, int n);

struct env_resident {
    struct env_batch *batch; /* whose environments these are; the caller's, and out of date until pull */
    struct queue *queue;
    const struct env_kernels *kernels; /* NULL: a CPU, or the device counts */
    struct env_lanes lanes;
    struct tensor finals; /* [K N, F] of F32 or U8: see env_step.final_slots; none: they are not kept */
    int horizon, steps;   /* of a rollout: at most, since it began */
};

/* Whether a batch can live there: its rules are ours, and the device is a CPU or has kernels. */
bool env_resident_possible(const struct env_batch *b, const struct device *d);

/* Makes room for rollouts of `horizon` steps; `finals`: with last observations of truncated episodes, K of
 * them an environment, as many as max_steps allows. The environments get there by a push. */
enum status env_resident_open(struct env_resident *e, struct env_batch *b, struct queue *q, int horizon,
                              bool finals) MUST_USE;
void env_resident_close(struct env_resident *e); /* legal on a zeroed one */

/* Lanes, streams and accounts: from the batch (after a reset or load) to the device, and back (for a save;
 * waits). */
void env_resident_push(struct env_resident *e);
void env_resident_pull(struct env_resident *e);

/* observations: [N, F] of float or uint8_t */
void env_resident_observe(struct env_resident *e, void *observations);
/* A new rollout: no row of finals is used. */
void env_resident_begin(struct env_resident *e);
void env_resident_step(struct env_resident *e, const struct env_step *step);

#endif
