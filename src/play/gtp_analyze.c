/* Thinking in a GTP session: choosing a move, and showing what is thought.
 *
 * Analysis lines are those of Leela Zero ("info move D4 visits 100 winrate 5012 prior 1234 lcb 4890 order 0
 * pv D4 C3", shares in hundredths of a percent) and KataGo (shares from 0 to 1), all candidates in one line.
 * winrate is (1 + value) / 2 for the player to move; lcb its lower bound winrate - 1.96 sqrt(winrate (1 -
 * winrate) / visits). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gentle.h"
#include "gtp_state.h"
#include "tengen/thread.h"

enum { SIMULATIONS_ALL = 10000000, CANDIDATES = 64 };

/* One thinking: what ends it, and what is shown meanwhile. */
struct thought {
    struct gtp *e;
    double end;       /* by the clock; infinite: not by it */
    bool until_input; /* analysis: the next line of input ends it */
    double interval;  /* seconds between lines of analysis; 0: none */
    bool kata;
    int most; /* candidates shown */
    double next_line;
    bool over;
};

static bool should_stop(void *context) {
    struct thought *t = context;
    if (search_nodes(t->e->thinker.search) == 0) return false; /* there must be something to choose from */
    double now = clock_now();
    t->over = now >= t->end || (t->until_input ? gtp_input_waits(t->e) : gtp_interrupted(t->e));
    return t->over || (t->interval > 0 && now >= t->next_line);
}

/* ---- showing ----------------------------------------------------------------------------------------------
 */

static void show_candidate(const struct thought *t, const struct search_candidate *c, int order) {
    struct gtp *e = t->e;
    char move[16];
    double winrate = (1 + (double)c->value) / 2,
           spread = winrate * (1 - winrate) / (c->visits > 0 ? c->visits : 1);
    double lower = fmax(0, winrate - 1.96 * sqrt(spread));
    e->game->action_text(e->game, c->action, move, sizeof move);
    fprintf(e->out, "%sinfo move %s visits %d ", order ? " " : "", move, c->visits);
    if (t->kata)
        fprintf(e->out, "utility %.4f winrate %.4f prior %.4f lcb %.4f", (double)c->value, winrate,
                (double)c->prior, lower);
    else
        fprintf(e->out, "winrate %d prior %d lcb %d", (int)lround(1e4 * winrate),
                (int)lround(1e4 * (double)c->prior), (int)lround(1e4 * lower));
    fprintf(e->out, " order %d pv", order);
    for (int i = 0; i < c->length; i++) {
        e->game->action_text(e->game, c->variation[i], move, sizeof move);
        fprintf(e->out, " %s", move);
    }
}

/* Candidates with visits, or the first one. */
static void show(const struct thought *t) {
    struct search_candidate candidates[CANDIDATES];
    int count =
        search_candidates(t->e->thinker.search, candidates, t->most < CANDIDATES ? t->most : CANDIDATES);
    for (int i = 0; i < count; i++)
        if (i == 0 || candidates[i].visits > 0) show_candidate(t, &candidates[i], i);
    fputc('\n', t->e->out);
    fflush(t->e->out);
}

/* ---- thinking ---------------------------------------------------------------------------------------------
 */

static void think(struct thought *t, int simulations) {
    struct thinker *th = &t->e->thinker;
    search_begin(th->search, simulations, false, &t->e->rng);
    do {
        t->next_line = clock_now() + t->interval;
        search_think(th->search, th->evaluator, 0, th->evaluator->batch, should_stop, t);
        if (t->interval > 0) show(t);
    } while (!t->over && !search_done(th->search));
}

