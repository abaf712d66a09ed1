/* Acting in environments with a policy. */
#include "algo/actor.h"

#include <math.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/net_check.h"
#include "tengen/ops.h"
#include "tengen/phase.h"

CONFIG_TABLE(actor_config, ACTOR_CONFIG)

void actor_bind(struct actor *a, struct config *c) {
    config_bind(c, "env", env_config_keys, &a->env_config, "the environment");
    config_bind(c, "net", model_config_keys, &a->net_config, "the network");
    config_bind(c, "actor", actor_config_keys, &a->config, "acting");
}

/* Environments that are acted for at once. */
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

/* ---- opening ---------------------------------------------------------------------------------------------
 */

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
    a->shape = (struct rollout_shape){.horizon = a->acting.horizon,
                                      .count = a->env_config.count,
                                      .features = env_spec_features(&a->spec),
                                      .pixels = a->spec.pixels,
                                      .continuous = continuous(a),
                                      .components = a->spec.components,
                                      .choices = a->spec.masked ? a->outputs : 0};
    return STATUS_OK;
}

static enum status open_net(struct actor *a, struct run *run) {
    struct model_shape shape = {a->spec.h, a->spec.w, a->spec.c, a->outputs, continuous(a)};
    TRY(model_create_recurrent(&a->net_config, shape, run->device, &a->net));
    TRY(net_require_output(a->net, "policy"));
    if (continuous(a)) TRY(net_require_output(a->net, "log_std"));
    if (a->acting.critic) TRY(net_require_output(a->net, "value"));
    a->units = a->shape.units = (int)net_input_count(a->net, "state");
    TRY(net_initialise(a->net, (uint64_t)run->config.seed));
    return plan_create(a->net, run->queue, PLAN_INFER, run->precision, group_count(a), &a->plan);
}

static void open_streams(struct actor *a, uint64_t seed) {
    int n = a->env_config.count;
    struct rng *rngs = MEM_NEW(struct rng, n);
    a->rngs = device_tensor(a->queue->device, DTYPE_U8, n, (int)sizeof(struct rng));
    for (int i = 0; i < n; i++)
        rngs[i] = rng_make(seed, RNG_ACTION, (uint64_t)i);
    queue_upload(a->queue, a->rngs, rngs);
    mem_free(rngs);
}

static void open_host(struct actor *a) {
    size_t n = (size_t)a->env_config.count, group = (size_t)group_count(a);
    a->raw = mem_alloc(group * (size_t)a->shape.features, a->shape.pixels ? 1 : sizeof(float));
    a->taken = mem_alloc(n * (size_t)a->shape.components, sizeof(int32_t));
    a->gained = MEM_NEW(float, group);
    if (a->shape.choices) a->masks = MEM_NEW(uint8_t, group * (size_t)a->shape.choices);
}

static enum status open_resident(struct actor *a) {
    struct device *d = a->queue->device;
    const int t = a->shape.horizon, n = a->shape.count;
    TRY(env_resident_open(&a->lanes, &a->envs[0], a->queue, t, a->acting.critic));
    ACCOUNT("rollout");
    a->ended_returns = device_tensor(d, DTYPE_F32, t, n);
    a->ended_lengths = device_tensor(d, DTYPE_I32, t, n);
    a->final_slots = device_tensor(d, DTYPE_I32, t * n, 1);
    if (tensor_is(a->lanes.finals)) a->slot_values = device_tensor(d, DTYPE_F32, a->lanes.finals.dims[0], 1);
    a->host_returns = MEM_NEW(float, (size_t)t *(size_t)n);
    a->host_lengths = MEM_NEW(int32_t, (size_t)t * (size_t)n);
    env_resident_push(&a->lanes);
    return STATUS_OK;
}

