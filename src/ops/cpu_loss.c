/* Losses and their gradients in one pass, on a CPU: cross entropy with a target distribution, squared error,
 * PPO. F32; a sample at a time. */
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

/* p = softmax(x) under the mask; returns log sum exp. A target counts as 0 where it is masked. */
static float row_softmax(float *p, const float *x, const uint8_t *mask, int n) {
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

static void cross_entropy_piece(void *context, int piece) {
    const struct loss_context *c = context;
    const int n = c->width, end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows;
    float *p = cpu_scratch(c->q, pool_worker(), 2 * (size_t)n * sizeof *p), *term = p + n;
    for (int row = piece * c->grain; row < end; row++) {
        size_t at = (size_t)row * (size_t)n;
        const float *x = (float *)c->x.data + at, *t = (float *)c->t.data + at;
        const uint8_t *mask = c->mask ? c->mask + at : NULL;
        float log_sum = row_softmax(p, x, mask, n), lanes[16] = {0};
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

/* ---- PPO --------------------------------------------------------------------------------------------------
 */

struct ppo_context {
    struct queue *q;
    float *stats, *dx, *dv;
    const float *x, *v, *old_log_prob, *advantage, *ret, *old_value;
    const int32_t *action;
    const uint8_t *mask;
    struct ppo_constants k;
    int rows, width, grain;
    float s;
};

/* 1/2 (v - R)^2, or the larger of that and the same for v kept within value_clip of the old value. */
static float ppo_value(const struct ppo_context *c, int row, float *gradient) {
    float v = c->v[row], ret = c->ret[row], error = v - ret;
    *gradient = error;
    if (c->k.value_clip <= 0.0f) return 0.5f * error * error;
    float old = c->old_value[row], move = v - old, clip = c->k.value_clip;
    float kept = move > clip ? clip : move < -clip ? -clip : move, kept_error = old + kept - ret;
    if (error * error >= kept_error * kept_error) return 0.5f * error * error;
    *gradient = kept == move ? kept_error : 0.0f;
    return 0.5f * kept_error * kept_error;
}

static void ppo_sample(const struct ppo_context *c, int row, float *p) {
    const int n = c->width, action = c->action[row];
    const size_t at = (size_t)row * (size_t)n;
    const float *x = c->x + at;
    const uint8_t *mask = c->mask ? c->mask + at : NULL;
    float log_sum = row_softmax(p, x, mask, n), *dx = c->dx + at, lanes[16] = {0};
    ENSURE(action >= 0 && action < n, "ppo_loss: action %d of sample %d, where there are %d", action, row, n);
    for (int i = 0; i < n; i++)
        lanes[i & 15] += p[i] > 0.0f ? p[i] * (log_sum - x[i]) : 0.0f;
    float entropy = cpu_sum(lanes, 16);

    float log_ratio = x[action] - log_sum - c->old_log_prob[row], ratio = expf(log_ratio);
    float low = 1.0f - c->k.clip, high = 1.0f + c->k.clip, advantage = c->advantage[row];
    float clipped = ratio < low ? low : ratio > high ? high : ratio;
    float policy = -ratio * advantage, slope = policy; /* d policy / d log pi(a) */
    if (-clipped * advantage > policy) {
        policy = -clipped * advantage;
        slope = 0.0f;
    }
    for (int i = 0; i < n; i++) {
        float log_p = x[i] - log_sum;
        float g =
            slope * ((i == action ? 1.0f : 0.0f) - p[i]) + c->k.entropy_weight * p[i] * (log_p + entropy);
        dx[i] = mask && !mask[i] ? 0.0f : c->s * g;
    }
    float value_gradient, value = ppo_value(c, row, &value_gradient);
    c->dv[row] = c->s * c->k.value_weight * value_gradient;
    float *stats = c->stats + 5 * (size_t)row;
    stats[0] = policy;
    stats[1] = value;
    stats[2] = entropy;
    stats[3] = (ratio - 1.0f) - log_ratio;
    stats[4] = ratio < low || ratio > high ? 1.0f : 0.0f;
}

static void ppo_piece(void *context, int piece) {
    const struct ppo_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows;
    float *p = cpu_scratch(c->q, pool_worker(), (size_t)c->width * sizeof *p);
    for (int row = piece * c->grain; row < end; row++)
        ppo_sample(c, row, p);
}

void cpu_ppo_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor dv, struct tensor x,
                  struct tensor v, struct tensor action, struct tensor old_log_prob, struct tensor advantage,
                  struct tensor ret, struct tensor old_value, struct tensor mask, struct ppo_constants k,
                  float s) {
    check_ppo_loss(stats, dx, dv, x, v, action, old_log_prob, advantage, ret, old_value, mask, k);
    const int rows = x.dims[0], width = x.dims[1];
    struct ppo_context c = {.q = q,
                            .stats = stats.data,
                            .dx = dx.data,
                            .dv = dv.data,
                            .x = x.data,
                            .v = v.data,
                            .old_log_prob = old_log_prob.data,
                            .advantage = advantage.data,
                            .ret = ret.data,
                            .old_value = old_value.data,
                            .action = action.data,
                            .mask = mask.data,
                            .k = k,
                            .rows = rows,
                            .width = width,
                            .grain = 1 + 4096 / (width + 1),
                            .s = s};
    pool_run(q->pool, (rows + c.grain - 1) / c.grain, ppo_piece, &c);
}