/* Thinks about a move within what clock, --time and --simulations allow; shows it if `t` says so. */
static int choose(struct thought *t, int player) {
    struct gtp *e = t->e;
    gtp_turn(e, player);
    struct player_options *o = &e->options.player;
    if (!e->thinks) return gentle_move(e->game, e->position, true, &e->rng);
    if (o->simulations == 0 && t->interval <= 0)
        return thinker_policy_move(&e->thinker, e->position, o->temperature, &e->rng);
    double start = clock_now();
    double budget = gtp_clock_budget(&e->clocks[player], e->game->width * e->game->height, e->move_count);
    if (e->options.seconds > 0 && (budget <= 0 || budget > e->options.seconds)) budget = e->options.seconds;
    t->end = budget > 0 ? start + budget : INFINITY;
    think(t, budget > 0 || o->simulations == 0 ? SIMULATIONS_ALL : o->simulations);
    gtp_clock_spend(&e->clocks[player], clock_now() - start);
    return search_choose(e->thinker.search, o->temperature, &e->rng);
}

int gtp_think(struct gtp *e, int player) {
    struct thought t = {.e = e};
    return choose(&t, player);
}

/* ---- commands ---------------------------------------------------------------------------------------------
 */

/* Arguments of Leela Zero ("[COLOUR] [CENTISECONDS]") and KataGo ("[COLOUR] interval N maxmoves N ..."):
 * colour, a bare number for the interval, or key and value. */
static bool read_arguments(struct gtp *e, const struct gtp_call *call, struct thought *t, int *player) {
    *player = e->game->to_play(e->game, e->position);
    t->interval = 1;
    t->most = CANDIDATES;
    for (int i = 1; i < call->count; i++) {
        const char *word = call->words[i], *value = i + 1 < call->count ? call->words[i + 1] : "";
        char *end;
        double number = strtod(word, &end);
        if (gtp_colour(word) >= 0) {
            *player = gtp_colour(word);
        } else if (!*end && number > 0) {
            t->interval = number / 100;
        } else if (strcmp(word, "avoid") == 0 || strcmp(word, "allow") == 0) {
            return gtp_fail(e, "%s is not supported", word);
        } else { /* options of others that do not matter here are passed over with their values */
            if (strcmp(word, "interval") == 0 && atof(value) > 0) t->interval = atof(value) / 100;
            if (strcmp(word, "maxmoves") == 0 && atoi(value) > 0) t->most = atoi(value);
            i++;
        }
    }
    if (!e->thinks) return gtp_fail(e, "there is no search to show: moves are random");
    return true;
}

/* An error is an answer of its own; otherwise lines follow until the empty one. */
static bool begin(struct gtp *e, const struct gtp_call *call, struct thought *t, int *player) {
    if (!read_arguments(e, call, t, player)) {
        fflush(e->reply);
        return false;
    }
    fprintf(e->out, "=%s\n", call->id);
    fflush(e->out);
    return true;
}

static bool analyze(struct gtp *e, struct gtp_call *call, bool kata) {
    struct thought t = {.e = e, .until_input = true, .end = INFINITY, .kata = kata};
    int player;
    if (!begin(e, call, &t, &player)) return false;
    gtp_turn(e, player);
    if (e->input < 0) t.end = clock_now() + t.interval; /* no input could end it */
    think(&t, SIMULATIONS_ALL);
    if (!t.over) gtp_input_wait(e, INFINITY); /* nothing is left to think about */
    fputc('\n', e->out);
    fflush(e->out);
    return true;
}

static bool genmove_analyze(struct gtp *e, struct gtp_call *call, bool kata) {
    struct thought t = {.e = e, .kata = kata};
    int player;
    if (!begin(e, call, &t, &player)) return false;
    int action = choose(&t, player);
    char move[16];
    e->game->action_text(e->game, action, move, sizeof move);
    bool legal = gtp_play(e, player, action);
    ENSURE(legal, "the search chose %s, which is illegal", move);
    fprintf(e->out, "play %s\n\n", move);
    fflush(e->out);
    return true;
}

bool gtp_lz_analyze(struct gtp *e, struct gtp_call *call) {
    return analyze(e, call, false);
}
bool gtp_kata_analyze(struct gtp *e, struct gtp_call *call) {
    return analyze(e, call, true);
}
bool gtp_lz_genmove_analyze(struct gtp *e, struct gtp_call *call) {
    return genmove_analyze(e, call, false);
}
bool gtp_kata_genmove_analyze(struct gtp *e, struct gtp_call *call) {
    return genmove_analyze(e, call, true);
}
