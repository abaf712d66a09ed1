/* Proximal policy optimisation (Schulman et al. 2017) for discrete actions: one network with a policy and a
 * value output plays many environments at once, learns from what they lived through, and forgets it.
 *
 *     iterate:  1. act: T steps in each of N environments, with the weights as they are
 *               2. judge: advantages by generalised advantage estimation
 *               3. learn: a few epochs over the T N samples, in shuffled minibatches
 *               4. figures
 *
 * The details are those that matter in practice (Huang et al. 2022, "The 37 implementation details of
 * proximal policy optimization"): advantages normalised per minibatch, a clipped value loss, an entropy
 * bonus, Adam with epsilon 1e-5, a falling learning rate, gradients clipped by their global norm. One
 * differs: an episode that is truncated by a time limit is worth the critic's opinion of its last
 * observation, not nothing.
 */
#include <math.h>
#include <string.h>

#include "tengen/algo.h"
#include "tengen/env.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/phase.h"
#include "tengen/rollout.h"

#define PPO_CONFIG(F, S)                                                                                     \
    F(S, int, horizon, 128, 1, 65536, "steps in each environment an iteration")                              \
    F(S, int, epochs, 4, 1, 1000, "passes over these steps")                                                 \
    F(S, int, minibatches, 4, 1, 65536, "minibatches a pass (a divisor of horizon * environments)")          \
    F(S, float, gamma, 0.99, 0, 1, "discount a step")                                                        \
    F(S, float, lambda, 0.95, 0, 1, "of generalised advantage estimation")                                   \
    F(S, float, clip, 0.2, 0, 10, "the policy's ratio is clipped to 1 - clip .. 1 + clip")                   \
    F(S, float, value_clip, 0.2, 0, 1e9, "a value may move this far from its old one; 0: not clipped")       \
    F(S, float, value_weight, 0.5, 0, 100, "of the value loss beside the policy loss")                       \
    F(S, float, entropy_weight, 0.01, 0, 100, "of the entropy bonus")                                        \
    F(S, bool, normalise, true, 0, 0, "advantages to mean 0 and deviation 1, per minibatch")                 \
    F(S, float, target_kl, 0, 0, 100,                                                                        \
      "no further epoch after one with a larger mean KL divergence; 0: never stop")
CONFIG_STRUCT(ppo_config, PPO_CONFIG)
CONFIG_TABLE(ppo_config, PPO_CONFIG)

enum { RECENT = 100 /* episodes that the figures look back on */, EVAL_LANES = 256 };

/* Columns of policy_loss's statistics. */
enum { STAT_POLICY, STAT_VALUE, STAT_ENTROPY, STAT_KL, STAT_CLIPPED, STATS };

struct ppo {
    struct ppo_config config;
    struct env_config env_config;
    struct model_config net_config;
    struct optimiser_config optimiser_config;

    struct net *net;
    struct optimiser *optimiser;
    struct plan *actor;   /* inference, [N] */
    struct plan *learner; /* training, [M], M = T N / minibatches */
    struct env_batch envs;
    struct rollout rollout;     /* [T, N] */
    struct rollout_batch batch; /* [M], one minibatch */
    int32_t *order;             /* [T N] shuffled samples */
    float *logits, *values;     /* [N, A], [N] of the last forward pass of the actor */
    float *final_observations;  /* [N, F] */
    float *stats;               /* [T N, STATS] on the host */
    struct tensor device_actions, device_log_probs, device_advantages, device_returns,
        device_values;          /* [M] */
    struct tensor device_stats; /* [T N, STATS] of the last epoch */

    /* What goes on from iteration to iteration, besides net, optimiser and environments. */
    struct rng *action_rngs; /* [N] */
    struct rng shuffle_rng;
    int64_t steps, episodes;
    float recent_returns[RECENT]; /* of episode e at e mod RECENT */
    int32_t recent_lengths[RECENT];
};

/* Means over the last epoch. */
struct ppo_figures {
    double stats[STATS];
    float norm;
};

