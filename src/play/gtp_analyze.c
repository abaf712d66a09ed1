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

enum { SIMULATIONS_ALL = 10000000, CANDIDATES = 64, RESIGN_VISITS = 50, RESIGN_MOVES = 3 };

/* One thinking: what ends it, and what is shown meanwhile. */
struct thought {
    struct gtp *e;
    double end;       /* by the clock; infinite: not by it */
    bool until_input; /* analysis: the next line of input ends it */
    double interval;  /* seconds between lines of analysis; 0: none */
    bool kata;
    int least, most; /* candidates shown: so many even without visits, and no more than */
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

/* Candidates with visits, and the first ones. */
static void show(const struct thought *t) {
    struct search_candidate candidates[CANDIDATES];
    int count =
        search_candidates(t->e->thinker.search, candidates, t->most < CANDIDATES ? t->most : CANDIDATES);
    for (int i = 0; i < count; i++)
        if (i < t->least || candidates[i].visits > 0) show_candidate(t, &candidates[i], i);
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
        thinker_warn_if_full(th);
        if (t->interval > 0) show(t);
    } while (!t->over && !search_done(th->search));
}

/* What the search thinks of the game, if it is sure of it: by enough visits or by proof. */
static double winrate(const struct search *s) {
    int visits[GAME_ACTIONS_MAX];
    bool sure = search_proved(s) != 0 || search_visits(s, visits) >= RESIGN_VISITS;
    return sure ? (1 + (double)search_value(s)) / 2 : NAN;
}

/* Thinks about a move within what clock, --time and --simulations allow; shows it if `t` says so. */
static int choose(struct thought *t, int player) {
    struct gtp *e = t->e;
    gtp_turn(e, player);
    e->winrate = NAN;
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
    e->winrate = winrate(e->thinker.search);
    return search_choose(e->thinker.search, o->temperature, &e->rng);
}

int gtp_think(struct gtp *e, int player) {
    struct thought t = {.e = e};
    return choose(&t, player);
}

bool gtp_resigns(struct gtp *e, int player) {
    bool hopeless = e->winrate < e->options.resign; /* false of NAN */
    e->hopeless[player] = hopeless ? e->hopeless[player] + 1 : 0;
    return e->hopeless[player] >= RESIGN_MOVES;
}

/* ---- arguments of analysis --------------------------------------------------------------------------------
 */

/* Options of others that ask for more than a line of ours has: taken, and nothing is added. */
static bool adds_nothing(const char *key) {
    static const char *const keys[] = {"ownership", "ownershipStdev", "movesOwnership", "movesOwnershipStdev",
                                       "pvVisits",  "pvEdgeVisits",   "rootInfo",       "noResultValue"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static bool read_option(struct gtp *e, const char *key, const char *value, struct thought *t) {
    double number;
    bool seconds = strcmp(key, "interval") == 0, most = strcmp(key, "maxmoves") == 0;
    if (strcmp(key, "avoid") == 0 || strcmp(key, "allow") == 0)
        return gtp_fail(e, "%s is not supported", key);
    if (!seconds && !most && strcmp(key, "minmoves") != 0 && !adds_nothing(key))
        return gtp_fail(e, "unknown argument %s", key);
    if (!value) return gtp_fail(e, "%s needs a value", key);
    if (adds_nothing(key))
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0 ||
               gtp_fail(e, "%s is true or false, not %s", key, value);
    if (!gtp_number(e, value, &number)) return false;
    if (number < (seconds ? 0 : 1)) return gtp_fail(e, "%s: %s is too small", key, value);
    if (seconds)
        t->interval = number / 100;
    else if (most)
        t->most = (int)fmin(number, CANDIDATES);
    else
        t->least = (int)fmin(number, CANDIDATES);
    return true;
}

/* Arguments of Leela Zero ("[COLOUR] [CENTISECONDS]") and KataGo ("[COLOUR] interval N maxmoves N ..."):
 * colour, a bare number for the interval, or key and value. */
static bool read_arguments(struct gtp *e, const struct gtp_call *call, struct thought *t, int *player) {
    *player = e->game->to_play(e->game, e->position);
    t->interval = 1;
    t->least = 1;
    t->most = CANDIDATES;
    for (int i = 1; i < call->count; i++) {
        const char *word = call->words[i];
        bool colour = gtp_colour(word) >= 0, number = !colour && strspn(word, "+-.0123456789") > 0;
        const char *value = number ? word : i + 1 < call->count ? call->words[i + 1] : NULL;
        if (colour)
            *player = gtp_colour(word);
        else if (!read_option(e, number ? "interval" : word, value, t))
            return false;
        i += !colour && !number;
    }
    if (!e->thinks) return gtp_fail(e, "there is no search to show: moves are random");
    return true;
}

/* ---- commands ---------------------------------------------------------------------------------------------
 */

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
    if (gtp_resigns(e, player)) {
        snprintf(move, sizeof move, "resign");
    } else {
        bool legal = gtp_play(e, player, action);
        ENSURE(legal, "the search chose %s, which is illegal", move);
    }
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
