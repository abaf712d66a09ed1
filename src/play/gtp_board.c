/* The game that a GTP session plays: moves by either side at any time, undo, setup, another komi. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "gtp_state.h"
#include "tengen/go.h"
#include "tengen/mem.h"

int gtp_colour(const char *word) {
    if (strcasecmp(word, "b") == 0 || strcasecmp(word, "black") == 0) return 0;
    if (strcasecmp(word, "w") == 0 || strcasecmp(word, "white") == 0) return 1;
    return -1;
}

/* The position that moves are played from. */
static void base_position(struct gtp *e) {
    e->game->start(e->game, e->position);
    if (e->base_player < 0) return;
    bool legal = go_setup(e->game, e->position, e->base, e->base_player);
    ENSURE(legal, "a setup that was legal is legal again");
}

static void follow(struct gtp *e) {
    if (e->thinks) thinker_reset(&e->thinker, e->position);
}

/* Another game or another course of it: whoever saw no hope looks anew. */
static void forget_hopes(struct gtp *e) {
    e->hopeless[0] = e->hopeless[1] = 0;
}

void gtp_clear(struct gtp *e) {
    forget_hopes(e);
    e->base_player = -1;
    e->move_count = 0;
    base_position(e);
    follow(e);
}

bool gtp_set_up(struct gtp *e, const uint8_t *board, int player) {
    if (!go_setup(e->game, e->position, board, player)) return false;
    memcpy(e->base, board, (size_t)(e->game->width * e->game->height));
    e->base_player = player;
    e->move_count = 0;
    follow(e);
    return true;
}

/* Sets the position up anew with `player` to move, if that is needed for it to move. */
static bool turn(struct gtp *e, int player) {
    const struct game *g = e->game;
    if (g->to_play(g, e->position) == player && !g->ended(g, e->position)) return false;
    uint8_t board[GAME_ACTIONS_MAX];
    go_board(g, e->position, board);
    bool legal = go_setup(g, e->position, board, player);
    ENSURE(legal, "a position that was played is a legal setup");
    return true;
}

void gtp_turn(struct gtp *e, int player) {
    if (!turn(e, player)) return;
    e->turned = true;
    follow(e);
}

static void remember(struct gtp *e, int player, int action) {
    if (e->move_count == e->move_room) {
        int room = e->move_room ? 2 * e->move_room : 256;
        e->moves = mem_resize(e->moves, (size_t)e->move_room, (size_t)room, sizeof *e->moves);
        e->move_room = room;
    }
    e->moves[e->move_count++] = (struct gtp_move){(int16_t)action, (uint8_t)player};
}

/* Plays all remembered moves again. */
static void replay(struct gtp *e) {
    base_position(e);
    e->turned = false;
    for (int i = 0; i < e->move_count; i++) {
        turn(e, e->moves[i].player);
        e->game->play(e->game, e->position, e->moves[i].action);
    }
    follow(e);
}

void gtp_settle(struct gtp *e) {
    if (e->turned) replay(e);
}

bool gtp_play(struct gtp *e, int player, int action) {
    const struct game *g = e->game;
    bool anew = turn(e, player);
    if (!g->is_legal(g, e->position, action)) {
        if (anew) replay(e);
        return false;
    }
    g->play(g, e->position, action);
    remember(e, player, action);
    e->turned = false; /* replay() turns before this move, too */
    if (anew)
        follow(e);
    else if (e->thinks)
        thinker_advance(&e->thinker, action);
    return true;
}

bool gtp_undo(struct gtp *e) {
    if (e->move_count == 0) return false;
    e->move_count--;
    forget_hopes(e);
    replay(e);
    return true;
}

/* ---- another game -----------------------------------------------------------------------------------------
 */

static enum status change_game(struct gtp *e, int size, float komi, struct game **old) {
    struct game_config config = e->game->config;
    struct game *changed;
    if (e->net && size != e->game->width)
        return status_fail(STATUS_USAGE, "this network knows %dx%d only", e->game->width, e->game->width);
    config.size = size;
    config.komi = komi;
    TRY(game_create(&config, &changed));
    *old = e->game;
    if (size != (*old)->width) {
        position_free(e->position);
        e->position = position_create(changed);
        if (e->thinks) thinker_free(&e->thinker);
        if (e->thinks) TRY(thinker_init(&e->thinker, changed, NULL, NULL, &e->options.player, true));
    } else if (e->thinks) {
        thinker_set_game(&e->thinker, changed);
    }
    e->game = changed;
    return STATUS_OK;
}

enum status gtp_new_game(struct gtp *e, int size, float komi) {
    struct game *old;
    TRY(change_game(e, size, komi, &old));
    game_free(old);
    gtp_clear(e);
    return STATUS_OK;
}

enum status gtp_set_komi(struct gtp *e, float komi) {
    struct game *old;
    if (komi == e->game->config.komi) return STATUS_OK;
    TRY(change_game(e, e->game->width, komi, &old));
    forget_hopes(e);
    replay(e);
    game_free(old);
    return STATUS_OK;
}