static void ppo_bind(void *self, struct config *c) {
    struct ppo *p = self;
    config_bind(c, "env", env_config_keys, &p->env_config, "the environment");
    config_bind(c, "net", model_config_keys, &p->net_config, "the network");
    config_bind(c, "ppo", ppo_config_keys, &p->config, "proximal policy optimisation");
    config_bind(c, "optimiser", optimiser_config_keys, &p->optimiser_config,
                "the optimiser; schedules run on iterations");
}

static int features(const struct ppo *p) {
    return env_spec_features(&p->envs.spec);
}

static int samples(const struct ppo *p) {
    return p->config.horizon * p->env_config.count;
}

static struct tensor device_column(struct run *run, enum dtype type, int n) {
    return tensor_1(device_alloc(run->device, (size_t)n * dtype_size(type)), type, n);
}

static void open_buffers(struct ppo *p, struct run *run) {
    int n = p->env_config.count, all = samples(p), m = all / p->config.minibatches, f = features(p);
    rollout_init(&p->rollout, p->config.horizon, n, f);
    rollout_batch_init(&p->batch, m, f);
    p->order = MEM_NEW(int32_t, all);
    p->logits = MEM_NEW(float, n * p->envs.spec.choices[0]);
    p->values = MEM_NEW(float, n);
    p->final_observations = MEM_NEW(float, n *f);
    p->stats = MEM_NEW(float, all *STATS);
    p->action_rngs = MEM_NEW(struct rng, n);
    p->device_actions = device_column(run, DTYPE_I32, m);
    p->device_log_probs = device_column(run, DTYPE_F32, m);
    p->device_advantages = device_column(run, DTYPE_F32, m);
    p->device_returns = device_column(run, DTYPE_F32, m);
    p->device_values = device_column(run, DTYPE_F32, m);
    p->device_stats =
        tensor_2(device_alloc(run->device, (size_t)all * STATS * sizeof(float)), DTYPE_F32, all, STATS);
}

static enum status ppo_open(void *self, struct run *run) {
    struct ppo *p = self;
    int n = p->env_config.count, minibatches = p->config.minibatches;
    uint64_t seed = (uint64_t)run->config.seed;
    if ((int64_t)p->config.horizon * n > 1 << 28)
        return status_fail(STATUS_USAGE,
                           "[ppo] horizon = %d: with %d environments these are too many samples an iteration",
                           p->config.horizon, n);
    if (samples(p) % minibatches)
        return status_fail(STATUS_USAGE, "[ppo] minibatches = %d: must divide horizon * environments = %d",
                           minibatches, samples(p));
    TRY(env_batch_open(&p->envs, &p->env_config, n, seed, RNG_ENV, 0));
    const struct env_spec *e = &p->envs.spec;
    TRY(env_spec_require(e, ENV_DISCRETE, "ppo"));
    if (e->pixels)
        return status_fail(STATUS_USAGE, "[env] name = %s: shows pixels, which ppo does not take", e->name);
    TRY(model_create(&p->net_config, (struct model_shape){e->h, e->w, e->c, e->choices[0]}, run->device,
                     &p->net));
    TRY(net_require_output(p->net, "policy"));
    TRY(net_require_output(p->net, "value"));
    net_initialise(p->net, seed);
    TRY(plan_create(p->net, run->queue, PLAN_INFER, run->precision, n, &p->actor));
    TRY(plan_create(p->net, run->queue, PLAN_TRAIN, run->precision, samples(p) / minibatches, &p->learner));
    TRY(optimiser_create(p->net, run->queue, &p->optimiser_config, &p->optimiser));
    open_buffers(p, run);
    for (int i = 0; i < n; i++)
        p->action_rngs[i] = rng_make(seed, RNG_ACTION, (uint64_t)i);
    p->shuffle_rng = rng_make(seed, RNG_SHUFFLE, 0);
    return env_batch_reset(&p->envs);
}

/* ---- 1. acting -------------------------------------------------------------------------------------------
 */

/* Policy logits [n, A] and values [n] of observations [n, F]; values may be NULL. */
static void forward(struct queue *q, struct plan *plan, int n, const float *observations, float *logits,
                    float *values) {
    queue_upload(q, tensor_head(plan_input(plan, "observation"), n), observations);
    plan_forward(plan, n);
    queue_download(q, logits, tensor_head(plan_output(plan, "policy"), n));
    if (values) queue_download(q, values, tensor_head(plan_output(plan, "value"), n));
}

