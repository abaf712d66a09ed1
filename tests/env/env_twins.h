/* Environments that live in a device's memory held against a batch that the host steps, bit for bit: for the
 * CPU, the emulated GPU and a real one. */
#ifndef TESTS_ENV_TWINS_H
#define TESTS_ENV_TWINS_H

#include "envs.h"

#include "tengen/env_resident.h"
#include "tengen/mem.h"

enum {
    TWINS_STEPS = 260, /* of a rollout: two truncations of one environment where max_steps is 200 */
    TWINS_ROLLOUTS = 2,
};

/* A batch on the host, its twin on the device, and what the host says of a step. */
struct twins {
    struct env_config config;
    struct env_batch host, batch;
    struct env_resident resident;
    struct queue *q;
    int count;
    size_t row; /* bytes of an observation */
    struct env_step step;
    int32_t *actions, *lengths, *slots, *finals_used; /* [N] */
    float *returns;
    char *seen, *finals;
    size_t finals_bytes;
    /* So that no comparison is idle: episodes that ended so far, the most last observations an environment
     * had in a rollout. */
    int ended, most_kept;
};

/* The word of an environment's state that counts its episode's steps. */
#define ENV(name, ...) enum { name##_step_word = offsetof(struct name, steps) / sizeof(int32_t) };
#include "env/envs.def"
#undef ENV
static const size_t step_words[] = {
#define ENV(name, ...) name##_step_word,
#include "env/envs.def"
#undef ENV
};

static inline void assert_same(struct twins *t, const void *on_device, const void *on_host, size_t size,
                               const char *what, int step) {
    char *copy = mem_alloc(size + 1, 1);
    if (size) queue_download(t->q, copy, tensor_1((void *)(uintptr_t)on_device, DTYPE_U8, (int)size));
    for (size_t i = 0; i < size; i++)
        if (copy[i] != ((const char *)on_host)[i])
            fail_msg("%s, step %d: %s differ at byte %zu of %zu", t->host.spec.name, step, what, i, size);
    mem_free(copy);
}

/* Both begin in the same states: of every third environment a limit is near, at another step each. */
static inline void begin_near_limits(struct twins *t, int kind) {
    size_t word = step_words[kind];
    struct env_batch *pair[] = {&t->host, &t->batch};
    for (int b = 0; b < 2; b++) {
        const struct env_native_batch *native = pair[b]->self;
        assert_ok(env_batch_reset(pair[b]));
        for (int i = 0; i < t->count; i += 3)
            ((int32_t *)native->state)[word * native->stride + (size_t)i] =
                t->host.spec.max_steps - 1 - i % 50;
    }
}

static inline void twins_open_step(struct twins *t) {
    struct device *d = t->q->device;
    size_t n = (size_t)t->count;
    t->step = (struct env_step){.actions = device_alloc(d, n * sizeof(float)),
                                .rewards = device_alloc(d, n * sizeof(float)),
                                .terminated = device_alloc(d, n),
                                .truncated = device_alloc(d, n),
                                .returns = device_alloc(d, n * sizeof(float)),
                                .lengths = device_alloc(d, n * sizeof(int32_t)),
                                .final_slots = device_alloc(d, n * sizeof(int32_t)),
                                .observations = device_alloc(d, n * t->row)};
    t->actions = MEM_NEW(int32_t, n);
    t->lengths = MEM_NEW(int32_t, n);
    t->slots = MEM_NEW(int32_t, n);
    t->finals_used = MEM_NEW(int32_t, n);
    t->returns = MEM_NEW(float, n);
    t->seen = mem_alloc(n, t->row);
    t->finals_bytes = tensor_bytes(t->resident.finals);
    t->finals = mem_alloc(t->finals_bytes + 1, 1);
}

static inline void twins_open(struct twins *t, struct device *d, int kind, int count, int threads,
                              bool finals) {
    struct env_spec spec = env_native_spec(kind);
    *t = (struct twins){.config = env_config_named(spec.name), .count = count};
    t->row = (size_t)env_spec_features(&spec) * (spec.pixels ? 1 : sizeof(float));
    assert_ok(env_batch_open(&t->host, &t->config, count, 3, RNG_ENV, 50));
    assert_ok(env_batch_open(&t->batch, &t->config, count, 3, RNG_ENV, 50));
    assert_ok(queue_open(d, threads, &t->q));
    assert_true(env_resident_possible(&t->batch, d));
    assert_ok(env_resident_open(&t->resident, &t->batch, t->q, TWINS_STEPS, finals));
    if (finals) {
        int slots = TWINS_STEPS / spec.max_steps + 1;
        assert_int_equal(t->resident.finals.dims[0], slots * count);
        assert_int_equal(t->resident.finals.dims[1], env_spec_features(&spec));
    }
    twins_open_step(t);
    begin_near_limits(t, kind);
    env_resident_push(&t->resident);
}

static inline void twins_close(struct twins *t) {
    void *host[] = {t->actions, t->lengths, t->slots, t->finals_used, t->returns, t->seen, t->finals};
    const struct env_step *s = &t->step;
    void *device[] = {(void *)(uintptr_t)s->actions,
                      s->rewards,
                      s->terminated,
                      s->truncated,
                      s->returns,
                      s->lengths,
                      s->final_slots,
                      s->observations};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        device_release(t->q->device, device[i]);
    for (size_t i = 0; i < sizeof host / sizeof *host; i++)
        mem_free(host[i]);
    env_resident_close(&t->resident);
    queue_close(t->q);
    env_batch_close(&t->batch);
    env_batch_close(&t->host);
}

