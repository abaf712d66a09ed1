/* Environments in worker processes, with tests/env/fake in Gymnasium's place. */
#include <unistd.h>

#include "env/workers.h"
#include "folder.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "testing.h"

enum { N = 6 };

static struct env_config configured(const char *name) {
    struct env_config c;
    config_defaults(env_config_keys, &c);
    snprintf(c.name, sizeof c.name, "%s", name);
    c.workers = 2;
    c.timeout = strstr(name, "hang") ? 4 : 60; /* Python starts slowly on a busy machine */
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

/* Each component as the environment numbers it: from 0, from 10, from -1. */
static void several_choices_reach_the_environment(void **state) {
    (void)state;
    struct env_batch b;
    float seen[N][3];
    int32_t actions[N][3];
    open_batch(&b, "gym:Echo-choices", 1);
    assert_int_equal(b.spec.kind, ENV_MULTI_DISCRETE);
    assert_int_equal(b.spec.components, 3);
    assert_int_equal(env_spec_choices(&b.spec), 3 + 2 + 4);
    for (int i = 0; i < N; i++) {
        const int32_t chosen[3] = {i % 3, i % 2, i % 4};
        memcpy(actions[i], chosen, sizeof chosen);
    }
    assert_ok(env_batch_step(&b, actions));
    env_batch_observe(&b, seen);
    for (int i = 0; i < N; i++) {
        assert_int_equal((int)seen[i][0], actions[i][0]);
        assert_int_equal((int)seen[i][1], actions[i][1] + 10);
        assert_int_equal((int)seen[i][2], actions[i][2] - 1);
    }
    env_batch_close(&b);
}

static void numbers_reach_the_environment_within_their_bounds(void **state) {
    (void)state;
    struct env_batch b;
    float seen[N][3], actions[N][3] = {{0.5f, 0.625f, 1e30f}, {-3, 0, -7}, {4, 9, 0}, {-2, 0.5f, 1}};
    const float within[4][3] = {{0.5f, 0.625f, 1e30f}, {-2, 0.5f, -7}, {1, 0.75f, 0}, {-2, 0.5f, 1}};
    open_batch(&b, "gym:Echo-numbers", 1);
    assert_int_equal(b.spec.kind, ENV_CONTINUOUS);
    assert_int_equal(b.spec.components, 3);
    assert_float_equal(b.spec.low[1], 0.5, 0);
    assert_float_equal(b.spec.high[0], 1, 0);
    assert_true(isinf(b.spec.low[2]) && isinf(b.spec.high[2]));
    assert_ok(env_batch_step(&b, actions));
    env_batch_observe(&b, seen);
    assert_memory_equal(seen, within, sizeof within);
    env_batch_close(&b);
}

static void pictures_come_as_bytes(void **state) {
    (void)state;
    struct env_batch b;
    enum { BYTES = 2 * 3 * 4 };
    uint8_t seen[N][BYTES];
    int32_t actions[N] = {0};
    open_batch(&b, "gym:Pixels-v0", 1);
    assert_true(b.spec.pixels);
    const int shape[3] = {b.spec.h, b.spec.w, b.spec.c}, expected[3] = {2, 3, 4};
    assert_memory_equal(shape, expected, sizeof shape);
    for (int t = 0; t < 3; t++) {
        env_batch_observe(&b, seen);
        for (int i = 0; i < N * BYTES; i++)
            assert_int_equal(seen[i / BYTES][i % BYTES], (250 + t + i % BYTES) % 256);
        assert_ok(env_batch_step(&b, actions));
    }
    env_batch_close(&b);
}

static void what_is_one_of_several_is_shown_one_hot(void **state) {
    (void)state;
    struct env_batch b;
    float seen[N][5];
    int32_t actions[N];
    for (int i = 0; i < N; i++)
        actions[i] = i;
    open_batch(&b, "gym:Rooms-v0", 1);
    assert_int_equal(env_spec_features(&b.spec), 3 + 2);
    assert_ok(env_batch_step(&b, actions));
    env_batch_observe(&b, seen);
    for (int i = 0; i < N * 5; i++) {
        int env = i / 5, at = i % 5;
        assert_int_equal((int)seen[env][at], at == env / 2 || at == 3 + env % 2);
    }
    env_batch_close(&b);
}

/* Choices are closed as the fake's Gates say of what is observed: the mask is of that, and so is the legal
 * action. */
static void expect_gates(struct env_batch *b, int32_t *actions) {
    enum { CHOICES = 5 };
    uint8_t masks[N * CHOICES];
    float seen[N][2];
    const int choices = env_spec_choices(&b->spec);
    assert_in_range(choices, 1, CHOICES);
    env_batch_observe(b, seen);
    env_batch_masks(b, masks);
    for (int i = 0; i < N; i++) {
        const uint8_t *mask = masks + i * choices;
        for (int k = 0; k < b->spec.components; mask += b->spec.choices[k++])
            for (int choice = 0; choice < b->spec.choices[k]; choice++) {
                const int closed = (int)(seen[i][0] + seen[i][1]) % b->spec.choices[k];
                assert_int_equal(mask[choice], choice != closed);
                if (mask[choice]) actions[i * b->spec.components + k] = choice;
            }
    }
}

static void masks_follow(const char *name, int components, int workers) {
    struct env_batch b;
    int32_t actions[2 * N];
    struct env_config c = configured(name);
    c.workers = workers;
    assert_ok(env_batch_open(&b, &c, N, 7, RNG_ENV, 0));
    assert_ok(env_batch_reset(&b));
    assert_true(b.spec.masked);
    assert_int_equal(b.spec.components, components);
    for (int t = 1; t <= 10; t++) {
        expect_gates(&b, actions);
        assert_ok(env_batch_step(&b, actions));
        assert_int_equal(b.done_count, t % 4 == 0 ? N : 0);
        assert_ok(env_batch_reset_done(&b));
    }
    assert_int_equal(((const struct workers *)b.self)->restarts,
                     0); /* which an illegal one would have led to */
    env_batch_close(&b);
}

static void masks_are_of_what_is_observed(void **state) {
    (void)state;
    masks_follow("gym:Gates-one", 1, 1);
    masks_follow("gym:Gates-one", 1, 3);
    masks_follow("gym:Gates-several", 2, 2);
    masks_follow("gym:Gates-row", 2, 2);
}

static void masks_are_of_the_episode_that_a_load_begins(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N];
    size_t size;
    open_batch(&b, "gym:Gates-one", 7);
    void *saved = env_batch_save(&b, &size);
    expect_gates(&b, actions);
    assert_ok(env_batch_step(&b, actions));
    assert_ok(env_batch_load(&b, saved, size));
    expect_gates(&b, actions);
    mem_free(saved);
    env_batch_close(&b);
}

