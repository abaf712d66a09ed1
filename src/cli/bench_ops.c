/* tengen bench ops: every operation at the shapes that Tengen's networks have. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/peaks.h"
#include "tengen/device.h"
#include "tengen/net.h"
#include "tengen/ops.h"
#include "tengen/rng.h"
#include "tengen/thread.h"

enum family { FAMILY_CONV, FAMILY_LINEAR, FAMILY_NORM, FAMILY_MAP, FAMILY_LOSS, FAMILY_STEP };

/* Linear layers use c and o; losses n rows of c; optimiser steps n values. */
struct ops_case {
    enum family family;
    const char *name;
    int n, h, w, c, o, kernel, stride, pad;
};

static const struct ops_case cases[] = {
    {FAMILY_CONV, "conv3x3_17_64_7x7", 64, 7, 7, 17, 64, 3, 1, 1},
    {FAMILY_CONV, "conv3x3_64_7x7", 64, 7, 7, 64, 64, 3, 1, 1},
    {FAMILY_CONV, "conv3x3_128_9x9", 64, 9, 9, 128, 128, 3, 1, 1},
    {FAMILY_CONV, "conv3x3_18_128_19x19", 32, 19, 19, 18, 128, 3, 1, 1},
    {FAMILY_CONV, "conv3x3_128_19x19", 32, 19, 19, 128, 128, 3, 1, 1},
    {FAMILY_CONV, "conv3x3_192_19x19", 32, 19, 19, 192, 192, 3, 1, 1},
    {FAMILY_CONV, "conv1x1_128_2_19x19", 32, 19, 19, 128, 2, 1, 1, 0},
    {FAMILY_CONV, "conv8x8s4_4_32_84x84", 32, 84, 84, 4, 32, 8, 4, 0},
    {FAMILY_CONV, "conv4x4s2_32_64_20x20", 32, 20, 20, 32, 64, 4, 2, 0},
    {FAMILY_CONV, "conv3x3_64_9x9_valid", 32, 9, 9, 64, 64, 3, 1, 0},
    {FAMILY_LINEAR, "linear_3136_512", 256, 0, 0, 3136, 512, 0, 0, 0},
    {FAMILY_LINEAR, "linear_722_362", 64, 0, 0, 722, 362, 0, 0, 0},
    {FAMILY_LINEAR, "linear_98_50", 64, 0, 0, 98, 50, 0, 0, 0},
    {FAMILY_LINEAR, "linear_256_1", 64, 0, 0, 256, 1, 0, 0, 0},
    {FAMILY_LINEAR, "linear_64_64", 256, 0, 0, 64, 64, 0, 0, 0},
    {FAMILY_NORM, "batchnorm_64_7x7", 256, 7, 7, 64, 0, 0, 0, 0},
    {FAMILY_NORM, "batchnorm_128_19x19", 64, 19, 19, 128, 0, 0, 0, 0},
    {FAMILY_NORM, "batchnorm_2_19x19", 64, 19, 19, 2, 0, 0, 0, 0},
    {FAMILY_MAP, "128_19x19", 64, 19, 19, 128, 0, 0, 0, 0},
    {FAMILY_LOSS, "362", 256, 0, 0, 362, 0, 0, 0, 0},
    {FAMILY_LOSS, "6", 4096, 0, 0, 6, 0, 0, 0, 0},
    {FAMILY_STEP, "3M", 3000000, 0, 0, 0, 0, 0, 0, 0},
};

enum { TENSORS = 10 };

struct bench_ops {
    const struct report *report;
    const char *filter;
    struct device *device;
    struct queue *queue;
    int shown;      /* figures that the filter let through */
    double seconds; /* how long a figure is measured */
    struct peaks peaks;
    struct tensor t[TENSORS];
    int count;
    uint64_t version;
    const struct ops_case *c;
    enum precision precision;
    enum dtype dtype; /* of activations, by the precision */
};

