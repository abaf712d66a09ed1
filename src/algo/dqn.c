/* Deep Q-learning (Mnih et al. 2015): a network says what each action is worth, many environments are played
 * by it, and what they lived through is kept in a replay and learnt from again and again.
 *
 *     iterate:  so many rounds of
 *               1. act: the best action, or with probability epsilon any; sent to the environments
 *               2. learn, while these step: a few updates on samples of what came before
 *               3. remember: what came of the step goes into the replay
 *               4. figures
 *
 * An update moves Q(s, a) towards r + gamma^n max over a' of Q'(s', a'), Q' being an older copy of the
 * network (the target network). What was found to help since is a switch each, and all together are Rainbow
 * (Hessel et al. 2018):
 *
 *     double_q       the network chooses a', the target network says its worth   (van Hasselt et al. 2016)
 *     prioritised    large errors are sampled more often                         (Schaul et al. 2016)
 *     n_step         rewards of n steps before the target's value                (Sutton 1988)
 *     net.dueling    values of states and advantages of actions                  (Wang et al. 2016)
 *     net.atoms      distributions of returns, low to high                       (Bellemare et al. 2017)
 *     net.noisy      noise in the last layers instead of epsilon                 (Fortunato et al. 2018)
 */
#include <math.h>
#include <string.h>

#include "algo/episodes.h"
#include "tengen/account.h"
#include "tengen/algo.h"
#include "tengen/env_resident.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/phase.h"
#include "tengen/replay.h"

#define DQN_CONFIG(F, S)                                                                                     \
    F(S, int, steps, 250, 1, 1000000, "steps in each environment an iteration")                              \
    F(S, long, capacity, 100000, 1, 16777216, "steps that the replay holds, of all environments together")   \
    F(S, choice, replay_on, "auto", 0, 0,                                                                    \
      "auto | device | host; whose memory its frames take. auto: the host's if the device's is too little")  \
    F(S, long, learning_starts, 5000, 0, 1e12, "steps before the first update")                              \
    F(S, int, train_period, 4, 1, 1000000, "steps, of all environments together, an update")                 \
    F(S, int, batch, 32, 1, 65536, "samples an update")                                                      \
    F(S, long, target_period, 1000, 1, 1e12, "updates after which the target network is copied anew")        \
    F(S, float, gamma, 0.99, 0, 1, "discount a step")                                                        \
    F(S, float, delta, 1, 0, 1e9, "errors beyond this count linearly (Huber's loss); 0: squared all")        \
    F(S, schedule, epsilon, "1@0 ~0.05@100", 0, 1, "how often any action is taken; runs on iterations")      \
    F(S, float, eval_epsilon, 0, 0, 1, "the same in `tengen eval`")                                          \
    F(S, bool, double_q, false, 0, 0, "the network chooses the next action, the target network values it")   \
    F(S, int, n_step, 1, 1, 1000, "steps of rewards in a target")                                            \
    F(S, bool, prioritised, false, 0, 0, "samples are drawn by their last error")                            \
    F(S, float, alpha, 0.6, 0, 10, "prioritised: power of the error")                                        \
    F(S, schedule, beta, "0.4@0 ~1@100", 0, 1,                                                               \
      "prioritised: power of the weights that undo it; runs on iterations")                                  \
    F(S, float, priority_epsilon, 1e-6, 0, 1e9, "prioritised: added to the error")                           \
    F(S, float, low, -10, -1e9, 1e9, "net.atoms > 1: the lowest return")                                     \
    F(S, float, high, 10, -1e9, 1e9, "net.atoms > 1: the highest return")
CONFIG_STRUCT(dqn_config, DQN_CONFIG)
CONFIG_TABLE(dqn_config, DQN_CONFIG)

enum { STAT_LOSS, STAT_ERROR, STAT_VALUE, STATS }; /* columns of q_loss and categorical_loss */

struct dqn {
    struct dqn_config config;
    struct env_config env_config;
    struct model_config net_config;
    struct optimiser_config optimiser_config;