static void a_mask_that_cannot_be_kept_to_is_an_error(void **state) {
    (void)state;
    static const struct {
        const char *name, *error;
    } cases[] = {
        {"gym:Gates-short",
         "of gym:Gates-short: info[\"action_mask\"] after 2 steps of its episode tells of 3 "
         "choices, not of 4 (env.masks = false"},
        {"gym:Gates-absent", "after 2 steps of its episode tells of 0 choices, not of 4"},
        {"gym:Gates-none",
         "of gym:Gates-none: info[\"action_mask\"] after 2 steps of its episode allows no choice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct env_batch b;
        int32_t actions[N];
        open_batch(&b, cases[i].name, 7);
        expect_gates(&b, actions);
        assert_ok(env_batch_step(&b, actions));
        expect_gates(&b, actions);
        assert_fails(env_batch_step(&b, actions), STATUS_PEER, cases[i].error);
        env_batch_close(&b);
    }
}

/* Then whoever acts may choose what is closed, and meets the environment's own answer. */
static void masks_need_not_be_looked_at(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N];
    float seen[N][2];
    struct env_config c = configured("gym:Gates-none");
    c.masks = false;
    assert_ok(env_batch_open(&b, &c, N, 7, RNG_ENV, 0));
    assert_ok(env_batch_reset(&b));
    assert_false(b.spec.masked);
    for (int t = 0; t < 3; t++) {
        env_batch_observe(&b, seen);
        for (int i = 0; i < N; i++)
            actions[i] = (int)(seen[i][0] + seen[i][1] + (t < 2)) % 4;
        assert_ok(env_batch_step(&b, actions));
        assert_int_equal(((const struct workers *)b.self)->restarts > 0, t == 2);
    }
    env_batch_close(&b);
}

static void a_loaded_state_begins_episodes_that_were_not_played(void **state) {
    (void)state;
    struct env_batch b, loaded[2];
    float before[N][3], seen[2][N][3];
    int32_t actions[N] = {1, 1, 1, 1, 1, 1};
    size_t size;
    open_batch(&b, "gym:Counter-v0", 3);
    for (int t = 0; t < 2; t++)
        assert_ok(env_batch_step(&b, actions));
    env_batch_observe(&b, before);
    void *saved = env_batch_save(&b, &size);
    for (int k = 0; k < 2; k++) {
        open_batch(&loaded[k], "gym:Counter-v0", 4);
        assert_ok(env_batch_step(&loaded[k], actions));
        assert_ok(env_batch_load(&loaded[k], saved, size));
        env_batch_observe(&loaded[k], seen[k]);
        for (int i = 0; i < N; i++) {
            assert_int_equal(loaded[k].lengths[i], 0);
            assert_float_equal(loaded[k].returns[i], 0, 0);
            assert_int_equal((int)seen[k][i][1], 0);
            assert_float_not_equal(seen[k][i][0], before[i][0], 0);
        }
        assert_ok(env_batch_step(&loaded[k], actions));
        assert_float_equal(loaded[k].returns[0], 1, 0);
        env_batch_close(&loaded[k]);
    }
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    assert_ok(env_batch_step(&b, actions)); /* a save has changed nothing */
    assert_int_equal(b.lengths[0], 3);
    mem_free(saved);
    env_batch_close(&b);
}

