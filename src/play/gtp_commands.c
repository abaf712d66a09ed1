/* The commands of the GTP engine, all but analysis, one function each, and the table of them. */
#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "dead.h"
#include "gtp_state.h"
#include "tengen/go.h"
#include "tengen/sgf.h"
#include "tengen/thread.h"

/* ---- arguments --------------------------------------------------------------------------------------------
 */

static bool need(struct gtp *e, const struct gtp_call *call, int words) {
    return call->count > words ||
           gtp_fail(e, "%s needs %d argument%s", call->words[0], words, words > 1 ? "s" : "");
}

bool gtp_number(struct gtp *e, const char *word, double *value) {
    char *end;
    *value = strtod(word, &end);
    return (end != word && !*end && isfinite(*value)) || gtp_fail(e, "\"%s\" is no number", word);
}

static bool read_colour(struct gtp *e, const char *word, int *player) {
    *player = gtp_colour(word);
    return *player >= 0 || gtp_fail(e, "invalid color");
}

static int points_of(const struct gtp *e) {
    return e->game->width * e->game->height;
}

static void put_vertex(struct gtp *e, int action, const char *before) {
    char text[16];
    e->game->action_text(e->game, action, text, sizeof text);
    fprintf(e->reply, "%s%s", before, text);
}

static void put_score(struct gtp *e, float score) {
    if (score == 0)
        fputs("0", e->reply);
    else
        fprintf(e->reply, "%c+%g", score > 0 ? 'B' : 'W', fabs((double)score));
}

/* ---- about the engine -------------------------------------------------------------------------------------
 */

static bool protocol_version(struct gtp *e, struct gtp_call *call) {
    (void)call;
    fputs("2", e->reply);
    return true;
}

static bool name(struct gtp *e, struct gtp_call *call) {
    (void)call;
    fputs("Tengen", e->reply);
    return true;
}

static bool version(struct gtp *e, struct gtp_call *call) {
    (void)call;
    fputs(e->options.version ? e->options.version : "", e->reply);
    return true;
}

static bool known_command(struct gtp *e, struct gtp_call *call) {
    if (!need(e, call, 1)) return false;
    bool known = false;
    for (const struct gtp_command *c = gtp_commands; c->name; c++)
        known |= strcmp(c->name, call->words[1]) == 0;
    fputs(known ? "true" : "false", e->reply);
    return true;
}

static bool list_commands(struct gtp *e, struct gtp_call *call) {
    (void)call;
    for (const struct gtp_command *c = gtp_commands; c->name; c++)
        fprintf(e->reply, "%s\n", c->name);
    return true;
}

static bool quit(struct gtp *e, struct gtp_call *call) {
    (void)call;
    e->quit = true;
    return true;
}

/* Of all threads; gogui-twogtp and GNU Go's twogtp compare it before and after a game. */
static bool cputime(struct gtp *e, struct gtp_call *call) {
    struct timespec used;
    (void)call;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    fprintf(e->reply, "%.3f", (double)used.tv_sec + 1e-9 * (double)used.tv_nsec);
    return true;
}

/* ---- setting up -------------------------------------------------------------------------------------------
 */

static bool boardsize(struct gtp *e, struct gtp_call *call) {
    double size;
    if (!need(e, call, 1) || !gtp_number(e, call->words[1], &size)) return false;
    if (size < 2 || size > 25 || size != floor(size))
        return gtp_fail(e, "unacceptable size: boards have 2 to 25 lines");
    if (gtp_new_game(e, (int)size, e->game->config.komi) == STATUS_OK) return true;
    return gtp_fail(e, "unacceptable size: %s", status_text());
}

static bool clear_board(struct gtp *e, struct gtp_call *call) {
    (void)call;
    gtp_clear(e);
    return true;
}

static bool komi(struct gtp *e, struct gtp_call *call) {
    double value;
    if (!need(e, call, 1) || !gtp_number(e, call->words[1], &value)) return false;
    if (fabs(value) > 1000) return gtp_fail(e, "komi goes from -1000 to 1000");
    return gtp_set_komi(e, (float)value) == STATUS_OK || gtp_fail(e, "%s", status_text());
}

