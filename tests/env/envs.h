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

/* Lane i of a batch of our own environments, out and in. */
static inline void get_lane(const struct env_batch *b, int i, void *lane) {
    const struct env_native_batch *native = b->self;
    env_lane_load(lane, native->kind->state_bytes, native->state, native->stride, (size_t)i);
}

static inline void set_lane(const struct env_batch *b, int i, const void *lane) {
    const struct env_native_batch *native = b->self;
    env_lane_store(lane, native->kind->state_bytes, native->state, native->stride, (size_t)i);
}

#endif
