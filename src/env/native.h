/* Our own environments: the registry that envs.def makes, and the state of a batch of them, which tests put
 * states into. */
#ifndef ENV_NATIVE_H
#define ENV_NATIVE_H

#include "env/lane.h"
#include "env/rules.h"
#include "tengen/env.h"

/* Before a loop over lanes: they are independent. Their state is one array a quantity, which a compiler
 * cannot tell from overlapping ones. */
#ifdef __clang__
#define ENV_LANES _Pragma("clang loop vectorize(assume_safety)")
#else
#define ENV_LANES _Pragma("GCC ivdep")
#endif

/* The loops over n lanes of one kind; state: [words, stride]. Lane i draws from rngs[i]. */
struct env_native {
    size_t state_bytes; /* of one environment */
    struct env_spec (*spec)(const struct env_rules *rules);
    void (*reset)(const struct env_rules *rules, void *state, size_t stride, struct rng *rngs, int n,
                  const uint8_t *mask); /* mask NULL: all */
    void (*step)(const struct env_rules *rules, void *state, size_t stride, struct rng *rngs, int n,
                 const void *actions, float *rewards, uint8_t *terminated, uint8_t *truncated);
    void (*observe)(const struct env_rules *rules, const void *state, size_t stride, int n,
                    void *observations);
};

/* env_batch.self */
struct env_native_batch {
    const struct env_native *kind;
    struct env_rules rules;
    void *state; /* [words, stride], whose first [words, count] are used */
    size_t stride;
    struct rng *rngs;    /* [count] */
    const void *actions; /* of the step that was sent */
};

extern const struct env_provider env_provider_native;

/* What the config says of the rules. */
enum status env_rules_read(const struct env_config *config, struct env_rules *rules) MUST_USE;

int env_native_find(const char *name); /* -1: there is none */

#endif
