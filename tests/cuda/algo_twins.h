/* Whole algorithms on a device held against the CPU, for the emulated GPU and a real one: every test config
 * trains there as it does on the CPU, but for rounding, and its checkpoint goes on on the CPU. */
#ifndef TESTS_CUDA_ALGO_TWINS_H
#define TESTS_CUDA_ALGO_TWINS_H

#include "testing.h"

#include "algo/session.h"
#include "folder.h"
#include "tengen/log.h"
#include "tengen/mem.h"

enum { ITERATIONS = 3 /* directly, recorded, launched again */ };

struct trial {
    const struct algo *algo;
    const char *setting;            /* beside its test_config, or NULL */
    struct device *(*device)(void); /* opens it */
    double apart;                   /* of how far weights move, what devices may differ by */
};

/* Of the test config, on the CPU, or on a device and queue that take its place (and are closed with it). */
static inline void session_begin(struct session *s, const struct trial *t, bool on_device) {
    const char *settings[8] = {"run.threads=1", "run.device=cpu", "run.precision=f32"};
    char *algorithm = mem_format("run.algorithm=%s", t->algo->name);
    int count = 3;
    settings[count++] = algorithm;
    if (t->setting) settings[count++] = t->setting;
    *s = (struct session){0};
    assert_ok(session_configure(s, "test", t->algo->test_config, settings, count));
    mem_free(algorithm);
    assert_ok(run_open_device(&s->run));
    if (on_device) {
        queue_close(s->run.queue);
        device_close(s->run.device);
        s->run.device = t->device();
        assert_ok(queue_open(s->run.device, 1, &s->run.queue));
    }
    assert_ok(s->algo->open(s->self, &s->run));
}

static inline void train(struct session *s) {
    for (int i = 0; i < ITERATIONS; i++, s->run.iteration++)
        assert_ok(session_iterate(s));
    assert_ok(queue_wait(s->run.queue));
}

/* All parameters, which are trained ones first; freed by mem_free. */
static inline float *weights_of(struct session *s, size_t *count) {
    struct net *net = s->algo->net(s->self);
    *count = tensor_count(net_weights(net));
    float *weights = MEM_NEW(float, *count);
    queue_download(s->run.queue, weights, net_weights(net));
    return weights;
}

static inline double distance(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

/* What passes from the device into a checkpoint goes on on a CPU. */
static inline void checkpoint_goes_on(struct session *from, const struct trial *t) {
    struct session on;
    struct checkpoint_writer *w;
    size_t n;
    char *text = config_text(from->config);
    assert_ok(checkpoint_create("device.h5", "checkpoint", text, &w));
    mem_free(text);
    checkpoint_put_long(w, "run/iteration", from->run.iteration);
    from->algo->save(from->self, w);
    assert_ok(checkpoint_commit(w));
    session_begin(&on, t, false);
    assert_ok(session_restore(&on, "device.h5"));
    float *expected = weights_of(from, &n), *got = weights_of(&on, &n);
    assert_memory_equal(got, expected, n * sizeof *got);
    assert_true(on.algo->count(on.self) == from->algo->count(from->self));
    train(&on);
    mem_free(expected);
    mem_free(got);
    session_close(&on);
}

static inline void the_device_trains_as_the_cpu_does(void **state) {
    const struct trial *t = *state;
    struct session cpu, gpu;
    size_t n;
    session_begin(&cpu, t, false);
    session_begin(&gpu, t, true);
    float *start = weights_of(&cpu, &n);
    train(&cpu);
    train(&gpu);
    float *expected = weights_of(&cpu, &n), *got = weights_of(&gpu, &n);
    const double moved = distance(expected, start, n), apart = distance(got, expected, n);
    assert_true(moved > 0);
    if (!(apart <= t->apart * moved))
        fail_msg("%s: weights moved by %g, and are %g apart", t->algo->name, moved, apart);
    assert_true(gpu.algo->count(gpu.self) == cpu.algo->count(cpu.self));
    checkpoint_goes_on(&gpu, t);
    mem_free(start);
    mem_free(expected);
    mem_free(got);
    session_close(&cpu);
    session_close(&gpu);
}

static inline int algo_twins_run(struct trial t) {
    char *name =
        mem_format("%s %s: the device trains as the CPU does", t.algo->name, t.setting ? t.setting : "");
    const struct CMUnitTest tests[] = {{name, the_device_trains_as_the_cpu_does, NULL, NULL, &t}};
    int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    mem_free(name);
    return failed;
}

/* Every algorithm that has a network, and what else its test config may be; returns how many failed. */
static inline int algo_twins_run_all(struct device *(*device)(void), double apart) {
    static const struct {
        const char *algo, *setting;
    } variants[] = {{"dqn", "net.atoms=1"},
                    {"dqn", "dqn.replay_on=host"},
                    {"ppo", "net.gru_units=6"},
                    {"a2c", "actor.groups=1"}};
    int failed = 0;
    log_level_set(LOG_WARN);
    folder_enter();
    for (int i = 0; i < algo_count(); i++)
        if (algo_at(i)->net) failed += algo_twins_run((struct trial){algo_at(i), NULL, device, apart});
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        failed +=
            algo_twins_run((struct trial){algo_find(variants[i].algo), variants[i].setting, device, apart});
    return failed;
}

#endif
