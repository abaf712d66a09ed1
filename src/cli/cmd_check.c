/* tengen check: one network on two devices, layer by layer. The reference is the CPU's plain loops.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "ops/reference.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/net_check.h"
#include "tengen/net_evaluator.h"
#include "tengen/player.h"
#include "tengen/rng.h"
#include "tengen/run.h"

struct check_command {
    const char *what, *device;
    long batch;
    double tolerance; /* in place of both; NAN: check_tolerance */
    bool all;
    enum precision precision;
    struct report report;
};

/* What one side computes: every tensor's values, in the same order on both sides. */
struct side {
    struct device *device;
    struct queue *queue;
    struct net *net;
    struct game *game; /* of a weights file */
    int count, room;
    struct part {
        char name[128];
        size_t count;
        float *values;
        bool gradient;
    } * parts;
    enum precision precision;
};

static void side_free(struct side *s) {
    for (int i = 0; i < s->count; i++)
        mem_free(s->parts[i].values);
    mem_free(s->parts);
    net_free(s->net);
    game_free(s->game);
    queue_close(s->queue);
    if (s->device) device_close(s->device);
}

/* Takes over `values`. */
static void add_part(struct side *s, bool gradient, float *values, size_t count, const char *stage,
                     const char *name) {
    if (s->count == s->room) {
        s->parts = mem_resize(s->parts, (size_t)s->room, (size_t)s->room * 2 + 64, sizeof *s->parts);
        s->room = s->room * 2 + 64;
    }
    struct part *p = &s->parts[s->count++];
    *p = (struct part){.count = count, .values = values, .gradient = gradient};
    snprintf(p->name, sizeof p->name, "%s.%.100s", stage, name);
}

static enum status open_side(struct side *s, const struct check_command *c, const char *device) {
    TRY(device_open(device, 0, &s->device));
    TRY(queue_open(s->device, 0, &s->queue));
    const struct model *m = model_find(c->what);
    if (m) {
        TRY(model_create(&m->bench_config, m->bench_shape, s->device, &s->net));
        return net_initialise(s->net, 1);
    }
    char path[1024];
    TRY(run_find_checkpoint(c->what, path, sizeof path));
    return net_load(path, s->device, NULL, 0, &s->game, &s->net);
}

/* Uploads count values in [0, 1) times `scale`, the same on both sides. */
static enum status upload_random(struct side *s, struct tensor t, uint64_t stream, float scale) {
    struct rng rng = rng_make(1, RNG_TEST, stream);
    float *host = MEM_NEW(float, tensor_count(t));
    for (size_t i = 0; i < tensor_count(t); i++)
        host[i] = scale * rng_uniform(&rng);
    queue_upload(s->queue, t, host);
    enum status status = queue_wait(s->queue);
    mem_free(host);
    return status;
}

static void read_nodes(struct side *s, struct plan *plan, int batch, const char *stage) {
    for (int i = 0; i < net_nodes(s->net); i++) {
        char name[128];
        size_t room = net_node_count(s->net, i) * (size_t)batch;
        float *values = MEM_NEW(float, room + 1);
        size_t count = plan_read_node(plan, i, batch, values) * (size_t)batch;
        net_node_text(s->net, i, name, sizeof name);
        if (count > 0)
            add_part(s, false, values, count, stage, name);
        else
            mem_free(values); /* fused with what follows */
    }
}

static void read_gradients(struct side *s) {
    struct tensor slab = net_gradients(s->net);
    float *host = MEM_NEW(float, tensor_count(slab));
    queue_download(s->queue, host, slab);
    for (int i = 0; i < net_segments(s->net); i++) {
        const struct segment *segment = net_segment(s->net, i);
        if (segment->flags & SEGMENT_STATE) continue;
        float *values = MEM_NEW(float, segment->count);
        memcpy(values, host + segment->offset, segment->count * sizeof *values);
        add_part(s, true, values, segment->count, "gradient", segment->name);
    }
    mem_free(host);
}

