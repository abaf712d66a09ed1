/* Advantage actor-critic, synchronous (Mnih et al. 2016 without the threads): a few steps in many
 * environments, one gradient of A log pi(a) and of the critic's error over all of them, and again.
 *
 *     iterate:  1. act: T steps in each of N environments
 *               2. judge: advantages; with lambda = 1 the discounted rewards and the critic's opinion of the
 * rest
 *               3. learn: one step on all T N samples
 *               4. figures
 */
#include <math.h>
#include <string.h>

#include "algo/policy_learner.h"
#include "tengen/algo.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

#define A2C_CONFIG(F, S)                                                                                     \
    F(S, int, horizon, 5, 1, 65536, "steps in each environment an iteration")                                \
    F(S, float, gamma, 0.99, 0, 1, "discount a step")                                                        \
    F(S, float, lambda, 1, 0, 1, "of generalised advantage estimation")                                      \
    F(S, float, value_weight, 0.5, 0, 100, "of the value loss beside the policy loss")                       \
    F(S, float, entropy_weight, 0.01, 0, 100, "of the entropy bonus")                                        \
    F(S, bool, normalise, false, 0, 0, "advantages to mean 0 and deviation 1")
CONFIG_STRUCT(a2c_config, A2C_CONFIG)
CONFIG_TABLE(a2c_config, A2C_CONFIG)

struct a2c {
    struct a2c_config config;
    struct actor actor;
    struct policy_learner learner;
    struct rollout rollout; /* [T, N] */
    int32_t *order;         /* [T N] 0, 1, 2, ... */
};

static void a2c_bind(void *self, struct config *c) {
    struct a2c *p = self;
    actor_bind(&p->actor, c);
    config_bind(c, "a2c", a2c_config_keys, &p->config, "advantage actor-critic");
    policy_learner_bind(&p->learner, c);
}

static int samples(const struct a2c *p) {
    return p->config.horizon * p->actor.env_config.count;
}

static enum status a2c_open(void *self, struct run *run) {
    struct a2c *p = self;
    if ((int64_t)p->config.horizon * p->actor.env_config.count > 1 << 28)
        return status_fail(STATUS_USAGE,
                           "[a2c] horizon = %d: with %d environments these are too many samples an iteration",
                           p->config.horizon, p->actor.env_config.count);
    TRY(actor_open(&p->actor, run, p->config.gamma, true));
    TRY(policy_learner_open(&p->learner, &p->actor, run, samples(p), samples(p)));
    p->learner.normalise = p->config.normalise;
    rollout_init(&p->rollout, actor_rollout_shape(&p->actor, p->config.horizon));
    p->order = MEM_NEW(int32_t, samples(p));
    for (int i = 0; i < samples(p); i++)
        p->order[i] = i;
    return STATUS_OK;
}

static enum status learn(struct a2c *p, struct run *run, struct policy_figures *f) {
    PHASE("learn");
    const struct policy_constants k = {SURROGATE_LOG,           0, 0, 0, p->config.value_weight,
                                       p->config.entropy_weight};
    policy_learner_gradient(&p->learner, run->queue, &p->rollout, p->order, samples(p), &k,
                            1.0f / (float)samples(p), 0);
    policy_learner_step(&p->learner, (double)run->iteration);
    return policy_learner_read(&p->learner, run->queue, samples(p), f);
}

static enum status a2c_iterate(void *self, struct run *run) {
    struct a2c *p = self;
    double start = clock_now();
    struct policy_figures f = {0};
    /* 1. Act. */
    TRY(actor_collect(&p->actor, run->queue, &p->rollout, false));
    /* 2. Judge. */
    rollout_advantages(&p->rollout, p->config.gamma, p->config.lambda);
    /* 3. Learn. */
    TRY(learn(p, run, &f));
    /* 4. Figures. */
    double return_mean = actor_figures(&p->actor, run);
    policy_learner_figures(&p->learner, run, &f);
    run_metric(run, "explained_variance", rollout_explained_variance(&p->rollout));
    run_metric(run, "steps_per_second", samples(p) / (clock_now() - start));
    run_detail(run, "return %.1f, policy %.4f value %.3g entropy %.3f", isnan(return_mean) ? 0 : return_mean,
               f.stats[STAT_POLICY], f.stats[STAT_VALUE], f.stats[STAT_ENTROPY]);
    return STATUS_OK;
}

static void a2c_save(void *self, struct checkpoint_writer *w) {
    struct a2c *p = self;
    checkpoint_put_net(w, "net", p->actor.net, p->learner.optimiser);
    actor_save(&p->actor, w);
}

static enum status a2c_load(void *self, struct checkpoint_reader *r) {
    struct a2c *p = self;
    TRY(checkpoint_get_net(r, "net", p->actor.net, p->learner.optimiser));
    return actor_load(&p->actor, r);
}

static enum status a2c_init_weights(void *self, struct checkpoint_reader *r) {
    return checkpoint_get_net(r, "net", ((struct a2c *)self)->actor.net, NULL);
}

static enum status a2c_evaluate(void *self, struct run *run, int episodes, const struct report *report) {
    return actor_evaluate(&((struct a2c *)self)->actor, run, episodes, report);
}

static void a2c_close(void *self) {
    struct a2c *p = self;
    policy_learner_close(&p->learner);
    actor_close(&p->actor);
    rollout_free(&p->rollout);
    mem_free(p->order);
    memset(p, 0, sizeof *p);
}

static double a2c_count(const void *self) {
    return (double)((const struct a2c *)self)->actor.steps;
}

static struct net *a2c_net(void *self) {
    return ((struct a2c *)self)->actor.net;
}

const struct algo algo_a2c = {
    .name = "a2c",
    .summary = "advantage actor-critic: one gradient of a few steps in many environments",
    .bytes = sizeof(struct a2c),
    .bind = a2c_bind,
    .open = a2c_open,
    .iterate = a2c_iterate,
    .save = a2c_save,
    .load = a2c_load,
    .init_weights = a2c_init_weights,
    .evaluate = a2c_evaluate,
    .close = a2c_close,
    .unit = "steps",
    .count = a2c_count,
    .net = a2c_net,
    .test_config = "[run]\niterations = 6\n[env]\nname = pendulum\ncount = 8\n"
                   "[actor]\ngroups = 2\nnormalise_observations = true\nnormalise_rewards = true\n"
                   "[net]\nmodel = mlp\nblocks = 2\nchannels = 16\n"
                   "[optimiser]\nkind = rmsprop\nrate = 0.0007\nclip = 0.5\n",
};
