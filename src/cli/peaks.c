#include "cli/peaks.h"

#include <math.h>

#include "cli/measure.h"
#include "ops/peak.h"
#include "tengen/ops.h"

enum { CONV_SIDE = 16, CONV_C = 256, COPY = 1 << 26 };

/* Operands of one call: y, x and, where there are any, weights. */
struct peak_call {
    struct queue *queue;
    struct tensor y, x, w;
};

static void run_conv(void *context) {
    const struct peak_call *c = context;
    c->queue->op->conv_forward(c->queue, c->y, c->x, c->w, tensor_none(), tensor_none(),
                               (struct conv){1, 1, 1, 1}, ACTIVATION_NONE);
}

static void run_linear(void *context) {
    const struct peak_call *c = context;
    c->queue->op->linear_forward(c->queue, c->y, c->x, c->w, tensor_none(), ACTIVATION_NONE);
}

static void run_copy(void *context) {
    const struct peak_call *c = context;
    c->queue->op->scale(c->queue, c->y, c->x, 1.0f, false);
}

/* Seconds of the fastest call. Operands begin as 0.01: zeros may be cheaper than numbers. */
static enum status fastest(struct queue *q, double seconds, struct peak_call c, void (*run)(void *context),
                           double *best) {
    struct tensor *operands[3] = {&c.y, &c.x, &c.w};
    uint64_t version = 1;
    c.queue = q;
    for (int i = 0; i < 3; i++) {
        if (operands[i]->rank == 0) continue;
        operands[i]->data = device_alloc(q->device, tensor_bytes(*operands[i]));
        q->op->fill(q, *operands[i], 0.01f);
    }
    c.w.version = &version;
    enum status s = measure_call(q, seconds, run, &c, best);
    for (int i = 0; i < 3; i++)
        if (operands[i]->rank > 0) device_release(q->device, operands[i]->data);
    return s;
}

/* The rate of products in one precision; a GPU needs larger ones to be full. */
static enum status products(struct queue *q, double seconds, enum precision precision, double *flops) {
    const enum dtype type = precision == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32;
    const bool gpu = q->device->kind != DEVICE_CPU;
    const int n = gpu ? 1024 : 32, matrix = gpu ? 8192 : 2048;
    double conv = INFINITY, linear;
    struct peak_call c = {.y = tensor_4(NULL, type, n, CONV_SIDE, CONV_SIDE, CONV_C),
                          .x = tensor_4(NULL, type, n, CONV_SIDE, CONV_SIDE, CONV_C),
                          .w = tensor_4(NULL, DTYPE_F32, CONV_C, 3, 3, CONV_C)};
    q->tf32 = precision == PRECISION_TF32;
    if (gpu) TRY(fastest(q, seconds, c, run_conv, &conv)); /* a CPU's makes fewer products (ops/winograd.h) */
    conv = 2.0 * n * CONV_SIDE * CONV_SIDE * CONV_C * 9 * CONV_C / conv;
    c = (struct peak_call){.y = tensor_2(NULL, type, matrix, matrix),
                           .x = tensor_2(NULL, type, matrix, matrix),
                           .w = tensor_2(NULL, DTYPE_F32, matrix, matrix)};
    TRY(fastest(q, seconds, c, run_linear, &linear));
    *flops = fmax(conv, 2.0 * matrix * matrix * matrix / linear);
    if (!gpu) *flops = fmax(*flops, q->device->threads * cpu_peak_flops(type));
    return STATUS_OK;
}

enum status peaks_measure(struct queue *q, double seconds, struct peaks *out) {
    double copy;
    for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++)
        if (precision_choose(q->device, p) == p)
            TRY(products(q, seconds, p, &out->flops[p]));
        else
            out->flops[p] = out->flops[precision_choose(q->device, p)]; /* a CPU's TF32 */
    struct peak_call c = {.y = tensor_1(NULL, DTYPE_F32, COPY), .x = tensor_1(NULL, DTYPE_F32, COPY)};
    TRY(fastest(q, seconds, c, run_copy, &copy));
    out->copy = 2.0 * COPY * sizeof(float) / copy;
    return STATUS_OK;
}
