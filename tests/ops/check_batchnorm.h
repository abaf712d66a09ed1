/* Cases of batch norm. */
#ifndef TESTS_OPS_CHECK_BATCHNORM_H
#define TESTS_OPS_CHECK_BATCHNORM_H

#include "harness.h"

struct norm_case {
    int rows, channels;
    enum activation act;
    float momentum, epsilon;
    bool residual, add_r;
};

static const int norm_shapes[][2] = {{2, 1}, {49, 3}, {147, 64}, {5, 300}, {361 * 3, 128}, {4000, 2}, {1, 4}};
enum { NORM_SHAPES = sizeof norm_shapes / sizeof norm_shapes[0] };

static inline struct norm_case norm_case(struct harness *h, const char *op, int variant) {
    struct norm_case c = {.rows = norm_shapes[variant / 8][0],
                          .channels = norm_shapes[variant / 8][1],
                          .act = variant / 2 % 2 ? ACTIVATION_RELU : ACTIVATION_NONE,
                          .momentum = 0.1f,
                          .epsilon = 1e-5f,
                          .residual = variant / 4 % 2,
                          .add_r = variant / 2 % 2};
    snprintf(h->what, sizeof h->what, "%s %s [%d,%d] act %d residual %d", op,
             dtype_name(both_dtypes[variant % 2]), c.rows, c.channels, (int)c.act, c.residual);
    return c;
}

static inline double *random_positive(struct harness *h, int n) {
    double *v = buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
    for (int i = 0; i < n; i++)
        v[i] = (double)(float)(0.2 + fabs(v[i]));
    return v;
}

/* Mean and biased variance of one channel. */
static inline void norm_statistics(const double *x, const struct norm_case *c, int channel, double *mean,
                                   double *var) {
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < c->rows; i++)
        sum += x[i * c->channels + channel];
    *mean = sum / c->rows;
    for (int i = 0; i < c->rows; i++)
        squares += pow(x[i * c->channels + channel] - *mean, 2);
    *var = squares / c->rows;
}

/* ---- forward ----------------------------------------------------------------------------------------------
 */

static inline void call_batchnorm_train(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct norm_case *c = parameters;
    q->op->batchnorm_train(q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], c->act, c->momentum,
                           c->epsilon);
}

static inline void check_batchnorm_train(struct harness *h) {
    for (int variant = 0; variant < 8 * NORM_SHAPES; variant++) {
        struct norm_case c = norm_case(h, "batchnorm_train", variant);
        enum dtype dtype = both_dtypes[variant % 2];
        buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));
        double *rm = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels)), *rv = random_positive(h, c.channels);
        double *x = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));
        /* A mean far larger than the deviation: sums of squares alone would cancel. */
        for (size_t i = 0; i < buffer_count(h, 5); i++)
            x[i] = rounded_to(x[i] + 20.0 * (double)(i % (size_t)c.channels % 3), dtype);
        double *gamma = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));
        double *beta = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels)), *r = NULL;
        if (c.residual)
            r = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));
        else
            buffer_none(h);
        double *y = expect(h, 0), *mean = expect(h, 1), *rstd = expect(h, 2);
        expect(h, 3);
        expect(h, 4);
        h->buffers[0].relative = dtype == DTYPE_BF16 ? 0.01 : 3e-5;
        for (int j = 0; j < c.channels; j++) {
            double var;
            norm_statistics(x, &c, j, &mean[j], &var);
            rstd[j] = 1.0 / sqrt(var + (double)c.epsilon);
            rm[j] = 0.9 * rm[j] + 0.1 * mean[j];
            rv[j] = 0.9 * rv[j] + 0.1 * (c.rows > 1 ? var * c.rows / (c.rows - 1) : var);
            for (int i = 0; i < c.rows; i++) {
                int at = i * c.channels + j;
                y[at] =
                    act_value((x[at] - mean[j]) * rstd[j] * gamma[j] + beta[j] + (r ? r[at] : 0.0), c.act);
            }
        }
        harness_run(h, call_batchnorm_train, &c);
    }
}