/* ---- buffers ----------------------------------------------------------------------------------------------
 */

static struct tensor make(struct bench_ops *b, enum dtype dtype, int rank, const int *dims) {
    struct tensor t = tensor_make(NULL, dtype, rank, dims);
    t.data = device_alloc(b->device, tensor_bytes(t));
    if (dtype == DTYPE_F32 || dtype == DTYPE_BF16) b->queue->op->fill(b->queue, t, 0.01f);
    b->t[b->count++] = t;
    return t;
}

#define MAKE(b, dtype, ...)                                                                                  \
    make(b, dtype, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__})

static void release_all(struct bench_ops *b) {
    for (int i = 0; i < b->count; i++)
        device_release(b->device, b->t[i].data);
    b->count = 0;
}

static double bytes_of(const struct bench_ops *b) {
    double bytes = 0.0;
    for (int i = 0; i < b->count; i++)
        bytes += (double)tensor_bytes(b->t[i]);
    return bytes;
}

/* ---- timing -----------------------------------------------------------------------------------------------
 */

/* Seconds a call: the best of several windows, so that another process on the machine does not count. */
static double seconds_a_call(struct bench_ops *b, void (*call)(struct bench_ops *b)) {
    double best = INFINITY;
    call(b);
    if (queue_wait(b->queue) != STATUS_OK) return NAN;
    double end = clock_now() + b->seconds;
    for (int window = 0, repeats = 1; window < 2 || clock_now() < end; window++) {
        double from = clock_now();
        for (int i = 0; i < repeats; i++)
            call(b);
        if (queue_wait(b->queue) != STATUS_OK) return NAN;
        double each = (clock_now() - from) / repeats;
        if (each < best) best = each;
        repeats = 1 + (int)(b->seconds / 8 / best);
    }
    return best;
}

/* Prints one operation: time, rate and the larger of its shares of the peaks. */
static void figures(struct bench_ops *b, const char *operation, double flops, double bytes,
                    void (*call)(struct bench_ops *b)) {
    char name[128];
    snprintf(name, sizeof name, "ops.%s.%s.%s", b->c->name, operation, precision_name(b->precision));
    if (b->filter && !strstr(name, b->filter)) return;
    b->shown++;
    double seconds = seconds_a_call(b, call), peak = b->peaks.flops[b->precision];
    double share = fmax(flops / seconds / peak, bytes / seconds / b->peaks.copy);
    report_value(b->report, seconds * 1e6, "us", "%s.us", name);
    if (flops > 0.0) report_value(b->report, flops / seconds * 1e-9, "GFLOP/s", "%s.gflops", name);
    report_value(b->report, bytes / seconds * 1e-9, "GB/s", "%s.gbytes", name);
    report_value(b->report, share, "of peak", "%s.share", name);
}

/* ---- convolutions and linear layers -----------------------------------------------------------------------
 */

enum { IN, WEIGHTS, BIAS, OUT, GRADIENT, SHIFT, GAMMA, BETA, MEAN, RESIDUAL };

static struct conv geometry(const struct ops_case *c) {
    return (struct conv){c->stride, c->stride, c->pad, c->pad};
}

static struct tensor weights(struct bench_ops *b) {
    struct tensor w = b->t[WEIGHTS];
    w.version = &b->version;
    return w;
}

static void conv_forward(struct bench_ops *b) {
    b->queue->op->conv_forward(b->queue, b->t[OUT], b->t[IN], weights(b), b->t[BIAS], tensor_none(),
                               geometry(b->c), ACTIVATION_RELU);
}
static void conv_residual(struct bench_ops *b) {
    b->queue->op->conv_forward(b->queue, b->t[OUT], b->t[IN], weights(b), b->t[BIAS], b->t[RESIDUAL],
                               geometry(b->c), ACTIVATION_RELU);
}
static void conv_backward_data(struct bench_ops *b) {
    b->queue->op->conv_backward_data(b->queue, b->t[IN], b->t[OUT], weights(b), geometry(b->c), false);
}
static void conv_backward_weights(struct bench_ops *b) {
    b->queue->op->conv_backward_weights(b->queue, b->t[GRADIENT], b->t[IN], b->t[OUT], geometry(b->c));
}

