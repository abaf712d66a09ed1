#include <pthread.h>

#include "faulty.h"
#include "nn/nets.h"
#include "tengen/thread.h"

/* ---- inference and training agree -------------------------------------------------------------------------
 */

/* After many training passes over one batch the running statistics, which inference folds into the weights,
 * are the batch's own. */
static void inference_equals_training_with_running_statistics(void **state) {
    (void)state;
    enum { N = 8 };
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 2, 8, 5, 3);
    net_randomise(net, 1);
    struct plan *train, *infer;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, PRECISION_F32, N, &train));
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, N, &infer));
    struct tensor x = plan_input(train, "observation");
    tensor_fill(x, 1);
    memcpy(plan_input(infer, "observation").data, x.data, tensor_bytes(x));
    for (int i = 0; i < 200; i++)
        plan_forward(train, N);
    plan_forward(infer, N);
    float *expected = output_copy(train, "policy", N), *found = output_copy(infer, "policy", N);
    /* The running variance is the unbiased one: n / (n - 1) larger, n = 8 * 25 values. */
    assert_floats_near(found, expected, N * 26, 0.02, 0.02);
    mem_free(expected);
    mem_free(found);
    plan_free(train);
    plan_free(infer);
    net_free(net);
    bed_close(&bed);
}

/* Layers of inference share little memory among all samples; inputs and outputs have their own. */
static void a_plan_for_more_samples_than_memory_holds_is_refused(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 1, 8, 5, 3);
    struct plan *plan;
    for (int mode = PLAN_INFER; mode <= PLAN_INSPECT; mode++) {
        assert_fails(plan_create(net, bed.queue, (enum plan_mode)mode, PRECISION_F32, INT32_MAX - 64, &plan),
                     STATUS_MEMORY, "activations of 2147483583 samples take");
        assert_null(plan);
    }
    net_free(net);
    bed_close(&bed);
}

static void inspection_is_inference_that_keeps_its_layers(void **state) {
    (void)state;
    enum { N = 5 };
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 2, 8, 5, 3);
    float values[N * 5 * 5 * 8];
    int kept = 0;
    net_randomise(net, 1);
    struct plan *infer, *inspect;
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, N, &infer));
    assert_ok(plan_create(net, bed.queue, PLAN_INSPECT, PRECISION_F32, N, &inspect));
    tensor_fill(plan_input(infer, "observation"), 1);
    tensor_fill(plan_input(inspect, "observation"), 1);
    plan_forward(infer, N);
    plan_forward(inspect, N);
    assert_memory_equal(plan_output(inspect, "policy").data, plan_output(infer, "policy").data,
                        N * 26 * sizeof(float));
    /* The sums of the two blocks end in a ReLU each, fused with the convolution before. */
    for (int i = 0; i < net_nodes(net); i++) {
        char name[128];
        net_node_text(net, i, name, sizeof name);
        if (strncmp(name, "block", 5) != 0 || plan_read_node(inspect, i, N, values) == 0) continue;
        kept++;
        for (int k = 0; k < N * 5 * 5 * 8; k++)
            assert_true(values[k] >= 0);
        assert_int_equal(plan_read_node(infer, i, N, values), 0);
    }
    assert_int_equal(kept, 4); /* two convolutions a block */
    plan_free(infer);
    plan_free(inspect);
    net_free(net);
    bed_close(&bed);
}

static void inference_follows_the_weights(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 1, 8, 5, 3), *other = net_resnet(bed.device, 1, 8, 5, 3);
    net_randomise(net, 1);
    net_randomise(other, 2);
    struct plan *a, *b;
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, 1, &a));
    assert_ok(plan_create(other, bed.queue, PLAN_INFER, PRECISION_F32, 1, &b));
    tensor_fill(plan_input(a, "observation"), 1);
    tensor_fill(plan_input(b, "observation"), 1);
    plan_forward(a, 1);
    plan_forward(b, 1);
    float *before = output_copy(a, "policy", 1), *expected = output_copy(b, "policy", 1);
    assert_memory_not_equal(before, expected, 26 * sizeof(float));
    assert_ok(net_copy(net, other));
    plan_forward(a, 1);
    assert_memory_equal(plan_output(a, "policy").data, expected, 26 * sizeof(float));
    mem_free(before);
    mem_free(expected);
    plan_free(a);
    plan_free(b);
    net_free(net);
    net_free(other);
    bed_close(&bed);
}

