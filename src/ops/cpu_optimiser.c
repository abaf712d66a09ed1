/* Optimiser steps over a whole slab, on a CPU. Bound by memory: every array is read and written once. */
#include "ops/cpu.h"

struct step_context {
    float *w, *m, *v;
    const float *g, *hyper;
    double *partial;
    size_t count;
    bool decoupled;
};

enum { SQUARES_GRAIN = 65536 };

/* ---- gradient norm ----------------------------------------------------------------------------------------
 */

static void sum_squares_piece(void *context, int piece) {
    const struct step_context *c = context;
    size_t at = (size_t)piece * SQUARES_GRAIN,
           end = at + SQUARES_GRAIN < c->count ? at + SQUARES_GRAIN : c->count;
    double lanes[32] = {0};
    for (; at + 32 <= end; at += 32)
        for (int j = 0; j < 32; j++)
            lanes[j] += (double)c->g[at + (size_t)j] * (double)c->g[at + (size_t)j];
    for (int j = 0; at < end; at++, j++)
        lanes[j] += (double)c->g[at] * (double)c->g[at];
    double sum = 0.0;
    for (int j = 0; j < 32; j++)
        sum += lanes[j];
    c->partial[piece] = sum;
}

void cpu_sum_squares(struct queue *q, struct tensor out, struct tensor g) {
    check_sum_squares(out, g);
    struct step_context c = {.g = g.data, .count = tensor_count(g)};
    int pieces = (int)((c.count + SQUARES_GRAIN - 1) / SQUARES_GRAIN);
    c.partial = cpu_shared_scratch(q, SCRATCH_PARTIALS, (size_t)pieces * sizeof *c.partial);
    pool_run(q->pool, pieces, sum_squares_piece, &c);
    double sum = 0.0;
    for (int i = 0; i < pieces; i++)
        sum += c.partial[i];
    *(float *)out.data = (float)sum;
}

void cpu_clip_scale(struct queue *q, struct tensor hyper, struct tensor sum, float max_norm) {
    (void)q;
    check_vector("clip_scale", hyper, HYPER_COUNT, sum);
    float squares = *(float *)sum.data, scale = 1.0f;
    if (max_norm > 0.0f && squares > max_norm * max_norm) scale = max_norm / sqrtf(squares);
    ((float *)hyper.data)[HYPER_SCALE] = isfinite(squares) ? scale : NAN;
}

/* ---- steps ------------------------------------------------------------------------------------------------
 */

static void step_run(struct queue *q, struct step_context *c, void (*piece)(void *, int)) {
    if (!isfinite(c->hyper[HYPER_SCALE]))
        return; /* the gradient holds NaN or Inf: leave weights and state alone */
    pool_run(q->pool, (int)((c->count + CPU_GRAIN - 1) / CPU_GRAIN), piece, c);
}

static void sgd_piece(void *context, int piece) {
    const struct step_context *c = context;
    const size_t at = (size_t)piece * CPU_GRAIN, end = at + CPU_GRAIN < c->count ? at + CPU_GRAIN : c->count;
    const float rate = c->hyper[HYPER_RATE], decay = c->hyper[HYPER_DECAY],
                momentum = c->hyper[HYPER_MOMENTUM];
    const float scale = c->hyper[HYPER_SCALE];
    float *restrict w = c->w, *restrict m = c->m;
    const float *restrict g = c->g;
    for (size_t i = at; i < end; i++) {
        m[i] = momentum * m[i] + (scale * g[i] + decay * w[i]);
        w[i] -= rate * m[i];
    }
}

void cpu_sgd_step(struct queue *q, struct tensor w, struct tensor m, struct tensor g, struct tensor hyper) {
    check_step("sgd_step", w, m, tensor_none(), g, hyper);
    struct step_context c = {
        .w = w.data, .m = m.data, .g = g.data, .hyper = hyper.data, .count = tensor_count(w)};
    step_run(q, &c, sgd_piece);
}

static void adam_piece(void *context, int piece) {
    const struct step_context *c = context;
    const size_t at = (size_t)piece * CPU_GRAIN, end = at + CPU_GRAIN < c->count ? at + CPU_GRAIN : c->count;
    const float *h = c->hyper, scale = h[HYPER_SCALE], epsilon = h[HYPER_EPSILON];
    const float beta1 = h[HYPER_MOMENTUM], beta2 = h[HYPER_BETA2];
    const float decay = c->decoupled ? 0.0f : h[HYPER_DECAY];
    const float keep = c->decoupled ? 1.0f - h[HYPER_RATE] * h[HYPER_DECAY] : 1.0f;
    const float rate = h[HYPER_RATE] / h[HYPER_CORRECTION1], correction2 = 1.0f / h[HYPER_CORRECTION2];
    float *restrict w = c->w, *restrict m = c->m, *restrict v = c->v;
    const float *restrict g = c->g;
    for (size_t i = at; i < end; i++) {
        float gi = scale * g[i] + decay * w[i];
        m[i] = beta1 * m[i] + (1.0f - beta1) * gi;
        v[i] = beta2 * v[i] + (1.0f - beta2) * gi * gi;
        w[i] = w[i] * keep - rate * m[i] / (sqrtf(v[i] * correction2) + epsilon);
    }
}

void cpu_adam_step(struct queue *q, struct tensor w, struct tensor m, struct tensor v, struct tensor g,
                   struct tensor hyper, bool decoupled) {
    check_step("adam_step", w, m, v, g, hyper);
    struct step_context c = {.w = w.data,
                             .m = m.data,
                             .v = v.data,
                             .g = g.data,
                             .hyper = hyper.data,
                             .count = tensor_count(w),
                             .decoupled = decoupled};
    step_run(q, &c, adam_piece);
}

static void rmsprop_piece(void *context, int piece) {
    const struct step_context *c = context;
    const size_t at = (size_t)piece * CPU_GRAIN, end = at + CPU_GRAIN < c->count ? at + CPU_GRAIN : c->count;
    const float *h = c->hyper, scale = h[HYPER_SCALE], epsilon = h[HYPER_EPSILON];
    const float beta1 = h[HYPER_MOMENTUM], beta2 = h[HYPER_BETA2], decay = h[HYPER_DECAY];
    const float rate = h[HYPER_RATE];
    float *restrict w = c->w, *restrict m = c->m, *restrict v = c->v;
    const float *restrict g = c->g;
    for (size_t i = at; i < end; i++) {
        float gi = scale * g[i] + decay * w[i];
        m[i] = beta1 * m[i] + (1.0f - beta1) * gi;
        v[i] = beta2 * v[i] + (1.0f - beta2) * gi * gi;
        float spread = v[i] - m[i] * m[i];
        w[i] -= rate * gi / sqrtf((spread > 0.0f ? spread : 0.0f) + epsilon);
    }
}

void cpu_rmsprop_step(struct queue *q, struct tensor w, struct tensor m, struct tensor v, struct tensor g,
                      struct tensor hyper) {
    check_step("rmsprop_step", w, m, v, g, hyper);
    struct step_context c = {
        .w = w.data, .m = m.data, .v = v.data, .g = g.data, .hyper = hyper.data, .count = tensor_count(w)};
    step_run(q, &c, rmsprop_piece);
}
