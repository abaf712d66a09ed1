/* Optimisers against their formulas, worked out in doubles parameter by parameter. */
#include "nn/nets.h"

enum { STEPS = 5, MOST = 64 };

/* A net of one matrix (which decays), one bias (which does not) and one frozen layer. */
static struct net *net_small(struct device *device) {
    struct net *net = net_create("small");
    int x = net_linear(net, "frozen", net_input_vector(net, "observation", 3), 4);
    net_freeze(net, "frozen");
    net_output(net, "y", net_linear(net, "free", x, 5));
    assert_ok(net_commit(net, device));
    net_randomise(net, 1);
    return net;
}

static struct optimiser_config config_of(const char *kind) {
    struct optimiser_config c;
    config_defaults(optimiser_config_keys, &c);
    snprintf(c.kind, sizeof c.kind, "%s", kind);
    assert_true(schedule_parse(&c.rate, "0.1@0 0.05@3"));
    c.decay = 0.1f;
    return c;
}

/* One parameter's state, and its update by the textbook. */
struct expected {
    double w, m, v;
};

static void expect_step(struct expected *e, const struct optimiser_config *c, double g, bool decays, int t,
                        double scale) {
    double rate = t <= 3 ? (double)0.1f : (double)0.05f, decay = decays ? (double)c->decay : 0;
    g *= scale;
    if (strcmp(c->kind, "sgd") == 0) {
        e->m = (double)c->momentum * e->m + g + decay * e->w;
        e->w -= rate * e->m;
        return;
    }
    if (strcmp(c->kind, "adamw") == 0)
        e->w -= rate * decay * e->w;
    else
        g += decay * e->w;
    double b1 = (double)c->beta1, b2 = (double)c->beta2;
    e->m = b1 * e->m + (1 - b1) * g;
    e->v = b2 * e->v + (1 - b2) * g * g;
    if (strcmp(c->kind, "rmsprop") == 0) { /* no correction of the averages' beginning */
        e->w -= rate * g / sqrt(fmax(e->v - e->m * e->m, 0) + (double)c->epsilon);
        return;
    }
    e->w -= rate * (e->m / (1 - pow(b1, t))) / (sqrt(e->v / (1 - pow(b2, t))) + (double)c->epsilon);
}

static void gradients_fill(struct net *net, int t) {
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        fill_random((float *)net_gradients(net).data + s->offset, s->count, (uint64_t)(10 * t + i));
    }
}

static double gradients_norm(struct net *net) {
    double sum = 0;
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        const float *g = (const float *)net_gradients(net).data + s->offset;
        for (size_t k = 0; k < s->count && !(s->flags & SEGMENT_FROZEN); k++)
            sum += (double)g[k] * (double)g[k];
    }
    return sqrt(sum);
}

static void optimiser_follows_formula(struct optimiser_config config) {
    struct bed bed = bed_open(1);
    struct net *net = net_small(bed.device);
    struct optimiser *o;
    assert_ok(optimiser_create(net, bed.queue, &config, &o));
    static struct expected expected[8][MOST];
    float *w = net_weights(net).data, *g = net_gradients(net).data;
    for (int i = 0; i < net_segments(net); i++)
        for (size_t k = 0; k < net_segment(net, i)->count; k++)
            expected[i][k] = (struct expected){(double)w[net_segment(net, i)->offset + k], 0, 0};
    for (int t = 1; t <= STEPS; t++) {
        gradients_fill(net, t);
        double norm = gradients_norm(net);
        double scale = config.clip > 0 && norm > (double)config.clip ? (double)config.clip / norm : 1;
        for (int i = 0; i < net_segments(net); i++) {
            const struct segment *s = net_segment(net, i);
            if (s->flags & SEGMENT_FROZEN) continue;
            for (size_t k = 0; k < s->count; k++)
                expect_step(&expected[i][k], &config, (double)g[s->offset + k], s->flags & SEGMENT_DECAY, t,
                            scale);
        }
        optimiser_step(o, t - 1);
        float found;
        assert_ok(optimiser_norm(o, &found));
        assert_near(found, norm, 1e-5, 0);
        assert_near(gradients_norm(net), 0, 0, 0);
    }
    for (int i = 0; i < net_segments(net); i++)
        for (size_t k = 0; k < net_segment(net, i)->count; k++)
            assert_near(w[net_segment(net, i)->offset + k], expected[i][k].w, 1e-4, 1e-5);
    assert_int_equal(optimiser_steps(o), STEPS);
    optimiser_free(o);
    net_free(net);
    bed_close(&bed);
}

static void sgd_with_momentum_follows_its_formula(void **state) {
    (void)state;
    optimiser_follows_formula(config_of("sgd"));
}

static void adam_follows_its_formula(void **state) {
    (void)state;
    optimiser_follows_formula(config_of("adam"));
}

static void adamw_follows_its_formula(void **state) {
    (void)state;
    optimiser_follows_formula(config_of("adamw"));
}

static void rmsprop_follows_its_formula(void **state) {
    (void)state;
    struct optimiser_config config = config_of("rmsprop");
    config.beta1 = config.beta2 = 0.95f;
    config.epsilon = 0.01f;
    optimiser_follows_formula(config);
}

static void gradients_are_clipped_by_their_global_norm(void **state) {
    (void)state;
    struct optimiser_config config = config_of("sgd");
    config.clip = 0.5f;
    optimiser_follows_formula(config);
    config.clip = 1e6f;
    optimiser_follows_formula(config);
}

