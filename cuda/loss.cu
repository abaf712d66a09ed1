/* Losses and their gradients in one pass, F32: cross entropy with a target distribution, squared error (the
 * formulas are in ops.def). Bound by bytes: x, target and mask are read and dx is written once; what a
 * sample has besides its row is little. Floor: those at a copy's bandwidth. */
#include "cuda/rows.cuh"

struct loss_arguments {
    float *loss, *dx; /* dx may be NULL */
    const float *x, *t, *w;
    const uint8_t *mask;
    int rows, width, lanes;
    float s;
};

/* ---- cross entropy, squared error -------------------------------------------------------------------------
 */

static __global__ void __launch_bounds__(BLOCK) cross_entropy_kernel(struct loss_arguments a) {
    const struct row r = row_make(a.rows, a.width, a.lanes);
    const struct row_norm norm = row_norm_make(r, a.x, a.mask);
    const bool any = norm.max > -INFINITY || norm.max != norm.max;
    const float log_sum = any ? norm.max + logf(norm.sum) : 0.0f, factor = any ? 1.0f / norm.sum : 0.0f;
    float loss = 0.0f, total = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        const float t = row_masked(a.mask, at) ? 0.0f : a.t[at];
        if (t != 0.0f) loss += t * (log_sum - a.x[at]); /* 0 log 0 = 0 */
        total += t;
    }
    loss = lanes_sum(loss, r.lanes);
    total = lanes_sum(total, r.lanes);
    if (r.leader) a.loss[r.index] = loss;
    if (a.dx) {
        const float scale = a.s * (a.w ? a.w[r.index] : 1.0f);
        for (int i = r.first; i < r.width; i += r.lanes) {
            const size_t at = r.at + static_cast<size_t>(i);
            const float p = any ? expf(a.x[at] - norm.max) * factor : 0.0f;
            a.dx[at] = row_masked(a.mask, at) ? 0.0f : scale * (p * total - a.t[at]);
        }
    }
}

static __global__ void __launch_bounds__(BLOCK) squared_error_kernel(struct loss_arguments a) {
    const struct row r = row_make(a.rows, a.width, a.lanes);
    const float scale = 2.0f * a.s * (a.w ? a.w[r.index] : 1.0f);
    float loss = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        const float d = a.x[at] - a.t[at];
        loss += d * d;
        if (a.dx) a.dx[at] = scale * d;
    }
    loss = lanes_sum(loss, r.lanes);
    if (r.leader) a.loss[r.index] = loss;
}

static struct loss_arguments loss_arguments_make(const char *op, struct tensor loss, struct tensor dx,
                                                 struct tensor x, struct tensor t, struct tensor mask,
                                                 struct tensor w, float s) {
    check_loss(op, loss, dx, x, t, mask, w);
    return {data_of<float>(loss),
            data_of<float>(dx),
            data_of<float>(x),
            data_of<float>(t),
            data_of<float>(w),
            data_of<uint8_t>(mask),
            x.dims[0],
            x.dims[1],
            row_lanes(x.dims[1]),
            s};
}

void cuda_cross_entropy(struct queue *q, struct tensor loss, struct tensor dx, struct tensor x,
                        struct tensor t, struct tensor mask, struct tensor w, float s) {
    const struct loss_arguments a = loss_arguments_make("cross_entropy", loss, dx, x, t, mask, w, s);
    if (a.rows) LAUNCH(q, cross_entropy_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}

void cuda_squared_error(struct queue *q, struct tensor loss, struct tensor dx, struct tensor x,
                        struct tensor t, struct tensor w, float s) {
    const struct loss_arguments a = loss_arguments_make("squared_error", loss, dx, x, t, tensor_none(), w, s);
    if (a.rows) LAUNCH(q, squared_error_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}
