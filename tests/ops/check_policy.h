/* Cases of policy gradients. Losses are plain loops in double precision, gradients central differences. */
#ifndef TESTS_OPS_CHECK_POLICY_H
#define TESTS_OPS_CHECK_POLICY_H

#include "check_loss.h"
#include "harness.h"

/* What one sample's loss is made of; x, log_std and v are moved by central_differences. */
struct policy_probe {
    struct policy_constants k;
    struct choices choices;
    double *x, *log_std, *v; /* log_std NULL: categorical; v NULL: no critic */
    const double *mask, *action;
    int n;
    double old_log_prob, advantage, ret, old_value;
    double stats[5];
};

static inline void probe_distribution(const struct policy_probe *p, double *log_prob, double *entropy) {
    *log_prob = *entropy = 0.0;
    if (p->log_std) {
        for (int i = 0; i < p->n; i++) {
            double z = (p->action[i] - p->x[i]) / exp(p->log_std[i]);
            *log_prob -= 0.5 * z * z + p->log_std[i] + 0.5 * log(2.0 * M_PI);
            *entropy += p->log_std[i] + 0.5 * log(2.0 * M_PI * M_E);
        }
        return;
    }
    double *l = MEM_NEW(double, p->n);
    for (int k = 0, from = 0; k < p->choices.components; from += p->choices.count[k++]) {
        row_log_softmax(l, p->x + from, p->mask ? p->mask + from : NULL, p->choices.count[k]);
        for (int i = 0; i < p->choices.count[k]; i++)
            if (l[i] > -INFINITY) *entropy -= exp(l[i]) * l[i];
        *log_prob += l[(int)p->action[k]];
    }
    mem_free(l);
}

static inline double policy_sample_loss(void *context) {
    struct policy_probe *p = context;
    double log_prob, entropy, value = 0.0, clip = (double)p->k.clip, vclip = (double)p->k.value_clip;
    probe_distribution(p, &log_prob, &entropy);
    double log_ratio = log_prob - p->old_log_prob, ratio = exp(log_ratio), kl = ratio - 1.0 - log_ratio;
    double clipped = fmin(fmax(ratio, 1.0 - clip), 1.0 + clip);
    double policy = p->k.surrogate == SURROGATE_CLIP ? -fmin(ratio * p->advantage, clipped * p->advantage)
                    : p->k.surrogate == SURROGATE_KL ? (double)p->k.kl_weight * kl - ratio * p->advantage
                                                     : -p->advantage * log_prob;
    if (p->v) {
        double error = *p->v - p->ret;
        value = 0.5 * error * error;
        if (vclip > 0.0) {
            double kept = p->old_value + fmin(fmax(*p->v - p->old_value, -vclip), vclip) - p->ret;
            value = fmax(value, 0.5 * kept * kept);
        }
    }
    memcpy(p->stats, (double[]){policy, value, entropy, kl, fabs(ratio - 1.0) > clip}, sizeof p->stats);
    return policy + (double)p->k.value_weight * value - (double)p->k.entropy_weight * entropy;
}

struct policy_case {
    struct policy_constants k;
    struct choices choices;
    float s;
};

/* ratios inside and outside of the clip range, none at its corners */
static inline double policy_old_log_prob(const struct policy_probe *p, int row) {
    double log_prob, entropy;
    probe_distribution(p, &log_prob, &entropy);
    return (double)(float)(log_prob + (double[]){0.0, 0.1, -0.1, 0.5, -0.5}[row % 5]);
}

static inline void policy_differences(double *d, double *at, int n, struct policy_probe *p, float s) {
    central_differences(d, at, (size_t)n, policy_sample_loss, p);
    for (int i = 0; i < n; i++)
        d[i] *= (double)s;
}

/* The critic's buffers, or none of them. */
static inline double *policy_column(struct harness *h, bool there, int rows) {
    if (there) return buffer_random(h, DTYPE_F32, 1.0, DIMS(rows));
    buffer_none(h);
    return NULL;
}

/* ---- categorical -----------------------------------------------------------------------------------------
 */

static inline void call_policy_loss(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct policy_case *c = parameters;
    q->op->policy_loss(q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], c->choices, c->k,
                       c->s);
}

