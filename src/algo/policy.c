/* The frame of the policy-gradient algorithms. */
#include "algo/policy.h"

#include <math.h>

#include "tengen/mem.h"

void policy_bind(struct policy *p, struct config *c, const char *section, const struct config_key *keys,
                 void *values, const char *about) {
    actor_bind(&p->actor, c);
    config_bind(c, section, keys, values, about);
    policy_learner_bind(&p->learner, c);
}

enum status policy_check_horizon(const struct policy *p, const char *section, int horizon) {
    int n = p->actor.env_config.count;
    if ((int64_t)horizon * n <= 1 << 28) return STATUS_OK;
    return status_fail(STATUS_USAGE,
                       "[%s] horizon = %d: with %d environments these are too many samples an iteration",
                       section, horizon, n);
}

enum status policy_open(struct policy *p, struct run *run, struct acting acting, int batch) {
    int samples = acting.horizon * p->actor.env_config.count;
    TRY(actor_open(&p->actor, run, acting));
    TRY(policy_learner_open(&p->learner, &p->actor, run, batch, samples));
    rollout_init(&p->rollout, p->actor.shape, run->device);
    p->order = MEM_NEW(int32_t, samples);
    for (int i = 0; i < samples; i++)
        p->order[i] = i;
    p->moments = device_tensor(run->device, DTYPE_F32, 2, 1);
    return STATUS_OK;
}

void policy_shuffle(struct policy *p, int minibatches, struct rng *rng) {
    const struct rollout_shape *s = &p->rollout.shape;
    if (s->units)
        rollout_shuffle_sequences(p->order, s->horizon, s->count, minibatches, rng);
    else
        rollout_shuffle(p->order, s->horizon * s->count, rng);
}

/* Sum of (x - mean)^2 over the samples of a column. */
static double squares_about_mean(const struct policy *p, struct queue *q, struct tensor column) {
    const int n = p->rollout.rows * p->rollout.shape.count;
    struct tensor mean = tensor_head(p->moments, 1), squares = mean;
    float sum;
    squares.data = (float *)mean.data + 1;
    q->op->column_moments(q, mean, squares, rollout_samples(&p->rollout, column, 0, n));
    queue_download(q, &sum, squares);
    return (double)sum;
}

double policy_explained_variance(const struct policy *p, struct queue *q) {
    /* R - V is the advantage. */
    double all = squares_about_mean(p, q, p->rollout.returns);
    return all > 0 ? 1 - squares_about_mean(p, q, p->rollout.advantages) / all : 0;
}

double policy_figures_report(const struct policy *p, struct run *run, const struct policy_figures *f) {
    double return_mean = actor_figures(&p->actor, run);
    policy_learner_figures(&p->learner, run, f);
    return isnan(return_mean) ? 0 : return_mean;
}

void policy_save(void *self, struct checkpoint_writer *w) {
    struct policy *p = self;
    checkpoint_put_net(w, "net", p->actor.net, p->learner.optimiser);
    actor_save(&p->actor, w);
}

enum status policy_load(void *self, struct checkpoint_reader *r) {
    struct policy *p = self;
    TRY(checkpoint_get_net(r, "net", p->actor.net, p->learner.optimiser));
    return actor_load(&p->actor, r);
}

enum status policy_init_weights(void *self, struct checkpoint_reader *r) {
    return checkpoint_get_net(r, "net", ((struct policy *)self)->actor.net, NULL);
}

enum status policy_evaluate(void *self, struct run *run, int episodes, const struct report *report) {
    return actor_evaluate(&((struct policy *)self)->actor, run, episodes, report);
}

void policy_close(void *self) {
    struct policy *p = self;
    if (tensor_is(p->moments)) device_release(p->rollout.device, p->moments.data);
    rollout_free(&p->rollout);
    policy_learner_close(&p->learner);
    actor_close(&p->actor);
    mem_free(p->order);
    *p = (struct policy){0};
}

bool policy_allows_count(const void *self, int count) {
    return count % ((const struct policy *)self)->actor.config.groups == 0;
}

double policy_count(const void *self) {
    return (double)((const struct policy *)self)->actor.steps;
}

struct net *policy_net(void *self) {
    return ((struct policy *)self)->actor.net;
}
