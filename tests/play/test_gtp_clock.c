/* How long the GTP engine thinks, by its clock. */
#include "play/gtp_state.h"
#include "testing.h"

static void without_settings_there_is_no_limit(void **state) {
    (void)state;
    struct gtp_clock c = {0};
    assert_near(gtp_clock_budget(&c, 49, 0), 0, 0, 0);
    gtp_clock_set(&c, 0, 1, 0); /* GTP 2: period without stones */
    assert_near(gtp_clock_budget(&c, 49, 0), 0, 0, 0);
    gtp_clock_spend(&c, 1e6);
    assert_near(gtp_clock_budget(&c, 49, 0), 0, 0, 0);
}

static void absolute_time_lasts_for_any_game(void **state) {
    (void)state;
    struct gtp_clock c;
    gtp_clock_set(&c, 60, 0, 0);
    for (int move = 0; move < 1000; move += 2) {
        double budget = gtp_clock_budget(&c, 361, move);
        assert_true(budget > 0 && budget <= fmax(c.left, 0.01));
        gtp_clock_spend(&c, budget);
    }
    assert_true(c.left >= 0);
    gtp_clock_set(&c, 60, 0, 0);
    for (int move = 0; move < 150; move += 2)
        gtp_clock_spend(&c, gtp_clock_budget(&c, 361, move) + 0.05); /* what pipes and the last batch take */
    assert_true(c.left > 10);
}

static void a_period_s_time_is_shared_by_its_stones(void **state) {
    (void)state;
    struct gtp_clock c;
    gtp_clock_set(&c, 0, 10, 5);
    for (int i = 0; i < 12; i++) {
        double budget = gtp_clock_budget(&c, 361, 2 * i);
        assert_true(budget > 1.5 && budget < 2.5);
        gtp_clock_spend(&c, budget);
        assert_true(c.left > 0);
    }
}

static void main_time_runs_out_into_the_periods(void **state) {
    (void)state;
    struct gtp_clock c;
    gtp_clock_set(&c, 3, 5, 1);
    assert_true(gtp_clock_budget(&c, 361, 0) > 4); /* a period's time is always there */
    gtp_clock_spend(&c, 4);
    assert_int_equal(c.stones_left, 1);
    assert_near(c.left, 5, 0, 0);
    gtp_clock_left(&c, 2, 1);
    double budget = gtp_clock_budget(&c, 361, 0);
    assert_true(budget < 2 && budget > 1.5);
}

static void no_time_is_a_little_time(void **state) {
    (void)state;
    struct gtp_clock c;
    gtp_clock_set(&c, 0, 0, 0);
    double budget = gtp_clock_budget(&c, 361, 0);
    assert_true(budget > 0 && budget < 0.1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_settings_there_is_no_limit),
        cmocka_unit_test(absolute_time_lasts_for_any_game),
        cmocka_unit_test(a_period_s_time_is_shared_by_its_stones),
        cmocka_unit_test(main_time_runs_out_into_the_periods),
        cmocka_unit_test(no_time_is_a_little_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