static void conv_fold(struct bench_ops *b) {
    b->queue->op->batchnorm_fold(b->queue, b->t[GRADIENT], b->t[SHIFT], b->t[WEIGHTS], b->t[BIAS],
                                 b->t[GAMMA], b->t[BETA], b->t[MEAN], b->t[GAMMA], 1e-5f);
}

static void bench_conv(struct bench_ops *b) {
    const struct ops_case *c = b->c;
    const int oh = (c->h + 2 * c->pad - c->kernel) / c->stride + 1,
              ow = (c->w + 2 * c->pad - c->kernel) / c->stride + 1;
    MAKE(b, b->dtype, c->n, c->h, c->w, c->c);
    MAKE(b, DTYPE_F32, c->o, c->kernel, c->kernel, c->c);
    MAKE(b, DTYPE_F32, c->o);
    MAKE(b, b->dtype, c->n, oh, ow, c->o);
    MAKE(b, DTYPE_F32, c->o, c->kernel, c->kernel, c->c);
    double flops = 2.0 * c->n * oh * ow * (double)tensor_count(b->t[WEIGHTS]);
    double bytes = bytes_of(b) - (double)tensor_bytes(b->t[GRADIENT]);
    figures(b, "forward", flops, bytes, conv_forward);
    figures(b, "backward_data", flops, bytes, conv_backward_data);
    figures(b, "backward_weights", flops, bytes, conv_backward_weights);
    for (int i = SHIFT; i < RESIDUAL; i++)
        MAKE(b, DTYPE_F32, c->o);
    if (b->precision == PRECISION_F32)
        figures(b, "batchnorm_fold", 0.0, 2.0 * (double)tensor_bytes(b->t[WEIGHTS]), conv_fold);
    if (c->c != c->o || c->stride != 1) return;
    MAKE(b, b->dtype, c->n, oh, ow, c->o);
    figures(b, "forward_residual", flops, bytes + (double)tensor_bytes(b->t[RESIDUAL]), conv_residual);
}

static void linear_forward(struct bench_ops *b) {
    b->queue->op->linear_forward(b->queue, b->t[OUT], b->t[IN], weights(b), b->t[BIAS], ACTIVATION_NONE);
}
static void linear_backward_data(struct bench_ops *b) {
    b->queue->op->linear_backward_data(b->queue, b->t[IN], b->t[OUT], weights(b), false);
}
static void linear_backward_weights(struct bench_ops *b) {
    b->queue->op->linear_backward_weights(b->queue, b->t[GRADIENT], b->t[IN], b->t[OUT]);
}

static void bench_linear(struct bench_ops *b) {
    const struct ops_case *c = b->c;
    MAKE(b, b->dtype, c->n, c->c);
    MAKE(b, DTYPE_F32, c->o, c->c);
    MAKE(b, DTYPE_F32, c->o);
    MAKE(b, b->dtype, c->n, c->o);
    MAKE(b, DTYPE_F32, c->o, c->c);
    double flops = 2.0 * c->n * c->c * c->o, bytes = bytes_of(b) - (double)tensor_bytes(b->t[GRADIENT]);
    figures(b, "forward", flops, bytes, linear_forward);
    figures(b, "backward_data", flops, bytes, linear_backward_data);
    figures(b, "backward_weights", flops, bytes, linear_backward_weights);
}

/* ---- what memory bounds -----------------------------------------------------------------------------------
 */

