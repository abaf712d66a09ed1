/* Policy gradients, F32: the loss of a sample and its gradient (the formulas are in ops.def, a sample's terms
 * in ops/policy_gradient.h). Bound by bytes: logits and mask are read and dx is written once. Floor: those at
 * a copy's bandwidth. */
#include "cuda/rows.cuh"
#include "ops/policy_gradient.h"

/* One component of a row as its lanes see it. */
static __device__ __forceinline__ struct row component_row(struct row r, int from, int count) {
    r.at += static_cast<size_t>(from);
    r.width = r.width > 0 ? count : 0;
    return r;
}

struct component {
    float log_sum, factor, max; /* log sum exp, 1 / sum exp(x - max); all 0 where the mask allows nothing */
    bool any;
};

static __device__ __forceinline__ struct component component_make(struct row r,
                                                                  const struct policy_arguments &a) {
    const struct row_norm norm = row_norm_make(r, a.x, a.mask);
    const bool any = norm.max > -INFINITY || norm.max != norm.max;
    return {any ? norm.max + logf(norm.sum) : 0.0f, any ? 1.0f / norm.sum : 0.0f, norm.max, any};
}

static __device__ __forceinline__ float component_p(const struct component &c,
                                                    const struct policy_arguments &a, size_t at) {
    return !c.any || row_masked(a.mask, at) ? 0.0f : expf(a.x[at] - c.max) * c.factor;
}

static __device__ __forceinline__ float component_entropy(struct row r, const struct component &c,
                                                          const struct policy_arguments &a) {
    float entropy = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        const float p = component_p(c, a, at);
        if (p > 0.0f) entropy += p * (c.log_sum - a.x[at]);
    }
    return lanes_sum(entropy, r.lanes);
}

/* The gradient of a component needs the log probability of all, so each component is looked at twice; a row
 * stays in the cache. dx may be x: a component's lanes read it before the first of them writes. */
static __global__ void __launch_bounds__(BLOCK) policy_loss_kernel(struct policy_arguments a, int lanes) {
    const struct row whole = row_make(a.rows, a.width, lanes);
    const int32_t *choice =
        a.choice + static_cast<size_t>(whole.index) * static_cast<size_t>(a.choices.components);
    float log_prob = 0.0f, entropy = 0.0f;
    for (int k = 0, from = 0; k < a.choices.components; from += a.choices.count[k++]) {
        const struct row r = component_row(whole, from, a.choices.count[k]);
        const struct component c = component_make(r, a);
        entropy += component_entropy(r, c, a);
        if (r.width > 0 && (choice[k] < 0 || choice[k] >= r.width))
            __trap(); /* the caller's bug: queue_wait() reports a fault */
        if (r.width > 0) log_prob += a.x[r.at + static_cast<size_t>(choice[k])] - c.log_sum;
    }
    struct policy_term t = {};
    if (whole.width > 0) t = policy_term_make(&a, whole.index, log_prob);
    for (int k = 0, from = 0; k < a.choices.components; from += a.choices.count[k++]) {
        const struct row r = component_row(whole, from, a.choices.count[k]);
        const struct component c = component_make(r, a);
        const float h = component_entropy(r, c, a);
        for (int i = r.first; i < r.width; i += r.lanes) {
            const size_t at = r.at + static_cast<size_t>(i);
            const float p = component_p(c, a, at);
            const float g = t.slope * ((i == choice[k] ? 1.0f : 0.0f) - p) +
                            a.k.entropy_weight * p * (a.x[at] - c.log_sum + h);
            a.dx[at] = row_masked(a.mask, at) ? 0.0f : a.s * g;
        }
    }
    if (whole.leader) policy_sample_write(&a, whole.index, t, entropy);
}

void cuda_policy_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor dv,
                      struct tensor x, struct tensor v, struct tensor action, struct tensor old_log_prob,
                      struct tensor advantage, struct tensor ret, struct tensor old_value, struct tensor mask,
                      struct choices choices, struct policy_constants k, float s) {
    struct policy_arguments a = {};
    a.k = k;
    a.s = s;
    policy_columns("policy_loss", &a, stats, dx, dv, x, v, old_log_prob, advantage, ret, old_value);
    policy_choices("policy_loss", &a, action, mask, x, choices);
    const int lanes = row_lanes(a.width);
    if (a.rows) LAUNCH(q, policy_loss_kernel, row_grid(a.rows, lanes), BLOCK, 0, a, lanes);
}

static __global__ void __launch_bounds__(BLOCK)
    gaussian_policy_loss_kernel(struct policy_arguments a, int lanes) {
    const struct row r = row_make(a.rows, a.width, lanes);
    float log_prob = 0.0f, entropy = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        log_prob += gaussian_log_prob(a.action[at], a.x[at], a.log_std[at]);
        entropy += gaussian_entropy(a.log_std[at]);
    }
    log_prob = lanes_sum(log_prob, r.lanes);
    entropy = lanes_sum(entropy, r.lanes);
    if (r.width > 0) {
        const struct policy_term t = policy_term_make(&a, r.index, log_prob);
        for (int i = r.first; i < r.width; i += r.lanes)
            gaussian_gradient(&a, r.at + static_cast<size_t>(i), t.slope);
        if (r.leader) policy_sample_write(&a, r.index, t, entropy);
    }
}

void cuda_gaussian_policy_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor dlog_std,
                               struct tensor dv, struct tensor x, struct tensor log_std, struct tensor v,
                               struct tensor action, struct tensor old_log_prob, struct tensor advantage,
                               struct tensor ret, struct tensor old_value, struct policy_constants k,
                               float s) {
    const char *op = "gaussian_policy_loss";
    struct policy_arguments a = {};
    a.k = k;
    a.s = s;
    policy_columns(op, &a, stats, dx, dv, x, v, old_log_prob, advantage, ret, old_value);
    policy_normals(op, &a, dlog_std, log_std, action, x);
    const int lanes = row_lanes(a.width);
    if (a.rows) LAUNCH(q, gaussian_policy_loss_kernel, row_grid(a.rows, lanes), BLOCK, 0, a, lanes);
}
