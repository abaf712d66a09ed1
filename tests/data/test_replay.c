/* The replay against the whole history of what happened, read literally. */
#include "tengen/replay.h"

#include "tengen/mem.h"
#include "tengen/thread.h"
#include "testing.h"

enum { N = 3, H = 2, W = 3, STACK = 4, POINTS = H * W, STEPS = 3, ROUNDS = 400, LENGTH = 60, M = 64 };

static const float GAMMA = 0.9f;

static const struct replay_shape shape = {
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

static struct moment *newest(struct history *h, int i) {
    return &h->moments[i][h->count[i] - 1];
}

static void add_moment(struct history *h, int i, bool begins, struct rng *rng) {
    int k = h->count[i]++;
    struct moment *m = &h->moments[i][k];
    for (int p = 0; p < POINTS; p++)
        m->frame[p] = (uint8_t)rng_below(rng, 256);
    m->begin = begins ? k : h->moments[i][k - 1].begin;
}

/* What environment i shows in slot k: its last frames, the first again where there are no more. */
static void show(const struct history *h, int i, int k, uint8_t *to) {
    for (int f = 0; f < STACK; f++) {
        int from = k - (STACK - 1 - f), begin = h->moments[i][k].begin;
        for (int p = 0; p < POINTS; p++)
            to[p * STACK + f] = h->moments[i][from > begin ? from : begin].frame[p];
    }
}

static void show_all(const struct history *h, uint8_t *to) {
    for (int i = 0; i < N; i++)
        show(h, i, h->count[i] - 1, to + i * POINTS * STACK);
}

/* One round: observe, step; episodes end in both ways. */
static void live(struct history *h, struct replay *r, struct rng *rng, bool step) {
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
static int future(const struct history *h, int i, int k) {
    for (int j = k; j < k + STEPS; j++) {
        if (j >= h->count[i]) return -1;
        if (h->moments[i][j].terminated) return k;
        if (h->moments[i][j].truncated) return j + 1;
    }
    return k + STEPS < h->count[i] ? k + STEPS : -1;
}

/* How often each slot was drawn; fails for one that must not be. */
static void draw_often(const struct history *h, const struct replay *r, int *drawn) {
    struct replay_sample samples[M];
    struct rng rng = rng_make(7, RNG_SAMPLE, 0);
    memset(drawn, 0, sizeof(int) * N * 2 * ROUNDS);
    for (int round = 0; round < 2000; round++) {
        replay_draw(r, &rng, samples, M);
        for (int m = 0; m < M; m++) {
            int i = samples[m].ring, k = (int)samples[m].slot;
            assert_in_range(k, 0, h->count[i] - 1);
            drawn[i * 2 * ROUNDS + k]++;
        }
    }
}

static bool can_be_drawn(const struct history *h, int i, int k) {
    return k > h->count[i] - LENGTH + STACK - 2 && !h->moments[i][k].last && future(h, i, k) >= 0;
}

static void check_draws(const struct history *h, const struct replay *r) {
    static int drawn[N * 2 * ROUNDS];
    int64_t usable = 0;
    draw_often(h, r, drawn);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < h->count[i]; k++)
            usable += can_be_drawn(h, i, k);
    assert_int_equal(r->count, usable);
    double expected = 2000.0 * M / (double)usable;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < h->count[i]; k++) {
            int times = drawn[i * 2 * ROUNDS + k];
            if (can_be_drawn(h, i, k))
                assert_near(times, expected, 0, 5 * sqrt(expected));
            else
                assert_int_equal(times, 0);
        }
}

/* Early, while rings fill; later, when they have gone round; and between observing and stepping. */
static void what_has_its_steps_is_drawn_and_all_of_it_alike(void **state) {
    for (int prioritised = 0; prioritised < 2; prioritised++) {
        static struct history h;
        struct replay_shape s = shape;
        struct replay r;
        struct rng rng = rng_make(1, RNG_TEST, 0);
        memset(&h, 0, sizeof h);
        s.prioritised = prioritised;
        assert_ok(replay_init(&r, &s));
        for (int round = 0; round < ROUNDS; round++) {
            if (round == 20 || round == 21 || round == ROUNDS - 1) check_draws(&h, &r);
            live(&h, &r, &rng, true);
        }
        live(&h, &r, &rng, false);
        check_draws(&h, &r);
        replay_free(&r);
    }
    (void)state;
}

static void check_sample(const struct history *h, const struct replay_sample *s, const struct replay_batch *b,
                         int m) {
    uint8_t shown[POINTS * STACK];
    int i = s->ring, k = (int)s->slot, next = future(h, i, k);
    double sum = 0, discount = 1;
    show(h, i, k, shown);
    for (int p = 0; p < POINTS * STACK; p++)
        assert_near(b->observations[m * POINTS * STACK + p], shown[p] / 255.0, 1e-6, 0);
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
        assert_near(b->next[m * POINTS * STACK + p], shown[p] / 255.0, 1e-6, 0);
}