/* Draws from softmax(logits), by inversion of one uniform number. */
static int32_t sample_action(const float *logits, int actions, struct rng *rng, float *log_prob) {
    float max = logits[0], sum = 0;
    for (int a = 1; a < actions; a++)
        max = fmaxf(max, logits[a]);
    for (int a = 0; a < actions; a++)
        sum += expf(logits[a] - max);
    float u = rng_uniform(rng) * sum, below = 0;
    int action = 0;
    for (; action < actions - 1; action++) {
        below += expf(logits[action] - max);
        if (u < below) break;
    }
    *log_prob = logits[action] - max - logf(sum);
    return action;
}

static void note_episodes(struct ppo *p) {
    for (int i = 0; i < p->envs.count; i++) {
        if (!p->envs.ended[i]) continue;
        p->recent_returns[p->episodes % RECENT] = p->envs.returns[i];
        p->recent_lengths[p->episodes % RECENT] = p->envs.lengths[i];
        p->episodes++;
    }
}

static enum status act(struct ppo *p, struct queue *q) {
    PHASE("act");
    struct rollout *r = &p->rollout;
    struct env_batch *e = &p->envs;
    int actions = e->spec.choices[0];
    size_t n = (size_t)e->count;
    for (int t = 0; t < r->horizon; t++) {
        size_t row = (size_t)t * n;
        float *observations = r->observations + row * (size_t)r->features;
        env_batch_observe(e, observations);
        forward(q, p->actor, e->count, observations, p->logits, r->values + row);
        for (size_t i = 0; i < n; i++)
            r->actions[row + i] = sample_action(p->logits + i * (size_t)actions, actions, &p->action_rngs[i],
                                                &r->log_probs[row + i]);
        TRY(env_batch_step(e, r->actions + row));
        memcpy(r->rewards + row, e->rewards, n * sizeof(float));
        memcpy(r->terminated + row, e->terminated, n);
        memcpy(r->truncated + row, e->truncated, n);
        /* The last observation of a truncated episode is seen here and never again. */
        if (memchr(e->truncated, 1, n)) {
            env_batch_observe(e, p->final_observations);
            forward(q, p->actor, e->count, p->final_observations, p->logits, r->final_values + row);
        }
        note_episodes(p);
        TRY(env_batch_reset_done(e));
    }
    env_batch_observe(e, p->final_observations);
    forward(q, p->actor, e->count, p->final_observations, p->logits, r->last_values);
    p->steps += samples(p);
    return STATUS_OK;
}

/* ---- 3. learning -----------------------------------------------------------------------------------------
 */

static void gather(struct ppo *p, int b) {
    PHASE("gather");
    rollout_gather(&p->batch, &p->rollout, p->order + (size_t)b * (size_t)p->batch.count);
    if (p->config.normalise) rollout_batch_normalise(&p->batch);
}

/* One optimiser step on minibatch `b` of the shuffled order. */
static void learn_minibatch(struct ppo *p, struct run *run, int b) {
    struct queue *q = run->queue;
    int m = p->batch.count;
    gather(p, b);
    queue_upload(q, plan_input(p->learner, "observation"), p->batch.observations);
    queue_upload(q, p->device_actions, p->batch.actions);
    queue_upload(q, p->device_log_probs, p->batch.log_probs);
    queue_upload(q, p->device_advantages, p->batch.advantages);
    queue_upload(q, p->device_returns, p->batch.returns);
    queue_upload(q, p->device_values, p->batch.values);

    plan_forward(p->learner, m);
    struct policy_constants k = {SURROGATE_CLIP,       p->config.clip,         0,
                                 p->config.value_clip, p->config.value_weight, p->config.entropy_weight};
    float *stats = (float *)p->device_stats.data + (size_t)b * (size_t)m * STATS;
    q->op->policy_loss(q, tensor_2(stats, DTYPE_F32, m, STATS), plan_output_gradient(p->learner, "policy"),
                       plan_output_gradient(p->learner, "value"), plan_output(p->learner, "policy"),
                       plan_output(p->learner, "value"), p->device_actions, p->device_log_probs,
                       p->device_advantages, p->device_returns, p->device_values, tensor_none(),
                       (struct choices){1, {p->envs.spec.choices[0]}}, k, 1.0f / (float)m);
    plan_backward(p->learner, m);
    optimiser_step(p->optimiser, (double)run->iteration);
}

