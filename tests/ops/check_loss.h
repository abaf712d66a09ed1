/* Cases of softmax and losses. Gradients are central differences of plain loops in double precision. */
#ifndef TESTS_OPS_CHECK_LOSS_H
#define TESTS_OPS_CHECK_LOSS_H

#include "harness.h"

/* rows, actions; masked or not is a variant */
static const int loss_shapes[][2] = {{1, 1}, {3, 2}, {7, 17}, {5, 50}, {33, 362}, {1, 1000}, {300, 6}};
enum { LOSS_SHAPES = sizeof loss_shapes / sizeof loss_shapes[0] };

/* log softmax of a row of n, -inf where masked (mask may be NULL) */
static inline void row_log_softmax(double *l, const double *x, const double *mask, int n) {
    double max = -INFINITY, sum = 0.0;
    for (int i = 0; i < n; i++)
        if ((!mask || mask[i] != 0.0) && x[i] > max) max = x[i];
    for (int i = 0; i < n; i++)
        if (!mask || mask[i] != 0.0) sum += exp(x[i] - max);
    for (int i = 0; i < n; i++)
        l[i] = mask && mask[i] == 0.0 ? -INFINITY : x[i] - max - log(sum);
}

struct row_probe {
    double *x;
    const double *mask, *weight; /* d loss / d output, or targets */
    int n;
    bool log;
};

/* sum_i weight_i f_i(x) with f softmax or log softmax, unmasked places only */
static inline double softmax_loss(void *context) {
    const struct row_probe *p = context;
    double *l = MEM_NEW(double, p->n), sum = 0.0;
    row_log_softmax(l, p->x, p->mask, p->n);
    for (int i = 0; i < p->n; i++)
        if (l[i] > -INFINITY) sum += p->weight[i] * (p->log ? l[i] : exp(l[i]));
    mem_free(l);
    return sum;
}

/* ---- softmax ----------------------------------------------------------------------------------------------
 */

static inline void call_softmax_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->softmax_forward(q, t[0], t[1], t[2]);
}
static inline void call_log_softmax_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->log_softmax_forward(q, t[0], t[1], t[2]);
}
static inline void call_softmax_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->softmax_backward(q, t[0], t[1], t[2], *(const bool *)parameters);
}
static inline void call_log_softmax_backward(struct queue *q, const struct tensor *t,
                                             const void *parameters) {
    q->op->log_softmax_backward(q, t[0], t[1], t[2], *(const bool *)parameters);
}

static inline void softmax_forward_case(struct harness *h, int variant, bool log) {
    const int rows = loss_shapes[variant / 2][0], n = loss_shapes[variant / 2][1];
    const bool masked = variant % 2;
    snprintf(h->what, sizeof h->what, "%ssoftmax_forward [%d,%d] masked %d", log ? "log_" : "", rows, n,
             masked);
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
    double *x = buffer_random(h, DTYPE_F32, 8.0, DIMS(rows, n)), *mask = NULL;
    if (masked)
        mask = buffer_mask(h, rows, n, log ? -1 : rows - 1); /* a row without any 1 gives zeros */
    else
        buffer_none(h);
    double *y = expect(h, 0);
    for (int row = 0; row < rows; row++) {
        row_log_softmax(y + row * n, x + row * n, mask ? mask + row * n : NULL, n);
        for (int i = 0; i < n && !log; i++)
            y[row * n + i] = exp(y[row * n + i]);
        if (mask && !log && row == rows - 1) memset(y + row * n, 0, (size_t)n * sizeof *y);
    }
    harness_run(h, log ? call_log_softmax_forward : call_softmax_forward, NULL);
}

static inline void softmax_backward_case(struct harness *h, int variant, bool log) {
    const int rows = loss_shapes[variant / 4][0], n = loss_shapes[variant / 4][1];
    const bool masked = variant % 2, add = variant / 2 % 2;
    snprintf(h->what, sizeof h->what, "%ssoftmax_backward [%d,%d] masked %d add %d", log ? "log_" : "", rows,
             n, masked, add);
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
    double *dy = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n)),
           *y = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
    double *x = MEM_NEW(double, rows *n), *mask = masked ? MEM_NEW(double, rows *n) : NULL;
    double *gradient = MEM_NEW(double, n), *dx = expect(h, 0);
    for (int i = 0; i < rows * n; i++) {
        x[i] = 2.0 * (double)rng_normal(&h->rng);
        if (mask) mask[i] = i % n == i / n % n || rng_below(&h->rng, 3) != 0;
    }
    for (int row = 0; row < rows; row++) {
        struct row_probe p = {x + row * n, mask ? mask + row * n : NULL, dy + row * n, n, log};
        row_log_softmax(y + row * n, p.x, p.mask, n);
        for (int i = 0; i < n && !log; i++)
            y[row * n + i] = exp(y[row * n + i]);
        central_differences(gradient, p.x, (size_t)n, softmax_loss, &p);
        for (int i = 0; i < n; i++)
            dx[row * n + i] = (add ? dx[row * n + i] : 0.0) + gradient[i];
    }
    mem_free(x);
    mem_free(mask);
    mem_free(gradient);
    h->buffers[0].relative = 1e-4;
    harness_run(h, log ? call_log_softmax_backward : call_softmax_backward, &add);
}

