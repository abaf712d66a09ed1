/* Every algorithm of algos.def, and what else its state may hold: training 2N iterations equals training N,
 * saving, loading and training N more, bit for bit, and depends neither on the number of threads nor on a
 * self-check, which runs of one thread have. */
#include "../folder.h"
#include "same_state.h"
#include "tengen/algo.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

enum { ITERATIONS = 6 };

struct trial {
    const struct algo *algo;
    const char *setting; /* beside its test_config, or NULL */
};

/* What test_config of an algorithm lacks. */
static const struct {
    const char *algo, *setting;
} variants[] = {{"ppo", "net.gru_units=6"}, {"a2c", "net.gru_units=6"}};
enum { VARIANTS = sizeof variants / sizeof *variants };

static void train(const struct trial *trial, const char *dir, const char *resume, int iterations,
                  int threads) {
    const struct algo *a = trial->algo;
    char *settings[] = {mem_format("run.algorithm=%s", a->name),
                        mem_format("run.iterations=%d", iterations),
                        mem_format("run.threads=%d", threads),
                        mem_format("run.dir=%s", dir),
                        mem_string("run.device=cpu"),
                        mem_format("run.check_every=%d", a->net && threads == 1 ? 2 : 0),
                        mem_string(trial->setting ? trial->setting : "")};
    enum { SETTINGS = sizeof settings / sizeof *settings };
    char *config = mem_format("%s.ini", a->name);
    assert_ok(file_write(config, a->test_config, strlen(a->test_config)));
    struct train_request q = {.config_path = resume ? NULL : config,
                              .resume = resume,
                              .overrides = (const char *const *)settings,
                              .override_count = trial->setting ? SETTINGS : SETTINGS - 1,
                              .quiet = true};
    assert_ok(algo_train(&q));
    for (int i = 0; i < SETTINGS; i++)
        mem_free(settings[i]);
    mem_free(config);
}

static void resuming_equals_training_on(void **state) {
    const struct trial *a = *state;
    folder_remove("whole");
    folder_remove("halves");
    train(a, "whole", NULL, ITERATIONS, 2);
    train(a, "halves", NULL, ITERATIONS / 2, 2);
    train(a, "halves", "halves", ITERATIONS, 2);
    assert_same_state("whole", "halves");
}

static void threads_change_nothing(void **state) {
    const struct trial *a = *state;
    folder_remove("two");
    folder_remove("one");
    train(a, "two", NULL, ITERATIONS, 2);
    train(a, "one", NULL, ITERATIONS / 2, 1);
    train(a, "one", "one", ITERATIONS, 2);
    assert_same_state("two", "one");
    folder_remove("one");
    train(a, "one", NULL, ITERATIONS, 1);
    assert_same_state("two", "one");
}

static int run(struct trial t) {
    char *name = mem_format("%s %s", t.algo->name, t.setting ? t.setting : "");
    char *first = mem_format("%s: resuming equals training on", name);
    char *second = mem_format("%s: threads change nothing", name);
    const struct CMUnitTest tests[] = {
        {first, resuming_equals_training_on, NULL, NULL, &t},
        {second, threads_change_nothing, NULL, NULL, &t},
    };
    int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    mem_free(name);
    mem_free(first);
    mem_free(second);
    return failed;
}

int main(void) {
    folder_enter();
    log_level_set(LOG_WARN);
    int failed = 0;
    for (int i = 0; i < algo_count(); i++)
        failed += run((struct trial){algo_at(i), NULL});
    for (int i = 0; i < VARIANTS; i++)
        failed += run((struct trial){algo_find(variants[i].algo), variants[i].setting});
    return failed;
}
