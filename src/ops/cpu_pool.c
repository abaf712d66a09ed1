/* Global pooling over the points of an image, on a CPU: y[n,c] = mean or max over h,w. One pass, bound by
 * memory. */
#include "ops/cpu.h"

struct pool_context {
    struct tensor y, x, dx, dy;
    enum pooling kind;
    bool add;
    int points, channels;
};

static struct pool_context pool_context(struct tensor y, struct tensor x, enum pooling kind) {
    return (struct pool_context){
        .y = y, .x = x, .kind = kind, .points = x.dims[1] * x.dims[2], .channels = x.dims[3]};
}

/* One sample, CPU_BLOCK channels at a time. */
static void pool_forward_piece(void *context, int sample) {
    const struct pool_context *c = context;
    float in[CPU_BLOCK], out[CPU_BLOCK];
    for (int from = 0; from < c->channels; from += CPU_BLOCK) {
        int n = c->channels - from < CPU_BLOCK ? c->channels - from : CPU_BLOCK;
        float sum[CPU_BLOCK];
        for (int j = 0; j < n; j++)
            sum[j] = c->kind == POOLING_MAX ? -INFINITY : 0.0f;
        for (int p = 0; p < c->points; p++) {
            size_t at = ((size_t)sample * (size_t)c->points + (size_t)p) * (size_t)c->channels + (size_t)from;
            const float *x = cpu_read(c->x, at, (size_t)n, in);
            if (c->kind == POOLING_MAX)
                for (int j = 0; j < n; j++)
                    sum[j] = x[j] > sum[j] ? x[j] : sum[j];
            else
                for (int j = 0; j < n; j++)
                    sum[j] += x[j];
        }
        size_t at = (size_t)sample * (size_t)c->channels + (size_t)from;
        float *y = cpu_target(c->y, at, out),
              factor = c->kind == POOLING_MAX ? 1.0f : 1.0f / (float)c->points;
        for (int j = 0; j < n; j++)
            y[j] = sum[j] * factor;
        cpu_written(c->y, at, (size_t)n, y);
    }
}

void cpu_pool_forward(struct queue *q, struct tensor y, struct tensor x, enum pooling kind) {
    check_pool("pool_forward", y, x);
    struct pool_context c = pool_context(y, x, kind);
    pool_run(q->pool, x.dims[0], pool_forward_piece, &c);
}

/* What one block of channels gets at one point; `open[j]` is 1 until the maximum of channel j was met. */
static void pool_backward_point(const struct pool_context *c, size_t at, size_t n, const float *dy,
                                const float *y, float *open) {
    float x_buffer[CPU_BLOCK], old_buffer[CPU_BLOCK], out[CPU_BLOCK], g[CPU_BLOCK];
    if (c->kind == POOLING_MAX) {
        const float *x = cpu_read(c->x, at, n, x_buffer);
        for (size_t j = 0; j < n; j++) {
            float here = x[j] == y[j] ? open[j] : 0.0f;
            g[j] = here != 0.0f ? dy[j] : 0.0f; /* beside the maximum nothing, though dy were infinite */
            open[j] -= here;
        }
    } else {
        float factor = 1.0f / (float)c->points;
        for (size_t j = 0; j < n; j++)
            g[j] = dy[j] * factor;
    }
    float *dx = cpu_target(c->dx, at, out);
    if (c->add) {
        const float *old = cpu_read(c->dx, at, n, old_buffer);
        IVDEP
        for (size_t j = 0; j < n; j++)
            dx[j] = old[j] + g[j];
    } else {
        memcpy(dx, g, n * sizeof *dx);
    }
    cpu_written(c->dx, at, n, dx);
}

static void pool_backward_piece(void *context, int sample) {
    const struct pool_context *c = context;
    float dy_buffer[CPU_BLOCK], y_buffer[CPU_BLOCK], open[CPU_BLOCK];
    for (int from = 0; from < c->channels; from += CPU_BLOCK) {
        size_t n = c->channels - from < CPU_BLOCK ? (size_t)(c->channels - from) : CPU_BLOCK;
        size_t row = (size_t)sample * (size_t)c->channels + (size_t)from;
        const float *dy = cpu_read(c->dy, row, n, dy_buffer), *y = cpu_read(c->y, row, n, y_buffer);
        for (size_t j = 0; j < n; j++)
            open[j] = 1.0f;
        for (int p = 0; p < c->points; p++) {
            size_t at = ((size_t)sample * (size_t)c->points + (size_t)p) * (size_t)c->channels + (size_t)from;
            pool_backward_point(c, at, n, dy, y, open);
        }
    }
}

void cpu_pool_backward(struct queue *q, struct tensor dx, struct tensor dy, struct tensor y, struct tensor x,
                       enum pooling kind, bool add) {
    check_pool_backward(dx, dy, y, x);
    struct pool_context c = pool_context(y, x, kind);
    c.dx = dx;
    c.dy = dy;
    c.add = add;
    pool_run(q->pool, x.dims[0], pool_backward_piece, &c);
}
