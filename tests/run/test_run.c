/* Run directories: metrics, checkpoints kept and found, one process at a time. */
#include <unistd.h>

#include "../testing.h"
#include "folder.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/run.h"

static char folder[64];

static int in_a_fresh_folder(void **unused) {
    (void)unused;
    snprintf(folder, sizeof folder, "run_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static void open_run(struct run *run, bool resume, int64_t iteration) {
    memset(run, 0, sizeof *run);
    config_defaults(run_config_keys, &run->config);
    snprintf(run->dir, sizeof run->dir, "%s", folder);
    run->iteration = iteration;
    run->started = clock_now();
    assert_ok(run_open_dir(run, "[run]\nseed = 1\n", resume));
}

static void write_rows(struct run *run, int count) {
    for (int i = 0; i < count; i++) {
        run->iteration++;
        run_metric(run, "games", (double)run->iteration * 10);
        run_metric(run, "loss", 0.5);
        run_metric(run, "loss", 0.25); /* the last word */
        assert_ok(run_write_metrics(run));
    }
}

/* The numbers in the first column, "1 2 3 ". */
static const char *rows(const char *name) {
    static char text[256];
    char *path = mem_format("%s/%s", folder, name), *content;
    size_t size, used = 0;
    assert_ok(file_read(path, &content, &size));
    for (char *line = content; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s ", (int)strcspn(line, ","), line);
    mem_free(content);
    mem_free(path);
    return text;
}

static void save(const struct run *run, int64_t iteration) {
    char path[640];
    struct checkpoint_writer *w;
    run_checkpoint_path(run, iteration, path, sizeof path);
    assert_ok(checkpoint_create(path, "checkpoint", "", &w));
    checkpoint_put_long(w, "run/iteration", iteration);
    assert_ok(checkpoint_commit(w));
}

static void a_resumed_run_cuts_later_rows_off(void **unused) {
    (void)unused;
    struct run run;
    open_run(&run, false, 0);
    write_rows(&run, 5);
    run_close(&run);
    char *path = mem_format("%s/metrics.csv", folder);
    FILE *file = fopen(path, "a");
    fputs("6,1.0,60,0.", file); /* a crash in the middle of a row */
    fclose(file);
    open_run(&run, true, 3);
    write_rows(&run, 1);
    run_close(&run);
    assert_string_equal(rows("metrics.csv"), "iteration 1 2 3 4 ");
    mem_free(path);
}

static void other_figures_after_a_resume_begin_another_file(void **unused) {
    (void)unused;
    struct run run;
    open_run(&run, false, 0);
    write_rows(&run, 2);
    run_close(&run);
    open_run(&run, true, 2);
    run.iteration = 3;
    run_metric(&run, "speed", 7);
    assert_ok(run_write_metrics(&run));
    run_close(&run);
    assert_string_equal(rows("metrics.csv"), "iteration 3 ");
    assert_string_equal(rows("metrics-until-2.csv"), "iteration 1 2 ");
}

static void a_folder_that_holds_a_run_is_refused_for_a_new_one(void **unused) {
    (void)unused;
    struct run run, again = {0};
    open_run(&run, false, 0);
    run_close(&run);
    snprintf(again.dir, sizeof again.dir, "%s", folder);
    assert_fails(run_open_dir(&again, "", false), STATUS_USAGE, "holds a run already");
    run_close(&again);
    assert_fails(run_check_new("/proc/version"), STATUS_USAGE, "is a file");
}

static void two_processes_cannot_have_one_folder(void **unused) {
    (void)unused;
    struct run run, again = {0};
    open_run(&run, false, 0);
    snprintf(again.dir, sizeof again.dir, "%s", folder);
    assert_fails(run_open_dir(&again, "", true), STATUS_USAGE, "another process");
    run_close(&again);
    run_close(&run);
}

static void the_last_checkpoints_are_kept_by_number(void **unused) {
    (void)unused;
    struct run run;
    char path[640];
    open_run(&run, false, 0);
    run.config.keep = 2;
    static const int64_t iterations[] = {0, 20, 999999999, 1000000000, 100};
    for (int i = 0; i < 5; i++)
        save(&run, iterations[i]);
    run_prune_checkpoints(&run);
    for (int i = 0; i < 5; i++) {
        run_checkpoint_path(&run, iterations[i], path, sizeof path);
        assert_int_equal(file_exists(path), iterations[i] >= 999999999);
    }
    assert_ok(run_find_checkpoint(folder, path, sizeof path));
    assert_non_null(strstr(path, "/1000000000.h5"));
    run_close(&run);
}

static void a_damaged_checkpoint_is_passed_over(void **unused) {
    (void)unused;
    struct run run;
    char path[640], older[640];
    open_run(&run, false, 0);
    save(&run, 10);
    save(&run, 20);
    run_checkpoint_path(&run, 20, path, sizeof path);
    assert_int_equal(truncate(path, 1000), 0);
    assert_ok(run_find_checkpoint(folder, path, sizeof path));
    run_checkpoint_path(&run, 10, older, sizeof older);
    assert_string_equal(path, older);
    assert_int_equal(truncate(older, 1000), 0);
    assert_fails(run_find_checkpoint(folder, path, sizeof path), STATUS_FORMAT, "000000010.h5");
    assert_fails(run_find_checkpoint("absent", path, sizeof path), STATUS_IO, "no such run");
    assert_fails(run_find_checkpoint("/proc/self/fd", path, sizeof path), STATUS_IO, "holds no checkpoint");
    run_close(&run);
}

static void going_back_in_the_same_folder_is_refused(void **unused) {
    (void)unused;
    struct run run, back = {.iteration = 10};
    open_run(&run, false, 0);
    save(&run, 10);
    save(&run, 20);
    run_close(&run);
    snprintf(back.dir, sizeof back.dir, "%s", folder);
    assert_fails(run_open_dir(&back, "", true), STATUS_USAGE, "is newer than iteration 10");
    run_close(&back);
}

int main(void) {
    folder_enter();
    log_level_set(LOG_ERROR);
#define TEST(name) cmocka_unit_test_setup(name, in_a_fresh_folder)
    const struct CMUnitTest tests[] = {
        TEST(a_resumed_run_cuts_later_rows_off),
        TEST(other_figures_after_a_resume_begin_another_file),
        TEST(a_folder_that_holds_a_run_is_refused_for_a_new_one),
        TEST(two_processes_cannot_have_one_folder),
        TEST(the_last_checkpoints_are_kept_by_number),
        TEST(a_damaged_checkpoint_is_passed_over),
        TEST(going_back_in_the_same_folder_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
