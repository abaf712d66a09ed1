/* Episodes: played for `tengen eval`, and remembered for training's figures. */
#include "algo/episodes.h"

#include <math.h>
#include <string.h>

#include "tengen/mem.h"

/* ---- evaluation ------------------------------------------------------------------------------------------
 */

int episode_lanes(const struct env_config *env, int episodes) {
    if (episodes <= 0) episodes = EPISODES_DEFAULT;
    return episodes < env->count ? episodes : env->count;
}

struct play {
    struct env_batch envs;
    void *observations, *actions;
    uint8_t *masks, *begun;
    float *returns; /* of the round's episodes */
    int32_t *lengths;
    int32_t *losses; /* of episodes that were to be whole */
};

static enum status play_open(struct play *p, const struct env_config *env, struct run *run, int first,
                             int n) {
    TRY(env_batch_open(&p->envs, env, n, (uint64_t)run->config.seed, RNG_EVAL, (uint64_t)first));
    const struct env_spec *spec = &p->envs.spec;
    size_t count = (size_t)n;
    p->observations = mem_alloc(count * (size_t)env_spec_features(spec), spec->pixels ? 1 : sizeof(float));
    p->actions = mem_alloc(count * (size_t)spec->components, sizeof(int32_t));
    if (spec->masked) p->masks = MEM_NEW(uint8_t, count * (size_t)env_spec_choices(spec));
    p->begun = MEM_NEW(uint8_t, count);
    p->losses = MEM_NEW(int32_t, count);
    return env_batch_reset(&p->envs);
}

static void play_close(struct play *p) {
    env_batch_close(&p->envs);
    mem_free(p->observations);
    mem_free(p->actions);
    mem_free(p->masks);
    mem_free(p->begun);
    mem_free(p->losses);
}

/* Environment i's episode has been lost; its next one is played instead. */
static enum status note_loss(struct play *p, int i) {
    if (++p->losses[i] < EPISODE_TRIES) return STATUS_OK;
    return status_fail(STATUS_PEER, "environment %d of %s: none of %d episodes outlived its worker", i,
                       p->envs.spec.name, EPISODE_TRIES);
}

/* Until each environment's first real episode has ended. */
static enum status play_round(struct play *p, struct episode_player player) {
    struct env_batch *e = &p->envs;
    int running = e->count;
    memset(p->lengths, 0, (size_t)e->count * sizeof *p->lengths); /* 0: still in its first episode */
    memset(p->begun, 1, (size_t)e->count);
    while (running > 0) {
        env_batch_observe(e, p->observations);
        if (p->masks) env_batch_masks(e, p->masks);
        TRY(player.choose(player.self, p->observations, p->masks, p->begun, e->count, p->actions));
        TRY(env_batch_step(e, p->actions));
        for (int i = 0; i < e->count; i++) {
            p->begun[i] = e->done[i];
            if (!e->ended[i] || p->lengths[i]) continue;
            if (e->lost[i]) {
                TRY(note_loss(p, i));
                continue;
            }
            p->returns[i] = e->returns[i];
            p->lengths[i] = e->lengths[i];
            running--;
        }
        TRY(env_batch_reset_done(e));
    }
    return STATUS_OK;
}

static void report_episodes(const struct report *report, const struct env_spec *spec, const float *returns,
                            const int32_t *lengths, int episodes) {
    double mean = 0, length = 0, least = INFINITY, squares = 0;
    for (int i = 0; i < episodes; i++) {
        mean += (double)returns[i] / episodes;
        length += (double)lengths[i] / episodes;
        least = fmin(least, (double)returns[i]);
    }
    for (int i = 0; i < episodes; i++)
        squares += ((double)returns[i] - mean) * ((double)returns[i] - mean);
    report_value(report, mean, "return", "eval.return.mean");
    report_value(report, least, "return", "eval.return.min");
    report_value(report, sqrt(squares / episodes), "return", "eval.return.std");
    double random = (double)spec->random_return, human = (double)spec->human_return;
    if (human > random)
        report_value(report, (mean - random) / (human - random), "of human", "eval.human_normalised");
    report_value(report, length, "steps", "eval.length.mean");
    report_value(report, episodes, "episodes", "eval.episodes");
}