    struct pool *pool;     /* the run's */
    struct env_batch envs; /* N */
    int features, actions; /* F, A */
    struct net *net, *target;
    struct optimiser *optimiser;
    struct plan *acting;                /* [N], of net */
    struct plan *plan;                  /* [M], of net, training */
    struct plan *chooser, *target_plan; /* [M], of net (double_q) and of target */
    void *raw;                          /* [N, F] as the environments show it */
    struct tensor shown;                /* the same on the device: F32 or U8 [N, F] */
    float *values;                      /* [N, A K] what the network says of it */
    int32_t *taken;                     /* [N] actions */
    uint8_t *begins;                    /* [N] */

    /* An update. */
    struct replay_sample *samples; /* [M] */
    struct replay_batch batch;     /* [M] */
    float *errors;                 /* [M] */
    struct tensor targets_d;       /* [M, K] */
    struct tensor stats_d;         /* [U M, STATS]: U updates an iteration, at most */
    float *stats;

    /* What goes on from iteration to iteration, besides environments, networks and optimiser. */
    struct replay replay;
    struct rng action_rng, sample_rng, noise_rng;
    int64_t steps, updates;
    int64_t credit; /* steps that no update has been made for yet */
    struct episode_record record;
};

static void dqn_bind(void *self, struct config *c) {
    struct dqn *d = self;
    config_bind(c, "env", env_config_keys, &d->env_config, "the environment");
    config_bind(c, "net", model_config_keys, &d->net_config, "the network; head = q");
    config_bind(c, "dqn", dqn_config_keys, &d->config, "deep Q-learning");
    config_bind(c, "optimiser", optimiser_config_keys, &d->optimiser_config,
                "the optimiser; schedules run on iterations");
}

/* ---- opening ---------------------------------------------------------------------------------------------
 */

/* Updates an iteration, at most: what was left over before may add one. */
static size_t most_updates(const struct dqn *d) {
    return (size_t)d->config.steps * (size_t)d->envs.count / (size_t)d->config.train_period + 1;
}

static enum status check_config(const struct dqn *d) {
    const struct env_spec *spec = &d->envs.spec;
    TRY(env_spec_require(spec, ENV_DISCRETE, "dqn"));
    if (spec->masked)
        return status_fail(STATUS_USAGE,
                           "[env] name = %s: has choices that are not always legal, which dqn "
                           "does not know; take ppo, or env.masks = false where it bears illegal ones",
                           spec->name);
    if (d->net_config.atoms > 1 && d->config.low >= d->config.high)
        return status_fail(STATUS_USAGE, "[dqn] low = %g: must be less than high = %g", (double)d->config.low,
                           (double)d->config.high);
    if (most_updates(d) * (size_t)d->config.batch > INT32_MAX)
        return status_fail(STATUS_USAGE,
                           "[dqn] steps = %d: an iteration would learn from more than %d samples; take fewer",
                           d->config.steps, INT32_MAX);
    return STATUS_OK;
}

static enum status open_replay(struct dqn *d, struct run *run) {
    const struct env_spec *s = &d->envs.spec;
    const bool automatic = strcmp(d->config.replay_on, "auto") == 0;
    struct replay_shape shape = {
        .capacity = d->config.capacity,
        .count = d->envs.count,
        .h = s->h,
        .w = s->w,
        .c = s->c,
        .frames = s->frames,
        .pixels = s->pixels,
        .steps = d->config.n_step,
        .gamma = d->config.gamma,
        .prioritised = d->config.prioritised,
        .on_host = automatic ? run->spill : strcmp(d->config.replay_on, "host") == 0,
    };
    enum status status = replay_init(&d->replay, &shape, run->queue);
    if (status != STATUS_OK) return status_context(status, "[dqn] capacity");
    replay_batch_init(&d->batch, &d->replay, d->config.batch);
    return STATUS_OK;
}