static enum status open_buffers(struct actor *a, uint64_t seed) {
    ACCOUNT("batches");
    struct device *d = a->queue->device;
    const int n = a->env_config.count;
    normaliser_init(&a->observations, a->config.normalise_observations ? a->shape.features : 0);
    normaliser_init(&a->rewards, 1);
    a->discounted = MEM_NEW(float, n);
    a->shown = env_observations(&a->spec, d, group_count(a));
    open_streams(a, seed);
    if (a->units) {
        a->states = device_tensor(d, DTYPE_F32, n, a->units);
        a->starts = device_tensor(d, DTYPE_F32, n, 1);
    }
    a->resident = a->config.groups == 1 && !a->config.normalise_observations &&
                  !a->config.normalise_rewards && !a->units && !a->acting.episodes &&
                  env_resident_possible(&a->envs[0], d);
    if (a->resident) return open_resident(a);
    open_host(a);
    return STATUS_OK;
}

enum status actor_open(struct actor *a, struct run *run, struct acting acting) {
    a->acting = acting;
    a->queue = run->queue;
    TRY(open_envs(a, (uint64_t)run->config.seed));
    TRY(open_net(a, run));
    return open_buffers(a, (uint64_t)run->config.seed);
}

void actor_close(struct actor *a) {
    struct tensor on_device[] = {a->rngs,          a->states,        a->starts,      a->shown,
                                 a->ended_returns, a->ended_lengths, a->final_slots, a->slot_values};
    if (a->queue) repeat_free(&a->collecting, a->queue->device);
    env_resident_close(&a->lanes);
    for (size_t i = 0; i < sizeof on_device / sizeof *on_device; i++)
        if (tensor_is(on_device[i])) device_release(a->queue->device, on_device[i].data);
    plan_free(a->plan);
    net_free(a->net);
    for (int g = 0; g < ACTOR_GROUPS; g++)
        env_batch_close(&a->envs[g]);
    normaliser_free(&a->observations);
    normaliser_free(&a->rewards);
    mem_free(a->discounted);
    mem_free(a->raw);
    mem_free(a->taken);
    mem_free(a->masks);
    mem_free(a->gained);
    mem_free(a->host_returns);
    mem_free(a->host_lengths);
    *a = (struct actor){0};
}

/* ---- the network's opinion -------------------------------------------------------------------------------
 */

/* Of n observations as environments show them; states: the recurrent units before them, forgotten where
 * `starts` is 1, or none. */
static void forward(const struct actor *a, struct queue *q, struct plan *plan, struct tensor observations,
                    struct tensor states, struct tensor starts) {
    const int n = observations.dims[0];
    q->op->rows_gather(q, tensor_head(plan_input(plan, "observation"), n), observations, tensor_none());
    if (a->units) {
        struct tensor begun = tensor_head(plan_input(plan, "starts"), n);
        q->op->scale(q, tensor_head(plan_input(plan, "state"), n), states, 1, false);
        if (tensor_is(starts))
            q->op->scale(q, begun, starts, 1, false);
        else
            q->op->fill(q, begun, 0);
    }
    plan_forward(plan, n);
}

/* The values of that pass. */
static void keep_values(const struct actor *a, struct queue *q, struct tensor values) {
    if (!a->acting.critic) return;
    q->op->scale(q, values, tensor_head(plan_output(a->plan, "value"), values.dims[0]), 1, false);
}

/* n actions of that pass from sample `at` of the rollout on, which are environments `first` and on. */
static void draw(struct actor *a, struct queue *q, struct rollout *r, size_t at, int first, int n) {
    struct tensor x = plan_output(a->plan, "policy"), actions = rollout_samples(r, r->actions, at, n),
                  log_probs = rollout_samples(r, r->log_probs, at, n), rngs = a->rngs, masks = r->masks;
    rngs.data = (struct rng *)rngs.data + first;
    rngs.dims[0] = n;
    if (tensor_is(masks)) masks = rollout_samples(r, masks, at, n);
    if (continuous(a))
        q->op->gaussian_policy_draw(q, actions, log_probs, rngs, x, plan_output(a->plan, "log_std"));
    else
        q->op->policy_draw(q, actions, log_probs, rngs, x, masks, actor_choices(a));
    keep_values(a, q, rollout_samples(r, r->values, at, n));
}

