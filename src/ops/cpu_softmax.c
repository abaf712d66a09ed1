/* Softmax and log softmax over the last dimension, masked, on a CPU. F32; a row at a time. */
#include "ops/cpu.h"

struct softmax_context {
    struct tensor y, x, g; /* g: the incoming gradient */
    const uint8_t *mask;
    int rows, width, grain;
    bool add;
};

static struct softmax_context softmax_context(const char *op, struct tensor y, struct tensor x,
                                              struct tensor mask) {
    check_softmax(op, y, x, mask);
    int width = x.dims[1];
    return (struct softmax_context){.y = y,
                                    .x = x,
                                    .mask = mask.data,
                                    .rows = x.dims[0],
                                    .width = width,
                                    .grain = 1 + 8192 / (width + 1)};
}

static void softmax_run(struct queue *q, struct softmax_context *c, void (*piece)(void *, int)) {
    pool_run(q->pool, (c->rows + c->grain - 1) / c->grain, piece, c);
}

/* e = exp(x - max) where the mask allows it, else 0; returns the maximum, -inf if nothing is allowed. */
static float row_exp(float *e, const float *x, const uint8_t *mask, int n) {
    float max;
    if (mask) {
        for (int i = 0; i < n; i++)
            e[i] = mask[i] ? x[i] : -INFINITY;
        max = cpu_max(e, n);
        if (max == -INFINITY) {
            memset(e, 0, (size_t)n * sizeof *e);
            return max;
        }
        for (int i = 0; i < n; i++)
            e[i] = mask[i] ? cpu_exp(x[i] - max) : 0.0f;
    } else {
        max = cpu_max(x, n);
        for (int i = 0; i < n; i++)
            e[i] = cpu_exp(x[i] - max);
    }
    return max;
}

float cpu_row_softmax(float *p, const float *x, const uint8_t *mask, int n) {
    for (int i = 0; i < n; i++)
        p[i] = mask && !mask[i] ? -INFINITY : x[i];
    float max = cpu_max(p, n);
    if (max == -INFINITY) {
        memset(p, 0, (size_t)n * sizeof *p);
        return 0.0f;
    }
    for (int i = 0; i < n; i++)
        p[i] = mask && !mask[i] ? 0.0f : cpu_exp(x[i] - max);
    float sum = cpu_sum(p, n), factor = 1.0f / sum;
    for (int i = 0; i < n; i++)
        p[i] *= factor;
    return max + logf(sum);
}

static void softmax_forward_piece(void *context, int piece) {
    const struct softmax_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows, n = c->width;
    for (int row = piece * c->grain; row < end; row++) {
        size_t at = (size_t)row * (size_t)n;
        float *p = (float *)c->y.data + at;
        row_exp(p, (float *)c->x.data + at, c->mask ? c->mask + at : NULL, n);
        float sum = cpu_sum(p, n), factor = sum > 0.0f ? 1.0f / sum : sum == 0.0f ? 0.0f : NAN;
        for (int i = 0; i < n; i++)
            p[i] *= factor;
    }
}

void cpu_softmax_forward(struct queue *q, struct tensor p, struct tensor x, struct tensor mask) {
    struct softmax_context c = softmax_context("softmax_forward", p, x, mask);
    ENSURE(!tensor_is(mask) || p.data != x.data, "softmax_forward with a mask does not work in place");
    softmax_run(q, &c, softmax_forward_piece);
}

static void log_softmax_forward_piece(void *context, int piece) {
    const struct softmax_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows, n = c->width;
    for (int row = piece * c->grain; row < end; row++) {
        size_t at = (size_t)row * (size_t)n;
        const float *x = (float *)c->x.data + at;
        const uint8_t *mask = c->mask ? c->mask + at : NULL;
        float *l = (float *)c->y.data + at;
        float max = row_exp(l, x, mask, n), shift = max + logf(cpu_sum(l, n));
        for (int i = 0; i < n; i++)
            l[i] = mask && !mask[i] ? -INFINITY : x[i] - shift;
    }
}

void cpu_log_softmax_forward(struct queue *q, struct tensor l, struct tensor x, struct tensor mask) {
    struct softmax_context c = softmax_context("log_softmax_forward", l, x, mask);
    ENSURE(l.data != x.data, "log_softmax_forward does not work in place");
    softmax_run(q, &c, log_softmax_forward_piece);
}

static void softmax_backward_piece(void *context, int piece) {
    const struct softmax_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows, n = c->width;
    for (int row = piece * c->grain; row < end; row++) {
        size_t at = (size_t)row * (size_t)n;
        const float *p = (float *)c->x.data + at, *dp = (float *)c->g.data + at;
        float *dx = (float *)c->y.data + at, lanes[16] = {0};
        for (int i = 0; i < n; i++)
            lanes[i & 15] += p[i] * dp[i];
        float sum = cpu_sum(lanes, 16);
        if (c->add)
            for (int i = 0; i < n; i++)
                dx[i] += p[i] * (dp[i] - sum);
        else
            for (int i = 0; i < n; i++)
                dx[i] = p[i] * (dp[i] - sum);
    }
}

void cpu_softmax_backward(struct queue *q, struct tensor dx, struct tensor dp, struct tensor p, bool add) {
    struct softmax_context c = softmax_context("softmax_backward", dx, p, tensor_none());
    check_rows("softmax_backward", dp, p);
    c.g = dp;
    c.add = add;
    softmax_run(q, &c, softmax_backward_piece);
}

/* A place is masked where l is -inf; its dl counts for nothing. */
static void log_softmax_backward_piece(void *context, int piece) {
    const struct softmax_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows, n = c->width;
    for (int row = piece * c->grain; row < end; row++) {
        size_t at = (size_t)row * (size_t)n;
        const float *l = (float *)c->x.data + at, *dl = (float *)c->g.data + at;
        float *dx = (float *)c->y.data + at, lanes[16] = {0};
        for (int i = 0; i < n; i++)
            lanes[i & 15] += l[i] == -INFINITY ? 0.0f : dl[i];
        float sum = cpu_sum(lanes, 16);
        for (int i = 0; i < n; i++) {
            float g = l[i] == -INFINITY ? 0.0f : dl[i] - cpu_exp(l[i]) * sum;
            dx[i] = c->add ? dx[i] + g : g;
        }
    }
}

void cpu_log_softmax_backward(struct queue *q, struct tensor dx, struct tensor dl, struct tensor l,
                              bool add) {
    struct softmax_context c = softmax_context("log_softmax_backward", dx, l, tensor_none());
    check_rows("log_softmax_backward", dl, l);
    c.g = dl;
    c.add = add;
    softmax_run(q, &c, log_softmax_backward_piece);
}
