/* Advantages against their definition, minibatches against the rollout. */
#include "tengen/rollout.h"

#include "testing.h"

enum { T = 24, N = 5, F = 3 };

static const float GAMMA = 0.9f, LAMBDA = 0.8f;

/* Episodes of a few steps, ended in all ways; no two numbers alike. */
static struct rollout make_rollout(void) {
    struct rollout r;
    struct rng rng = rng_make(5, RNG_TEST, 0);
    rollout_init(&r, (struct rollout_shape){T, N, F, false, 1, 0, 0});
    for (int i = 0; i < T * N; i++) {
        for (int f = 0; f < F; f++)
            ((float *)r.observations)[i * F + f] = (float)(i * F + f);
        ((int32_t *)r.actions)[i] = i;
        r.log_probs[i] = -(float)i;
        r.values[i] = rng_normal(&rng);
        r.rewards[i] = rng_normal(&rng);
        r.final_values[i] = rng_normal(&rng);
        r.terminated[i] = rng_below(&rng, 6) == 0;
        r.truncated[i] = rng_below(&rng, 6) == 0;
    }
    for (int n = 0; n < N; n++)
        r.last_values[n] = rng_normal(&rng);
    r.truncated[(T - 1) * N] = 1; /* an end in the very last row */
    r.terminated[(T - 1) * N] = 0;
    r.terminated[(T - 1) * N + 1] = 1;
    r.terminated[(T - 1) * N + 2] = r.truncated[(T - 1) * N + 2] = 0;
    return r;
}

static double value_after(const struct rollout *r, int t, int n) {
    int i = t * N + n;
    if (r->terminated[i]) return 0;
    if (r->truncated[i]) return (double)r->final_values[i];
    return (double)(t == T - 1 ? r->last_values[n] : r->values[i + N]);
}

/* Eq. 16 of the paper read literally: a sum over the rest of the episode of discounted TD errors. */
static double advantage(const struct rollout *r, int t, int n) {
    double sum = 0, weight = 1;
    for (; t < T; t++, weight *= (double)GAMMA * (double)LAMBDA) {
        int i = t * N + n;
        sum += weight * ((double)r->rewards[i] + (double)GAMMA * value_after(r, t, n) - (double)r->values[i]);
        if (r->terminated[i] || r->truncated[i]) break;
    }
    return sum;
}

static void advantages_are_sums_of_td_errors_to_the_end_of_the_episode(void **state) {
    (void)state;
    struct rollout r = make_rollout();
    rollout_advantages(&r, GAMMA, LAMBDA);
    for (int t = 0; t < T; t++)
        for (int n = 0; n < N; n++) {
            double expected = advantage(&r, t, n);
            assert_near(r.advantages[t * N + n], expected, 1e-5, 1e-5);
            assert_near(r.returns[t * N + n], expected + (double)r.values[t * N + n], 1e-5, 1e-5);
        }
    rollout_free(&r);
}

static void with_lambda_1_returns_are_discounted_rewards(void **state) {
    (void)state;
    struct rollout r = make_rollout();
    memset(r.terminated, 0, T * N);
    memset(r.truncated, 0, T * N);
    rollout_advantages(&r, GAMMA, 1);
    double expected = (double)r.last_values[2];
    for (int t = T - 1; t >= 0; t--)
        expected = (double)r.rewards[t * N + 2] + (double)GAMMA * expected;
    assert_near(r.returns[2], expected, 1e-5, 1e-5);
    rollout_free(&r);
}

/* One step: reward 1, worth 2 before and 10 after. */
static void termination_ends_the_future_and_truncation_does_not(void **state) {
    (void)state;
    struct rollout r;
    rollout_init(&r, (struct rollout_shape){1, 3, 1, false, 1, 0, 0});
    for (int n = 0; n < 3; n++) {
        r.rewards[n] = 1;
        r.values[n] = 2;
        r.final_values[n] = 10;
        r.last_values[n] = 100; /* of the next episode: must not leak into this one */
    }
    r.terminated[0] = 1;
    r.truncated[1] = 1;
    r.terminated[2] = r.truncated[2] = 1;
    rollout_advantages(&r, 0.5f, 1);
    assert_float_equal(r.advantages[0], 1 - 2, 1e-6);
    assert_float_equal(r.advantages[1], 1 + 0.5 * 10 - 2, 1e-6);
    assert_float_equal(r.advantages[2], 1 - 2, 1e-6);
    rollout_free(&r);
}