static enum status open_nets(struct dqn *d, struct run *run) {
    const struct env_spec *s = &d->envs.spec;
    struct model_shape shape = {s->h, s->w, s->c, d->actions, false};
    int m = d->config.batch;
    TRY(model_create(&d->net_config, shape, run->device, &d->net));
    TRY(net_require_output(d->net, "q"));
    TRY(model_create(&d->net_config, shape, run->device, &d->target));
    TRY(net_initialise(d->net, (uint64_t)run->config.seed));
    TRY(net_copy(d->target, d->net));
    TRY(plan_create(d->net, run->queue, PLAN_INFER, run->precision, d->envs.count, &d->acting));
    TRY(plan_create(d->net, run->queue, PLAN_TRAIN, run->precision, m, &d->plan));
    TRY(plan_create(d->target, run->queue, PLAN_INFER, run->precision, m, &d->target_plan));
    if (d->config.double_q) TRY(plan_create(d->net, run->queue, PLAN_INFER, run->precision, m, &d->chooser));
    return optimiser_create(d->net, run->queue, &d->optimiser_config, &d->optimiser);
}

static void open_buffers(struct dqn *d, struct run *run) {
    ACCOUNT("batches");
    size_t n = (size_t)d->envs.count, m = (size_t)d->config.batch, f = (size_t)d->features;
    d->raw = MEM_NEW(float, n *f);
    d->shown = env_observations(&d->envs.spec, run->device, d->envs.count);
    d->values = MEM_NEW(float, n *(size_t)(d->actions * d->net_config.atoms));
    d->taken = MEM_NEW(int32_t, n);
    d->begins = MEM_NEW(uint8_t, n);
    d->samples = MEM_NEW(struct replay_sample, m);
    d->errors = MEM_NEW(float, m);
    d->targets_d = device_tensor(run->device, DTYPE_F32, d->config.batch, d->net_config.atoms);
    d->stats_d = device_tensor(run->device, DTYPE_F32, (int)(most_updates(d) * m), STATS);
    d->stats = MEM_NEW(float, most_updates(d) * m * STATS);
}

static enum status dqn_open(void *self, struct run *run) {
    struct dqn *d = self;
    uint64_t seed = (uint64_t)run->config.seed;
    d->pool = run->pool;
    TRY(env_batch_open(&d->envs, &d->env_config, d->env_config.count, seed, RNG_ENV, 0));
    TRY(check_config(d));
    d->features = env_spec_features(&d->envs.spec);
    d->actions = env_spec_choices(&d->envs.spec);
    TRY(open_nets(d, run));
    open_buffers(d, run);
    d->action_rng = rng_make(seed, RNG_ACTION, 0);
    d->sample_rng = rng_make(seed, RNG_SAMPLE, 0);
    d->noise_rng = rng_make(seed, RNG_NOISE, 0);
    if (!run->evaluating) TRY(open_replay(d, run));
    return env_batch_reset(&d->envs);
}

/* ---- 1. acting -------------------------------------------------------------------------------------------
 */

static enum status draw_noise(struct dqn *d, struct net *net, struct queue *q) {
    if (!d->net_config.noisy) return STATUS_OK;
    TRY(queue_wait(q));
    return net_noise(net, &d->noise_rng);
}

/* What the network says of n observations as the environments show them, into d->values: [n, A], or [n, A K]
 * logits. */
static void judge(struct dqn *d, struct queue *q, struct plan *plan, const void *observations, int n) {
    struct tensor shown = tensor_head(d->shown, n);
    queue_upload(q, shown, observations);
    q->op->rows_gather(q, tensor_head(plan_input(plan, "observation"), n), shown, tensor_none());
    plan_forward(plan, n);
    queue_download(q, d->values, tensor_head(plan_output(plan, "q"), n));
}

/* The mean of an action's distribution, or its plain value. */
static float action_value(const struct dqn *d, const float *x) {
    const int atoms = d->net_config.atoms;
    if (atoms == 1) return *x;
    float most = x[0], sum = 0, moment = 0;
    for (int k = 1; k < atoms; k++)
        most = fmaxf(most, x[k]);
    for (int k = 0; k < atoms; k++) {
        float p = expf(x[k] - most);
        sum += p;
        moment += p * (float)k;
    }
    return d->config.low + (d->config.high - d->config.low) / (float)(atoms - 1) * (moment / sum);
}

