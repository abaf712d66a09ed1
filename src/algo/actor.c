/* Acting in environments with a policy. */
#include "algo/actor.h"

#include <math.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

CONFIG_TABLE(actor_config, ACTOR_CONFIG)

void actor_bind(struct actor *a, struct config *c) {
    config_bind(c, "env", env_config_keys, &a->env_config, "the environment");
    config_bind(c, "net", model_config_keys, &a->net_config, "the network");
    config_bind(c, "actor", actor_config_keys, &a->config, "acting");
}

static int group_count(const struct actor *a) {
    return a->env_config.count / a->config.groups;
}

static bool continuous(const struct actor *a) {
    return a->spec.kind == ENV_CONTINUOUS;
}

struct choices actor_choices(const struct actor *a) {
    struct choices c = {.components = a->spec.components};
    memcpy(c.count, a->spec.choices, (size_t)c.components * sizeof *c.count);
    return c;
}

struct rollout_shape actor_rollout_shape(const struct actor *a, int horizon) {
    struct rollout_shape shape = a->shape;
    shape.horizon = horizon;
    return shape;
}

static enum status open_envs(struct actor *a, uint64_t seed) {
    int n = group_count(a);
    if (a->env_config.count % a->config.groups)
        return status_fail(STATUS_USAGE, "[actor] groups = %d: must divide the %d environments",
                           a->config.groups, a->env_config.count);
    for (int g = 0; g < a->config.groups; g++) {
        TRY(env_batch_open(&a->envs[g], &a->env_config, n, seed, RNG_ENV, (uint64_t)(g * n)));
        TRY(env_batch_reset(&a->envs[g]));
    }
    a->spec = a->envs[0].spec;
    if (a->config.normalise_observations && a->spec.pixels)
        return status_fail(STATUS_USAGE,
                           "[actor] normalise_observations: %s shows pixels, which are scaled already",
                           a->spec.name);
    a->outputs = continuous(a) ? a->spec.components : env_spec_choices(&a->spec);
    a->shape = (struct rollout_shape){0,
                                      a->env_config.count,
                                      env_spec_features(&a->spec),
                                      a->spec.pixels,
                                      a->spec.components,
                                      a->spec.masked ? a->outputs : 0,
                                      0};
    return STATUS_OK;
}

static void open_columns(struct actor *a, int horizon, uint64_t seed) {
    ACCOUNT("rollout");
    struct device *d = a->queue->device;
    int n = a->env_config.count, group = group_count(a);
    a->actions = device_tensor(d, continuous(a) ? DTYPE_F32 : DTYPE_I32, group, a->spec.components);
    if (a->shape.choices) a->masks = device_tensor(d, DTYPE_U8, group, a->shape.choices);
    a->log_probs = device_tensor(d, DTYPE_F32, horizon, n);
    a->values = device_tensor(d, DTYPE_F32, horizon, n);
    a->rngs = device_tensor(d, DTYPE_U8, n, (int)sizeof(struct rng));
    struct rng *rngs = MEM_NEW(struct rng, n);
    for (int i = 0; i < n; i++)
        rngs[i] = rng_make(seed, RNG_ACTION, (uint64_t)i);
    queue_upload(a->queue, a->rngs, rngs);
    mem_free(rngs);
}

static void open_buffers(struct actor *a) {
    ACCOUNT("batches");
    size_t n = (size_t)a->env_config.count, group = (size_t)group_count(a), f = (size_t)a->shape.features;
    normaliser_init(&a->observations, a->config.normalise_observations ? (int)f : 0);
    normaliser_init(&a->rewards, 1);
    a->discounted = MEM_NEW(float, n);
    if (a->units) a->states = MEM_NEW(float, n *(size_t)a->units);
    a->raw = MEM_NEW(float, group *f);
    a->seen = MEM_NEW(float, group *f);
}

