/* Our own environments: loops over the lanes of every one of envs.def, and the provider that runs them in the
 * caller's thread. */
#include "env/native.h"

#include <string.h>

#include "tengen/mem.h"

/* ---- loops over lanes ------------------------------------------------------------------------------------
 */

/* The first lane from i on that the mask names; n: none. Few are named: eight are looked at together. */
static int next_lane(const uint8_t *mask, int i, int n) {
    for (; i < n; i++) {
        uint64_t eight = 0;
        for (; i % 8 == 0 && i + 8 <= n && !eight; i += eight ? 0 : 8)
            memcpy(&eight, mask + i, sizeof eight);
        if (i == n || mask[i]) break;
    }
    return i;
}

#define ENV(name_, observation, features, action, ...)                                                       \
    static struct env_spec name_##_spec(const struct env_rules *rules) {                                     \
        (void)rules;                                                                                         \
        return (struct env_spec){.name = #name_, .frames = 1, __VA_ARGS__};                                  \
    }                                                                                                        \
    static void name_##_reset_lanes(const struct env_rules *rules, void *state, size_t stride,               \
                                    struct rng *rngs, int n, const uint8_t *mask) {                          \
        for (int i = 0; i < n; i++) {                                                                        \
            if (mask && (i = next_lane(mask, i, n)) == n) break;                                             \
            struct name_ s = name_##_reset(rules, &rngs[i]);                                                 \
            env_lane_store(&s, sizeof s, state, stride, (size_t)i);                                          \
        }                                                                                                    \
    }                                                                                                        \
    static void name_##_step_lanes(const struct env_rules *restrict rules, void *restrict state,             \
                                   size_t stride, struct rng *restrict rngs, int n,                          \
                                   const void *restrict actions, float *restrict rewards,                    \
                                   uint8_t *restrict terminated, uint8_t *restrict truncated) {              \
        ENV_LANES for (int i = 0; i < n; i++) {                                                              \
            struct name_ s;                                                                                  \
            env_lane_load(&s, sizeof s, state, stride, (size_t)i);                                           \
            s = name_##_step(rules, s, &rngs[i], ((const action *)actions)[i], &rewards[i], &terminated[i],  \
                             &truncated[i]);                                                                 \
            env_lane_store(&s, sizeof s, state, stride, (size_t)i);                                          \
        }                                                                                                    \
    }                                                                                                        \
    static void name_##_observe_lanes(const struct env_rules *restrict rules, const void *restrict state,    \
                                      size_t stride, int n, void *restrict observations) {                   \
        for (int i = 0; i < n; i++) {                                                                        \
            struct name_ s;                                                                                  \
            env_lane_load(&s, sizeof s, state, stride, (size_t)i);                                           \
            name_##_observe(rules, s, (observation *)observations + (size_t)i * (size_t)(features));         \
        }                                                                                                    \
    }
#include "env/envs.def"
#undef ENV

/* ---- registry --------------------------------------------------------------------------------------------
 */

static const struct env_native kinds[] = {
#define ENV(name, ...)                                                                                       \
    {sizeof(struct name), name##_spec, name##_reset_lanes, name##_step_lanes, name##_observe_lanes},
#include "env/envs.def"
#undef ENV
};

enum { KINDS = sizeof kinds / sizeof *kinds };

int env_native_count(void) {
    return KINDS;
}

struct env_spec env_native_spec(int i) {
    ENSURE(i >= 0 && i < KINDS, "environment %d of %d", i, KINDS);
    struct env_config config;
    struct env_rules rules;
    config_defaults(env_config_keys, &config);
    enum status status = env_rules_read(&config, &rules);
    ENSURE(status == STATUS_OK, "the defaults of [env]: %s", status_text());
    return kinds[i].spec(&rules);
}

int env_native_find(const char *name) {
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(env_native_spec(i).name, name)) return i;
    return -1;
}

/* ---- the provider ----------------------------------------------------------------------------------------
 */

/* Whole cache lines, an odd number of them: words of one lane that lie a power of two apart would contend for
 * few places of a cache (a seventh of the speed of seaquest, whose struct is large). */
static size_t lane_stride(int count) {
    const size_t line = 64 / 4;
    return (((size_t)count + line - 1) / line | 1) * line;
}

static enum status native_open(struct env_batch *b, const struct env_config *config, uint64_t seed,
                               enum rng_purpose purpose, uint64_t first_index) {
    struct env_native_batch *self = b->self = MEM_NEW(struct env_native_batch, 1);
    self->kind = &kinds[env_native_find(config->name)];
    TRY(env_rules_read(config, &self->rules));
    b->spec = self->kind->spec(&self->rules);
    if (b->spec.states > 0) snprintf(b->spec.map, sizeof b->spec.map, "%s", config->map);
    self->stride = lane_stride(b->count);
    self->state = mem_alloc(self->stride, self->kind->state_bytes);
    self->rngs = MEM_NEW(struct rng, b->count);
    for (int i = 0; i < b->count; i++)
        self->rngs[i] = rng_make(seed, purpose, first_index + (uint64_t)i);
    return STATUS_OK;
}

static void native_close(struct env_batch *b) {
    struct env_native_batch *self = b->self;
    if (!self) return;
    mem_free(self->state);
    mem_free(self->rngs);
    mem_free(self);
}

static enum status native_reset(struct env_batch *b, const uint8_t *mask) {
    struct env_native_batch *self = b->self;
    self->kind->reset(&self->rules, self->state, self->stride, self->rngs, b->count, mask);
    return STATUS_OK;
}

static void native_observe(struct env_batch *b, void *observations) {
    struct env_native_batch *self = b->self;
    self->kind->observe(&self->rules, self->state, self->stride, b->count, observations);
}

static enum status native_send(struct env_batch *b, const void *actions) {
    struct env_native_batch *self = b->self;
    self->actions = actions;
    return STATUS_OK;
}

static enum status native_receive(struct env_batch *b) {
    struct env_native_batch *self = b->self;
    ENSURE(self->actions, "a step of %s is received that was not sent", b->spec.name);
    self->kind->step(&self->rules, self->state, self->stride, self->rngs, b->count, self->actions, b->rewards,
                     b->terminated, b->truncated);
    self->actions = NULL;
    return STATUS_OK;
}

static size_t native_save(struct env_batch *b, void *to) {
    struct env_native_batch *self = b->self;
    size_t state = self->stride * self->kind->state_bytes, rngs = (size_t)b->count * sizeof(struct rng);
    if (to) {
        memcpy(to, self->state, state);
        memcpy((char *)to + state, self->rngs, rngs);
    }
    return state + rngs;
}

static enum status native_load(struct env_batch *b, const void *from, size_t size) {
    struct env_native_batch *self = b->self;
    size_t state = self->stride * self->kind->state_bytes;
    memcpy(self->state, from, state);
    memcpy(self->rngs, (const char *)from + state, size - state);
    return STATUS_OK;
}

const struct env_provider env_provider_native = {
    .open = native_open,
    .close = native_close,
    .reset = native_reset,
    .observe = native_observe,
    .send = native_send,
    .receive = native_receive,
    .save = native_save,
    .load = native_load,
};
