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

/* Where the lanes of one of our own environments lie. */
static inline void *states(const struct env_batch *b) {
    return ((struct env_native_batch *)b->self)->state;
}

#endif