enum status episodes_evaluate(const struct env_config *env, struct run *run, struct episode_player player,
                              int episodes, const struct report *report) {
    if (episodes <= 0) episodes = EPISODES_DEFAULT;
    int lanes = episode_lanes(env, episodes);
    float *returns = MEM_NEW(float, episodes);
    int32_t *lengths = MEM_NEW(int32_t, episodes);
    struct env_spec spec = {0};
    enum status s = STATUS_OK;
    for (int first = 0; first < episodes && s == STATUS_OK; first += lanes) {
        struct play p = {.returns = returns + first, .lengths = lengths + first};
        s = play_open(&p, env, run, first, episodes - first < lanes ? episodes - first : lanes);
        spec = p.envs.spec;
        if (s == STATUS_OK) s = play_round(&p, player);
        if (s == STATUS_OK) s = queue_wait(run->queue); /* actions after a fault are no network's */
        play_close(&p);
    }
    if (s == STATUS_OK) report_episodes(report, &spec, returns, lengths, episodes);
    mem_free(returns);
    mem_free(lengths);
    return s;
}

/* ---- the record of training ------------------------------------------------------------------------------
 */

void episode_record_add(struct episode_record *r, float episode_return, int32_t length) {
    r->returns[r->episodes % EPISODES_RECENT] = episode_return;
    r->lengths[r->episodes % EPISODES_RECENT] = length;
    r->episodes++;
}

void episode_record_note(struct episode_record *r, const struct env_batch *b) {
    for (int i = 0; i < b->count; i++)
        if (b->ended[i] && !b->lost[i]) episode_record_add(r, b->returns[i], b->lengths[i]);
}

static void restarts_figure(const struct env_batch *envs, int n, struct run *run) {
    int restarts = 0;
    for (int g = 0; g < n; g++)
        restarts += env_batch_restarts(&envs[g]);
    if (restarts >= 0) run_metric(run, "env_restarts", restarts);
}

double episode_record_figures(const struct episode_record *r, const struct env_batch *envs, int n,
                              struct run *run) {
    int recent = r->episodes < EPISODES_RECENT ? (int)r->episodes : EPISODES_RECENT;
    double returns = 0, lengths = 0;
    for (int i = 0; i < recent; i++) {
        returns += (double)r->returns[i] / recent;
        lengths += (double)r->lengths[i] / recent;
    }
    run_metric(run, "episodes", (double)r->episodes);
    run_metric(run, "return_mean", recent ? returns : NAN);
    run_metric(run, "length_mean", recent ? lengths : NAN);
    restarts_figure(envs, n, run);
    return recent ? returns : NAN;
}

void episode_record_save(const struct episode_record *r, struct checkpoint_writer *w) {
    int64_t n[] = {EPISODES_RECENT};
    checkpoint_put_long(w, "episodes/count", r->episodes);
    checkpoint_put(w, "episodes/returns", DTYPE_F32, 1, n, r->returns, NULL);
    checkpoint_put(w, "episodes/lengths", DTYPE_I32, 1, n, r->lengths, NULL);
}

enum status episode_record_load(struct episode_record *r, struct checkpoint_reader *reader) {
    int64_t n[] = {EPISODES_RECENT};
    TRY(checkpoint_get_long(reader, "episodes/count", &r->episodes));
    TRY(checkpoint_get(reader, "episodes/returns", DTYPE_F32, 1, n, r->returns));
    return checkpoint_get(reader, "episodes/lengths", DTYPE_I32, 1, n, r->lengths);
}

/* ---- environments
 * ------------------------------------------------------------------------------------------
 */

void episode_envs_save(struct env_batch *b, struct checkpoint_writer *w, const char *name) {
    size_t size;
    void *state = env_batch_save(b, &size);
    checkpoint_put_bytes(w, name, state, size);
    mem_free(state);
}

enum status episode_envs_load(struct env_batch *b, struct checkpoint_reader *r, const char *name) {
    size_t size;
    void *state;
    TRY(checkpoint_get_bytes(r, name, &state, &size));
    enum status status = env_batch_load(b, state, size);
    mem_free(state);
    return status;
}
