#include "cli/bench_ops.h"

#include "tengen/mem.h"
#include "tengen/rng.h"
#include "tengen/rollout.h"

/* ---- entries ----------------------------------------------------------------------------------------------
 */

/* BENCH(operation, family, main operands moved, columns moved, arguments) */

#define BENCH_AS(entry, op_name, entry_family, entry_main, entry_column, ...)                                \
    static void call_##entry(void *context) {                                                                \
        struct op_operands *b = context;                                                                     \
        const struct tensor *t = b->t;                                                                       \
        (void)t;                                                                                             \
        b->queue->op->op_name(b->queue, __VA_ARGS__);                                                        \
    }                                                                                                        \
    static const struct op_entry entry_##entry = {#entry, entry_family, entry_main, entry_column,            \
                                                  call_##entry};
#define BENCH(name, family, main, column, ...) BENCH_AS(name, name, family, main, column, __VA_ARGS__)

/* Convolutions and linear layers. */
enum { IN, WEIGHTS, BIAS, OUT, GRADIENT, RESIDUAL };

static struct conv geometry(const struct op_operands *b) {
    const struct op_shape *s = b->shape;
    return (struct conv){s->stride, s->stride, s->pad, s->pad};
}

static struct tensor weights(struct op_operands *b) {
    struct tensor w = b->t[WEIGHTS];
    w.version = &b->version;
    return w;
}

BENCH(conv_forward, FAMILY_CONV, 1, 0, t[OUT], t[IN], weights(b), t[BIAS], tensor_none(), geometry(b),
      ACTIVATION_RELU)
BENCH_AS(conv_forward_residual, conv_forward, FAMILY_CONV, 1, 1, t[OUT], t[IN], weights(b), t[BIAS],
         t[RESIDUAL], geometry(b), ACTIVATION_RELU)
BENCH(conv_backward_data, FAMILY_CONV, 1, 0, t[IN], t[OUT], weights(b), geometry(b), false)
BENCH(conv_backward_weights, FAMILY_CONV, 1, 0, t[GRADIENT], t[IN], t[OUT], geometry(b))
BENCH(linear_forward, FAMILY_LINEAR, 1, 0, t[OUT], t[IN], weights(b), t[BIAS], ACTIVATION_NONE)
BENCH(linear_backward_data, FAMILY_LINEAR, 1, 0, t[IN], t[OUT], weights(b), false)
BENCH(linear_backward_weights, FAMILY_LINEAR, 1, 0, t[GRADIENT], t[IN], t[OUT])

/* Positions: one symmetry, which turns the board by half. */
enum { PLANES, BITS, SYMMETRY, SOURCE };

BENCH(planes_forward, FAMILY_PLANES, 1, 0, t[PLANES], t[BITS], t[SYMMETRY], t[SOURCE])

/* Maps: X, Y, Z [n,h,w,c]; POOLED [n,c]; GAMMA .. RSTD [c]. Batch norm reads x, and backwards y and dy,
 * twice: its statistics come first. */
enum { X, Y, Z, POOLED, GAMMA, BETA, MEAN, VARIANCE, SUM, RSTD };

BENCH(bias_forward, FAMILY_MAP, 2, 0, t[Y], t[X], t[BETA], ACTIVATION_RELU)
BENCH(bias_backward, FAMILY_MAP, 1, 0, t[SUM], t[X])
BENCH(batchnorm_train, FAMILY_MAP, 3, 0, t[Y], t[SUM], t[RSTD], t[MEAN], t[VARIANCE], t[X], t[GAMMA], t[BETA],
      tensor_none(), ACTIVATION_RELU, 0.1f, 1e-5f)
BENCH(batchnorm_infer, FAMILY_MAP, 2, 0, t[Y], t[X], t[GAMMA], t[BETA], t[MEAN], t[VARIANCE], tensor_none(),
      ACTIVATION_RELU, 1e-5f)
BENCH(batchnorm_backward, FAMILY_MAP, 7, 0, t[Z], tensor_none(), t[SUM], t[BETA], t[Z], t[Y], t[X], t[GAMMA],
      t[MEAN], t[RSTD], ACTIVATION_RELU, false)