static void a_gradient_that_is_not_finite_leaves_the_weights(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_small(bed.device);
    struct optimiser_config config = config_of("adam");
    struct optimiser *o;
    assert_ok(optimiser_create(net, bed.queue, &config, &o));
    size_t count = tensor_count(net_weights(net));
    float *before = MEM_NEW(float, count), norm;
    memcpy(before, net_weights(net).data, count * sizeof *before);
    for (int i = 0; i < 2; i++) {
        gradients_fill(net, 1);
        ((float *)net_gradients(net).data)[3] = i ? NAN : INFINITY;
        optimiser_step(o, 0);
        assert_fails(optimiser_norm(o, &norm), STATUS_NUMERIC, "not finite");
        assert_memory_equal(before, net_weights(net).data, count * sizeof *before);
    }
    assert_int_equal(optimiser_steps(o), 0);
    gradients_fill(net, 1);
    optimiser_step(o, 0);
    assert_ok(optimiser_norm(o, &norm));
    mem_free(before);
    optimiser_free(o);
    net_free(net);
    bed_close(&bed);
}

static void the_first_step_that_was_not_finite_is_told_once(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_small(bed.device);
    struct optimiser_config config = config_of("sgd");
    struct optimiser *o;
    float norm;
    assert_ok(optimiser_create(net, bed.queue, &config, &o));
    for (int t = 1; t <= 3000; t++) { /* more than are looked at together */
        gradients_fill(net, t % 4);
        if (t == 7 || t == 9) ((float *)net_gradients(net).data)[3] = NAN;
        optimiser_step(o, t);
    }
    assert_fails(optimiser_norm(o, &norm), STATUS_NUMERIC, "not finite at optimiser step 7:");
    assert_true(isfinite(norm));
    assert_int_equal(optimiser_steps(o), 2998);
    assert_ok(optimiser_norm(o, &norm));
    optimiser_free(o);
    net_free(net);
    bed_close(&bed);
}

static int waits;
static void (*cpu_download)(struct queue *q, void *host, const void *device_memory, size_t bytes);

static void counted_download(struct queue *q, void *host, const void *device_memory, size_t bytes) {
    waits++;
    cpu_download(q, host, device_memory, bytes);
}
static enum status counted_wait(struct queue *q) {
    (void)q;
    waits++;
    return STATUS_OK;
}

static void a_step_waits_for_nothing(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_small(bed.device);
    struct optimiser_config config = config_of("adam");
    config.clip = 1;
    struct optimiser *o;
    float norm;
    assert_ok(optimiser_create(net, bed.queue, &config, &o));
    const struct backend *cpu = bed.device->backend;
    struct backend counted = *cpu;
    cpu_download = cpu->download;
    counted.download = counted_download;
    counted.wait = counted_wait;
    bed.device->backend = &counted;
    waits = 0;
    for (int t = 1; t <= 50; t++) {
        gradients_fill(net, t);
        optimiser_step(o, t);
    }
    assert_int_equal(waits, 0);
    assert_ok(optimiser_norm(o, &norm));
    assert_in_range(waits, 1, 2);
    bed.device->backend = cpu;
    optimiser_free(o);
    net_free(net);
    bed_close(&bed);
}

/* Saving weights, slabs and steps and taking them up again changes nothing. */
static void an_optimiser_is_taken_up_from_its_slabs(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct optimiser_config config = config_of("adam");
    struct net *a = net_small(bed.device), *b = net_small(bed.device);
    struct optimiser *first, *second;
    assert_ok(optimiser_create(a, bed.queue, &config, &first));
    for (int t = 0; t < 3; t++) {
        gradients_fill(a, t);
        optimiser_step(first, t);
    }
    assert_ok(net_copy(b, a));
    assert_ok(optimiser_create(b, bed.queue, &config, &second));
    assert_int_equal(optimiser_slabs(first), 2);
    assert_string_equal(optimiser_slab_name(first, 0), "m");
    for (int i = 0; i < 2; i++)
        memcpy(optimiser_slab(second, i).data, optimiser_slab(first, i).data,
               tensor_bytes(optimiser_slab(first, i)));
    optimiser_set_steps(second, optimiser_steps(first));
    gradients_fill(a, 9);
    gradients_fill(b, 9);
    optimiser_step(first, 9);
    optimiser_step(second, 9);
    assert_memory_equal(net_weights(a).data, net_weights(b).data, tensor_bytes(net_weights(a)));
    optimiser_free(first);
    optimiser_free(second);
    net_free(a);
    net_free(b);
    bed_close(&bed);
}

static void an_unknown_optimiser_is_refused(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_small(bed.device);
    struct optimiser_config config = config_of("adagrad");
    struct optimiser *o;
    assert_fails(optimiser_create(net, bed.queue, &config, &o), STATUS_USAGE, "adagrad");
    net_free(net);
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_with_momentum_follows_its_formula),
        cmocka_unit_test(adam_follows_its_formula),
        cmocka_unit_test(adamw_follows_its_formula),
        cmocka_unit_test(rmsprop_follows_its_formula),
        cmocka_unit_test(gradients_are_clipped_by_their_global_norm),
        cmocka_unit_test(a_gradient_that_is_not_finite_leaves_the_weights),
        cmocka_unit_test(the_first_step_that_was_not_finite_is_told_once),
        cmocka_unit_test(a_step_waits_for_nothing),
        cmocka_unit_test(an_optimiser_is_taken_up_from_its_slabs),
        cmocka_unit_test(an_unknown_optimiser_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