static void norm_train(struct bench_ops *b) {
    b->queue->op->batchnorm_train(b->queue, b->t[1], b->t[3], b->t[4], b->t[5], b->t[6], b->t[0], b->t[7],
                                  b->t[8], tensor_none(), ACTIVATION_RELU, 0.1f, 1e-5f);
}
static void norm_infer(struct bench_ops *b) {
    b->queue->op->batchnorm_infer(b->queue, b->t[1], b->t[0], b->t[7], b->t[8], b->t[5], b->t[6],
                                  tensor_none(), ACTIVATION_RELU, 1e-5f);
}
static void norm_backward(struct bench_ops *b) {
    b->queue->op->batchnorm_backward(b->queue, b->t[2], tensor_none(), b->t[3], b->t[4], b->t[2], b->t[1],
                                     b->t[0], b->t[7], b->t[8], b->t[9], ACTIVATION_RELU, false);
}

static void bench_norm(struct bench_ops *b) {
    const struct ops_case *c = b->c;
    for (int i = 0; i < 3; i++)
        MAKE(b, b->dtype, c->n, c->h, c->w, c->c);
    for (int i = 3; i < 10; i++)
        MAKE(b, DTYPE_F32, c->c);
    double bytes = (double)tensor_bytes(b->t[0]);
    figures(b, "train", 0.0, 3.0 * bytes, norm_train);
    figures(b, "infer", 0.0, 2.0 * bytes, norm_infer);
    figures(b, "backward", 0.0, 7.0 * bytes, norm_backward);
}

static void map_activation(struct bench_ops *b) {
    b->queue->op->activation_forward(b->queue, b->t[0], b->t[1], ACTIVATION_RELU);
}
static void map_activation_backward(struct bench_ops *b) {
    b->queue->op->activation_backward(b->queue, b->t[0], b->t[1], b->t[2], ACTIVATION_RELU, false);
}
static void map_add(struct bench_ops *b) {
    b->queue->op->add_forward(b->queue, b->t[0], b->t[1], b->t[2], ACTIVATION_RELU);
}
static void map_scale(struct bench_ops *b) {
    b->queue->op->scale(b->queue, b->t[0], b->t[1], 1.0f, false);
}
static void map_fill(struct bench_ops *b) {
    b->queue->op->fill(b->queue, b->t[0], 0.0f);
}
static void map_bias(struct bench_ops *b) {
    b->queue->op->bias_forward(b->queue, b->t[0], b->t[1], b->t[3], ACTIVATION_RELU);
}
static void map_bias_backward(struct bench_ops *b) {
    b->queue->op->bias_backward(b->queue, b->t[3], b->t[1]);
}
static void map_pool(struct bench_ops *b) {
    b->queue->op->pool_forward(b->queue, b->t[4], b->t[1], POOLING_MEAN);
}
static void map_pool_backward(struct bench_ops *b) {
    b->queue->op->pool_backward(b->queue, b->t[0], b->t[4], b->t[4], b->t[1], POOLING_MEAN, false);
}

static void bench_map(struct bench_ops *b) {
    const struct ops_case *c = b->c;
    for (int i = 0; i < 3; i++)
        MAKE(b, b->dtype, c->n, c->h, c->w, c->c);
    MAKE(b, DTYPE_F32, c->c);
    MAKE(b, b->dtype, c->n, c->c);
    double bytes = (double)tensor_bytes(b->t[0]);
    figures(b, "activation_forward", 0.0, 2.0 * bytes, map_activation);
    figures(b, "activation_backward", 0.0, 3.0 * bytes, map_activation_backward);
    figures(b, "add_forward", 0.0, 3.0 * bytes, map_add);
    figures(b, "scale", 0.0, 2.0 * bytes, map_scale);
    figures(b, "fill", 0.0, bytes, map_fill);
    figures(b, "bias_forward", 0.0, 2.0 * bytes, map_bias);
    figures(b, "bias_backward", 0.0, bytes, map_bias_backward);
    figures(b, "pool_forward", 0.0, bytes, map_pool);
    figures(b, "pool_backward", 0.0, bytes, map_pool_backward);
}