BENCH(activation_forward, FAMILY_MAP, 2, 0, t[Y], t[X], ACTIVATION_RELU)
BENCH(activation_backward, FAMILY_MAP, 3, 0, t[Z], t[X], t[Y], ACTIVATION_RELU, false)
BENCH(add_forward, FAMILY_MAP, 3, 0, t[Z], t[X], t[Y], ACTIVATION_RELU)
BENCH(scale, FAMILY_MAP, 2, 0, t[Y], t[X], 1.0f, false)
BENCH(fill, FAMILY_MAP, 1, 0, t[Y], 0.0f)
BENCH(pool_forward, FAMILY_MAP, 1, 0, t[POOLED], t[X], POOLING_MEAN)
BENCH(pool_backward, FAMILY_MAP, 1, 0, t[Y], t[POOLED], t[POOLED], t[X], POOLING_MEAN, false)

/* Frames [4n,h,w,1], of which STACKED [n,h,w,c] and FRESH [n,h,w,1] are any. */
enum { STACKED, FRAMES, FRESH, SLOTS, FRESH_SLOTS };

BENCH(frames_put, FAMILY_FRAMES, 0, 2, t[FRAMES], t[FRESH], t[FRESH_SLOTS])
BENCH(frames_gather, FAMILY_FRAMES, 1.25, 0, t[STACKED], t[FRAMES], t[SLOTS])

/* Rows: A .. E [n,c]; HALF [n,c/2]: two actions of c/2 atoms each; VALUE, DVALUE [n,1]; COLUMN, TARGET,
 * ACTION [n]; DRAWN [n]: of c actions, where ACTION has to suit HALF, too. */
enum { A, B, C, D, E, HALF, VALUE, DVALUE, COLUMN, TARGET, STATS3, STATS5, ACTION, DRAWN, STREAMS };

static const struct policy_constants clipped = {SURROGATE_CLIP, 0.2f, 0.0f, 0.2f, 0.5f, 0.01f};

BENCH(softmax_forward, FAMILY_ROWS, 2, 0, t[A], t[B], tensor_none())
BENCH(softmax_backward, FAMILY_ROWS, 3, 0, t[A], t[B], t[C], false)
BENCH(log_softmax_forward, FAMILY_ROWS, 2, 0, t[A], t[B], tensor_none())
BENCH(log_softmax_backward, FAMILY_ROWS, 3, 0, t[A], t[B], t[C], false)
BENCH(cross_entropy, FAMILY_ROWS, 3, 1, t[COLUMN], t[A], t[B], t[C], tensor_none(), tensor_none(), 1.0f)
BENCH(squared_error, FAMILY_ROWS, 3, 1, t[COLUMN], t[A], t[B], t[C], tensor_none(), 1.0f)
BENCH(policy_loss, FAMILY_ROWS, 2, 12, t[STATS5], t[A], t[DVALUE], t[B], t[VALUE], t[ACTION], t[COLUMN],
      t[COLUMN], t[COLUMN], t[COLUMN], tensor_none(), (struct choices){1, {b->shape->c}}, clipped, 1.0f)
BENCH(gaussian_policy_loss, FAMILY_ROWS, 5, 11, t[STATS5], t[A], t[B], t[DVALUE], t[C], t[D], t[VALUE], t[E],
      t[COLUMN], t[COLUMN], t[COLUMN], t[COLUMN], clipped, 1.0f)
/* A stream is read and written: 64 bytes. */
BENCH(policy_draw, FAMILY_ROWS, 1, 18, t[DRAWN], t[COLUMN], t[STREAMS], t[A], tensor_none(),
      (struct choices){1, {b->shape->c}})
BENCH(gaussian_policy_draw, FAMILY_ROWS, 3, 17, t[A], t[COLUMN], t[STREAMS], t[B], t[C])
BENCH(dueling_forward, FAMILY_ROWS, 2, 1, t[A], t[VALUE], t[B])
BENCH(dueling_backward, FAMILY_ROWS, 2, 1, t[DVALUE], t[A], t[B], false, false)
BENCH(q_target, FAMILY_ROWS, 1, 4, t[TARGET], t[COLUMN], t[COLUMN], t[A], t[B])
BENCH(q_loss, FAMILY_ROWS, 1, 7, t[STATS3], t[A], t[B], t[ACTION], t[COLUMN], tensor_none(), 1.0f, 1.0f)
BENCH(categorical_target, FAMILY_ROWS, 1.5, 2, t[HALF], t[COLUMN], t[COLUMN], t[A], tensor_none(), -10.0f,
      10.0f)
BENCH(categorical_loss, FAMILY_ROWS, 2, 4, t[STATS3], t[A], t[B], t[ACTION], t[HALF], tensor_none(), -10.0f,
      10.0f, 1.0f)

