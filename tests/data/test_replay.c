/* The replay against the whole history of what happened, read literally. */
#include "replay_history.h"

#include "tengen/mem.h"

static struct queue *queue; /* of a CPU */

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
        struct replay_shape s = history_shape;
        struct replay r;
        struct rng rng = rng_make(1, RNG_TEST, 0);
        memset(&h, 0, sizeof h);
        s.prioritised = prioritised;
        assert_ok(replay_init(&r, &s, queue));
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

static void samples_are_what_happened_and_never_reach_across_an_episodes_end(void **state) {
    (void)state;
    check_samples(&history_shape, queue, ROUNDS);
}

static void floats_come_back_as_they_were(void **state) {
    (void)state;
    const struct replay_shape s = {
        .capacity = 40, .count = 2, .h = 1, .w = 1, .c = 3, .frames = 1, .steps = 1, .gamma = 0.5f};
    struct replay r;
    struct rng rng = rng_make(1, RNG_SAMPLE, 0);
    static const uint8_t no[2] = {0};
    assert_ok(replay_init(&r, &s, queue));
    for (int t = 0; t < 10; t++) {
        float shown[6], rewards[2] = {(float)t, 100 + (float)t};
        int32_t actions[2] = {t, t};
        for (int i = 0; i < 6; i++)
            shown[i] = (float)(10 * t + i);
        replay_observe(&r, shown, no);
        replay_step(&r, actions, rewards, no, no, NULL);
    }
    struct replay_sample sample;
    float observation[3], next[3];
    struct replay_batch batch;
    replay_batch_init(&batch, &r, 1);
    for (int i = 0; i < 50; i++) {
        replay_draw(&r, &rng, &sample, 1);
        replay_gather(&r, &sample, &batch);
        see(&r, batch.now_d, observation);
        see(&r, batch.next_d, next);
        for (int c = 0; c < 3; c++) {
            assert_near(observation[c], 10 * *batch.actions + 3 * sample.ring + c, 0, 0);
            assert_float_equal(next[c], observation[c] + 10, 0);
        }
        assert_near(*batch.rewards, 100 * sample.ring + *batch.actions, 0, 0);
        assert_float_equal(*batch.discounts, 0.5, 0);
    }
    replay_batch_free(&batch, &r);
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
    assert_ok(replay_init(&r, &s, queue));
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
    struct replay_shape s = history_shape;
    struct replay r;
    struct rng rng = rng_make(4, RNG_TEST, 0);
    s.prioritised = true;
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&r, &s, queue));
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
    struct replay_shape s = history_shape;
    struct replay a, b;
    struct rng rng = rng_make(5, RNG_TEST, 0);
    s.prioritised = true;
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&a, &s, queue));
    assert_ok(replay_init(&b, &s, queue));
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
    struct replay_shape s = history_shape;
    struct replay r, other;
    struct rng rng = rng_make(6, RNG_TEST, 0);
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(&r, &s, queue));
    for (int round = 0; round < 50; round++)
        live(&h, &r, &rng, true);
    size_t size;
    uint8_t *data = replay_save(&r, NULL, &size);
    assert_fails(replay_load(&r, NULL, data, 5), STATUS_FORMAT, "damaged");
    assert_fails(replay_load(&r, NULL, data, size - 1), STATUS_FORMAT, "damaged");
    s.steps = 1;
    assert_ok(replay_init(&other, &s, queue));
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
    assert_fails(replay_init(&r, &s, queue), STATUS_MEMORY, "would fit");
    long long fits = atoll(strstr(status_text(), "capacity = ") + 11);
    size_t slot = (size_t)s.h * (size_t)s.w + 9 + 16;
    assert_true(fits > 0 && (size_t)fits * slot <= mem_available());
    s = history_shape;
    s.capacity = N * (STEPS + STACK + 2) - 1;
    assert_fails(replay_init(&r, &s, queue), STATUS_USAGE, "27 are the least");
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
    struct device *device;
    if (device_open("cpu", 2, &device) != STATUS_OK || queue_open(device, 2, &queue) != STATUS_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    queue_close(queue);
    device_close(device);
    return failed;
}