/* ---- rollouts of environments on the host ----------------------------------------------------------------
 */

/* What group g sees now, into a->raw. `learn`: the running statistics take it in. */
static void observe(struct actor *a, int g, bool learn) {
    struct env_batch *e = &a->envs[g];
    env_batch_observe(e, a->raw);
    if (!a->config.normalise_observations) return;
    if (learn) normaliser_update(&a->observations, a->raw, e->count);
    normaliser_apply(&a->observations, a->raw, e->count);
}

/* Group g's rows of an array [N, ...], or none. */
static struct tensor group_rows(const struct actor *a, struct tensor all, int g) {
    if (!tensor_is(all)) return all;
    const int n = group_count(a);
    all.data = (float *)all.data + (size_t)g * (size_t)n * (tensor_count(all) / (size_t)all.dims[0]);
    return tensor_head(all, n);
}

/* Group g's step t is chosen and sent. */
static enum status begin_step(struct actor *a, struct queue *q, struct rollout *r, int g, int t) {
    const int n = group_count(a);
    const size_t at = (size_t)t * (size_t)a->shape.count + (size_t)(g * n);
    struct tensor observations = rollout_samples(r, r->observations, at, n),
                  states = group_rows(a, a->states, g), starts = group_rows(a, a->starts, g);
    observe(a, g, true);
    queue_upload(q, observations, a->raw);
    if (a->masks) {
        env_batch_masks(&a->envs[g], a->masks);
        queue_upload(q, rollout_samples(r, r->masks, at, n), a->masks);
    }
    forward(a, q, a->plan, observations, states, starts);
    if (a->units) {
        q->op->scale(q, rollout_samples(r, r->starts, at, n), starts, 1, false);
        q->op->scale(q, states, plan_output(a->plan, "next_state"), 1, false);
    }
    draw(a, q, r, at, g * n, n);
    void *taken = (int32_t *)a->taken + (size_t)(g * n) * (size_t)a->shape.components;
    queue_download(q, taken, rollout_samples(r, r->actions, at, n));
    return env_batch_send(&a->envs[g], taken);
}

/* By the deviation of the discounted sum of rewards, which is begun anew with each episode. */
static void normalise_rewards(struct actor *a, const struct env_batch *e, int g, float *rewards) {
    float *sums = a->discounted + (size_t)g * (size_t)e->count;
    for (int i = 0; i < e->count; i++)
        sums[i] = a->acting.gamma * sums[i] + rewards[i];
    normaliser_update(&a->rewards, sums, e->count);
    normaliser_scale(&a->rewards, rewards, e->count);
    for (int i = 0; i < e->count; i++)
        if (e->done[i]) sums[i] = 0;
}

/* Group g's step t has come back; ended: [N] which environments have ended an episode, or NULL. */
static enum status end_step(struct actor *a, struct queue *q, struct rollout *r, int g, int t,
                            uint8_t *ended) {
    struct env_batch *e = &a->envs[g];
    const int n = e->count;
    const size_t at = (size_t)t * (size_t)a->shape.count + (size_t)(g * n);
    struct tensor terminated = rollout_samples(r, r->terminated, at, n),
                  truncated = rollout_samples(r, r->truncated, at, n);
    TRY(env_batch_receive(e));
    memcpy(a->gained, e->rewards, (size_t)n * sizeof *a->gained);
    if (a->config.normalise_rewards) normalise_rewards(a, e, g, a->gained);
    queue_upload(q, rollout_samples(r, r->rewards, at, n), a->gained);
    queue_upload(q, terminated, e->terminated);
    queue_upload(q, truncated, e->truncated);
    /* The last observation of a truncated episode is seen here and never again. */
    if (a->acting.critic && memchr(e->truncated, 1, (size_t)n)) {
        observe(a, g, false);
        queue_upload(q, a->shown, a->raw);
        forward(a, q, a->plan, a->shown, group_rows(a, a->states, g), tensor_none());
        keep_values(a, q, rollout_samples(r, r->final_values, at, n));
    }
    if (a->units) q->op->episode_starts(q, group_rows(a, a->starts, g), terminated, truncated);
    for (int i = 0; ended && i < n; i++)
        ended[g * n + i] |= e->done[i];
    episode_record_note(&a->record, e);
    return env_batch_reset_done(e);
}

