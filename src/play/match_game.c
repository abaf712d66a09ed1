/* The referee: opening, turns, legality, the end of the game and its score. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dead.h"
#include "gentle.h"
#include "match.h"
#include "tengen/go.h"
#include "tengen/mem.h"

struct referee {
    const struct game *game;
    const struct match_options *options;
    struct player *players[2]; /* A, B */
    void *position;
    int number;
    struct match_game *out;
};

/* Who moves in the position: 0 for A, 1 for B. */
static int mover(const struct referee *r) {
    int second = r->game->to_play(r->game, r->position);
    return r->out->a_first ? second : !second;
}

static char colour_letter(const struct referee *r, int who) {
    return (who == 0) == r->out->a_first ? 'B' : 'W';
}

static void decide(struct referee *r, int loser, const char *how) {
    r->out->played = true;
    r->out->share = loser == 0 ? 0.0f : 1.0f;
    snprintf(r->out->result, sizeof r->out->result, "%c+%s", colour_letter(r, !loser), how);
}

/* `who` loses for misconduct, which status_text() describes. */
static void forfeit(struct referee *r, int who) {
    decide(r, who, "F");
    r->out->forfeit = who + 1;
    r->out->text = mem_format("game %d: %s", r->number + 1, status_text());
}

/* A peer's failure is its forfeit; *over then says so. Any other failure is the match's. */
static enum status judge(struct referee *r, int who, enum status s, bool *over) {
    if (s != STATUS_PEER) return s;
    forfeit(r, who);
    *over = true;
    return STATUS_OK;
}

/* Plays a legal action and tells both players. */
static enum status play(struct referee *r, int action, bool *over) {
    struct match_game *mg = r->out;
    if (mg->count == mg->room) {
        int room = mg->room ? 2 * mg->room : 128;
        mg->actions = mem_resize(mg->actions, (size_t)mg->room, (size_t)room, sizeof *mg->actions);
        mg->room = room;
    }
    mg->actions[mg->count++] = action;
    r->game->play(r->game, r->position, action);
    for (int who = 0; who < 2 && !*over; who++)
        TRY(judge(r, who, r->players[who]->played(r->players[who], action), over));
    return STATUS_OK;
}

/* Random moves that depend on the opening's number alone; none of them ends the game. */
static enum status play_opening(struct referee *r, bool *over) {
    const struct game *g = r->game;
    struct rng rng = rng_make(r->options->seed, RNG_OPENING, (uint64_t)(r->number / 2));
    void *trial = position_create(g);
    enum status s = STATUS_OK;
    for (int i = 0; i < r->options->opening_moves && !*over && s == STATUS_OK; i++) {
        int action = gentle_move(g, r->position, false, &rng);
        if (action < 0) break;
        g->copy(g, trial, r->position);
        g->play(g, trial, action);
        if (g->ended(g, trial)) break;
        s = play(r, action, over);
    }
    position_free(trial);
    r->out->player_moves = r->out->count;
    return s;
}

static enum status play_turn(struct referee *r, bool *over) {
    const struct game *g = r->game;
    int who = mover(r), action = -1;
    struct player *p = r->players[who];
    TRY(judge(r, who, p->choose(p, r->position, &action), over));
    if (*over) return STATUS_OK;
    if (action == PLAYER_RESIGN) {
        decide(r, who, "R");
        *over = true;
        return STATUS_OK;
    }
    if (action < 0 || action >= g->actions || !g->is_legal(g, r->position, action)) {
        char move[16] = "no move";
        if (action >= 0 && action < g->actions) g->action_text(g, action, move, sizeof move);
        *over = true;
        if (status_fail(STATUS_PEER, "%s plays %s at move %d, which is illegal", p->name, move,
                        r->out->count + 1) == STATUS_PEER)
            forfeit(r, who);
        return STATUS_OK;
    }
    return play(r, action, over);
}

/* ---- the end ----------------------------------------------------------------------------------------------
 */

