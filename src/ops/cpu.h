/* What the CPU's operations share: the state behind a device and a queue, scratch memory, and the two ways of
 * cutting work: elements in blocks, rows of channels in wide rows.
 *
 * Work is always cut into pieces whose size depends on the shapes alone and never on the number of threads;
 * sums over pieces are taken in the order of the pieces. So results have the same bits for every number of
 * threads.
 *
 * Activations are F32 or BF16. Kernels are written once, for float: cpu_read() gives a block of either type
 * as floats (F32 in place, BF16 converted into a buffer on the stack that stays in the first-level cache).
 */
#ifndef OPS_CPU_H
#define OPS_CPU_H

#include <math.h>
#include <string.h>

#include "ops/check.h"
#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/thread.h"

struct onednn;
struct onednn_queue;

/* Behind device.state. */
struct cpu_device {
    struct packs *packs;    /* weights in the layouts of kernels */
    struct onednn *library; /* NULL where oneDNN is not built in */
};

/* Behind queue.state. */
struct cpu_queue {
    int workers;
    struct cpu_scratch {
        void *memory;
        size_t size;
    } * scratch; /* [workers + SCRATCH_SHARED] */
    struct onednn_queue *library;
    struct pack *loose; /* packs of weights without a version */
    double *marks;      /* by the clock: operations are done when they return */
    size_t mark_count, mark_capacity;
};

/* Scratch memory of at least `bytes`, 64-byte aligned, not cleared, valid until the next request with the
 * same worker. It grows and is kept. Only `worker` itself may ask during a pool_run. */
void *cpu_scratch(struct queue *q, int worker, size_t bytes);
/* The same for buffers that all pieces share: the caller fills them before, or reads them after, a pool_run.
 */
enum cpu_shared { SCRATCH_INPUTS, SCRATCH_PARTIALS, SCRATCH_WEIGHTS, SCRATCH_SHARED };
void *cpu_shared_scratch(struct queue *q, enum cpu_shared which, size_t bytes);

/* Says that a loop's arrays do not overlap; clang finds that out by itself, at run time. */
#ifdef __clang__
#define IVDEP
#else
#define IVDEP _Pragma("GCC ivdep")
#endif

/* p = softmax(x) of n values under the mask (NULL: none); zeros where it allows nothing. Returns log sum exp.
 */
float cpu_row_softmax(float *p, const float *x, const uint8_t *mask, int n);

/* ---- elements in blocks -----------------------------------------------------------------------------------
 */

enum {
    CPU_BLOCK = 512,   /* elements converted at a time: 2 KiB a buffer */
    CPU_GRAIN = 16384, /* elements a piece: some microseconds */
};

static inline const float *cpu_read(struct tensor t, size_t at, size_t n, float *buffer) {
    if (t.dtype == DTYPE_F32) return (const float *)t.data + at;
    const uint16_t *from = (const uint16_t *)t.data + at;
    IVDEP
    for (size_t i = 0; i < n; i++)
        buffer[i] = bf16_to_float(from[i]);
    return buffer;
}

/* Where to write n floats: in place, or a buffer that cpu_written() converts. */
static inline float *cpu_target(struct tensor t, size_t at, float *buffer) {
    return t.dtype == DTYPE_F32 ? (float *)t.data + at : buffer;
}

static inline void cpu_written(struct tensor t, size_t at, size_t n, const float *buffer) {
    if (t.dtype == DTYPE_F32) return;
    uint16_t *to = (uint16_t *)t.data + at;
    IVDEP
    for (size_t i = 0; i < n; i++)
        to[i] = bf16_from_float(buffer[i]);
}

/* An operation on elements of equal index. block() handles n <= CPU_BLOCK elements from `at`. */
struct cpu_map {
    struct tensor y, a, b, c;
    enum activation act;
    float s;
    bool add;
    void (*block)(const struct cpu_map *m, size_t at, size_t n);
    size_t count; /* set by cpu_map() */
};
void cpu_map(struct queue *q, struct cpu_map *m);

