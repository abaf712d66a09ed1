/* Value heads: what each switch of the config builds. */
#include "nn/nets.h"

enum { ACTIONS = 3, N = 2 };

static const struct {
    const char *model;
    struct model_shape shape;
} models[] = {{"mlp", {1, 1, 4, ACTIONS, false}},
              {"nature_cnn", {84, 84, 4, ACTIONS, false}},
              {"minatar_cnn", {10, 10, 4, ACTIONS, false}}};

static struct model_config config_q(const char *model) {
    struct model_config c;
    config_defaults(model_config_keys, &c);
    snprintf(c.model, sizeof c.model, "%s", model);
    snprintf(c.head, sizeof c.head, "q");
    c.blocks = 2;
    c.channels = 8;
    return c;
}

static struct tensor q_of(struct net *net, struct queue *q, struct plan **plan) {
    assert_ok(plan_create(net, q, PLAN_INFER, PRECISION_F32, N, plan));
    tensor_fill(plan_input(*plan, "observation"), 1);
    plan_forward(*plan, N);
    return plan_output(*plan, "q");
}

static void every_combination_of_switches_gives_values_of_actions(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    for (size_t m = 0; m < sizeof models / sizeof *models; m++)
        for (int switches = 0; switches < 8; switches++) {
            struct model_config config = config_q(models[m].model);
            struct net *net;
            struct plan *plan;
            config.dueling = switches & 1;
            config.noisy = switches & 2;
            config.atoms = switches & 4 ? 5 : 1;
            assert_ok(model_create(&config, models[m].shape, bed.device, &net));
            assert_int_equal(net_find_segment(net, "value.fc.weight") >= 0, config.dueling);
            assert_int_equal(net_find_segment(net, config.dueling ? "value.out.weight_sigma"
                                                   : m == 0       ? "q.out.weight_sigma"
                                                                  : "q.weight_sigma") >= 0,
                             config.noisy);
            assert_ok(net_initialise(net, 1));
            struct tensor q = q_of(net, bed.queue, &plan);
            assert_int_equal(q.dims[1], ACTIONS * config.atoms);
            for (size_t i = 0; i < tensor_count(q); i++)
                assert_true(isfinite(((float *)q.data)[i]));
            plan_free(plan);
            net_free(net);
        }
    bed_close(&bed);
}

/* The mean of the actions' values is the state's value, whatever the advantages are. */
static void dueling_values_have_the_states_value_as_their_mean(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct model_config config = config_q("mlp");
    struct net *net;
    struct plan *plan;
    config.dueling = true;
    assert_ok(model_create(&config, models[0].shape, bed.device, &net));
    net_randomise(net, 1);
    int bias = net_find_segment(net, "advantage.out.bias");
    float means[2][N], shift[ACTIONS] = {7, 7, 7};
    for (int i = 0; i < 2; i++) {
        struct tensor q = q_of(net, bed.queue, &plan);
        for (int n = 0; n < N; n++) {
            const float *row = (const float *)q.data + n * ACTIONS;
            means[i][n] = (row[0] + row[1] + row[2]) / 3;
        }
        plan_free(plan);
        assert_ok(net_write(net, bias, shift));
    }
    assert_floats_near(means[0], means[1], N, 1e-5, 1e-5);
    net_free(net);
    bed_close(&bed);
}

static void a_value_head_needs_a_hidden_layer(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct model_config config = config_q("mlp");
    struct net *net;
    config.blocks = 0;
    assert_fails(model_create(&config, models[0].shape, bed.device, &net), STATUS_USAGE, "blocks = 0");
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_of_switches_gives_values_of_actions),
        cmocka_unit_test(dueling_values_have_the_states_value_as_their_mean),
        cmocka_unit_test(a_value_head_needs_a_hidden_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