static bool get_komi(struct gtp *e, struct gtp_call *call) {
    (void)call;
    fprintf(e->reply, "%g", (double)e->game->config.komi);
    return true;
}

/* Area counting is what KGS calls Chinese rules; others would change who wins. */
static bool kgs_rules(struct gtp *e, struct gtp_call *call) {
    static const char *const area[] = {"chinese", "aga", "new_zealand", "tromp-taylor"};
    if (!need(e, call, 1)) return false;
    for (size_t i = 0; i < sizeof area / sizeof *area; i++)
        if (strcasecmp(call->words[1], area[i]) == 0) return true;
    return gtp_fail(e, "unsupported rules: area is counted (chinese)");
}

static bool set_random_seed(struct gtp *e, struct gtp_call *call) {
    double seed;
    if (!need(e, call, 1) || !gtp_number(e, call->words[1], &seed)) return false;
    e->seed = (uint64_t)(int64_t)fmax(-9e15, fmin(9e15, seed));
    e->rng = rng_make(e->seed, RNG_EVAL, 0);
    gtp_turn(e, e->game->to_play(e->game, e->position));
    if (e->thinks) search_clear(e->thinker.search); /* what follows depends on the seed alone */
    return true;
}

static bool get_random_seed(struct gtp *e, struct gtp_call *call) {
    (void)call;
    fprintf(e->reply, "%llu", (unsigned long long)e->seed);
    return true;
}

/* ---- handicap ---------------------------------------------------------------------------------------------
 */

static bool board_is_empty(struct gtp *e) {
    uint8_t board[GAME_ACTIONS_MAX];
    go_board(e->game, e->position, board);
    for (int i = 0; i < points_of(e); i++)
        if (board[i] != GO_EMPTY) return gtp_fail(e, "board not empty");
    return e->move_count == 0 || gtp_fail(e, "board not empty");
}

static bool place_handicap(struct gtp *e, const int *points, int count) {
    uint8_t board[GAME_ACTIONS_MAX] = {0};
    for (int i = 0; i < count; i++) {
        if (points[i] < 0 || points[i] >= points_of(e) || board[points[i]])
            return gtp_fail(e, "bad vertex list");
        board[points[i]] = GO_BLACK;
    }
    if (!gtp_set_up(e, board, 1)) return gtp_fail(e, "bad vertex list");
    return true;
}

/* fixed_handicap and place_free_handicap: the second may place fewer stones than asked for. */
static bool handicap(struct gtp *e, struct gtp_call *call) {
    bool fixed = strcmp(call->words[0], "fixed_handicap") == 0;
    int points[16], count = 0;
    double wanted;
    if (!need(e, call, 1) || !gtp_number(e, call->words[1], &wanted) || !board_is_empty(e)) return false;
    if (wanted < 2 || wanted != floor(wanted) || (fixed && wanted > 9))
        return gtp_fail(e, "invalid number of stones");
    for (int n = wanted > 9 ? 9 : (int)wanted; n >= 2 && count == 0; n--) {
        count = go_fixed_handicap(e->game->width, n, points);
        if (fixed) break;
    }
    if (count == 0) return gtp_fail(e, "invalid number of stones");
    if (!place_handicap(e, points, count)) return false;
    for (int i = 0; i < count; i++)
        put_vertex(e, points[i], i ? " " : "");
    return true;
}

static bool set_free_handicap(struct gtp *e, struct gtp_call *call) {
    int points[GTP_WORDS];
    if (call->count < 3) return gtp_fail(e, "bad vertex list");
    if (!board_is_empty(e)) return false;
    for (int i = 1; i < call->count; i++)
        points[i - 1] = e->game->action_parse(e->game, call->words[i]);
    return place_handicap(e, points, call->count - 1);
}

/* ---- playing ----------------------------------------------------------------------------------------------
 */

static bool play(struct gtp *e, struct gtp_call *call) {
    int player;
    if (!need(e, call, 2) || !read_colour(e, call->words[1], &player)) return false;
    int action = e->game->action_parse(e->game, call->words[2]);
    if (action < 0) return gtp_fail(e, "invalid vertex");
    return gtp_play(e, player, action) || gtp_fail(e, "illegal move");
}

