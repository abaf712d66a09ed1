/* Environments in worker processes, with tests/env/fake in Gymnasium's place. */
#include <unistd.h>

#include "env/workers.h"
#include "tengen/mem.h"
#include "testing.h"

enum { N = 6 };

static struct env_config configured(const char *name) {
    struct env_config c;
    config_defaults(env_config_keys, &c);
    snprintf(c.name, sizeof c.name, "%s", name);
    c.workers = 2;
    c.timeout = 1.5;
    return c;
}

static void open_batch(struct env_batch *b, const char *name, uint64_t seed) {
    struct env_config c = configured(name);
    assert_ok(env_batch_open(b, &c, N, seed, RNG_ENV, 0));
    assert_ok(env_batch_reset(b));
}

static void steps_and_seeds_are_the_environments(void **state) {
    (void)state;
    struct env_batch a, b;
    float first[N][3], second[N][3];
    int32_t actions[N] = {0, 1, 0, 1, 1, 1};
    open_batch(&a, "gym:Counter-v0", 3);
    open_batch(&b, "gym:Counter-v0", 3);
    assert_int_equal(a.spec.c, 3);
    assert_int_equal(a.spec.choices[0], 2);
    for (int t = 1; t <= 12; t++) {
        assert_ok(env_batch_step(&a, actions));
        assert_ok(env_batch_step(&b, actions));
        env_batch_observe(&a, first);
        env_batch_observe(&b, second);
        assert_memory_equal(first, second, sizeof first);
        for (int i = 0; i < N; i++) {
            assert_int_equal((int)first[i][1], (t - 1) % 5 + 1);
            assert_int_equal((int)a.rewards[i], actions[i]);
            assert_int_equal(a.terminated[i], t % 5 == 0);
            assert_int_equal((int)a.returns[i], actions[i] * ((t - 1) % 5 + 1));
        }
        assert_ok(env_batch_reset_done(&a));
        assert_ok(env_batch_reset_done(&b));
    }
    assert_float_not_equal(first[0][0], first[1][0], 0);
    env_batch_close(&a);
    env_batch_close(&b);
}

/* Every environment that draws a multiple of four dies at step 3, with the others of its worker. */
static void a_worker_that(const char *how) {
    struct env_batch b;
    char name[64];
    int truncated = 0, terminated = 0;
    int32_t actions[N] = {0};
    snprintf(name, sizeof name, "gym:Counter-%s", how);
    open_batch(&b, name, 1);
    for (int t = 0; t < 25; t++) {
        assert_ok(env_batch_step(&b, actions));
        for (int i = 0; i < N; i++) {
            truncated += b.truncated[i];
            terminated += b.terminated[i];
        }
        assert_ok(env_batch_reset_done(&b));
    }
    const struct workers *w = b.self; /* first in it */
    assert_true(w->restarts > 0);
    assert_true(truncated >= N / 2);
    assert_true(terminated > 0);
    env_batch_close(&b);
}

static void a_worker_that_is_killed_is_started_again(void **state) {
    (void)state;
    a_worker_that("crash");
}

static void a_worker_whose_rules_raise_is_started_again(void **state) {
    (void)state;
    a_worker_that("raise");
}

static void a_reward_that_is_no_number_is_an_error(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N] = {0};
    open_batch(&b, "gym:Counter-nan", 1);
    for (int t = 0; t < 2; t++)
        assert_ok(env_batch_step(&b, actions));
    assert_fails(env_batch_step(&b, actions), STATUS_NUMERIC, "environment 0 of gym:Counter-nan: reward nan");
    env_batch_close(&b);
}

static void a_silent_worker_meets_the_time_limit(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N] = {0};
    open_batch(&b, "gym:Counter-hang", 1);
    for (int t = 0; t < 3; t++)
        assert_ok(env_batch_step(&b, actions));
    assert_true(((const struct workers *)b.self)->restarts > 0);
    env_batch_close(&b);
}

static void what_cannot_be_used_is_named(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("gym:Other-v0");
    assert_fails(env_batch_open(&b, &c, 2, 1, RNG_ENV, 0), STATUS_PEER, "KeyError: 'Other-v0'");
    c = configured("gym:Counter-text");
    assert_fails(env_batch_open(&b, &c, 2, 1, RNG_ENV, 0), STATUS_PEER,
                 "only Box, Discrete and MultiDiscrete");
    c = configured("gym:Counter-v0");
    snprintf(c.python, sizeof c.python, "no-such-python");
    assert_fails(env_batch_open(&b, &c, 2, 1, RNG_ENV, 0), STATUS_PEER, "env.python");
    snprintf(c.python, sizeof c.python, "python3");
    setenv("PYTHONPATH", "/nowhere", 1);
    setenv("PYTHONNOUSERSITE", "1", 1);
    if (system("python3 -S -c 'import gymnasium' 2>/dev/null") != 0) {
        enum status status = env_batch_open(&b, &c, 2, 1, RNG_ENV, 0);
        if (status == STATUS_OK)
            env_batch_close(&b); /* this Python has the real one */
        else
            assert_non_null(strstr(status_text(), "pip install gymnasium"));
    }
}

int main(void) {
    if (system("python3 -c ''") != 0) return TEST_SKIPPED;
    setenv("PYTHONPATH", TENGEN_SOURCE_DIR "/tests/env/fake", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_seeds_are_the_environments),
        cmocka_unit_test(a_worker_that_is_killed_is_started_again),
        cmocka_unit_test(a_worker_whose_rules_raise_is_started_again),
        cmocka_unit_test(a_silent_worker_meets_the_time_limit),
        cmocka_unit_test(a_reward_that_is_no_number_is_an_error),
        cmocka_unit_test(what_cannot_be_used_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