/* A training pass with every activation and gradient, then an inference pass with every activation. */
static enum status run_side(struct side *s, const struct check_command *c, enum precision precision) {
    int batch = (int)c->batch;
    static const enum plan_mode modes[] = {PLAN_TRAIN, PLAN_INSPECT};
    for (int i = 0; i < 2; i++) {
        const enum plan_mode mode = modes[i];
        struct plan *plan;
        TRY(plan_create(s->net, s->queue, mode, precision, batch, &plan));
        s->precision = plan_precision(plan);
        enum status status = upload_random(s, plan_input(plan, "observation"), 0, 1);
        plan_forward(plan, batch);
        read_nodes(s, plan, batch, mode == PLAN_TRAIN ? "training" : "inference");
        for (int k = 0; mode == PLAN_TRAIN && status == STATUS_OK && k < net_outputs(s->net); k++)
            status = upload_random(s, plan_output_gradient(plan, net_output_name(s->net, k)), (uint64_t)k + 1,
                                   1.0f / (float)batch);
        if (mode == PLAN_TRAIN && status == STATUS_OK) {
            plan_backward(plan, batch);
            read_gradients(s);
        }
        if (status == STATUS_OK) status = queue_wait(s->queue);
        plan_free(plan);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status compare(const struct check_command *c, const struct side *got, const struct side *want) {
    ENSURE(got->count == want->count, "%d and %d tensors to compare", got->count, want->count);
    const struct part *worst = NULL, *first = NULL;
    double most = -1, first_error = 0;
    for (int i = 0; i < want->count; i++) {
        const struct part *p = &want->parts[i];
        double error = check_error(got->parts[i].values, p->values, p->count, 0);
        double tolerance = !isnan(c->tolerance) ? c->tolerance : check_tolerance(got->precision, p->gradient);
        if (c->all) report_value(&c->report, error, "relative", "check.%s", p->name);
        if (!isnan(most) && !(error <= most)) most = error, worst = p; /* a NaN is the worst, and stays */
        if (!(error <= tolerance) && !first) first = p, first_error = error;
    }
    report_note(&c->report,
                "%s on %s in %s: %d tensors against the CPU's plain loops, largest error %.2g in %s", c->what,
                got->device->name, precision_name(got->precision), want->count, most,
                worst ? worst->name : "none");
    report_value(&c->report, most, "relative", "check.largest");
    if (!first) return STATUS_OK;
    return status_fail(STATUS_NUMERIC, "%s is the first beyond tolerance: error %.3g, on %s", first->name,
                       first_error, got->device->name);
}

static enum status check_network(const struct check_command *c) {
    struct side reference = {0}, tested = {0};
    enum status s = open_side(&tested, c, c->device);
    if (s == STATUS_OK) s = run_side(&tested, c, c->precision);
    bool plain = cpu_uses_reference();
    cpu_use_reference(true);
    if (s == STATUS_OK) s = open_side(&reference, c, "cpu");
    if (s == STATUS_OK) s = run_side(&reference, c, tested.precision);
    cpu_use_reference(plain);
    if (s == STATUS_OK) s = compare(c, &tested, &reference);
    side_free(&reference);
    side_free(&tested);
    return s;
}

static enum status check_run(int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    struct check_command c = {.device = option_text(&o, "device", "auto"), .batch = 4, .tolerance = NAN};
    TRY(precision_parse(option_text(&o, "precision", "auto"), &c.precision));
    TRY(option_long(&o, "batch", &c.batch, 1, 4096));
    TRY(option_double(&o, "tolerance", &c.tolerance, 0, 1));
    c.all = option_flag(&o, "all");
    c.report.json = option_flag(&o, "json");
    TRY(option_done(&o));
    c.what = option_word(&o);
    TRY(option_end(&o));
    if (!c.what)
        return status_fail(STATUS_USAGE, "which network? tengen check FILE, or a name of models/models.def");
    if (!model_find(c.what) && !file_exists(c.what))
        return status_fail(STATUS_USAGE, "%s: neither a file nor a name of models/models.def", c.what);
    return check_network(&c);
}

const struct command command_check = {
    .name = "check",
    .summary = "hold a device's results against the CPU's plain loops, layer by layer",
    .usage =
        "tengen check FILE|MODEL [--device D] [--precision P] [--batch N] [--tolerance T] [--all] [--json]",
    .help =
        "Runs the same weights on the same random inputs twice: by the CPU's plain loops, and on the device\n"
        "under test, both in its precision. Compares every layer's activations of a training pass, every\n"
        "parameter's gradient, and every layer of an inference pass. The first tensor beyond tolerance is "
        "named,\n"
        "and the exit code is 1.\n\n"
        "  FILE | MODEL     a weights file, a checkpoint or a run directory of a game; or a model's "
        "bench network\n"
        "  --device D       cpu, cuda, cuda:N or auto (auto)\n"
        "  --precision P    auto, f32, tf32 or bf16 (auto)\n"
        "  --batch N        samples (4)\n"
        "  --tolerance T    rms of the difference over rms of the values; by default 1e-4 in f32, 0.01 "
        "in tf32, 0.05 in bf16,\n"
        "                   for gradients ten times as much\n"
        "  --all            prints every tensor's error; --json: as JSON\n\n"
        "  tengen check models/go7.h5 --device cuda\n",
    .run = check_run,
};
