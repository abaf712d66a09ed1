/* Perfect play of tic-tac-toe, or of any game this small: plain minimax through the game's own table. */
#ifndef TESTS_GAME_TICTACTOE_SOLVER_H
#define TESTS_GAME_TICTACTOE_SOLVER_H

#include "tengen/game.h"
#include "tengen/mem.h"

/* Value for the player to move, 1, 0 or -1. best[actions], optional: 1 for every legal action that keeps it.
 */
static inline int minimax_solve(const struct game *g, const void *position, uint8_t *best) {
    uint8_t legal[GAME_ACTIONS_MAX];
    int values[GAME_ACTIONS_MAX], value = -2;
    if (!g->legal(g, position, legal)) {
        float result = g->result(g, position);
        return g->to_play(g, position) ? -(int)result : (int)result;
    }
    void *child = mem_alloc(1, g->position_bytes);
    for (int a = 0; a < g->actions; a++) {
        if (!legal[a]) continue;
        g->copy(g, child, position);
        g->play(g, child, a);
        values[a] = -minimax_solve(g, child, NULL);
        if (values[a] > value) value = values[a];
    }
    mem_free(child);
    for (int a = 0; best && a < g->actions; a++)
        best[a] = legal[a] && values[a] == value;
    return value;
}

#endif
