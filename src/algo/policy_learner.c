/* Policy gradients from rollouts. */
#include "algo/policy_learner.h"

#include <math.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

void policy_learner_bind(struct policy_learner *l, struct config *c) {
    config_bind(c, "optimiser", optimiser_config_keys, &l->config,
                "the optimiser; schedules run on iterations");
}

enum status policy_learner_open(struct policy_learner *l, const struct actor *actor, struct run *run, int m,
                                int rows) {
    const struct rollout_shape *s = &actor->shape;
    struct device *d = run->device;
    l->actor = actor;
    l->rows = rows;
    TRY(plan_create(actor->net, run->queue, PLAN_TRAIN, run->precision, m, &l->plan));
    TRY(optimiser_create(actor->net, run->queue, &l->config, &l->optimiser));
    l->steps = actor->units ? rows / s->count : 1;
    plan_set_steps(l->plan, l->steps);
    ACCOUNT("batches");
    l->index = device_tensor(d, DTYPE_I32, m, 1);
    l->actions = device_tensor(d, s->continuous ? DTYPE_F32 : DTYPE_I32, m, s->components);
    if (s->choices) l->masks = device_tensor(d, DTYPE_U8, m, s->choices);
    l->log_probs = device_tensor(d, DTYPE_F32, m, 1);
    l->advantages = device_tensor(d, DTYPE_F32, m, 1);
    l->returns = device_tensor(d, DTYPE_F32, m, 1);
    l->values = device_tensor(d, DTYPE_F32, m, 1);
    l->stats = device_tensor(d, DTYPE_F32, rows, STATS);
    l->means = device_tensor(d, DTYPE_F32, STATS, 1);
    return STATUS_OK;
}

void policy_learner_close(struct policy_learner *l) {
    struct tensor on_device[] = {l->index,   l->actions, l->masks, l->log_probs, l->advantages,
                                 l->returns, l->values,  l->stats, l->means};
    for (size_t i = 0; i < sizeof on_device / sizeof *on_device; i++)
        if (tensor_is(on_device[i])) device_release(net_device(l->actor->net), on_device[i].data);
    optimiser_free(l->optimiser);
    plan_free(l->plan);
    *l = (struct policy_learner){0};
}

/* The samples that the index names, into the plan's inputs and beside them. */
static void gather(struct policy_learner *l, struct queue *q, const struct rollout *r, const int32_t *order,
                   int n) {
    PHASE("gather");
    const struct tensor index = tensor_head(l->index, n);
    struct {
        struct tensor to, from;
    } columns[] = {
        {plan_input(l->plan, "observation"), r->observations},
        {l->actions, r->actions},
        {l->masks, r->masks},
        {l->log_probs, rollout_column(r->log_probs)},
        {l->advantages, rollout_column(r->advantages)},
        {l->returns, rollout_column(r->returns)},
        {l->values, rollout_column(r->values)},
    };
    queue_upload(q, index, order);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (tensor_is(columns[i].from))
            q->op->rows_gather(q, tensor_head(columns[i].to, n), columns[i].from, index);
    struct tensor advantages = tensor_head(l->advantages, n);
    if (l->normalise) q->op->standardise(q, advantages, advantages);
}

/* Of recurrent units: the first samples are those of the first row, one an environment. The last state is
 * nobody's loss. */
static void gather_states(struct policy_learner *l, struct queue *q, const struct rollout *r, int n) {
    const int sequences = n / l->steps;
    q->op->rows_gather(q, tensor_head(plan_input(l->plan, "state"), sequences), r->states,
                       tensor_head(l->index, sequences));
    q->op->rows_gather(q, tensor_head(plan_input(l->plan, "starts"), n), rollout_column(r->starts),
                       tensor_head(l->index, n));
    q->op->fill(q, plan_output_gradient(l->plan, "next_state"), 0.0f);
}

static void loss(struct policy_learner *l, struct queue *q, int n, const struct policy_constants *k,
                 float scale, int row) {
    const struct actor *a = l->actor;
    struct plan *p = l->plan;
    struct tensor none = tensor_none(), v = none, dv = none;
    if (a->acting.critic) {
        v = tensor_head(plan_output(p, "value"), n);
        dv = tensor_head(plan_output_gradient(p, "value"), n);
    }
    float *stats = (float *)l->stats.data + (size_t)row * STATS;
    struct tensor rows = tensor_2(stats, DTYPE_F32, n, STATS);
    struct tensor x = tensor_head(plan_output(p, "policy"), n),
                  dx = tensor_head(plan_output_gradient(p, "policy"), n);
    struct tensor action = tensor_head(l->actions, n), old = tensor_head(l->log_probs, n);
    struct tensor advantage = tensor_head(l->advantages, n), ret = tensor_head(l->returns, n);
    struct tensor value = tensor_head(l->values, n),
                  mask = tensor_is(l->masks) ? tensor_head(l->masks, n) : none;
    if (a->spec.kind == ENV_CONTINUOUS)
        q->op->gaussian_policy_loss(q, rows, dx, tensor_head(plan_output_gradient(p, "log_std"), n), dv, x,
                                    tensor_head(plan_output(p, "log_std"), n), v, action, old, advantage, ret,
                                    value, *k, scale);
    else
        q->op->policy_loss(q, rows, dx, dv, x, v, action, old, advantage, ret, value, mask, actor_choices(a),
                           *k, scale);
}

void policy_learner_gradient(struct policy_learner *l, struct queue *q, const struct rollout *r,
                             const int32_t *order, int n, const struct policy_constants *k, float scale,
                             int row) {
    ENSURE(row + n <= l->rows, "statistics of %d samples at row %d of %d", n, row, l->rows);
    gather(l, q, r, order, n);
    if (l->actor->units) gather_states(l, q, r, n);
    plan_forward(l->plan, n);
    loss(l, q, n, k, scale, row);
    plan_backward(l->plan, n);
}

void policy_learner_step(struct policy_learner *l, double at) {
    optimiser_step(l->optimiser, at);
}

enum status policy_learner_read(struct policy_learner *l, struct queue *q, int n, struct policy_figures *f) {
    float means[STATS];
    q->op->column_moments(q, l->means, tensor_none(), tensor_head(l->stats, n));
    queue_download(q, means, l->means);
    for (int s = 0; s < STATS; s++)
        f->stats[s] = (double)means[s];
    TRY(optimiser_norm(l->optimiser, &f->norm));
    if (isfinite(f->stats[STAT_POLICY]) && isfinite(f->stats[STAT_VALUE])) return STATUS_OK;
    return status_fail(
        STATUS_NUMERIC,
        "the loss is not finite (policy %g, value %g): lower optimiser.rate, or set optimiser.clip",
        f->stats[STAT_POLICY], f->stats[STAT_VALUE]);
}

void policy_learner_figures(const struct policy_learner *l, struct run *run, const struct policy_figures *f) {
    run_metric(run, "policy_loss", f->stats[STAT_POLICY]);
    run_metric(run, "value_loss", f->stats[STAT_VALUE]);
    run_metric(run, "entropy", f->stats[STAT_ENTROPY]);
    run_metric(run, "kl", f->stats[STAT_KL]);
    run_metric(run, "clip_fraction", f->stats[STAT_CLIPPED]);
    run_metric(run, "gradient_norm", (double)f->norm);
    run_metric(run, "rate", (double)schedule_value(&l->config.rate, (double)run->iteration));
}
