/* Environments: rules only. Written once as HD static inline functions over a small plain struct
 * (src/env/NAME.h), and listed in envs.def: the CPU loops over lanes, a CUDA kernel will run the same text.
 *
 * A batch of environments steps together. step, observe and a masked reset are three functions, so that the
 * last observation of an episode is not lost. Terminated (the task ended) and truncated (a time limit) are
 * two flags.
 */
#ifndef TENGEN_ENV_H
#define TENGEN_ENV_H

#include "tengen/config.h"
#include "tengen/rng.h"

#define ENV_CONFIG(F, S)                                                                                     \
    F(S, string, name, "cartpole", 0, 0, "a name in src/env/envs.def")                                       \
    F(S, int, count, 8, 1, 1000000, "environments stepped together")
CONFIG_STRUCT(env_config, ENV_CONFIG)

/* What one kind of environment is. */
struct env_type {
    const char *name, *summary;
    int h, w, c;        /* observation NHWC; a vector of n is 1, 1, n */
    int actions;        /* discrete actions */
    int max_steps;      /* episodes are truncated here */
    float solved;       /* the customary return of a solved task */
    size_t state_bytes; /* of one environment */
    /* Batched over n environments; state: n * state_bytes; lanes where mask is 0 are left alone. Environment
     * i draws from its own rng stream. */
    void (*reset)(void *state, struct rng *rngs, int n, const uint8_t *mask); /* mask NULL: all */
    void (*step)(void *state, struct rng *rngs, int n, const int32_t *actions, float *rewards,
                 uint8_t *terminated, uint8_t *truncated);
    void (*observe)(const void *state, int n, float *observations); /* [n, h, w, c] */
};

const struct env_type *env_find(const char *name);
int env_type_count(void);
const struct env_type *env_type_at(int i);

/* A batch of environments with their streams and episode accounts. */
struct env_batch {
    const struct env_type *type;
    int count;
    void *state;                     /* count * state_bytes */
    struct rng *rngs;                /* [count], (seed, RNG_ENV or RNG_EVAL, index) */
    float *returns;                  /* [count] of the running episode */
    int32_t *lengths;                /* [count] */
    float *rewards;                  /* [count] of the last step */
    uint8_t *terminated, *truncated; /* [count] of the last step */
    uint8_t *done; /* [count] ended in the last step, one way or both, and not reset since */
    int done_count;
};

enum status env_batch_init(struct env_batch *b, const char *name, int count, uint64_t seed,
                           enum rng_purpose purpose, uint64_t first_index) MUST_USE;
void env_batch_free(struct env_batch *b);
void env_batch_reset(struct env_batch *b);
void env_batch_observe(const struct env_batch *b, float *observations);
/* Steps all; does not reset. Finished episodes' returns and lengths stand in `returns` until
 * env_batch_reset_done. */
void env_batch_step(struct env_batch *b, const int32_t *actions);
/* Resets the environments whose episode ended in the last step. */
void env_batch_reset_done(struct env_batch *b);

#endif
