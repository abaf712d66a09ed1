/* Child processes: lines, deadlines, ends. */
#include <signal.h>
#include <unistd.h>

#include "tengen/child.h"
#include "tengen/thread.h"
#include "testing.h"

static double soon(void) {
    return clock_now() + 5;
}

static void lines_go_there_and_back(void **state) {
    (void)state;
    struct child c;
    const char *line;
    assert_ok(child_start(&c, "cat"));
    for (int i = 0; i < 100; i++) {
        assert_ok(child_write(&c, "one\ntwo\r\n\n", soon()));
        assert_ok(child_line(&c, &line, soon()));
        assert_string_equal(line, "one");
        assert_ok(child_line(&c, &line, soon()));
        assert_string_equal(line, "two");
        assert_ok(child_line(&c, &line, soon()));
        assert_string_equal(line, "");
    }
    child_stop(&c, 1);
    assert_int_equal(c.pid, 0);
    child_stop(&c, 1); /* legal again */
}

static void silence_is_noticed_in_time(void **state) {
    (void)state;
    struct child c;
    const char *line;
    assert_ok(child_start(&c, "echo thinking >&2; sleep 60"));
    double start = clock_now();
    assert_fails(child_line(&c, &line, start + 0.3), STATUS_PEER,
                 "did not answer in time; it said: thinking");
    assert_true(clock_now() - start < 2);
    child_stop(&c, 0);
    assert_true(clock_now() - start < 3);
}

static void ends_are_described(void **state) {
    (void)state;
    static const struct {
        const char *command, *text;
    } cases[] = {
        {"exit 3", "ended with exit status 3"},
        {"echo 'out of memory' >&2; exit 1", "exit status 1; it said: out of memory"},
        {"kill -SEGV $$", "was killed by signal 11"},
        {"/nowhere/engine --x", "exit status 127; it said: "},
        {"exec >&-; sleep 60", "closed its output"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct child c;
        const char *line;
        assert_ok(child_start(&c, cases[i].command));
        assert_fails(child_line(&c, &line, soon()), STATUS_PEER, cases[i].text);
        child_stop(&c, 0);
    }
}

static void writing_to_one_that_ended_is_no_signal(void **state) {
    (void)state;
    struct child c;
    signal(SIGPIPE, SIG_DFL);
    assert_ok(child_start(&c, "exit 7"));
    usleep(100000);
    assert_fails(child_write(&c, "hello\n", soon()), STATUS_PEER, "exit status 7");
    child_stop(&c, 0);
}

static void one_that_does_not_read_is_noticed(void **state) {
    (void)state;
    static char much[1 << 20];
    struct child c;
    memset(much, 'x', sizeof much - 1);
    assert_ok(child_start(&c, "sleep 60"));
    assert_fails(child_write(&c, much, clock_now() + 0.2), STATUS_PEER, "did not answer in time");
    child_stop(&c, 0);
}

static void talk_on_stderr_does_not_block(void **state) {
    (void)state;
    struct child c;
    const char *line;
    assert_ok(child_start(&c, "head -c 2000000 /dev/zero | tr '\\0' 'y' >&2; echo done"));
    assert_ok(child_line(&c, &line, clock_now() + 20));
    assert_string_equal(line, "done");
    child_stop(&c, 1);
}

static void a_line_without_end_is_refused(void **state) {
    (void)state;
    struct child c;
    const char *line;
    assert_ok(child_start(&c, "tr '\\0' 'y' </dev/zero"));
    assert_fails(child_line(&c, &line, clock_now() + 20), STATUS_PEER, "sent a line of more than");
    child_stop(&c, 0);
}

static void what_a_child_started_is_stopped_too(void **state) {
    (void)state;
    struct child c;
    const char *line;
    assert_ok(child_start(&c, "sleep 61 & echo $!; wait"));
    assert_ok(child_line(&c, &line, soon()));
    pid_t grandchild = (pid_t)atoi(line);
    assert_true(grandchild > 1);
    child_stop(&c, 0);
    char path[64], status[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
    for (int i = 0; i < 100; i++) { /* it may stand as a zombie until init takes it */
        FILE *file = fopen(path, "r");
        if (!file) return;
        size_t got = fread(status, 1, sizeof status - 1, file);
        fclose(file);
        status[got] = 0;
        const char *end = strrchr(status, ')');
        if (end && end[2] == 'Z') return;
        usleep(20000);
    }
    fail_msg("process %d still runs: %s", (int)grandchild, status);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_there_and_back),
        cmocka_unit_test(silence_is_noticed_in_time),
        cmocka_unit_test(ends_are_described),
        cmocka_unit_test(writing_to_one_that_ended_is_no_signal),
        cmocka_unit_test(one_that_does_not_read_is_noticed),
        cmocka_unit_test(talk_on_stderr_does_not_block),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(what_a_child_started_is_stopped_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
