/* tengen bench net: positions a second of a whole network, acting and learning. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/peaks.h"
#include "tengen/config.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/player.h"
#include "tengen/rng.h"
#include "tengen/thread.h"

enum { BATCHES_MAX = 16, TRAIN_FROM = 32 /* smaller batches are not trained on */ };

struct net_bench {
    const struct report *report;
    char name[128];
    struct net *net;
    struct queue *queue;
    enum precision precision;
    double seconds;
    int batches[BATCHES_MAX], batch_count;
    struct peaks peaks;
};

static enum status fill_input(struct plan *plan, struct queue *q) {
    struct tensor x = plan_input(plan, "observation");
    struct rng rng = rng_make(1, RNG_TEST, 0);
    float *values = MEM_NEW(float, tensor_count(x));
    for (size_t i = 0; i < tensor_count(x); i++)
        values[i] = rng_uniform(&rng) < 0.3f;
    queue_upload(q, x, values);
    enum status s = queue_wait(q);
    mem_free(values);
    return s;
}

static enum status pass(struct plan *plan, struct queue *q, int batch, bool train) {
    plan_forward(plan, batch);
    if (train) plan_backward(plan, batch);
    return queue_wait(q);
}

/* The best of several calls, so that another process on the machine does not count. */
static enum status best_seconds(const struct net_bench *b, struct plan *plan, int batch, bool train,
                                double *best) {
    TRY(fill_input(plan, b->queue));
    TRY(pass(plan, b->queue, batch, train)); /* compiles kernels, reorders weights */
    double end = clock_now() + b->seconds;
    *best = 1e30;
    for (int i = 0; i < 3 || clock_now() < end; i++) {
        double start = clock_now();
        TRY(pass(plan, b->queue, batch, train));
        double spent = clock_now() - start;
        if (spent < *best) *best = spent;
    }
    return STATUS_OK;
}

static enum status measure(const struct net_bench *b, int batch, bool train) {
    struct plan *plan;
    TRY(plan_create(b->net, b->queue, train ? PLAN_TRAIN : PLAN_INFER, b->precision, batch, &plan));
    double seconds;
    enum status s = best_seconds(b, plan, batch, train, &seconds);
    const enum precision precision = plan_precision(plan);
    plan_free(plan);
    if (s != STATUS_OK) return s;
    const char *mode = train ? "train" : "infer", *type = precision_name(precision);
    /* The backward pass does two products for one. */
    double rate = net_flops(b->net) * batch * (train ? 3 : 1) / seconds;
    report_value(b->report, batch / seconds, "positions/s", "net.%s.%s.b%d.%s.positions", b->name, mode,
                 batch, type);
    report_value(b->report, seconds * 1e3, "ms", "net.%s.%s.b%d.%s.ms", b->name, mode, batch, type);
    report_value(b->report, rate / 1e9, "GFLOP/s", "net.%s.%s.b%d.%s.gflops", b->name, mode, batch, type);
    report_value(b->report,
                 net_traffic(b->net, batch, precision == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32) *
                     (train ? 3 : 1) / seconds / 1e9,
                 "GB/s", "net.%s.%s.b%d.%s.gbytes", b->name, mode, batch, type);
    report_value(b->report, rate / b->peaks.flops[precision], "of peak", "net.%s.%s.b%d.%s.share", b->name,
                 mode, batch, type);
    return STATUS_OK;
}

static enum status measure_all(struct net_bench *b) {
    TRY(peaks_measure(b->queue, b->seconds / 2, &b->peaks));
    for (int i = 0; i < b->batch_count; i++) {
        TRY(measure(b, b->batches[i], false));
        if (b->batches[i] >= TRAIN_FROM) TRY(measure(b, b->batches[i], true));
    }
    return STATUS_OK;
}

