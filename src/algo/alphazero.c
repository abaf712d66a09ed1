/* AlphaZero (Silver et al. 2017 "Mastering the game of Go without human knowledge", 2018 "A general
 * reinforcement learning algorithm"): one residual network, self-play with search, learning from a window of
 * games.
 *
 *     iterate:  1. self-play: one round in every game slot, with the actor's weights
 *               2. learning: as many steps as the positions of earlier rounds have paid for
 *               3. finished games join the window
 *               4. the actor takes the learner's weights (AlphaZero), or takes them when they have won a
 *                  gatekeeper match (AlphaGo Zero)
 *               5. figures
 *
 * Self-play and learning have nothing in common but what both only read, so `overlap` runs them at the same
 * time, with threads and a queue for each; the results are the same bits.
 *
 * Differences to the papers, each a key of the config: playout-cap randomisation (Wu 2019), symmetries, a
 * window that grows with the games played, a share of the search's value in the value target.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/algo.h"
#include "tengen/board_input.h"
#include "tengen/file.h"
#include "tengen/game_window.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/net_evaluator.h"
#include "tengen/phase.h"
#include "tengen/player.h"
#include "tengen/selfplay.h"
#include "tengen/sgf.h"

#define ALPHAZERO_CONFIG(F, S)                                                                               \
    F(S, int_or_auto, batch, 256, 1, 65536, "positions a learning step; auto: 256, or what fits")            \
    F(S, float, reuse, 4, 0.01, 1000,                                                                        \
      "times a new position is sampled on average: learning steps a new position")                           \
    F(S, int, window, 20000, 1, 100000000, "games in the window at most")                                    \
    F(S, float, window_share, 0.5, 0, 1,                                                                     \
      "the window holds this share of all games so far (0: the maximum), but at least window_start")         \
    F(S, int, window_start, 500, 1, 100000000, "games in the window at least, before the oldest leave")      \
    F(S, int, start_games, 128, 1, 100000000, "games before learning starts")                                \
    F(S, float, value_weight, 1, 0, 100, "of the value loss beside the policy loss")                         \
    F(S, float, search_value, 0, 0, 1,                                                                       \
      "share of the search's root value in the value target; the rest is the game's result")                 \
    F(S, bool, symmetries, true, 0, 0, "learn under random symmetries")                                      \
    F(S, choice, overlap, "auto", 0, 0,                                                                      \
      "auto | true | false; self-play and learning at the same time, auto: on a GPU; results stay the same") \
    F(S, int, gate_every, 0, 0, 1000000,                                                                     \
      "iterations between gatekeeper matches; 0: none, the newest weights play")                             \
    F(S, int, gate_games, 100, 2, 100000, "games of a gatekeeper match")                                     \
    F(S, float, gate_threshold, 0.55, 0, 1, "score with which the learner's weights replace the actor's")    \
    F(S, int, sample_every, 20, 0, 1000000,                                                                  \
      "iterations between games written to the run's folder games/; 0: none")                                \
    F(S, int, eval_simulations, 64, 1, 1000000,                                                              \
      "tengen eval: simulations a move of both sides in the match against the untrained network")
CONFIG_STRUCT(alphazero_config, ALPHAZERO_CONFIG)
CONFIG_TABLE(alphazero_config, ALPHAZERO_CONFIG)

struct alphazero {
    struct alphazero_config config;
    struct game_config game_config;
    struct model_config net_config;
    struct optimiser_config optimiser_config;
    struct search_config search_config;
    struct selfplay_config selfplay_config;

    struct game *game;
    struct net *net;   /* the learner's */
    struct net *actor; /* plays with the weights of an iteration before */
    /* Where the two overlap: threads of their own for each, the learner's queue, and a pool of two that runs
     * both. Else these are the run's, and `both` is NULL. */
    struct pool *both, *acting, *learning;
    struct queue *queue;
    struct plan *plan;
    struct optimiser *optimiser;
    struct evaluator *evaluator;
    struct selfplay *selfplay;
    struct game_window window;
    struct rng sample_rng;
    double credit;       /* learning steps that positions have paid for and that are not done yet */
    int64_t gate_passes; /* gatekeeper matches won */

    /* one learning batch: host staging [batch, ...], device targets; losses of LOSS_STEPS batches */
    struct window_sample *samples;
    struct board_input input;
    float *policy, *value, *losses;
    struct tensor device_policy, device_value, policy_losses, value_losses;
    uint8_t *scratch; /* a position for each worker */
    struct selfplay_stats before;
    bool full_said; /* that trees are too small */
};

