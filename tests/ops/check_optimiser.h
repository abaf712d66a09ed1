/* Cases of optimiser steps and gradient clipping. */
#ifndef TESTS_OPS_CHECK_OPTIMISER_H
#define TESTS_OPS_CHECK_OPTIMISER_H

#include "harness.h"

static const int step_sizes[] = {1, 17, 16385, 70001};
enum { STEP_SIZES = 4 };

static inline void call_sum_squares(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->sum_squares(q, t[0], t[1]);
}
static inline void call_clip_scale(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->clip_scale(q, t[0], t[1], *(const float *)parameters);
}
static inline void call_sgd_step(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->sgd_step(q, t[0], t[1], t[2], t[3]);
}
static inline void call_adam_step(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->adam_step(q, t[0], t[1], t[2], t[3], t[4], *(const bool *)parameters);
}

static inline void check_sum_squares(struct harness *h) {
    for (int variant = 0; variant < 2 * STEP_SIZES; variant++) {
        const int n = step_sizes[variant / 2];
        snprintf(h->what, sizeof h->what, "sum_squares [%d] of %s values", n,
                 variant % 2 ? "infinite" : "finite");
        buffer_random(h, DTYPE_F32, 1.0, DIMS(1));
        double *g = buffer_random(h, DTYPE_F32, 1.0, DIMS(n)), *sum = expect(h, 0);
        if (variant % 2) g[n / 2] = variant % 4 == 1 ? INFINITY : NAN;
        sum[0] = 0.0;
        for (int i = 0; i < n; i++)
            sum[0] += g[i] * g[i];
        harness_run(h, call_sum_squares, NULL);
    }
}

static inline void check_clip_scale(struct harness *h) {
    static const struct {
        double sum;
        float max_norm;
        double scale;
    } cases[] = {{4.0, 1.0f, 0.5}, {4.0, 3.0f, 1.0}, {1e6, 0.0f, 1.0},     {0.0, 1.0f, 1.0},
                 {0.0, 0.0f, 1.0}, {NAN, 1.0f, NAN}, {INFINITY, 0.0f, NAN}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float max_norm = cases[i].max_norm;
        snprintf(h->what, sizeof h->what, "clip_scale of %g to %g", cases[i].sum, (double)max_norm);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(HYPER_COUNT));
        *buffer_add(h, DTYPE_F32, DIMS(1)) = cases[i].sum;
        expect(h, 0)[HYPER_SCALE] = cases[i].scale;
        harness_run(h, call_clip_scale, &max_norm);
    }
}

static inline double *buffer_hyper(struct harness *h, bool adam, bool broken) {
    double *hyper = buffer_add(h, DTYPE_F32, DIMS(HYPER_COUNT));
    hyper[HYPER_RATE] = 0.125;
    hyper[HYPER_DECAY] = 0.25;
    hyper[HYPER_MOMENTUM] = 0.875;
    hyper[HYPER_BETA2] = 0.9375;
    hyper[HYPER_EPSILON] = 0.0078125;
    hyper[HYPER_CORRECTION1] = adam ? 0.375 : 1.0;
    hyper[HYPER_CORRECTION2] = adam ? 0.1875 : 1.0;
    hyper[HYPER_SCALE] = broken ? NAN : 0.5;
    return hyper;
}

static inline void check_sgd_step(struct harness *h) {
    for (int variant = 0; variant < 2 * STEP_SIZES; variant++) {
        const int n = step_sizes[variant / 2];
        const bool broken = variant % 2;
        snprintf(h->what, sizeof h->what, "sgd_step [%d] scale %s", n,
                 broken ? "NaN: nothing changes" : "0.5");
        buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
        double *g = buffer_random(h, DTYPE_F32, 1.0, DIMS(n)), *k = buffer_hyper(h, false, broken);
        double *w = expect(h, 0), *m = expect(h, 1);
        for (int i = 0; i < n && !broken; i++) {
            m[i] = k[HYPER_MOMENTUM] * m[i] + k[HYPER_SCALE] * g[i] + k[HYPER_DECAY] * w[i];
            w[i] -= k[HYPER_RATE] * m[i];
        }
        harness_run(h, call_sgd_step, NULL);
    }
}

static inline void check_adam_step(struct harness *h) {
    for (int variant = 0; variant < 4 * STEP_SIZES; variant++) {
        const int n = step_sizes[variant / 4];
        const bool broken = variant % 2, decoupled = variant / 2 % 2;
        snprintf(h->what, sizeof h->what, "adam_step [%d] decoupled %d scale %s", n, decoupled,
                 broken ? "NaN: nothing changes" : "0.5");
        buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
        double *v = buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
        double *g = buffer_random(h, DTYPE_F32, 1.0, DIMS(n)), *k = buffer_hyper(h, true, broken);
        for (int i = 0; i < n; i++)
            v[i] = fabs(v[i]);
        double *w = expect(h, 0), *m = expect(h, 1);
        expect(h, 2);
        for (int i = 0; i < n && !broken; i++) {
            double gi = k[HYPER_SCALE] * g[i] + (decoupled ? 0.0 : k[HYPER_DECAY] * w[i]);
            if (decoupled) w[i] -= k[HYPER_RATE] * k[HYPER_DECAY] * w[i];
            m[i] = k[HYPER_MOMENTUM] * m[i] + (1.0 - k[HYPER_MOMENTUM]) * gi;
            v[i] = k[HYPER_BETA2] * v[i] + (1.0 - k[HYPER_BETA2]) * gi * gi;
            w[i] -= k[HYPER_RATE] * (m[i] / k[HYPER_CORRECTION1]) /
                    (sqrt(v[i] / k[HYPER_CORRECTION2]) + k[HYPER_EPSILON]);
        }
        harness_run(h, call_adam_step, &decoupled);
    }
}

static inline void call_rmsprop_step(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->rmsprop_step(q, t[0], t[1], t[2], t[3], t[4]);
}

static inline void check_rmsprop_step(struct harness *h) {
    for (int variant = 0; variant < 2 * STEP_SIZES; variant++) {
        const int n = step_sizes[variant / 2];
        const bool broken = variant % 2;
        snprintf(h->what, sizeof h->what, "rmsprop_step [%d] scale %s", n,
                 broken ? "NaN: nothing changes" : "0.5");
        double *w = buffer_random(h, DTYPE_F32, 1.0, DIMS(n)), *m = buffer_random(h, DTYPE_F32, 0.5, DIMS(n)),
               *v = buffer_random(h, DTYPE_F32, 1.0, DIMS(n)), *g = buffer_random(h, DTYPE_F32, 1.0, DIMS(n)),
               *k = buffer_hyper(h, true, broken);
        for (int b = 0; b < 3; b++)
            expect(h, b);
        for (int i = 0; i < n && !broken; i++) {
            double gi = k[HYPER_SCALE] * g[i] + k[HYPER_DECAY] * w[i];
            m[i] = k[HYPER_MOMENTUM] * m[i] + (1.0 - k[HYPER_MOMENTUM]) * gi;
            v[i] = k[HYPER_BETA2] * v[i] + (1.0 - k[HYPER_BETA2]) * gi * gi;
            w[i] -= k[HYPER_RATE] * gi / sqrt(fmax(v[i] - m[i] * m[i], 0.0) + k[HYPER_EPSILON]);
        }
        harness_run(h, call_rmsprop_step, NULL);
    }
}

#endif
