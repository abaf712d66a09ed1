/* What the tests of environments share: opening a batch by name, and reaching into its lanes. */
#ifndef TESTS_ENV_ENVS_H
#define TESTS_ENV_ENVS_H

#include "env/native.h"
#include "testing.h"

static inline struct env_config env_config_named(const char *name) {
    struct env_config config;
    config_defaults(env_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", name);
    return config;
}

/* In the beginning of its first episodes. */
static inline struct env_batch open_batch(const char *name, int count, uint64_t first) {
    struct env_batch b;
    struct env_config config = env_config_named(name);
    assert_ok(env_batch_open(&b, &config, count, 7, RNG_ENV, first));
    assert_ok(env_batch_reset(&b));
    return b;
}

static inline size_t lane_bytes(const struct env_batch *b) {
    return ((struct env_native_batch *)b->self)->kind->state_bytes;
}

/* Where the lanes of one of our own environments lie. */
static inline void *states(const struct env_batch *b) {
    return ((struct env_native_batch *)b->self)->state;
}

/* Lane i of such a batch, out and in. */
static inline void get_lane(const struct env_batch *b, int i, void *lane) {
    env_lane_load(lane, lane_bytes(b), states(b), (size_t)b->count, (size_t)i);
}

static inline void set_lane(const struct env_batch *b, int i, const void *lane) {
    env_lane_store(lane, lane_bytes(b), states(b), (size_t)b->count, (size_t)i);
}

#endif