static enum status collect_steps(struct actor *a, struct queue *q, struct rollout *r, uint8_t *ended) {
    for (int g = 0; g < a->config.groups; g++) {
        if (ended) TRY(env_batch_reset(&a->envs[g]));
        TRY(begin_step(a, q, r, g, 0));
    }
    for (int t = 0;; t++) {
        /* While one group's step is under way, the other's next is chosen; not where a row may be the last,
         * which is known when all groups are back. */
        for (int g = 0; g < a->config.groups; g++) {
            TRY(end_step(a, q, r, g, t, ended));
            if (!ended && t + 1 < r->shape.horizon) TRY(begin_step(a, q, r, g, t + 1));
        }
        r->rows = t + 1;
        if (r->rows == r->shape.horizon) return STATUS_OK;
        if (ended && !memchr(ended, 0, (size_t)r->shape.count)) return STATUS_OK;
        for (int g = 0; ended && g < a->config.groups; g++)
            TRY(begin_step(a, q, r, g, t + 1));
    }
}

static enum status collect_host(struct actor *a, struct queue *q, struct rollout *r) {
    uint8_t *ended = a->acting.episodes ? MEM_NEW(uint8_t, a->shape.count) : NULL;
    if (a->units) q->op->scale(q, r->states, a->states, 1, false);
    enum status s = collect_steps(a, q, r, ended);
    mem_free(ended);
    TRY(s);
    for (int g = 0; g < a->config.groups && a->acting.critic; g++) {
        observe(a, g, false);
        queue_upload(q, a->shown, a->raw);
        forward(a, q, a->plan, a->shown, group_rows(a, a->states, g), group_rows(a, a->starts, g));
        keep_values(a, q, group_rows(a, r->last_values, g));
    }
    return STATUS_OK;
}

/* ---- rollouts of environments on the device --------------------------------------------------------------
 */

static void step_resident(struct actor *a, struct queue *q, struct rollout *r, int t) {
    const int n = a->shape.count;
    const size_t at = (size_t)t * (size_t)n;
    struct tensor observations = rollout_samples(r, r->observations, at, n);
    forward(a, q, a->plan, observations, tensor_none(), tensor_none());
    draw(a, q, r, at, 0, n);
    env_resident_step(&a->lanes,
                      &(struct env_step){
                          .actions = rollout_samples(r, r->actions, at, n).data,
                          .rewards = rollout_samples(r, r->rewards, at, n).data,
                          .terminated = rollout_samples(r, r->terminated, at, n).data,
                          .truncated = rollout_samples(r, r->truncated, at, n).data,
                          .returns = rollout_samples(r, a->ended_returns, at, n).data,
                          .lengths = rollout_samples(r, a->ended_lengths, at, n).data,
                          .final_slots = rollout_samples(r, a->final_slots, at, n).data,
                          .observations = t + 1 < r->shape.horizon
                                              ? rollout_samples(r, r->observations, at + (size_t)n, n).data
                                              : a->shown.data,
                      });
}

/* What the critic says of the last observations of truncated episodes, all in a few passes. */
static void value_finals(struct actor *a, struct queue *q, struct rollout *r) {
    const int n = a->shape.count;
    if (!tensor_is(a->slot_values)) return;
    for (int at = 0; at < a->slot_values.dims[0]; at += n) {
        struct tensor finals = a->lanes.finals, values = a->slot_values;
        size_t row = (size_t)a->shape.features * dtype_size(finals.dtype);
        finals.data = (char *)finals.data + (size_t)at * row;
        values.data = (float *)values.data + at;
        forward(a, q, a->plan, tensor_head(finals, n), tensor_none(), tensor_none());
        keep_values(a, q, tensor_head(values, n));
    }
    q->op->rows_gather(q, rollout_column(r->final_values), a->slot_values, rollout_column(a->final_slots));
}

