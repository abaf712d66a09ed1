/* Q-learning (Watkins 1989) and SARSA (Rummery and Niranjan 1994): a table holds what each action is worth in
 * each state, and every step of the environment corrects one number of it (Sutton and Barto, "Reinforcement
 * Learning", sections 6.4 and 6.5).
 *
 *     iterate:  in each of N environments, so many steps:
 *               1. act: the best action of the state, or with probability epsilon any
 *               2. learn: Q(s, a) += rate (r + gamma Q' - Q(s, a))
 *                         Q': max over a' of Q(s', a') (Q-learning), or Q(s', a') of the action a' that will
 * be taken (SARSA); 0 where s' is an end, but not where a limit cut the episode off
 *
 * The environment must say which of so many states it is in (env_spec.states), as gridworld does. What was
 * learnt is shown after training and by `tengen eval`: the table, and the policy as a picture.
 */
#include <math.h>
#include <string.h>

#include "algo/episodes.h"
#include "tengen/algo.h"
#include "tengen/env.h"
#include "tengen/mem.h"

#define Q_LEARNING_CONFIG(F, S)                                                                              \
    F(S, choice, target, "max", 0, 0,                                                                        \
      "max | sarsa; what the next state is worth: its best action, or the one taken")                        \
    F(S, int, steps, 100, 1, 1000000, "steps in each environment an iteration")                              \
    F(S, schedule, rate, "0.2", 0, 1, "of learning; runs on iterations")                                     \
    F(S, schedule, epsilon, "1@0 ~0.05@80", 0, 1, "how often any action is taken; runs on iterations")       \
    F(S, float, gamma, 0.99, 0, 1, "discount a step")                                                        \
    F(S, float, initial, 0, -1e9, 1e9, "what the table holds at first")
CONFIG_STRUCT(q_learning_config, Q_LEARNING_CONFIG)
CONFIG_TABLE(q_learning_config, Q_LEARNING_CONFIG)

struct q_learning {
    struct q_learning_config config;
    struct env_config env_config;
    struct env_batch envs;
    int states, actions;
    float *observations; /* [N, S] */
    int32_t *state;      /* [N] the environments are in */

    /* What goes on from iteration to iteration, besides the environments. */
    float *table;    /* [S, A] */
    int32_t *visits; /* [S, A] how often a number was corrected, INT32_MAX: or more */
    int32_t *action; /* [N] to be taken next */
    struct rng rng;
    int64_t steps;
    struct episode_record record;
};

static void q_learning_bind(void *self, struct config *c) {
    struct q_learning *q = self;
    config_bind(c, "env", env_config_keys, &q->env_config, "the environment");
    config_bind(c, "q_learning", q_learning_config_keys, &q->config, "Q-learning and SARSA with a table");
}

/* ---- acting ----------------------------------------------------------------------------------------------
 */

/* The first of the best actions of a state. */
static int32_t best_action(const struct q_learning *q, int32_t state) {
    const float *row = q->table + (size_t)state * (size_t)q->actions;
    int best = 0;
    for (int a = 1; a < q->actions; a++)
        if (row[a] > row[best]) best = a;
    return best;
}

/* Two draws, whatever comes of them. */
static int32_t choose_action(struct q_learning *q, int i, float epsilon) {
    bool any = rng_uniform(&q->rng) < epsilon;
    int32_t action = (int32_t)rng_below(&q->rng, (uint32_t)q->actions);
    return any ? action : best_action(q, q->state[i]);
}

static void see_states(struct q_learning *q) {
    env_batch_observe(&q->envs, q->observations);
    for (int i = 0; i < q->envs.count; i++)
        q->state[i] = env_spec_state(&q->envs.spec, q->observations + (size_t)i * (size_t)q->states);
}

static enum status q_learning_open(void *self, struct run *run) {
    struct q_learning *q = self;
    const struct env_spec *spec = &q->envs.spec;
    TRY(env_batch_open(&q->envs, &q->env_config, q->env_config.count, (uint64_t)run->config.seed, RNG_ENV,
                       0));
    TRY(env_spec_require(spec, ENV_DISCRETE, "q_learning"));
    if (spec->states == 0)
        return status_fail(
            STATUS_USAGE,
            "[env] name = %s: has no numbered states for q_learning's table; take gridworld, or an "
            "algorithm with a network",
            spec->name);
    q->states = spec->states;
    q->actions = spec->choices[0];
    size_t n = (size_t)q->envs.count, cells = (size_t)q->states * (size_t)q->actions;
    q->observations = MEM_NEW(float, n *(size_t)q->states);
    q->state = MEM_NEW(int32_t, n);
    q->action = MEM_NEW(int32_t, n);
    q->table = MEM_NEW(float, cells);
    q->visits = MEM_NEW(int32_t, cells);
    for (size_t i = 0; i < cells; i++)
        q->table[i] = q->config.initial;
    q->rng = rng_make((uint64_t)run->config.seed, RNG_ACTION, 0);
    TRY(env_batch_reset(&q->envs));
    see_states(q);
    for (int i = 0; i < q->envs.count; i++)
        q->action[i] = choose_action(q, i, schedule_value(&q->config.epsilon, 0));
    return STATUS_OK;
}