enum {
    ENCODE_SLICE = 16,
    GROUP_MOST = 256, /* games of a group where it may be chosen */
    LOSS_STEPS = 64,  /* learning steps whose losses stay on the device until they are read together */
};

static void alphazero_bind(void *self, struct config *c) {
    struct alphazero *a = self;
    config_bind(c, "game", game_config_keys, &a->game_config, "the game");
    config_bind(c, "net", model_config_keys, &a->net_config, "the network");
    config_bind(c, "alphazero", alphazero_config_keys, &a->config, "learning from self-play");
    config_bind(c, "optimiser", optimiser_config_keys, &a->optimiser_config,
                "the optimiser; schedules run on iterations");
    config_bind(c, "search", search_config_keys, &a->search_config, "the tree search of self-play");
    config_bind(c, "selfplay", selfplay_config_keys, &a->selfplay_config, "self-play");
}

static struct model_shape net_shape(const struct game *g) {
    return (struct model_shape){g->height, g->width, g->planes, g->actions, false};
}

/* Half of the threads act, half learn, where both go on at the same time. */
static enum status alphazero_open_workers(struct alphazero *a, struct run *run) {
    bool ask = strcmp(a->config.overlap, "auto") == 0, gpu = run->device->kind != DEVICE_CPU;
    a->acting = a->learning = run->pool;
    a->queue = run->queue;
    if (ask ? gpu : strcmp(a->config.overlap, "true") == 0) {
        int threads = pool_threads(run->pool), half = threads > 1 ? threads / 2 : 1;
        a->both = pool_create(2);
        a->acting = pool_create(threads > half ? threads - half : 1);
        a->learning = pool_create(half);
        TRY(queue_open(run->device, half, &a->queue));
    }
    a->queue->label = "learning";
    return STATUS_OK;
}

static void alphazero_open_batch(struct alphazero *a, struct run *run) {
    ACCOUNT("batches");
    size_t batch = (size_t)a->config.batch;
    int n = a->config.batch, actions = a->game->actions;
    a->samples = MEM_NEW(struct window_sample, batch);
    board_input_init(&a->input, a->game, a->queue, n);
    a->policy = MEM_NEW(float, batch *(size_t)actions);
    a->value = MEM_NEW(float, batch);
    a->losses = MEM_NEW(float, LOSS_STEPS *batch);
    a->scratch = mem_alloc((size_t)pool_threads(a->learning), a->game->position_bytes);
    a->device_policy =
        tensor_2(device_alloc(run->device, batch * (size_t)actions * 4), DTYPE_F32, n, actions);
    a->device_value = tensor_2(device_alloc(run->device, batch * 4), DTYPE_F32, n, 1);
    a->policy_losses = tensor_2(device_alloc(run->device, LOSS_STEPS * batch * 4), DTYPE_F32, LOSS_STEPS, n);
    a->value_losses = tensor_2(device_alloc(run->device, LOSS_STEPS * batch * 4), DTYPE_F32, LOSS_STEPS, n);
}

static enum status alphazero_open(void *self, struct run *run) {
    struct alphazero *a = self;
    const struct selfplay_config *s = &a->selfplay_config;
    if (s->games % s->group)
        return status_fail(STATUS_USAGE, "[selfplay] group = %d: must divide games = %d", s->group, s->games);
    if (a->config.window_start > a->config.window)
        return status_fail(STATUS_USAGE, "[alphazero] window_start = %d: must be at most window = %d",
                           a->config.window_start, a->config.window);
    TRY(game_create(&a->game_config, &a->game));
    TRY(model_create(&a->net_config, net_shape(a->game), run->device, &a->net));
    TRY(net_initialise(a->net, (uint64_t)run->config.seed));
    TRY(model_create(&a->net_config, net_shape(a->game), run->device, &a->actor));
    TRY(net_copy(a->actor, a->net));
    TRY(alphazero_open_workers(a, run));
    TRY(plan_create(a->net, a->queue, PLAN_TRAIN, run->precision, a->config.batch, &a->plan));
    TRY(optimiser_create(a->net, a->queue, &a->optimiser_config, &a->optimiser));
    TRY(net_evaluator_create(a->game, a->actor, run->device, s->games / s->group, 1,
                             s->group * a->search_config.leaves, run->precision, &a->evaluator));
    TRY(selfplay_create(a->game, s, &a->search_config, a->evaluator, a->acting, (uint64_t)run->config.seed,
                        &a->selfplay));
    window_init(&a->window, a->game, a->config.window);
    a->sample_rng = rng_make((uint64_t)run->config.seed, RNG_SAMPLE, 0);
    alphazero_open_batch(a, run);
    return STATUS_OK;
}