static inline void call_batchnorm_infer(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct norm_case *c = parameters;
    q->op->batchnorm_infer(q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], c->act, c->epsilon);
}

static inline void check_batchnorm_infer(struct harness *h) {
    for (int variant = 0; variant < 8 * NORM_SHAPES; variant++) {
        struct norm_case c = norm_case(h, "batchnorm_infer", variant);
        enum dtype dtype = both_dtypes[variant % 2];
        buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));
        double *x = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));
        double *gamma = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));
        double *beta = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));
        double *mean = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels)),
               *var = random_positive(h, c.channels);
        double *r = NULL;
        if (c.residual)
            r = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));
        else
            buffer_none(h);
        double *y = expect(h, 0);
        for (size_t i = 0; i < buffer_count(h, 0); i++) {
            size_t j = i % (size_t)c.channels;
            y[i] = act_value((x[i] - mean[j]) / sqrt(var[j] + (double)c.epsilon) * gamma[j] + beta[j] +
                                 (r ? r[i] : 0.0),
                             c.act);
        }
        bool in_place = variant % 3 == 0;
        if (in_place) memcpy(h->buffers[0].first, x, buffer_count(h, 0) * sizeof *x);
        harness_run_alias(h, call_batchnorm_infer, &c, in_place ? (int[]){0, 0, 2, 3, 4, 5, 6} : NULL);
    }
}

/* ---- backward: central differences of sum(dy y) with respect to x, gamma and beta -------------------------
 */

struct norm_probe {
    const struct norm_case *c;
    double *x, *gamma, *beta, *r;
    const double *dy;
    int channel; /* a channel only depends on itself */
};

static inline double norm_loss(void *context) {
    const struct norm_probe *p = context;
    double mean, var, loss = 0.0;
    norm_statistics(p->x, p->c, p->channel, &mean, &var);
    for (int i = 0; i < p->c->rows; i++) {
        int at = i * p->c->channels + p->channel;
        double z = (p->x[at] - mean) / sqrt(var + (double)p->c->epsilon) * p->gamma[p->channel] +
                   p->beta[p->channel] + p->r[at];
        loss += p->dy[at] * act_value(z, p->c->act);
    }
    return loss;
}

static inline void call_batchnorm_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct norm_case *c = parameters;
    struct tensor dr = c->residual ? t[1] : tensor_none();
    q->op->batchnorm_backward(q, t[0], dr, t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], c->act, c->add_r);
}

/* r pushes z away from relu's corner, so that differences mean something. */
static inline void norm_residual(double *r, const double *x, const double *gamma, const double *beta,
                                 const struct norm_case *c, const double *mean, const double *rstd) {
    for (int at = 0; at < c->rows * c->channels; at++) {
        int j = at % c->channels;
        double z = (x[at] - mean[j]) * rstd[j] * gamma[j] + beta[j];
        r[at] = fabs(z) < 0.1 ? 0.5 : 0.0;
    }
}