/* ---- learning --------------------------------------------------------------------------------------------
 */

/* Corrects Q(s, a) of environment i, which has gone from s to q->state[i]; |error| before. */
static float correct(struct q_learning *q, int i, int32_t s, int32_t a, float rate) {
    bool sarsa = strcmp(q->config.target, "sarsa") == 0;
    size_t at = (size_t)s * (size_t)q->actions + (size_t)a;
    int32_t next = q->state[i], next_action = sarsa ? q->action[i] : best_action(q, next);
    float future =
        q->envs.terminated[i] ? 0 : q->table[(size_t)next * (size_t)q->actions + (size_t)next_action];
    float error = q->envs.rewards[i] + q->config.gamma * future - q->table[at];
    q->table[at] += rate * error;
    if (q->visits[at] < INT32_MAX) q->visits[at]++;
    return fabsf(error);
}

static enum status q_learning_iterate(void *self, struct run *run) {
    struct q_learning *q = self;
    struct env_batch *e = &q->envs;
    size_t n = (size_t)e->count;
    float epsilon = schedule_value(&q->config.epsilon, (double)run->iteration);
    float rate = schedule_value(&q->config.rate, (double)run->iteration);
    int32_t *states = MEM_NEW(int32_t, n), *taken = MEM_NEW(int32_t, n);
    double errors = 0;
    enum status status = STATUS_OK;
    for (int t = 0; t < q->config.steps && status == STATUS_OK; t++) {
        /* 1. Act. */
        memcpy(states, q->state, n * sizeof *states);
        memcpy(taken, q->action, n * sizeof *taken);
        status = env_batch_step(e, taken);
        if (status != STATUS_OK) break;
        see_states(q);
        /* 2. Learn, one environment after the other. */
        for (int i = 0; i < e->count; i++) {
            q->action[i] = choose_action(q, i, epsilon);
            errors += (double)correct(q, i, states[i], taken[i], rate);
        }
        if (e->done_count == 0) continue;
        episode_record_note(&q->record, e);
        status = env_batch_reset_done(e);
        see_states(q);
        for (int i = 0; i < e->count; i++)
            if (e->lengths[i] == 0) q->action[i] = choose_action(q, i, epsilon); /* a new episode */
    }
    mem_free(states);
    mem_free(taken);
    TRY(status);
    double steps = (double)n * q->config.steps;
    q->steps += (int64_t)steps;
    run_metric(run, "steps", (double)q->steps);
    double return_mean = episode_record_figures(&q->record, &q->envs, 1, run);
    run_metric(run, "error", errors / steps);
    run_metric(run, "epsilon", (double)epsilon);
    run_detail(run, "return %.1f, error %.3g, epsilon %.2f", return_mean, errors / steps, (double)epsilon);
    return STATUS_OK;
}

/* ---- state -----------------------------------------------------------------------------------------------
 */

static void q_learning_save(void *self, struct checkpoint_writer *w) {
    struct q_learning *q = self;
    int64_t table[] = {q->states, q->actions}, n[] = {q->envs.count};
    episode_envs_save(&q->envs, w, "q_learning/envs");
    checkpoint_put(w, "q_learning/table", DTYPE_F32, 2, table, q->table, NULL);
    checkpoint_put(w, "q_learning/visits", DTYPE_I32, 2, table, q->visits, NULL);
    checkpoint_put(w, "q_learning/action", DTYPE_I32, 1, n, q->action, NULL);
    checkpoint_put_rng(w, "q_learning/rng", &q->rng);
    checkpoint_put_long(w, "q_learning/steps", q->steps);
    episode_record_save(&q->record, w);
}

static enum status q_learning_load(void *self, struct checkpoint_reader *r) {
    struct q_learning *q = self;
    int64_t table[] = {q->states, q->actions}, n[] = {q->envs.count};
    TRY(episode_envs_load(&q->envs, r, "q_learning/envs"));
    see_states(q);
    TRY(checkpoint_get(r, "q_learning/table", DTYPE_F32, 2, table, q->table));
    TRY(checkpoint_get(r, "q_learning/visits", DTYPE_I32, 2, table, q->visits));
    TRY(checkpoint_get(r, "q_learning/action", DTYPE_I32, 1, n, q->action));
    TRY(checkpoint_get_rng(r, "q_learning/rng", &q->rng));
    TRY(checkpoint_get_long(r, "q_learning/steps", &q->steps));
    return episode_record_load(&q->record, r);
}

static enum status q_learning_init_weights(void *self, struct checkpoint_reader *r) {
    (void)self;
    (void)r;
    return status_fail(STATUS_USAGE, "q_learning has a table and no weights to begin with");
}