/* ---- 2. learning ----------------------------------------------------------------------------------------
 */

static void encode_slice(void *context, int slice) {
    struct alphazero *a = context;
    const struct game *g = a->game;
    void *scratch = a->scratch + (size_t)pool_worker() * g->position_bytes;
    PHASE("encode");
    int end = (slice + 1) * ENCODE_SLICE;
    if (end > a->config.batch) end = a->config.batch;
    for (int i = slice * ENCODE_SLICE; i < end; i++)
        window_encode(&a->window, &a->samples[i], a->config.search_value, scratch,
                      game_batch_from(g, a->input.batch, i), a->policy + (size_t)i * (size_t)g->actions,
                      &a->value[i]);
}

/* Row `i` of losses [LOSS_STEPS, batch]. */
static struct tensor losses_row(struct tensor losses, int i) {
    int n = losses.dims[1];
    return tensor_1((float *)losses.data + (size_t)i * (size_t)n, DTYPE_F32, n);
}

static void draw_samples(struct alphazero *a) {
    PHASE("sample");
    for (int i = 0; i < a->config.batch; i++)
        a->samples[i] = window_draw(&a->window, &a->sample_rng, a->config.symmetries);
}

/* loss = cross-entropy(policy, visits) + value_weight (v - z)^2, mean over the batch; L2 is the optimiser's.
 * The losses go to `row`. Nothing waits for the device. */
static void learn_step(struct alphazero *a, const struct run *run, int row) {
    struct queue *q = a->queue;
    int n = a->config.batch;
    draw_samples(a);
    pool_run(a->learning, (n + ENCODE_SLICE - 1) / ENCODE_SLICE, encode_slice, a);
    board_input_run(&a->input, q, plan_input(a->plan, "observation"), n);
    queue_upload(q, a->device_policy, a->policy);
    queue_upload(q, a->device_value, a->value);
    plan_forward(a->plan, n);
    q->op->cross_entropy(q, losses_row(a->policy_losses, row), plan_output_gradient(a->plan, "policy"),
                         plan_output(a->plan, "policy"), a->device_policy, tensor_none(), tensor_none(),
                         1.0f / (float)n);
    q->op->squared_error(q, losses_row(a->value_losses, row), plan_output_gradient(a->plan, "value"),
                         plan_output(a->plan, "value"), a->device_value, tensor_none(),
                         a->config.value_weight / (float)n);
    plan_backward(a->plan, n);
    optimiser_step(a->optimiser, (double)run->iteration);
}

struct learn_figures {
    int steps;
    double policy_loss, value_loss, norm, seconds;
    double iteration_seconds; /* all of the iteration, self-play included */
};

/* Adds the mean of each of the first `rows` rows to *to (waits). */
static void means_add(struct alphazero *a, struct tensor losses, int rows, double *to) {
    const float *row = a->losses;
    if (rows > 0) queue_download(a->queue, a->losses, tensor_head(losses, rows));
    for (int i = 0; i < rows; i++, row += a->config.batch) {
        double sum = 0;
        for (int k = 0; k < a->config.batch; k++)
            sum += (double)row[k];
        *to += sum / a->config.batch;
    }
}

static void losses_read(struct alphazero *a, int rows, struct learn_figures *f) {
    means_add(a, a->policy_losses, rows, &f->policy_loss);
    means_add(a, a->value_losses, rows, &f->value_loss);
}

static enum status learn(struct alphazero *a, const struct run *run, struct learn_figures *f) {
    PHASE("learn");
    double start = clock_now();
    if (a->window.total_games >= a->config.start_games && a->window.count > 0) {
        for (; a->credit >= 1; a->credit -= 1, f->steps++) {
            learn_step(a, run, f->steps % LOSS_STEPS);
            if ((f->steps + 1) % LOSS_STEPS == 0) losses_read(a, LOSS_STEPS, f);
        }
        losses_read(a, f->steps % LOSS_STEPS, f);
    }
    if (f->steps > 0) {
        float norm;
        TRY(optimiser_norm(a->optimiser, &norm));
        f->norm = (double)norm;
        f->policy_loss /= f->steps;
        f->value_loss /= f->steps;
        if (!isfinite(f->policy_loss) || !isfinite(f->value_loss))
            return status_fail(
                STATUS_NUMERIC,
                "the loss is not finite (policy %g, value %g): lower optimiser.rate, or set optimiser.clip",
                f->policy_loss, f->value_loss);
    }
    f->seconds = clock_now() - start;
    return STATUS_OK;
}

