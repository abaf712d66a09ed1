/* Phases: every second of the main thread is charged once. */
#include "testing.h"

#include <pthread.h>
#include <string.h>

#include "tengen/phase.h"
#include "tengen/thread.h"

static void spend(double seconds) {
    double end = clock_now() + seconds;
    while (clock_now() < end) {
    }
}

static struct phase_total total_of(const char *name) {
    struct phase_total totals[PHASES_MAX];
    int count = phase_totals(totals, PHASES_MAX);
    for (int i = 0; i < count; i++)
        if (strcmp(totals[i].name, name) == 0) return totals[i];
    return (struct phase_total){.name = NULL};
}

static void inner(void) {
    PHASE("inner");
    assert_string_equal(phase_outermost(), "outer");
    spend(0.004);
}

static void outer(void) {
    PHASE("outer");
    spend(0.002);
    inner();
    inner();
}

static void phases_add_up_to_the_threads_time(void **state) {
    (void)state;
    struct phase_total totals[PHASES_MAX];
    double sum = 0;
    phase_start();
    spend(0.001);
    outer();
    double wall = phase_stop();
    int count = phase_totals(totals, PHASES_MAX);
    assert_int_equal(count, 3);
    for (int i = 0; i < count; i++) {
        sum += totals[i].seconds;
        assert_true(i == 0 || totals[i - 1].seconds >= totals[i].seconds);
    }
    assert_true(sum > 0.999 * wall && sum < 1.001 * wall);
    assert_true(wall >= 0.011);
    assert_int_equal(total_of("inner").calls, 2);
    assert_true(total_of("inner").seconds >= 0.008);
    assert_true(total_of("other").seconds >= 0.001);
}

static void a_phase_is_not_charged_for_those_within_it(void **state) {
    (void)state;
    phase_start();
    {
        PHASE("shell");
        for (int i = 0; i < 10; i++) {
            PHASE("core");
            spend(0.002);
        }
    }
    double wall = phase_stop();
    assert_int_equal(total_of("core").calls, 10);
    assert_true(total_of("core").seconds >= 0.02);
    assert_true(total_of("shell").seconds < wall - 0.02 + 1e-9);
}

static void *work(void *context) {
    (void)context;
    spend(0.002); /* outside phases others' time is nobody's */
    PHASE("worker");
    spend(0.003);
    return NULL;
}

static void other_threads_are_counted_apart(void **state) {
    (void)state;
    pthread_t thread;
    phase_start();
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    pthread_join(thread, NULL);
    phase_stop();
    struct phase_total t = total_of("worker");
    assert_int_equal(t.calls, 1);
    assert_true(t.seconds == 0);
    assert_true(t.threads >= 0.003);
    assert_true(total_of("other").seconds >= 0.005);
    assert_true(total_of("other").threads == total_of("other").seconds);
}

static void nothing_is_counted_unless_asked_for(void **state) {
    (void)state;
    phase_start();
    phase_stop();
    {
        PHASE("after");
        spend(0.001);
    }
    assert_null(total_of("after").name);
    assert_string_equal(phase_outermost(), "other");
}

static char pushed[64];

static void push(const char *name) {
    strcat(strcat(pushed, name), "(");
}
static void pop(void) {
    strcat(pushed, ")");
}

static void ranges_nest_as_phases_do(void **state) {
    (void)state;
    phase_ranges(push, pop);
    {
        PHASE("a");
        { PHASE("b"); }
        PHASE("c");
    }
    phase_ranges(NULL, NULL);
    assert_string_equal(pushed, "a(b()c())");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_add_up_to_the_threads_time),
        cmocka_unit_test(a_phase_is_not_charged_for_those_within_it),
        cmocka_unit_test(other_threads_are_counted_apart),
        cmocka_unit_test(nothing_is_counted_unless_asked_for),
        cmocka_unit_test(ranges_nest_as_phases_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