static inline void batchnorm_backward_case(struct harness *h, int variant) {
    struct norm_case c = norm_case(h, "batchnorm_backward", variant);
    enum dtype dtype = both_dtypes[variant % 2];
    if (c.rows > 200) c.rows = 200;                                      /* differences cost rows^2 */
    buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));              /* 0 dx */
    double *dr = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels)); /* 1 dr */
    buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));                  /* 2 dgamma */
    buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));                  /* 3 dbeta */
    double *dy = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels)); /* 4 dy */
    double *y = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));  /* 5 y */
    double *x = buffer_random(h, dtype, 1.0, DIMS(c.rows, c.channels));  /* 6 x */
    double *gamma = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));  /* 7 */
    double *mean = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));   /* 8 */
    double *rstd = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.channels));   /* 9 */
    double *beta = MEM_NEW(double, c.channels), *r = MEM_NEW(double, c.rows *c.channels);
    for (int j = 0; j < c.channels; j++) {
        norm_statistics(x, &c, j, &mean[j], &rstd[j]);
        rstd[j] = 1.0 / sqrt(rstd[j] + (double)c.epsilon);
    }
    norm_residual(r, x, gamma, beta, &c, mean, rstd);
    double *dx = expect(h, 0), *dgamma = expect(h, 2), *dbeta = expect(h, 3);
    expect(h, 1);
    h->buffers[0].relative = dtype == DTYPE_BF16 ? 0.02 : 1e-4;
    h->buffers[2].relative = h->buffers[3].relative = 1e-4;
    for (int j = 0; j < c.channels; j++) {
        struct norm_probe p = {&c, x, gamma, beta, r, dy, j};
        double gradient;
        for (int i = 0; i < c.rows; i++)
            central_differences(&dx[i * c.channels + j], &x[i * c.channels + j], 1, norm_loss, &p);
        central_differences(&gradient, &gamma[j], 1, norm_loss, &p);
        dgamma[j] += gradient;
        central_differences(&gradient, &beta[j], 1, norm_loss, &p);
        dbeta[j] += gradient;
    }
    for (int at = 0; at < c.rows * c.channels; at++) {
        int j = at % c.channels;
        double z = (x[at] - mean[j]) * rstd[j] * gamma[j] + beta[j] + r[at];
        y[at] = act_value(z, c.act);
        double dz = c.act == ACTIVATION_RELU && z <= 0.0 ? 0.0 : dy[at];
        if (c.residual) dr[at] = (c.add_r ? dr[at] : 0.0) + dz;
    }
    bool in_place = variant % 3 == 0;
    if (in_place) memcpy(h->buffers[0].first, dy, (size_t)(c.rows * c.channels) * sizeof *dy);
    mem_free(beta);
    mem_free(r);
    harness_run_alias(h, call_batchnorm_backward, &c,
                      in_place ? (int[]){0, 1, 2, 3, 0, 5, 6, 7, 8, 9} : NULL);
}

static inline void check_batchnorm_backward(struct harness *h) {
    for (int variant = 0; variant < 8 * NORM_SHAPES; variant++)
        if (norm_shapes[variant / 8][0] > 2)
            batchnorm_backward_case(h, variant); /* two rows: no gradient left */
}

/* ---- folding ----------------------------------------------------------------------------------------------
 */

static inline void call_batchnorm_fold(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->batchnorm_fold(q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7],
                          ((const struct norm_case *)parameters)->epsilon);
}

static inline void check_batchnorm_fold(struct harness *h) {
    for (int variant = 0; variant < 4; variant++) {
        struct norm_case c = {.epsilon = 1e-3f};
        const int o = variant < 2 ? 7 : 65;
        snprintf(h->what, sizeof h->what, "batchnorm_fold %d outputs, bias %d", o, variant % 2);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(o, 3, 2, 5));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(o));
        double *w = buffer_random(h, DTYPE_F32, 1.0, DIMS(o, 3, 2, 5)), *b = NULL;
        if (variant % 2)
            b = buffer_random(h, DTYPE_F32, 1.0, DIMS(o));
        else
            buffer_none(h);
        double *gamma = buffer_random(h, DTYPE_F32, 1.0, DIMS(o)),
               *beta = buffer_random(h, DTYPE_F32, 1.0, DIMS(o));
        double *mean = buffer_random(h, DTYPE_F32, 1.0, DIMS(o)), *var = random_positive(h, o);
        double *wf = expect(h, 0), *bf = expect(h, 1);
        for (int i = 0; i < o; i++) {
            double scale = gamma[i] / sqrt(var[i] + (double)c.epsilon);
            for (int k = 0; k < 30; k++)
                wf[i * 30 + k] = w[i * 30 + k] * scale;
            bf[i] = ((b ? b[i] : 0.0) - mean[i]) * scale + beta[i];
        }
        harness_run(h, call_batchnorm_fold, &c);
    }
}

#endif