/* ---- the same bits
 * ------------------------------------------------------------------------------------------ */

static void a_fault_while_weights_are_folded_is_kept_for_the_next_wait(void **state) {
    (void)state;
    struct bed bed;
    struct plan *plan;
    assert_ok(device_open("cpu", 1, &bed.device));
    faulty_begin(bed.device);
    assert_ok(queue_open(bed.device, 0, &bed.queue));
    struct net *net = net_resnet(bed.device, 1, 8, 5, 3);
    net_randomise(net, 1);
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, 2, &plan));
    faulty.waits_fail = true;
    plan_forward(plan, 2);
    faulty.waits_fail = false;
    assert_fails(queue_wait(bed.queue), STATUS_DEVICE, "the device is gone");
    assert_ok(queue_wait(bed.queue)); /* said once */
    plan_forward(plan, 2);            /* folds again */
    assert_ok(queue_wait(bed.queue));
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

static void bits_by_batch(struct bed *bed, struct net *net, enum precision precision,
                          const char *const *outputs) {
    enum { MAX = 150 };
    struct plan *plan;
    assert_ok(plan_create(net, bed->queue, PLAN_INFER, precision, MAX, &plan));
    tensor_fill(plan_input(plan, "observation"), 1);
    plan_forward(plan, MAX);
    float *whole[2] = {output_copy(plan, outputs[0], MAX), output_copy(plan, outputs[1], MAX)};
    static const int batches[] = {1, 2, 3, 5, 8, 13, 31, 64, 65, 149};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        int n = batches[i];
        plan_forward(plan, n);
        for (int k = 0; k < 2; k++) {
            struct tensor y = tensor_head(plan_output(plan, outputs[k]), n);
            if (memcmp(y.data, whole[k], tensor_bytes(y)) != 0)
                fail_msg("batch %d, %s differs", n, outputs[k]);
        }
    }
    for (int k = 0; k < 2; k++)
        mem_free(whole[k]);
    plan_free(plan);
}

static void results_do_not_depend_on_the_batch(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    for (int precision = PRECISION_F32; precision <= PRECISION_BF16; precision++) {
        struct net *net = net_resnet(bed.device, 2, 32, 7, 17), *mixed = net_mixed(bed.device);
        net_randomise(net, 1);
        net_randomise(mixed, 1);
        bits_by_batch(&bed, net, (enum precision)precision, (const char *const[]){"policy", "value"});
        bits_by_batch(&bed, mixed, (enum precision)precision, (const char *const[]){"both", "out"});
        net_free(net);
        net_free(mixed);
    }
    bed_close(&bed);
}

/* Three training steps and one inference with so many threads: weights and outputs. */
static size_t run_with_threads(int threads, enum precision precision, float **weights, float **policy) {
    enum { N = 37 };
    struct bed bed = bed_open(threads);
    struct net *net = net_resnet(bed.device, 2, 16, 7, 5);
    assert_ok(net_initialise(net, 1));
    struct plan *train, *infer;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, precision, N, &train));
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, precision, N, &infer));
    struct optimiser_config how;
    config_defaults(optimiser_config_keys, &how);
    struct optimiser *o;
    assert_ok(optimiser_create(net, bed.queue, &how, &o));
    tensor_fill(plan_input(train, "observation"), 1);
    tensor_fill(plan_input(infer, "observation"), 1);
    for (int i = 0; i < 3; i++) {
        plan_forward(train, N);
        tensor_fill(plan_output_gradient(train, "policy"), 2);
        tensor_fill(plan_output_gradient(train, "value"), 3);
        plan_backward(train, N);
        optimiser_step(o, 0);
    }
    plan_forward(infer, N);
    *weights = MEM_NEW(float, tensor_count(net_weights(net)));
    memcpy(*weights, net_weights(net).data, tensor_bytes(net_weights(net)));
    *policy = output_copy(infer, "policy", N);
    size_t count = tensor_count(net_weights(net));
    optimiser_free(o);
    plan_free(train);
    plan_free(infer);
    net_free(net);
    bed_close(&bed);
    return count;
}