/* Every environment that draws a multiple of four dies at step 3, with the others of its worker. */
static void a_worker_that(const char *how) {
    struct env_batch b;
    char name[64];
    int lost = 0, terminated = 0;
    int32_t actions[N] = {0};
    snprintf(name, sizeof name, "gym:Counter-%s", how);
    open_batch(&b, name, 1);
    for (int t = 0; t < 25; t++) {
        assert_ok(env_batch_step(&b, actions));
        for (int i = 0; i < N; i++) {
            assert_int_equal(b.truncated[i], b.lost[i]);
            assert_int_equal(b.ended[i], b.lost[i] | b.terminated[i]);
            lost += b.lost[i];
            terminated += b.terminated[i];
        }
        assert_ok(env_batch_reset_done(&b));
    }
    assert_true(env_batch_restarts(&b) > 0);
    assert_true(lost >= N / 2);
    for (int i = 0; i < N; i++)
        assert_int_equal(b.lost[i], 0);
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

static void an_observation_that_is_no_number_is_an_error(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N] = {0};
    struct env_config c = configured("gym:Counter-blind");
    open_batch(&b, "gym:Counter-blurred", 1);
    for (int t = 0; t < 2; t++)
        assert_ok(env_batch_step(&b, actions));
    assert_fails(env_batch_step(&b, actions), STATUS_NUMERIC,
                 " of gym:Counter-blurred: number 2 of its observation is -inf after 3 steps");
    env_batch_close(&b);
    assert_ok(env_batch_open(&b, &c, N, 1, RNG_ENV, 0));
    assert_fails(env_batch_reset(&b), STATUS_NUMERIC, "number 2 of its observation is nan after 0 steps");
    env_batch_close(&b);
}

/* Its resets succeed, each time that it is started again. */
static void a_worker_that_finishes_no_step_is_given_up(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N] = {0};
    enum status status;
    open_batch(&b, "gym:Counter-broken", 1);
    do
        status = env_batch_step(&b, actions);
    while (status == STATUS_OK && env_batch_reset_done(&b) == STATUS_OK);
    assert_fails(status, STATUS_PEER, "given up after 3 restarts: worker ");
    assert_non_null(strstr(status_text(), "ValueError: the rules broke"));
    assert_true(env_batch_restarts(&b) <= 2 * 3);
    env_batch_close(&b);
}

static void a_silent_worker_meets_the_time_limit(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N] = {0};
    open_batch(&b, "gym:Counter-hang", 1);
    for (int t = 0; t < 3; t++)
        assert_ok(env_batch_step(&b, actions));
    assert_true(env_batch_restarts(&b) > 0);
    env_batch_close(&b);
}

static void a_python_may_be_a_script_that_starts_another(void **state) {
    (void)state;
    struct env_batch b;
    int32_t actions[N] = {0};
    struct env_config c = configured("gym:Counter-v0");
    snprintf(c.python, sizeof c.python, TENGEN_SOURCE_DIR "/tests/env/fake/python.sh");
    assert_ok(env_batch_open(&b, &c, N, 1, RNG_ENV, 0));
    assert_ok(env_batch_reset(&b));
    usleep(1200 * 1000); /* a waiting worker looks once a second whether we are there */
    assert_ok(env_batch_step(&b, actions));
    assert_int_equal(env_batch_restarts(&b), 0);
    env_batch_close(&b);
}

static int lines_of(const char *path, const char *line) {
    char *text, *rest, *next;
    size_t size;
    int count = 0;
    if (!file_exists(path)) return 0;
    assert_ok(file_read(path, &text, &size));
    for (rest = text; (next = strsep(&rest, "\n"));)
        count += strcmp(next, line) == 0;
    mem_free(text);
    return count;
}

