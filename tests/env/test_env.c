/* Environments in batches, and CartPole held against Gymnasium. */
#include "tengen/env.h"

#include "env/cartpole.h"
#include "env/native.h"
#include "tengen/mem.h"
#include "testing.h"

enum { LANES = 37, FEATURES = CARTPOLE_FEATURES };

static struct env_batch open_batch(const char *name, int count, uint64_t first) {
    struct env_batch b;
    struct env_config config;
    config_defaults(env_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", name);
    assert_ok(env_batch_open(&b, &config, count, 7, RNG_ENV, first));
    assert_ok(env_batch_reset(&b));
    return b;
}

/* Where the lanes of one of our own environments lie. */
static void *states(const struct env_batch *b) {
    return ((struct env_native_batch *)b->self)->state;
}

static void refused(const char *name, const char *part) {
    struct env_batch b;
    struct env_config config;
    config_defaults(env_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", name);
    assert_fails(env_batch_open(&b, &config, 1, 1, RNG_ENV, 0), STATUS_USAGE, part);
    env_batch_close(&b);
}

static void an_unknown_environment_is_refused_and_the_nearest_named(void **state) {
    (void)state;
    refused("cartpoles", "did you mean `cartpole`");
    refused("zzzzzz", "there are cartpole");
    for (int i = 0; i < env_native_count(); i++)
        assert_int_equal(env_native_find(env_native_spec(i).name), i);
}

static void actions_of_another_kind_are_refused(void **state) {
    (void)state;
    struct env_spec spec = env_native_spec(env_native_find("cartpole"));
    assert_ok(env_spec_require(&spec, ENV_DISCRETE, "dqn"));
    assert_fails(env_spec_require(&spec, ENV_CONTINUOUS, "sac"), STATUS_USAGE,
                 "sac needs actions that are continuous");
}

/* One step of tools/make_env_goldens.py. */
struct golden {
    struct cartpole before, after;
    int action, terminated, truncated;
    float reward;
};

static int read_goldens(struct golden *rows, int max) {
    FILE *f = fopen(TENGEN_SOURCE_DIR "/tests/data/env_cartpole.txt", "r");
    assert_non_null(f);
    char line[512];
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        assert_true(n < max);
        struct golden *g = &rows[n++];
        struct cartpole *a = &g->before, *b = &g->after;
        int found = sscanf(line, "%d %f %f %f %f %d %f %f %f %f %f %d %d", &a->steps, &a->x, &a->x_dot,
                           &a->theta, &a->theta_dot, &g->action, &b->x, &b->x_dot, &b->theta, &b->theta_dot,
                           &g->reward, &g->terminated, &g->truncated);
        assert_int_equal(found, 13);
    }
    fclose(f);
    return n;
}

static void single_steps_of_cartpole_are_those_of_gymnasium(void **state) {
    (void)state;
    static struct golden rows[400];
    int n = read_goldens(rows, 400), ends[4] = {0};
    assert_true(n > 100);
    struct env_batch b = open_batch("cartpole", n, 0);
    int32_t *actions = MEM_NEW(int32_t, n);
    float *observations = MEM_NEW(float, n *FEATURES);
    for (int i = 0; i < n; i++) {
        cartpole_store(states(&b), (size_t)n, (size_t)i, rows[i].before);
        actions[i] = rows[i].action;
    }
    assert_ok(env_batch_step(&b, actions));
    env_batch_observe(&b, observations);
    for (int i = 0; i < n; i++) {
        struct cartpole after = rows[i].after;
        float expected[FEATURES] = {after.x, after.x_dot, after.theta, after.theta_dot};
        assert_floats_near(observations + i * FEATURES, expected, FEATURES, 0, 1e-5);
        assert_int_equal(b.terminated[i], rows[i].terminated);
        assert_int_equal(b.truncated[i], rows[i].truncated);
        assert_float_equal(b.rewards[i], rows[i].reward, 0);
        assert_int_equal(b.done[i], rows[i].terminated | rows[i].truncated);
        ends[2 * rows[i].terminated + rows[i].truncated]++;
    }
    for (int e = 0; e < 4; e++)
        assert_true(ends[e] > 0); /* the goldens hold ends of every kind */
    mem_free(actions);
    mem_free(observations);
    env_batch_close(&b);
}

static void play_random(struct env_batch *b, uint64_t first, int steps, float *observations) {
    struct rng rngs[LANES];
    int32_t actions[LANES];
    for (int i = 0; i < b->count; i++)
        rngs[i] = rng_make(3, RNG_TEST, first + (uint64_t)i);
    for (int t = 0; t < steps; t++) {
        for (int i = 0; i < b->count; i++)
            actions[i] = (int32_t)rng_below(&rngs[i], (uint32_t)b->spec.choices[0]);
        assert_ok(env_batch_step(b, actions));
        assert_ok(env_batch_reset_done(b));
    }
    env_batch_observe(b, observations);
}

static void a_lane_lives_the_same_alone_as_in_a_batch(void **state) {
    (void)state;
    float all[LANES * FEATURES], one[FEATURES];
    struct env_batch b = open_batch("cartpole", LANES, 100);
    play_random(&b, 100, 200, all);
    for (int i = 0; i < LANES; i++) {
        struct env_batch alone = open_batch("cartpole", 1, 100 + (uint64_t)i);
        play_random(&alone, 100 + (uint64_t)i, 200, one);
        assert_memory_equal(one, all + i * FEATURES, sizeof one);
        assert_int_equal(alone.lengths[0], b.lengths[i]);
        env_batch_close(&alone);
    }
    env_batch_close(&b);
}

static void fresh_episodes_start_uniformly_near_the_middle(void **state) {
    (void)state;
    enum { N = 4000 };
    static float observations[N * FEATURES];
    struct env_batch b = open_batch("cartpole", N, 0);
    env_batch_observe(&b, observations);
    for (int f = 0; f < FEATURES; f++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < N; i++) {
            double v = (double)observations[i * FEATURES + f];
            assert_true(fabs(v) <= 0.05);
            sum += v;
            squares += v * v;
        }
        assert_near(sum / N, 0, 0, 0.002);
        assert_near(squares / N, 0.1 * 0.1 / 12, 0.05, 0);
    }
    env_batch_close(&b);
}