/* Rollouts: REWARD .. RETURN [h,n], LAST [n], ENDS [h,n]: no episode ends; ORDER [rows], MEANS, MOMENTS [5].
 * Views of these: PIXELS of ENDS and FLOATS of RETURN [rows,c], LOSSES of REWARD [h n/5,5]. */
enum { REWARD, RATED, FINAL, ADVANTAGE, RETURN, LAST, ENDS, ORDER, MEANS, MOMENTS, PIXELS, FLOATS, LOSSES };

BENCH(rows_gather, FAMILY_ROLLOUT, 1.25, 0, t[FLOATS], t[PIXELS], t[ORDER])
BENCH(advantages, FAMILY_ROLLOUT, 4.5, 0, t[ADVANTAGE], t[RETURN], t[REWARD], t[RATED], t[ENDS], t[ENDS],
      t[FINAL], t[LAST], 0.99f, 0.95f)
BENCH(standardise, FAMILY_ROLLOUT, 3, 0, t[RETURN], t[REWARD])
BENCH(column_moments, FAMILY_ROLLOUT, 2, 0, t[MEANS], t[MOMENTS], t[LOSSES])
BENCH(episode_starts, FAMILY_ROLLOUT, 1.5, 0, t[RETURN], t[ENDS], t[ENDS])

/* Recurrent layers: GATES ... [n,3c], UNITS ... [n,c], STARTS [n]. */
enum { GATES, GATES2, GATES3, UNITS, UNITS2, UNITS3, STARTS };

BENCH(gru_forward, FAMILY_RECURRENT, 8, 1, t[UNITS], t[GATES], t[GATES2], t[UNITS2], t[STARTS])
BENCH(gru_backward, FAMILY_RECURRENT, 16, 1, t[GATES3], t[GATES2], t[UNITS3], t[UNITS], t[GATES], t[GATES2],
      t[UNITS2], t[STARTS])

/* Weights: W, W2, W3 [n,c]; OUTPUT, ... [n]; INPUT [c]. */
enum { W, W2, W3, OUTPUT, OUTPUT2, INPUT };

BENCH(batchnorm_fold, FAMILY_WEIGHTS, 2, 6, t[W], t[OUTPUT2], t[W2], t[OUTPUT], t[OUTPUT], t[OUTPUT],
      t[OUTPUT], t[OUTPUT], 1e-5f)
BENCH(noisy_forward, FAMILY_WEIGHTS, 3, 1, t[W], t[W2], t[W3], t[OUTPUT], t[INPUT])
BENCH(noisy_backward, FAMILY_WEIGHTS, 5, 1, t[W], t[W2], t[W3], t[OUTPUT], t[INPUT])

/* Optimiser steps: P, M, V, G [n]. */
enum { P, M, V, G, HYPER, SQUARES };

BENCH(sum_squares, FAMILY_STEP, 1, 0, t[SQUARES], t[G])
BENCH(clip_scale, FAMILY_STEP, 0, 0, t[HYPER], t[SQUARES], 1.0f)
BENCH(sgd_step, FAMILY_STEP, 5, 0, t[P], t[M], t[G], t[HYPER])
BENCH(adam_step, FAMILY_STEP, 7, 0, t[P], t[M], t[V], t[G], t[HYPER], false)
BENCH(rmsprop_step, FAMILY_STEP, 7, 0, t[P], t[M], t[V], t[G], t[HYPER])

const struct op_entry *const op_entries[] = {
#define OP(name, parameters, names) &entry_##name,
#include "tengen/ops.def"
#undef OP
    &entry_conv_forward_residual,
};
const int op_entry_count = sizeof op_entries / sizeof op_entries[0];

/* ---- operands --------------------------------------------------------------------------------------------
 */

static void make(struct op_operands *b, enum dtype dtype, int rank, const int *dims) {
    ENSURE(b->count < OPERANDS, "%d operands are too many", b->count + 1);
    struct tensor t = tensor_make(NULL, dtype, rank, dims);
    t.data = device_alloc(b->queue->device, tensor_bytes(t));
    if (dtype == DTYPE_F32 || dtype == DTYPE_BF16)
        b->queue->op->fill(b->queue, t, 0.01f); /* zeros may be cheaper than numbers */
    b->t[b->count++] = t;
}

#define MAKE(b, dtype, ...)                                                                                  \
    make(b, dtype, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__})