static void loss_softmax(struct bench_ops *b) {
    b->queue->op->softmax_forward(b->queue, b->t[0], b->t[1], tensor_none());
}
static void loss_softmax_backward(struct bench_ops *b) {
    b->queue->op->softmax_backward(b->queue, b->t[0], b->t[1], b->t[2], false);
}
static void loss_log_softmax(struct bench_ops *b) {
    b->queue->op->log_softmax_forward(b->queue, b->t[0], b->t[1], tensor_none());
}
static void loss_log_softmax_backward(struct bench_ops *b) {
    b->queue->op->log_softmax_backward(b->queue, b->t[0], b->t[1], b->t[2], false);
}
static void loss_squared_error(struct bench_ops *b) {
    b->queue->op->squared_error(b->queue, b->t[3], b->t[0], b->t[1], b->t[2], tensor_none(), 1.0f);
}
static void loss_policy(struct bench_ops *b) {
    static const struct policy_constants constants = {SURROGATE_CLIP, 0.2f, 0.0f, 0.2f, 0.5f, 0.01f};
    b->queue->op->policy_loss(b->queue, b->t[4], b->t[0], b->t[5], b->t[1], b->t[6], b->t[7], b->t[3],
                              b->t[3], b->t[3], b->t[3], tensor_none(), (struct choices){1, {b->c->c}},
                              constants, 1.0f);
}
static void loss_cross_entropy(struct bench_ops *b) {
    b->queue->op->cross_entropy(b->queue, b->t[3], b->t[0], b->t[1], b->t[2], tensor_none(), tensor_none(),
                                1.0f);
}

static void bench_loss(struct bench_ops *b) {
    if (b->precision != PRECISION_F32) return;
    const struct ops_case *c = b->c;
    for (int i = 0; i < 3; i++)
        MAKE(b, DTYPE_F32, c->n, c->c);
    MAKE(b, DTYPE_F32, c->n);
    MAKE(b, DTYPE_F32, c->n, 5);
    MAKE(b, DTYPE_F32, c->n, 1);
    MAKE(b, DTYPE_F32, c->n, 1);
    MAKE(b, DTYPE_I32, c->n);
    double bytes = (double)tensor_bytes(b->t[0]), column = (double)tensor_bytes(b->t[3]);
    figures(b, "softmax_forward", 0.0, 2.0 * bytes, loss_softmax);
    figures(b, "softmax_backward", 0.0, 3.0 * bytes, loss_softmax_backward);
    figures(b, "log_softmax_forward", 0.0, 2.0 * bytes, loss_log_softmax);
    figures(b, "log_softmax_backward", 0.0, 3.0 * bytes, loss_log_softmax_backward);
    figures(b, "squared_error", 0.0, 3.0 * bytes, loss_squared_error);
    figures(b, "policy_loss", 0.0, 2.0 * bytes + 12.0 * column, loss_policy);
    figures(b, "cross_entropy", 0.0, 3.0 * bytes, loss_cross_entropy);
}

static void step_squares(struct bench_ops *b) {
    b->queue->op->sum_squares(b->queue, b->t[5], b->t[3]);
}
static void step_clip(struct bench_ops *b) {
    b->queue->op->clip_scale(b->queue, b->t[4], b->t[5], 1.0f);
}
static void step_sgd(struct bench_ops *b) {
    b->queue->op->sgd_step(b->queue, b->t[0], b->t[1], b->t[3], b->t[4]);
}
static void step_adam(struct bench_ops *b) {
    b->queue->op->adam_step(b->queue, b->t[0], b->t[1], b->t[2], b->t[3], b->t[4], false);
}