static void results_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    for (int precision = PRECISION_F32; precision <= PRECISION_BF16; precision++) {
        float *weights[3], *policy[3];
        size_t count = 0;
        for (int t = 0; t < 3; t++)
            count = run_with_threads(1 + t, (enum precision)precision, &weights[t], &policy[t]);
        for (int t = 1; t < 3; t++) {
            assert_memory_equal(weights[t], weights[0], count * sizeof(float));
            assert_memory_equal(policy[t], policy[0], 37 * 50 * sizeof(float));
        }
        for (int t = 0; t < 3; t++) {
            mem_free(weights[t]);
            mem_free(policy[t]);
        }
    }
}

/* ---- precision
 * ---------------------------------------------------------------------------------------------- */

/* Root of mean square of a - b, over that of b. */
static double distance(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / size);
}

static void tf32_is_f32_on_a_cpu(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 1, 8, 5, 17);
    struct plan *plan;
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_TF32, 1, &plan));
    assert_int_equal(plan_precision(plan), PRECISION_F32);
    plan_forward(plan, 1);
    assert_false(bed.queue->tf32);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

/* The CPU stands in for a GPU: only its kind is asked. */
static void a_plan_tells_its_queue_whether_products_may_be_tf32(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 1, 8, 5, 17);
    struct plan *exact, *rounded;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, PRECISION_F32, 2, &exact));
    bed.device->kind = DEVICE_CUDA;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, PRECISION_TF32, 2, &rounded));
    bed.device->kind = DEVICE_CPU;
    assert_int_equal(plan_precision(rounded), PRECISION_TF32);
    plan_forward(rounded, 2);
    assert_true(bed.queue->tf32);
    plan_forward(exact, 2);
    assert_false(bed.queue->tf32);
    plan_backward(rounded, 2);
    assert_true(bed.queue->tf32);
    plan_backward(exact, 2);
    assert_false(bed.queue->tf32);
    plan_free(exact);
    plan_free(rounded);
    net_free(net);
    bed_close(&bed);
}

static void a_precision_is_parsed_by_its_name(void **state) {
    (void)state;
    enum precision found;
    for (enum precision p = PRECISION_F32; p <= PRECISION_AUTO; p++) {
        assert_ok(precision_parse(precision_name(p), &found));
        assert_int_equal(found, p);
    }
    assert_fails(precision_parse("fp16", &found), STATUS_USAGE, "auto, f32, tf32, bf16");
}

static void bf16_is_near_f32(void **state) {
    (void)state;
    enum { N = 16 };
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 4, 32, 7, 17);
    assert_ok(net_initialise(net, 1));
    float *policy[2], *gradients[2];
    size_t count = tensor_count(net_gradients(net));
    for (int i = 0; i < 2; i++) {
        struct plan *infer, *train;
        enum precision precision = i ? PRECISION_BF16 : PRECISION_F32;
        assert_ok(plan_create(net, bed.queue, PLAN_INFER, precision, N, &infer));
        assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, precision, N, &train));
        assert_int_equal(plan_precision(train), precision);
        tensor_fill(plan_input(infer, "observation"), 1);
        tensor_fill(plan_input(train, "observation"), 1);
        plan_forward(infer, N);
        policy[i] = output_copy(infer, "policy", N);
        plan_forward(train, N);
        tensor_fill(plan_output_gradient(train, "policy"), 2);
        tensor_fill(plan_output_gradient(train, "value"), 3);
        net_zero_gradients(net, bed.queue);
        plan_backward(train, N);
        gradients[i] = MEM_NEW(float, count);
        memcpy(gradients[i], net_gradients(net).data, count * sizeof(float));
        assert_ok(net_initialise(net, 1)); /* running statistics as before */
        plan_free(infer);
        plan_free(train);
    }
    assert_true(distance(policy[1], policy[0], N * 50) < 0.03);
    assert_true(distance(gradients[1], gradients[0], count) <
                0.15); /* 0.08 by plain sums, 0.11 by Winograd */
    for (int i = 0; i < 2; i++) {
        mem_free(policy[i]);
        mem_free(gradients[i]);
    }
    net_free(net);
    bed_close(&bed);
}