/* The first of the best actions of row i, or any. Two draws, whatever comes of them. */
static int32_t choose(const struct dqn *d, int i, float epsilon, struct rng *rng) {
    const float *row = d->values + (size_t)i * (size_t)(d->actions * d->net_config.atoms);
    bool any = rng_uniform(rng) < epsilon;
    int32_t action = (int32_t)rng_below(rng, (uint32_t)d->actions);
    if (any) return action;
    float best = -INFINITY;
    for (int a = 0; a < d->actions; a++) {
        float value = action_value(d, row + a * d->net_config.atoms);
        if (a > 0 && !(value > best)) continue;
        action = a;
        best = value;
    }
    return action;
}

static enum status act(struct dqn *d, struct queue *q, float epsilon) {
    PHASE("act");
    struct env_batch *e = &d->envs;
    env_batch_observe(e, d->raw);
    for (int i = 0; i < e->count; i++)
        d->begins[i] = e->lengths[i] == 0;
    replay_observe(&d->replay, d->raw, d->begins);
    TRY(draw_noise(d, d->net, q));
    judge(d, q, d->acting, d->raw, e->count);
    for (int i = 0; i < e->count; i++)
        d->taken[i] = choose(d, i, epsilon, &d->action_rng);
    return env_batch_send(e, d->taken);
}

/* ---- 2. learning -----------------------------------------------------------------------------------------
 */

static void sample(struct dqn *d, struct run *run) {
    PHASE("sample");
    const int m = d->config.batch;
    struct replay_batch *b = &d->batch;
    replay_draw(&d->replay, &d->sample_rng, d->samples, m);
    replay_weights(d->samples, m, schedule_value(&d->config.beta, (double)run->iteration), b->weights);
    replay_gather(&d->replay, d->samples, b);
    replay_show(&d->replay, plan_input(d->plan, "observation"), b->now_d);
    replay_show(&d->replay, plan_input(d->target_plan, "observation"), b->next_d);
    if (d->chooser) replay_show(&d->replay, plan_input(d->chooser, "observation"), b->next_d);
}

/* What Q(s, a) is to become. */
static void target(struct dqn *d, struct queue *q) {
    const int m = d->config.batch;
    const struct replay_batch *b = &d->batch;
    struct tensor choice = tensor_none();
    plan_forward(d->target_plan, m);
    if (d->chooser) {
        plan_forward(d->chooser, m);
        choice = plan_output(d->chooser, "q");
    }
    struct tensor next = plan_output(d->target_plan, "q");
    if (d->net_config.atoms == 1)
        q->op->q_target(q, d->targets_d, b->rewards_d, b->discounts_d, next, choice);
    else
        q->op->categorical_target(q, d->targets_d, b->rewards_d, b->discounts_d, next, choice, d->config.low,
                                  d->config.high);
}

/* The gradient of the samples' mean loss, and their statistics. */
static void loss(struct dqn *d, struct queue *q, struct tensor stats) {
    const int m = d->config.batch;
    const float scale = 1.0f / (float)m;
    const struct replay_batch *b = &d->batch;
    plan_forward(d->plan, m);
    struct tensor x = plan_output(d->plan, "q"), dx = plan_output_gradient(d->plan, "q");
    if (d->net_config.atoms == 1)
        q->op->q_loss(q, stats, dx, x, b->actions_d, d->targets_d, b->weights_d, d->config.delta, scale);
    else
        q->op->categorical_loss(q, stats, dx, x, b->actions_d, d->targets_d, b->weights_d, d->config.low,
                                d->config.high, scale);
    plan_backward(d->plan, m);
}

/* Samples by priority wait for their errors, which the next draw may need. */
static void prioritise(struct dqn *d, struct queue *q, struct tensor stats, float *host) {
    const int m = d->config.batch;
    queue_download(q, host, stats);
    for (int i = 0; i < m; i++)
        d->errors[i] = host[i * STATS + STAT_ERROR];
    replay_prioritise(&d->replay, d->samples, m, d->errors, d->config.alpha, d->config.priority_epsilon);
}

