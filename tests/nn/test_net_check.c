/* A live self-check repeats passes on the CPU, finds what is off, and disturbs nothing. */
#include "tengen/net_check.h"

#include "faulty.h"
#include "nn/nets.h"

enum { N = 6, ACTIONS = 26 };

/* A net, and an inference plan of it that has something to look at. */
struct checked {
    struct bed bed;
    struct net *net;
    struct plan *plan;
};

static void checked_open(struct checked *c, int threads, enum precision precision) {
    assert_ok(device_open("cpu", threads, &c->bed.device));
    faulty_begin(c->bed.device);
    assert_ok(queue_open(c->bed.device, 0, &c->bed.queue));
    c->net = net_resnet(c->bed.device, 2, 8, 5, 3);
    net_randomise(c->net, 1);
    assert_ok(plan_create(c->net, c->bed.queue, PLAN_INFER, precision, N, &c->plan));
    tensor_fill(plan_input(c->plan, "observation"), 1);
}

static void checked_close(struct checked *c) {
    plan_free(c->plan);
    net_free(c->net);
    bed_close(&c->bed);
}

static void sound_passes_are_found_sound_in_every_precision(void **state) {
    (void)state;
    for (enum precision p = PRECISION_F32; p <= PRECISION_AUTO; p++)
        for (int threads = 1; threads <= 2; threads++) {
            struct checked c;
            checked_open(&c, threads, p);
            assert_ok(net_check_start(c.net, 1));
            for (int n = 1; n <= N; n++) {
                net_randomise(c.net, (uint64_t)n); /* the copy follows the weights */
                plan_forward(c.plan, n);
                assert_ok(net_check_result(c.net));
            }
            checked_close(&c);
        }
}

static void a_wrong_output_is_named_in_the_pass_whose_turn_it_is(void **state) {
    (void)state;
    struct checked c;
    checked_open(&c, 1, PRECISION_F32);
    assert_ok(net_check_start(c.net, 3));
    faulty.error = 1;
    for (int pass = 1; pass <= 2; pass++) {
        plan_forward(c.plan, N);
        assert_ok(net_check_result(c.net));
    }
    plan_forward(c.plan, N);
    assert_fails(net_check_result(c.net), STATUS_DEVICE,
                 "output \"policy\" of inference pass 3 (6 rows in f32) is not the CPU's");
    assert_non_null(strstr(status_text(), "most in row 0; first layer that differs: policy.fc"));
    faulty.error = 0;
    for (int pass = 4; pass <= 6; pass++)
        plan_forward(c.plan, N);
    assert_fails(net_check_result(c.net), STATUS_DEVICE, "inference pass 3 "); /* the first is kept */
    checked_close(&c);
}

static void numbers_that_are_none_are_wrong(void **state) {
    (void)state;
    struct checked c;
    checked_open(&c, 1, PRECISION_F32);
    assert_ok(net_check_start(c.net, 1));
    faulty.error = NAN;
    plan_forward(c.plan, 2);
    assert_fails(net_check_result(c.net), STATUS_DEVICE, "its error is nan");
    checked_close(&c);
}

/* Weights that change without a new version are what a copy made of them does not follow. */
static void stale_copies_of_weights_are_found(void **state) {
    (void)state;
    struct checked c;
    checked_open(&c, 1, PRECISION_F32);
    assert_ok(net_check_start(c.net, 2));
    plan_forward(c.plan, N); /* folds batch norm into the weights */
    float *weights = net_weights(c.net).data;
    for (size_t i = 0; i < 100; i++)
        weights[i] += 0.1f;
    plan_forward(c.plan, N);
    assert_fails(net_check_result(c.net), STATUS_DEVICE, "is not the CPU's");
    assert_non_null(strstr(status_text(), "first layer that differs: stem."));
    checked_close(&c);
}

static void a_failed_device_is_said_to_have_failed(void **state) {
    (void)state;
    struct checked c;
    checked_open(&c, 1, PRECISION_F32);
    assert_ok(net_check_start(c.net, 2));
    plan_forward(c.plan, N);
    faulty.waits_fail = true;
    plan_forward(c.plan, N);
    faulty.waits_fail = false;
    assert_fails(net_check_result(c.net), STATUS_DEVICE, "self-check: the device is gone");
    checked_close(&c);
}

static void errors_are_relative_to_the_values_or_to_the_least(void **state) {
    (void)state;
    const float want[2] = {3, 4}, got[2] = {3, 4.5f}, zeros[2] = {0, 0};
    assert_near(check_error(got, want, 2, 0), 0.1, 1e-6, 0);
    assert_near(check_error(got, want, 2, 10), 0.5 / sqrt(200), 1e-6, 0);
    assert_true(isinf(check_error(got, zeros, 2, 0)));
    assert_near(check_error(zeros, zeros, 2, 0), 0, 0, 0);
    assert_near(check_tolerance(PRECISION_BF16, true), 10 * check_tolerance(PRECISION_BF16, false), 1e-9, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_passes_are_found_sound_in_every_precision),
        cmocka_unit_test(a_wrong_output_is_named_in_the_pass_whose_turn_it_is),
        cmocka_unit_test(numbers_that_are_none_are_wrong),
        cmocka_unit_test(stale_copies_of_weights_are_found),
        cmocka_unit_test(a_failed_device_is_said_to_have_failed),
        cmocka_unit_test(errors_are_relative_to_the_values_or_to_the_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
