/* Faults of a device: every algorithm that acts by a network stops when the self-check finds one, or a wait.
 */
#include "algo/session.h"

#include "faulty.h"
#include "testing.h"

static void session_begin(struct session *s, const struct algo *a) {
    char algorithm[64];
    snprintf(algorithm, sizeof algorithm, "run.algorithm=%s", a->name);
    const char *const overrides[] = {algorithm, "run.device=cpu", "run.precision=f32", "run.threads=2",
                                     "run.check_every=2"};
    *s = (struct session){0};
    assert_ok(session_configure(s, a->name, a->test_config, overrides, 5));
    assert_ok(run_open_device(&s->run));
    faulty_begin(s->run.device);
    s->run.queue->op = &faulty.op;
    assert_ok(a->open(s->self, &s->run));
}

/* What `break_device` leads to in all that act by a network. */
static void every_algorithm_fails(void (*break_device)(void), const char *text) {
    for (int i = 0; i < algo_count(); i++) {
        const struct algo *a = algo_at(i);
        if (!a->net) continue;
        struct session s;
        session_begin(&s, a);
        assert_ok(session_check_start(&s));
        for (int k = 0; k < 2; k++)
            assert_ok(session_iterate(&s));
        break_device();
        assert_fails(session_iterate(&s), STATUS_DEVICE, text);
        session_close(&s);
    }
}

static void go_wrong(void) {
    faulty.error = 3;
}
static void every_algorithm_stops_when_its_device_goes_wrong(void **state) {
    (void)state;
    every_algorithm_fails(go_wrong, "self-check: output \"");
}

static void be_gone(void) {
    faulty.waits_fail = true;
}
static void every_algorithm_stops_when_its_device_is_gone(void **state) {
    (void)state;
    every_algorithm_fails(be_gone, "the device is gone");
}

static void what_has_no_network_cannot_be_checked(void **state) {
    (void)state;
    struct session s;
    session_begin(&s, algo_find("q_learning"));
    assert_fails(session_check_start(&s), STATUS_USAGE, "q_learning has no network to check");
    session_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_stops_when_its_device_goes_wrong),
        cmocka_unit_test(every_algorithm_stops_when_its_device_is_gone),
        cmocka_unit_test(what_has_no_network_cannot_be_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