/* Means of the epoch's statistics. */
static void read_stats(struct ppo *p, struct queue *q, struct ppo_figures *f) {
    int n = samples(p);
    queue_download(q, p->stats, p->device_stats);
    memset(f->stats, 0, sizeof f->stats);
    for (int i = 0; i < n; i++)
        for (int s = 0; s < STATS; s++)
            f->stats[s] += p->stats[i * STATS + s];
    for (int s = 0; s < STATS; s++)
        f->stats[s] /= n;
}

static enum status learn(struct ppo *p, struct run *run, struct ppo_figures *f) {
    PHASE("learn");
    for (int epoch = 0; epoch < p->config.epochs; epoch++) {
        rollout_shuffle(p->order, samples(p), &p->shuffle_rng);
        for (int b = 0; b < p->config.minibatches; b++)
            learn_minibatch(p, run, b);
        if (p->config.target_kl > 0 || epoch == p->config.epochs - 1) read_stats(p, run->queue, f);
        if (p->config.target_kl > 0 && f->stats[STAT_KL] > p->config.target_kl) break;
    }
    TRY(optimiser_norm(p->optimiser, &f->norm));
    if (!isfinite(f->stats[STAT_POLICY]) || !isfinite(f->stats[STAT_VALUE]))
        return status_fail(STATUS_NUMERIC, "the loss is not finite (policy %g, value %g)",
                           f->stats[STAT_POLICY], f->stats[STAT_VALUE]);
    return STATUS_OK;
}

/* ---- 4. figures ------------------------------------------------------------------------------------------
 */

static void figures(struct ppo *p, struct run *run, const struct ppo_figures *f, double seconds) {
    int recent = p->episodes < RECENT ? (int)p->episodes : RECENT;
    double return_mean = 0, length_mean = 0;
    for (int i = 0; i < recent; i++) {
        return_mean += (double)p->recent_returns[i] / recent;
        length_mean += (double)p->recent_lengths[i] / recent;
    }
    run_metric(run, "steps", (double)p->steps);
    run_metric(run, "episodes", (double)p->episodes);
    run_metric(run, "return_mean", recent ? return_mean : NAN); /* of the last 100 episodes */
    run_metric(run, "length_mean", recent ? length_mean : NAN);
    run_metric(run, "policy_loss", f->stats[STAT_POLICY]);
    run_metric(run, "value_loss", f->stats[STAT_VALUE]);
    run_metric(run, "entropy", f->stats[STAT_ENTROPY]);
    run_metric(run, "kl", f->stats[STAT_KL]);
    run_metric(run, "clip_fraction", f->stats[STAT_CLIPPED]);
    run_metric(run, "explained_variance", rollout_explained_variance(&p->rollout));
    run_metric(run, "gradient_norm", (double)f->norm);
    run_metric(run, "rate", (double)schedule_value(&p->optimiser_config.rate, (double)run->iteration));
    run_metric(run, "steps_per_second", samples(p) / seconds);
    run_detail(run, "return %.1f, policy %.4f value %.3g entropy %.3f", return_mean, f->stats[STAT_POLICY],
               f->stats[STAT_VALUE], f->stats[STAT_ENTROPY]);
}

static enum status ppo_iterate(void *self, struct run *run) {
    struct ppo *p = self;
    double start = clock_now();
    struct ppo_figures f = {0};
    /* 1. Act. */
    TRY(act(p, run->queue));
    /* 2. Judge. */
    rollout_advantages(&p->rollout, p->config.gamma, p->config.lambda);
    /* 3. Learn. */
    TRY(learn(p, run, &f));
    /* 4. Figures. */
    figures(p, run, &f, clock_now() - start);
    return STATUS_OK;
}

/* ---- state -----------------------------------------------------------------------------------------------
 */

