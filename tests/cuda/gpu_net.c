/* Whole networks on the GPU: each inference pass is repeated on the CPU; skipped where there is no GPU. */
#include "gpu.h"

#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/net_check.h"
#include "tengen/rng.h"

enum { BATCH = 9, PASSES = 4 /* by calls, recorded, and launched as a graph */ };

static struct device *device;

static void fill_random(struct queue *q, struct tensor x, uint64_t stream) {
    struct rng rng = rng_make(1, RNG_TEST, stream);
    float *values = MEM_NEW(float, tensor_count(x));
    for (size_t i = 0; i < tensor_count(x); i++)
        values[i] = rng_uniform(&rng);
    queue_upload(q, x, values);
    mem_free(values);
}

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
        fill_random(q, plan_input(plan, "observation"), (uint64_t)pass);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_infers_as_on_the_cpu),
    };
    return GPU_RUN(tests, &device);
}