static inline void check_softmax_forward(struct harness *h) {
    for (int variant = 0; variant < 2 * LOSS_SHAPES; variant++)
        softmax_forward_case(h, variant, false);
}
static inline void check_log_softmax_forward(struct harness *h) {
    for (int variant = 0; variant < 2 * LOSS_SHAPES; variant++)
        softmax_forward_case(h, variant, true);
}
static inline void check_softmax_backward(struct harness *h) {
    for (int variant = 0; variant < 4 * LOSS_SHAPES; variant++)
        if (loss_shapes[variant / 4][1] < 500) softmax_backward_case(h, variant, false);
}
static inline void check_log_softmax_backward(struct harness *h) {
    for (int variant = 0; variant < 4 * LOSS_SHAPES; variant++)
        if (loss_shapes[variant / 4][1] < 500) softmax_backward_case(h, variant, true);
}

/* ---- cross entropy, squared error -------------------------------------------------------------------------
 */

struct loss_case {
    float s;
};

static inline void call_cross_entropy(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->cross_entropy(q, t[0], t[1], t[2], t[3], t[4], t[5], ((const struct loss_case *)parameters)->s);
}
static inline void call_squared_error(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->squared_error(q, t[0], t[1], t[2], t[3], t[4], ((const struct loss_case *)parameters)->s);
}

static inline void check_cross_entropy(struct harness *h) {
    for (int variant = 0; variant < 8 * LOSS_SHAPES; variant++) {
        const int rows = loss_shapes[variant / 8][0], n = loss_shapes[variant / 8][1];
        const bool masked = variant % 2, weighted = variant / 2 % 2, gradient = variant / 4 % 2;
        struct loss_case c = {.s = 0.25f};
        if (gradient && n > 500) continue;
        snprintf(h->what, sizeof h->what, "cross_entropy [%d,%d] masked %d weighted %d dx %d", rows, n,
                 masked, weighted, gradient);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows));
        if (gradient)
            buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
        else
            buffer_none(h);
        double *x = buffer_random(h, DTYPE_F32, 3.0, DIMS(rows, n)),
               *t = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
        double *mask = NULL, *w = NULL;
        if (masked)
            mask = buffer_mask(h, rows, n, -1);
        else
            buffer_none(h);
        if (weighted)
            w = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows));
        else
            buffer_none(h);
        double *loss = expect(h, 0), *dx = gradient ? expect(h, 1) : NULL;
        for (int i = 0; i < rows * n; i++)
            t[i] = (double)(float)(i % 3 ? fabs(t[i]) : 0.0);
        for (int row = 0; row < rows; row++) {
            struct row_probe p = {x + row * n, mask ? mask + row * n : NULL, t + row * n, n, true};
            loss[row] = -softmax_loss(&p);
            if (!gradient) continue;
            central_differences(dx + row * n, p.x, (size_t)n, softmax_loss, &p);
            for (int i = 0; i < n; i++)
                dx[row * n + i] *= -(double)c.s * (w ? w[row] : 1.0);
        }
        if (gradient) h->buffers[1].relative = 1e-4;
        harness_run(h, call_cross_entropy, &c);
    }
}

static inline void check_squared_error(struct harness *h) {
    for (int variant = 0; variant < 4 * LOSS_SHAPES; variant++) {
        const int rows = loss_shapes[variant / 4][0], n = loss_shapes[variant / 4][1];
        const bool weighted = variant % 2, gradient = variant / 2 % 2;
        struct loss_case c = {.s = -0.5f};
        snprintf(h->what, sizeof h->what, "squared_error [%d,%d] weighted %d dx %d", rows, n, weighted,
                 gradient);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows));
        if (gradient)
            buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
        else
            buffer_none(h);
        double *x = buffer_random(h, DTYPE_F32, 3.0, DIMS(rows, n)),
               *t = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
        double *w = NULL;
        if (weighted)
            w = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows));
        else
            buffer_none(h);
        double *loss = expect(h, 0), *dx = gradient ? expect(h, 1) : NULL;
        for (int row = 0; row < rows; row++) {
            loss[row] = 0.0;
            for (int i = row * n; i < (row + 1) * n; i++) {
                loss[row] += (x[i] - t[i]) * (x[i] - t[i]);
                if (dx) dx[i] = 2.0 * (double)c.s * (w ? w[row] : 1.0) * (x[i] - t[i]);
            }
        }
        harness_run(h, call_squared_error, &c);
    }
}

#endif