/* ---- 3. the window --------------------------------------------------------------------------------------
 */

static int window_limit(const struct alphazero *a) {
    if (a->config.window_share <= 0) return a->config.window;
    double limit = (double)a->window.total_games * (double)a->config.window_share;
    if (limit < a->config.window_start) limit = a->config.window_start;
    return limit < a->config.window ? (int)limit : a->config.window;
}

/* Every `sample_every` iterations the first game that ended is kept for people to look at. */
static enum status write_sample_game(struct alphazero *a, const struct run *run,
                                     const struct game_record *r) {
    if (strcmp(a->game->name, "go") != 0) return STATUS_OK;
    int actions[2 * 25 * 25 + 1];
    if (r->move_count > (int)(sizeof actions / sizeof *actions)) return STATUS_OK;
    for (int m = 0; m < r->move_count; m++)
        actions[m] = r->actions[m];
    char path[640], result[32], name[64];
    if (r->result == 0) {
        snprintf(result, sizeof result, "0");
    } else if (r->resigned) {
        snprintf(result, sizeof result, "%c+R", r->result > 0 ? 'B' : 'W');
    } else {
        snprintf(result, sizeof result, "%c+%g", r->result > 0 ? 'B' : 'W', fabs((double)r->score));
    }
    snprintf(name, sizeof name, "self-play, iteration %lld", (long long)run->iteration + 1);
    snprintf(path, sizeof path, "%s/games/%09lld.sgf", run->dir, (long long)run->iteration + 1);
    struct sgf_info info = {.black = name, .white = name, .result = result};
    char *text = sgf_text(a->game, actions, r->move_count, &info, NULL);
    enum status s = file_write(path, text, strlen(text));
    mem_free(text);
    return s;
}

/* ---- 4. who plays next ----------------------------------------------------------------------------------
 */

/* One side of a match: a player for each worker. */
static enum status open_players(struct alphazero *a, struct run *run, struct net *net, int simulations,
                                uint64_t seed, const char *name, struct player *players) {
    struct player_options options = {.search = a->search_config,
                                     .simulations = simulations,
                                     .seed = seed,
                                     .threads = 1,
                                     .precision = run->precision};
    for (int i = 0; i < pool_threads(run->pool); i++)
        TRY(net ? player_network(a->game, net, run->device, &options, name, &players[i])
                : player_random(seed, false, &players[i]));
    return STATUS_OK;
}

/* `second` NULL: uniform random play. The result does not depend on the number of threads. */
static enum status match_nets(struct alphazero *a, struct run *run, struct net *first, struct net *second,
                              int simulations_first, int simulations_second, int games, uint64_t seed,
                              bool progress, struct match_result *result) {
    int workers = pool_threads(run->pool);
    struct player *one = MEM_NEW(struct player, workers), *two = MEM_NEW(struct player, workers);
    enum status s = open_players(a, run, first, simulations_first, seed, "learner", one);
    if (s == STATUS_OK) s = open_players(a, run, second, simulations_second, seed, "other", two);
    if (s == STATUS_OK) {
        struct match_options m = {
            .games = games, .opening_moves = 2, .seed = seed, .progress = progress, .to_the_end = true};
        s = match_play_many(a->game, one, two, workers, &m, result);
    }
    for (int i = 0; i < workers; i++) {
        player_close(&one[i]);
        player_close(&two[i]);
    }
    mem_free(one);
    mem_free(two);
    return s;
}

