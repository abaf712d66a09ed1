/* Policy gradients from rollouts. */
#include "algo/policy_learner.h"

#include <math.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

void policy_learner_bind(struct policy_learner *l, struct config *c) {
    config_bind(c, "optimiser", optimiser_config_keys, &l->config,
                "the optimiser; schedules run on iterations");
}

enum status policy_learner_open(struct policy_learner *l, const struct actor *actor, struct run *run, int m,
                                int rows) {
    bool continuous = actor->spec.kind == ENV_CONTINUOUS;
    l->actor = actor;
    l->rows = rows;
    TRY(plan_create(actor->net, run->queue, PLAN_TRAIN, run->precision, m, &l->plan));
    TRY(optimiser_create(actor->net, run->queue, &l->config, &l->optimiser));
    l->steps = actor->units ? rows / actor->shape.count : 1;
    plan_set_steps(l->plan, l->steps);
    ACCOUNT("batches");
    rollout_batch_init(&l->batch, &actor->shape, m);
    l->actions = device_tensor(run->device, continuous ? DTYPE_F32 : DTYPE_I32, m, actor->spec.components);
    if (actor->shape.choices) l->masks = device_tensor(run->device, DTYPE_U8, m, actor->shape.choices);
    l->log_probs = device_tensor(run->device, DTYPE_F32, m, 1);
    l->advantages = device_tensor(run->device, DTYPE_F32, m, 1);
    l->returns = device_tensor(run->device, DTYPE_F32, m, 1);
    l->values = device_tensor(run->device, DTYPE_F32, m, 1);
    l->stats = device_tensor(run->device, DTYPE_F32, rows, STATS);
    l->host_stats = MEM_NEW(float, rows *STATS);
    return STATUS_OK;
}

void policy_learner_close(struct policy_learner *l) {
    struct tensor on_device[] = {l->actions, l->masks,  l->log_probs, l->advantages,
                                 l->returns, l->values, l->stats};
    for (size_t i = 0; i < sizeof on_device / sizeof *on_device; i++)
        if (tensor_is(on_device[i])) device_release(net_device(l->actor->net), on_device[i].data);
    optimiser_free(l->optimiser);
    plan_free(l->plan);
    rollout_batch_free(&l->batch);
    mem_free(l->host_stats);
    *l = (struct policy_learner){0};
}

static void gather(struct policy_learner *l, const struct rollout *r, const int32_t *order, int n) {
    PHASE("gather");
    rollout_gather(&l->batch, r, order, n);
    if (l->normalise) rollout_batch_normalise(&l->batch);
}

/* Of recurrent units; their last state is nobody's loss. */
static void upload_states(struct policy_learner *l, struct queue *q, int n) {
    queue_upload(q, tensor_head(plan_input(l->plan, "state"), n / l->steps), l->batch.states);
    queue_upload(q, tensor_head(plan_input(l->plan, "starts"), n), l->batch.starts);
    q->op->fill(q, plan_output_gradient(l->plan, "next_state"), 0.0f);
}

static void upload(struct policy_learner *l, struct queue *q) {
    const struct rollout_batch *b = &l->batch;
    int n = b->count;
    queue_upload(q, tensor_head(plan_input(l->plan, "observation"), n), b->observations);
    if (b->states) upload_states(l, q, n);
    queue_upload(q, tensor_head(l->actions, n), b->actions);
    if (b->masks) queue_upload(q, tensor_head(l->masks, n), b->masks);
    queue_upload(q, tensor_head(l->log_probs, n), b->log_probs);
    queue_upload(q, tensor_head(l->advantages, n), b->advantages);
    queue_upload(q, tensor_head(l->returns, n), b->returns);
    queue_upload(q, tensor_head(l->values, n), b->values);
}

static void loss(struct policy_learner *l, struct queue *q, const struct policy_constants *k, float scale,
                 int row) {
    const struct actor *a = l->actor;
    const int n = l->batch.count;
    struct plan *p = l->plan;
    struct tensor none = tensor_none(), v = none, dv = none;
    if (a->critic) {
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
    gather(l, r, order, n);
    upload(l, q);
    plan_forward(l->plan, n);
    loss(l, q, k, scale, row);
    plan_backward(l->plan, n);
}

void policy_learner_step(struct policy_learner *l, double at) {
    optimiser_step(l->optimiser, at);
}

enum status policy_learner_read(struct policy_learner *l, struct queue *q, int n, struct policy_figures *f) {
    queue_download(q, l->host_stats, tensor_head(l->stats, n));
    memset(f->stats, 0, sizeof f->stats);
    for (int i = 0; i < n; i++)
        for (int s = 0; s < STATS; s++)
            f->stats[s] += l->host_stats[i * STATS + s];
    for (int s = 0; s < STATS; s++)
        f->stats[s] /= n;
    TRY(optimiser_norm(l->optimiser, &f->norm));
    if (isfinite(f->stats[STAT_POLICY]) && isfinite(f->stats[STAT_VALUE])) return STATUS_OK;
    return status_fail(STATUS_NUMERIC, "the loss is not finite (policy %g, value %g): lower optimiser.rate",
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
