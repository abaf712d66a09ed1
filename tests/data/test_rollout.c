/* Advantages against their definition, views of columns, and the order of learning. */
#include "tengen/rollout.h"

#include "testing.h"

enum { T = 24, N = 5, F = 3 };

static const float GAMMA = 0.9f, LAMBDA = 0.8f;

/* On the CPU, whose memory is read and written in place. */
struct bed {
    struct device *device;
    struct queue *queue;
    struct rollout r;
};

static float *floats(struct tensor t) {
    return t.data;
}

static uint8_t *bytes(struct tensor t) {
    return t.data;
}

static void bed_open(struct bed *b, struct rollout_shape shape) {
    assert_ok(device_open("cpu", 1, &b->device));
    assert_ok(queue_open(b->device, 1, &b->queue));
    rollout_init(&b->r, shape, b->device);
}

static void bed_close(struct bed *b) {
    rollout_free(&b->r);
    queue_close(b->queue);
    device_close(b->device);
}

/* Episodes of a few steps, ended in all ways; no two numbers alike. */
static void bed_open_episodes(struct bed *b) {
    struct rng rng = rng_make(5, RNG_TEST, 0);
    bed_open(b, (struct rollout_shape){.horizon = T, .count = N, .features = F, .components = 1});
    uint8_t *terminated = bytes(b->r.terminated), *truncated = bytes(b->r.truncated);
    for (int i = 0; i < T * N; i++) {
        floats(b->r.values)[i] = rng_normal(&rng);
        floats(b->r.rewards)[i] = rng_normal(&rng);
        floats(b->r.final_values)[i] = rng_normal(&rng);
        terminated[i] = rng_below(&rng, 6) == 0;
        truncated[i] = rng_below(&rng, 6) == 0;
    }
    for (int n = 0; n < N; n++)
        floats(b->r.last_values)[n] = rng_normal(&rng);
    truncated[(T - 1) * N] = 1; /* an end in the very last row */
    terminated[(T - 1) * N] = 0;
    terminated[(T - 1) * N + 1] = 1;
    terminated[(T - 1) * N + 2] = truncated[(T - 1) * N + 2] = 0;
}

static double value_after(const struct rollout *r, int t, int n) {
    int i = t * N + n;
    if (bytes(r->terminated)[i]) return 0;
    if (bytes(r->truncated)[i]) return (double)floats(r->final_values)[i];
    return (double)(t == r->rows - 1 ? floats(r->last_values)[n] : floats(r->values)[i + N]);
}

/* Eq. 16 of the paper read literally: a sum over the rest of the episode of discounted TD errors. */
static double advantage(const struct rollout *r, int t, int n) {
    double sum = 0, weight = 1;
    for (; t < r->rows; t++, weight *= (double)GAMMA * (double)LAMBDA) {
        int i = t * N + n;
        sum += weight * ((double)floats(r->rewards)[i] + (double)GAMMA * value_after(r, t, n) -
                         (double)floats(r->values)[i]);
        if (bytes(r->terminated)[i] || bytes(r->truncated)[i]) break;
    }
    return sum;
}

static void advantages_are_sums_of_td_errors_to_the_end_of_the_episode(void **state) {
    (void)state;
    struct bed b;
    bed_open_episodes(&b);
    for (b.r.rows = T; b.r.rows >= T / 2; b.r.rows -= T / 2) { /* full, and ended before */
        rollout_advantages(&b.r, b.queue, GAMMA, LAMBDA);
        for (int t = 0; t < b.r.rows; t++)
            for (int n = 0; n < N; n++) {
                double expected = advantage(&b.r, t, n);
                assert_near(floats(b.r.advantages)[t * N + n], expected, 1e-5, 1e-5);
                assert_near(floats(b.r.returns)[t * N + n], expected + (double)floats(b.r.values)[t * N + n],
                            1e-5, 1e-5);
            }
    }
    bed_close(&b);
}

static void with_lambda_1_returns_are_discounted_rewards(void **state) {
    (void)state;
    struct bed b;
    bed_open_episodes(&b);
    memset(b.r.terminated.data, 0, T * N);
    memset(b.r.truncated.data, 0, T * N);
    rollout_advantages(&b.r, b.queue, GAMMA, 1);
    double expected = (double)floats(b.r.last_values)[2];
    for (int t = T - 1; t >= 0; t--)
        expected = (double)floats(b.r.rewards)[t * N + 2] + (double)GAMMA * expected;
    assert_near(floats(b.r.returns)[2], expected, 1e-5, 1e-5);
    bed_close(&b);
}

