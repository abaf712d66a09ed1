#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "testing.h"

static void text_is_kept_and_status_returned(void **state) {
    (void)state;
    assert_int_equal(status_fail(STATUS_IO, "%s: %d", "file", 7), STATUS_IO);
    assert_string_equal(status_text(), "file: 7");
}

static void context_is_put_before_the_text(void **state) {
    (void)state;
    enum status s = status_fail(STATUS_FORMAT, "no such net");
    s = status_context(s, "checkpoint %d", 3);
    s = status_context(s, "resume");
    assert_int_equal(s, STATUS_FORMAT);
    assert_string_equal(status_text(), "resume: checkpoint 3: no such net");
}

static void the_old_text_may_be_an_argument(void **state) {
    (void)state;
    (void)status_fail(STATUS_IO, "inner");
    (void)status_fail(STATUS_IO, "outer (%s)", status_text());
    assert_string_equal(status_text(), "outer (inner)");
}

static void long_texts_are_cut_not_overrun(void **state) {
    (void)state;
    char long_text[3000];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    (void)status_fail(STATUS_IO, "%s", long_text);
    assert_int_equal(strlen(status_text()), 1023);
    (void)status_context(STATUS_IO, "before");
    assert_int_equal(strlen(status_text()), 1023);
    assert_memory_equal(status_text(), "before: xxx", 11);
    (void)status_context(STATUS_IO, "%s", long_text);
    assert_int_equal(strlen(status_text()), 1023);
}

static enum status inner(enum status s) {
    TRY(s);
    return STATUS_PEER;
}

static void try_returns_what_is_not_ok(void **state) {
    (void)state;
    assert_int_equal(inner(STATUS_OK), STATUS_PEER);
    assert_int_equal(inner(STATUS_NUMERIC), STATUS_NUMERIC);
}

/* Runs `end` in a child with stderr in a file; returns how it ended, and what it said. */
static int run_child(void (*end)(void), char **said) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL); /* not cmocka's */
        int out = open("said", O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(out, STDERR_FILENO);
        end();
        _exit(0);
    }
    int how;
    size_t size;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_ok(file_read("said", said, &size));
    return how;
}

static void break_a_promise(void) {
    ENSURE(1 + 1 == 3, "sum of %d and %d", 1, 1);
}

static void give_up(void) {
    status_exit("no memory on %s", "cuda:0");
}

static void ask_for_too_much(void) {
    mem_free(mem_alloc(1ull << 62, 1ull << 62));
}

static void a_bug_aborts_and_names_its_place(void **state) {
    (void)state;
    char *said;
    int how = run_child(break_a_promise, &said);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    assert_non_null(strstr(said, "test_status.c:"));
    assert_non_null(strstr(said, "sum of 1 and 1 (1 + 1 == 3 does not hold)"));
    mem_free(said);
}

static void memory_that_ran_out_ends_the_program_with_a_text(void **state) {
    (void)state;
    char *said;
    int how = run_child(give_up, &said);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    assert_string_equal(said, "\ntengen: no memory on cuda:0\n");
    mem_free(said);
    how = run_child(ask_for_too_much, &said);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    assert_non_null(strstr(said, "out of memory: 4611686018427387904 x"));
    mem_free(said);
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_kept_and_status_returned),
        cmocka_unit_test(context_is_put_before_the_text),
        cmocka_unit_test(the_old_text_may_be_an_argument),
        cmocka_unit_test(long_texts_are_cut_not_overrun),
        cmocka_unit_test(try_returns_what_is_not_ok),
        cmocka_unit_test(a_bug_aborts_and_names_its_place),
        cmocka_unit_test(memory_that_ran_out_ends_the_program_with_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
