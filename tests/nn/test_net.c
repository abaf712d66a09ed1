#include "faulty.h"
#include "nn/nets.h"

static const struct segment *segment_named(struct net *net, const char *name) {
    int i = net_find_segment(net, name);
    if (i < 0) fail_msg("no segment %s", name);
    return net_segment(net, i);
}

static void segments_with_equal_flags_lie_together(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 2, 8, 5, 3);
    size_t decaying_end = 0, others_begin = SIZE_MAX;
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        assert_int_equal(s->offset % 16, 0);
        if (s->flags == SEGMENT_DECAY && s->offset + s->count > decaying_end)
            decaying_end = s->offset + s->count;
        if (s->flags == 0 && s->offset < others_begin) others_begin = s->offset;
    }
    assert_true(decaying_end <= others_begin);
    assert_int_equal(segment_named(net, "block1.conv2.weight")->flags, SEGMENT_DECAY);
    assert_int_equal(segment_named(net, "block1.bn2.weight")->flags, 0);
    assert_int_equal(segment_named(net, "policy.fc.bias")->flags, 0);
    assert_int_equal(segment_named(net, "stem.bn.running_var")->flags, SEGMENT_STATE);
    net_free(net);
    bed_close(&bed);
}

static void segments_do_not_overlap(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_mixed(bed.device);
    for (int i = 0; i < net_segments(net); i++)
        for (int k = 0; k < i; k++) {
            const struct segment *a = net_segment(net, i), *b = net_segment(net, k);
            if ((a->flags & SEGMENT_STATE) != (b->flags & SEGMENT_STATE)) continue;
            assert_true(a->offset + a->count <= b->offset || b->offset + b->count <= a->offset);
        }
    net_free(net);
    bed_close(&bed);
}

static void parameters_and_operations_are_counted(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 1, 8, 5, 3);
    size_t parameters =
        8 * 27 + 16 + 2 * (8 * 72 + 16) + (2 * 8 + 4) + (50 * 26 + 26) + (8 + 2) + (25 * 16 + 16) + 17;
    assert_int_equal(net_parameters(net), parameters);
    double products = 25.0 * (8 * 27 + 2 * 8 * 72 + 3 * 8) + 50 * 26 + 25 * 16 + 16;
    assert_near(net_flops(net), 2 * products, 1e-12, 0);
    net_free(net);
    bed_close(&bed);
}

static void initial_weights_have_the_variance_of_he(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 1, 64, 5, 3);
    assert_ok(net_initialise(net, 1));
    int i = net_find_segment(net, "block1.conv1.weight");
    const struct segment *s = net_segment(net, i);
    float *w = MEM_NEW(float, s->count);
    net_read(net, i, w);
    double sum = 0, squares = 0;
    for (size_t k = 0; k < s->count; k++) {
        sum += (double)w[k];
        squares += (double)w[k] * (double)w[k];
    }
    assert_near(sum / (double)s->count, 0, 0, 2e-3);
    assert_near(squares / (double)s->count, 2.0 / (64 * 9), 0.03, 0);
    mem_free(w);
    net_free(net);
    bed_close(&bed);
}

static void equal_seeds_give_equal_weights(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *a = net_mixed(bed.device), *b = net_mixed(bed.device);
    assert_ok(net_initialise(a, 5));
    assert_ok(net_initialise(b, 5));
    assert_memory_equal(net_weights(a).data, net_weights(b).data, tensor_bytes(net_weights(a)));
    assert_ok(net_initialise(b, 6));
    assert_memory_not_equal(net_weights(a).data, net_weights(b).data, tensor_bytes(net_weights(a)));
    net_free(a);
    net_free(b);
    bed_close(&bed);
}

/* w w^T (or w^T w, where rows are more than columns) is gain^2 times the identity. */
static void assert_orthogonal(struct net *net, const char *name, int outputs, int inputs, double gain) {
    float *w = MEM_NEW(float, outputs *inputs);
    net_read(net, net_find_segment(net, name), w);
    bool wide = outputs <= inputs;
    int rows = wide ? outputs : inputs, length = wide ? inputs : outputs;
    for (int a = 0; a < rows; a++)
        for (int b = 0; b <= a; b++) {
            double sum = 0;
            for (int k = 0; k < length; k++)
                sum += wide ? (double)w[a * inputs + k] * (double)w[b * inputs + k]
                            : (double)w[k * inputs + a] * (double)w[k * inputs + b];
            assert_near(sum, a == b ? gain * gain : 0, 1e-5, 1e-5);
        }
    mem_free(w);
}