/* The episodes that ended; the only thing that crosses to the host. */
static void note_episodes(struct actor *a, struct queue *q) {
    const size_t samples = (size_t)a->shape.horizon * (size_t)a->shape.count;
    queue_download(q, a->host_lengths, a->ended_lengths);
    queue_download(q, a->host_returns, a->ended_returns);
    for (size_t i = 0; i < samples; i++)
        if (a->host_lengths[i]) episode_record_add(&a->record, a->host_returns[i], a->host_lengths[i]);
}

struct collection {
    struct actor *actor;
    struct queue *queue;
    struct rollout *rollout;
};

/* All that is queued for a rollout: the same each time. */
static void queue_rollout(void *self) {
    struct actor *a = ((struct collection *)self)->actor;
    struct queue *q = ((struct collection *)self)->queue;
    struct rollout *r = ((struct collection *)self)->rollout;
    env_resident_begin(&a->lanes);
    env_resident_observe(&a->lanes, r->observations.data);
    for (int t = 0; t < r->shape.horizon; t++)
        step_resident(a, q, r, t);
    if (!a->acting.critic) return;
    forward(a, q, a->plan, a->shown, tensor_none(), tensor_none());
    keep_values(a, q, r->last_values);
    value_finals(a, q, r);
}

static void collect_resident(struct actor *a, struct queue *q, struct rollout *r) {
    struct collection c = {a, q, r};
    plan_refresh(a->plan);
    if (net_is_checked(a->net))
        queue_rollout(&c);
    else
        queue_repeat(q, &a->collecting, "acting", queue_rollout, &c);
    r->rows = r->shape.horizon;
    note_episodes(a, q);
}

enum status actor_collect(struct actor *a, struct queue *q, struct rollout *r) {
    PHASE("act");
    enum status s = STATUS_OK;
    if (a->resident)
        collect_resident(a, q, r);
    else
        s = collect_host(a, q, r);
    a->steps += (int64_t)r->rows * a->shape.count;
    return s;
}