/* Random actions, some of them beyond the bounds where there are any. */
static inline void draw_actions(struct twins *t, struct rng *rng) {
    const struct env_spec *spec = &t->host.spec;
    for (int i = 0; i < t->count; i++) {
        float force = 1.25f * (spec->low[0] + (spec->high[0] - spec->low[0]) * rng_uniform(rng));
        if (spec->kind == ENV_CONTINUOUS)
            memcpy(&t->actions[i], &force, sizeof force);
        else
            t->actions[i] = (int32_t)rng_below(rng, (uint32_t)spec->choices[0]);
    }
    queue_upload(t->q, tensor_1((void *)(uintptr_t)t->step.actions, DTYPE_I32, t->count), t->actions);
}

/* What the host has stepped and not reset yet, as a resident one tells it. */
static inline void tell(struct twins *t) {
    const struct env_batch *b = &t->host;
    env_batch_observe(&t->host, t->seen);
    for (int i = 0; i < t->count; i++) {
        t->returns[i] = b->done[i] ? b->returns[i] : 0;
        t->lengths[i] = b->done[i] ? b->lengths[i] : 0;
        t->slots[i] = -1;
        t->ended += b->done[i];
        if (!tensor_is(t->resident.finals) || b->terminated[i] || !b->truncated[i]) continue;
        t->slots[i] = t->finals_used[i]++ * t->count + i;
        memcpy(t->finals + (size_t)t->slots[i] * t->row, t->seen + (size_t)i * t->row, t->row);
        if (t->finals_used[i] > t->most_kept) t->most_kept = t->finals_used[i];
    }
}

static inline void twins_step(struct twins *t, struct rng *rng, int step) {
    size_t n = (size_t)t->count, words = n * sizeof(int32_t);
    draw_actions(t, rng);
    assert_ok(env_batch_step(&t->host, t->actions));
    env_resident_step(&t->resident, &t->step);
    assert_same(t, t->step.rewards, t->host.rewards, words, "rewards", step);
    assert_same(t, t->step.terminated, t->host.terminated, n, "ends", step);
    assert_same(t, t->step.truncated, t->host.truncated, n, "limits", step);
    tell(t);
    assert_ok(env_batch_reset_done(&t->host));
    env_batch_observe(&t->host, t->seen);
    assert_same(t, t->step.returns, t->returns, words, "returns", step);
    assert_same(t, t->step.lengths, t->lengths, words, "lengths", step);
    assert_same(t, t->step.final_slots, t->slots, words, "slots of last observations", step);
    assert_same(t, t->step.observations, t->seen, n * t->row, "observations", step);
}

/* The device's are saved as the host's are, and go on in another batch. */
static inline void twins_save_and_load(struct twins *t) {
    size_t size, expected_size;
    env_resident_pull(&t->resident);
    char *saved = env_batch_save(&t->batch, &size), *expected = env_batch_save(&t->host, &expected_size);
    assert_int_equal(size, expected_size);
    assert_memory_equal(saved, expected, size);
    bool finals = tensor_is(t->resident.finals);
    env_resident_close(&t->resident);
    env_batch_close(&t->batch);
    assert_ok(env_batch_open(&t->batch, &t->config, t->count, 4, RNG_ENV, 0));
    assert_ok(env_batch_load(&t->batch, saved, size));
    assert_ok(env_resident_open(&t->resident, &t->batch, t->q, TWINS_STEPS, finals));
    env_resident_push(&t->resident);
    mem_free(saved);
    mem_free(expected);
}

/* One kind of environment: hundreds of steps of random actions, with the ends that come of them. Returns the
 * most last observations that one of them left in a rollout. */
static inline int twins_live_alike(struct device *d, int kind, int count, int threads, bool finals) {
    struct twins t;
    struct rng rng = rng_make(9, RNG_TEST, (uint64_t)kind);
    twins_open(&t, d, kind, count, threads, finals);
    for (int rollout = 0; rollout < TWINS_ROLLOUTS; rollout++) {
        env_resident_observe(&t.resident, t.step.observations);
        env_batch_observe(&t.host, t.seen);
        assert_same(&t, t.step.observations, t.seen, (size_t)count * t.row, "first observations", rollout);
        memset(t.finals_used, 0, (size_t)count * sizeof *t.finals_used);
        env_resident_begin(&t.resident);
        for (int step = 1; step <= TWINS_STEPS; step++)
            twins_step(&t, &rng, step);
        assert_same(&t, t.resident.finals.data, t.finals, t.finals_bytes, "last observations", TWINS_STEPS);
        if (rollout) continue;
        twins_save_and_load(&t);
        memset(t.finals, 0, t.finals_bytes); /* as new as the device's */
    }
    assert_true(t.ended > count / 4);
    assert_true(finals == (t.most_kept > 0));
    assert_ok(queue_wait(t.q));
    twins_close(&t);
    return t.most_kept;
}

#endif