enum status actor_open(struct actor *a, struct run *run, int horizon, float gamma, bool critic) {
    uint64_t seed = (uint64_t)run->config.seed;
    a->gamma = gamma;
    a->queue = run->queue;
    TRY(open_envs(a, seed));
    struct model_shape shape = {a->spec.h, a->spec.w, a->spec.c, a->outputs, continuous(a)};
    TRY(model_create_recurrent(&a->net_config, shape, run->device, &a->net));
    TRY(net_require_output(a->net, "policy"));
    if (continuous(a)) TRY(net_require_output(a->net, "log_std"));
    if (critic) TRY(net_require_output(a->net, "value"));
    a->critic = critic;
    a->units = a->shape.units = (int)net_input_count(a->net, "state");
    TRY(net_initialise(a->net, seed));
    TRY(plan_create(a->net, run->queue, PLAN_INFER, run->precision, group_count(a), &a->plan));
    open_buffers(a);
    open_columns(a, horizon, seed);
    return STATUS_OK;
}

void actor_close(struct actor *a) {
    struct tensor columns[] = {a->rngs, a->actions, a->masks, a->log_probs, a->values};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (tensor_is(columns[i])) device_release(a->queue->device, columns[i].data);
    plan_free(a->plan);
    net_free(a->net);
    for (int g = 0; g < ACTOR_GROUPS; g++)
        env_batch_close(&a->envs[g]);
    normaliser_free(&a->observations);
    normaliser_free(&a->rewards);
    mem_free(a->discounted);
    mem_free(a->states);
    mem_free(a->raw);
    mem_free(a->seen);
    *a = (struct actor){0};
}

/* ---- the network's opinion -------------------------------------------------------------------------------
 */

/* Of n observations as rollouts keep them; values go to the host unless NULL. The recurrent units before them
 * are `states`, those after them go to `next` unless NULL. */
static void forward(struct actor *a, struct queue *q, struct plan *plan, const void *observations, int n,
                    const float *states, float *next, float *values) {
    if (a->shape.pixels) {
        rollout_floats(&a->shape, observations, (size_t)n, a->seen);
        observations = a->seen;
    }
    queue_upload(q, tensor_head(plan_input(plan, "observation"), n), observations);
    if (a->units) queue_upload(q, tensor_head(plan_input(plan, "state"), n), states);
    plan_forward(plan, n);
    if (values && a->critic) queue_download(q, values, tensor_head(plan_output(plan, "value"), n));
    if (next) queue_download(q, next, tensor_head(plan_output(plan, "next_state"), n));
}

/* n rows of a column, from `row`. */
static struct tensor rows_of(struct tensor column, size_t row, int n) {
    return tensor_1((float *)column.data + row, DTYPE_F32, n);
}

/* Group g's actions of the pass before, to the host (waits); what else is known of them stays where it is. */
static void draw(struct actor *a, struct queue *q, int g, size_t row, const uint8_t *masks, void *actions) {
    int n = group_count(a);
    struct tensor x = plan_output(a->plan, "policy"), log_probs = rows_of(a->log_probs, row, n),
                  rngs = a->rngs;
    rngs.data = (struct rng *)rngs.data + g * n;
    rngs.dims[0] = n;
    if (masks) queue_upload(q, a->masks, masks);
    if (continuous(a))
        q->op->gaussian_policy_draw(q, a->actions, log_probs, rngs, x, plan_output(a->plan, "log_std"));
    else
        q->op->policy_draw(q, a->actions, log_probs, rngs, x, a->masks, actor_choices(a));
    if (a->critic)
        q->op->scale(q, rows_of(a->values, row, n), rows_of(plan_output(a->plan, "value"), 0, n), 1, false);
    queue_download(q, actions, a->actions);
}

/* ---- rollouts --------------------------------------------------------------------------------------------
 */

/* What group g sees now, as rollouts keep it. `learn`: the running statistics take it in. */
static void observe(struct actor *a, int g, void *to, bool learn) {
    struct env_batch *e = &a->envs[g];
    env_batch_observe(e, to);
    if (!a->config.normalise_observations) return;
    if (learn) normaliser_update(&a->observations, to, e->count);
    normaliser_apply(&a->observations, to, e->count);
}

