#include "cli/peaks.h"

#include <math.h>

#include "ops/peak.h"
#include "tengen/ops.h"
#include "tengen/thread.h"

enum { CONV_N = 32, CONV_SIDE = 16, CONV_C = 256, MATRIX = 2048, COPY = 1 << 26 };

/* Operands of one call: y, x and, where there are any, weights. */
struct peak_call {
    struct tensor y, x, w;
    void (*run)(struct queue *q, const struct peak_call *c);
};

static void run_conv(struct queue *q, const struct peak_call *c) {
    q->op->conv_forward(q, c->y, c->x, c->w, tensor_none(), tensor_none(), (struct conv){1, 1, 1, 1},
                        ACTIVATION_NONE);
}

static void run_linear(struct queue *q, const struct peak_call *c) {
    q->op->linear_forward(q, c->y, c->x, c->w, tensor_none(), ACTIVATION_NONE);
}

static void run_copy(struct queue *q, const struct peak_call *c) {
    q->op->scale(q, c->y, c->x, 1.0f, false);
}

/* Seconds of the fastest call. Operands begin as 0.01: zeros may be cheaper than numbers. */
static enum status fastest(struct queue *q, double seconds, struct peak_call *c, double *best) {
    struct tensor *operands[3] = {&c->y, &c->x, &c->w};
    uint64_t version = 1;
    for (int i = 0; i < 3; i++) {
        if (operands[i]->rank == 0) continue;
        operands[i]->data = device_alloc(q->device, tensor_bytes(*operands[i]));
        q->op->fill(q, *operands[i], 0.01f);
    }
    c->w.version = &version;
    *best = INFINITY;
    double end = clock_now() + seconds;
    enum status s = queue_wait(q);
    for (int i = 0; s == STATUS_OK && (i < 3 || clock_now() < end); i++) {
        double start = clock_now();
        c->run(q, c);
        s = queue_wait(q);
        double spent = clock_now() - start;
        if (i > 0 && spent < *best) *best = spent;
    }
    for (int i = 0; i < 3; i++)
        if (operands[i]->rank > 0) device_release(q->device, operands[i]->data);
    return s;
}

/* The rate of products in one precision. */
static enum status products(struct queue *q, double seconds, enum precision precision, double *flops) {
    const enum dtype type = precision == PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32;
    double conv, linear;
    struct peak_call c = {.y = tensor_4(NULL, type, CONV_N, CONV_SIDE, CONV_SIDE, CONV_C),
                          .x = tensor_4(NULL, type, CONV_N, CONV_SIDE, CONV_SIDE, CONV_C),
                          .w = tensor_4(NULL, DTYPE_F32, CONV_C, 3, 3, CONV_C),
                          .run = run_conv};
    q->tf32 = precision == PRECISION_TF32;
    TRY(fastest(q, seconds, &c, &conv));
    conv = 2.0 * CONV_N * CONV_SIDE * CONV_SIDE * CONV_C * 9 * CONV_C / conv;
    c = (struct peak_call){.y = tensor_2(NULL, type, MATRIX, MATRIX),
                           .x = tensor_2(NULL, type, MATRIX, MATRIX),
                           .w = tensor_2(NULL, DTYPE_F32, MATRIX, MATRIX),
                           .run = run_linear};
    TRY(fastest(q, seconds, &c, &linear));
    *flops = fmax(conv, 2.0 * MATRIX * MATRIX * MATRIX / linear);
    if (q->device->kind == DEVICE_CPU) *flops = fmax(*flops, q->device->threads * cpu_peak_flops(type));
    return STATUS_OK;
}

enum status peaks_measure(struct queue *q, double seconds, struct peaks *out) {
    double copy;
    for (enum precision p = PRECISION_F32; p < PRECISION_AUTO; p++)
        if (precision_choose(q->device, p) == p)
            TRY(products(q, seconds, p, &out->flops[p]));
        else
            out->flops[p] = out->flops[precision_choose(q->device, p)]; /* a CPU's TF32 */
    struct peak_call c = {
        .y = tensor_1(NULL, DTYPE_F32, COPY), .x = tensor_1(NULL, DTYPE_F32, COPY), .run = run_copy};
    TRY(fastest(q, seconds, &c, &copy));
    out->copy = 2.0 * COPY * sizeof(float) / copy;
    return STATUS_OK;
}