/* ---- sharing and learning
 * ------------------------------------------------------------------------------------ */

struct actor {
    struct plan *plan;
    struct queue *queue;
    const float *expected;
    bool right;
};

static void *actor_run(void *context) {
    struct actor *a = context;
    a->right = true;
    for (int i = 0; i < 20; i++) {
        int n = 1 + i % 9;
        plan_forward(a->plan, n);
        a->right &=
            memcmp(plan_output(a->plan, "policy").data, a->expected, (size_t)n * 26 * sizeof(float)) == 0;
    }
    return NULL;
}

/* The first passes after a change of weights fold them, whoever comes first. */
static void several_plans_infer_at_once(void **state) {
    (void)state;
    enum { ACTORS = 4, N = 9 };
    struct bed bed = bed_open(1);
    struct net *net = net_resnet(bed.device, 2, 8, 5, 3);
    struct plan *reference;
    assert_ok(plan_create(net, bed.queue, PLAN_INFER, PRECISION_F32, N, &reference));
    tensor_fill(plan_input(reference, "observation"), 1);
    struct actor actors[ACTORS];
    for (int i = 0; i < ACTORS; i++) {
        assert_ok(queue_open(bed.device, 1, &actors[i].queue));
        assert_ok(plan_create(net, actors[i].queue, PLAN_INFER, PRECISION_F32, N, &actors[i].plan));
        tensor_fill(plan_input(actors[i].plan, "observation"), 1);
    }
    for (int round = 0; round < 3; round++) {
        net_randomise(net, (uint64_t)round);
        plan_forward(reference, N);
        float *expected = output_copy(reference, "policy", N);
        net_touch(net);
        pthread_t threads[ACTORS];
        for (int i = 0; i < ACTORS; i++) {
            actors[i].expected = expected;
            pthread_create(&threads[i], NULL, actor_run, &actors[i]);
        }
        for (int i = 0; i < ACTORS; i++) {
            pthread_join(threads[i], NULL);
            assert_true(actors[i].right);
        }
        mem_free(expected);
    }
    for (int i = 0; i < ACTORS; i++) {
        plan_free(actors[i].plan);
        queue_close(actors[i].queue);
    }
    plan_free(reference);
    net_free(net);
    bed_close(&bed);
}

static double overfit(enum precision precision) {
    enum { N = 16, A = 26, STEPS = 120 };
    struct bed bed = bed_open(1);
    struct queue *q = bed.queue;
    struct net *net = net_resnet(bed.device, 2, 16, 5, 3);
    assert_ok(net_initialise(net, 1));
    struct plan *plan;
    assert_ok(plan_create(net, q, PLAN_TRAIN, precision, N, &plan));
    struct optimiser_config how;
    config_defaults(optimiser_config_keys, &how);
    snprintf(how.kind, sizeof how.kind, "adam");
    struct optimiser *o;
    assert_ok(optimiser_create(net, q, &how, &o));
    static float pi[N * A], z[N], loss[2][N];
    for (int i = 0; i < N; i++) {
        pi[i * A + i] = 1.0f;
        z[i] = i % 2 ? 1.0f : -1.0f;
    }
    tensor_fill(plan_input(plan, "observation"), 1);
    for (int step = 0; step < STEPS; step++) {
        plan_forward(plan, N);
        q->op->cross_entropy(q, tensor_1(loss[0], DTYPE_F32, N), plan_output_gradient(plan, "policy"),
                             plan_output(plan, "policy"), tensor_2(pi, DTYPE_F32, N, A), tensor_none(),
                             tensor_none(), 1.0f / N);
        q->op->squared_error(q, tensor_1(loss[1], DTYPE_F32, N), plan_output_gradient(plan, "value"),
                             plan_output(plan, "value"), tensor_2(z, DTYPE_F32, N, 1), tensor_none(),
                             1.0f / N);
        plan_backward(plan, N);
        optimiser_step(o, step);
    }
    double sum = 0;
    for (int i = 0; i < N; i++)
        sum += (double)loss[0][i] + (double)loss[1][i];
    optimiser_free(o);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
    return sum / N;
}