static void make_many(struct op_operands *b, int count, enum dtype dtype, int n) {
    for (int i = 0; i < count; i++)
        MAKE(b, dtype, n);
}

static double bytes(const struct op_operands *b, int first, int last) {
    double sum = 0;
    for (int i = first; i <= last; i++)
        sum += (double)tensor_bytes(b->t[i]);
    return sum;
}

static void make_conv(struct op_operands *b, const struct op_shape *s, enum dtype dtype) {
    int oh = (s->h + 2 * s->pad - s->kernel) / s->stride + 1,
        ow = (s->w + 2 * s->pad - s->kernel) / s->stride + 1;
    MAKE(b, dtype, s->n, s->h, s->w, s->c);
    MAKE(b, DTYPE_F32, s->o, s->kernel, s->kernel, s->c);
    MAKE(b, DTYPE_F32, s->o);
    MAKE(b, dtype, s->n, oh, ow, s->o);
    MAKE(b, DTYPE_F32, s->o, s->kernel, s->kernel, s->c);
    MAKE(b, dtype, s->n, oh, ow, s->o);
    b->flops = 2.0 * s->n * oh * ow * (double)tensor_count(b->t[WEIGHTS]);
    b->main = bytes(b, IN, OUT);
    b->column = bytes(b, RESIDUAL, RESIDUAL);
}

static void make_linear(struct op_operands *b, const struct op_shape *s, enum dtype dtype) {
    MAKE(b, dtype, s->n, s->c);
    MAKE(b, DTYPE_F32, s->o, s->c);
    MAKE(b, DTYPE_F32, s->o);
    MAKE(b, dtype, s->n, s->o);
    MAKE(b, DTYPE_F32, s->o, s->c);
    b->flops = 2.0 * s->n * s->c * s->o;
    b->main = bytes(b, IN, OUT);
}

static void make_planes(struct op_operands *b, int n, const struct op_shape *s, enum dtype dtype) {
    const int points = s->h * s->w;
    MAKE(b, dtype, n, s->h, s->w, s->c);
    MAKE(b, DTYPE_U8, n, (points * s->c + 31) / 32 * 4);
    MAKE(b, DTYPE_I32, n);
    MAKE(b, DTYPE_I32, 1, points);
    int32_t *source = MEM_NEW(int32_t, points);
    for (int p = 0; p < points; p++)
        source[p] = points - 1 - p;
    queue_upload(b->queue, b->t[SOURCE], source);
    mem_free(source);
    b->main = bytes(b, PLANES, SOURCE);
}

static void make_map(struct op_operands *b, int n, const struct op_shape *s, enum dtype dtype) {
    for (int i = X; i <= Z; i++)
        MAKE(b, dtype, n, s->h, s->w, s->c);
    MAKE(b, dtype, n, s->c);
    make_many(b, RSTD - POOLED, DTYPE_F32, s->c);
    b->main = bytes(b, X, X);
}

static void make_frames(struct op_operands *b, int n, const struct op_shape *s) {
    struct rng rng = rng_make(1, RNG_TEST, 0);
    MAKE(b, DTYPE_F32, n, s->h, s->w, s->c);
    MAKE(b, DTYPE_U8, 4 * n, s->h, s->w, 1);
    MAKE(b, DTYPE_U8, n, s->h, s->w, 1);
    MAKE(b, DTYPE_I32, n, s->c);
    MAKE(b, DTYPE_I32, n);
    int32_t *slots = MEM_NEW(int32_t, n * s->c);
    for (int i = 0; i < n * s->c; i++)
        slots[i] = (int32_t)rng_below(&rng, 4 * (uint32_t)n);
    queue_upload(b->queue, b->t[SLOTS], slots);
    for (int i = 0; i < n; i++)
        slots[i] = 4 * (n - 1 - i);
    queue_upload(b->queue, b->t[FRESH_SLOTS], slots);
    mem_free(slots);
    b->main = bytes(b, STACKED, STACKED);
    b->column = bytes(b, FRESH, FRESH);
}

static void make_rows(struct op_operands *b, int n, int c) {
    for (int i = A; i <= E; i++)
        MAKE(b, DTYPE_F32, n, c);
    MAKE(b, DTYPE_F32, n, c / 2);
    MAKE(b, DTYPE_F32, n, 1);
    MAKE(b, DTYPE_F32, n, 1);
    make_many(b, 2, DTYPE_F32, n);
    MAKE(b, DTYPE_F32, n, 3);
    MAKE(b, DTYPE_F32, n, 5);
    make_many(b, 2, DTYPE_I32, n);
    MAKE(b, DTYPE_U8, n, (int)sizeof(struct rng));
    b->main = bytes(b, A, A);
}