/* The recurrent units of group g before its next observation; NULL where there are none. */
static float *group_states(const struct actor *a, int g) {
    return a->units ? a->states + (size_t)g * (size_t)group_count(a) * (size_t)a->units : NULL;
}

/* What has begun anew remembers nothing. */
static void forget(float *states, int units, const uint8_t *begun, int n) {
    for (int i = 0; states && i < n; i++)
        if (begun[i]) memset(states + (size_t)i * (size_t)units, 0, (size_t)units * sizeof *states);
}

/* Group g's step t is chosen and sent. */
static enum status begin_step(struct actor *a, struct queue *q, struct rollout *r, int g, int t) {
    size_t n = (size_t)group_count(a), row = (size_t)t * (size_t)a->shape.count + (size_t)g * n;
    void *observations = rollout_observation(r, row), *actions = rollout_action(r, row);
    size_t choices = (size_t)r->shape.choices;
    uint8_t *masks = choices ? r->masks + row * choices : NULL;
    observe(a, g, observations, true);
    if (masks) env_batch_masks(&a->envs[g], masks);
    float *states = group_states(a, g);
    forward(a, q, a->plan, observations, (int)n, states, states, NULL);
    draw(a, q, g, row, masks, actions);
    return env_batch_send(&a->envs[g], actions);
}

/* By the deviation of the discounted sum of rewards, which is begun anew with each episode. */
static void normalise_rewards(struct actor *a, const struct env_batch *e, int g, float *rewards) {
    float *sums = a->discounted + (size_t)g * (size_t)e->count;
    for (int i = 0; i < e->count; i++)
        sums[i] = a->gamma * sums[i] + rewards[i];
    normaliser_update(&a->rewards, sums, e->count);
    normaliser_scale(&a->rewards, rewards, e->count);
    for (int i = 0; i < e->count; i++)
        if (e->done[i]) sums[i] = 0;
}

/* Group g's step t has come back. */
static enum status end_step(struct actor *a, struct queue *q, struct rollout *r, int g, int t) {
    struct env_batch *e = &a->envs[g];
    size_t n = (size_t)e->count, row = (size_t)t * (size_t)a->shape.count + (size_t)g * n;
    TRY(env_batch_receive(e));
    memcpy(r->rewards + row, e->rewards, n * sizeof(float));
    memcpy(r->terminated + row, e->terminated, n);
    memcpy(r->truncated + row, e->truncated, n);
    if (a->config.normalise_rewards) normalise_rewards(a, e, g, r->rewards + row);
    /* The last observation of a truncated episode is seen here and never again. */
    if (a->critic && memchr(e->truncated, 1, n)) {
        observe(a, g, a->raw, false);
        forward(a, q, a->plan, a->raw, e->count, group_states(a, g), NULL, r->final_values + row);
    }
    forget(group_states(a, g), a->units, e->done, e->count);
    episode_record_note(&a->record, e);
    a->steps += e->count;
    return env_batch_reset_done(e);
}

/* Whether every environment has ended an episode in the rows so far. */
static bool all_ended(const struct rollout *r, int rows, uint8_t *ended) {
    size_t n = (size_t)r->shape.count, last = (size_t)(rows - 1) * n;
    for (size_t i = 0; i < n; i++)
        ended[i] |= r->terminated[last + i] | r->truncated[last + i];
    return !memchr(ended, 0, n);
}

