/* The grid world's rules, walked on small maps. */
#include "envs.h"

enum { UP, RIGHT, DOWN, LEFT };

/* Walks from the start; the rewards, and whether the last step was the end. */
static void walk(const char *map, const int32_t *actions, const float *rewards, int n, bool ends, int cell) {
    struct env_batch b;
    struct env_config config = env_config_named("gridworld");
    float observation[ENV_CELLS];
    snprintf(config.map, sizeof config.map, "%s", map);
    assert_ok(env_batch_open(&b, &config, 1, 1, RNG_ENV, 0));
    assert_ok(env_batch_reset(&b));
    for (int t = 0; t < n; t++) {
        assert_int_equal(b.done[0], 0);
        assert_ok(env_batch_step(&b, &actions[t]));
        assert_float_equal(b.rewards[0], rewards[t], 0);
    }
    assert_int_equal(b.terminated[0], ends);
    assert_int_equal(b.truncated[0], 0);
    env_batch_observe(&b, observation);
    assert_int_equal(env_spec_state(&b.spec, observation), cell);
    float sum = 0;
    for (int i = 0; i < b.spec.states; i++)
        sum += observation[i];
    assert_float_equal(sum, 1, 0);
    env_batch_close(&b);
}

static void a_robot_walks_collects_power_and_ends_at_the_end_or_on_a_mine(void **state) {
    (void)state;
    const char *map = "S.M/P#./..E";
    walk(map, (int32_t[]){DOWN, DOWN, RIGHT, RIGHT}, (float[]){0, -1, -1, 99}, 4, true, 8);
    walk(map, (int32_t[]){RIGHT, RIGHT}, (float[]){-1, -101}, 2, true, 2);
    walk(map, (int32_t[]){DOWN, UP, DOWN}, (float[]){0, -1, 0}, 3, false, 3);
}

static void walls_and_borders_hold_the_robot(void **state) {
    (void)state;
    walk("S#/.E", (int32_t[]){UP, LEFT, RIGHT, DOWN, DOWN, LEFT}, (float[]){-1, -1, -1, -1, -1, -1}, 6, false,
         2);
    walk("P#E/S..", (int32_t[]){UP, LEFT, UP, RIGHT}, (float[]){0, 0, 0, 0}, 4, false,
         0); /* stays on power */
}

static void a_robot_that_does_not_arrive_is_truncated(void **state) {
    (void)state;
    struct env_batch b = open_batch("gridworld", 1, 0);
    for (int t = 1; t <= b.spec.max_steps; t++) {
        assert_ok(env_batch_step(&b, &(int32_t){UP}));
        assert_int_equal(b.truncated[0], t == b.spec.max_steps);
    }
    assert_int_equal(b.terminated[0], 0);
    env_batch_close(&b);
}

static void a_map_that_is_none_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *map, *part;
    } bad[] = {{"S.E/..", "a row is of another length"},
               {"", "a row is of another length"},
               {"SxE", "another letter"},
               {"S.S/..E", "not one start"},
               {"..E", "not one start"},
               {"S..", "no end"},
               {"S#E", "part the start from every end"},
               {"S.M/.#E/#..", "part the start from every end"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct env_batch b;
        struct env_config config = env_config_named("gridworld");
        snprintf(config.map, sizeof config.map, "%s", bad[i].map);
        assert_fails(env_batch_open(&b, &config, 1, 1, RNG_ENV, 0), STATUS_USAGE, bad[i].part);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_robot_walks_collects_power_and_ends_at_the_end_or_on_a_mine),
        cmocka_unit_test(walls_and_borders_hold_the_robot),
        cmocka_unit_test(a_robot_that_does_not_arrive_is_truncated),
        cmocka_unit_test(a_map_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
