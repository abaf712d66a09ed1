/* Networks against PyTorch: tools/make_goldens.py. */
#include "nn/golden.h"
#include "nn/nets.h"

static void gradients_match(struct net *net, const struct golden *g) {
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        if (s->flags & SEGMENT_STATE) {
            float *now = MEM_NEW(float, s->count);
            net_read(net, i, now);
            assert_floats_near(now, golden_data(g, "after.", s->name, s->count), s->count, 1e-4, 1e-5);
            mem_free(now);
        } else {
            const float *gradient = (const float *)net_gradients(net).data + s->offset;
            assert_floats_near(gradient, golden_data(g, "grad.", s->name, s->count), s->count, 1e-3, 2e-4);
        }
    }
}

/* Forward and backward pass in training mode, running statistics, and inference after it. */
static void net_matches(struct bed *bed, struct net *net, const char *name, int n,
                        const char *const outputs[2]) {
    struct golden g = golden_read(name);
    golden_load(&g, net);
    struct plan *train, *infer;
    assert_ok(plan_create(net, bed->queue, PLAN_TRAIN, PRECISION_F32, n, &train));
    assert_ok(plan_create(net, bed->queue, PLAN_INFER, PRECISION_F32, n, &infer));
    struct tensor x = plan_input(train, "observation");
    const float *in = golden_data(&g, "", "in", tensor_count(x));
    memcpy(x.data, in, tensor_bytes(x));
    memcpy(plan_input(infer, "observation").data, in, tensor_bytes(x));
    plan_forward(train, n);
    for (int i = 0; i < 2; i++) {
        struct tensor y = plan_output(train, outputs[i]), dy = plan_output_gradient(train, outputs[i]);
        size_t count = tensor_count(y);
        assert_floats_near((float *)y.data, golden_data(&g, "out.", outputs[i], count), count, 1e-4, 1e-5);
        memcpy(dy.data, golden_data(&g, "dout.", outputs[i], count), tensor_bytes(dy));
    }
    plan_backward(train, n);
    gradients_match(net, &g);
    plan_forward(infer, n);
    for (int i = 0; i < 2; i++) {
        struct tensor y = plan_output(infer, outputs[i]);
        size_t count = tensor_count(y);
        assert_floats_near((float *)y.data, golden_data(&g, "eval.", outputs[i], count), count, 1e-4, 1e-5);
    }
    plan_free(train);
    plan_free(infer);
    golden_free(&g);
}

static const char *const heads[2] = {"policy", "value"};

static void a_residual_network_matches_pytorch(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 2, 8, 5, 3);
    net_matches(&bed, net, "nn_resnet", 4, heads);
    net_free(net);
    bed_close(&bed);
}

static void an_actor_and_critic_match_pytorch(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct model_config config;
    config_defaults(model_config_keys, &config);
    snprintf(config.model, sizeof config.model, "mlp");
    config.blocks = 2;
    config.channels = 16;
    struct net *net;
    assert_ok(model_create(&config, (struct model_shape){1, 1, 4, 3, false}, bed.device, &net));
    net_matches(&bed, net, "nn_mlp", 8, heads);
    net_free(net);
    bed_close(&bed);
}

static void strides_biases_poolings_and_branches_match_pytorch(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_mixed(bed.device);
    net_matches(&bed, net, "nn_mixed", 4, (const char *const[2]){"both", "out"});
    net_free(net);
    bed_close(&bed);
}

/* One step of the training below: cross-entropy and squared error, means over the batch; returns the loss. */
static double train_step(struct queue *q, struct plan *plan, struct optimiser *o, struct tensor pi,
                         struct tensor z, int n) {
    float policy_loss[64], value_loss[64];
    double sum = 0;
    plan_forward(plan, n);
    q->op->cross_entropy(q, tensor_1(policy_loss, DTYPE_F32, n), plan_output_gradient(plan, "policy"),
                         plan_output(plan, "policy"), pi, tensor_none(), tensor_none(), 1.0f / (float)n);
    q->op->squared_error(q, tensor_1(value_loss, DTYPE_F32, n), plan_output_gradient(plan, "value"),
                         plan_output(plan, "value"), z, tensor_none(), 1.0f / (float)n);
    for (int i = 0; i < n; i++)
        sum += (double)policy_loss[i] + (double)value_loss[i];
    plan_backward(plan, n);
    optimiser_step(o, 0);
    return sum / n;
}

static void training(enum precision precision, double relative) {
    enum { N = 16, ACTIONS = 50, STEPS = 10 };
    struct bed bed = bed_open(1);
    struct golden g = golden_read("nn_training");
    struct model_config config = config_resnet(2, 16, 32);
    struct net *net;
    assert_ok(model_create(&config, (struct model_shape){7, 7, 5, ACTIONS, false}, bed.device, &net));
    golden_load(&g, net);
    struct plan *plan;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, precision, N, &plan));
    struct optimiser_config how;
    config_defaults(optimiser_config_keys, &how);
    assert_true(schedule_parse(&how.rate, "0.02"));
    how.momentum = 0.9f;
    how.decay = 1e-3f;
    struct optimiser *o;
    assert_ok(optimiser_create(net, bed.queue, &how, &o));
    struct tensor x = plan_input(plan, "observation");
    memcpy(x.data, golden_data(&g, "", "in", tensor_count(x)), tensor_bytes(x));
    struct tensor pi = tensor_2((void *)golden_data(&g, "", "pi", N * ACTIONS), DTYPE_F32, N, ACTIONS);
    struct tensor z = tensor_2((void *)golden_data(&g, "", "z", N), DTYPE_F32, N, 1);
    const float *losses = golden_data(&g, "", "losses", STEPS);
    for (int i = 0; i < STEPS; i++)
        assert_near(train_step(bed.queue, plan, o, pi, z, N), losses[i], relative, 0);
    optimiser_free(o);
    plan_free(plan);
    net_free(net);
    golden_free(&g);
    bed_close(&bed);
}

static void ten_training_losses_match_pytorch(void **state) {
    (void)state;
    training(PRECISION_F32, 2e-4);
}

static void ten_training_losses_in_bf16_are_close_to_pytorch(void **state) {
    (void)state;
    training(PRECISION_BF16, 1e-2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_residual_network_matches_pytorch),
        cmocka_unit_test(an_actor_and_critic_match_pytorch),
        cmocka_unit_test(strides_biases_poolings_and_branches_match_pytorch),
        cmocka_unit_test(ten_training_losses_match_pytorch),
        cmocka_unit_test(ten_training_losses_in_bf16_are_close_to_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
