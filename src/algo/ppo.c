/* Proximal policy optimisation (Schulman et al. 2017): one network with a policy and a value output plays
 * many environments at once, learns from what they lived through, and forgets it.
 *
 *     iterate:  1. act: T steps in each of N environments, with the weights as they are
 *               2. judge: advantages by generalised advantage estimation
 *               3. learn: a few epochs over the T N samples, in shuffled minibatches
 *               4. figures
 *
 * The objective is the clipped one, or the one with an adaptive penalty on the KL divergence (section 4 of
 * the paper). The details are those that matter in practice (Huang et al. 2022, "The 37 implementation
 * details of proximal policy optimization"): advantages normalised per minibatch, a clipped value loss, an
 * entropy bonus, Adam with epsilon 1e-5, a falling learning rate, gradients clipped by their global norm. One
 * differs: an episode that is truncated by a time limit is worth the critic's opinion of its last
 * observation, not nothing. A recurrent network learns through time: its minibatches are environments with
 * all T steps, from the units as they were before the first, and nothing passes from an episode to the next.
 */
#include <math.h>
#include <string.h>

#include "algo/policy.h"
#include "tengen/phase.h"

#define PPO_CONFIG(F, S)                                                                                     \
    F(S, int, horizon, 128, 1, 65536, "steps in each environment an iteration")                              \
    F(S, int, epochs, 4, 1, 1000, "passes over these steps")                                                 \
    F(S, int, minibatches, 4, 1, 65536,                                                                      \
      "minibatches a pass (a divisor of horizon * environments; with recurrent units: of environments)")     \
    F(S, float, gamma, 0.99, 0, 1, "discount a step")                                                        \
    F(S, float, lambda, 0.95, 0, 1, "of generalised advantage estimation")                                   \
    F(S, choice, objective, "clip", 0, 0, "clip | kl; kl: a penalty on the divergence from the old policy")  \
    F(S, float, clip, 0.2, 0, 10, "the policy's ratio is clipped to 1 - clip .. 1 + clip")                   \
    F(S, float, kl_weight, 1, 0, 1e6, "objective kl: the penalty's first weight")                            \
    F(S, float, kl_target, 0.01, 0, 100,                                                                     \
      "objective kl: the weight is doubled above 1.5 times this divergence, halved below a 1.5th of it")     \
    F(S, float, value_clip, 0.2, 0, 1e9, "a value may move this far from its old one; 0: not clipped")       \
    F(S, float, value_weight, 0.5, 0, 100, "of the value loss beside the policy loss")                       \
    F(S, float, entropy_weight, 0.01, 0, 100, "of the entropy bonus")                                        \
    F(S, bool, normalise, true, 0, 0, "advantages to mean 0 and deviation 1, per minibatch")                 \
    F(S, float, target_kl, 0, 0, 100,                                                                        \
      "no further epoch after one with a larger mean KL divergence; 0: never stop")
CONFIG_STRUCT(ppo_config, PPO_CONFIG)
CONFIG_TABLE(ppo_config, PPO_CONFIG)

struct ppo {
    struct policy policy; /* first: algo/policy.h */
    struct ppo_config config;

    /* What goes on from iteration to iteration, besides actor, net and optimiser. */
    struct rng shuffle_rng;
    double kl_weight;
};

static void ppo_bind(void *self, struct config *c) {
    struct ppo *p = self;
    policy_bind(&p->policy, c, "ppo", ppo_config_keys, &p->config, "proximal policy optimisation");
}

static int samples(const struct ppo *p) {
    return p->config.horizon * p->policy.actor.env_config.count;
}

static bool recurrent(const struct ppo *p) {
    return p->policy.actor.net_config.gru_units;
}

/* Whether minibatches can share what so many environments give evenly. */
static bool minibatches_divide(const struct ppo *p, int count) {
    int64_t horizon = recurrent(p) ? 1 : p->config.horizon;
    return horizon * count % p->config.minibatches == 0;
}

static bool allows_count(const void *self, int count) {
    return policy_allows_count(self, count) && minibatches_divide(self, count);
}

static enum status ppo_open(void *self, struct run *run) {
    struct ppo *p = self;
    const int minibatches = p->config.minibatches, count = p->policy.actor.env_config.count;
    TRY(policy_check_horizon(&p->policy, "ppo", p->config.horizon));
    if (!minibatches_divide(p, count) && recurrent(p))
        return status_fail(STATUS_USAGE,
                           "[ppo] minibatches = %d: must divide the %d environments, whose steps recurrent "
                           "units learn from in order",
                           minibatches, count);
    if (!minibatches_divide(p, count))
        return status_fail(STATUS_USAGE, "[ppo] minibatches = %d: must divide horizon * environments = %d",
                           minibatches, samples(p));
    struct acting acting = {p->config.horizon, p->config.gamma, .critic = true};
    TRY(policy_open(&p->policy, run, acting, samples(p) / minibatches));
    p->policy.learner.normalise = p->config.normalise;
    p->shuffle_rng = rng_make((uint64_t)run->config.seed, RNG_SHUFFLE, 0);
    p->kl_weight = (double)p->config.kl_weight;
    return STATUS_OK;
}

