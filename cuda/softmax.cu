/* Softmax and log softmax over the last dimension of [N,A], F32, masked, and back:
 *     p = exp(x - max) / sum exp(x - max)     dx (+)= p (dp - sum(p dp))
 *     l = x - max - log sum exp(x - max)      dx (+)= dl - exp(l) sum(dl)
 * Bound by bytes: a forward pass reads x (and the mask) and writes y, a backward pass reads two arrays and
 * writes one. Floor: those at a copy's bandwidth; rows stay in the cache between the looks at them. */
#include "cuda/rows.cuh"

struct softmax_arguments {
    float *y;
    const float *x, *g; /* g: the incoming gradient */
    const uint8_t *mask;
    int rows, width, lanes;
    bool log, add;
};

static __global__ void __launch_bounds__(BLOCK) softmax_forward_kernel(struct softmax_arguments a) {
    const struct row r = row_make(a.rows, a.width, a.lanes);
    const struct row_norm norm = row_norm_make(r, a.x, a.mask);
    const float factor = norm.sum > 0.0f ? 1.0f / norm.sum : norm.sum == 0.0f ? 0.0f : NAN;
    const float shift = norm.max + logf(norm.sum);
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        const bool masked = row_masked(a.mask, at);
        if (a.log)
            a.y[at] = masked ? -INFINITY : a.x[at] - shift;
        else /* a sum of 0: nothing is allowed, or only -inf */
            a.y[at] = masked || norm.sum == 0.0f ? 0.0f : expf(a.x[at] - norm.max) * factor;
    }
}

/* A place is masked where l is -inf; its dl counts for nothing. */
static __global__ void __launch_bounds__(BLOCK) softmax_backward_kernel(struct softmax_arguments a) {
    const struct row r = row_make(a.rows, a.width, a.lanes);
    float sum = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        const float y = a.x[at];
        sum += !a.log ? y * a.g[at] : y == -INFINITY ? 0.0f : a.g[at];
    }
    sum = lanes_sum(sum, r.lanes);
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        const float y = a.x[at];
        const float dx = !a.log ? y * (a.g[at] - sum) : y == -INFINITY ? 0.0f : a.g[at] - expf(y) * sum;
        a.y[at] = a.add ? a.y[at] + dx : dx;
    }
}

static struct softmax_arguments softmax_arguments_make(const char *op, struct tensor y, struct tensor x,
                                                       struct tensor g, struct tensor mask) {
    check_softmax(op, y, x, mask);
    struct softmax_arguments a = {};
    a.y = data_of<float>(y);
    a.x = data_of<float>(x);
    a.g = data_of<float>(g);
    a.mask = data_of<uint8_t>(mask);
    a.rows = x.dims[0];
    a.width = x.dims[1];
    a.lanes = row_lanes(a.width);
    return a;
}

static void forward(struct queue *q, const char *op, struct tensor y, struct tensor x, struct tensor mask,
                    bool log) {
    struct softmax_arguments a = softmax_arguments_make(op, y, x, tensor_none(), mask);
    a.log = log;
    if (a.rows) LAUNCH(q, softmax_forward_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}

void cuda_softmax_forward(struct queue *q, struct tensor p, struct tensor x, struct tensor mask) {
    ENSURE(!tensor_is(mask) || p.data != x.data, "softmax_forward with a mask does not work in place");
    forward(q, "softmax_forward", p, x, mask, false);
}

void cuda_log_softmax_forward(struct queue *q, struct tensor l, struct tensor x, struct tensor mask) {
    ENSURE(l.data != x.data, "log_softmax_forward does not work in place");
    forward(q, "log_softmax_forward", l, x, mask, true);
}

static void backward(struct queue *q, const char *op, struct tensor dx, struct tensor g, struct tensor y,
                     bool log, bool add) {
    struct softmax_arguments a = softmax_arguments_make(op, dx, y, g, tensor_none());
    check_rows(op, g, y);
    a.log = log;
    a.add = add;
    if (a.rows) LAUNCH(q, softmax_backward_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}

void cuda_softmax_backward(struct queue *q, struct tensor dx, struct tensor dp, struct tensor p, bool add) {
    backward(q, "softmax_backward", dx, dp, p, false, add);
}

void cuda_log_softmax_backward(struct queue *q, struct tensor dx, struct tensor dl, struct tensor l,
                               bool add) {
    backward(q, "log_softmax_backward", dx, dl, l, true, add);
}
