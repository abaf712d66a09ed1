#include <unistd.h>

#include "folder.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/progress.h"
#include "testing.h"

/* What is written to stderr between begin and end, into a file. */
static int kept_stderr;

static void capture_begin(const char *path) {
    fflush(stderr);
    kept_stderr = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
}

static char *capture_end(const char *path) {
    fflush(stderr);
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    char *text;
    size_t size;
    assert_ok(file_read(path, &text, &size));
    return text;
}

static void lines_go_to_stderr_by_level_and_all_to_the_file(void **state) {
    (void)state;
    unlink("run.log");
    assert_ok(log_open("run.log"));
    capture_begin("captured");
    log_debug("hidden %d", 1);
    log_info("plain %d", 2);
    log_warn("careful %d", 3);
    log_level_set(LOG_ERROR);
    log_warn("not shown");
    log_error("broken");
    log_level_set(LOG_INFO);
    char *shown = capture_end("captured");
    assert_ok(log_open(NULL));
    assert_string_equal(shown, "plain 2\nwarning: careful 3\nerror: broken\n");
    mem_free(shown);

    char *logged;
    size_t size;
    assert_ok(file_read("run.log", &logged, &size));
    assert_non_null(strstr(logged, " debug   hidden 1\n"));
    assert_non_null(strstr(logged, " warning not shown\n"));
    assert_int_equal(logged[4], '-'); /* a date */
    mem_free(logged);
}

static void a_log_that_cannot_be_opened_is_an_error(void **state) {
    (void)state;
    assert_fails(log_open("no/such/run.log"), STATUS_IO, "no/such/run.log: cannot open the log");
}

static void durations_are_short_texts(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } known[] = {{0, "0s"},         {41.2, "41s"},   {59.6, "1m00s"},    {192, "3m12s"},
                 {3599.7, "1h00m"}, {7500, "2h05m"}, {359940, "99h59m"}, {360000, "4d04h"},
                 {-1, "?"},         {NAN, "?"},      {INFINITY, "?"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[16];
        progress_duration(known[i].seconds, text, sizeof text);
        assert_string_equal(text, known[i].text);
    }
}

static void progress_on_no_terminal_is_plain_lines_at_intervals(void **state) {
    (void)state;
    capture_begin("captured");
    struct progress p;
    progress_start(&p, "training");
    assert_false(p.live);
    for (int i = 0; i <= 50; i++)
        progress_update(&p, i, 100, "loss %.1f", 0.5); /* too soon to draw */
    p.last_drawn -= 60;
    assert_true(progress_due(&p));
    progress_update(&p, 50, 100, "loss %.1f", 0.5);
    progress_update(&p, 100, 100, "loss %.1f", 0.2); /* the end is always drawn */
    progress_end(&p);
    char *text = capture_end("captured");
    assert_non_null(strstr(text, "training  50.0%"));
    assert_non_null(strstr(text, "training 100.0%"));
    assert_non_null(strstr(text, "loss 0.2\n"));
    int lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 2);
    assert_null(strchr(text, '\r'));
    mem_free(text);
}

/* After a resume at 900 of 1000 the time left follows from what this process did, not from the 900. */
static void time_left_counts_from_where_the_job_started(void **state) {
    (void)state;
    capture_begin("captured");
    struct progress p;
    progress_start(&p, "resumed");
    progress_update(&p, 900, 1000, "%s", "");
    p.start -= 100;
    p.last_drawn -= 100;
    progress_update(&p, 950, 1000, "%s", "");
    progress_end(&p);
    char *text = capture_end("captured");
    assert_non_null(strstr(text, "1m40s spent, 1m40s left"));
    mem_free(text);
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_to_stderr_by_level_and_all_to_the_file),
        cmocka_unit_test(a_log_that_cannot_be_opened_is_an_error),
        cmocka_unit_test(durations_are_short_texts),
        cmocka_unit_test(progress_on_no_terminal_is_plain_lines_at_intervals),
        cmocka_unit_test(time_left_counts_from_where_the_job_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
