/* REINFORCE (Williams 1992): whole episodes, and a step along the gradient of log pi(a) times what came after
 * a. With a baseline, what the critic foresaw is taken off, which leaves the gradient's mean as it is and its
 * spread smaller; a truncated episode's rest is then worth the critic's opinion, else nothing.
 *
 *     iterate:  1. act: one episode in each of N environments
 *               2. judge: discounted rewards to the end, less the baseline
 *               3. learn: one step on all of it
 *               4. figures
 */
#include <math.h>

#include "algo/policy.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

#define REINFORCE_CONFIG(F, S)                                                                               \
    F(S, int, horizon, 500, 1, 65536, "an episode is truncated after so many steps")                         \
    F(S, int_or_auto, batch, 1024, 1, 65536,                                                                 \
      "samples that go through the network at a time; auto: all of an iteration, or what fits")              \
    F(S, float, gamma, 0.99, 0, 1, "discount a step")                                                        \
    F(S, bool, baseline, true, 0, 0, "a critic foresees returns; without one use net.head = policy")         \
    F(S, float, value_weight, 0.5, 0, 100, "of the critic's loss beside the policy's")                       \
    F(S, float, entropy_weight, 0, 0, 100, "of the entropy bonus")                                           \
    F(S, bool, normalise, true, 0, 0, "returns less baseline to mean 0 and deviation 1, over the iteration")
CONFIG_STRUCT(reinforce_config, REINFORCE_CONFIG)
CONFIG_TABLE(reinforce_config, REINFORCE_CONFIG)

struct reinforce {
    struct policy policy; /* first: algo/policy.h; of its order the first `samples` belong to episodes */
    struct reinforce_config config;
    int samples;
};

static void reinforce_bind(void *self, struct config *c) {
    struct reinforce *p = self;
    policy_bind(&p->policy, c, "reinforce", reinforce_config_keys, &p->config,
                "policy gradient of whole episodes");
}

static enum status reinforce_open(void *self, struct run *run) {
    struct reinforce *p = self;
    TRY(policy_check_horizon(&p->policy, "reinforce", p->config.horizon));
    if (p->policy.actor.net_config.gru_units)
        return status_fail(
            STATUS_USAGE,
            "[net] gru_units = %d: reinforce learns from steps in batches of any; use ppo or a2c",
            p->policy.actor.net_config.gru_units);
    struct acting acting = {p->config.horizon, p->config.gamma, p->config.baseline, .episodes = true};
    return policy_open(&p->policy, run, acting, p->config.batch);
}

/* The steps of each environment up to the end of its first episode. */
static void find_samples(struct reinforce *p, struct queue *q) {
    const struct rollout *r = &p->policy.rollout;
    const int n = r->shape.count;
    const size_t samples = (size_t)r->rows * (size_t)n;
    uint8_t *ended = MEM_NEW(uint8_t, n), *terminated = MEM_NEW(uint8_t, samples),
            *truncated = MEM_NEW(uint8_t, samples);
    queue_download(q, terminated, tensor_head(r->terminated, r->rows));
    queue_download(q, truncated, tensor_head(r->truncated, r->rows));
    p->samples = 0;
    for (int at = 0; at < r->rows * n; at++) {
        if (ended[at % n]) continue;
        p->policy.order[p->samples++] = at;
        ended[at % n] = terminated[at] | truncated[at];
    }
    mem_free(ended);
    mem_free(terminated);
    mem_free(truncated);
}

