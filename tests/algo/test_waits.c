/* Learning on a GPU: how often the host waits for the device in an iteration does not depend on how many
 * steps the optimiser makes in it. The device is the CPU behind a GPU's face. */
#include <stdatomic.h>

#include "../testing.h"
#include "algo/session.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/ops.h"

enum { ITERATIONS = 5 };

static const struct backend *cpu;
static struct backend gpu;
static atomic_int waits; /* on all queues but those that act alone */

static void count_queue(const struct queue *q) {
    if (!q->label || strcmp(q->label, "acting") != 0) waits++;
}
static void download(struct queue *q, void *host, const void *device_memory, size_t bytes) {
    count_queue(q);
    cpu->download(q, host, device_memory, bytes);
}
static enum status wait_for(struct queue *q) {
    count_queue(q);
    return cpu->wait(q);
}
/* Both wait for what is under way. */
static void *alloc(struct device *d, size_t bytes) {
    waits++;
    return cpu->alloc(d, bytes);
}
static void release(struct device *d, void *memory, size_t bytes) {
    waits++;
    cpu->release(d, memory, bytes);
}

/* Each step of the optimiser runs it once. */
static struct ops ops;
static atomic_int steps;

static void sum_squares(struct queue *q, struct tensor sum, struct tensor x) {
    steps++;
    cpu->op->sum_squares(q, sum, x);
}

static void open_gpu(struct run *run) {
    assert_ok(device_open("cpu", 2, &run->device));
    cpu = run->device->backend;
    gpu = *cpu;
    ops = *cpu->op;
    ops.sum_squares = sum_squares;
    gpu.op = &ops;
    gpu.kind = run->device->kind = DEVICE_CUDA;
    gpu.download = download;
    gpu.wait = wait_for;
    gpu.alloc = alloc;
    gpu.release = release;
    run->device->backend = &gpu;
    assert_ok(queue_open(run->device, 0, &run->queue));
    run->pool = pool_create(2);
}

/* Waits and steps of the last of a few iterations. */
struct counts {
    int waits, steps;
};

static struct counts train(const char *algorithm, const char *setting, const char *other) {
    struct session s = {0};
    char *name = mem_format("run.algorithm=%s", algorithm);
    const char *const settings[] = {name, setting, other};
    assert_ok(session_configure(&s, "test", algo_find(algorithm)->test_config, settings, 3));
    open_gpu(&s.run);
    assert_ok(s.algo->open(s.self, &s.run));
    for (; s.run.iteration < ITERATIONS; s.run.iteration++) {
        waits = steps = 0;
        assert_ok(s.algo->iterate(s.self, &s.run));
    }
    struct counts c = {waits, steps};
    session_close(&s);
    mem_free(name);
    return c;
}

static void check(const char *algorithm, const char *few, const char *many, const char *other) {
    struct counts first = train(algorithm, few, other), second = train(algorithm, many, other);
    print_message("%s: %d waits for %d steps, %d for %d\n", algorithm, first.waits, first.steps, second.waits,
                  second.steps);
    assert_true(first.waits > 0 && first.steps > 0);
    assert_true(second.steps >= 4 * first.steps);
    assert_int_equal(first.waits, second.waits);
}

static void ppo_waits_as_often_for_many_minibatches_as_for_one(void **state) {
    (void)state;
    check("ppo", "ppo.minibatches=1", "ppo.minibatches=16", "ppo.epochs=1");
    check("ppo", "ppo.epochs=1", "ppo.epochs=10", "ppo.minibatches=4");
}

/* On a GPU self-play goes on meanwhile, whose queues are its own. */
static void alphazero_waits_as_often_for_many_steps_as_for_few(void **state) {
    (void)state;
    check("alphazero", "alphazero.reuse=1", "alphazero.reuse=6", "alphazero.gate_every=0");
}

int main(void) {
    log_level_set(LOG_WARN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ppo_waits_as_often_for_many_minibatches_as_for_one),
        cmocka_unit_test(alphazero_waits_as_often_for_many_steps_as_for_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
