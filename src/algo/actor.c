/* Acting in environments with a policy. */
#include "algo/actor.h"

#include <math.h>
#include <string.h>

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

static void open_buffers(struct actor *a, uint64_t seed) {
    size_t n = (size_t)a->env_config.count, group = (size_t)group_count(a), f = (size_t)a->shape.features;
    normaliser_init(&a->observations, a->config.normalise_observations ? (int)f : 0);
    normaliser_init(&a->rewards, 1);
    a->discounted = MEM_NEW(float, n);
    if (a->units) a->states = MEM_NEW(float, n *(size_t)a->units);
    a->rngs = MEM_NEW(struct rng, n);
    for (size_t i = 0; i < n; i++)
        a->rngs[i] = rng_make(seed, RNG_ACTION, i);
    a->raw = MEM_NEW(float, group *f);
    a->seen = MEM_NEW(float, group *f);
    a->policy = MEM_NEW(float, group *(size_t)a->outputs);
    a->log_std = MEM_NEW(float, group *(size_t)a->outputs);
    a->values = MEM_NEW(float, group);
}

enum status actor_open(struct actor *a, struct run *run, float gamma, bool critic) {
    uint64_t seed = (uint64_t)run->config.seed;
    a->gamma = gamma;
    TRY(open_envs(a, seed));
    struct model_shape shape = {a->spec.h, a->spec.w, a->spec.c, a->outputs, continuous(a)};
    TRY(model_create_recurrent(&a->net_config, shape, run->device, &a->net));
    TRY(net_require_output(a->net, "policy"));
    if (continuous(a)) TRY(net_require_output(a->net, "log_std"));
    if (critic) TRY(net_require_output(a->net, "value"));
    a->critic = critic;
    a->units = a->shape.units = (int)net_input_count(a->net, "state");
    net_initialise(a->net, seed);
    TRY(plan_create(a->net, run->queue, PLAN_INFER, run->precision, group_count(a), &a->plan));
    open_buffers(a, seed);
    return STATUS_OK;
}

void actor_close(struct actor *a) {
    plan_free(a->plan);
    net_free(a->net);
    for (int g = 0; g < ACTOR_GROUPS; g++)
        env_batch_close(&a->envs[g]);
    normaliser_free(&a->observations);
    normaliser_free(&a->rewards);
    mem_free(a->discounted);
    mem_free(a->states);
    mem_free(a->rngs);
    mem_free(a->raw);
    mem_free(a->seen);
    mem_free(a->policy);
    mem_free(a->log_std);
    mem_free(a->values);
    *a = (struct actor){0};
}

/* ---- the network's opinion -------------------------------------------------------------------------------
 */

/* Of n observations as rollouts keep them; into a->policy, a->log_std, and `values` unless NULL. The
 * recurrent units before them are `states`, those after them go to `next` unless NULL. */
static void forward(struct actor *a, struct queue *q, struct plan *plan, const void *observations, int n,
                    const float *states, float *next, float *values) {
    if (a->shape.pixels) {
        rollout_floats(&a->shape, observations, (size_t)n, a->seen);
        observations = a->seen;
    }
    queue_upload(q, tensor_head(plan_input(plan, "observation"), n), observations);
    if (a->units) queue_upload(q, tensor_head(plan_input(plan, "state"), n), states);
    plan_forward(plan, n);
    queue_download(q, a->policy, tensor_head(plan_output(plan, "policy"), n));
    if (continuous(a)) queue_download(q, a->log_std, tensor_head(plan_output(plan, "log_std"), n));
    if (values && a->critic) queue_download(q, values, tensor_head(plan_output(plan, "value"), n));
    if (next) queue_download(q, next, tensor_head(plan_output(plan, "next_state"), n));
}

/* Draws from softmax(logits) under the mask (or NULL), by inversion of one uniform number; adds to *log_prob.
 */