/* *score: of the gatekeeper's match, where there is one. */
static enum status hand_over(struct alphazero *a, struct run *run, double *score) {
    if (a->config.gate_every == 0) return net_copy(a->actor, a->net);
    if ((run->iteration + 1) % a->config.gate_every) return STATUS_OK;
    PHASE("gatekeeper");
    struct match_result result;
    int simulations = a->search_config.simulations;
    TRY(match_nets(a, run, a->net, a->actor, simulations, simulations, a->config.gate_games,
                   (uint64_t)(run->config.seed + run->iteration), false, &result));
    *score = result.score;
    /* Both as floats, so that 55 of 100 games reach a threshold of 0.55. */
    bool won = (float)result.score >= a->config.gate_threshold;
    if (won) {
        TRY(net_copy(a->actor, a->net));
        a->gate_passes++;
    }
    log_info("gatekeeper: score %.3f of %d games, %s", result.score, result.games,
             won ? "the learner's weights play from now on" : "not replaced");
    return STATUS_OK;
}

/* ---- 5. figures -----------------------------------------------------------------------------------------
 */

static void figures(struct alphazero *a, struct run *run, const struct learn_figures *f, double gate_score) {
    const struct selfplay_stats *now = selfplay_totals(a->selfplay), *then = &a->before;
    double games = (double)(now->games - then->games), seconds = now->total_seconds - then->total_seconds;
    double per_game = games > 0 ? 1 / games : 0;
    run_metric(run, "games", (double)now->games);
    run_metric(run, "moves", (double)now->moves);
    run_metric(run, "positions", (double)a->window.total_positions);
    run_metric(run, "steps", (double)optimiser_steps(a->optimiser));
    run_metric(run, "policy_loss", f->policy_loss);
    run_metric(run, "value_loss", f->value_loss);
    run_metric(run, "gradient_norm", f->norm);
    run_metric(run, "rate", (double)schedule_value(&a->optimiser_config.rate, (double)run->iteration));
    run_metric(run, "game_length", (now->length_sum - then->length_sum) * per_game);
    run_metric(run, "first_player_wins", (now->first_player_wins - then->first_player_wins) * per_game);
    run_metric(run, "draws", (now->draws - then->draws) * per_game);
    run_metric(run, "resigned", (double)(now->resigned - then->resigned) * per_game);
    run_metric(run, "resign_threshold", (double)selfplay_resign_threshold(a->selfplay));
    /* Of the games played out so far: those that fell below the threshold, and those of them that were not
     * lost. */
    run_metric(run, "played_out", (double)now->played_out);
    run_metric(run, "would_resign", (double)now->would_resign);
    run_metric(run, "false_positives", (double)now->false_positives);
    run_metric(run, "window_games", a->window.count);
    run_metric(run, "gate_score", gate_score);
    run_metric(run, "network_share",
               seconds > 0 ? (now->network_seconds - then->network_seconds) / seconds : 0);
    run_metric(run, "evaluations", (double)(now->evaluations - then->evaluations));
    run_metric(run, "learn_seconds", f->seconds);
    char rate[32];
    progress_quantity((double)(now->evaluations - then->evaluations) / f->iteration_seconds, rate,
                      sizeof rate);
    run_detail(run, "%lld steps, %s positions/s, policy %.3f value %.3f",
               (long long)optimiser_steps(a->optimiser), rate, f->policy_loss, f->value_loss);
    a->before = *now;
}

/* 1 and 2: piece 0 is the main thread's. */
struct round {
    struct alphazero *a;
    const struct run *run;
    struct game_record *finished;
    int count;
    struct learn_figures learnt;
    enum status status[2];
    char why[2][512];
};

static void round_piece(void *context, int i) {
    struct round *r = context;
    struct alphazero *a = r->a;
    if (i == 0) {
        selfplay_run(a->selfplay, &r->finished, &r->count);
        r->status[i] = net_evaluator_wait(a->evaluator);
    } else {
        r->status[i] = learn(a, r->run, &r->learnt);
    }
    if (r->status[i] != STATUS_OK) snprintf(r->why[i], sizeof r->why[i], "%s", status_text());
}

static enum status round_run(struct round *r) {
    PHASE("wait for learner"); /* where it is the last */
    pool_run(r->a->both, 2, round_piece, r);
    if (r->status[0] != STATUS_OK && r->status[1] != STATUS_OK)
        return status_fail(r->status[0], "self-play: %s; learning: %s", r->why[0], r->why[1]);
    for (int i = 0; i < 2; i++)
        if (r->status[i] != STATUS_OK) return status_fail(r->status[i], "%s", r->why[i]);
    return STATUS_OK;
}

static void warn_if_full(struct alphazero *a) {
    if (a->full_said || !selfplay_tree_full(a->selfplay)) return;
    log_warn("search trees are full and grow no further: [search] memory = %d MiB is too little for %d "
             "simulations",
             a->search_config.memory, a->search_config.simulations);
    a->full_said = true;
}

