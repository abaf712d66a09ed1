/* The whole history of what happened, read literally, for tests that hold a replay against it. */
#ifndef TESTS_DATA_REPLAY_HISTORY_H
#define TESTS_DATA_REPLAY_HISTORY_H

#include "testing.h"

#include "tengen/replay.h"

enum { N = 3, H = 2, W = 3, STACK = 4, POINTS = H * W, STEPS = 3, ROUNDS = 400, LENGTH = 60, M = 64 };

static const float GAMMA = 0.9f;

static const struct replay_shape history_shape = {
    .capacity = N * LENGTH,
    .count = N,
    .h = H,
    .w = W,
    .c = STACK,
    .frames = STACK,
    .pixels = true,
    .steps = STEPS,
    .gamma = 0.9f,
};

/* Everything that ever happened in one environment: a moment a slot, as the replay numbers them. */
struct moment {
    uint8_t frame[POINTS];
    int begin; /* slot of its episode's first */
    int32_t action;
    float reward;
    bool terminated, truncated, last;
};
struct history {
    struct moment moments[N][2 * ROUNDS];
    int count[N];
};

static inline struct moment *newest(struct history *h, int i) {
    return &h->moments[i][h->count[i] - 1];
}

static inline void add_moment(struct history *h, int i, bool begins, struct rng *rng) {
    int k = h->count[i]++;
    struct moment *m = &h->moments[i][k];
    for (int p = 0; p < POINTS; p++)
        m->frame[p] = (uint8_t)rng_below(rng, 256);
    m->begin = begins ? k : h->moments[i][k - 1].begin;
}

/* What environment i shows in slot k: its last frames, the first again where there are no more. */
static inline void show(const struct history *h, int i, int k, uint8_t *to) {
    for (int f = 0; f < STACK; f++) {
        int from = k - (STACK - 1 - f), begin = h->moments[i][k].begin;
        for (int p = 0; p < POINTS; p++)
            to[p * STACK + f] = h->moments[i][from > begin ? from : begin].frame[p];
    }
}

static inline void show_all(const struct history *h, uint8_t *to) {
    for (int i = 0; i < N; i++)
        show(h, i, h->count[i] - 1, to + i * POINTS * STACK);
}

/* One round: observe, step; episodes end in both ways. */
static inline void live(struct history *h, struct replay *r, struct rng *rng, bool step) {
    uint8_t shown[N * POINTS * STACK], begins[N] = {0}, terminated[N], truncated[N];
    int32_t actions[N];
    float rewards[N];
    for (int i = 0; i < N; i++)
        add_moment(h, i, h->count[i] == 0 || newest(h, i)->last || newest(h, i)->terminated, rng);
    show_all(h, shown);
    replay_observe(r, shown, begins);
    if (!step) return;
    for (int i = 0; i < N; i++) {
        struct moment *m = newest(h, i);
        m->action = actions[i] = (int32_t)rng_below(rng, 5);
        m->reward = rewards[i] = rng_normal(rng);
        terminated[i] = rng_below(rng, 9) == 0;
        m->terminated = terminated[i];
        truncated[i] = rng_below(rng, 9) == 0;
        m->truncated = truncated[i] && !terminated[i];
        if (m->truncated) {
            add_moment(h, i, false, rng);
            newest(h, i)->last = true;
        }
    }
    show_all(h, shown);
    replay_step(r, actions, rewards, terminated, truncated, shown);
}

/* The slot whose observation ends the return of slot k; -1: it is not there yet; k: the episode is over. */
static inline int future(const struct history *h, int i, int k) {
    for (int j = k; j < k + STEPS; j++) {
        if (j >= h->count[i]) return -1;
        if (h->moments[i][j].terminated) return k;
        if (h->moments[i][j].truncated) return j + 1;
    }
    return k + STEPS < h->count[i] ? k + STEPS : -1;
}

/* What a network sees of the frames in slots [M, frames], into host memory. */
static inline void see(const struct replay *r, struct tensor slots, float *to) {
    const struct replay_shape *s = &r->shape;
    struct tensor y = device_tensor(r->queue->device, DTYPE_F32, slots.dims[0], s->h * s->w * s->c);
    replay_show(r, y, slots);
    queue_download(r->queue, to, y);
    assert_ok(queue_wait(r->queue));
    device_release(r->queue->device, y.data);
}

/* observations, next: what a network sees of the batch. */
static inline void check_sample(const struct history *h, const struct replay_sample *s,
                                const struct replay_batch *b, const float *observations,
                                const float *next_observations, int m) {
    uint8_t shown[POINTS * STACK];
    int i = s->ring, k = (int)s->slot, next = future(h, i, k);
    double sum = 0, discount = 1;
    show(h, i, k, shown);
    for (int p = 0; p < POINTS * STACK; p++)
        assert_float_equal(observations[m * POINTS * STACK + p], (float)shown[p] * (1.0f / 255.0f), 0);
    assert_int_equal(b->actions[m], h->moments[i][k].action);
    for (int j = k; j < (next == k ? k + STEPS : next); j++) {
        sum += discount * (double)h->moments[i][j].reward;
        discount *= (double)GAMMA;
        if (h->moments[i][j].terminated) break;
    }
    assert_near(b->rewards[m], sum, 1e-5, 1e-6);
    assert_near(b->discounts[m], next == k ? 0 : discount, 1e-6, 0);
    if (next == k) return;
    show(h, i, next, shown);
    for (int p = 0; p < POINTS * STACK; p++)
        assert_float_equal(next_observations[m * POINTS * STACK + p], (float)shown[p] * (1.0f / 255.0f), 0);
}

/* Lives, and after every round holds M samples against what happened. */
static inline void check_samples(const struct replay_shape *s, struct queue *q, int rounds) {
    static struct history h;
    static float observations[M * POINTS * STACK], next[M * POINTS * STACK];
    struct replay_batch batch;
    struct replay_sample samples[M];
    struct replay r;
    struct rng rng = rng_make(2, RNG_TEST, 0), draws = rng_make(3, RNG_TEST, 0);
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&r, s, q));
    replay_batch_init(&batch, &r, M);
    for (int round = 0; round < rounds; round++) {
        live(&h, &r, &rng, true);
        if (round < 10) continue;
        replay_draw(&r, &draws, samples, M);
        replay_gather(&r, samples, &batch);
        see(&r, batch.now_d, observations);
        see(&r, batch.next_d, next);
        for (int m = 0; m < M; m++)
            check_sample(&h, &samples[m], &batch, observations, next, m);
    }
    replay_batch_free(&batch, &r);
    replay_free(&r);
}

#endif