static void explained_variance_is_1_of_a_prophet_and_0_of_a_constant(void **state) {
    (void)state;
    struct rollout r = make_rollout();
    rollout_advantages(&r, GAMMA, LAMBDA);
    for (int i = 0; i < T * N; i++) {
        r.values[i] = r.returns[i];
        r.advantages[i] = 0;
    }
    assert_near(rollout_explained_variance(&r), 1, 0, 1e-9);
    for (int i = 0; i < T * N; i++)
        r.advantages[i] = r.returns[i] - 3;
    assert_near(rollout_explained_variance(&r), 0, 0, 1e-6);
    for (int i = 0; i < T * N; i++)
        r.returns[i] = 3;
    assert_float_equal(rollout_explained_variance(&r), 0, 0);
    rollout_free(&r);
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

static void minibatches_of_a_shuffle_hold_every_sample_once(void **state) {
    (void)state;
    enum { M = T * N / 4 };
    struct rollout r = make_rollout();
    struct rollout_batch b;
    struct rng rng = rng_make(1, RNG_SHUFFLE, 0);
    int32_t order[T * N];
    bool seen[T * N] = {0};
    rollout_advantages(&r, GAMMA, LAMBDA);
    rollout_batch_init(&b, &r.shape, M);
    rollout_shuffle(order, T * N, &rng);
    for (int m = 0; m < 4; m++) {
        rollout_gather(&b, &r, order + m * M, M);
        for (int i = 0; i < M; i++) {
            int from = ((int32_t *)b.actions)[i];
            assert_int_equal(from, order[m * M + i]);
            assert_false(seen[from]);
            seen[from] = true;
            assert_memory_equal(b.observations + i * F, (float *)r.observations + from * F,
                                F * sizeof(float));
            assert_float_equal(b.log_probs[i], r.log_probs[from], 0);
            assert_float_equal(b.values[i], r.values[from], 0);
            assert_float_equal(b.advantages[i], r.advantages[from], 0);
            assert_float_equal(b.returns[i], r.returns[from], 0);
        }
    }
    rollout_batch_free(&b);
    rollout_free(&r);
}

/* Frames of bytes, two numbers an action, masks of three choices. */
static void gathered_pixels_are_shares_of_255_with_their_actions_and_masks(void **state) {
    (void)state;
    enum { STEPS = 4, PIXELS = 7, COMPONENTS = 2, CHOICES = 3 };
    struct rollout r;
    struct rollout_batch b;
    rollout_init(&r, (struct rollout_shape){STEPS, 1, PIXELS, true, COMPONENTS, CHOICES, 0});
    for (int i = 0; i < STEPS * PIXELS; i++)
        ((uint8_t *)r.observations)[i] = (uint8_t)(9 * i);
    for (int i = 0; i < STEPS * COMPONENTS; i++)
        ((float *)r.actions)[i] = 0.5f * (float)i;
    for (int i = 0; i < STEPS * CHOICES; i++)
        r.masks[i] = i % 5 == 0;
    rollout_batch_init(&b, &r.shape, 3);
    static const int32_t order[] = {3, 1};
    rollout_gather(&b, &r, order, 2);
    assert_int_equal(b.count, 2);
    for (int i = 0; i < 2; i++) {
        for (int f = 0; f < PIXELS; f++)
            assert_float_equal(b.observations[i * PIXELS + f], (float)(9 * (order[i] * PIXELS + f)) / 255,
                               1e-6);
        for (int k = 0; k < COMPONENTS; k++)
            assert_float_equal(((float *)b.actions)[i * COMPONENTS + k],
                               0.5f * (float)(order[i] * COMPONENTS + k), 0);
        for (int k = 0; k < CHOICES; k++)
            assert_int_equal(b.masks[i * CHOICES + k], (order[i] * CHOICES + k) % 5 == 0);
    }
    rollout_batch_free(&b);
    rollout_free(&r);
}

static void normalised_advantages_have_mean_0_and_deviation_1(void **state) {
    (void)state;
    enum { M = 50 };
    struct rollout_batch b;
    rollout_batch_init(&b, &(struct rollout_shape){1, M, F, false, 1, 0, 0}, M);
    b.count = M;
    for (int i = 0; i < M; i++)
        b.advantages[i] = 100 + (float)(i * i);
    rollout_batch_normalise(&b);
    double sum = 0, squares = 0;
    for (int i = 0; i < M; i++) {
        sum += (double)b.advantages[i];
        squares += (double)b.advantages[i] * (double)b.advantages[i];
    }
    assert_near(sum, 0, 0, 1e-5);
    assert_near(squares / (M - 1), 1, 1e-5, 0);
    rollout_batch_free(&b);
}

/* Every environment in one part, whole and in the order of time; states and starts with it. */
static void sequences_keep_the_order_of_time_and_what_was_remembered(void **state) {
    (void)state;
    enum { ROWS = 7, ENVS = 6, PARTS = 3, EACH = ENVS / PARTS, UNITS = 2 };
    struct rng rng = rng_make(5, RNG_TEST, 0);
    struct rollout_shape shape = {ROWS, ENVS, 1, false, 1, 0, UNITS};
    struct rollout r;
    struct rollout_batch b;
    int32_t order[ROWS * ENVS];
    bool seen[ENVS] = {0};
    rollout_init(&r, shape);
    rollout_batch_init(&b, &shape, ROWS * EACH);
    for (int i = 0; i < ROWS * ENVS; i++) {
        ((float *)r.observations)[i] = (float)i;
        r.terminated[i] = i % 5 == 0;
        r.truncated[i] = i % 7 == 0;
    }
    for (int i = 0; i < ENVS * UNITS; i++)
        r.states[i] = (float)i;
    rollout_shuffle_sequences(order, ROWS, ENVS, PARTS, &rng);
    for (int part = 0; part < PARTS; part++) {
        rollout_gather(&b, &r, order + part * ROWS * EACH, ROWS * EACH);
        for (int s = 0; s < EACH; s++) {
            const int env = (int)b.observations[s];
            assert_in_range(env, 0, ENVS - 1);
            assert_false(seen[env]);
            seen[env] = true;
            for (int u = 0; u < UNITS; u++)
                assert_true(b.states[s * UNITS + u] == (float)(env * UNITS + u));
            for (int t = 0; t < ROWS; t++) {
                const int at = t * ENVS + env, before = at - ENVS;
                assert_int_equal((int)b.observations[t * EACH + s], at);
                assert_int_equal((int)b.starts[t * EACH + s], t > 0 && (before % 5 == 0 || before % 7 == 0));
            }
        }
    }
    rollout_batch_free(&b);
    rollout_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages_are_sums_of_td_errors_to_the_end_of_the_episode),
        cmocka_unit_test(with_lambda_1_returns_are_discounted_rewards),
        cmocka_unit_test(termination_ends_the_future_and_truncation_does_not),
        cmocka_unit_test(explained_variance_is_1_of_a_prophet_and_0_of_a_constant),
        cmocka_unit_test(a_shuffle_is_a_permutation_drawn_from_its_stream),
        cmocka_unit_test(minibatches_of_a_shuffle_hold_every_sample_once),
        cmocka_unit_test(gathered_pixels_are_shares_of_255_with_their_actions_and_masks),
        cmocka_unit_test(normalised_advantages_have_mean_0_and_deviation_1),
        cmocka_unit_test(sequences_keep_the_order_of_time_and_what_was_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
