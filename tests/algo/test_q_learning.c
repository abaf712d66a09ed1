/* Q-learning and SARSA on the grid world, held against value iteration. */
#include "../folder.h"
#include "../testing.h"
#include "env/gridworld.h"
#include "env/native.h"
#include "tengen/algo.h"
#include "tengen/log.h"
#include "tengen/mem.h"

enum { SEEDS = 5, CELLS = ENV_CELLS, ACTIONS = GRIDWORLD_ACTIONS };

/* Exactly what every action is worth in every cell: Q(s, a) = r + gamma max Q(s', .), swept until it stands.
 */
static void iterate_values(const struct env_rules *rules, double gamma, double q[CELLS][ACTIONS]) {
    int cells = rules->rows * rules->columns;
    memset(q, 0, sizeof(double) * CELLS * ACTIONS);
    for (int sweep = 0; sweep < 10000; sweep++) {
        double change = 0;
        for (int s = 0; s < cells; s++)
            for (int a = 0; a < ACTIONS; a++) {
                float reward;
                uint8_t terminated, truncated;
                struct gridworld next = gridworld_step(rules, (struct gridworld){.cell = s}, NULL, a, &reward,
                                                       &terminated, &truncated);
                double best = -INFINITY;
                for (int b = 0; b < ACTIONS; b++)
                    best = fmax(best, q[next.cell][b]);
                double value = (double)reward + (terminated ? 0 : gamma * best);
                change = fmax(change, fabs(value - q[s][a]));
                q[s][a] = value;
            }
        if (change == 0) return;
    }
    fail_msg("value iteration does not end");
}

/* The table [S, A] that a training run leaves behind. */
static void learn(const char *config, int seed, const char *setting, const struct env_rules *rules,
                  float *table) {
    char path[1024],
        *settings[] = {mem_format("run.seed=%d", seed), mem_string("run.dir=run"), mem_string(setting)};
    int64_t shape[] = {rules->rows * rules->columns, ACTIONS};
    struct checkpoint_reader *r;
    folder_remove("run");
    snprintf(path, sizeof path, TENGEN_SOURCE_DIR "/configs/%s.ini", config);
    assert_ok(algo_train(&(struct train_request){.config_path = path,
                                                 .overrides = (const char *const *)settings,
                                                 .override_count = 3,
                                                 .quiet = true}));
    assert_ok(run_find_checkpoint("run", path, sizeof path));
    assert_ok(checkpoint_open(path, &r));
    assert_ok(checkpoint_get(r, "q_learning/table", DTYPE_F32, 2, shape, table));
    checkpoint_close(r);
    for (int i = 0; i < 3; i++)
        mem_free(settings[i]);
}

static int best_of(const float *row) {
    int best = 0;
    for (int a = 1; a < ACTIONS; a++)
        if (row[a] > row[best]) best = a;
    return best;
}

/* The configs leave the map as it is by default. */
static struct env_rules default_rules(void) {
    struct env_config config;
    struct env_rules rules;
    config_defaults(env_config_keys, &config);
    assert_ok(env_rules_read(&config, &rules));
    return rules;
}

static bool is_floor(const struct env_rules *rules, int cell) {
    return rules->map[cell] != 'M' && rules->map[cell] != 'E' && rules->map[cell] != '#';
}

static void q_learning_finds_what_value_iteration_finds(void **state) {
    (void)state;
    static double exact[CELLS][ACTIONS];
    static float table[CELLS * ACTIONS];
    struct env_rules rules = default_rules();
    iterate_values(&rules, 0.99, exact);
    for (int seed = 1; seed <= SEEDS; seed++) {
        learn("q_learning_gridworld", seed, "run.threads=1", &rules, table);
        for (int s = 0; s < rules.rows * rules.columns; s++) {
            if (!is_floor(&rules, s)) continue;
            const float *row = table + s * ACTIONS;
            double best = -INFINITY;
            for (int a = 0; a < ACTIONS; a++)
                best = fmax(best, exact[s][a]);
            if (exact[s][best_of(row)] < best - 1e-9)
                fail_msg("seed %d, cell %d: action %d is not the best", seed, s, best_of(row));
            assert_near(row[best_of(row)], best, 1e-4, 1e-3);
        }
    }
}

/* Its exploring makes it shy of mines: the power, one point beside one, it may leave. */
static void sarsa_walks_the_shortest_way_once_it_hardly_explores(void **state) {
    (void)state;
    static float table[CELLS * ACTIONS];
    struct env_rules rules = default_rules();
    for (int seed = 1; seed <= SEEDS; seed++) {
        learn("sarsa_gridworld", seed, "run.threads=1", &rules, table);
        struct gridworld s = {.cell = rules.start};
        uint8_t terminated = 0, truncated = 0;
        float reward = 0;
        while (!terminated && !truncated)
            s = gridworld_step(&rules, s, NULL, best_of(table + s.cell * ACTIONS), &reward, &terminated,
                               &truncated);
        assert_int_equal(rules.map[s.cell], 'E');
        assert_int_equal(s.steps, rules.rows - 1 + rules.columns - 1);
    }
}

static void sarsa_expects_the_mishaps_of_its_exploring_and_q_learning_does_not(void **state) {
    (void)state;
    static float bold[CELLS * ACTIONS], shy[CELLS * ACTIONS];
    struct env_rules rules = default_rules();
    learn("q_learning_gridworld", 1, "q_learning.epsilon=0.3", &rules, bold);
    learn("sarsa_gridworld", 1, "q_learning.epsilon=0.3", &rules, shy);
    const float *start = bold + rules.start * ACTIONS, *shy_start = shy + rules.start * ACTIONS;
    assert_true(shy_start[best_of(shy_start)] < start[best_of(start)] - 20);
}

int main(void) {
    folder_enter();
    log_level_set(LOG_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q_learning_finds_what_value_iteration_finds),
        cmocka_unit_test(sarsa_walks_the_shortest_way_once_it_hardly_explores),
        cmocka_unit_test(sarsa_expects_the_mishaps_of_its_exploring_and_q_learning_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