static inline void policy_case(struct harness *h, int rows, struct choices choices, int variant) {
    const bool masked = variant % 2, critic = variant / 2 % 2, value_clip = variant / 4 % 2;
    int n = 0;
    for (int k = 0; k < choices.components; k++)
        n += choices.count[k];
    struct policy_case c = {
        {(enum surrogate)(variant / 8), 0.2f, 0.7f, value_clip ? 0.3f : 0.0f, 0.5f, 0.01f}, choices, 0.125f};
    snprintf(h->what, sizeof h->what, "policy_loss [%d,%d] components %d variant %d", rows, n,
             choices.components, variant);
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 5));
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
    policy_column(h, critic, rows);
    double *x = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n)), *v = policy_column(h, critic, rows);
    double *action = buffer_add(h, DTYPE_I32, DIMS(rows, choices.components));
    double *old_log_prob = policy_column(h, true, rows), *advantage = policy_column(h, true, rows);
    double *ret = policy_column(h, critic, rows), *old_value = policy_column(h, critic, rows), *mask = NULL;
    if (masked)
        mask = buffer_mask(h, rows, n, -1);
    else
        buffer_none(h);
    double *stats = expect(h, 0), *dx = expect(h, 1), *dv = critic ? expect(h, 2) : NULL;
    h->buffers[1].relative = h->buffers[2].relative = 1e-4;
    for (int row = 0; row < rows; row++) {
        struct policy_probe p = {.k = c.k,
                                 .choices = choices,
                                 .x = x + row * n,
                                 .v = critic ? v + row : NULL,
                                 .mask = mask ? mask + row * n : NULL,
                                 .action = action + row * choices.components,
                                 .n = n,
                                 .advantage = advantage[row],
                                 .ret = critic ? ret[row] : 0.0,
                                 .old_value = critic ? old_value[row] : 0.0};
        for (int k = 0, from = 0; k < choices.components; from += choices.count[k++]) {
            int chosen = (row + k) % choices.count[k];
            action[row * choices.components + k] = chosen;
            if (mask) mask[row * n + from + chosen] = 1.0;
        }
        p.old_log_prob = old_log_prob[row] = policy_old_log_prob(&p, row);
        policy_differences(dx + row * n, p.x, n, &p, c.s);
        if (critic) policy_differences(dv + row, p.v, 1, &p, c.s);
        policy_sample_loss(&p);
        memcpy(stats + 5 * row, p.stats, sizeof p.stats);
    }
    harness_run(h, call_policy_loss, &c);
}

static inline void check_policy_loss(struct harness *h) {
    for (int variant = 0; variant < 24; variant++) {
        for (int k = 0; k < LOSS_SHAPES; k++)
            if (loss_shapes[k][1] < 500)
                policy_case(h, loss_shapes[k][0], (struct choices){1, {loss_shapes[k][1]}}, variant);
        policy_case(h, 9, (struct choices){3, {3, 1, 19}}, variant);
        policy_case(h, 40, (struct choices){2, {2, 2}}, variant);
    }
}

/* ---- normal ----------------------------------------------------------------------------------------------
 */

static inline void call_gaussian_policy_loss(struct queue *q, const struct tensor *t,
                                             const void *parameters) {
    const struct policy_case *c = parameters;
    q->op->gaussian_policy_loss(q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11],
                                c->k, c->s);
}

static inline void gaussian_policy_case(struct harness *h, int rows, int n, int variant) {
    const bool critic = variant % 2;
    struct policy_case c = {
        {(enum surrogate)(variant / 2), 0.2f, 0.7f, critic ? 0.3f : 0.0f, 0.5f, 0.01f}, {0}, 0.125f};
    snprintf(h->what, sizeof h->what, "gaussian_policy_loss [%d,%d] variant %d", rows, n, variant);
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 5));
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
    policy_column(h, critic, rows);
    double *x = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n)),
           *log_std = buffer_random(h, DTYPE_F32, 0.5, DIMS(rows, n)), *v = policy_column(h, critic, rows);
    double *action = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
    for (int i = 0; i < rows * n; i++) /* as the policy draws: of wilder ones floats keep too few digits */
        action[i] = rounded_to(x[i] + exp(log_std[i]) * action[i], DTYPE_F32);
    double *old_log_prob = policy_column(h, true, rows), *advantage = policy_column(h, true, rows);
    double *ret = policy_column(h, critic, rows), *old_value = policy_column(h, critic, rows);
    double *stats = expect(h, 0), *dx = expect(h, 1), *dlog_std = expect(h, 2);
    double *dv = critic ? expect(h, 3) : NULL;
    for (int i = 0; i < 4; i++)
        h->buffers[i].relative = 1e-4;
    for (int row = 0; row < rows; row++) {
        struct policy_probe p = {.k = c.k,
                                 .x = x + row * n,
                                 .log_std = log_std + row * n,
                                 .v = critic ? v + row : NULL,
                                 .action = action + row * n,
                                 .n = n,
                                 .advantage = advantage[row],
                                 .ret = critic ? ret[row] : 0.0,
                                 .old_value = critic ? old_value[row] : 0.0};
        p.old_log_prob = old_log_prob[row] = policy_old_log_prob(&p, row);
        policy_differences(dx + row * n, p.x, n, &p, c.s);
        policy_differences(dlog_std + row * n, p.log_std, n, &p, c.s);
        if (critic) policy_differences(dv + row, p.v, 1, &p, c.s);
        policy_sample_loss(&p);
        memcpy(stats + 5 * row, p.stats, sizeof p.stats);
    }
    harness_run(h, call_gaussian_policy_loss, &c);
}

static inline void check_gaussian_policy_loss(struct harness *h) {
    for (int variant = 0; variant < 6; variant++) {
        gaussian_policy_case(h, 1, 1, variant);
        gaussian_policy_case(h, 17, 3, variant);
        gaussian_policy_case(h, 300, 17, variant);
    }
}

#endif
