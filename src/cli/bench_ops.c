/* tengen bench ops: every operation at the shapes that Tengen's networks have, and at some that no cache
 * holds. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_ops.h"
#include "cli/cli.h"
#include "cli/measure.h"
#include "cli/peaks.h"
#include "tengen/log.h"

static const struct op_shape shapes[] = {
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
    {FAMILY_PLANES, "planes_17_7x7", 256, 7, 7, 17, 0, 0, 0, 0},
    {FAMILY_PLANES, "planes_17_19x19", 256, 19, 19, 17, 0, 0, 0, 0},
    {FAMILY_PLANES, "large_planes_17_19x19", 0, 19, 19, 17, 0, 0, 0, 0},
    {FAMILY_MAP, "64_7x7", 256, 7, 7, 64, 0, 0, 0, 0},
    {FAMILY_MAP, "128_19x19", 64, 19, 19, 128, 0, 0, 0, 0},
    {FAMILY_MAP, "2_19x19", 64, 19, 19, 2, 0, 0, 0, 0},
    {FAMILY_MAP, "large_128_19x19", 0, 19, 19, 128, 0, 0, 0, 0},
    {FAMILY_FRAMES, "frames_84x84", 32, 84, 84, 4, 0, 0, 0, 0},
    {FAMILY_FRAMES, "large_frames_84x84", 0, 84, 84, 4, 0, 0, 0, 0},
    {FAMILY_ROWS, "rows_362", 256, 0, 0, 362, 0, 0, 0, 0},
    {FAMILY_ROWS, "rows_6", 4096, 0, 0, 6, 0, 0, 0, 0},
    {FAMILY_ROWS, "large_rows_362", 0, 0, 0, 362, 0, 0, 0, 0},
    {FAMILY_ROWS, "large_rows_6", 0, 0, 0, 6, 0, 0, 0, 0},
    {FAMILY_ROLLOUT, "rollout_128x1024", 1024, 128, 0, 400, 0, 0, 0, 0},
    {FAMILY_ROLLOUT, "large_rollout_128", 0, 128, 0, 400, 0, 0, 0, 0},
    {FAMILY_RECURRENT, "units_64", 32, 0, 0, 64, 0, 0, 0, 0},
    {FAMILY_RECURRENT, "units_256", 1024, 0, 0, 256, 0, 0, 0, 0},
    {FAMILY_RECURRENT, "large_units_256", 0, 0, 0, 256, 0, 0, 0, 0},
    {FAMILY_WEIGHTS, "weights_512_3136", 512, 0, 0, 3136, 0, 0, 0, 0},
    {FAMILY_WEIGHTS, "large_weights_1152", 0, 0, 0, 1152, 0, 0, 0, 0},
    {FAMILY_STEP, "weights_3M", 3000000, 0, 0, 0, 0, 0, 0, 0},
    {FAMILY_STEP, "large_weights", 0, 0, 0, 0, 0, 0, 0, 0},
};

struct bench_ops {
    const struct report *report;
    const char *filter;
    struct device *device;
    struct queue *queue;
    int shown;      /* operations that the filter let through */
    double seconds; /* how long a figure is measured */
    struct peaks peaks;
    struct op_operands operands;
};

/* Prints one operation: time, rate and the larger of its shares of the peaks. */
static enum status figures(struct bench_ops *b, const struct op_entry *e, const char *name,
                           enum precision p) {
    const struct op_operands *o = &b->operands;
    double seconds, bytes = e->main * o->main + e->column * o->column;
    TRY(measure_call(b->queue, b->seconds, e->call, &b->operands, &seconds));
    double share = fmax(o->flops / seconds / b->peaks.flops[p], bytes / seconds / b->peaks.copy);
    report_value(b->report, seconds * 1e6, "us", "%s.us", name);
    if (o->flops > 0) report_value(b->report, o->flops / seconds * 1e-9, "GFLOP/s", "%s.gflops", name);
    report_value(b->report, bytes / seconds * 1e-9, "GB/s", "%s.gbytes", name);
    report_value(b->report, share, "of peak", "%s.share", name);
    return STATUS_OK;
}

/* Whether an operation at this shape is something else in precision `p` than in F32. */
static bool precision_matters(enum family family, enum precision p) {
    if (p == PRECISION_TF32) return family <= FAMILY_LINEAR;
    return p == PRECISION_F32 || family <= FAMILY_MAP;
}

/* The operations of one shape that the filter lets through; operands are made for the first of them. */
static enum status run_shape(struct bench_ops *b, const struct op_shape *shape, enum precision p) {
    enum status s = STATUS_OK;
    if (!precision_matters(shape->family, p)) return STATUS_OK;
    b->queue->tf32 = p == PRECISION_TF32;
    for (int i = 0; i < op_entry_count && s == STATUS_OK; i++) {
        char name[128];
        if (op_entries[i]->family != shape->family) continue;
        snprintf(name, sizeof name, "ops.%s.%s.%s", shape->name, op_entries[i]->name, precision_name(p));
        if (b->filter && !strstr(name, b->filter)) continue;
        if (b->operands.count == 0)
            op_operands_make(&b->operands, b->queue, shape, p == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32);
        b->shown++;
        s = figures(b, op_entries[i], name, p);
    }
    op_operands_free(&b->operands);
    return s;
}

static void report_peaks(const struct bench_ops *b) {
    for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++)
        if (precision_choose(b->device, p) == p)
            report_value(b->report, b->peaks.flops[p] * 1e-9, "GFLOP/s", "ops.peak.%s.gflops",
                         precision_name(p));
    report_value(b->report, b->peaks.copy * 1e-9, "GB/s", "ops.peak.copy.gbytes");
}

/* AUTO: in each precision that the device has. */
static enum status run_all(struct bench_ops *b, enum precision wanted) {
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++) {
            const bool asked = wanted == PRECISION_AUTO || precision_choose(b->device, wanted) == p;
            if (asked && precision_choose(b->device, p) == p) TRY(run_shape(b, &shapes[i], p));
        }
    return STATUS_OK;
}

static enum status bench_ops_run(const struct report *report, int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    long threads = 0;
    enum precision precision;
    struct bench_ops b = {.report = report, .seconds = 0.1};
    const char *device = option_text(&o, "device", "auto");
    b.filter = option_text(&o, "filter", NULL);
    if (option_flag(&o, "verbose")) log_level_set(LOG_DEBUG);
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
        report_note(report, "large: four times a cache of %.1f MiB", (double)b.device->cache / (1 << 20));
        s = peaks_measure(b.queue, 5 * b.seconds, &b.peaks);
        if (s == STATUS_OK) report_peaks(&b);
        if (s == STATUS_OK) s = run_all(&b, precision);
        if (s == STATUS_OK && b.shown == 0)
            s = status_fail(
                STATUS_USAGE,
                "--filter %s: no figure's name holds it, as ops.conv3x3_64_7x7.conv_forward.f32 does",
                b.filter);
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
        "  --filter TEXT                    only figures whose names hold TEXT, as conv3x3_64_7x7\n"
        "  --verbose                        say what was chosen of a GPU's libraries: which convolutions are "
        "fused\n",
    .run = bench_ops_run,
};