/* Update number u of the iteration. */
static enum status update(struct dqn *d, struct run *run, int u) {
    PHASE("learn");
    struct queue *q = run->queue;
    const int m = d->config.batch;
    const size_t row = (size_t)u * (size_t)m * STATS;
    struct tensor stats = tensor_2((float *)d->stats_d.data + row, DTYPE_F32, m, STATS);
    sample(d, run);
    TRY(draw_noise(d, d->net, q));
    TRY(draw_noise(d, d->target, q));
    target(d, q);
    loss(d, q, stats);
    optimiser_step(d->optimiser, (double)run->iteration);
    if (d->config.prioritised) prioritise(d, q, stats, d->stats + row);
    if (++d->updates % d->config.target_period != 0) return STATUS_OK;
    TRY(queue_wait(q));
    return net_copy(d->target, d->net);
}

/* How many updates the steps so far pay for. */
static int updates_due(struct dqn *d) {
    if (d->steps < d->config.learning_starts || d->replay.count == 0) return 0;
    d->credit += d->envs.count;
    int due = (int)(d->credit / d->config.train_period);
    d->credit %= d->config.train_period;
    return due;
}

/* ---- 3. remembering --------------------------------------------------------------------------------------
 */

static enum status remember(struct dqn *d) {
    PHASE("remember");
    struct env_batch *e = &d->envs;
    TRY(env_batch_receive(e));
    /* The last observation of a truncated episode is seen here and never again. */
    if (memchr(e->truncated, 1, (size_t)e->count)) env_batch_observe(e, d->raw);
    replay_step(&d->replay, d->taken, e->rewards, e->terminated, e->truncated, d->raw);
    episode_record_note(&d->record, e);
    d->steps += e->count;
    return env_batch_reset_done(e);
}

/* ---- 4. figures ------------------------------------------------------------------------------------------
 */

struct learnt {
    int updates;
    double seconds; /* spent on them */
};

static enum status figures(struct dqn *d, struct run *run, const struct learnt *l, double seconds) {
    double sums[STATS] = {0}, start = clock_now();
    size_t rows = (size_t)l->updates * (size_t)d->config.batch;
    float norm = NAN;
    if (rows) {
        TRY(optimiser_norm(d->optimiser, &norm));
        queue_download(run->queue, d->stats, tensor_head(d->stats_d, (int)rows));
    }
    double learning = l->seconds + clock_now() - start;
    for (size_t i = 0; i < rows; i++)
        for (int k = 0; k < STATS; k++)
            sums[k] += (double)d->stats[i * STATS + (size_t)k];
    for (int k = 0; k < STATS; k++)
        sums[k] /= (double)rows; /* NaN before the first update */
    if (rows && !isfinite(sums[STAT_LOSS]))
        return status_fail(STATUS_NUMERIC,
                           "the loss is not finite (%g): lower optimiser.rate, or set optimiser.clip",
                           sums[STAT_LOSS]);
    run_metric(run, "steps", (double)d->steps);
    double return_mean = episode_record_figures(&d->record, &d->envs, 1, run);
    run_metric(run, "loss", sums[STAT_LOSS]);
    run_metric(run, "error", sums[STAT_ERROR]);
    run_metric(run, "value", sums[STAT_VALUE]);
    run_metric(run, "gradient_norm", (double)norm);
    run_metric(run, "rate", (double)schedule_value(&d->optimiser_config.rate, (double)run->iteration));
    run_metric(run, "epsilon", (double)schedule_value(&d->config.epsilon, (double)run->iteration));
    run_metric(run, "updates", (double)d->updates);
    run_metric(run, "updates_per_second", l->updates / learning);
    run_metric(run, "steps_per_second", (double)d->config.steps * d->envs.count / seconds);
    run_detail(run, "return %.1f, loss %.3g value %.3g", isnan(return_mean) ? 0 : return_mean,
               rows ? sums[STAT_LOSS] : 0, rows ? sums[STAT_VALUE] : 0);
    return STATUS_OK;
}