/* The text of a move that was found, and the move on the board. */
static void play_generated(struct gtp *e, int player, int action) {
    bool legal = gtp_play(e, player, action);
    ENSURE(legal, "the engine chose action %d, which is illegal", action);
    put_vertex(e, action, "");
}

static bool genmove(struct gtp *e, struct gtp_call *call) {
    int player;
    if (!need(e, call, 1) || !read_colour(e, call->words[1], &player)) return false;
    int action = gtp_think(e, player);
    if (gtp_resigns(e, player))
        fputs("resign", e->reply);
    else
        play_generated(e, player, action);
    return true;
}

static bool reg_genmove(struct gtp *e, struct gtp_call *call) {
    int player;
    if (!need(e, call, 1) || !read_colour(e, call->words[1], &player)) return false;
    put_vertex(e, gtp_think(e, player), "");
    return true;
}

static bool opponent_has_dead(const struct gtp *e, int player) {
    uint8_t dead[GAME_ACTIONS_MAX];
    dead_stones(e->game, e->position, dead);
    for (int p = 0; p < points_of(e); p++)
        if (dead[p] && go_at(e->game, e->position, p) == (player ? GO_BLACK : GO_WHITE)) return true;
    return false;
}

/* The best move that is no pass, where there is one. */
static int best_but_pass(struct gtp *e, int pass) {
    if (!e->thinks) return pass; /* random moves pass only when nothing else is left */
    if (e->options.player.simulations > 0) {
        struct search_candidate best[2];
        int count = search_candidates(e->thinker.search, best, 2);
        return count > 0 && best[0].action != pass ? best[0].action : count > 1 ? best[1].action : pass;
    }
    float p[GAME_ACTIONS_MAX];
    int best = pass;
    thinker_evaluate(&e->thinker, e->position, p);
    p[pass] = 0;
    for (int a = 0; a < pass; a++)
        if (p[a] > p[best]) best = a;
    return best;
}

/* Does not pass while the opponent has dead stones on the board. */
static bool genmove_cleanup(struct gtp *e, struct gtp_call *call) {
    int player, pass = points_of(e);
    if (!need(e, call, 1) || !read_colour(e, call->words[1], &player)) return false;
    int action = gtp_think(e, player);
    if (action == pass && opponent_has_dead(e, player)) action = best_but_pass(e, pass);
    play_generated(e, player, action);
    return true;
}

static bool undo(struct gtp *e, struct gtp_call *call) {
    (void)call;
    return gtp_undo(e) || gtp_fail(e, "cannot undo");
}

/* ---- time -------------------------------------------------------------------------------------------------
 */

static void set_clocks(struct gtp *e, double main, double period, int stones) {
    for (int player = 0; player < 2; player++)
        gtp_clock_set(&e->clocks[player], main, period, stones);
}

static bool time_settings(struct gtp *e, struct gtp_call *call) {
    double main, period, stones;
    if (!need(e, call, 3) || !gtp_number(e, call->words[1], &main) ||
        !gtp_number(e, call->words[2], &period) || !gtp_number(e, call->words[3], &stones))
        return false;
    if (main < 0 || period < 0 || stones < 0 || stones > 1e6)
        return gtp_fail(e, "times cannot be negative, nor stones more than 1e6");
    set_clocks(e, main, period, (int)stones);
    return true;
}

/* none | absolute MAIN | byoyomi MAIN PERIOD PERIODS | canadian MAIN PERIOD STONES. A byo-yomi period is one
 * for one stone; that there are several of them is not made use of. */
static bool kgs_time_settings(struct gtp *e, struct gtp_call *call) {
    double main = 0, period = 0, stones = 0;
    if (!need(e, call, 1)) return false;
    const char *kind = call->words[1];
    bool periods = strcmp(kind, "byoyomi") == 0 || strcmp(kind, "canadian") == 0;
    if (strcmp(kind, "none") == 0) {
        set_clocks(e, 0, 1, 0);
        return true;
    }
    if (!periods && strcmp(kind, "absolute") != 0) return gtp_fail(e, "unknown time system %s", kind);
    if (!need(e, call, periods ? 4 : 2) || !gtp_number(e, call->words[2], &main)) return false;
    if (periods && (!gtp_number(e, call->words[3], &period) || !gtp_number(e, call->words[4], &stones)))
        return false;
    if (main < 0 || period < 0 || stones < 0 || stones > 1e6)
        return gtp_fail(e, "times cannot be negative, nor stones more than 1e6");
    set_clocks(e, main, period, strcmp(kind, "byoyomi") == 0 ? 1 : (int)stones);
    return true;
}

