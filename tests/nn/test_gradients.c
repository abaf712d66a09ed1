/* Whole networks' gradients against finite differences, along random directions: for a direction d,
 * (L(w + h d) - L(w - h d)) / 2h should be gradient . d. The loss is sum(output * g) for fixed random g. */
#include "nn/nets.h"

enum { N = 3 };

static double loss(struct plan *plan, const char *const *outputs, int count) {
    double sum = 0;
    plan_forward(plan, N);
    for (int i = 0; i < count; i++) {
        struct tensor y = plan_output(plan, outputs[i]);
        float *g = MEM_NEW(float, tensor_count(y));
        fill_random(g, tensor_count(y), 50 + (uint64_t)i);
        for (size_t k = 0; k < tensor_count(y); k++)
            sum += (double)((float *)y.data)[k] * (double)g[k];
        mem_free(g);
    }
    return sum;
}

static void gradient_compute(struct plan *plan, const char *const *outputs, int count) {
    plan_forward(plan, N);
    for (int i = 0; i < count; i++)
        tensor_fill(plan_output_gradient(plan, outputs[i]), 50 + (uint64_t)i);
    plan_backward(plan, N);
}

static double directional(struct net *net, struct plan *plan, const struct segment *s, const float *d,
                          double h, const char *const *outputs, int count) {
    float *w = (float *)net_weights(net).data + s->offset, *kept = MEM_NEW(float, s->count);
    memcpy(kept, w, s->count * sizeof *w);
    double losses[2];
    for (int side = 0; side < 2; side++) {
        for (size_t k = 0; k < s->count; k++)
            w[k] = (float)((double)kept[k] + (side ? h : -h) * (double)d[k]);
        net_touch(net);
        losses[side] = loss(plan, outputs, count);
    }
    memcpy(w, kept, s->count * sizeof *w);
    net_touch(net);
    mem_free(kept);
    return (losses[1] - losses[0]) / (2 * h);
}

static void check_steps(struct net *net, struct queue *q, int steps, const char *const *outputs, int count) {
    struct plan *plan;
    assert_ok(plan_create(net, q, PLAN_TRAIN, PRECISION_F32, N, &plan));
    plan_set_steps(plan, steps);
    tensor_fill(plan_input(plan, "observation"), 1);
    net_zero_gradients(net, q);
    gradient_compute(plan, outputs, count);
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        if (s->flags & SEGMENT_STATE) continue;
        const float *g = (const float *)net_gradients(net).data + s->offset;
        float *d = MEM_NEW(float, s->count);
        fill_random(d, s->count, 100 + (uint64_t)i);
        double expected = 0, size = 0;
        for (size_t k = 0; k < s->count; k++) {
            expected += (double)g[k] * (double)d[k];
            size += (double)g[k] * (double)g[k];
        }
        double h = 1e-3 / sqrt((double)s->count);
        double found = directional(net, plan, s, d, h, outputs, count);
        if (fabs(found - expected) > 0.03 * sqrt(size) + 5e-3)
            fail_msg("%s: %s: finite differences %g, gradient %g (norm %g)", net_name(net), s->name, found,
                     expected, sqrt(size));
        mem_free(d);
    }
    plan_free(plan);
}

static void check(struct net *net, struct queue *q, const char *const *outputs, int count) {
    check_steps(net, q, 1, outputs, count);
}

static void gradients_of_a_residual_network_are_its_slopes(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 2, 6, 5, 3);
    net_randomise(net, 3);
    check(net, bed.queue, (const char *const[]){"policy", "value"}, 2);
    net_free(net);
    bed_close(&bed);
}

static void gradients_of_a_network_of_everything_are_its_slopes(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_mixed(bed.device);
    net_randomise(net, 3);
    check(net, bed.queue, (const char *const[]){"both", "out"}, 2);
    net_free(net);
    bed_close(&bed);
}

/* Batch norm before the activation before the convolution (He et al. 2016): the sum is read by a batch norm
 * and by the next sum, and the batch norm's gradient must be added to the other. */
static void gradients_of_a_preactivation_block_are_its_slopes(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_create("preactivation");
    int x = net_conv(net, "stem", net_input(net, "observation", 4, 4, 2), 6, 3, 1, 1, false);
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "bn%d", i);
        int y = net_activation(net, net_batchnorm(net, name, x), ACTIVATION_RELU);
        snprintf(name, sizeof name, "conv%d", i);
        x = net_add(net, x, net_conv(net, name, y, 6, 3, 1, 1, true));
    }
    net_output(net, "trunk", x);
    net_output(net, "sum", net_linear(net, "fc", net_add(net, x, x), 2));
    assert_ok(net_commit(net, bed.device));
    net_randomise(net, 3);
    check(net, bed.queue, (const char *const[]){"trunk", "sum"}, 2);
    net_free(net);
    bed_close(&bed);
}