static enum status dqn_iterate(void *self, struct run *run) {
    struct dqn *d = self;
    struct learnt learnt = {0};
    double start = clock_now();
    for (int t = 0; t < d->config.steps; t++) {
        double at = (double)run->iteration + (double)t / d->config.steps;
        /* 1. Act. */
        TRY(act(d, run->queue, schedule_value(&d->config.epsilon, at)));
        /* 2. Learn. */
        double learning = clock_now();
        for (int due = updates_due(d); due > 0; due--)
            TRY(update(d, run, learnt.updates++));
        learnt.seconds += clock_now() - learning;
        /* 3. Remember. */
        TRY(remember(d));
    }
    /* 4. Figures. */
    return figures(d, run, &learnt, clock_now() - start);
}

/* ---- state -----------------------------------------------------------------------------------------------
 */

static void dqn_save(void *self, struct checkpoint_writer *w) {
    struct dqn *d = self;
    size_t size;
    checkpoint_put_net(w, "net", d->net, d->optimiser);
    checkpoint_put_net(w, "target", d->target, NULL);
    episode_envs_save(&d->envs, w, "dqn/envs");
    void *replay = replay_save(&d->replay, d->pool, &size);
    checkpoint_put_bytes(w, "dqn/replay", replay, size);
    mem_free(replay);
    checkpoint_put_rng(w, "dqn/action_rng", &d->action_rng);
    checkpoint_put_rng(w, "dqn/sample_rng", &d->sample_rng);
    checkpoint_put_rng(w, "dqn/noise_rng", &d->noise_rng);
    checkpoint_put_long(w, "dqn/steps", d->steps);
    checkpoint_put_long(w, "dqn/updates", d->updates);
    checkpoint_put_long(w, "dqn/credit", d->credit);
    episode_record_save(&d->record, w);
}

static enum status load_replay(struct dqn *d, struct checkpoint_reader *r) {
    size_t size;
    void *data;
    TRY(checkpoint_get_bytes(r, "dqn/replay", &data, &size));
    enum status status = replay_load(&d->replay, d->pool, data, size);
    mem_free(data);
    return status;
}

static enum status dqn_load(void *self, struct checkpoint_reader *r) {
    struct dqn *d = self;
    TRY(checkpoint_get_net(r, "net", d->net, d->optimiser));
    TRY(checkpoint_get_net(r, "target", d->target, NULL));
    TRY(episode_envs_load(&d->envs, r, "dqn/envs"));
    if (d->replay.queue) TRY(load_replay(d, r));
    TRY(checkpoint_get_rng(r, "dqn/action_rng", &d->action_rng));
    TRY(checkpoint_get_rng(r, "dqn/sample_rng", &d->sample_rng));
    TRY(checkpoint_get_rng(r, "dqn/noise_rng", &d->noise_rng));
    TRY(checkpoint_get_long(r, "dqn/steps", &d->steps));
    TRY(checkpoint_get_long(r, "dqn/updates", &d->updates));
    TRY(checkpoint_get_long(r, "dqn/credit", &d->credit));
    return episode_record_load(&d->record, r);
}

static enum status dqn_init_weights(void *self, struct checkpoint_reader *r) {
    struct dqn *d = self;
    TRY(checkpoint_get_net(r, "net", d->net, NULL));
    return net_copy(d->target, d->net);
}

/* ---- tengen eval: fresh episodes without noise, the best action but for eval_epsilon ----------------------
 */

struct player {
    struct dqn *dqn;
    struct queue *queue;
    struct plan *plan;
    struct rng rng;
};

static enum status play(void *self, const void *observations, const uint8_t *masks, const uint8_t *begun,
                        int n, void *actions) {
    struct player *p = self;
    (void)masks;
    (void)begun;
    judge(p->dqn, p->queue, p->plan, observations, n);
    for (int i = 0; i < n; i++)
        ((int32_t *)actions)[i] = choose(p->dqn, i, p->dqn->config.eval_epsilon, &p->rng);
    return STATUS_OK;
}

