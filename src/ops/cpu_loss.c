/* Losses and their gradients in one pass, on a CPU: cross entropy with a target distribution, squared error.
 * F32; a sample at a time. */
#include "ops/cpu.h"

struct loss_context {
    struct queue *q;
    struct tensor loss, dx, x, t, w;
    const uint8_t *mask;
    int rows, width, grain;
    float s;
};

static struct loss_context loss_context(const char *op, struct tensor loss, struct tensor dx, struct tensor x,
                                        struct tensor t, struct tensor mask, struct tensor w, float s) {
    check_loss(op, loss, dx, x, t, mask, w);
    int width = x.dims[1];
    return (struct loss_context){.loss = loss,
                                 .dx = dx,
                                 .x = x,
                                 .t = t,
                                 .w = w,
                                 .mask = mask.data,
                                 .rows = x.dims[0],
                                 .width = width,
                                 .grain = 1 + 8192 / (width + 1),
                                 .s = s};
}

/* ---- cross entropy ----------------------------------------------------------------------------------------
 */

static void cross_entropy_piece(void *context, int piece) {
    const struct loss_context *c = context;
    const int n = c->width, end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows;
    float *p = cpu_scratch(c->q, pool_worker(), 2 * (size_t)n * sizeof *p), *term = p + n;
    /* A target counts as 0 where it is masked. */
    for (int row = piece * c->grain; row < end; row++) {
        size_t at = (size_t)row * (size_t)n;
        const float *x = (float *)c->x.data + at, *t = (float *)c->t.data + at;
        const uint8_t *mask = c->mask ? c->mask + at : NULL;
        float log_sum = cpu_row_softmax(p, x, mask, n), lanes[16] = {0};
        for (int i = 0; i < n; i++) {
            float ti = mask && !mask[i] ? 0.0f : t[i];
            term[i] = ti * (log_sum - x[i]);
            if (ti == 0.0f) term[i] = 0.0f; /* 0 log 0 */
            lanes[i & 15] += ti;
        }
        ((float *)c->loss.data)[row] = cpu_sum(term, n);
        if (!tensor_is(c->dx)) continue;
        float total = cpu_sum(lanes, 16),
              factor = c->s * (tensor_is(c->w) ? ((float *)c->w.data)[row] : 1.0f);
        float *dx = (float *)c->dx.data + at;
        for (int i = 0; i < n; i++)
            dx[i] = mask && !mask[i] ? 0.0f : factor * (p[i] * total - t[i]);
    }
}

void cpu_cross_entropy(struct queue *q, struct tensor loss, struct tensor dx, struct tensor x,
                       struct tensor t, struct tensor mask, struct tensor w, float s) {
    struct loss_context c = loss_context("cross_entropy", loss, dx, x, t, mask, w, s);
    c.q = q;
    pool_run(q->pool, (c.rows + c.grain - 1) / c.grain, cross_entropy_piece, &c);
}

/* ---- squared error ----------------------------------------------------------------------------------------
 */

static void squared_error_piece(void *context, int piece) {
    const struct loss_context *c = context;
    const int n = c->width, end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows;
    for (int row = piece * c->grain; row < end; row++) {
        size_t at = (size_t)row * (size_t)n;
        const float *x = (float *)c->x.data + at, *t = (float *)c->t.data + at;
        float lanes[16] = {0};
        for (int i = 0; i < n; i++)
            lanes[i & 15] += (x[i] - t[i]) * (x[i] - t[i]);
        ((float *)c->loss.data)[row] = cpu_sum(lanes, 16);
        if (!tensor_is(c->dx)) continue;
        float factor = 2.0f * c->s * (tensor_is(c->w) ? ((float *)c->w.data)[row] : 1.0f);
        float *dx = (float *)c->dx.data + at;
        for (int i = 0; i < n; i++)
            dx[i] = factor * (x[i] - t[i]);
    }
}

void cpu_squared_error(struct queue *q, struct tensor loss, struct tensor dx, struct tensor x,
                       struct tensor t, struct tensor w, float s) {
    struct loss_context c = loss_context("squared_error", loss, dx, x, t, tensor_none(), w, s);
    pool_run(q->pool, (c.rows + c.grain - 1) / c.grain, squared_error_piece, &c);
}
