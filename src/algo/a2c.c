/* Advantage actor-critic, synchronous (Mnih et al. 2016 without the threads): a few steps in many
 * environments, one gradient of A log pi(a) and of the critic's error over all of them, and again.
 *
 *     iterate:  1. act: T steps in each of N environments
 *               2. judge: advantages; with lambda = 1 the discounted rewards and the critic's
 *                  opinion of the rest
 *               3. learn: one step on all T N samples, which are in the order of time, so that
 *                  recurrent units learn, too
 *               4. figures
 */
#include "algo/policy.h"
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
    struct policy policy; /* first: algo/policy.h */
    struct a2c_config config;
};

static void a2c_bind(void *self, struct config *c) {
    struct a2c *p = self;
    policy_bind(&p->policy, c, "a2c", a2c_config_keys, &p->config, "advantage actor-critic");
}

static int samples(const struct a2c *p) {
    return p->config.horizon * p->policy.actor.env_config.count;
}

static enum status a2c_open(void *self, struct run *run) {
    struct a2c *p = self;
    TRY(policy_check_horizon(&p->policy, "a2c", p->config.horizon));
    struct acting acting = {p->config.horizon, p->config.gamma, .critic = true};
    TRY(policy_open(&p->policy, run, acting, samples(p)));
    p->policy.learner.normalise = p->config.normalise;
    return STATUS_OK;
}

static enum status learn(struct a2c *p, struct run *run, struct policy_figures *f) {
    PHASE("learn");
    const struct policy_constants k = {SURROGATE_LOG,           0, 0, 0, p->config.value_weight,
                                       p->config.entropy_weight};
    policy_learner_gradient(&p->policy.learner, run->queue, &p->policy.rollout, p->policy.order, samples(p),
                            &k, 1.0f / (float)samples(p), 0);
    policy_learner_step(&p->policy.learner, (double)run->iteration);
    return policy_learner_read(&p->policy.learner, run->queue, samples(p), f);
}

static enum status a2c_iterate(void *self, struct run *run) {
    struct a2c *p = self;
    double start = clock_now();
    struct policy_figures f = {0};
    /* 1. Act. */
    TRY(actor_collect(&p->policy.actor, run->queue, &p->policy.rollout));
    /* 2. Judge. */
    rollout_advantages(&p->policy.rollout, run->queue, p->config.gamma, p->config.lambda);
    /* 3. Learn. */
    TRY(learn(p, run, &f));
    /* 4. Figures. */
    double return_mean = policy_figures_report(&p->policy, run, &f);
    run_metric(run, "explained_variance", policy_explained_variance(&p->policy, run->queue));
    run_metric(run, "steps_per_second", samples(p) / (clock_now() - start));
    run_detail(run, "return %.1f, policy %.4f value %.3g entropy %.3f", return_mean, f.stats[STAT_POLICY],
               f.stats[STAT_VALUE], f.stats[STAT_ENTROPY]);
    return STATUS_OK;
}

const struct algo algo_a2c = {
    .name = "a2c",
    .summary = "advantage actor-critic: one gradient of a few steps in many environments",
    .bytes = sizeof(struct a2c),
    .bind = a2c_bind,
    .open = a2c_open,
    .iterate = a2c_iterate,
    .save = policy_save,
    .load = policy_load,
    .init_weights = policy_init_weights,
    .evaluate = policy_evaluate,
    .close = policy_close,
    .unit = "steps",
    .count = policy_count,
    .net = policy_net,
    .sizes = (const struct algo_size[]){{"env.count", NULL, policy_allows_count}, {NULL, NULL, NULL}},
    .test_config = "[run]\niterations = 6\n[env]\nname = pendulum\ncount = 8\n"
                   "[actor]\ngroups = 2\nnormalise_observations = true\nnormalise_rewards = true\n"
                   "[net]\nmodel = mlp\nblocks = 2\nchannels = 16\n"
                   "[optimiser]\nkind = rmsprop\nrate = 0.0007\nclip = 0.5\n",
};
