/* Networks and helpers that the tests of src/nn share. Everything runs on the CPU, where tensors are read in
 * place. */
#ifndef TESTS_NN_NETS_H
#define TESTS_NN_NETS_H

#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/net.h"
#include "tengen/rng.h"
#include "testing.h"

struct bed { /* what a test lies on */
    struct device *device;
    struct queue *queue;
};

static inline struct bed bed_open(int threads) {
    struct bed bed;
    assert_ok(device_open("cpu", threads, &bed.device));
    assert_ok(queue_open(bed.device, 0, &bed.queue));
    return bed;
}

static inline void bed_close(struct bed *bed) {
    queue_close(bed->queue);
    device_close(bed->device);
}

/* tools/make_goldens.py, class Mixed: strides, biases, both poolings, sums of two branches, an output that is
 * read on. */
static inline struct net *net_mixed(struct device *device) {
    struct net *net = net_create("mixed");
    int x = net_input(net, "observation", 10, 10, 3);
    int a = net_activation(net, net_conv(net, "conv1", x, 8, 4, 2, 1, true), ACTIVATION_RELU);
    int b = net_position_bias(net, "point", net_conv(net, "conv2", a, 8, 3, 1, 1, true));
    b = net_activation(net, b, ACTIVATION_SIGMOID);
    int c = net_batchnorm(net, "norm", net_add(net, net_conv(net, "short", a, 8, 1, 1, 0, false), b));
    int max = net_linear(net, "max", net_pool(net, c, POOLING_MAX), 6);
    int mean = net_linear(net, "mean", net_pool(net, c, POOLING_MEAN), 6);
    int d = net_activation(net, net_add(net, max, mean), ACTIVATION_TANH);
    net_output(net, "both", d);
    net_output(net, "out", net_linear(net, "out", d, 4));
    assert_ok(net_commit(net, device));
    return net;
}

static inline struct model_config config_resnet(int blocks, int channels, int hidden) {
    struct model_config c;
    config_defaults(model_config_keys, &c);
    c.blocks = blocks;
    c.channels = channels;
    c.value_hidden = hidden;
    return c;
}

static inline struct net *net_resnet(struct device *device, int blocks, int channels, int size, int planes) {
    struct model_config config = config_resnet(blocks, channels, 16);
    struct net *net;
    assert_ok(model_create(&config, (struct model_shape){size, size, planes, size * size + 1, false}, device,
                           &net));
    return net;
}

/* Standard normal numbers, the same for the same index. */
static inline void fill_random(float *data, size_t count, uint64_t index) {
    struct rng r = rng_make(7, RNG_TEST, index);
    for (size_t i = 0; i < count; i++)
        data[i] = rng_normal(&r);
}

static inline void tensor_fill(struct tensor t, uint64_t index) {
    fill_random(t.data, tensor_count(t), index);
}

/* Weights as at the start of a run, and running statistics and norms that are not trivial. */
static inline void net_randomise(struct net *net, uint64_t seed) {
    assert_ok(net_initialise(net, seed));
    for (int i = 0; i < net_segments(net); i++) {
        const struct segment *s = net_segment(net, i);
        if (s->rank != 1 && s->rank != 3) continue;
        float *w = MEM_NEW(float, s->count);
        fill_random(w, s->count, seed + (uint64_t)i);
        for (size_t k = 0; k < s->count; k++)
            w[k] = s->fill == 1.0f ? 1.0f + 0.3f * fabsf(w[k]) : 0.3f * w[k];
        assert_ok(net_write(net, i, w));
        mem_free(w);
    }
}

/* A copy of the first n rows of an output, freed by mem_free. */
static inline float *output_copy(struct plan *plan, const char *name, int n) {
    struct tensor t = tensor_head(plan_output(plan, name), n);
    float *copy = MEM_NEW(float, tensor_count(t));
    memcpy(copy, t.data, tensor_bytes(t));
    return copy;
}

#endif
