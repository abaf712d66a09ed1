/* Policy gradients on a CPU: the loss of a sample and its gradient, for categorical and for normal actions.
 */
#include "ops/cpu.h"
#include "ops/policy_gradient.h"

struct policy_context {
    struct policy_arguments a;
    struct queue *q;
    int grain;
};

static void policy_run(struct policy_context *c, void (*piece)(void *, int)) {
    c->grain = 1 + 4096 / (c->a.width + 1);
    pool_run(c->q->pool, (c->a.rows + c->grain - 1) / c->grain, piece, c);
}

static int piece_end(const struct policy_context *c, int piece) {
    return (piece + 1) * c->grain < c->a.rows ? (piece + 1) * c->grain : c->a.rows;
}

/* ---- categorical -----------------------------------------------------------------------------------------
 */

/* p: room for a row. */
static void categorical_sample(const struct policy_arguments *a, int row, float *p) {
    const size_t at = (size_t)row * (size_t)a->width;
    const float *x = a->x + at;
    const uint8_t *mask = a->mask ? a->mask + at : NULL;
    const int32_t *choice = a->choice + (size_t)row * (size_t)a->choices.components;
    float log_sum[CHOICE_COMPONENTS], entropy[CHOICE_COMPONENTS], log_prob = 0.0f, entropy_sum = 0.0f;
    for (int k = 0, from = 0; k < a->choices.components; from += a->choices.count[k++]) {
        const int n = a->choices.count[k];
        float lanes[16] = {0};
        ENSURE(choice[k] >= 0 && choice[k] < n, "policy_loss: action %d of sample %d, where there are %d",
               choice[k], row, n);
        log_sum[k] = cpu_row_softmax(p + from, x + from, mask ? mask + from : NULL, n);
        for (int i = 0; i < n; i++)
            lanes[i & 15] += p[from + i] > 0.0f ? p[from + i] * (log_sum[k] - x[from + i]) : 0.0f;
        entropy[k] = cpu_sum(lanes, 16);
        entropy_sum += entropy[k];
        log_prob += x[from + choice[k]] - log_sum[k];
    }
    const struct policy_term t = policy_term_make(a, row, log_prob);
    for (int k = 0, from = 0; k < a->choices.components; from += a->choices.count[k++])
        for (int i = from; i < from + a->choices.count[k]; i++) {
            float g = t.slope * ((i == from + choice[k] ? 1.0f : 0.0f) - p[i]) +
                      a->k.entropy_weight * p[i] * (x[i] - log_sum[k] + entropy[k]);
            a->dx[at + (size_t)i] = mask && !mask[i] ? 0.0f : a->s * g;
        }
    policy_sample_write(a, row, t, entropy_sum);
}

static void categorical_piece(void *context, int piece) {
    const struct policy_context *c = context;
    float *p = cpu_scratch(c->q, pool_worker(), (size_t)c->a.width * sizeof *p);
    for (int row = piece * c->grain; row < piece_end(c, piece); row++)
        categorical_sample(&c->a, row, p);
}

void cpu_policy_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor dv,
                     struct tensor x, struct tensor v, struct tensor action, struct tensor old_log_prob,
                     struct tensor advantage, struct tensor ret, struct tensor old_value, struct tensor mask,
                     struct choices choices, struct policy_constants k, float s) {
    struct policy_context c = {.q = q, .a = {.k = k, .s = s}};
    policy_columns("policy_loss", &c.a, stats, dx, dv, x, v, old_log_prob, advantage, ret, old_value);
    policy_choices("policy_loss", &c.a, action, mask, x, choices);
    policy_run(&c, categorical_piece);
}

/* ---- normal ----------------------------------------------------------------------------------------------
 */

static void gaussian_piece(void *context, int piece) {
    const struct policy_context *c = context;
    const struct policy_arguments *a = &c->a;
    for (int row = piece * c->grain; row < piece_end(c, piece); row++) {
        const size_t begin = (size_t)row * (size_t)a->width, end = begin + (size_t)a->width;
        float log_prob = 0.0f, entropy = 0.0f;
        for (size_t i = begin; i < end; i++) {
            log_prob += gaussian_log_prob(a->action[i], a->x[i], a->log_std[i]);
            entropy += gaussian_entropy(a->log_std[i]);
        }
        const struct policy_term t = policy_term_make(a, row, log_prob);
        for (size_t i = begin; i < end; i++)
            gaussian_gradient(a, i, t.slope);
        policy_sample_write(a, row, t, entropy);
    }
}

void cpu_gaussian_policy_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor dlog_std,
                              struct tensor dv, struct tensor x, struct tensor log_std, struct tensor v,
                              struct tensor action, struct tensor old_log_prob, struct tensor advantage,
                              struct tensor ret, struct tensor old_value, struct policy_constants k,
                              float s) {
    const char *op = "gaussian_policy_loss";
    struct policy_context c = {.q = q, .a = {.k = k, .s = s}};
    policy_columns(op, &c.a, stats, dx, dv, x, v, old_log_prob, advantage, ret, old_value);
    policy_normals(op, &c.a, dlog_std, log_std, action, x);
    policy_run(&c, gaussian_piece);
}