static void make_rollout(struct op_operands *b, int n, const struct op_shape *s) {
    const int values = s->h * n, rows = values / s->c;
    for (int i = REWARD; i <= RETURN; i++)
        MAKE(b, DTYPE_F32, s->h, n);
    MAKE(b, DTYPE_F32, n);
    MAKE(b, DTYPE_U8, s->h, n);
    MAKE(b, DTYPE_I32, rows);
    make_many(b, 2, DTYPE_F32, 5);
    b->t[PIXELS] = tensor_2(b->t[ENDS].data, DTYPE_U8, rows, s->c);
    b->t[FLOATS] = tensor_2(b->t[RETURN].data, DTYPE_F32, rows, s->c);
    b->t[LOSSES] = tensor_2(b->t[REWARD].data, DTYPE_F32, values / 5, 5);
    uint8_t *ends = MEM_NEW(uint8_t, values);
    int32_t *order = MEM_NEW(int32_t, rows);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    rollout_shuffle(order, rows, &rng);
    queue_upload(b->queue, b->t[ENDS], ends);
    queue_upload(b->queue, b->t[ORDER], order);
    mem_free(ends);
    mem_free(order);
    b->main = bytes(b, REWARD, REWARD);
}

static void make_recurrent(struct op_operands *b, int n, int c) {
    for (int i = GATES; i <= GATES3; i++)
        MAKE(b, DTYPE_F32, n, 3 * c);
    for (int i = UNITS; i <= UNITS3; i++)
        MAKE(b, DTYPE_F32, n, c);
    MAKE(b, DTYPE_F32, n);
    b->main = bytes(b, UNITS, UNITS);
}

static void make_weights(struct op_operands *b, int n, int c) {
    for (int i = W; i <= W3; i++)
        MAKE(b, DTYPE_F32, n, c);
    make_many(b, 2, DTYPE_F32, n);
    MAKE(b, DTYPE_F32, c);
    b->main = bytes(b, W, W);
}

static void make_step(struct op_operands *b, int n) {
    make_many(b, 4, DTYPE_F32, n);
    MAKE(b, DTYPE_F32, HYPER_COUNT);
    MAKE(b, DTYPE_F32, 1);
    b->main = bytes(b, P, P);
}

/* Rows of `row` elements that make four times the device's cache. */
static int rows_beyond_cache(const struct device *d, size_t row, enum dtype dtype) {
    return (int)(4 * d->cache / (row * dtype_size(dtype))) + 1;
}

void op_operands_make(struct op_operands *b, struct queue *q, const struct op_shape *s, enum dtype dtype) {
    const bool images = s->family == FAMILY_MAP || s->family == FAMILY_PLANES;
    size_t row = images || s->family == FAMILY_FRAMES ? (size_t)s->h * (size_t)s->w * (size_t)s->c
                 : s->family == FAMILY_STEP           ? 1
                 : s->family == FAMILY_ROLLOUT        ? (size_t)s->h
                                                      : (size_t)s->c;
    int n = s->n ? s->n : rows_beyond_cache(q->device, row, images ? dtype : DTYPE_F32);
    *b = (struct op_operands){.queue = q, .shape = s, .version = b->version + 1, .column = 4.0 * n};
    switch (s->family) {
    case FAMILY_CONV:
        make_conv(b, s, dtype);
        break;
    case FAMILY_LINEAR:
        make_linear(b, s, dtype);
        break;
    case FAMILY_PLANES:
        make_planes(b, n, s, dtype);
        break;
    case FAMILY_MAP:
        make_map(b, n, s, dtype);
        break;
    case FAMILY_FRAMES:
        make_frames(b, n, s);
        break;
    case FAMILY_ROWS:
        make_rows(b, n, s->c);
        break;
    case FAMILY_ROLLOUT:
        make_rollout(b, n, s);
        break;
    case FAMILY_RECURRENT:
        make_recurrent(b, n, s->c);
        break;
    case FAMILY_WEIGHTS:
        make_weights(b, n, s->c);
        break;
    case FAMILY_STEP:
        make_step(b, n);
        break;
    }
}

void op_operands_free(struct op_operands *b) {
    for (int i = 0; i < b->count; i++)
        device_release(b->queue->device, b->t[i].data);
    b->count = 0;
}