static void samples_are_what_happened_and_never_reach_across_an_episodes_end(void **state) {
    (void)state;
    static struct history h;
    static float observations[M * POINTS * STACK], next[M * POINTS * STACK];
    float rewards[M], discounts[M];
    int32_t actions[M];
    struct replay_batch batch = {observations, next, actions, rewards, discounts};
    struct replay_sample samples[M];
    struct replay r;
    struct rng rng = rng_make(2, RNG_TEST, 0), draws = rng_make(3, RNG_TEST, 0);
    struct pool *pool = pool_create(2);
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&r, &shape));
    for (int round = 0; round < ROUNDS; round++) {
        live(&h, &r, &rng, true);
        if (round < 10) continue;
        replay_draw(&r, &draws, samples, M);
        replay_gather(&r, pool, samples, M, &batch);
        for (int m = 0; m < M; m++)
            check_sample(&h, &samples[m], &batch, m);
    }
    pool_free(pool);
    replay_free(&r);
}

static void floats_come_back_as_they_were(void **state) {
    (void)state;
    const struct replay_shape s = {
        .capacity = 40, .count = 2, .h = 1, .w = 1, .c = 3, .frames = 1, .steps = 1, .gamma = 0.5f};
    struct replay r;
    struct rng rng = rng_make(1, RNG_SAMPLE, 0);
    static const uint8_t no[2] = {0};
    assert_ok(replay_init(&r, &s));
    for (int t = 0; t < 10; t++) {
        float shown[6], rewards[2] = {(float)t, 100 + (float)t};
        int32_t actions[2] = {t, t};
        for (int i = 0; i < 6; i++)
            shown[i] = (float)(10 * t + i);
        replay_observe(&r, shown, no);
        replay_step(&r, actions, rewards, no, no, NULL);
    }
    struct replay_sample sample;
    float observation[3], next[3], reward, discount;
    int32_t action;
    struct replay_batch batch = {observation, next, &action, &reward, &discount};
    for (int i = 0; i < 50; i++) {
        replay_draw(&r, &rng, &sample, 1);
        replay_gather(&r, NULL, &sample, 1, &batch);
        for (int c = 0; c < 3; c++) {
            assert_near(observation[c], 10 * action + 3 * sample.ring + c, 0, 0);
            assert_float_equal(next[c], observation[c] + 10, 0);
        }
        assert_near(reward, 100 * sample.ring + action, 0, 0);
        assert_float_equal(discount, 0.5, 0);
    }
    replay_free(&r);
}

/* A save and a load lie in the middle of an episode that cannot be gone on with. */
static void steps_whose_future_was_lost_are_not_drawn(void **state) {
    (void)state;
    const struct replay_shape s = {
        .capacity = 100, .count = 1, .h = 1, .w = 1, .c = 1, .frames = 1, .steps = 3, .gamma = 1};
    struct replay r;
    struct rng rng = rng_make(1, RNG_SAMPLE, 0);
    struct replay_sample samples[200];
    const uint8_t no = 0;
    const int32_t action = 0;
    bool drawn[20] = {0};
    assert_ok(replay_init(&r, &s));
    for (int t = 0; t < 20; t++) {
        const float shown = (float)t, reward = 1;
        const uint8_t begins = t == 10;
        replay_observe(&r, &shown, &begins);
        replay_step(&r, &action, &reward, &no, &no, NULL);
    }
    replay_draw(&r, &rng, samples, 200);
    for (int m = 0; m < 200; m++)
        drawn[samples[m].slot] = true;
    for (int t = 0; t < 20; t++)
        assert_int_equal(drawn[t], t < 7 || (t >= 10 && t < 17));
    assert_int_equal(r.count, 14);
    replay_free(&r);
}

static void draws_follow_priorities_and_weights_undo_them(void **state) {
    (void)state;
    static struct history h;
    static int drawn[N * 2 * ROUNDS];
    struct replay_shape s = shape;
    struct replay r;
    struct rng rng = rng_make(4, RNG_TEST, 0);
    s.prioritised = true;
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&r, &s));
    for (int round = 0; round < 100; round++)
        live(&h, &r, &rng, true);
    /* Priorities (|error| + 0)^0.5: 0, 1, 2 or 3. */
    double sum = 0;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < h.count[i]; k++) {
            if (!can_be_drawn(&h, i, k)) continue;
            struct replay_sample one = {.ring = i, .slot = k};
            float error = (float)(k % 4 * (k % 4)) * (k % 2 ? 1 : -1);
            replay_prioritise(&r, &one, 1, &error, 0.5f, 0);
            sum += k % 4;
        }
    draw_often(&h, &r, drawn);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < h.count[i]; k++) {
            if (!can_be_drawn(&h, i, k)) continue;
            double expected = 2000.0 * M * (k % 4) / sum;
            assert_near(drawn[i * 2 * ROUNDS + k], expected, 0, 5 * sqrt(expected) + 1);
        }
    struct replay_sample samples[3] = {{0, 0, 10}, {0, 1, 40}, {1, 0, 20}};
    float weights[3];
    replay_weights(samples, 3, 0.5f, weights);
    assert_floats_near(weights, ((float[]){1, 0.5f, 0.70710678f}), 3, 1e-6, 0);
    /* A sample that has been written over meanwhile changes nothing. */
    uint64_t total = sum_tree_total(&r.tree);
    replay_prioritise(&r, &(struct replay_sample){.slot = 0}, 1, &(float){9}, 1, 0);
    assert_true(sum_tree_total(&r.tree) == total);
    replay_free(&r);
}