double actor_figures(const struct actor *a, struct run *run) {
    run_metric(run, "steps", (double)a->steps);
    return episode_record_figures(&a->record, a->envs, a->config.groups, run);
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

/* Recurrent units as they are before the next observation: zeros where an episode begins with it. */
static void put_states(const struct actor *a, struct checkpoint_writer *w) {
    const size_t n = (size_t)a->env_config.count, units = (size_t)a->units;
    float *states = MEM_NEW(float, n *units), *starts = MEM_NEW(float, n);
    queue_download(a->queue, states, a->states);
    queue_download(a->queue, starts, a->starts);
    for (size_t i = 0; i < n; i++)
        if (starts[i] > 0) memset(states + i * units, 0, units * sizeof *states);
    checkpoint_put_bytes(w, "actor/states", states, n * units * sizeof *states);
    mem_free(states);
    mem_free(starts);
}

static enum status get_states(struct actor *a, struct checkpoint_reader *r) {
    float *states = MEM_NEW(float, tensor_count(a->states));
    enum status s = get_bytes(r, "actor/states", states, tensor_bytes(a->states));
    if (s == STATUS_OK) queue_upload(a->queue, a->states, states);
    mem_free(states);
    return s;
}

/* What could not go on where it was saved, as in worker processes, begins an episode: nothing of the one
 * before is remembered. */
static void begin_anew(struct actor *a) {
    const int n = group_count(a);
    float *starts = MEM_NEW(float, a->env_config.count);
    for (int i = 0; i < a->env_config.count; i++) {
        starts[i] = a->envs[i / n].lengths[i % n] == 0;
        if (starts[i] > 0) a->discounted[i] = 0;
    }
    if (a->units) queue_upload(a->queue, a->starts, starts);
    mem_free(starts);
}

void actor_save(struct actor *a, struct checkpoint_writer *w) {
    size_t n = (size_t)a->env_config.count;
    char name[32];
    if (a->resident) env_resident_pull(&a->lanes);
    for (int g = 0; g < a->config.groups; g++)
        episode_envs_save(&a->envs[g], w, envs_name(name, sizeof name, g));
    struct rng *rngs = MEM_NEW(struct rng, n);
    queue_download(a->queue, rngs, a->rngs);
    checkpoint_put_bytes(w, "actor/rngs", rngs, n * sizeof *rngs);
    mem_free(rngs);
    checkpoint_put_bytes(w, "actor/discounted", a->discounted, n * sizeof *a->discounted);
    if (a->units) put_states(a, w);
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
    if (a->resident) env_resident_push(&a->lanes);
    struct rng *rngs = MEM_NEW(struct rng, n);
    enum status s = get_bytes(r, "actor/rngs", rngs, n * sizeof *rngs);
    if (s == STATUS_OK) queue_upload(a->queue, a->rngs, rngs);
    mem_free(rngs);
    TRY(s);
    TRY(get_bytes(r, "actor/discounted", a->discounted, n * sizeof *a->discounted));
    if (a->units) TRY(get_states(a, r));
    begin_anew(a);
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
    struct tensor shown, states, starts; /* [lanes, F], [lanes, U] and [lanes] or none */
    void *seen;                          /* [lanes, F] */
    float *begun;                        /* [lanes] */
    float *policy;                       /* [lanes, outputs] */
};

static enum status greedy_open(struct greedy *p, const struct run *run, int lanes) {
    const struct actor *a = p->actor;
    const size_t n = (size_t)lanes;
    TRY(plan_create(a->net, p->queue, PLAN_INFER, run->precision, lanes, &p->plan));
    p->shown = env_observations(&a->spec, p->queue->device, lanes);
    p->seen = mem_alloc(n * (size_t)a->shape.features, sizeof(float));
    p->policy = MEM_NEW(float, n *(size_t)a->outputs);
    if (!a->units) return STATUS_OK;
    p->states = device_tensor(p->queue->device, DTYPE_F32, lanes, a->units);
    p->starts = device_tensor(p->queue->device, DTYPE_F32, lanes, 1);
    p->begun = MEM_NEW(float, n);
    return STATUS_OK;
}

static void greedy_close(struct greedy *p) {
    plan_free(p->plan);
    device_release(p->queue->device, p->shown.data);
    device_release(p->queue->device, p->states.data);
    device_release(p->queue->device, p->starts.data);
    mem_free(p->seen);
    mem_free(p->begun);
    mem_free(p->policy);
}

static void greedy_look(struct greedy *p, const void *observations, const uint8_t *begun, int n) {
    const struct actor *a = p->actor;
    struct queue *q = p->queue;
    struct tensor shown = tensor_head(p->shown, n), states = tensor_head(p->states, n),
                  starts = tensor_head(p->starts, n);
    if (a->config.normalise_observations) {
        memcpy(p->seen, observations, tensor_bytes(shown));
        normaliser_apply(&a->observations, p->seen, n);
        observations = p->seen;
    }
    queue_upload(q, shown, observations);
    for (int i = 0; a->units && i < n; i++)
        p->begun[i] = begun[i];
    if (a->units) queue_upload(q, starts, p->begun);
    forward(a, q, p->plan, shown, states, starts);
    if (a->units) q->op->scale(q, states, tensor_head(plan_output(p->plan, "next_state"), n), 1, false);
    queue_download(q, p->policy, tensor_head(plan_output(p->plan, "policy"), n));
}

static enum status choose_best(void *self, const void *observations, const uint8_t *masks,
                               const uint8_t *begun, int n, void *actions) {
    struct greedy *p = self;
    const struct actor *a = p->actor;
    greedy_look(p, observations, begun, n);
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
    struct greedy player = {.actor = a, .queue = run->queue};
    TRY(greedy_open(&player, run, episode_lanes(&a->env_config, episodes)));
    enum status s = episodes_evaluate(&a->env_config, run, (struct episode_player){&player, choose_best},
                                      episodes, report);
    greedy_close(&player);
    return s;
}
