/* Noisy layers: what noise does, and who shares it. */
#include "nn/nets.h"

enum { N = 6, OUTPUTS = 3 };

static struct net *net_noisy(struct device *device) {
    struct net *net = net_create("noisy");
    int x = net_input_vector(net, "observation", 5);
    x = net_activation(net, net_noisy_linear(net, "fc", x, 7), ACTIVATION_RELU);
    net_output(net, "y", net_noisy_linear(net, "out", x, OUTPUTS));
    assert_ok(net_commit(net, device));
    assert_ok(net_initialise(net, 5));
    return net;
}

/* The outputs of the same inputs, by a plan for training and one for inference, which agree. */
static void run(struct net *net, struct queue *q, float y[N * OUTPUTS]) {
    static const enum plan_mode modes[] = {PLAN_TRAIN, PLAN_INFER};
    for (int i = 0; i < 2; i++) {
        struct plan *plan;
        assert_ok(plan_create(net, q, modes[i], PRECISION_F32, N, &plan));
        tensor_fill(plan_input(plan, "observation"), 1);
        plan_forward(plan, N);
        const float *found = plan_output(plan, "y").data;
        if (i == 0) memcpy(y, found, N * OUTPUTS * sizeof *y);
        assert_floats_near(found, y, N * OUTPUTS, 1e-5, 1e-6);
        plan_free(plan);
    }
}

static bool same(const float *a, const float *b) {
    return memcmp(a, b, N * OUTPUTS * sizeof *a) == 0;
}

static void noise_changes_outputs_until_it_is_taken_away(void **state) {
    (void)state;
    struct bed bed = bed_open(2);
    struct net *net = net_noisy(bed.device);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    float quiet[N * OUTPUTS], first[N * OUTPUTS], second[N * OUTPUTS], again[N * OUTPUTS];
    run(net, bed.queue, quiet);
    assert_ok(net_noise(net, &rng));
    run(net, bed.queue, first);
    run(net, bed.queue, again);
    assert_ok(net_noise(net, &rng));
    run(net, bed.queue, second);
    assert_false(same(first, quiet));
    assert_true(same(first, again));
    assert_false(same(first, second));
    assert_ok(net_noise(net, NULL));
    run(net, bed.queue, again);
    assert_true(same(again, quiet));
    net_free(net);
    bed_close(&bed);
}

/* A plan that lives on sees new noise, and a copy of a net has the noise of its origin. */
static void plans_and_copies_follow_the_noise(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_noisy(bed.device), *copy = net_noisy(bed.device);
    struct plan *plan;
    struct rng rng = rng_make(1, RNG_TEST, 0);
    float before[N * OUTPUTS], after[N * OUTPUTS];
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, N, &plan));
    tensor_fill(plan_input(plan, "observation"), 1);
    plan_forward(plan, N);
    memcpy(before, plan_output(plan, "y").data, sizeof before);
    assert_ok(net_noise(net, &rng));
    plan_forward(plan, N);
    assert_false(same(before, plan_output(plan, "y").data));
    assert_ok(net_copy(copy, net));
    run(copy, bed.queue, after);
    assert_floats_near(after, plan_output(plan, "y").data, N * OUTPUTS, 1e-5, 1e-6);
    plan_free(plan);
    net_free(net);
    net_free(copy);
    bed_close(&bed);
}

/* f(x) = sign(x) sqrt(|x|) has mean 0 and the variance of |x|: sqrt(2 / pi). */
static void noise_is_distributed_as_in_the_paper(void **state) {
    (void)state;
    enum { INPUTS = 20000 };
    struct bed bed = bed_open(1);
    struct net *net = net_create("wide");
    net_output(net, "y", net_noisy_linear(net, "fc", net_input_vector(net, "observation", INPUTS), 1));
    assert_ok(net_commit(net, bed.device));
    assert_ok(net_initialise(net, 1));
    struct rng rng = rng_make(1, RNG_TEST, 0);
    assert_ok(net_noise(net, &rng));
    static float noise[INPUTS], sigma[INPUTS];
    net_read(net, net_find_segment(net, "fc.noise_in"), noise);
    net_read(net, net_find_segment(net, "fc.weight_sigma"), sigma);
    double sum = 0, squares = 0;
    for (int i = 0; i < INPUTS; i++) {
        sum += (double)noise[i] / INPUTS;
        squares += (double)noise[i] * (double)noise[i] / INPUTS;
    }
    assert_near(sum, 0, 0, 0.03);
    assert_near(squares, sqrt(2 / 3.14159265), 0.02, 0);
    assert_near(sigma[0], 0.5 / sqrt(INPUTS), 1e-6, 0);
    net_free(net);
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_changes_outputs_until_it_is_taken_away),
        cmocka_unit_test(plans_and_copies_follow_the_noise),
        cmocka_unit_test(noise_is_distributed_as_in_the_paper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