static void a_loaded_replay_goes_on_as_the_saved_one_does(void **state) {
    (void)state;
    static struct history h, copy;
    struct replay_shape s = shape;
    struct replay a, b;
    struct rng rng = rng_make(5, RNG_TEST, 0);
    s.prioritised = true;
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&a, &s));
    assert_ok(replay_init(&b, &s));
    for (int round = 0; round < 150; round++) {
        live(&h, &a, &rng, true);
        struct replay_sample sample;
        if (round < 10) continue;
        replay_draw(&a, &rng, &sample, 1);
        replay_prioritise(&a, &sample, 1, &(float){rng_normal(&rng)}, 0.6f, 1e-6f);
    }
    size_t size, again;
    void *data = replay_save(&a, NULL, &size);
    assert_ok(replay_load(&b, NULL, data, size));
    copy = h;
    struct rng rng_a = rng, rng_b = rng;
    for (int round = 0; round < 20; round++) {
        live(&h, &a, &rng_a, true);
        live(&copy, &b, &rng_b, true);
        struct replay_sample of_a[M], of_b[M];
        replay_draw(&a, &rng_a, of_a, M);
        replay_draw(&b, &rng_b, of_b, M);
        for (int m = 0; m < M; m++) {
            assert_int_equal(of_a[m].ring, of_b[m].ring);
            assert_int_equal(of_a[m].slot, of_b[m].slot);
            assert_true(of_a[m].weight == of_b[m].weight);
        }
    }
    void *whole_a = replay_save(&a, NULL, &size), *whole_b = replay_save(&b, NULL, &again);
    assert_int_equal(size, again);
    assert_memory_equal(whole_a, whole_b, size);
    mem_free(data);
    mem_free(whole_a);
    mem_free(whole_b);
    replay_free(&a);
    replay_free(&b);
}

static void damaged_and_foreign_bytes_are_refused(void **state) {
    (void)state;
    static struct history h;
    struct replay_shape s = shape;
    struct replay r, other;
    struct rng rng = rng_make(6, RNG_TEST, 0);
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&r, &s));
    for (int round = 0; round < 50; round++)
        live(&h, &r, &rng, true);
    size_t size;
    uint8_t *data = replay_save(&r, NULL, &size);
    assert_fails(replay_load(&r, NULL, data, 5), STATUS_FORMAT, "damaged");
    assert_fails(replay_load(&r, NULL, data, size - 1), STATUS_FORMAT, "damaged");
    s.steps = 1;
    assert_ok(replay_init(&other, &s));
    assert_fails(replay_load(&other, NULL, data, size), STATUS_FORMAT,
                 "another shape (3 environments with 60");
    data[size / 2] ^= 0x55;
    assert_fails(replay_load(&r, NULL, data, size), STATUS_FORMAT, "damaged");
    mem_free(data);
    replay_free(&r);
    replay_free(&other);
}

static void a_replay_that_does_not_fit_is_refused_with_one_that_does(void **state) {
    (void)state;
    struct replay_shape s = {.capacity = 1 << 20,
                             .count = 8,
                             .h = 84,
                             .w = 84,
                             .c = 4,
                             .frames = 4,
                             .pixels = true,
                             .steps = 1,
                             .prioritised = true};
    struct replay r;
    /* A byte a pixel, once: a million frames in about 7.4 GB. */
    assert_near((double)replay_bytes(&s) / (1 << 20), 84 * 84 + 9 + 16, 1e-3, 0);
    s.h = s.w = 1 << 14;
    s.capacity = REPLAY_MOST;
    assert_fails(replay_init(&r, &s), STATUS_MEMORY, "would fit");
    long long fits = atoll(strstr(status_text(), "capacity = ") + 11);
    size_t slot = (size_t)s.h * (size_t)s.w + 9 + 16;
    assert_true(fits > 0 && (size_t)fits * slot <= mem_available());
    s = shape;
    s.capacity = N * (STEPS + STACK + 2) - 1;
    assert_fails(replay_init(&r, &s), STATUS_USAGE, "27 are the least");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_its_steps_is_drawn_and_all_of_it_alike),
        cmocka_unit_test(samples_are_what_happened_and_never_reach_across_an_episodes_end),
        cmocka_unit_test(floats_come_back_as_they_were),
        cmocka_unit_test(steps_whose_future_was_lost_are_not_drawn),
        cmocka_unit_test(draws_follow_priorities_and_weights_undo_them),
        cmocka_unit_test(a_loaded_replay_goes_on_as_the_saved_one_does),
        cmocka_unit_test(damaged_and_foreign_bytes_are_refused),
        cmocka_unit_test(a_replay_that_does_not_fit_is_refused_with_one_that_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