/* "1,32,64" */
static enum status parse_batches(const char *text, struct net_bench *b) {
    for (const char *at = text; b->batch_count < BATCHES_MAX; at++) {
        char *end;
        long n = strtol(at, &end, 10);
        if (end == at || n < 1 || n > 65536 || (*end && *end != ',')) break;
        b->batches[b->batch_count++] = (int)n;
        if (!*end) return STATUS_OK;
        at = end;
    }
    return status_fail(STATUS_USAGE,
                       "--batch %s: should be up to %d numbers from 1 to 65536 with commas between", text,
                       BATCHES_MAX);
}

static enum status unknown_model(const char *name) {
    const char *names[32];
    int count = model_count() < 32 ? model_count() : 32;
    for (int i = 0; i < count; i++)
        names[i] = model_at(i)->name;
    const char *nearest = config_nearest(name, names, count);
    return status_fail(STATUS_USAGE, "no model named %s%s%s", name, nearest ? "; did you mean " : "",
                       nearest ? nearest : "");
}

static enum status run_all(struct net_bench *b, const struct model *m, const char *device_name, long threads,
                           const struct model_config *config, struct model_shape shape) {
    struct device *device;
    TRY(device_open(device_name, (int)threads, &device));
    enum status s = queue_open(device, 0, &b->queue);
    if (s == STATUS_OK) s = model_create(config, shape, device, &b->net);
    if (s == STATUS_OK) {
        net_initialise(b->net, 1);
        snprintf(b->name, sizeof b->name, strcmp(m->name, "resnet") == 0 ? "%s_%dx%d_%d" : "%s", m->name,
                 config->blocks, config->channels, shape.h);
        report_note(b->report, "%s on %s: %zu parameters, %.3g GFLOP a position", b->name, device->name,
                    net_parameters(b->net), net_flops(b->net) / 1e9);
        s = measure_all(b);
    }
    net_free(b->net);
    if (b->queue) queue_close(b->queue);
    device_close(device);
    return s;
}

static enum status bench_net_run(const struct report *report, int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    long threads = 0, blocks = 0, channels = 0, size = 0;
    struct net_bench b = {.report = report, .seconds = 1};
    const char *device = option_text(&o, "device", "auto"), *precision = option_text(&o, "precision", "auto"),
               *batches = option_text(&o, "batch", "1,32,64,256");
    TRY(option_long(&o, "threads", &threads, 0, 4096));
    TRY(option_long(&o, "blocks", &blocks, 0, 200));
    TRY(option_long(&o, "channels", &channels, 1, 4096));
    TRY(option_long(&o, "size", &size, 1, 1024));
    TRY(option_double(&o, "seconds", &b.seconds, 0.01, 3600));
    TRY(option_done(&o));
    TRY(parse_batches(batches, &b));
    TRY(precision_parse(precision, &b.precision));
    const char *name = option_word(&o);
    TRY(option_end(&o));
    const struct model *m = model_find(name ? name : "resnet");
    if (!m) return unknown_model(name);
    struct model_config config = m->bench_config;
    struct model_shape shape = m->bench_shape;
    if (blocks) config.blocks = (int)blocks;
    if (channels) config.channels = (int)channels;
    if (size) {
        shape.h = shape.w = (int)size;
        shape.actions = (int)(size * size) + 1;
    }
    return run_all(&b, m, device, threads, &config, shape);
}

const struct bench bench_net = {
    .name = "net",
    .summary = "positions a second of a network, inference and training",
    .help = "  tengen bench net [MODEL] [--batch N,...] [--precision auto|f32|tf32|bf16] [--threads T]\n"
            "                   [--device D] [--blocks B] [--channels C] [--size S] [--seconds T]\n"
            "  MODEL is a name of models/models.def (default resnet: 10 blocks x 128 on 19x19). Batches are\n"
            "  1,32,64,256; training is measured from 32 on. share: of the device's best rate, which is\n"
            "  measured first.\n",
    .run = bench_net_run,
};