static bool penalised(const struct ppo *p) {
    return strcmp(p->config.objective, "kl") == 0;
}

static enum status learn(struct ppo *p, struct run *run, struct policy_figures *f) {
    PHASE("learn");
    const struct policy_constants k = {penalised(p) ? SURROGATE_KL : SURROGATE_CLIP,
                                       p->config.clip,
                                       (float)p->kl_weight,
                                       p->config.value_clip,
                                       p->config.value_weight,
                                       p->config.entropy_weight};
    int m = samples(p) / p->config.minibatches;
    for (int epoch = 0; epoch < p->config.epochs; epoch++) {
        policy_shuffle(&p->policy, p->config.minibatches, &p->shuffle_rng);
        for (int at = 0; at < samples(p); at += m) {
            policy_learner_gradient(&p->policy.learner, run->queue, &p->policy.rollout, p->policy.order + at,
                                    m, &k, 1.0f / (float)m, at);
            policy_learner_step(&p->policy.learner, (double)run->iteration);
        }
        /* The statistics are those of the last epoch. */
        if (p->config.target_kl > 0 || epoch == p->config.epochs - 1)
            TRY(policy_learner_read(&p->policy.learner, run->queue, samples(p), f));
        if (p->config.target_kl > 0 && f->stats[STAT_KL] > (double)p->config.target_kl) break;
    }
    return STATUS_OK;
}

/* Section 4 of the paper; within bounds from which it can come back, whatever the divergence does. */
static void adapt_kl_weight(struct ppo *p, double kl) {
    const double target = (double)p->config.kl_target, least = 1e-6, most = 1e6;
    if (kl > 1.5 * target) p->kl_weight = fmin(2 * p->kl_weight, most);
    if (kl < target / 1.5) p->kl_weight = fmax(p->kl_weight / 2, least);
}

static void figures(struct ppo *p, struct run *run, const struct policy_figures *f, double seconds) {
    double return_mean = policy_figures_report(&p->policy, run, f);
    run_metric(run, "explained_variance", policy_explained_variance(&p->policy, run->queue));
    if (penalised(p)) run_metric(run, "kl_weight", p->kl_weight);
    run_metric(run, "steps_per_second", samples(p) / seconds);
    run_detail(run, "return %.1f, policy %.4f value %.3g entropy %.3f", return_mean, f->stats[STAT_POLICY],
               f->stats[STAT_VALUE], f->stats[STAT_ENTROPY]);
}

static enum status ppo_iterate(void *self, struct run *run) {
    struct ppo *p = self;
    double start = clock_now();
    struct policy_figures f = {0};
    /* 1. Act. */
    TRY(actor_collect(&p->policy.actor, run->queue, &p->policy.rollout));
    /* 2. Judge. */
    rollout_advantages(&p->policy.rollout, run->queue, p->config.gamma, p->config.lambda);
    /* 3. Learn. */
    TRY(learn(p, run, &f));
    if (penalised(p)) adapt_kl_weight(p, f.stats[STAT_KL]);
    /* 4. Figures. */
    figures(p, run, &f, clock_now() - start);
    return STATUS_OK;
}

static void ppo_save(void *self, struct checkpoint_writer *w) {
    struct ppo *p = self;
    policy_save(self, w);
    checkpoint_put_rng(w, "ppo/shuffle_rng", &p->shuffle_rng);
    checkpoint_put_double(w, "ppo/kl_weight", p->kl_weight);
}

static enum status ppo_load(void *self, struct checkpoint_reader *r) {
    struct ppo *p = self;
    TRY(policy_load(self, r));
    TRY(checkpoint_get_rng(r, "ppo/shuffle_rng", &p->shuffle_rng));
    return checkpoint_get_double(r, "ppo/kl_weight", &p->kl_weight);
}

static const struct algo_idle ppo_idle[] = {{"ppo", "kl_weight kl_target", "ppo.objective", "clip"},
                                            {NULL, NULL, NULL, NULL}};

const struct algo algo_ppo = {
    .name = "ppo",
    .summary = "proximal policy optimisation of one network that acts in many environments at once",
    .bytes = sizeof(struct ppo),
    .bind = ppo_bind,
    .open = ppo_open,
    .iterate = ppo_iterate,
    .save = ppo_save,
    .load = ppo_load,
    .init_weights = policy_init_weights,
    .evaluate = policy_evaluate,
    .close = policy_close,
    .unit = "steps",
    .count = policy_count,
    .net = policy_net,
    .sizes = (const struct algo_size[]){{"env.count", NULL, allows_count}, {NULL, NULL, NULL}},
    .idle = ppo_idle,
    .test_config = "[run]\niterations = 6\n[env]\nname = cartpole\ncount = 8\n"
                   "[net]\nmodel = mlp\nblocks = 2\nchannels = 16\n"
                   "[optimiser]\nkind = adam\nrate = 0.0025\nepsilon = 1e-5\nclip = 0.5\n"
                   "[ppo]\nhorizon = 32\nminibatches = 4\nepochs = 2\n",
};
