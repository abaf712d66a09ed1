/* Two queues of one device, each driven by a thread of its own at the same time, as AlphaZero's self-play and
 * learning drive them on a GPU: the same bits as one after the other. For the emulated GPU and a real one. */
#ifndef TESTS_CUDA_TWO_QUEUES_H
#define TESTS_CUDA_TWO_QUEUES_H

#include "testing.h"

#include <pthread.h>

#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/rng.h"
#include "tengen/thread.h"

enum { LANE_BATCH = 8, LANE_PASSES = 6 /* by calls, recorded, launched as a graph */ };

/* What one thread does with a queue of its own, and what comes of it. */
struct lane {
    struct net *net;
    int order; /* of the emulated GPU's threads; a real one does not ask */
    bool learns;
    enum precision precision;
    pthread_barrier_t *start; /* both begin together; NULL: alone */
    float *made; /* outputs of all passes; of one that learns then the weights: `count` numbers */
    size_t count;
    enum status status;
    char text[512];
};

static inline void fill_random(struct queue *q, struct tensor t, int stream) {
    struct rng rng = rng_make(5, RNG_TEST, (uint64_t)stream);
    float *values = MEM_NEW(float, tensor_count(t));
    for (size_t i = 0; i < tensor_count(t); i++)
        values[i] = rng_uniform(&rng) - 0.5f;
    queue_upload(q, t, values);
    mem_free(values);
}

/* Downloads t behind what was made before. */
static inline void lane_keep(struct lane *l, struct queue *q, struct tensor t) {
    size_t n = tensor_count(t);
    l->made = mem_resize(l->made, l->count, l->count + n, sizeof *l->made);
    queue_download(q, l->made + l->count, t);
    l->count += n;
}

static inline void lane_passes(struct lane *l, struct queue *q, struct plan *plan, struct optimiser *o) {
    for (int pass = 0; pass < LANE_PASSES; pass++) {
        fill_random(q, plan_input(plan, "observation"), pass);
        plan_forward(plan, LANE_BATCH);
        for (int i = 0; i < net_outputs(l->net); i++) {
            const char *name = net_output_name(l->net, i);
            lane_keep(l, q, plan_output(plan, name));
            if (l->learns) fill_random(q, plan_output_gradient(plan, name), 100 * i + pass);
        }
        if (!l->learns) continue;
        plan_backward(plan, LANE_BATCH);
        optimiser_step(o, pass);
    }
    if (l->learns) lane_keep(l, q, net_weights(l->net));
}

static inline enum status lane_work(struct lane *l) {
    struct queue *q = NULL;
    struct plan *plan = NULL;
    struct optimiser *o = NULL;
    struct optimiser_config config;
    config_defaults(optimiser_config_keys, &config);
    enum status s = queue_open(net_device(l->net), l->order, &q);
    if (s == STATUS_OK)
        s = plan_create(l->net, q, l->learns ? PLAN_TRAIN : PLAN_INFER, l->precision, LANE_BATCH, &plan);
    if (s == STATUS_OK && l->learns) s = optimiser_create(l->net, q, &config, &o);
    if (l->start) pthread_barrier_wait(l->start);
    if (s == STATUS_OK) {
        lane_passes(l, q, plan, o);
        s = queue_wait(q);
    }
    optimiser_free(o);
    plan_free(plan);
    queue_close(q);
    return s;
}

/* A failed assertion may not leave a thread: its words go to the one that started it. */
static inline void lane_run(void *lanes, int i) {
    struct lane *l = (struct lane *)lanes + i;
    l->status = lane_work(l);
    if (l->status != STATUS_OK) snprintf(l->text, sizeof l->text, "%s", status_text());
}

/* One net for both or a net each; lane 0 learns if it has one of its own. */
static inline void lanes_open(struct lane *lanes, struct device *d, const struct model *m, enum precision p,
                              bool one_net) {
    for (int i = 0; i < 2; i++) {
        lanes[i] = (struct lane){.order = 1 + i, .learns = !one_net && i == 0, .precision = p};
        if (one_net && i == 1) {
            lanes[i].net = lanes[0].net;
            continue;
        }
        assert_ok(model_create(&m->bench_config, m->bench_shape, d, &lanes[i].net));
        assert_ok(net_initialise(lanes[i].net, 1));
    }
}

static inline void lanes_close(struct lane *lanes) {
    for (int i = 0; i < 2; i++)
        mem_free(lanes[i].made);
    if (lanes[1].net != lanes[0].net) net_free(lanes[1].net);
    net_free(lanes[0].net);
}

static inline void lanes_run_together(struct lane *lanes) {
    struct pool *both = pool_create(2);
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    lanes[0].start = lanes[1].start = &start;
    pool_run(both, 2, lane_run, lanes);
    pthread_barrier_destroy(&start);
    pool_free(both);
}

/* The model in one precision, several times over: no two runs meet in the same way. */
static inline void two_queues_agree(struct device *d, const struct model *m, enum precision p, bool one_net,
                                    int rounds) {
    struct lane alone[2], together[2];
    lanes_open(alone, d, m, p, one_net);
    for (int i = 0; i < 2; i++)
        lane_run(alone, i);
    for (int round = 0; round < rounds; round++) {
        lanes_open(together, d, m, p, one_net);
        lanes_run_together(together);
        for (int i = 0; i < 2; i++) {
            if (alone[i].status || together[i].status)
                fail_msg("%s, lane %d: %s%s", m->name, i, alone[i].text, together[i].text);
            assert_int_equal(together[i].count, alone[i].count);
            if (memcmp(together[i].made, alone[i].made, alone[i].count * sizeof(float)) != 0)
                fail_msg("%s in %s, lane %d: other bits than alone", m->name, precision_name(p), i);
        }
        lanes_close(together);
    }
    lanes_close(alone);
}

#endif