static enum status alphazero_iterate(void *self, struct run *run) {
    struct alphazero *a = self;
    double start = clock_now();
    /* 1 and 2. Self-play and learning. */
    struct round r = {.a = a, .run = run};
    enum status s = round_run(&r);
    warn_if_full(a);

    /* 3. The window. New positions pay for learning steps. */
    if (s == STATUS_OK && r.count > 0 && a->config.sample_every > 0 &&
        (run->iteration + 1) % a->config.sample_every == 0)
        s = write_sample_game(a, run, &r.finished[0]);
    for (int i = 0; i < r.count; i++) {
        a->credit += (double)r.finished[i].policy_count * (double)a->config.reuse / a->config.batch;
        window_add(&a->window, &r.finished[i], window_limit(a));
    }
    mem_free(r.finished);
    TRY(s);

    /* 4. Who plays next. */
    double gate_score = NAN; /* no match was played */
    TRY(hand_over(a, run, &gate_score));

    /* 5. Figures. */
    r.learnt.iteration_seconds = clock_now() - start;
    figures(a, run, &r.learnt, gate_score);
    return STATUS_OK;
}

/* ---- state ----------------------------------------------------------------------------------------------
 */

static void alphazero_save(void *self, struct checkpoint_writer *w) {
    struct alphazero *a = self;
    void *data;
    size_t size;
    checkpoint_put_net(w, "net", a->net, a->optimiser);
    if (a->config.gate_every > 0) checkpoint_put_net(w, "actor", a->actor, NULL);
    window_save(&a->window, &data, &size);
    checkpoint_put_bytes(w, "alphazero/window", data, size);
    mem_free(data);
    selfplay_save(a->selfplay, &data, &size);
    checkpoint_put_bytes(w, "alphazero/selfplay", data, size);
    mem_free(data);
    checkpoint_put_rng(w, "alphazero/sample_rng", &a->sample_rng);
    checkpoint_put_double(w, "alphazero/credit", a->credit);
    checkpoint_put_long(w, "alphazero/gate_passes", a->gate_passes);
}

static enum status alphazero_load(void *self, struct checkpoint_reader *r) {
    struct alphazero *a = self;
    void *data;
    size_t size;
    TRY(checkpoint_get_net(r, "net", a->net, a->optimiser));
    TRY(a->config.gate_every > 0 ? checkpoint_get_net(r, "actor", a->actor, NULL)
                                 : net_copy(a->actor, a->net));
    TRY(checkpoint_get_bytes(r, "alphazero/window", &data, &size));
    enum status s = window_load(&a->window, data, size);
    mem_free(data);
    TRY(s);
    TRY(checkpoint_get_bytes(r, "alphazero/selfplay", &data, &size));
    s = selfplay_load(a->selfplay, data, size);
    mem_free(data);
    TRY(s);
    TRY(checkpoint_get_rng(r, "alphazero/sample_rng", &a->sample_rng));
    TRY(checkpoint_get_double(r, "alphazero/credit", &a->credit));
    TRY(checkpoint_get_long(r, "alphazero/gate_passes", &a->gate_passes));
    a->before = *selfplay_totals(a->selfplay);
    return STATUS_OK;
}

static enum status alphazero_init_weights(void *self, struct checkpoint_reader *r) {
    struct alphazero *a = self;
    TRY(checkpoint_get_net(r, "net", a->net, NULL));
    return net_copy(a->actor, a->net);
}

/* ---- tengen eval: the raw policy against random play, the search against the untrained network
 * ------------- */

static enum status alphazero_evaluate(void *self, struct run *run, int episodes,
                                      const struct report *report) {
    struct alphazero *a = self;
    int games = episodes > 0 ? episodes : 200;
    struct match_result result;
    TRY(match_nets(a, run, a->net, NULL, 0, 0, games, (uint64_t)run->config.seed, true, &result));
    report_value(report, result.score, "score", "eval.policy_vs_random.score");
    report_value(report, (double)result.wins / result.games, "share", "eval.policy_vs_random.wins");

    struct net *untrained;
    TRY(model_create(&a->net_config, net_shape(a->game), run->device, &untrained));
    int simulations = a->config.eval_simulations;
    enum status s = net_initialise(untrained, (uint64_t)run->config.seed);
    if (s == STATUS_OK)
        s = match_nets(a, run, a->net, untrained, simulations, simulations, games, (uint64_t)run->config.seed,
                       true, &result);
    net_free(untrained);
    TRY(s);
    report_value(report, result.score, "score", "eval.search_vs_untrained.score");
    report_value(report, (double)result.wins / result.games, "share", "eval.search_vs_untrained.wins");
    return STATUS_OK;
}