static enum status dqn_evaluate(void *self, struct run *run, int episodes, const struct report *report) {
    struct dqn *d = self;
    int lanes = episode_lanes(&d->env_config, episodes);
    struct player player = {
        .dqn = d, .queue = run->queue, .rng = rng_make((uint64_t)run->config.seed, RNG_ACTION, 1)};
    /* Room for as many as play at once, where training has fewer environments. */
    size_t n = (size_t)lanes, values = (size_t)(d->actions * d->net_config.atoms);
    device_release(run->device, d->shown.data);
    d->shown = env_observations(&d->envs.spec, run->device, lanes);
    d->values = mem_resize(d->values, 0, n * values, sizeof *d->values);
    TRY(net_noise(d->net, NULL));
    TRY(plan_create(d->net, run->queue, PLAN_INFER, run->precision, lanes, &player.plan));
    enum status status =
        episodes_evaluate(&d->env_config, run, (struct episode_player){&player, play}, episodes, report);
    plan_free(player.plan);
    return status;
}

/* ---- the table's entry ------------------------------------------------------------------------------------
 */

static void dqn_close(void *self) {
    struct dqn *d = self;
    struct tensor on_device[] = {d->shown, d->targets_d, d->stats_d};
    void *on_host[] = {d->raw, d->values, d->taken, d->begins, d->samples, d->errors, d->stats};
    for (size_t i = 0; i < sizeof on_device / sizeof *on_device; i++)
        if (tensor_is(on_device[i])) device_release(net_device(d->net), on_device[i].data);
    for (size_t i = 0; i < sizeof on_host / sizeof *on_host; i++)
        mem_free(on_host[i]);
    optimiser_free(d->optimiser);
    plan_free(d->acting);
    plan_free(d->plan);
    plan_free(d->chooser);
    plan_free(d->target_plan);
    net_free(d->net);
    net_free(d->target);
    replay_batch_free(&d->batch, &d->replay);
    replay_free(&d->replay);
    env_batch_close(&d->envs);
    *d = (struct dqn){0};
}

static double dqn_count(const void *self) {
    return (double)((const struct dqn *)self)->steps;
}

static struct net *dqn_net(void *self) {
    return ((struct dqn *)self)->net;
}

static const struct algo_idle dqn_idle[] = {
    {"dqn", "low high", "net.atoms", "1"},
    {"dqn", "alpha beta priority_epsilon", "dqn.prioritised", "false"},
    {NULL, NULL, NULL, NULL}};

/* Each environment has as much of the replay. */
static bool uses_capacity(const void *self, int capacity) {
    return capacity % ((const struct dqn *)self)->env_config.count == 0;
}

static const struct algo_size dqn_sizes[] = {{"dqn.capacity", NULL, uses_capacity},
                                             {"dqn.batch", NULL, NULL},
                                             {"dqn.steps", NULL, NULL},
                                             {"env.count", NULL, NULL},
                                             {NULL, NULL, NULL}};

const struct algo algo_dqn = {
    .name = "dqn",
    .summary = "deep Q-learning with a replay, up to Rainbow",
    .bytes = sizeof(struct dqn),
    .bind = dqn_bind,
    .open = dqn_open,
    .iterate = dqn_iterate,
    .save = dqn_save,
    .load = dqn_load,
    .init_weights = dqn_init_weights,
    .evaluate = dqn_evaluate,
    .close = dqn_close,
    .unit = "steps",
    .count = dqn_count,
    .net = dqn_net,
    .sizes = dqn_sizes,
    .idle = dqn_idle,
    .test_config = "[run]\niterations = 6\n[env]\nname = breakout\ncount = 3\n"
                   "[net]\nmodel = minatar_cnn\nhead = q\ndueling = true\natoms = 11\nnoisy = true\n"
                   "[optimiser]\nkind = adam\nrate = 0.0005\n"
                   "[dqn]\nsteps = 30\ncapacity = 300\nlearning_starts = 60\ntarget_period = 10\n"
                   "epsilon = 0.1\ndouble_q = true\nn_step = 3\nprioritised = true\n",
};