static void an_actor_and_critic_begin_orthogonal(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct model_config config;
    config_defaults(model_config_keys, &config);
    snprintf(config.model, sizeof config.model, "mlp");
    config.blocks = 2;
    struct net *net;
    assert_ok(model_create(&config, (struct model_shape){1, 1, 4, 2, false}, bed.device, &net));
    assert_ok(net_initialise(net, 1));
    assert_orthogonal(net, "policy.fc1.weight", 64, 4, sqrt(2));
    assert_orthogonal(net, "policy.fc2.weight", 64, 64, sqrt(2));
    assert_orthogonal(net, "policy.out.weight", 2, 64, 0.01);
    assert_orthogonal(net, "value.out.weight", 1, 64, 1);
    net_free(net);
    bed_close(&bed);
}

static void a_segment_is_read_as_it_was_written(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_mixed(bed.device);
    int i = net_find_segment(net, "point.bias");
    assert_int_equal(net_segment(net, i)->rank, 3);
    float written[200], read[200];
    assert_int_equal(net_segment(net, i)->count, 200);
    fill_random(written, 200, 1);
    assert_ok(net_write(net, i, written));
    net_read(net, i, read);
    assert_memory_equal(written, read, sizeof read);
    net_free(net);
    bed_close(&bed);
}

static void a_net_is_copied_whole_to_one_alike(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *a = net_mixed(bed.device), *b = net_mixed(bed.device);
    net_randomise(a, 1);
    net_randomise(b, 2);
    assert_ok(net_copy(b, a));
    assert_memory_equal(net_weights(a).data, net_weights(b).data, tensor_bytes(net_weights(a)));
    assert_memory_equal(net_state(a).data, net_state(b).data, tensor_bytes(net_state(a)));
    net_free(a);
    net_free(b);
    bed_close(&bed);
}

static void a_device_that_failed_is_told_to_whoever_changes_weights(void **state) {
    (void)state;
    struct device *device;
    assert_ok(device_open("cpu", 1, &device));
    faulty_begin(device);
    struct net *a = net_mixed(device), *b = net_mixed(device), *noisy = net_create("noisy");
    net_output(noisy, "out", net_noisy_linear(noisy, "fc", net_input(noisy, "observation", 1, 1, 3), 2));
    assert_ok(net_commit(noisy, device));
    struct rng rng = rng_make(1, RNG_TEST, 0);
    const float bias[200] = {0};
    faulty.waits_fail = true;
    assert_fails(net_write(a, net_find_segment(a, "point.bias"), bias), STATUS_DEVICE,
                 "net mixed: the device is gone");
    assert_fails(net_copy(b, a), STATUS_DEVICE, "net mixed: the device is gone");
    assert_fails(net_noise(noisy, &rng), STATUS_DEVICE, "net noisy: the device is gone");
    faulty.waits_fail = false;
    net_free(a);
    net_free(b);
    net_free(noisy);
    device_close(device);
}

static void a_net_begins_from_another_by_name(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *small = net_resnet(bed.device, 1, 8, 5, 3), *large = net_resnet(bed.device, 2, 8, 7, 3);
    net_randomise(small, 1);
    net_randomise(large, 2);
    assert_ok(net_copy(large, small));
    static const char *const both[] = {"block1.conv2.weight", "stem.bn.running_mean"};
    for (int k = 0; k < 2; k++) {
        int i = net_find_segment(small, both[k]), j = net_find_segment(large, both[k]);
        float a[576], b[576];
        net_read(small, i, a);
        net_read(large, j, b);
        assert_memory_equal(a, b, net_segment(small, i)->count * sizeof(float));
    }
    net_free(small);
    net_free(large);
    bed_close(&bed);
}

static void nets_without_common_names_are_not_copied(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *a = net_mixed(bed.device), *b = net_resnet(bed.device, 1, 8, 5, 3);
    assert_fails(net_copy(a, b), STATUS_FORMAT, "names and shapes");
    net_free(a);
    net_free(b);
    bed_close(&bed);
}

static void an_unknown_model_is_refused_with_the_nearest_name(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct model_config config = config_resnet(1, 8, 8);
    snprintf(config.model, sizeof config.model, "resnett");
    struct net *net;
    assert_fails(model_create(&config, (struct model_shape){5, 5, 3, 26, false}, bed.device, &net),
                 STATUS_USAGE, "did you mean resnet?");
    assert_null(net);
    bed_close(&bed);
}

static void a_policy_without_pass_refuses_one_more_action(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct model_config config = config_resnet(1, 8, 8);
    snprintf(config.model, sizeof config.model, "alphago_policy");
    struct net *net;
    assert_fails(model_create(&config, (struct model_shape){5, 5, 3, 26, false}, bed.device, &net),
                 STATUS_USAGE, "no pass");
    bed_close(&bed);
}

