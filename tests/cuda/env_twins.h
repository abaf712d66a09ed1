/* Environments on a device held against those on the host, bit for bit: for the emulated GPU and a real one.
 */
#ifndef TESTS_CUDA_ENV_TWINS_H
#define TESTS_CUDA_ENV_TWINS_H

#include "testing.h"

#include "env/native.h"
#include "tengen/device.h"
#include "tengen/env_kernels.h"
#include "tengen/mem.h"

enum { LANES = 300 /* more than a block */, STEPS = 520 };

/* A batch on the host, and its twin in the device's memory. */
struct twins {
    struct env_batch host;
    const struct env_native_batch *native;
    const struct env_kernels *kernels;
    struct queue *q;
    struct env_lanes lanes;
    size_t state_bytes, observation_bytes; /* of the batch */
    void *actions, *observations;
    float *rewards;
    uint8_t *terminated, *truncated;
};

static inline struct tensor bytes_of(void *data, size_t size) {
    return tensor_1(data, DTYPE_U8, (int)size);
}

static inline void assert_same(struct twins *t, void *on_device, const void *on_host, size_t size,
                               const char *what, int step) {
    char *copy = mem_alloc(size, 1);
    queue_download(t->q, copy, bytes_of(on_device, size));
    for (size_t i = 0; i < size; i++)
        if (copy[i] != ((const char *)on_host)[i])
            fail_msg("%s, step %d: %s differ at byte %zu of %zu", t->host.spec.name, step, what, i, size);
    mem_free(copy);
}

static inline void twins_open(struct twins *t, struct device *d, int kind, int threads) {
    struct env_config config;
    struct env_spec spec = env_native_spec(kind);
    config_defaults(env_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", spec.name);
    assert_ok(env_batch_open(&t->host, &config, LANES, 3, RNG_ENV, 50));
    assert_ok(queue_open(d, threads, &t->q));
    t->native = t->host.self;
    t->kernels = &d->backend->env_kernels[kind];
    t->state_bytes = t->native->stride * t->native->kind->state_bytes;
    t->observation_bytes = (size_t)env_spec_features(&spec) * (spec.pixels ? 1 : sizeof(float)) * LANES;
    t->lanes = (struct env_lanes){device_alloc(d, t->state_bytes), t->native->stride,
                                  device_alloc(d, LANES * sizeof(struct rng)), LANES};
    t->actions = device_alloc(d, LANES * sizeof(float));
    t->rewards = device_alloc(d, LANES * sizeof(float));
    t->terminated = device_alloc(d, LANES);
    t->truncated = device_alloc(d, LANES);
    t->observations = device_alloc(d, t->observation_bytes);
    queue_upload(t->q, bytes_of(t->lanes.rngs, LANES * sizeof(struct rng)), t->native->rngs);
}

static inline void twins_close(struct twins *t) {
    struct device *d = t->q->device;
    void *arrays[] = {t->lanes.state, t->lanes.rngs, t->actions,     t->rewards,
                      t->terminated,  t->truncated,  t->observations};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        device_release(d, arrays[i]);
    queue_close(t->q);
    env_batch_close(&t->host);
}

/* Lanes, streams and what is observed. */
static inline void twins_compare(struct twins *t, int step) {
    char *expected = mem_alloc(t->observation_bytes, 1);
    t->kernels->observe(t->q, &t->native->rules, t->lanes, t->observations);
    env_batch_observe(&t->host, expected);
    assert_same(t, t->lanes.state, t->native->state, t->state_bytes, "lanes", step);
    assert_same(t, t->lanes.rngs, t->native->rngs, LANES * sizeof(struct rng), "streams", step);
    assert_same(t, t->observations, expected, t->observation_bytes, "observations", step);
    mem_free(expected);
}

static inline void twins_step(struct twins *t, struct rng *rng, int step) {
    float forces[LANES];
    int32_t choices[LANES];
    bool continuous = t->host.spec.kind == ENV_CONTINUOUS;
    for (int i = 0; i < LANES; i++) {
        forces[i] = 5 * rng_uniform(rng) - 2.5f;
        choices[i] = (int32_t)rng_below(rng, continuous ? 1 : (uint32_t)t->host.spec.choices[0]);
    }
    const void *actions = continuous ? (const void *)forces : choices;
    assert_ok(env_batch_step(&t->host, actions));
    queue_upload(t->q, bytes_of(t->actions, sizeof forces), actions);
    t->kernels->step(t->q, &t->native->rules, t->lanes, t->actions, t->rewards, t->terminated, t->truncated);
    assert_same(t, t->rewards, t->host.rewards, LANES * sizeof(float), "rewards", step);
    assert_same(t, t->terminated, t->host.terminated, LANES, "ends", step);
    assert_same(t, t->truncated, t->host.truncated, LANES, "limits", step);
}

/* One kind of environment: hundreds of steps of random actions, with the ends that come of them. */
static inline void twins_live_alike(struct device *d, int kind, int threads) {
    struct twins t = {0};
    struct rng rng = rng_make(9, RNG_TEST, (uint64_t)kind);
    twins_open(&t, d, kind, threads);
    assert_ok(env_batch_reset(&t.host));
    t.kernels->reset(t.q, &t.native->rules, t.lanes, NULL, NULL);
    twins_compare(&t, 0);
    for (int step = 1; step <= STEPS; step++) {
        twins_step(&t, &rng, step);
        t.kernels->reset(t.q, &t.native->rules, t.lanes, t.terminated, t.truncated);
        assert_ok(env_batch_reset_done(&t.host));
        if (step % 20 == 0) twins_compare(&t, step);
    }
    assert_ok(queue_wait(t.q));
    twins_close(&t);
}

#endif