static enum status collect(struct actor *a, struct queue *q, struct rollout *r, uint8_t *ended) {
    if (a->units) memcpy(r->states, a->states, (size_t)a->shape.count * (size_t)a->units * sizeof *r->states);
    for (int g = 0; g < a->config.groups; g++) {
        if (ended) TRY(env_batch_reset(&a->envs[g]));
        TRY(begin_step(a, q, r, g, 0));
    }
    for (int t = 0;; t++) {
        /* While one group's step is under way, the other's next is chosen; not where a row may be the last,
         * which is known when all groups are back. */
        for (int g = 0; g < a->config.groups; g++) {
            TRY(end_step(a, q, r, g, t));
            if (!ended && t + 1 < r->shape.horizon) TRY(begin_step(a, q, r, g, t + 1));
        }
        r->rows = t + 1;
        if (t + 1 == r->shape.horizon || (ended && all_ended(r, t + 1, ended))) return STATUS_OK;
        for (int g = 0; ended && g < a->config.groups; g++)
            TRY(begin_step(a, q, r, g, t + 1));
    }
}

enum status actor_collect(struct actor *a, struct queue *q, struct rollout *r, bool episodes) {
    PHASE("act");
    uint8_t *ended = episodes ? MEM_NEW(uint8_t, a->shape.count) : NULL;
    enum status s = collect(a, q, r, ended);
    mem_free(ended);
    TRY(s);
    queue_download(q, r->log_probs, tensor_head(a->log_probs, r->rows));
    if (a->critic) queue_download(q, r->values, tensor_head(a->values, r->rows));
    for (int g = 0; g < a->config.groups && a->critic; g++) {
        observe(a, g, a->raw, false);
        forward(a, q, a->plan, a->raw, group_count(a), group_states(a, g), NULL,
                r->last_values + g * group_count(a));
    }
    return STATUS_OK;
}

double actor_figures(const struct actor *a, struct run *run) {
    run_metric(run, "steps", (double)a->steps);
    return episode_record_figures(&a->record, run);
}

/* ---- state -----------------------------------------------------------------------------------------------
 */

static void put_normaliser(struct checkpoint_writer *w, const char *name, const struct normaliser *n) {
    double *numbers = MEM_NEW(double, normaliser_numbers(n));
    normaliser_save(n, numbers);
    checkpoint_put_bytes(w, name, numbers, normaliser_numbers(n) * sizeof *numbers);
    mem_free(numbers);
}

/* Bytes of a known size. */
static enum status get_bytes(struct checkpoint_reader *r, const char *name, void *to, size_t size) {
    void *data;
    size_t found;
    TRY(checkpoint_get_bytes(r, name, &data, &found));
    if (found == size) memcpy(to, data, size);
    mem_free(data);
    if (found == size) return STATUS_OK;
    return status_fail(STATUS_FORMAT,
                       "%s: %zu bytes where this config wants %zu; was [env] or [actor] changed?", name,
                       found, size);
}

static enum status get_normaliser(struct checkpoint_reader *r, const char *name, struct normaliser *n) {
    double *numbers = MEM_NEW(double, normaliser_numbers(n));
    enum status s = get_bytes(r, name, numbers, normaliser_numbers(n) * sizeof *numbers);
    if (s == STATUS_OK) normaliser_load(n, numbers);
    mem_free(numbers);
    return s;
}

/* What group g's environments are called in a checkpoint. */
static const char *envs_name(char *name, size_t size, int g) {
    snprintf(name, size, "actor/envs%d", g);
    return name;
}

void actor_save(struct actor *a, struct checkpoint_writer *w) {
    size_t n = (size_t)a->env_config.count;
    char name[32];
    for (int g = 0; g < a->config.groups; g++)
        episode_envs_save(&a->envs[g], w, envs_name(name, sizeof name, g));
    struct rng *rngs = MEM_NEW(struct rng, n);
    queue_download(a->queue, rngs, a->rngs);
    checkpoint_put_bytes(w, "actor/rngs", rngs, n * sizeof *rngs);
    mem_free(rngs);
    checkpoint_put_bytes(w, "actor/discounted", a->discounted, n * sizeof *a->discounted);
    if (a->units)
        checkpoint_put_bytes(w, "actor/states", a->states, n * (size_t)a->units * sizeof *a->states);
    put_normaliser(w, "actor/observations", &a->observations);
    put_normaliser(w, "actor/rewards", &a->rewards);
    checkpoint_put_long(w, "actor/steps", a->steps);
    episode_record_save(&a->record, w);
}

