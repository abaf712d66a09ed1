/* tengen bench net: positions a second of a whole network, acting and learning. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/measure.h"
#include "cli/peaks.h"
#include "tengen/config.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/rng.h"

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

/* One call: a forward pass, in training a backward pass, too. */
struct net_call {
    struct plan *plan;
    int batch;
    bool train;
};

static void call_run(void *context) {
    const struct net_call *c = context;
    plan_forward(c->plan, c->batch);
    if (c->train) plan_backward(c->plan, c->batch);
}

static enum status measure(const struct net_bench *b, int batch, bool train) {
    struct net_call call = {.batch = batch, .train = train};
    const char *mode = train ? "train" : "infer";
    double seconds;
    enum status s =
        plan_create(b->net, b->queue, train ? PLAN_TRAIN : PLAN_INFER, b->precision, batch, &call.plan);
    if (s == STATUS_MEMORY) {
        report_note(b->report, "%s, %s, batch %d: skipped: %s", b->name, mode, batch, status_text());
        return STATUS_OK;
    }
    TRY(s);
    s = fill_input(call.plan, b->queue);
    if (s == STATUS_OK) s = measure_call(b->queue, b->seconds, call_run, &call, &seconds);
    const enum precision precision = plan_precision(call.plan);
    plan_free(call.plan);
    TRY(s);
    const char *type = precision_name(precision);
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

/* What is timed beside the models' own bench networks, and what `all` stands for: the networks of the papers
 * (Silver et al. 2016: AlphaGo's policy; 2017: 20 blocks of 256; Mnih et al. 2015) and the 10 blocks of 128.
 */
static const struct preset {
    const char *name, *model;
    int blocks, channels; /* 0: the model's own */
} presets[] = {{"alphago_policy", "alphago_policy", 0, 0},
               {"resnet_20x256", "resnet", 20, 256},
               {"resnet", "resnet", 0, 0},
               {"nature_cnn", "nature_cnn", 0, 0}};

enum { PRESETS = sizeof presets / sizeof *presets, NAMES_MAX = 32 };

static enum status preset_find(const char *name, struct preset *out) {
    const char *names[NAMES_MAX] = {"all"};
    int count = 1;
    for (int i = 0; i < PRESETS; i++) {
        *out = presets[i];
        if (strcmp(out->name, name) == 0) return STATUS_OK;
        names[count++] = out->name;
    }
    *out = (struct preset){name, name, 0, 0};
    if (model_find(name)) return STATUS_OK;
    for (int i = 0; i < model_count() && count < NAMES_MAX; i++)
        names[count++] = model_at(i)->name;
    const char *nearest = config_nearest(name, names, count);
    return status_fail(STATUS_USAGE, "no network named %s%s%s", name, nearest ? "; did you mean " : "",
                       nearest ? nearest : "");
}

/* A network, with what the command line says of it: 0 where it says nothing. */
static enum status measure_network(struct net_bench *b, const struct preset *preset, long size) {
    const struct model *m = model_find(preset->model);
    struct model_config config = m->bench_config;
    struct model_shape shape = m->bench_shape;
    if (preset->blocks) config.blocks = preset->blocks;
    if (preset->channels) config.channels = preset->channels;
    if (size) {
        const int points = shape.h * shape.w; /* of a board: the actions, and perhaps a pass */
        if (shape.actions >= points) shape.actions += (int)(size * size) - points;
        shape.h = shape.w = (int)size;
    }
    TRY(model_create(&config, shape, b->queue->device, &b->net));
    enum status s = net_initialise(b->net, 1);
    snprintf(b->name, sizeof b->name, strcmp(m->name, "resnet") == 0 ? "%s_%dx%d_%d" : "%s", m->name,
             config.blocks, config.channels, shape.h);
    report_note(b->report, "%s on %s: %zu parameters, %.3g GFLOP a position", b->name, b->queue->device->name,
                net_parameters(b->net), net_flops(b->net) / 1e9);
    for (int i = 0; i < b->batch_count && s == STATUS_OK; i++) {
        s = measure(b, b->batches[i], false);
        if (s == STATUS_OK && b->batches[i] >= TRAIN_FROM) s = measure(b, b->batches[i], true);
    }
    net_free(b->net);
    return s;
}

/* `one` NULL: all presets. */
static enum status run_all(struct net_bench *b, const struct preset *one, long size, const char *device_name,
                           int threads) {
    struct device *device;
    TRY(device_open(device_name, threads, &device));
    enum status s = queue_open(device, 0, &b->queue);
    if (s == STATUS_OK) s = peaks_measure(b->queue, b->seconds / 2, &b->peaks);
    for (int i = 0; i < (one ? 1 : PRESETS) && s == STATUS_OK; i++)
        s = measure_network(b, one ? one : &presets[i], size);
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
    struct preset preset;
    if (!name || strcmp(name, "all") != 0) {
        TRY(preset_find(name ? name : "resnet", &preset));
        if (blocks) preset.blocks = (int)blocks;
        if (channels) preset.channels = (int)channels;
        return run_all(&b, &preset, size, device, (int)threads);
    }
    if (blocks || channels || size)
        return status_fail(STATUS_USAGE,
                           "bench net all: these networks are fixed; --blocks, --channels and --size go with "
                           "the name of one");
    return run_all(&b, NULL, 0, device, (int)threads);
}

const struct bench bench_net = {
    .name = "net",
    .summary = "positions a second of a network, inference and training",
    .help =
        "  tengen bench net [NETWORK] [--batch N,...] [--precision auto|f32|tf32|bf16] [--threads T]\n"
        "                   [--device D] [--blocks B] [--channels C] [--size S] [--seconds T]\n"
        "  NETWORK is a name of models/models.def (default resnet: 10 blocks x 128 on 19x19), "
        "resnet_20x256,\n"
        "  or all: alphago_policy (13 layers of 192), resnet_20x256, resnet and nature_cnn. Batches are\n"
        "  1,32,64,256; training is measured from 32 on; a batch for which memory is too small is skipped.\n"
        "  share: of the device's best rate, which is measured first.\n",
    .run = bench_net_run,
};