static void alphazero_close(void *self) {
    struct alphazero *a = self;
    struct device *d = a->net ? net_device(a->net) : NULL;
    selfplay_free(a->selfplay);
    net_evaluator_free(a->evaluator);
    optimiser_free(a->optimiser);
    plan_free(a->plan);
    net_free(a->actor);
    net_free(a->net);
    window_free(&a->window);
    board_input_free(&a->input);
    if (d && a->scratch) {
        device_release(d, a->device_policy.data);
        device_release(d, a->device_value.data);
        device_release(d, a->policy_losses.data);
        device_release(d, a->value_losses.data);
    }
    if (a->both) {
        queue_close(a->queue);
        pool_free(a->learning);
        pool_free(a->acting);
        pool_free(a->both);
    }
    mem_free(a->samples);
    mem_free(a->policy);
    mem_free(a->value);
    mem_free(a->losses);
    mem_free(a->scratch);
    game_free(a->game);
    memset(a, 0, sizeof *a);
}

static double alphazero_count(const void *self) {
    const struct alphazero *a = self;
    return (double)selfplay_totals(a->selfplay)->games;
}

static struct net *alphazero_net(void *self) {
    return ((struct alphazero *)self)->net;
}

static struct net *alphazero_acting_net(void *self) {
    return ((struct alphazero *)self)->actor;
}

/* The batch is part of how learning goes; memory alone is no reason for more than the default. */
static int automatic_batch(const void *self, const struct run *run, int most) {
    (void)self, (void)run;
    return most < 256 ? most : 256;
}

static bool allows_group(const void *self, int group) {
    return ((const struct alphazero *)self)->selfplay_config.games % group == 0;
}

static bool allows_games(const void *self, int games) {
    return games % ((const struct alphazero *)self)->selfplay_config.group == 0;
}

/* A group for each thread, if not larger than what a device has use for. */
static int automatic_group(const void *self, const struct run *run, int most) {
    const struct alphazero *a = self;
    const int games = a->selfplay_config.games, each = games / pool_threads(run->pool);
    int group = most < GROUP_MOST ? most : GROUP_MOST;
    if (group > each) group = each > 0 ? each : 1;
    while (!allows_group(a, group))
        group--;
    return group;
}

static const struct algo_idle alphazero_idle[] = {
    {"alphazero", "gate_games gate_threshold", "alphazero.gate_every", "0"},
    {"selfplay", "fast_simulations", "selfplay.full_probability", "1"},
    {"search", "virtual_loss", "search.leaves", "1"},
    {NULL, NULL, NULL, NULL}};

static const struct algo_size alphazero_sizes[] = {{"alphazero.batch", automatic_batch, NULL},
                                                   {"selfplay.group", automatic_group, allows_group},
                                                   {"selfplay.games", NULL, allows_games},
                                                   {NULL, NULL, NULL}};

const struct algo algo_alphazero = {
    .name = "alphazero",
    .summary = "self-play with tree search teaches one residual network a board game",
    .bytes = sizeof(struct alphazero),
    .bind = alphazero_bind,
    .open = alphazero_open,
    .iterate = alphazero_iterate,
    .save = alphazero_save,
    .load = alphazero_load,
    .init_weights = alphazero_init_weights,
    .evaluate = alphazero_evaluate,
    .close = alphazero_close,
    .unit = "games",
    .count = alphazero_count,
    .net = alphazero_net,
    .acting_net = alphazero_acting_net,
    .sizes = alphazero_sizes,
    .idle = alphazero_idle,
    .test_config =
        "[run]\niterations = 6\n[game]\nname = go\nsize = 5\nkomi = 0.5\n"
        "[net]\nblocks = 1\nchannels = 16\nvalue_hidden = 16\n"
        "[search]\nsimulations = 12\n"
        "[selfplay]\ngames = 8\ngroup = 4\nmoves = 30\nfast_simulations = 4\n"
        "[alphazero]\nbatch = 16\nstart_games = 4\nwindow_start = 8\nwindow = 16\nsample_every = 0\n"
        "gate_every = 3\ngate_games = 2\n",
};
