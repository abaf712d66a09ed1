/* Self-play and learning at the same time: the same bits as one after the other, and what fails in either is
 * told. */
#include "../folder.h"
#include "algo/session.h"
#include "same_state.h"
#include "tengen/file.h"
#include "tengen/log.h"

enum { ITERATIONS = 6 };

/* Trains alphazero's test_config, from `resume` where that is not NULL, with these settings (NULL ends them).
 */
static enum status train(const char *dir, const char *resume, const char *const *settings) {
    const char *all[16] = {"run.algorithm=alphazero", "run.device=cpu"};
    int count = 2;
    char *place = mem_format("run.dir=%s", dir);
    all[count++] = place;
    while (*settings)
        all[count++] = *settings++;
    assert_ok(file_write("alphazero.ini", algo_find("alphazero")->test_config,
                         strlen(algo_find("alphazero")->test_config)));
    struct train_request q = {.config_path = resume ? NULL : "alphazero.ini",
                              .resume = resume,
                              .overrides = all,
                              .override_count = count,
                              .quiet = true};
    enum status s = algo_train(&q);
    mem_free(place);
    return s;
}

#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void overlapping_changes_no_bit(void **state) {
    (void)state;
    for (int gate = 0; gate <= 3; gate += 3) {
        char *every = mem_format("alphazero.gate_every=%d", gate);
        folder_remove("turns");
        assert_ok(train("turns", NULL, SETTINGS(every, "alphazero.overlap=false", "run.threads=2")));
        for (int threads = 1; threads <= 3; threads += 2) {
            char *with = mem_format("run.threads=%d", threads);
            folder_remove("overlap");
            assert_ok(train("overlap", NULL, SETTINGS(every, "alphazero.overlap=true", with)));
            assert_same_state("turns", "overlap");
            mem_free(with);
        }
        mem_free(every);
    }
}

static void a_run_goes_on_either_way(void **state) {
    (void)state;
    folder_remove("whole");
    folder_remove("halves");
    assert_ok(train("whole", NULL, SETTINGS("alphazero.overlap=true", "run.threads=3")));
    assert_ok(
        train("halves", NULL, SETTINGS("alphazero.overlap=false", "run.threads=1", "run.iterations=3")));
    assert_ok(train("halves", "halves", SETTINGS("alphazero.overlap=true", "run.iterations=6")));
    assert_same_state("whole", "halves");
}

/* ---- failures ---------------------------------------------------------------------------------------------
 */

/* A CPU whose queues of one name report a fault, as a GPU's do: when they are waited for. */
static struct backend faulty;
static const char *faulty_label; /* NULL: of either name */

static enum status faulty_wait(struct queue *q) {
    if (!q->label || (faulty_label && strcmp(q->label, faulty_label) != 0)) return STATUS_OK;
    return status_fail(STATUS_DEVICE, "the queue for %s has failed", q->label);
}

/* Iterates until learning has begun; then an iteration with a fault must fail with this text. */
static void check_fault(const char *label, const char *text) {
    struct session s = {0};
    assert_ok(session_configure(&s, "test", algo_find("alphazero")->test_config,
                                SETTINGS("run.algorithm=alphazero", "alphazero.overlap=true"), 2));
    assert_ok(device_open("cpu", 1, &s.run.device));
    faulty = *s.run.device->backend;
    s.run.device->backend = &faulty;
    assert_ok(queue_open(s.run.device, 1, &s.run.queue));
    assert_ok(s.algo->open(s.self, &s.run));
    for (int i = 0; i < 3; i++)
        assert_ok(s.algo->iterate(s.self, &s.run));
    faulty.wait = faulty_wait;
    faulty_label = label;
    assert_fails(s.algo->iterate(s.self, &s.run), STATUS_DEVICE, text);
    session_close(&s);
}

static void what_fails_in_either_is_told(void **state) {
    (void)state;
    check_fault("acting", "the queue for acting has failed");
    check_fault("learning", "the queue for learning has failed");
    check_fault(NULL,
                "self-play: the queue for acting has failed; learning: the queue for learning has failed");
}

int main(void) {
    folder_enter();
    log_level_set(LOG_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlapping_changes_no_bit),
        cmocka_unit_test(a_run_goes_on_either_way),
        cmocka_unit_test(what_fails_in_either_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
