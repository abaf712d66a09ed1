/* Running statistics against those of all numbers at once. */
#include "tengen/normaliser.h"

#include "tengen/rng.h"
#include "testing.h"

enum { F = 3, ROWS = 700 };

static float numbers[ROWS][F];

static int setup(void **state) {
    (void)state;
    struct rng rng = rng_make(2, RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        numbers[i][0] = 5000 + 0.1f * rng_normal(&rng);
        numbers[i][1] = 1e-3f * rng_normal(&rng);
        numbers[i][2] = 7;
    }
    return 0;
}

static void feed(struct normaliser *n, const int *parts) {
    normaliser_init(n, F);
    for (int at = 0; *parts; at += *parts++)
        normaliser_update(n, numbers[at], *parts);
}

static void statistics_are_those_of_all_samples_at_once(void **state) {
    (void)state;
    struct normaliser n;
    feed(&n, (const int[]){1, 99, 100, 500, 0});
    for (int f = 0; f < F; f++) {
        double mean = 0, about = 0;
        for (int i = 0; i < ROWS; i++)
            mean += (double)numbers[i][f] / ROWS;
        for (int i = 0; i < ROWS; i++)
            about += ((double)numbers[i][f] - mean) * ((double)numbers[i][f] - mean);
        assert_near(n.mean[f], mean, 1e-9, 1e-9);
        assert_near(n.about[f], about, 1e-6, 1e-9);
    }
    normaliser_free(&n);
}

static void normalised_samples_have_mean_0_and_deviation_1(void **state) {
    (void)state;
    static float x[ROWS][F];
    struct normaliser n;
    feed(&n, (const int[]){ROWS, 0});
    memcpy(x, numbers, sizeof x);
    normaliser_apply(&n, x[0], ROWS);
    double sum[F] = {0}, squares[F] = {0};
    for (int i = 0; i < ROWS; i++)
        for (int f = 0; f < F; f++) {
            sum[f] += (double)x[i][f];
            squares[f] += (double)x[i][f] * (double)x[i][f];
        }
    for (int f = 0; f < F; f++)
        assert_near(sum[f] / ROWS, 0, 0, 1e-3);
    assert_near(squares[0] / ROWS, 1, 1e-2, 0);
    assert_near(squares[1] / ROWS, 1, 2e-2, 0); /* its variance is 1e-6, beside which 1e-8 is seen */
    assert_near(squares[2], 0, 0, 1e-6);        /* a constant stays finite */
    normaliser_free(&n);
}

static void outliers_are_cut_and_scaling_keeps_signs(void **state) {
    (void)state;
    struct normaliser n;
    normaliser_init(&n, 1);
    float same = 3;
    normaliser_apply(&n, &same, 1);
    assert_float_equal(same, 3, 0); /* nothing is known yet */
    normaliser_update(&n, (const float[]){1, 3}, 2);
    float x[] = {1e6f, 2, -1e6f}, y[] = {4, -0.5f};
    normaliser_apply(&n, x, 3);
    assert_float_equal(x[0], NORMALISER_LIMIT, 0);
    assert_float_equal(x[1], 0, 1e-6);
    assert_float_equal(x[2], -NORMALISER_LIMIT, 0);
    normaliser_scale(&n, y, 2);
    assert_float_equal(y[0], 4, 1e-5);
    assert_float_equal(y[1], -0.5, 1e-5);
    normaliser_free(&n);
}

static void a_saved_state_goes_on_to_the_bit(void **state) {
    (void)state;
    struct normaliser whole, half, resumed;
    double saved[1 + 2 * F];
    feed(&whole, (const int[]){300, 400, 0});
    feed(&half, (const int[]){300, 0});
    assert_int_equal(normaliser_numbers(&half), 1 + 2 * F);
    normaliser_save(&half, saved);
    normaliser_init(&resumed, F);
    normaliser_load(&resumed, saved);
    normaliser_update(&resumed, numbers[300], 400);
    assert_memory_equal(resumed.mean, whole.mean, F * sizeof(double));
    assert_memory_equal(resumed.about, whole.about, F * sizeof(double));
    normaliser_free(&whole);
    normaliser_free(&half);
    normaliser_free(&resumed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_are_those_of_all_samples_at_once),
        cmocka_unit_test(normalised_samples_have_mean_0_and_deviation_1),
        cmocka_unit_test(outliers_are_cut_and_scaling_keeps_signs),
        cmocka_unit_test(a_saved_state_goes_on_to_the_bit),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