/* Inputs, outputs and segments with their shapes; NULL if there is no such network. For mem_free. */
static char *structure(const struct model *m, const char *const *settings, int count, struct device *d) {
    struct model_config values;
    struct model_shape shape = m->bench_shape;
    struct net *net;
    struct config *c = config_create();
    config_bind(c, "net", model_config_keys, &values, NULL);
    snprintf(values.model, sizeof values.model, "%s", m->name);
    for (int i = 0; i < count; i++)
        assert_ok(config_override(c, settings[i]));
    config_free(c);
    if (strcmp(m->name, "nature_cnn") == 0) shape.h = shape.w = 36;
    if (model_create_recurrent(&values, shape, d, &net) != STATUS_OK) return NULL;
    char *text = mem_format("%d", (int)net_input_count(net, "state"));
    for (int i = 0; i < net_outputs(net); i++) {
        char *before = text;
        text = mem_format("%s %s", before, net_output_name(net, i));
        mem_free(before);
    }
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        char *before = text;
        text = mem_format("%s %s:%zu", before, s->name, s->count);
        mem_free(before);
    }
    net_free(net);
    return text;
}

/* With this head: a setting changes the network where it is used, and only there. */
static void check_settings(const struct model *m, const char *head, struct device *d) {
    const char *settings[] = {"net.blocks=2", "net.channels=8", head, NULL};
    struct model_config config = {0};
    snprintf(config.model, sizeof config.model, "%s", m->name);
    snprintf(config.head, sizeof config.head, "%s", strchr(head, '=') + 1);
    char *plain = structure(m, settings, 3, d);
    for (const struct config_key *key = model_config_keys; key->name; key++) {
        if (config_lists("model head", key->name)) continue;
        char setting[64];
        snprintf(setting, sizeof setting, "net.%s=%s", key->name, key->type == CONFIG_BOOL ? "true" : "3");
        settings[3] = setting;
        char *changed = structure(m, settings, 4, d);
        bool used = changed && strcmp(plain, changed) != 0;
        if (used != model_config_uses(&config, key->name))
            fail_msg("%s with %s: %s is %sused", m->name, head, setting, used ? "" : "not ");
        mem_free(changed);
    }
    mem_free(plain);
}

static void models_say_which_settings_they_use(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    for (int i = 0; i < model_count(); i++) {
        check_settings(model_at(i), "net.head=actor_critic", bed.device);
        check_settings(model_at(i), "net.head=policy", bed.device);
        check_settings(model_at(i), "net.head=q", bed.device);
    }
    bed_close(&bed);
}

/* Whether a training and an inference plan of a small version run, forwards and backwards. */
static void every_model_runs(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    for (int i = 0; i < model_count(); i++) {
        const struct model *m = model_at(i);
        struct model_config config = m->bench_config;
        struct model_shape shape = m->bench_shape;
        config.channels = 8;
        if (config.blocks > 2) config.blocks = 2;
        if (strcmp(m->name, "nature_cnn") == 0) shape.h = shape.w = 36;
        struct net *net;
        struct plan *train, *infer;
        assert_ok(model_create(&config, shape, bed.device, &net));
        assert_ok(net_initialise(net, 1));
        for (int precision = PRECISION_F32; precision <= PRECISION_AUTO; precision++) {
            assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, (enum precision)precision, 2, &train));
            assert_ok(plan_create(net, bed.queue, PLAN_INFER, (enum precision)precision, 2, &infer));
            tensor_fill(plan_input(train, "observation"), 1);
            tensor_fill(plan_input(infer, "observation"), 1);
            plan_forward(train, 2);
            plan_backward(train, 2);
            plan_forward(infer, 2);
            plan_free(train);
            plan_free(infer);
        }
        net_free(net);
    }
    bed_close(&bed);
}

static void a_net_is_printed_with_every_layer(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_mixed(bed.device);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    net_print(net, out);
    fclose(out);
    static const char *const parts[] = {"conv 4x4 strided", "position bias", "sigmoid", "5x5x8",
                                        "output both"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i])) fail_msg("no %s in\n%s", parts[i], text);
    free(text);
    net_free(net);
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_with_equal_flags_lie_together),
        cmocka_unit_test(segments_do_not_overlap),
        cmocka_unit_test(parameters_and_operations_are_counted),
        cmocka_unit_test(initial_weights_have_the_variance_of_he),
        cmocka_unit_test(equal_seeds_give_equal_weights),
        cmocka_unit_test(an_actor_and_critic_begin_orthogonal),
        cmocka_unit_test(a_segment_is_read_as_it_was_written),
        cmocka_unit_test(a_net_is_copied_whole_to_one_alike),
        cmocka_unit_test(a_device_that_failed_is_told_to_whoever_changes_weights),
        cmocka_unit_test(a_net_begins_from_another_by_name),
        cmocka_unit_test(nets_without_common_names_are_not_copied),
        cmocka_unit_test(an_unknown_model_is_refused_with_the_nearest_name),
        cmocka_unit_test(a_policy_without_pass_refuses_one_more_action),
        cmocka_unit_test(models_say_which_settings_they_use),
        cmocka_unit_test(every_model_runs),
        cmocka_unit_test(a_net_is_printed_with_every_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