static int32_t draw_choice(const float *logits, const uint8_t *mask, int actions, struct rng *rng,
                           float *log_prob) {
    float max = -INFINITY, sum = 0;
    int last = 0;
    for (int i = 0; i < actions; i++)
        if (!mask || mask[i]) {
            max = fmaxf(max, logits[i]);
            last = i;
        }
    for (int i = 0; i < actions; i++)
        if (!mask || mask[i]) sum += expf(logits[i] - max);
    float u = rng_uniform(rng) * sum, below = 0;
    int action = 0;
    for (; action < last; action++) {
        if (mask && !mask[action]) continue;
        below += expf(logits[action] - max);
        if (u < below) break;
    }
    *log_prob += logits[action] - max - logf(sum);
    return action;
}

static float draw_normal(float mean, float log_std, struct rng *rng, float *log_prob) {
    const float log_sqrt_2pi = 0.91893853320467274f;
    float z = rng_normal(rng);
    *log_prob -= 0.5f * z * z + log_std + log_sqrt_2pi;
    return mean + z * expf(log_std);
}

/* The action of environment i of the group, into `action`; returns its log probability. */
static float draw_action(const struct actor *a, int i, const uint8_t *mask, struct rng *rng, void *action) {
    const float *policy = a->policy + (size_t)i * (size_t)a->outputs;
    float log_prob = 0;
    for (int k = 0, from = 0; k < a->spec.components; from += a->spec.choices[k++])
        if (continuous(a))
            ((float *)action)[k] = draw_normal(
                policy[k], a->log_std[(size_t)i * (size_t)a->outputs + (size_t)k], rng, &log_prob);
        else
            ((int32_t *)action)[k] =
                draw_choice(policy + from, mask ? mask + from : NULL, a->spec.choices[k], rng, &log_prob);
    return log_prob;
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
    forward(a, q, a->plan, observations, (int)n, states, states, r->values + row);
    for (size_t i = 0; i < n; i++)
        r->log_probs[row + i] = draw_action(a, (int)i, masks ? masks + i * choices : NULL,
                                            &a->rngs[(size_t)g * n + i], rollout_action(r, row + i));
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
    checkpoint_put_bytes(w, "actor/rngs", a->rngs, n * sizeof *a->rngs);
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
    TRY(get_bytes(r, "actor/rngs", a->rngs, n * sizeof *a->rngs));
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
    for (int i = 0; i < n; i++)
        for (int k = 0, from = i * a->outputs; k < a->spec.components; from += a->spec.choices[k++])
            if (continuous(a))
                ((float *)actions)[i * a->spec.components + k] = a->policy[i * a->outputs + k];
            else
                ((int32_t *)actions)[i * a->spec.components + k] =
                    best_choice(a->policy + from, masks ? masks + from : NULL, a->spec.choices[k]);
    return STATUS_OK;
}

enum status actor_evaluate(struct actor *a, struct run *run, int episodes, const struct report *report) {
    int lanes = episode_lanes(&a->env_config, episodes);
    struct greedy player = {.actor = a, .queue = run->queue};
    /* Room for as many as play at once, where training has fewer environments. */
    size_t n = (size_t)lanes, f = (size_t)a->shape.features;
    a->seen = mem_resize(a->seen, 0, n * f, sizeof *a->seen);
    a->policy = mem_resize(a->policy, 0, n * (size_t)a->outputs, sizeof *a->policy);
    a->log_std = mem_resize(a->log_std, 0, n * (size_t)a->outputs, sizeof *a->log_std);
    TRY(plan_create(a->net, run->queue, PLAN_INFER, run->precision, lanes, &player.plan));
    if (a->units) player.states = MEM_NEW(float, n *(size_t)a->units);
    enum status s = episodes_evaluate(&a->env_config, run, (struct episode_player){&player, choose_best},
                                      episodes, report);
    plan_free(player.plan);
    mem_free(player.states);
    return s;
}