static void ppo_save(void *self, struct checkpoint_writer *w) {
    struct ppo *p = self;
    int64_t recent[] = {RECENT};
    size_t size;
    void *envs = env_batch_save(&p->envs, &size);
    checkpoint_put_net(w, "net", p->net, p->optimiser);
    checkpoint_put_bytes(w, "ppo/envs", envs, size);
    mem_free(envs);
    checkpoint_put_bytes(w, "ppo/action_rngs", p->action_rngs, (size_t)p->envs.count * sizeof(struct rng));
    checkpoint_put_rng(w, "ppo/shuffle_rng", &p->shuffle_rng);
    checkpoint_put_long(w, "ppo/steps", p->steps);
    checkpoint_put_long(w, "ppo/episodes", p->episodes);
    checkpoint_put(w, "ppo/recent_returns", DTYPE_F32, 1, recent, p->recent_returns, NULL);
    checkpoint_put(w, "ppo/recent_lengths", DTYPE_I32, 1, recent, p->recent_lengths, NULL);
}

static enum status load_envs(struct ppo *p, struct checkpoint_reader *r) {
    void *data;
    size_t size;
    TRY(checkpoint_get_bytes(r, "ppo/envs", &data, &size));
    enum status status = env_batch_load(&p->envs, data, size);
    mem_free(data);
    return status;
}

static enum status load_action_rngs(struct ppo *p, struct checkpoint_reader *r) {
    void *data;
    size_t found, size = (size_t)p->envs.count * sizeof(struct rng);
    TRY(checkpoint_get_bytes(r, "ppo/action_rngs", &data, &found));
    if (found == size) memcpy(p->action_rngs, data, size);
    mem_free(data);
    if (found == size) return STATUS_OK;
    return status_fail(STATUS_FORMAT,
                       "ppo/action_rngs: %zu bytes where this config wants %zu; was [env] changed?", found,
                       size);
}

static enum status ppo_load(void *self, struct checkpoint_reader *r) {
    struct ppo *p = self;
    int64_t recent[] = {RECENT};
    TRY(checkpoint_get_net(r, "net", p->net, p->optimiser));
    TRY(load_envs(p, r));
    TRY(load_action_rngs(p, r));
    TRY(checkpoint_get_rng(r, "ppo/shuffle_rng", &p->shuffle_rng));
    TRY(checkpoint_get_long(r, "ppo/steps", &p->steps));
    TRY(checkpoint_get_long(r, "ppo/episodes", &p->episodes));
    TRY(checkpoint_get(r, "ppo/recent_returns", DTYPE_F32, 1, recent, p->recent_returns));
    TRY(checkpoint_get(r, "ppo/recent_lengths", DTYPE_I32, 1, recent, p->recent_lengths));
    return STATUS_OK;
}

static enum status ppo_init_weights(void *self, struct checkpoint_reader *r) {
    struct ppo *p = self;
    return checkpoint_get_net(r, "net", p->net, NULL);
}

/* ---- tengen eval: fresh episodes, the likeliest action each time ------------------------------------------
 */

static int32_t best_action(const float *logits, int actions) {
    int best = 0;
    for (int a = 1; a < actions; a++)
        if (logits[a] > logits[best]) best = a;
    return best;
}

/* The first episode of every environment of the batch. */
static enum status play_batch(struct env_batch *e, struct queue *q, struct plan *plan, float *observations,
                              float *logits, int32_t *chosen, float *returns, int32_t *lengths) {
    int actions = e->spec.choices[0], n = e->count, running = n;
    memset(lengths, 0, (size_t)n * sizeof *lengths); /* 0: still in its first episode */
    TRY(env_batch_reset(e));
    while (running > 0) {
        env_batch_observe(e, observations);
        forward(q, plan, n, observations, logits, NULL);
        for (int i = 0; i < n; i++)
            chosen[i] = best_action(logits + i * actions, actions);
        TRY(env_batch_step(e, chosen));
        for (int i = 0; i < n; i++) {
            if (!e->ended[i] || lengths[i]) continue;
            returns[i] = e->returns[i];
            lengths[i] = e->lengths[i];
            running--;
        }
        TRY(env_batch_reset_done(e));
    }
    return STATUS_OK;
}

