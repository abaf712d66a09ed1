/* Losses and their gradients in one pass, F32: cross entropy with a target distribution, squared error, PPO
 * (the formulas are in ops.def). Bound by bytes: x, target and mask are read and dx is written once; what a
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

/* ---- PPO --------------------------------------------------------------------------------------------------
 */

struct ppo_arguments {
    float *stats, *dx, *dv;
    const float *x, *v, *old_log_prob, *advantage, *ret, *old_value;
    const int32_t *action;
    const uint8_t *mask;
    struct ppo_constants k;
    int rows, width, lanes;
    float s;
};

/* 1/2 (v - R)^2, or the larger of that and the same for v kept within value_clip of the old value. */
static __device__ float ppo_value(const struct ppo_arguments &a, int row, float *gradient) {
    const float v = a.v[row], ret = a.ret[row], error = v - ret;
    *gradient = error;
    if (a.k.value_clip <= 0.0f) return 0.5f * error * error;
    const float old = a.old_value[row], move = v - old, clip = a.k.value_clip;
    const float kept = move > clip ? clip : move < -clip ? -clip : move, kept_error = old + kept - ret;
    if (error * error >= kept_error * kept_error) return 0.5f * error * error;
    *gradient = kept == move ? kept_error : 0.0f;
    return 0.5f * kept_error * kept_error;
}

/* policy = -min(ratio A, clip(ratio) A), and its slope: d policy / d log pi(a). */
struct ppo_policy {
    float value, slope, divergence, clipped;
};

static __device__ struct ppo_policy ppo_policy_make(const struct ppo_arguments &a, int row, float log_prob) {
    const float log_ratio = log_prob - a.old_log_prob[row], ratio = expf(log_ratio);
    const float low = 1.0f - a.k.clip, high = 1.0f + a.k.clip, advantage = a.advantage[row];
    const float clipped = ratio < low ? low : ratio > high ? high : ratio;
    struct ppo_policy p = {-ratio * advantage, -ratio * advantage, (ratio - 1.0f) - log_ratio,
                           ratio < low || ratio > high ? 1.0f : 0.0f};
    if (-clipped * advantage > p.value) {
        p.value = -clipped * advantage;
        p.slope = 0.0f;
    }
    return p;
}

static __global__ void __launch_bounds__(BLOCK) ppo_loss_kernel(struct ppo_arguments a) {
    const struct row r = row_make(a.rows, a.width, a.lanes);
    const struct row_norm norm = row_norm_make(r, a.x, a.mask);
    const bool any = norm.max > -INFINITY || norm.max != norm.max;
    const float log_sum = any ? norm.max + logf(norm.sum) : 0.0f, factor = any ? 1.0f / norm.sum : 0.0f;
    const int action = r.width > 0 ? a.action[r.index] : 0;
    if (r.width > 0 && (action < 0 || action >= a.width))
        __trap(); /* the caller's bug: queue_wait() reports a fault */
    /* Read before the first lane writes, since dx may be x. */
    const float log_prob = r.width > 0 ? a.x[r.at + static_cast<size_t>(action)] - log_sum : 0.0f;
    float entropy = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        const float p = !any || row_masked(a.mask, at) ? 0.0f : expf(a.x[at] - norm.max) * factor;
        if (p > 0.0f) entropy += p * (log_sum - a.x[at]);
    }
    entropy = lanes_sum(entropy, r.lanes);
    if (r.width > 0) {
        const struct ppo_policy policy = ppo_policy_make(a, r.index, log_prob);
        for (int i = r.first; i < r.width; i += r.lanes) {
            const size_t at = r.at + static_cast<size_t>(i);
            const bool masked = row_masked(a.mask, at);
            const float p = !any || masked ? 0.0f : expf(a.x[at] - norm.max) * factor;
            const float g = policy.slope * ((i == action ? 1.0f : 0.0f) - p) +
                            a.k.entropy_weight * p * (a.x[at] - log_sum + entropy);
            a.dx[at] = masked ? 0.0f : a.s * g;
        }
        if (r.leader) {
            float gradient, *stats = a.stats + 5 * static_cast<size_t>(r.index);
            stats[0] = policy.value;
            stats[1] = ppo_value(a, r.index, &gradient);
            stats[2] = entropy;
            stats[3] = policy.divergence;
            stats[4] = policy.clipped;
            a.dv[r.index] = a.s * a.k.value_weight * gradient;
        }
    }
}

void cuda_ppo_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor dv, struct tensor x,
                   struct tensor v, struct tensor action, struct tensor old_log_prob, struct tensor advantage,
                   struct tensor ret, struct tensor old_value, struct tensor mask, struct ppo_constants k,
                   float s) {
    check_ppo_loss(stats, dx, dv, x, v, action, old_log_prob, advantage, ret, old_value, mask, k);
    const int lanes = row_lanes(x.dims[1]);
    const struct ppo_arguments a = {data_of<float>(stats),
                                    data_of<float>(dx),
                                    data_of<float>(dv),
                                    data_of<float>(x),
                                    data_of<float>(v),
                                    data_of<float>(old_log_prob),
                                    data_of<float>(advantage),
                                    data_of<float>(ret),
                                    data_of<float>(old_value),
                                    data_of<int32_t>(action),
                                    data_of<uint8_t>(mask),
                                    k,
                                    x.dims[0],
                                    x.dims[1],
                                    lanes,
                                    s};
    if (a.rows) LAUNCH(q, ppo_loss_kernel, row_grid(a.rows, lanes), BLOCK, 0, a);
}