static void a_residual_network_learns_one_batch_by_heart(void **state) {
    (void)state;
    assert_true(overfit(PRECISION_F32) < 0.05);
}

static void a_residual_network_learns_one_batch_by_heart_in_bf16(void **state) {
    (void)state;
    assert_true(overfit(PRECISION_BF16) < 0.05);
}

/* ---- memory and access
 * --------------------------------------------------------------------------------------- */

static void inference_reuses_memory(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *shallow = net_resnet(bed.device, 2, 8, 5, 3), *deep = net_resnet(bed.device, 12, 8, 5, 3);
    struct plan *a, *b;
    assert_ok(plan_create(shallow, bed.queue, PLAN_INFER, PRECISION_F32, 32, &a));
    assert_ok(plan_create(deep, bed.queue, PLAN_INFER, PRECISION_F32, 32, &b));
    assert_int_equal(plan_memory(a), plan_memory(b));
    plan_free(a);
    plan_free(b);
    net_free(shallow);
    net_free(deep);
    bed_close(&bed);
}

static void nodes_can_be_read_after_a_training_pass(void **state) {
    (void)state;
    struct bed bed = bed_open(1);
    struct net *net = net_create("readable");
    int x = net_input_vector(net, "observation", 3);
    int y = net_activation(net, net_linear(net, "a", x, 4), ACTIVATION_RELU);
    net_output(net, "out", net_linear(net, "b", y, 2));
    assert_ok(net_commit(net, bed.device));
    assert_ok(net_initialise(net, 1));
    struct plan *plan;
    assert_ok(plan_create(net, bed.queue, PLAN_TRAIN, PRECISION_F32, 5, &plan));
    tensor_fill(plan_input(plan, "observation"), 1);
    plan_forward(plan, 2);
    float host[8];
    assert_int_equal(plan_read_node(plan, x, 2, host), 3);
    assert_memory_equal(host, plan_input(plan, "observation").data, 6 * sizeof(float));
    assert_int_equal(plan_read_node(plan, y, 2, host), 4);
    for (int i = 0; i < 8; i++)
        assert_true(host[i] >= 0);
    assert_int_equal(plan_read_node(plan, y - 1, 2, host), 0); /* fused with what follows */
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inference_equals_training_with_running_statistics),
        cmocka_unit_test(a_plan_for_more_samples_than_memory_holds_is_refused),
        cmocka_unit_test(inspection_is_inference_that_keeps_its_layers),
        cmocka_unit_test(inference_follows_the_weights),
        cmocka_unit_test(a_fault_while_weights_are_folded_is_kept_for_the_next_wait),
        cmocka_unit_test(results_do_not_depend_on_the_batch),
        cmocka_unit_test(results_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(tf32_is_f32_on_a_cpu),
        cmocka_unit_test(a_plan_tells_its_queue_whether_products_may_be_tf32),
        cmocka_unit_test(a_precision_is_parsed_by_its_name),
        cmocka_unit_test(bf16_is_near_f32),
        cmocka_unit_test(several_plans_infer_at_once),
        cmocka_unit_test(a_residual_network_learns_one_batch_by_heart),
        cmocka_unit_test(a_residual_network_learns_one_batch_by_heart_in_bf16),
        cmocka_unit_test(inference_reuses_memory),
        cmocka_unit_test(nodes_can_be_read_after_a_training_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
