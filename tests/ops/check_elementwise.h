/* Cases of bias, element-wise operations and pooling. */
#ifndef TESTS_OPS_CHECK_ELEMENTWISE_H
#define TESTS_OPS_CHECK_ELEMENTWISE_H

#include "harness.h"

struct map_case {
    enum activation act;
    enum pooling pooling;
    float s;
    bool add;
};

static const int map_sizes[] = {1, 15, 513, 40001};
enum { MAP_SIZES = 4 };

/* Keeps values away from relu's corner, where differences mean nothing. */
static inline void avoid_corner(double *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (fabs(x[i]) < 0.01) x[i] = 0.5;
}

static inline double act_slope(double x, enum activation act) {
    return (act_value(x + 1e-5, act) - act_value(x - 1e-5, act)) / 2e-5;
}

/* The x that gives y, which was rounded; where there is none, one far out. */
static inline double act_inverse(double y, enum activation act) {
    switch (act) {
    case ACTIVATION_TANH:
        return fabs(y) < 1.0 ? atanh(y) : y * 30.0;
    case ACTIVATION_SIGMOID:
        return y > 0.0 && y < 1.0 ? log(y / (1.0 - y)) : (y - 0.5) * 80.0;
    default:
        return y;
    }
}

/* ---- activations, addition, scaling, filling --------------------------------------------------------------
 */

static inline void call_activation_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->activation_forward(q, t[0], t[1], ((const struct map_case *)parameters)->act);
}
static inline void call_activation_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct map_case *c = parameters;
    q->op->activation_backward(q, t[0], t[1], t[2], c->act, c->add);
}
static inline void call_add_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->add_forward(q, t[0], t[1], t[2], ((const struct map_case *)parameters)->act);
}
static inline void call_scale(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct map_case *c = parameters;
    q->op->scale(q, t[0], t[1], c->s, c->add);
}
static inline void call_fill(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->fill(q, t[0], ((const struct map_case *)parameters)->s);
}

static inline void check_activation_forward(struct harness *h) {
    for (int variant = 0; variant < 4 * 2 * MAP_SIZES; variant++) {
        struct map_case c = {.act = (enum activation)(variant % 4)};
        enum dtype dtype = both_dtypes[variant / 4 % 2];
        const int n = map_sizes[variant / 8];
        snprintf(h->what, sizeof h->what, "activation_forward %s [%d] act %d", dtype_name(dtype), n,
                 (int)c.act);
        buffer_random(h, dtype, 2.0, DIMS(n));
        double *x = buffer_random(h, dtype, 2.0, DIMS(n)), *y = expect(h, 0);
        for (int i = 0; i < n; i++)
            y[i] = act_value(x[i], c.act);
        if (n == 513) memcpy(h->buffers[0].first, x, (size_t)n * sizeof *x);
        harness_run_alias(h, call_activation_forward, &c, n == 513 ? (int[]){0, 0} : NULL);
    }
}

static inline void check_activation_backward(struct harness *h) {
    for (int variant = 0; variant < 4 * 2 * 2 * MAP_SIZES; variant++) {
        struct map_case c = {.act = (enum activation)(variant % 4), .add = variant / 8 % 2};
        enum dtype dtype = both_dtypes[variant / 4 % 2];
        const int n = map_sizes[variant / 16];
        snprintf(h->what, sizeof h->what, "activation_backward %s [%d] act %d add %d", dtype_name(dtype), n,
                 (int)c.act, c.add);
        buffer_random(h, dtype, 1.0, DIMS(n));
        double *dy = buffer_random(h, dtype, 1.0, DIMS(n)), *y = buffer_random(h, dtype, 2.0, DIMS(n));
        double *dx = expect(h, 0);
        for (int i = 0; i < n; i++) {
            double x = fabs(y[i]) < 0.01 ? 0.5 : y[i];
            y[i] = rounded_to(act_value(x, c.act), dtype);
            if (c.act != ACTIVATION_RELU) x = act_inverse(y[i], c.act);
            dx[i] = (c.add ? dx[i] : 0.0) + dy[i] * act_slope(x, c.act);
        }
        bool in_place = n == 513 && !c.add;
        if (in_place) memcpy(h->buffers[0].first, dy, (size_t)n * sizeof *dy);
        harness_run_alias(h, call_activation_backward, &c, in_place ? (int[]){0, 0, 2} : NULL);
    }
}

