/* Whole networks on the GPU: each inference pass is repeated on the CPU, and two queues run at once; skipped
 * where there is no GPU. */
#include "gpu.h"
#include "two_queues.h"

#include "tengen/net_check.h"

enum { BATCH = 9, PASSES = 4 /* by calls, recorded, and launched as a graph */ };

static struct device *device;

/* New weights before every other pass, so that copies of them have to follow. */
static void model_infers_as_on_the_cpu(const struct model *m, enum precision precision) {
    struct queue *q;
    struct net *net;
    struct plan *plan;
    assert_ok(queue_open(device, 0, &q));
    assert_ok(model_create(&m->bench_config, m->bench_shape, device, &net));
    assert_ok(net_check_start(net, 1));
    assert_ok(plan_create(net, q, PLAN_INFER, precision, BATCH, &plan));
    for (int pass = 0; pass < 2 * PASSES; pass++) {
        if (pass % 2 == 0) assert_ok(net_initialise(net, (uint64_t)pass));
        fill_random(q, plan_input(plan, "observation"), pass);
        plan_forward(plan, pass < PASSES ? BATCH : BATCH - 2);
        if (net_check_result(net) != STATUS_OK)
            fail_msg("%s in %s: %s", m->name, precision_name(precision), status_text());
    }
    plan_free(plan);
    net_free(net);
    queue_close(q);
}

static void every_model_infers_as_on_the_cpu(void **state) {
    (void)state;
    for (int i = 0; i < model_count(); i++)
        for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++)
            model_infers_as_on_the_cpu(model_at(i), p);
}

static void two_threads_infer_by_one_net_as_one_after_the_other(void **state) {
    (void)state;
    for (int i = 0; i < model_count(); i++)
        for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++)
            two_queues_agree(device, model_at(i), p, true, 3);
}

static void learning_beside_inference_changes_no_bit(void **state) {
    (void)state;
    for (int i = 0; i < model_count(); i++)
        for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++)
            two_queues_agree(device, model_at(i), p, false, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_infers_as_on_the_cpu),
        cmocka_unit_test(two_threads_infer_by_one_net_as_one_after_the_other),
        cmocka_unit_test(learning_beside_inference_changes_no_bit),
    };
    return GPU_RUN(tests, &device);
}
