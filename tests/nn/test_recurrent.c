/* Recurrent units: against PyTorch (tools/make_goldens.py), and what a caller may rely on who carries a state
 * from step to step. */
#include "nn/golden.h"
#include "nn/nets.h"

/* A layer below, two heads above, and the units themselves as an output. */
static struct net *net_recurrent(struct device *device, int inputs, int hidden, int units, int actions) {
    struct net *net = net_create("recurrent");
    int x = net_linear(net, "fc", net_input_vector(net, "observation", inputs), hidden);
    int state = net_input_vector(net, "state", units), starts = net_input_vector(net, "starts", 1);
    x = net_gru(net, "gru", net_activation(net, x, ACTIVATION_TANH), state, starts);
    net_output(net, "policy", net_linear(net, "policy", x, actions));
    net_output(net, "value", net_linear(net, "value", x, 1));
    net_output(net, "state", x);
    assert_ok(net_commit(net, device));
    return net;
}

static const char *const outputs[] = {"policy", "value", "state"};
enum { OUTPUTS = 3 };

static void fill_from(struct tensor to, const struct golden *g, const char *prefix, const char *name,
                      size_t count) {
    memcpy(to.data, golden_data(g, prefix, name, count), count * sizeof(float));
}

static void units_over_time_and_their_gradients_match_pytorch(void **state) {
    (void)state;
    enum { STEPS = 5, SEQUENCES = 3, N = STEPS * SEQUENCES, UNITS = 6 };
    struct bed bed = bed_open(1);
    struct net *net = net_recurrent(bed.device, 4, 7, UNITS, 3);
    struct golden g = golden_read("nn_recurrent");
    golden_load(&g, net);
    struct plan *plan;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, PRECISION_F32, N, &plan));
    plan_set_steps(plan, STEPS);
    fill_from(plan_input(plan, "observation"), &g, "", "in", N * 4);
    fill_from(plan_input(plan, "state"), &g, "", "state", (size_t)SEQUENCES * UNITS);
    fill_from(plan_input(plan, "starts"), &g, "", "starts", N);
    plan_forward(plan, N);
    for (int i = 0; i < OUTPUTS; i++) {
        struct tensor y = plan_output(plan, outputs[i]);
        size_t count = tensor_count(y);
        assert_floats_near((float *)y.data, golden_data(&g, "out.", outputs[i], count), count, 1e-5, 1e-5);
        fill_from(plan_output_gradient(plan, outputs[i]), &g, "dout.", outputs[i], count);
    }
    plan_backward(plan, N);
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        const float *gradient = (const float *)net_gradients(net).data + s->offset;
        assert_floats_near(gradient, golden_data(&g, "grad.", s->name, s->count), s->count, 1e-5, 1e-5);
    }
    plan_free(plan);
    golden_free(&g);
    net_free(net);
    bed_close(&bed);
}

enum { T = 4, S = 21, F = 5, H = 9, A = 3 };

/* A training plan over T steps of S sequences with random inputs and states; the second sequence begins an
 * episode at its third step. */
static struct plan *unrolled(struct bed *bed, struct net *net) {
    struct plan *plan;
    assert_ok(plan_create(net, bed->queue, PLAN_TRAIN, PRECISION_F32, T * S, &plan));
    plan_set_steps(plan, T);
    tensor_fill(plan_input(plan, "observation"), 1);
    tensor_fill(tensor_head(plan_input(plan, "state"), S), 2);
    ((float *)plan_input(plan, "starts").data)[2 * S + 1] = 1;
    return plan;
}

static void a_step_at_a_time_is_what_all_steps_at_once_are(void **state) {
    (void)state;
    struct bed bed = bed_open(2);
    struct net *net = net_recurrent(bed.device, F, 8, H, A);
    net_randomise(net, 3);
    struct plan *all = unrolled(&bed, net), *one;
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, S, &one));
    plan_forward(all, T * S);
    memcpy(plan_input(one, "state").data, plan_input(all, "state").data, (size_t)S * H * sizeof(float));
    for (int t = 0; t < T; t++) {
        const float *seen = plan_input(all, "observation").data, *starts = plan_input(all, "starts").data;
        memcpy(plan_input(one, "observation").data, seen + (size_t)t * S * F, (size_t)S * F * sizeof *seen);
        memcpy(plan_input(one, "starts").data, starts + (size_t)t * S, S * sizeof *starts);
        plan_forward(one, S);
        for (int i = 0; i < OUTPUTS; i++) {
            struct tensor y = plan_output(one, outputs[i]);
            size_t count = tensor_count(y);
            assert_floats_near((float *)y.data,
                               (float *)plan_output(all, outputs[i]).data + (size_t)t * count, count, 1e-6,
                               1e-6);
        }
        memcpy(plan_input(one, "state").data, plan_output(one, "state").data, (size_t)S * H * sizeof(float));
    }
    plan_free(all);
    plan_free(one);
    net_free(net);
    bed_close(&bed);
}

static void an_episode_that_begins_forgets_the_one_before(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_recurrent(bed.device, F, 8, H, A);
    net_randomise(net, 3);
    struct plan *plan = unrolled(&bed, net);
    plan_forward(plan, T * S);
    float *before = output_copy(plan, "policy", T * S);
    /* The past of sequences 0 and 1 is another. */
    float *past = plan_input(plan, "state").data;
    for (int i = 0; i < 2 * H; i++)
        past[i] += 1;
    plan_forward(plan, T * S);
    const float *after = plan_output(plan, "policy").data;
    for (int t = 0; t < T; t++)
        for (int s = 0; s < S; s++) {
            const size_t at = (size_t)(t * S + s) * A;
            const bool same = memcmp(before + at, after + at, A * sizeof(float)) == 0;
            assert_int_equal(same, s > 1 || (s == 1 && t >= 2));
        }
    mem_free(before);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_over_time_and_their_gradients_match_pytorch),
        cmocka_unit_test(a_step_at_a_time_is_what_all_steps_at_once_are),
        cmocka_unit_test(an_episode_that_begins_forgets_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