static inline void check_add_forward(struct harness *h) {
    for (int variant = 0; variant < 4 * 2 * MAP_SIZES; variant++) {
        struct map_case c = {.act = (enum activation)(variant % 4)};
        enum dtype dtype = both_dtypes[variant / 4 % 2];
        const int n = map_sizes[variant / 8];
        snprintf(h->what, sizeof h->what, "add_forward %s [%d] act %d", dtype_name(dtype), n, (int)c.act);
        buffer_random(h, dtype, 1.0, DIMS(n));
        double *a = buffer_random(h, dtype, 1.0, DIMS(n)), *b = buffer_random(h, dtype, 1.0, DIMS(n));
        double *y = expect(h, 0);
        for (int i = 0; i < n; i++)
            y[i] = act_value(a[i] + b[i], c.act);
        if (n == 513) memcpy(h->buffers[0].first, a, (size_t)n * sizeof *a);
        harness_run_alias(h, call_add_forward, &c, n == 513 ? (int[]){0, 0, 2} : NULL);
    }
}

static inline void check_scale(struct harness *h) {
    for (int variant = 0; variant < 2 * 4 * MAP_SIZES; variant++) {
        struct map_case c = {.s = -0.75f, .add = variant % 2};
        enum dtype to = both_dtypes[variant / 2 % 2], from = both_dtypes[variant / 4 % 2];
        const int n = map_sizes[variant / 8];
        snprintf(h->what, sizeof h->what, "scale %s from %s [%d] add %d", dtype_name(to), dtype_name(from), n,
                 c.add);
        buffer_random(h, to, 1.0, DIMS(n));
        double *x = buffer_random(h, from, 1.0, DIMS(n)), *y = expect(h, 0);
        for (int i = 0; i < n; i++)
            y[i] = (c.add ? y[i] : 0.0) + (double)c.s * x[i];
        harness_run(h, call_scale, &c);
    }
}

static inline void check_fill(struct harness *h) {
    for (int variant = 0; variant < 2 * MAP_SIZES; variant++) {
        struct map_case c = {.s = 1.25f};
        const int n = map_sizes[variant / 2];
        snprintf(h->what, sizeof h->what, "fill %s [%d]", dtype_name(both_dtypes[variant % 2]), n);
        buffer_random(h, both_dtypes[variant % 2], 1.0, DIMS(n));
        double *y = expect(h, 0);
        for (int i = 0; i < n; i++)
            y[i] = 1.25;
        harness_run(h, call_fill, &c);
    }
}

/* ---- bias -------------------------------------------------------------------------------------------------
 */

/* n, h, w, c, and how many of the last dimensions b has */
static const int bias_shapes[][5] = {{1, 1, 1, 1, 1},   {3, 7, 7, 2, 1},   {5, 7, 7, 2, 3},
                                     {17, 9, 9, 33, 1}, {4, 5, 5, 300, 1}, {9, 19, 19, 16, 3},
                                     {64, 7, 7, 64, 1}};
enum { BIAS_SHAPES = sizeof bias_shapes / sizeof bias_shapes[0] };

static inline void call_bias_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->bias_forward(q, t[0], t[1], t[2], ((const struct map_case *)parameters)->act);
}
static inline void call_bias_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->bias_backward(q, t[0], t[1]);
}

static inline void check_bias_forward(struct harness *h) {
    for (int variant = 0; variant < 2 * BIAS_SHAPES; variant++) {
        const int *s = bias_shapes[variant / 2], rank = s[4];
        struct map_case c = {.act = (enum activation)(variant % 4)};
        enum dtype dtype = both_dtypes[variant % 2];
        snprintf(h->what, sizeof h->what, "bias_forward %s [%d,%d,%d,%d] b of rank %d", dtype_name(dtype),
                 s[0], s[1], s[2], s[3], rank);
        buffer_random(h, dtype, 1.0, 4, s);
        double *x = buffer_random(h, dtype, 1.0, 4, s),
               *b = buffer_random(h, DTYPE_F32, 1.0, rank, s + 4 - rank);
        double *y = expect(h, 0);
        size_t n = buffer_count(h, 0), period = buffer_count(h, 2);
        for (size_t i = 0; i < n; i++)
            y[i] = act_value(x[i] + b[i % period], c.act);
        bool in_place = variant % 3 == 0;
        if (in_place) memcpy(h->buffers[0].first, x, n * sizeof *x);
        harness_run_alias(h, call_bias_forward, &c, in_place ? (int[]){0, 0, 2} : NULL);
    }
}

