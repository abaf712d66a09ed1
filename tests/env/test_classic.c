/* Classic control, step by step as in Gymnasium. */
#include "env/trigonometry.h"
#include "envs.h"
#include "tengen/mem.h"

enum { ROWS = 300, NUMBERS = 8 };

/* One step of tools/make_env_goldens.py. */
struct golden {
    int steps, terminated, truncated;
    float state[NUMBERS], action, observation[NUMBERS], reward;
};

/* The next number of a line. */
static float number(char **at) {
    char *end;
    float value = strtof(*at, &end);
    assert_ptr_not_equal(end, *at);
    *at = end;
    return value;
}

static int read_goldens(const char *name, int quantities, int features, struct golden *rows) {
    char path[512], line[512];
    snprintf(path, sizeof path, TENGEN_SOURCE_DIR "/tests/data/env_%s.txt", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        assert_true(n < ROWS);
        struct golden *g = &rows[n++];
        char *at = line;
        g->steps = (int)number(&at);
        for (int i = 0; i < quantities; i++)
            g->state[i] = number(&at);
        g->action = number(&at);
        for (int i = 0; i < features; i++)
            g->observation[i] = number(&at);
        g->reward = number(&at);
        g->terminated = (int)number(&at);
        g->truncated = (int)number(&at);
    }
    fclose(f);
    return n;
}

/* The state of a lane is `quantities` floats, then its number of steps. */
static void hold(const char *name, int quantities, bool can_terminate) {
    static struct golden rows[ROWS];
    struct env_spec spec = env_native_spec(env_native_find(name));
    int features = env_spec_features(&spec), ends[4] = {0};
    int n = read_goldens(name, quantities, features, rows);
    assert_true(n > 100);
    struct env_batch b = open_batch(name, n, 0);
    int32_t *choices = MEM_NEW(int32_t, n);
    float *forces = MEM_NEW(float, n), *observations = MEM_NEW(float, n *features);
    for (int i = 0; i < n; i++) {
        float lane[NUMBERS + 1];
        memcpy(lane, rows[i].state, sizeof rows[i].state);
        memcpy(lane + quantities, &rows[i].steps, sizeof rows[i].steps);
        set_lane(&b, i, lane);
        forces[i] = rows[i].action;
        choices[i] = (int32_t)rows[i].action;
    }
    assert_ok(env_batch_step(&b, spec.kind == ENV_CONTINUOUS ? (void *)forces : choices));
    env_batch_observe(&b, observations);
    for (int i = 0; i < n; i++) {
        assert_floats_near(observations + i * features, rows[i].observation, features, 1e-5, 1e-5);
        assert_near(b.rewards[i], rows[i].reward, 1e-5, 1e-5);
        assert_int_equal(b.terminated[i], rows[i].terminated);
        assert_int_equal(b.truncated[i], rows[i].truncated);
        ends[2 * rows[i].terminated + rows[i].truncated]++;
    }
    for (int e = 0; e < (can_terminate ? 4 : 2); e++)
        assert_true(ends[e] > 0); /* the goldens hold ends of every kind */
    mem_free(choices);
    mem_free(forces);
    mem_free(observations);
    env_batch_close(&b);
}

static void single_steps_of_cartpole_are_those_of_gymnasium(void **state) {
    (void)state;
    hold("cartpole", 4, true);
}

static void single_steps_of_mountaincar_are_those_of_gymnasium(void **state) {
    (void)state;
    hold("mountaincar", 2, true);
}

static void single_steps_of_acrobot_are_those_of_gymnasium(void **state) {
    (void)state;
    hold("acrobot", 4, true);
}

static void single_steps_of_pendulum_are_those_of_gymnasium(void **state) {
    (void)state;
    hold("pendulum", 2, false);
}

/* Each quantity of a fresh observation lies in low .. high and is uniform there. */
static void hold_start(const char *name, int features, const float *low, const float *high) {
    enum { N = 4000 };
    static float observations[N * NUMBERS];
    struct env_batch b = open_batch(name, N, 0);
    assert_int_equal(env_spec_features(&b.spec), features);
    env_batch_observe(&b, observations);
    for (int f = 0; f < features; f++) {
        double width = (double)high[f] - (double)low[f], middle = (double)low[f] + width / 2, sum = 0,
               squares = 0;
        for (int i = 0; i < N; i++) {
            double v = (double)observations[i * features + f] - middle;
            assert_true(fabs(v) <= width / 2 + 1e-6);
            sum += v;
            squares += v * v;
        }
        assert_near(sum / N, 0, 0, 0.02 * width);
        assert_near(squares / N, width * width / 12, 0.05, 0);
    }
    env_batch_close(&b);
}

static void fresh_episodes_start_uniformly_where_gymnasium_says(void **state) {
    (void)state;
    hold_start("cartpole", 4, (float[]){-0.05f, -0.05f, -0.05f, -0.05f},
               (float[]){0.05f, 0.05f, 0.05f, 0.05f});
    hold_start("cartpole_hidden", 2, (float[]){-0.05f, -0.05f}, (float[]){0.05f, 0.05f});
    hold_start("mountaincar", 2, (float[]){-0.6f, 0}, (float[]){-0.4f, 0});
    struct env_batch b = open_batch("pendulum", 4000, 0);
    static float observations[3 * 4000];
    env_batch_observe(&b, observations);
    double sums[3] = {0};
    for (int i = 0; i < 3 * 4000; i++)
        sums[i % 3] += (double)observations[i];
    for (int f = 0; f < 3; f++)
        assert_near(sums[f] / 4000, 0, 0, 0.03);
    env_batch_close(&b);
}

static void sines_are_those_of_the_library(void **state) {
    (void)state;
    for (int i = -20000; i <= 20000; i++) {
        float x = (float)i * 0.005f;
        assert_near(env_sin(x), sin((double)x), 0, 3e-7);
        assert_near(env_cos(x), cos((double)x), 0, 3e-7);
        double wrapped = (double)env_wrap_angle(x);
        assert_true(fabs(wrapped) <= M_PI + 1e-6);
        assert_near(sin(wrapped), sin((double)x), 0, 1e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sines_are_those_of_the_library),
        cmocka_unit_test(single_steps_of_cartpole_are_those_of_gymnasium),
        cmocka_unit_test(single_steps_of_mountaincar_are_those_of_gymnasium),
        cmocka_unit_test(single_steps_of_acrobot_are_those_of_gymnasium),
        cmocka_unit_test(single_steps_of_pendulum_are_those_of_gymnasium),
        cmocka_unit_test(fresh_episodes_start_uniformly_where_gymnasium_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