static bool time_left(struct gtp *e, struct gtp_call *call) {
    int player;
    double left, stones;
    if (!need(e, call, 3) || !read_colour(e, call->words[1], &player) ||
        !gtp_number(e, call->words[2], &left) || !gtp_number(e, call->words[3], &stones))
        return false;
    if (stones < 0 || stones > 1e6) return gtp_fail(e, "stones cannot be negative");
    gtp_clock_left(&e->clocks[player], left > 0 ? left : 0, (int)stones);
    return true;
}

/* ---- the board --------------------------------------------------------------------------------------------
 */

static bool final_score(struct gtp *e, struct gtp_call *call) {
    uint8_t dead[GAME_ACTIONS_MAX];
    (void)call;
    dead_stones(e->game, e->position, dead);
    put_score(e, dead_score(e->game, e->position, dead));
    return true;
}

static bool final_status_list(struct gtp *e, struct gtp_call *call) {
    uint8_t dead[GAME_ACTIONS_MAX];
    if (!need(e, call, 1)) return false;
    bool want_dead = strcmp(call->words[1], "dead") == 0, want_alive = strcmp(call->words[1], "alive") == 0;
    if (!want_dead && !want_alive)
        return strcmp(call->words[1], "seki") == 0 || gtp_fail(e, "the status is one of alive, dead, seki");
    dead_stones(e->game, e->position, dead);
    int listed = 0;
    for (int p = 0; p < points_of(e); p++)
        if (go_at(e->game, e->position, p) != GO_EMPTY && (dead[p] != 0) == want_dead)
            put_vertex(e, p, listed++ ? " " : "");
    return true;
}

static bool list_stones(struct gtp *e, struct gtp_call *call) {
    int player, listed = 0;
    if (!need(e, call, 1) || !read_colour(e, call->words[1], &player)) return false;
    for (int p = 0; p < points_of(e); p++)
        if (go_at(e->game, e->position, p) == (player ? GO_WHITE : GO_BLACK))
            put_vertex(e, p, listed++ ? " " : "");
    return true;
}

static bool showboard(struct gtp *e, struct gtp_call *call) {
    (void)call;
    char text[8192];
    e->game->print(e->game, e->position, text, sizeof text);
    fprintf(e->reply, "\n%s", text);
    return true;
}

/* Whether a game is one by the rules, as `tengen sgf --replay` judges it under this engine's ko rule. */
static enum status check_record(const struct gtp *e, const struct sgf_game *game, float own_komi) {
    struct game_config config = e->game->config;
    struct game *rules;
    config.size = game->size;
    config.komi = own_komi;
    config.max_moves = 10000; /* people's games end where they end */
    TRY(game_create(&config, &rules));
    void *position = position_create(rules);
    enum status s = sgf_replay(rules, game, position);
    position_free(position);
    game_free(rules);
    return s;
}

/* Puts a game from a file on the board, up to (not including) move `before`. One that cannot be loaded leaves
 * the game in progress as it is: hence everything is checked first. */
static bool load_game(struct gtp *e, const struct sgf_game *whole, int before) {
    struct sgf_game game = *whole;
    float value = game.has_komi ? game.komi : e->game->config.komi;
    if (before - 1 < game.move_count) game.move_count = before - 1;
    if (check_record(e, &game, value) != STATUS_OK || gtp_new_game(e, game.size, value) != STATUS_OK)
        return gtp_fail(e, "cannot load file: %s", status_text());
    uint8_t board[GAME_ACTIONS_MAX] = {0};
    for (int i = 0; i < game.setup_count; i++)
        board[game.setup[i].point] = game.setup[i].stone;
    bool legal = game.setup_count == 0 || gtp_set_up(e, board, game.first_player);
    for (int i = 0; i < game.move_count && legal; i++)
        legal = gtp_play(e, game.moves[i].player, game.moves[i].action);
    ENSURE(legal, "a record that was checked is legal");
    return true;
}