/* ---- rows of channels -------------------------------------------------------------------------------------
 */

/* A tensor [..., C] seen as elements in wide rows of `wide` = k C elements, k chosen so that inner loops are
 * long even for a head of one channel. Per-channel values are repeated k times. Pieces are whole wide rows.
 */
struct cpu_rows {
    size_t count; /* elements */
    int channels; /* C */
    int wide;     /* k C */
    size_t grain; /* elements a piece, a multiple of wide */
    int pieces;
};
struct cpu_rows cpu_rows_cut(size_t count, int channels, int max_pieces);
/* A per-channel vector repeated to `wide`. */
void cpu_rows_repeat(const struct cpu_rows *rows, float *wide, const float *channels);
/* Calls block(context, at, column, n) for the piece: n <= CPU_BLOCK elements from `at`, which begin at
 * `column` of their wide row. */
void cpu_rows_piece(const struct cpu_rows *rows, int piece,
                    void (*block)(void *context, size_t at, int column, int n), void *context);

/* Sums over all rows: block() adds what n elements give to run[s * wide + column ...] for each of the `sums`
 * sums. Runs of some rows are summed in float, runs in double, pieces in order. result: [sums, C], in scratch
 * memory that lasts until the next call. */
double *cpu_rows_sum(struct queue *q, const struct cpu_rows *rows, int sums,
                     void (*block)(const void *context, float *run, size_t at, int column, int n),
                     const void *context);

/* ---- mathematics that a compiler can vectorise ------------------------------------------------------------
 */

/* exp(x) within 2 ulp; 0 below -87.3, as for -inf; NaN stays NaN (Cody and Waite's reduction, Cephes'
 * polynomial). */
static inline float cpu_exp(float x) {
    float clamped = x > 88.0f ? 88.0f : x >= -87.3f ? x : -87.3f; /* NaN: a number, so that n is one */
    float n = (clamped * 1.44269504f + 12582912.0f) - 12582912.0f;
    float f = clamped - n * 0.693359375f;
    f = f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * f * f + f + 1.0f;
    union {
        int32_t i;
        float f;
    } power = {((int32_t)n + 127) << 23};
    float result = p * power.f;
    return x < -87.3f ? 0.0f : x > 88.7f ? INFINITY : x == x ? result : x;
}

static inline float cpu_activate(float x, enum activation act) {
    switch (act) {
    case ACTIVATION_RELU:
        return x > 0.0f ? x : 0.0f;
    case ACTIVATION_TANH:
        return tanhf(x);
    case ACTIVATION_SIGMOID:
        return 1.0f / (1.0f + expf(-x));
    default:
        return x;
    }
}

/* y[i] = act(y[i]) in place, with loops of its own for what is common. */
static inline void cpu_activate_block(float *y, size_t n, enum activation act) {
    if (act == ACTIVATION_NONE) return;
    if (act == ACTIVATION_RELU) {
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] > 0.0f ? y[i] : 0.0f;
    } else {
        for (size_t i = 0; i < n; i++)
            y[i] = cpu_activate(y[i], act);
    }
}

/* sum and maximum of n floats in 16 lanes: a fixed order that compilers vectorise. */
static inline float cpu_sum(const float *x, int n) {
    float lanes[16] = {0}, sum = 0.0f;
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++)
            lanes[j] += x[i + j];
    for (int j = 0; i < n; i++, j++)
        lanes[j] += x[i];
    for (int j = 0; j < 8; j++)
        lanes[j] += lanes[j + 8];
    for (int j = 0; j < 4; j++)
        lanes[j] += lanes[j + 4];
    sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
    return sum;
}

static inline float cpu_max(const float *x, int n) {
    float lanes[16], max = -INFINITY;
    for (int j = 0; j < 16; j++)
        lanes[j] = -INFINITY;
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++)
            lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int j = 0; j < 16; j++)
        max = lanes[j] > max ? lanes[j] : max;
    return max;
}

#endif