static void bench_step(struct bench_ops *b) {
    if (b->precision != PRECISION_F32) return;
    for (int i = 0; i < 4; i++)
        MAKE(b, DTYPE_F32, b->c->n);
    MAKE(b, DTYPE_F32, HYPER_COUNT);
    MAKE(b, DTYPE_F32, 1);
    double bytes = (double)tensor_bytes(b->t[0]);
    figures(b, "sum_squares", 0.0, bytes, step_squares);
    figures(b, "clip_scale", 0.0, (double)sizeof(float) * 2.0, step_clip);
    figures(b, "sgd_step", 0.0, 5.0 * bytes, step_sgd);
    figures(b, "adam_step", 0.0, 7.0 * bytes, step_adam);
}

static void report_peaks(const struct bench_ops *b) {
    for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++)
        if (precision_choose(b->device, p) == p)
            report_value(b->report, b->peaks.flops[p] * 1e-9, "GFLOP/s", "ops.peak.%s.gflops",
                         precision_name(p));
    report_value(b->report, b->peaks.copy * 1e-9, "GB/s", "ops.peak.copy.gbytes");
}

/* One operation in one precision; only products are something else in TF32 than in F32. */
static void run_case(struct bench_ops *b, const struct ops_case *c, enum precision precision) {
    static void (*const families[])(struct bench_ops * b) = {bench_conv, bench_linear, bench_norm,
                                                             bench_map,  bench_loss,   bench_step};
    if (precision == PRECISION_TF32 && c->family > FAMILY_LINEAR) return;
    b->c = c;
    b->precision = precision;
    b->dtype = precision == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32;
    b->queue->tf32 = precision == PRECISION_TF32;
    b->version++;
    families[c->family](b);
    release_all(b);
}

/* AUTO: in each precision that the device has. */
static void run_all(struct bench_ops *b, enum precision wanted) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++) {
            const bool asked = wanted == PRECISION_AUTO || precision_choose(b->device, wanted) == p;
            if (asked && precision_choose(b->device, p) == p) run_case(b, &cases[i], p);
        }
}

static enum status bench_ops_run(const struct report *report, int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    long threads = 0;
    enum precision precision;
    struct bench_ops b = {.report = report, .version = 1, .seconds = 0.1};
    const char *device = option_text(&o, "device", "auto");
    b.filter = option_text(&o, "filter", NULL);
    TRY(precision_parse(option_text(&o, "precision", "auto"), &precision));
    TRY(option_long(&o, "threads", &threads, 0, 4096));
    TRY(option_double(&o, "seconds", &b.seconds, 0.001, 3600));
    TRY(option_end(&o));
    TRY(device_open(device, (int)threads, &b.device));
    enum status s = queue_open(b.device, 0, &b.queue);
    if (s == STATUS_OK) {
        report_note(report,
                    "operations on %s; share: of the measured peaks, arithmetic or memory, whichever is more",
                    b.device->name);
        s = peaks_measure(b.queue, 5 * b.seconds, &b.peaks);
        if (s == STATUS_OK) {
            report_peaks(&b);
            run_all(&b, precision);
            s = queue_wait(b.queue);
            if (s == STATUS_OK && b.shown == 0)
                s = status_fail(
                    STATUS_USAGE,
                    "--filter %s: no figure's name holds it, as ops.conv3x3_64_7x7.forward.f32 does",
                    b.filter);
        }
        queue_close(b.queue);
    }
    device_close(b.device);
    return s;
}

const struct bench bench_ops = {
    .name = "ops",
    .summary = "time, rate and share of the machine's peak of every operation",
    .help =
        "  --device cpu|cuda[:INDEX]|auto   where to run (auto)\n"
        "  --precision P                    f32, tf32 (a GPU's products), bf16; auto: all of them (auto)\n"
        "  --threads T                      cores of a CPU (all)\n"
        "  --seconds S                      how long each figure is measured (0.1)\n"
        "  --filter TEXT                    only figures whose names hold TEXT, as conv3x3_64_7x7\n",
    .run = bench_ops_run,
};