static bool loadsgf(struct gtp *e, struct gtp_call *call) {
    double before = INT_MAX;
    struct sgf_reader *reader;
    const struct sgf_game *game;
    if (!need(e, call, 1)) return false;
    if (call->count > 2 && !gtp_number(e, call->words[2], &before)) return false;
    if (sgf_open(call->words[1], &reader) != STATUS_OK)
        return gtp_fail(e, "cannot load file: %s", status_text());
    int got = sgf_next(reader, &game);
    bool good =
        got > 0 ? load_game(e, game, (int)fmin(fmax(before, 1), INT_MAX))
                : gtp_fail(e, "cannot load file: %s", got < 0 ? sgf_skip_reason(reader) : "it holds no game");
    sgf_close(reader);
    return good;
}

/* ---- GoGui ------------------------------------------------------------------------------------------------
 */

static bool gogui_interrupt(struct gtp *e, struct gtp_call *call) {
    (void)e, (void)call; /* that the command is known says that "# interrupt" is understood */
    return true;
}

static bool gogui_analyze_commands(struct gtp *e, struct gtp_call *call) {
    (void)call;
    fputs("dboard/Policy of the network/tengen-policy\nstring/Value of the network/tengen-value\n"
          "plist/Dead stones/final_status_list dead\nstring/Final score/final_score\n",
          e->reply);
    return true;
}

static bool evaluate(struct gtp *e, float *policy, float *value) {
    if (!e->thinks) return gtp_fail(e, "moves are random");
    if (e->game->ended(e->game, e->position)) return gtp_fail(e, "the game has ended");
    *value = thinker_evaluate(&e->thinker, e->position, policy);
    return true;
}

/* Probabilities of the moves, row by row from the top, before any search. */
static bool tengen_policy(struct gtp *e, struct gtp_call *call) {
    float policy[GAME_ACTIONS_MAX], value = 0;
    (void)call;
    if (!evaluate(e, policy, &value)) return false;
    for (int p = 0; p < points_of(e); p++)
        fprintf(e->reply, "%.4f%c", (double)policy[p], (p + 1) % e->game->width ? ' ' : '\n');
    return true;
}

static bool tengen_value(struct gtp *e, struct gtp_call *call) {
    float policy[GAME_ACTIONS_MAX], value = 0;
    (void)call;
    if (!evaluate(e, policy, &value)) return false;
    fprintf(e->reply, "%.4f", (double)value);
    return true;
}

const struct gtp_command gtp_commands[] = {
    {"protocol_version", protocol_version, false},
    {"name", name, false},
    {"version", version, false},
    {"known_command", known_command, false},
    {"list_commands", list_commands, false},
    {"quit", quit, false},
    {"cputime", cputime, false},
    {"boardsize", boardsize, false},
    {"clear_board", clear_board, false},
    {"komi", komi, false},
    {"get_komi", get_komi, false},
    {"kgs-rules", kgs_rules, false},
    {"set_random_seed", set_random_seed, false},
    {"get_random_seed", get_random_seed, false},
    {"fixed_handicap", handicap, false},
    {"place_free_handicap", handicap, false},
    {"set_free_handicap", set_free_handicap, false},
    {"play", play, false},
    {"genmove", genmove, false},
    {"reg_genmove", reg_genmove, false},
    {"kgs-genmove_cleanup", genmove_cleanup, false},
    {"undo", undo, false},
    {"time_settings", time_settings, false},
    {"kgs-time_settings", kgs_time_settings, false},
    {"time_left", time_left, false},
    {"final_score", final_score, false},
    {"final_status_list", final_status_list, false},
    {"list_stones", list_stones, false},
    {"showboard", showboard, false},
    {"loadsgf", loadsgf, false},
    {"lz-analyze", gtp_lz_analyze, true},
    {"kata-analyze", gtp_kata_analyze, true},
    {"lz-genmove_analyze", gtp_lz_genmove_analyze, true},
    {"kata-genmove_analyze", gtp_kata_genmove_analyze, true},
    {"gogui-interrupt", gogui_interrupt, false},
    {"gogui-analyze_commands", gogui_analyze_commands, false},
    {"tengen-policy", tengen_policy, false},
    {"tengen-value", tengen_value, false},
    {NULL, NULL, false},
};
