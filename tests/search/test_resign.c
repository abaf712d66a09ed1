/* The threshold of resignation, out of games that were played out. */
#include "search/resign.h"
#include "testing.h"

static void add(struct resign_history *h, int count, float loser, float other) {
    for (int i = 0; i < count; i++)
        resign_add(h, (struct resign_game){.loser = loser, .other = other});
}

static void nobody_resigns_before_enough_games_were_seen(void **state) {
    (void)state;
    static struct resign_history h;
    memset(&h, 0, sizeof h);
    add(&h, RESIGN_FIRST - 1, -0.99f, 0);
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -1);
    add(&h, 1, -0.99f, 0);
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -0.95f);
    assert_true(resign_threshold(&h, -1, 0.05f) == -1); /* -1: never */
}

static void few_false_positives_leave_the_threshold_alone(void **state) {
    (void)state;
    static struct resign_history h;
    memset(&h, 0, sizeof h);
    add(&h, 95, -0.99f, 0);
    add(&h, 5, -0.99f, -0.97f); /* 5 of 100 */
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -0.95f);
}

static void many_false_positives_lower_it_as_far_as_needed(void **state) {
    (void)state;
    static struct resign_history h;
    memset(&h, 0, sizeof h);
    add(&h, 100, -0.995f, 0);
    add(&h, 6, 0, -0.96f);
    add(&h, 5, 0, -0.98f);
    /* At -0.95: 11 of 111. At -0.96, which spares the six: 5 of 105. */
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -0.96f);
    add(&h, 40, 0, -0.98f); /* 45 of 145: only below -0.98 is there none */
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -0.98f);
    add(&h, 40, 0, -0.999f); /* nothing is good enough for 40 of 140 */
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -0.999f);
    add(&h, 40, 0, -1); /* seen lost for certain, and yet not lost: still nobody is below -1 */
    assert_true(resign_threshold(&h, -0.95f, 0.05f) >= -1);
}

static void old_games_are_forgotten(void **state) {
    (void)state;
    static struct resign_history h;
    memset(&h, 0, sizeof h);
    add(&h, 500, 0, -0.97f);
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -0.97f);
    add(&h, RESIGN_HISTORY, -0.99f, 0);
    assert_int_equal(h.count, RESIGN_HISTORY);
    assert_true(resign_threshold(&h, -0.95f, 0.05f) == -0.95f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_resigns_before_enough_games_were_seen),
        cmocka_unit_test(few_false_positives_leave_the_threshold_alone),
        cmocka_unit_test(many_false_positives_lower_it_as_far_as_needed),
        cmocka_unit_test(old_games_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