/* By a reset, which shows whether there are masks. */
static void a_plan_asks_one_worker_once(void **state) {
    (void)state;
    static const char log[] = "starts.log";
    struct env_batch b;
    float seen[N][3] = {{0}};
    struct env_config c = configured("gym:Counter-v0");
    snprintf(c.python, sizeof c.python, TENGEN_SOURCE_DIR "/tests/env/fake/python.sh");
    setenv("TENGEN_FAKE_LOG", log, 1);
    mem_count_only(true);
    for (int count = 1; count <= N; count++) {
        assert_ok(env_batch_open(&b, &c, count, 1, RNG_ENV, 0));
        assert_int_equal(env_spec_features(&b.spec), 3);
        assert_ok(env_batch_reset(&b));
        env_batch_observe(&b, seen);
        env_batch_close(&b);
    }
    mem_count_only(false);
    assert_int_equal(lines_of(log, "start"), 1);
    assert_int_equal(lines_of(log, "reset"), 1);
    assert_ok(env_batch_open(&b, &c, N, 1, RNG_ENV, 0));
    assert_ok(env_batch_reset(&b));
    env_batch_close(&b);
    assert_int_equal(lines_of(log, "start"), 1 + c.workers);
    assert_int_equal(lines_of(log, "reset"), 1 + c.workers + N);
    unsetenv("TENGEN_FAKE_LOG");
}

static void a_worker_that_is_silent_from_the_start_is_an_error(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("gym:Counter-deaf");
    c.start_timeout = 0.5f;
    assert_fails(
        env_batch_open(&b, &c, N, 1, RNG_ENV, 0), STATUS_PEER,
        "worker 0 (environments 0 to 2 of gym:Counter-deaf): no answer for 0.5 seconds (env.start_timeout)");
}

static void a_worker_that_does_nothing_but_die_is_given_up(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("gym:Counter-stillborn");
    c.workers = 1;
    c.masks = false; /* else it is reset when it starts */
    assert_ok(env_batch_open(&b, &c, N, 1, RNG_ENV, 0));
    assert_fails(env_batch_reset(&b), STATUS_PEER, "given up after 3 restarts");
    assert_non_null(strstr(status_text(), "worker 0 (environments 0 to 5 of gym:Counter-stillborn)"));
    env_batch_close(&b);
}

static void what_cannot_be_used_is_named(void **state) {
    (void)state;
    struct env_batch b;
    struct env_config c = configured("gym:Other-v0");
    assert_fails(env_batch_open(&b, &c, 2, 1, RNG_ENV, 0), STATUS_USAGE, "KeyError: 'Other-v0'");
    c = configured("gym:Counter-text");
    assert_fails(env_batch_open(&b, &c, 2, 1, RNG_ENV, 0), STATUS_USAGE,
                 "only Box, Discrete and MultiDiscrete");
    c = configured("gym:Counter-v0");
    snprintf(c.python, sizeof c.python, "no-such-python");
    assert_fails(env_batch_open(&b, &c, 2, 1, RNG_ENV, 0), STATUS_PEER, "env.python");
    snprintf(c.python, sizeof c.python, "python3");
    setenv("PYTHONPATH", "/nowhere", 1);
    setenv("PYTHONNOUSERSITE", "1", 1);
    if (system("python3 -c 'import gymnasium' 2>/dev/null") != 0) /* else this Python has the real one */
        assert_fails(env_batch_open(&b, &c, 2, 1, RNG_ENV, 0), STATUS_USAGE, "pip install gymnasium");
}

int main(void) {
    if (system("python3 -c ''") != 0) return TEST_SKIPPED;
    setenv("PYTHONPATH", TENGEN_SOURCE_DIR "/tests/env/fake", 1);
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_seeds_are_the_environments),
        cmocka_unit_test(several_choices_reach_the_environment),
        cmocka_unit_test(numbers_reach_the_environment_within_their_bounds),
        cmocka_unit_test(pictures_come_as_bytes),
        cmocka_unit_test(what_is_one_of_several_is_shown_one_hot),
        cmocka_unit_test(masks_are_of_what_is_observed),
        cmocka_unit_test(masks_are_of_the_episode_that_a_load_begins),
        cmocka_unit_test(a_mask_that_cannot_be_kept_to_is_an_error),
        cmocka_unit_test(masks_need_not_be_looked_at),
        cmocka_unit_test(a_loaded_state_begins_episodes_that_were_not_played),
        cmocka_unit_test(a_worker_that_is_killed_is_started_again),
        cmocka_unit_test(a_worker_whose_rules_raise_is_started_again),
        cmocka_unit_test(a_silent_worker_meets_the_time_limit),
        cmocka_unit_test(a_python_may_be_a_script_that_starts_another),
        cmocka_unit_test(a_plan_asks_one_worker_once),
        cmocka_unit_test(a_worker_that_is_silent_from_the_start_is_an_error),
        cmocka_unit_test(a_worker_that_does_nothing_but_die_is_given_up),
        cmocka_unit_test(a_worker_that_finishes_no_step_is_given_up),
        cmocka_unit_test(a_reward_that_is_no_number_is_an_error),
        cmocka_unit_test(an_observation_that_is_no_number_is_an_error),
        cmocka_unit_test(what_cannot_be_used_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