/* Episodes first .. first + n - 1, all at once. */
static enum status play_episodes(struct ppo *p, struct run *run, struct plan *plan, int first, int n,
                                 float *returns, int32_t *lengths) {
    struct env_batch e;
    TRY(env_batch_open(&e, &p->env_config, n, (uint64_t)run->config.seed, RNG_EVAL, (uint64_t)first));
    float *observations = MEM_NEW(float, n *features(p)), *logits = MEM_NEW(float, n *e.spec.choices[0]);
    int32_t *chosen = MEM_NEW(int32_t, n);
    enum status status = play_batch(&e, run->queue, plan, observations, logits, chosen, returns, lengths);
    env_batch_close(&e);
    mem_free(observations);
    mem_free(logits);
    mem_free(chosen);
    return status;
}

static enum status ppo_evaluate(void *self, struct run *run, int episodes, const struct report *report) {
    struct ppo *p = self;
    if (episodes <= 0) episodes = 100;
    int lanes = episodes < EVAL_LANES ? episodes : EVAL_LANES;
    float *returns = MEM_NEW(float, episodes);
    int32_t *lengths = MEM_NEW(int32_t, episodes);
    struct plan *plan;
    enum status s = plan_create(p->net, run->queue, PLAN_INFER, run->precision, lanes, &plan);
    if (s == STATUS_OK) {
        for (int first = 0; first < episodes && s == STATUS_OK; first += lanes)
            s = play_episodes(p, run, plan, first, episodes - first < lanes ? episodes - first : lanes,
                              returns + first, lengths + first);
        plan_free(plan);
    }
    double mean = 0, length = 0, least = INFINITY, squares = 0;
    for (int i = 0; i < episodes; i++) {
        mean += (double)returns[i] / episodes;
        length += (double)lengths[i] / episodes;
        least = fmin(least, (double)returns[i]);
    }
    for (int i = 0; i < episodes; i++)
        squares += ((double)returns[i] - mean) * ((double)returns[i] - mean);
    if (s == STATUS_OK) {
        report_value(report, mean, "return", "eval.return.mean");
        report_value(report, least, "return", "eval.return.min");
        report_value(report, sqrt(squares / episodes), "return", "eval.return.std");
        report_value(report, length, "steps", "eval.length.mean");
        report_value(report, episodes, "episodes", "eval.episodes");
    }
    mem_free(returns);
    mem_free(lengths);
    return s;
}

/* ---- the table's entry ------------------------------------------------------------------------------------
 */

static void ppo_close(void *self) {
    struct ppo *p = self;
    struct tensor on_device[] = {p->device_actions, p->device_log_probs, p->device_advantages,
                                 p->device_returns, p->device_values,    p->device_stats};
    for (size_t i = 0; i < sizeof on_device / sizeof *on_device; i++)
        if (tensor_is(on_device[i])) device_release(net_device(p->net), on_device[i].data);
    optimiser_free(p->optimiser);
    plan_free(p->actor);
    plan_free(p->learner);
    net_free(p->net);
    env_batch_close(&p->envs);
    rollout_free(&p->rollout);
    rollout_batch_free(&p->batch);
    mem_free(p->order);
    mem_free(p->logits);
    mem_free(p->values);
    mem_free(p->final_observations);
    mem_free(p->stats);
    mem_free(p->action_rngs);
    memset(p, 0, sizeof *p);
}

static double ppo_count(const void *self) {
    return (double)((const struct ppo *)self)->steps;
}

static struct net *ppo_net(void *self) {
    return ((struct ppo *)self)->net;
}

const struct algo algo_ppo = {
    .name = "ppo",
    .summary = "proximal policy optimisation of one network that acts in many environments at once",
    .bytes = sizeof(struct ppo),
    .bind = ppo_bind,
    .open = ppo_open,
    .iterate = ppo_iterate,
    .save = ppo_save,
    .load = ppo_load,
    .init_weights = ppo_init_weights,
    .evaluate = ppo_evaluate,
    .close = ppo_close,
    .unit = "steps",
    .count = ppo_count,
    .net = ppo_net,
    .test_config = "[run]\niterations = 6\n[env]\nname = cartpole\ncount = 8\n"
                   "[net]\nmodel = mlp\nblocks = 2\nchannels = 16\n"
                   "[optimiser]\nkind = adam\nrate = 0.0025\nepsilon = 1e-5\nclip = 0.5\n"
                   "[ppo]\nhorizon = 32\nminibatches = 4\nepochs = 2\n",
};
