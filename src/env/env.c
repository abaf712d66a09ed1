/* The registry of environments, their loops over lanes, and batches with the accounts of their episodes. */
#include "tengen/env.h"

#include <string.h>

#include "tengen/mem.h"

CONFIG_TABLE(env_config, ENV_CONFIG)

/* ---- loops over lanes ------------------------------------------------------------------------------------
 */

/* Lanes are independent; their state is one array a quantity, which a compiler cannot tell from overlapping
 * ones. */
#ifdef __clang__
#define LANES _Pragma("clang loop vectorize(assume_safety)")
#else
#define LANES _Pragma("GCC ivdep")
#endif

#define ENV(name, summary, h, w, c, actions_, max_steps, solved)                                             \
    static void name##_reset_lanes(void *state, struct rng *rngs, int n, const uint8_t *mask) {              \
        for (int i = 0; i < n; i++)                                                                          \
            if (!mask || mask[i]) name##_store(state, (size_t)n, (size_t)i, name##_reset(&rngs[i]));         \
    }                                                                                                        \
    static void name##_step_lanes(void *restrict state, struct rng *restrict rngs, int n,                    \
                                  const int32_t *restrict actions, float *restrict rewards,                  \
                                  uint8_t *restrict terminated, uint8_t *restrict truncated) {               \
        LANES for (int i = 0; i < n; i++) {                                                                  \
            struct name s = name##_load(state, (size_t)n, (size_t)i);                                        \
            s = name##_step(s, &rngs[i], actions[i], &rewards[i], &terminated[i], &truncated[i]);            \
            name##_store(state, (size_t)n, (size_t)i, s);                                                    \
        }                                                                                                    \
    }                                                                                                        \
    static void name##_observe_lanes(const void *restrict state, int n, float *restrict observations) {      \
        for (int i = 0; i < n; i++)                                                                          \
            name##_observe(name##_load(state, (size_t)n, (size_t)i),                                         \
                           observations + (size_t)i * ((h) * (w) * (c)));                                    \
    }
#include "env/envs.def"
#undef ENV

/* ---- registry --------------------------------------------------------------------------------------------
 */

static const struct env_type types[] = {
#define ENV(name, summary, h, w, c, actions, max_steps, solved)                                              \
    {#name,                                                                                                  \
     summary,                                                                                                \
     h,                                                                                                      \
     w,                                                                                                      \
     c,                                                                                                      \
     actions,                                                                                                \
     max_steps,                                                                                              \
     solved,                                                                                                 \
     sizeof(struct name),                                                                                    \
     name##_reset_lanes,                                                                                     \
     name##_step_lanes,                                                                                      \
     name##_observe_lanes},
#include "env/envs.def"
#undef ENV
};

enum { TYPES = sizeof types / sizeof *types };

int env_type_count(void) {
    return TYPES;
}

const struct env_type *env_type_at(int i) {
    ENSURE(i >= 0 && i < TYPES, "environment %d of %d", i, TYPES);
    return &types[i];
}

const struct env_type *env_find(const char *name) {
    for (int i = 0; i < TYPES; i++)
        if (!strcmp(types[i].name, name)) return &types[i];
    return NULL;
}

static enum status unknown(const char *name) {
    const char *names[TYPES];
    for (int i = 0; i < TYPES; i++)
        names[i] = types[i].name;
    const char *near = config_nearest(name, names, TYPES);
    return status_fail(STATUS_USAGE, "there is no environment \"%s\"; %s %s", name,
                       near ? "the nearest is" : "the first there is:", near ? near : names[0]);
}

/* ---- batches ---------------------------------------------------------------------------------------------
 */

enum status env_batch_init(struct env_batch *b, const char *name, int count, uint64_t seed,
                           enum rng_purpose purpose, uint64_t first_index) {
    *b = (struct env_batch){.type = env_find(name), .count = count};
    if (!b->type) return unknown(name);
    ENSURE(count > 0, "%d environments", count);
    b->state = mem_alloc((size_t)count, b->type->state_bytes);
    b->rngs = MEM_NEW(struct rng, count);
    b->returns = MEM_NEW(float, count);
    b->lengths = MEM_NEW(int32_t, count);
    b->rewards = MEM_NEW(float, count);
    b->terminated = MEM_NEW(uint8_t, count);
    b->truncated = MEM_NEW(uint8_t, count);
    b->done = MEM_NEW(uint8_t, count);
    for (int i = 0; i < count; i++)
        b->rngs[i] = rng_make(seed, purpose, first_index + (uint64_t)i);
    return STATUS_OK;
}

void env_batch_free(struct env_batch *b) {
    mem_free(b->state);
    mem_free(b->rngs);
    mem_free(b->returns);
    mem_free(b->lengths);
    mem_free(b->rewards);
    mem_free(b->terminated);
    mem_free(b->truncated);
    mem_free(b->done);
    *b = (struct env_batch){0};
}

void env_batch_reset(struct env_batch *b) {
    size_t n = (size_t)b->count;
    b->type->reset(b->state, b->rngs, b->count, NULL);
    memset(b->returns, 0, n * sizeof *b->returns);
    memset(b->lengths, 0, n * sizeof *b->lengths);
    memset(b->rewards, 0, n * sizeof *b->rewards);
    memset(b->terminated, 0, n);
    memset(b->truncated, 0, n);
    memset(b->done, 0, n);
    b->done_count = 0;
}

void env_batch_observe(const struct env_batch *b, float *observations) {
    b->type->observe(b->state, b->count, observations);
}

void env_batch_step(struct env_batch *b, const int32_t *actions) {
    b->type->step(b->state, b->rngs, b->count, actions, b->rewards, b->terminated, b->truncated);
    b->done_count = 0;
    for (int i = 0; i < b->count; i++) {
        b->returns[i] += b->rewards[i];
        b->lengths[i]++;
        b->done[i] = b->terminated[i] | b->truncated[i];
        b->done_count += b->done[i] != 0;
    }
}

void env_batch_reset_done(struct env_batch *b) {
    if (!b->done_count) return;
    b->type->reset(b->state, b->rngs, b->count, b->done);
    for (int i = 0; i < b->count; i++) {
        if (!b->done[i]) continue;
        b->returns[i] = 0;
        b->lengths[i] = 0;
        b->done[i] = 0;
    }
    b->done_count = 0;
}