/* A policy's standard deviation: numbers that no input moves, but losses do. */
static void gradients_of_a_parameter_are_its_slopes(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_create("normal");
    int x = net_linear(net, "fc", net_input_vector(net, "observation", 5), 3);
    int log_std = net_parameter(net, "log_std", 3, -0.5f);
    net_output(net, "policy", x);
    net_output(net, "log_std", log_std);
    net_output(net, "sum", net_activation(net, net_add(net, x, log_std), ACTIVATION_TANH));
    assert_ok(net_commit(net, bed.device));
    assert_ok(net_initialise(net, 3));
    check(net, bed.queue, (const char *const[]){"policy", "log_std", "sum"}, 3);
    struct plan *plan;
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, N, &plan));
    plan_forward(plan, N);
    const float *values = plan_output(plan, "log_std").data;
    for (int i = 0; i < 3 * N; i++)
        assert_true(values[i] == -0.5f);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

/* Two noisy streams, three actions of four atoms each. */
static void gradients_of_a_noisy_dueling_network_are_its_slopes(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_create("dueling");
    int x = net_activation(net, net_noisy_linear(net, "fc", net_input_vector(net, "observation", 5), 6),
                           ACTIVATION_TANH);
    int v = net_noisy_linear(net, "value", x, 4), d = net_noisy_linear(net, "advantage", x, 12);
    net_output(net, "q", net_dueling(net, v, d));
    net_output(net, "v", v);
    assert_ok(net_commit(net, bed.device));
    net_randomise(net, 3); /* the noise, too */
    check(net, bed.queue, (const char *const[]){"q", "v"}, 2);
    net_free(net);
    bed_close(&bed);
}

/* Two layers of them, over time; what lies below learns, too. */
static void gradients_of_recurrent_units_are_their_slopes(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_create("recurrent");
    int starts = net_input_vector(net, "starts", 1);
    int x = net_linear(net, "fc", net_input_vector(net, "observation", 5), 6);
    int lower = net_gru(net, "lower", x, net_input_vector(net, "state1", 4), starts);
    int upper = net_gru(net, "upper", lower, net_input_vector(net, "state2", 4), starts);
    net_output(net, "units", net_add(net, lower, upper));
    net_output(net, "y", net_linear(net, "out", upper, 3));
    assert_ok(net_commit(net, bed.device));
    net_randomise(net, 3);
    check_steps(net, bed.queue, N, (const char *const[]){"units", "y"}, 2);
    net_free(net);
    bed_close(&bed);
}

static void gradients_add_up_over_backward_passes(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_mixed(bed.device);
    net_randomise(net, 3);
    static const char *const outputs[] = {"both", "out"};
    struct plan *plan;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, PRECISION_F32, N, &plan));
    tensor_fill(plan_input(plan, "observation"), 1);
    gradient_compute(plan, outputs, 2);
    size_t count = tensor_count(net_gradients(net));
    float *once = MEM_NEW(float, count);
    memcpy(once, net_gradients(net).data, count * sizeof *once);
    gradient_compute(plan, outputs, 2);
    for (size_t i = 0; i < count; i++)
        once[i] *= 2;
    assert_floats_near((float *)net_gradients(net).data, once, count, 1e-5, 1e-6);
    mem_free(once);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

/* Layers below a frozen part still learn; the frozen ones get no gradient. */
static void frozen_layers_get_no_gradient(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_create("frozen");
    int x = net_linear(net, "a", net_input_vector(net, "observation", 5), 6);
    x = net_linear(net, "b", net_activation(net, x, ACTIVATION_TANH), 6);
    net_freeze(net, "b.");
    net_output(net, "y", net_linear(net, "c", net_activation(net, x, ACTIVATION_TANH), 2));
    assert_ok(net_commit(net, bed.device));
    net_randomise(net, 3);
    struct plan *plan;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, PRECISION_F32, N, &plan));
    tensor_fill(plan_input(plan, "observation"), 1);
    gradient_compute(plan, (const char *const[]){"y"}, 1);
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        const float *g = (const float *)net_gradients(net).data + s->offset;
        double size = 0;
        for (size_t k = 0; k < s->count; k++)
            size += fabs((double)g[k]);
        assert_int_equal(size == 0, s->name[0] == 'b');
    }
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_a_residual_network_are_its_slopes),
        cmocka_unit_test(gradients_of_a_network_of_everything_are_its_slopes),
        cmocka_unit_test(gradients_of_a_preactivation_block_are_its_slopes),
        cmocka_unit_test(gradients_of_a_parameter_are_its_slopes),
        cmocka_unit_test(gradients_of_a_noisy_dueling_network_are_its_slopes),
        cmocka_unit_test(gradients_of_recurrent_units_are_their_slopes),
        cmocka_unit_test(gradients_add_up_over_backward_passes),
        cmocka_unit_test(frozen_layers_get_no_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