/* One step: reward 1, worth 2 before and 10 after. */
static void termination_ends_the_future_and_truncation_does_not(void **state) {
    (void)state;
    struct bed b;
    bed_open(&b, (struct rollout_shape){.horizon = 1, .count = 3, .features = 1, .components = 1});
    for (int n = 0; n < 3; n++) {
        floats(b.r.rewards)[n] = 1;
        floats(b.r.values)[n] = 2;
        floats(b.r.final_values)[n] = 10;
        floats(b.r.last_values)[n] = 100; /* of the next episode: must not leak into this one */
    }
    bytes(b.r.terminated)[0] = 1;
    bytes(b.r.truncated)[1] = 1;
    bytes(b.r.terminated)[2] = bytes(b.r.truncated)[2] = 1;
    rollout_advantages(&b.r, b.queue, 0.5f, 1);
    assert_float_equal(floats(b.r.advantages)[0], 1 - 2, 1e-6);
    assert_float_equal(floats(b.r.advantages)[1], 1 + 0.5 * 10 - 2, 1e-6);
    assert_float_equal(floats(b.r.advantages)[2], 1 - 2, 1e-6);
    bed_close(&b);
}

/* Frames of bytes, two numbers an action, masks of three choices. */
static void samples_are_rows_of_their_columns(void **state) {
    (void)state;
    struct bed b;
    bed_open(&b, (struct rollout_shape){.horizon = 4,
                                        .count = 3,
                                        .features = 7,
                                        .pixels = true,
                                        .continuous = true,
                                        .components = 2,
                                        .choices = 3,
                                        .units = 5});
    struct tensor pixels = rollout_samples(&b.r, b.r.observations, 5, 2),
                  actions = rollout_samples(&b.r, b.r.actions, 11, 1),
                  starts = rollout_samples(&b.r, b.r.starts, 3, 3), all = rollout_column(b.r.values);
    assert_ptr_equal(pixels.data, bytes(b.r.observations) + 5 * 7);
    assert_int_equal(pixels.dtype, DTYPE_U8);
    assert_int_equal(pixels.dims[0], 2);
    assert_int_equal(pixels.dims[1], 7);
    assert_ptr_equal(actions.data, floats(b.r.actions) + 11 * 2);
    assert_int_equal(actions.dtype, DTYPE_F32);
    assert_ptr_equal(starts.data, floats(b.r.starts) + 3);
    assert_int_equal(tensor_count(b.r.states), 3 * 5);
    assert_int_equal(tensor_count(b.r.masks), 4 * 3 * 3);
    assert_int_equal(all.rank, 1);
    assert_int_equal(all.dims[0], 4 * 3);
    bed_close(&b);
}

static void a_shuffle_is_a_permutation_drawn_from_its_stream(void **state) {
    (void)state;
    enum { MANY = 1000 };
    static int32_t order[MANY], again[MANY], next[MANY];
    struct rng rng = rng_make(1, RNG_SHUFFLE, 0), copy = rng;
    bool seen[MANY] = {0};
    rollout_shuffle(order, MANY, &rng);
    rollout_shuffle(again, MANY, &copy);
    rollout_shuffle(next, MANY, &rng);
    assert_memory_equal(order, again, sizeof order);
    assert_memory_not_equal(order, next, sizeof order);
    for (int i = 0; i < MANY; i++) {
        assert_in_range(order[i], 0, MANY - 1);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
}

/* Every environment in one part, whole and in the order of time. */
static void sequences_keep_the_order_of_time(void **state) {
    (void)state;
    enum { ROWS = 7, ENVS = 6, PARTS = 3, EACH = ENVS / PARTS };
    struct rng rng = rng_make(5, RNG_TEST, 0);
    int32_t order[ROWS * ENVS];
    bool seen[ENVS] = {0};
    rollout_shuffle_sequences(order, ROWS, ENVS, PARTS, &rng);
    for (int part = 0; part < PARTS; part++)
        for (int s = 0; s < EACH; s++) {
            const int32_t *samples = order + part * ROWS * EACH + s;
            assert_in_range(samples[0], 0, ENVS - 1);
            assert_false(seen[samples[0]]);
            seen[samples[0]] = true;
            for (int t = 0; t < ROWS; t++)
                assert_int_equal(samples[t * EACH], t * ENVS + samples[0]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages_are_sums_of_td_errors_to_the_end_of_the_episode),
        cmocka_unit_test(with_lambda_1_returns_are_discounted_rewards),
        cmocka_unit_test(termination_ends_the_future_and_truncation_does_not),
        cmocka_unit_test(samples_are_rows_of_their_columns),
        cmocka_unit_test(a_shuffle_is_a_permutation_drawn_from_its_stream),
        cmocka_unit_test(sequences_keep_the_order_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