/* ---- what was learnt -------------------------------------------------------------------------------------
 */

static bool was_visited(const struct q_learning *q, int state) {
    int64_t visits = 0;
    for (int a = 0; a < q->actions; a++)
        visits += q->visits[(size_t)state * (size_t)q->actions + (size_t)a];
    return visits > 0;
}

/* "up" as an arrow where the environment has one, else the action's number. */
static const char *action_sign(const struct q_learning *q, int action, char text[16]) {
    if (action < ENV_SIGNS && q->envs.spec.signs[action]) return q->envs.spec.signs[action];
    snprintf(text, 16, "%d", action);
    return text;
}

static void show_table(const struct q_learning *q, const struct report *report) {
    enum { COLUMNS = 16 };
    char line[32 * COLUMNS], sign[16];
    int columns = q->actions < COLUMNS ? q->actions : COLUMNS, used = snprintf(line, sizeof line, "   state");
    /* A sign is one letter wide, whatever its bytes. */
    for (int a = 0; a < columns; a++)
        used += snprintf(line + used, sizeof line - (size_t)used, "%9s%s", "", action_sign(q, a, sign));
    report_note(report, "What actions are worth, in the states where any was taken (row, column):\n%s", line);
    for (int s = 0; s < q->states; s++) {
        if (!was_visited(q, s)) continue;
        used = snprintf(line, sizeof line, "%4d,%3d", s / q->envs.spec.w, s % q->envs.spec.w);
        for (int a = 0; a < columns; a++)
            used += snprintf(line + used, sizeof line - (size_t)used, "%10.2f",
                             (double)q->table[s * q->actions + a]);
        report_note(report, "%s", line);
    }
}

/* The map, with the best action beside each cell's letter. */
static void show_policy(const struct q_learning *q, const struct report *report) {
    const struct env_spec *spec = &q->envs.spec;
    char *line = mem_alloc((size_t)spec->w + 1, 16), sign[16];
    report_note(report, "The policy:");
    for (int row = 0; row < spec->h; row++) {
        char *at = line + sprintf(line, "   ");
        for (int column = 0; column < spec->w; column++) {
            int state = row * spec->w + column;
            char letter = spec->map[0] ? spec->map[row * (spec->w + 1) + column] : ' ';
            const char *best = was_visited(q, state) ? action_sign(q, best_action(q, state), sign) : " ";
            at += sprintf(at, " %c%s", letter, best);
        }
        report_note(report, "%s", line);
    }
    mem_free(line);
}

static void q_learning_show(void *self, const struct report *report) {
    const struct q_learning *q = self;
    show_table(q, report);
    show_policy(q, report);
}

/* ---- tengen eval: fresh episodes, the best action each time -----------------------------------------------
 */

static enum status choose_best(void *self, const void *observations, const uint8_t *masks,
                               const uint8_t *begun, int n, void *actions) {
    const struct q_learning *q = self;
    (void)masks;
    (void)begun;
    for (int i = 0; i < n; i++)
        ((int32_t *)actions)[i] = best_action(
            q, env_spec_state(&q->envs.spec, (const float *)observations + (size_t)i * (size_t)q->states));
    return STATUS_OK;
}

static enum status q_learning_evaluate(void *self, struct run *run, int episodes,
                                       const struct report *report) {
    struct q_learning *q = self;
    q_learning_show(q, report);
    struct episode_player player = {q, choose_best};
    return episodes_evaluate(&q->env_config, run, player, episodes, report);
}

/* ---- the table's entry ------------------------------------------------------------------------------------
 */

static void q_learning_close(void *self) {
    struct q_learning *q = self;
    env_batch_close(&q->envs);
    mem_free(q->observations);
    mem_free(q->state);
    mem_free(q->table);
    mem_free(q->visits);
    mem_free(q->action);
    memset(q, 0, sizeof *q);
}

static double q_learning_count(const void *self) {
    return (double)((const struct q_learning *)self)->steps;
}

const struct algo algo_q_learning = {
    .name = "q_learning",
    .summary = "a table of what actions are worth, by Q-learning or SARSA",
    .bytes = sizeof(struct q_learning),
    .bind = q_learning_bind,
    .open = q_learning_open,
    .iterate = q_learning_iterate,
    .save = q_learning_save,
    .load = q_learning_load,
    .init_weights = q_learning_init_weights,
    .evaluate = q_learning_evaluate,
    .show = q_learning_show,
    .close = q_learning_close,
    .unit = "steps",
    .count = q_learning_count,
    .sizes = (const struct algo_size[]){{"env.count", NULL, NULL}, {NULL, NULL, NULL}},
    .test_config = "[run]\niterations = 6\n[env]\nname = gridworld\ncount = 4\n"
                   "[q_learning]\ntarget = sarsa\nsteps = 50\nepsilon = 0.3\n",
};