static void only_finished_episodes_are_reset_and_accounted_anew(void **state) {
    (void)state;
    struct env_batch b = open_batch("cartpole", 4, 0);
    struct cartpole falling = {.theta = 0.2f, .theta_dot = 2.0f, .steps = 9};
    struct cartpole late = {.steps = CARTPOLE_MAX_STEPS - 1};
    cartpole_store(states(&b), 4, 1, falling);
    cartpole_store(states(&b), 4, 3, late);
    b.returns[1] = 9;
    b.lengths[1] = 9;
    assert_ok(env_batch_step(&b, (int32_t[]){0, 0, 1, 1}));
    assert_int_equal(b.done_count, 2);
    assert_memory_equal(b.terminated, ((uint8_t[]){0, 1, 0, 0}), 4);
    assert_memory_equal(b.truncated, ((uint8_t[]){0, 0, 0, 1}), 4);
    assert_float_equal(b.returns[1], 10, 0); /* stands until the reset */
    assert_int_equal(b.lengths[1], 10);

    float before[4 * FEATURES], after[4 * FEATURES];
    env_batch_observe(&b, before);
    assert_ok(env_batch_reset_done(&b));
    env_batch_observe(&b, after);
    for (int i = 0; i < 4; i++) {
        bool same = !memcmp(before + i * FEATURES, after + i * FEATURES, FEATURES * sizeof(float));
        assert_int_equal(same, i == 0 || i == 2);
        assert_int_equal(b.lengths[i], same);
        assert_float_equal(b.returns[i], same, 0);
    }
    assert_int_equal(cartpole_load(states(&b), 4, 3).steps, 0);
    assert_ok(env_batch_reset_done(&b)); /* nothing is left to do */
    env_batch_observe(&b, before);
    assert_memory_equal(before, after, sizeof before);
    env_batch_close(&b);
}

static void a_state_that_was_saved_goes_on_to_the_bit(void **state) {
    (void)state;
    float before[LANES * FEATURES], after[LANES * FEATURES];
    struct env_batch b = open_batch("cartpole", LANES, 0), other = open_batch("cartpole", LANES, 500);
    play_random(&b, 0, 60, before);
    size_t size;
    void *saved = env_batch_save(&b, &size);
    play_random(&b, 9, 60, before);
    assert_ok(env_batch_load(&other, saved, size));
    play_random(&other, 9, 60, after);
    assert_memory_equal(before, after, sizeof before);
    assert_memory_equal(b.returns, other.returns, sizeof(float) * LANES);
    assert_memory_equal(b.lengths, other.lengths, sizeof(int32_t) * LANES);
    assert_fails(env_batch_load(&other, saved, size - 4), STATUS_FORMAT, "was [env] changed?");
    mem_free(saved);
    env_batch_close(&b);
    env_batch_close(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_environment_is_refused_and_the_nearest_named),
        cmocka_unit_test(actions_of_another_kind_are_refused),
        cmocka_unit_test(a_state_that_was_saved_goes_on_to_the_bit),
        cmocka_unit_test(single_steps_of_cartpole_are_those_of_gymnasium),
        cmocka_unit_test(a_lane_lives_the_same_alone_as_in_a_batch),
        cmocka_unit_test(fresh_episodes_start_uniformly_near_the_middle),
        cmocka_unit_test(only_finished_episodes_are_reset_and_accounted_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