static inline void check_bias_backward(struct harness *h) {
    for (int variant = 0; variant < 2 * BIAS_SHAPES; variant++) {
        const int *s = bias_shapes[variant / 2], rank = s[4];
        snprintf(h->what, sizeof h->what, "bias_backward %s [%d,%d,%d,%d] b of rank %d",
                 dtype_name(both_dtypes[variant % 2]), s[0], s[1], s[2], s[3], rank);
        buffer_random(h, DTYPE_F32, 1.0, rank, s + 4 - rank);
        double *dy = buffer_random(h, both_dtypes[variant % 2], 1.0, 4, s), *db = expect(h, 0);
        size_t n = buffer_count(h, 1), period = buffer_count(h, 0);
        for (size_t i = 0; i < n; i++)
            db[i % period] += dy[i];
        harness_run(h, call_bias_backward, NULL);
    }
}

/* ---- pooling ----------------------------------------------------------------------------------------------
 */

static const int pool_shapes[][4] = {{1, 1, 1, 1}, {3, 7, 7, 5}, {5, 3, 4, 600}, {2, 9, 9, 64}};
enum { POOL_SHAPES = sizeof pool_shapes / sizeof pool_shapes[0] };

static inline void call_pool_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->pool_forward(q, t[0], t[1], ((const struct map_case *)parameters)->pooling);
}
static inline void call_pool_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct map_case *c = parameters;
    q->op->pool_backward(q, t[0], t[1], t[2], t[3], c->pooling, c->add);
}

/* y of one sample and channel, and where the maximum first stands. */
static inline double pool_value(const double *x, const int *s, int n, int c, enum pooling kind, int *first) {
    const int points = s[1] * s[2];
    double sum = 0.0, max = -INFINITY;
    for (int p = 0; p < points; p++) {
        double value = x[(n * points + p) * s[3] + c];
        sum += value;
        if (value > max) {
            max = value;
            *first = p;
        }
    }
    return kind == POOLING_MAX ? max : sum / points;
}

static inline void check_pool_forward(struct harness *h) {
    for (int variant = 0; variant < 4 * POOL_SHAPES; variant++) {
        const int *s = pool_shapes[variant / 4];
        int first;
        struct map_case c = {.pooling = (enum pooling)(variant / 2 % 2)};
        snprintf(h->what, sizeof h->what, "pool_forward %s [%d,%d,%d,%d] kind %d",
                 dtype_name(both_dtypes[variant % 2]), s[0], s[1], s[2], s[3], (int)c.pooling);
        buffer_random(h, both_dtypes[variant % 2], 1.0, DIMS(s[0], s[3]));
        double *x = buffer_random(h, both_dtypes[variant % 2], 1.0, 4, s), *y = expect(h, 0);
        for (int i = 0; i < s[0] * s[3]; i++)
            y[i] = pool_value(x, s, i / s[3], i % s[3], c.pooling, &first);
        harness_run(h, call_pool_forward, &c);
    }
}

static inline void check_pool_backward(struct harness *h) {
    for (int variant = 0; variant < 8 * POOL_SHAPES; variant++) {
        const int *s = pool_shapes[variant / 8], points = s[1] * s[2];
        enum dtype dtype = both_dtypes[variant % 2];
        struct map_case c = {.pooling = (enum pooling)(variant / 2 % 2), .add = variant / 4 % 2};
        snprintf(h->what, sizeof h->what, "pool_backward %s [%d,%d,%d,%d] kind %d add %d", dtype_name(dtype),
                 s[0], s[1], s[2], s[3], (int)c.pooling, c.add);
        buffer_random(h, dtype, 1.0, 4, s);
        double *dy = buffer_random(h, dtype, 1.0, DIMS(s[0], s[3])),
               *y = buffer_random(h, dtype, 1.0, DIMS(s[0], s[3]));
        double *x = buffer_random(h, dtype, 1.0, 4, s);
        for (size_t i = 0; i < buffer_count(h, 3); i++)
            x[i] = floor(2.0 * x[i]); /* many equal maxima */
        double *dx = expect(h, 0);
        if (!c.add) memset(dx, 0, buffer_count(h, 0) * sizeof *dx);
        for (int i = 0; i < s[0] * s[3]; i++) {
            int n = i / s[3], channel = i % s[3], first = 0;
            y[i] = pool_value(x, s, n, channel, c.pooling, &first);
            for (int p = 0; p < points; p++)
                dx[(n * points + p) * s[3] + channel] += c.pooling == POOLING_MEAN ? dy[i] / points
                                                         : p == first              ? dy[i]
                                                                                   : 0.0;
        }
        harness_run(h, call_pool_backward, &c);
    }
}

#endif
