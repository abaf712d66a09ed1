/* AlphaGo Zero's gatekeeper: the weights that play are the learner's only after a match that they won. */
#include "../folder.h"
#include "../testing.h"
#include "tengen/algo.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

enum { ITERATIONS = 6, EVERY = 3, WEIGHTS_MAX = 1 << 16 };

static const char weight[] = "stem.conv.weight";

/* A weight of the net or the actor in a checkpoint of the run. */
static size_t read_weight(const char *dir, int iteration, const char *group, float *values) {
    char *path = mem_format("%s/checkpoints/%09d.h5", dir, iteration),
         *name = mem_format("%s/%s", group, weight);
    struct checkpoint_reader *r;
    int rank;
    int64_t dims[8];
    size_t count = 1;
    assert_ok(checkpoint_open(path, &r));
    assert_ok(checkpoint_shape(r, name, &rank, dims));
    for (int i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    assert_true(count <= WEIGHTS_MAX);
    assert_ok(checkpoint_get(r, name, DTYPE_F32, rank, dims, values));
    checkpoint_close(r);
    mem_free(path);
    mem_free(name);
    return count;
}

static bool same_weights(const char *dir, int iteration, const char *group, int other_iteration,
                         const char *other_group) {
    static float a[WEIGHTS_MAX], b[WEIGHTS_MAX];
    size_t count = read_weight(dir, iteration, group, a);
    assert_int_equal(read_weight(dir, other_iteration, other_group, b), count);
    return memcmp(a, b, count * sizeof *a) == 0;
}

/* A tiny run with a match every EVERY iterations, in a new folder named by the threshold. */
static char *train(double threshold, double rate) {
    const struct algo *a = algo_find("alphazero");
    char *dir = mem_format("gate-%g", threshold);
    char *settings[] = {mem_format("run.dir=%s", dir),
                        mem_format("run.iterations=%d", ITERATIONS),
                        mem_format("alphazero.gate_every=%d", EVERY),
                        mem_format("alphazero.gate_threshold=%.9g", threshold),
                        mem_string("alphazero.gate_games=20"),
                        mem_format("optimiser.rate=%g", rate),
                        mem_string("run.algorithm=alphazero"),
                        mem_string("run.checkpoint_every=1"),
                        mem_string("run.keep=10"),
                        mem_string("run.device=cpu")};
    enum { SETTINGS = sizeof settings / sizeof *settings };
    folder_remove(dir);
    assert_ok(file_write("gate.ini", a->test_config, strlen(a->test_config)));
    struct train_request q = {.config_path = "gate.ini",
                              .overrides = (const char *const *)settings,
                              .override_count = SETTINGS,
                              .quiet = true};
    assert_ok(algo_train(&q));
    for (int i = 0; i < SETTINGS; i++)
        mem_free(settings[i]);
    return dir;
}

/* The column "gate_score" of metrics.csv in the row of an iteration. */
static double score_of(const char *dir, int iteration) {
    char *path = mem_format("%s/metrics.csv", dir), line[4096], *field = NULL, *rest;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int column = 0, wanted = -1;
    assert_non_null(fgets(line, sizeof line, file));
    for (field = strtok_r(line, ",\n", &rest); field; field = strtok_r(NULL, ",\n", &rest), column++)
        if (strcmp(field, "gate_score") == 0) wanted = column;
    assert_true(wanted > 0);
    for (int row = 0; row < iteration; row++)
        assert_non_null(fgets(line, sizeof line, file));
    field = strtok_r(line, ",\n", &rest);
    for (column = 0; column < wanted; column++)
        field = strtok_r(NULL, ",\n", &rest);
    double score = atof(field);
    fclose(file);
    mem_free(path);
    return score;
}

static int64_t passes_of(const char *dir) {
    char *path = mem_format("%s/checkpoints/%09d.h5", dir, ITERATIONS);
    struct checkpoint_reader *r;
    int64_t passes;
    assert_ok(checkpoint_open(path, &r));
    assert_ok(checkpoint_get_long(r, "alphazero/gate_passes", &passes));
    checkpoint_close(r);
    mem_free(path);
    return passes;
}

/* The actor's weights change exactly where a match reached the threshold, and are then the learner's. */
static void check_run(double threshold, double rate, int expected_passes) {
    char *dir = train(threshold, rate);
    assert_true(same_weights(dir, 0, "actor", 0, "net"));
    for (int i = 1; i <= ITERATIONS; i++) {
        bool won = i % EVERY == 0 && score_of(dir, i) >= threshold;
        if (won)
            assert_true(same_weights(dir, i, "actor", i, "net"));
        else
            assert_true(same_weights(dir, i, "actor", i - 1, "actor"));
    }
    assert_int_equal(passes_of(dir), expected_passes);
    if (rate > 0) assert_false(same_weights(dir, 0, "net", ITERATIONS, "net")); /* the learner did learn */
    mem_free(dir);
}

static void a_match_that_is_won_hands_the_weights_over(void **state) {
    (void)state;
    check_run(0, 0.01, ITERATIONS / EVERY);
}

/* At so small a rate the learner's weights change, but not enough to win all games. */
static void without_one_the_weights_before_play_on(void **state) {
    (void)state;
    check_run(1, 1e-7, 0);
}

/* Twentieths, as 0.55, are no floats: the score is held against the threshold as it was written. */
static void a_score_at_the_threshold_is_enough(void **state) {
    (void)state;
    char *first = train(0, 0.01);
    double score = score_of(first, EVERY);
    assert_true(score > 0);
    char *second = train(score, 0.01);
    assert_true(score_of(second, EVERY) == score);
    assert_true(same_weights(second, EVERY, "actor", EVERY, "net"));
    mem_free(first);
    mem_free(second);
}

int main(void) {
    folder_enter();
    log_level_set(LOG_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_that_is_won_hands_the_weights_over),
        cmocka_unit_test(without_one_the_weights_before_play_on),
        cmocka_unit_test(a_score_at_the_threshold_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
