/* Gated recurrent units on a CPU: the part of a step that no matrix product does. Bound by the exponentials,
 * which are cpu_exp, so that compilers make vectors of the units of a row. */
#include "ops/cpu.h"

struct gru_context {
    float *y, *dx, *dg, *dh;
    const float *dy, *x, *g, *h, *starts;
    int rows, units, grain;
};

static inline float sigmoid(float x) {
    return 1.0f / (1.0f + cpu_exp(-x));
}

static inline float hyperbolic_tangent(float x) {
    return 1.0f - 2.0f / (1.0f + cpu_exp(2.0f * x));
}

static void gru_run(struct queue *q, struct gru_context *c, void (*piece)(void *, int)) {
    c->grain = 1 + CPU_GRAIN / (8 * c->units);
    pool_run(q->pool, (c->rows + c->grain - 1) / c->grain, piece, c);
}

static int piece_end(const struct gru_context *c, int piece) {
    const int end = (piece + 1) * c->grain;
    return end < c->rows ? end : c->rows;
}

static void gru_forward_piece(void *context, int piece) {
    const struct gru_context *c = context;
    const int units = c->units;
    for (int n = piece * c->grain; n < piece_end(c, piece); n++) {
        const float *x = c->x + (size_t)n * 3 * (size_t)units, *g = c->g + (size_t)n * 3 * (size_t)units;
        const float *h = c->h + (size_t)n * (size_t)units, keep = 1.0f - c->starts[n];
        float *y = c->y + (size_t)n * (size_t)units;
        IVDEP
        for (int i = 0; i < units; i++) {
            const float reset = sigmoid(x[i] + keep * g[i]);
            const float update = sigmoid(x[units + i] + keep * g[units + i]);
            const float candidate = hyperbolic_tangent(x[2 * units + i] + reset * keep * g[2 * units + i]);
            y[i] = candidate + update * (keep * h[i] - candidate);
        }
    }
}

void cpu_gru_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor g, struct tensor h,
                     struct tensor starts) {
    struct gru_context c = {.y = y.data, .x = x.data, .g = g.data, .h = h.data, .starts = starts.data};
    c.units = check_gru("gru_forward", y, x, g, h, starts);
    c.rows = y.dims[0];
    gru_run(q, &c, gru_forward_piece);
}

/* One row; its arrays begin at the arguments. dg may be g, dh NULL. */
static void gru_backward_row(const struct gru_context *c, float *dx, float *dg, float *dh, const float *dy,
                             const float *x, const float *g, const float *h, float keep) {
    const int units = c->units;
    IVDEP
    for (int i = 0; i < units; i++) {
        const float product = keep * g[2 * units + i];
        const float reset = sigmoid(x[i] + keep * g[i]);
        const float update = sigmoid(x[units + i] + keep * g[units + i]);
        const float candidate = hyperbolic_tangent(x[2 * units + i] + reset * product);
        const float d_candidate = dy[i] * (1.0f - update) * (1.0f - candidate * candidate);
        const float d_update = dy[i] * (keep * h[i] - candidate) * update * (1.0f - update);
        const float d_reset = d_candidate * product * reset * (1.0f - reset);
        dx[i] = d_reset;
        dx[units + i] = d_update;
        dx[2 * units + i] = d_candidate;
        dg[i] = keep * d_reset;
        dg[units + i] = keep * d_update;
        dg[2 * units + i] = keep * d_candidate * reset;
        if (dh) dh[i] += keep * dy[i] * update;
    }
}

static void gru_backward_piece(void *context, int piece) {
    const struct gru_context *c = context;
    for (int n = piece * c->grain; n < piece_end(c, piece); n++) {
        const size_t at = (size_t)n * (size_t)c->units, at3 = 3 * at;
        gru_backward_row(c, c->dx + at3, c->dg + at3, c->dh ? c->dh + at : NULL, c->dy + at, c->x + at3,
                         c->g + at3, c->h + at, 1.0f - c->starts[n]);
    }
}

void cpu_gru_backward(struct queue *q, struct tensor dx, struct tensor dg, struct tensor dh, struct tensor dy,
                      struct tensor x, struct tensor g, struct tensor h, struct tensor starts) {
    struct gru_context c = {.dx = dx.data,
                            .dg = dg.data,
                            .dh = dh.data,
                            .dy = dy.data,
                            .x = x.data,
                            .g = g.data,
                            .h = h.data,
                            .starts = starts.data};
    c.units = check_gru_backward(dx, dg, dh, dy, x, g, h, starts);
    c.rows = dy.dims[0];
    gru_run(q, &c, gru_backward_piece);
}