enum status actor_load(struct actor *a, struct checkpoint_reader *r) {
    size_t n = (size_t)a->env_config.count;
    char name[32];
    for (int g = 0; g < a->config.groups; g++)
        TRY(episode_envs_load(&a->envs[g], r, envs_name(name, sizeof name, g)));
    struct rng *rngs = MEM_NEW(struct rng, n);
    enum status s = get_bytes(r, "actor/rngs", rngs, n * sizeof *rngs);
    if (s == STATUS_OK) queue_upload(a->queue, a->rngs, rngs);
    mem_free(rngs);
    TRY(s);
    TRY(get_bytes(r, "actor/discounted", a->discounted, n * sizeof *a->discounted));
    if (a->units) TRY(get_bytes(r, "actor/states", a->states, n * (size_t)a->units * sizeof *a->states));
    TRY(get_normaliser(r, "actor/observations", &a->observations));
    TRY(get_normaliser(r, "actor/rewards", &a->rewards));
    TRY(checkpoint_get_long(r, "actor/steps", &a->steps));
    return episode_record_load(&a->record, r);
}

/* ---- evaluation ------------------------------------------------------------------------------------------
 */

static int32_t best_choice(const float *logits, const uint8_t *mask, int actions) {
    int best = -1;
    for (int i = 0; i < actions; i++)
        if ((!mask || mask[i]) && (best < 0 || logits[i] > logits[best])) best = i;
    return best < 0 ? 0 : best;
}

struct greedy {
    struct actor *actor;
    struct queue *queue;
    struct plan *plan;
    float *states; /* [lanes, U] or NULL */
    float *policy; /* [lanes, outputs] */
};

static enum status choose_best(void *self, const void *observations, const uint8_t *masks,
                               const uint8_t *begun, int n, void *actions) {
    struct greedy *p = self;
    struct actor *a = p->actor;
    forget(p->states, a->units, begun, n);
    if (a->config.normalise_observations) {
        memcpy(a->seen, observations, (size_t)n * (size_t)a->shape.features * sizeof *a->seen);
        normaliser_apply(&a->observations, a->seen, n);
        observations = a->seen;
    }
    forward(a, p->queue, p->plan, observations, n, p->states, p->states, NULL);
    queue_download(p->queue, p->policy, tensor_head(plan_output(p->plan, "policy"), n));
    for (int i = 0; i < n; i++)
        for (int k = 0, from = i * a->outputs; k < a->spec.components; from += a->spec.choices[k++])
            if (continuous(a))
                ((float *)actions)[i * a->spec.components + k] = p->policy[i * a->outputs + k];
            else
                ((int32_t *)actions)[i * a->spec.components + k] =
                    best_choice(p->policy + from, masks ? masks + from : NULL, a->spec.choices[k]);
    return STATUS_OK;
}

enum status actor_evaluate(struct actor *a, struct run *run, int episodes, const struct report *report) {
    int lanes = episode_lanes(&a->env_config, episodes);
    struct greedy player = {.actor = a, .queue = run->queue};
    /* Room for as many as play at once, where training has fewer environments. */
    size_t n = (size_t)lanes, f = (size_t)a->shape.features;
    a->seen = mem_resize(a->seen, 0, n * f, sizeof *a->seen);
    TRY(plan_create(a->net, run->queue, PLAN_INFER, run->precision, lanes, &player.plan));
    if (a->units) player.states = MEM_NEW(float, n *(size_t)a->units);
    player.policy = MEM_NEW(float, n *(size_t)a->outputs);
    enum status s = episodes_evaluate(&a->env_config, run, (struct episode_player){&player, choose_best},
                                      episodes, report);
    plan_free(player.plan);
    mem_free(player.states);
    mem_free(player.policy);
    return s;
}
