/* tengen bench net: positions a second of a whole network, acting and learning. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "tengen/config.h"
#include "tengen/model.h"
#include "tengen/rng.h"
#include "tengen/thread.h"

struct net_bench {
    const struct report *report;
    char name[128];
    struct net *net;
    struct queue *queue;
    enum precision precision;
    double seconds;
};

static void fill_input(struct plan *plan) {
    struct tensor x = plan_input(plan, "observation");
    struct rng rng = rng_make(1, RNG_TEST, 0);
    float *values = x.data;
    for (size_t i = 0; i < tensor_count(x); i++)
        values[i] = rng_uniform(&rng) < 0.3f;
}

/* The best of several batches of calls, so that another process on the machine does not count. */
static double best_seconds(struct plan *plan, int batch, bool train, double budget) {
    double best = 1e30, end = clock_now() + budget;
    plan_forward(plan, batch); /* compiles kernels, reorders weights */
    if (train) plan_backward(plan, batch);
    for (int i = 0; i < 3 || clock_now() < end; i++) {
        double start = clock_now();
        plan_forward(plan, batch);
        if (train) plan_backward(plan, batch);
        double spent = clock_now() - start;
        if (spent < best) best = spent;
    }
    return best;
}

static enum status measure(const struct net_bench *b, int batch, bool train) {
    struct plan *plan;
    TRY(plan_create(b->net, b->queue, train ? PLAN_TRAIN : PLAN_INFER, b->precision, batch, &plan));
    fill_input(plan);
    double seconds = best_seconds(plan, batch, train, b->seconds);
    const char *precision = plan_precision(plan) == PRECISION_BF16 ? "bf16" : "f32";
    double operations =
        net_flops(b->net) * batch * (train ? 3 : 1); /* the backward pass does two products for one */
    const char *mode = train ? "train" : "infer";
    report_value(b->report, batch / seconds, "positions/s", "net.%s.%s.b%d.%s.positions", b->name, mode,
                 batch, precision);
    report_value(b->report, operations / seconds / 1e9, "GFLOP/s", "net.%s.%s.b%d.%s.gflops", b->name, mode,
                 batch, precision);
    plan_free(plan);
    return STATUS_OK;
}

static enum status parse_precision(const char *text, enum precision *precision) {
    *precision = strcmp(text, "f32") == 0    ? PRECISION_F32
                 : strcmp(text, "bf16") == 0 ? PRECISION_BF16
                                             : PRECISION_AUTO;
    if (*precision == PRECISION_AUTO && strcmp(text, "auto") != 0)
        return status_fail(STATUS_USAGE, "--precision %s: is none of auto, f32, bf16", text);
    return STATUS_OK;
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
                           long batch, const struct model_config *config, struct model_shape shape) {
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
        const int batches[] = {1, 32, 64, 256};
        for (int i = 0; i < 4 && s == STATUS_OK; i++) {
            int n = batch ? (int)batch : batches[i];
            s = measure(b, n, false);
            if (s == STATUS_OK && n >= 32) s = measure(b, n, true);
            if (batch) break;
        }
    }
    net_free(b->net);
    if (b->queue) queue_close(b->queue);
    device_close(device);
    return s;
}

static enum status bench_net_run(const struct report *report, int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    long batch = 0, threads = 0, blocks = 0, channels = 0, size = 0;
    struct net_bench b = {.report = report, .seconds = 1};
    const char *device = option_text(&o, "device", "auto"), *precision = option_text(&o, "precision", "auto");
    TRY(option_long(&o, "batch", &batch, 1, 65536));
    TRY(option_long(&o, "threads", &threads, 0, 4096));
    TRY(option_long(&o, "blocks", &blocks, 0, 200));
    TRY(option_long(&o, "channels", &channels, 1, 4096));
    TRY(option_long(&o, "size", &size, 1, 1024));
    TRY(option_double(&o, "seconds", &b.seconds, 0.01, 3600));
    TRY(option_done(&o));
    TRY(parse_precision(precision, &b.precision));
    const char *name = option_word(&o);
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
    return run_all(&b, m, device, threads, batch, &config, shape);
}

const struct bench bench_net = {
    .name = "net",
    .summary = "positions a second of a network, inference and training",
    .help = "  tengen bench net [MODEL] [--batch N] [--precision auto|f32|bf16] [--threads T] [--device D]\n"
            "                   [--blocks B] [--channels C] [--size S] [--seconds T]\n"
            "  MODEL is a name of models/models.def (default resnet: 10 blocks x 128 on 19x19).\n",
    .run = bench_net_run,
};