static bool ended_by_passes(const struct referee *r) {
    int count = r->out->count, pass = r->game->actions - 1;
    return count >= 2 && r->out->actions[count - 1] == pass && r->out->actions[count - 2] == pass;
}

/* Asks the players for dead stones. A side may lie about them, or know nothing of Go: a stone is dead where
 * two of three say so: the sides and Tengen's own estimate. Returns how many stand on the board. */
static enum status agree_on_dead(struct referee *r, uint8_t *dead, int *count, bool *over) {
    const struct game *g = r->game;
    uint8_t board[GAME_ACTIONS_MAX], list[GAME_ACTIONS_MAX], votes[GAME_ACTIONS_MAX] = {0};
    int points = g->width * g->height, told = 0;
    *count = 0;
    for (int who = 0; who < 2; who++) {
        struct player *p = r->players[who];
        if (!p->dead) continue;
        enum status s = p->dead(p, list);
        if (s == STATUS_USAGE) continue;
        TRY(judge(r, who, s, over));
        if (*over) return STATUS_OK;
        for (int i = 0; i < points; i++)
            votes[i] += list[i];
        told++;
    }
    if (!told) return STATUS_OK;
    go_board(g, r->position, board);
    dead_stones(g, r->position, list);
    for (int i = 0; i < points; i++) {
        dead[i] = votes[i] + list[i] >= 2 && board[i] != GO_EMPTY;
        *count += dead[i];
    }
    return STATUS_OK;
}

static enum status score_game(struct referee *r, bool *over) {
    const struct game *g = r->game;
    struct match_game *mg = r->out;
    bool go = strcmp(g->name, "go") == 0;
    float score = g->score(g, r->position), result = g->result(g, r->position);
    uint8_t dead[GAME_ACTIONS_MAX] = {0};
    int taken = 0;
    if (go && r->options->cleanup && ended_by_passes(r)) {
        TRY(agree_on_dead(r, dead, &taken, over));
        if (*over) return STATUS_OK;
    }
    if (taken > 0) {
        score = dead_score(g, r->position, dead);
        result = score > 0 ? 1.0f : score < 0 ? -1.0f : 0.0f;
        mg->text = mem_format("%d dead stones were taken off before counting", taken);
    }
    mg->played = true;
    mg->share = 0.5f + (mg->a_first ? 0.5f : -0.5f) * result;
    if (result == 0)
        snprintf(mg->result, sizeof mg->result, "0");
    else if (go)
        snprintf(mg->result, sizeof mg->result, "%c+%g", result > 0 ? 'B' : 'W', fabs((double)score));
    else
        snprintf(mg->result, sizeof mg->result, "%c+", result > 0 ? 'B' : 'W');
    return STATUS_OK;
}

static enum status referee_run(struct referee *r, bool (*stop)(void *context), void *context) {
    const struct game *g = r->game;
    bool over = false;
    for (int who = 0; who < 2 && !over; who++) {
        struct player *p = r->players[who];
        p->game = (uint64_t)r->number;
        TRY(judge(r, who, p->start(p, g), &over));
    }
    if (!over) TRY(play_opening(r, &over));
    while (!over && !g->ended(g, r->position)) {
        if (stop && stop(context)) return STATUS_OK;
        TRY(play_turn(r, &over));
    }
    return over ? STATUS_OK : score_game(r, &over);
}

enum status match_game_play(const struct game *g, struct player *a, struct player *b,
                            const struct match_options *options, int number, bool (*stop)(void *context),
                            void *context, struct match_game *out) {
    *out = (struct match_game){.a_first = number % 2 == 0};
    struct referee r = {g, options, {a, b}, position_create(g), number, out};
    g->start(g, r.position);
    enum status s = referee_run(&r, stop, context);
    position_free(r.position);
    return s;
}

void match_game_free(struct match_game *mg) {
    mem_free(mg->actions);
    mem_free(mg->text);
    *mg = (struct match_game){0};
}