/* Advantages of the samples to mean 0 and deviation 1. */
static void normalise(struct reinforce *p, struct queue *q) {
    double mean = 0, squares = 0;
    const struct rollout *r = &p->policy.rollout;
    struct tensor column = tensor_head(r->advantages, r->rows);
    float *advantages = MEM_NEW(float, tensor_count(column));
    queue_download(q, advantages, column);
    for (int i = 0; i < p->samples; i++)
        mean += (double)advantages[p->policy.order[i]] / p->samples;
    for (int i = 0; i < p->samples; i++)
        squares +=
            ((double)advantages[p->policy.order[i]] - mean) * ((double)advantages[p->policy.order[i]] - mean);
    double deviation = sqrt(squares / p->samples) + 1e-8;
    for (int i = 0; i < p->samples; i++)
        advantages[p->policy.order[i]] = (float)(((double)advantages[p->policy.order[i]] - mean) / deviation);
    queue_upload(q, column, advantages);
    mem_free(advantages);
}

static enum status learn(struct reinforce *p, struct run *run, struct policy_figures *f) {
    PHASE("learn");
    const struct policy_constants k = {SURROGATE_LOG,           0, 0, 0, p->config.value_weight,
                                       p->config.entropy_weight};
    for (int at = 0; at < p->samples; at += p->config.batch) {
        int n = p->samples - at < p->config.batch ? p->samples - at : p->config.batch;
        policy_learner_gradient(&p->policy.learner, run->queue, &p->policy.rollout, p->policy.order + at, n,
                                &k, 1.0f / (float)p->samples, at);
    }
    policy_learner_step(&p->policy.learner, (double)run->iteration);
    return policy_learner_read(&p->policy.learner, run->queue, p->samples, f);
}

static enum status reinforce_iterate(void *self, struct run *run) {
    struct reinforce *p = self;
    double start = clock_now();
    struct policy_figures f = {0};
    /* 1. Act. */
    TRY(actor_collect(&p->policy.actor, run->queue, &p->policy.rollout));
    find_samples(p, run->queue);
    /* 2. Judge. Without a baseline all values are 0, and with lambda 1 advantages are discounted rewards. */
    rollout_advantages(&p->policy.rollout, run->queue, p->config.gamma, 1);
    if (p->config.normalise) normalise(p, run->queue);
    /* 3. Learn. */
    TRY(learn(p, run, &f));
    /* 4. Figures. */
    double return_mean = policy_figures_report(&p->policy, run, &f);
    run_metric(run, "steps_per_second", p->samples / (clock_now() - start));
    run_detail(run, "return %.1f, policy %.4f entropy %.3f", return_mean, f.stats[STAT_POLICY],
               f.stats[STAT_ENTROPY]);
    return STATUS_OK;
}

static int automatic_batch(const void *self, const struct run *run, int most) {
    (void)run;
    const struct reinforce *p = self;
    int64_t samples = (int64_t)p->config.horizon * p->policy.actor.env_config.count;
    int cap = most < 65536 ? most : 65536;
    return samples < cap ? (int)samples : cap;
}

static const struct algo_idle reinforce_idle[] = {
    {"reinforce", "value_weight", "reinforce.baseline", "false"}, {NULL, NULL, NULL, NULL}};

static const struct algo_size reinforce_sizes[] = {
    {"reinforce.batch", automatic_batch, NULL}, {"env.count", NULL, policy_allows_count}, {NULL, NULL, NULL}};

const struct algo algo_reinforce = {
    .name = "reinforce",
    .summary = "policy gradient of whole episodes, with or without a baseline",
    .bytes = sizeof(struct reinforce),
    .bind = reinforce_bind,
    .open = reinforce_open,
    .iterate = reinforce_iterate,
    .save = policy_save,
    .load = policy_load,
    .init_weights = policy_init_weights,
    .evaluate = policy_evaluate,
    .close = policy_close,
    .unit = "steps",
    .count = policy_count,
    .net = policy_net,
    .sizes = reinforce_sizes,
    .idle = reinforce_idle,
    .test_config = "[run]\niterations = 6\n[env]\nname = cartpole\ncount = 8\n"
                   "[net]\nmodel = mlp\nblocks = 1\nchannels = 16\nhead = policy\n"
                   "[reinforce]\nbaseline = false\nbatch = 100\n"
                   "[optimiser]\nkind = adam\nrate = 0.01\n",
};
