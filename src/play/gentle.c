#include "gentle.h"

#include <string.h>

#include "tengen/go.h"

bool gentle_eye(int size, const uint8_t *board, int point, int player) {
    enum go_stone own = player ? GO_WHITE : GO_BLACK;
    int row = point / size, column = point % size, foreign = 0, outside = 0;
    for (int dy = -1; dy <= 1; dy++) {
        for (int dx = -1; dx <= 1; dx++) {
            if (!dy && !dx) continue;
            int y = row + dy, x = column + dx;
            bool on_board = y >= 0 && y < size && x >= 0 && x < size, straight = !dy || !dx;
            if (!on_board)
                outside += !straight;
            else if (straight && board[y * size + x] != own)
                return false;
            else if (!straight && board[y * size + x] != own && board[y * size + x] != GO_EMPTY)
                foreign++;
        }
    }
    return foreign + (outside > 0) < 2;
}

int gentle_move(const struct game *g, const void *position, bool pass, struct rng *rng) {
    uint8_t legal[GAME_ACTIONS_MAX], board[GAME_ACTIONS_MAX];
    int16_t moves[GAME_ACTIONS_MAX];
    bool go = strcmp(g->name, "go") == 0;
    int count = 0, player = g->to_play(g, position), last = g->actions - 1;
    g->legal(g, position, legal);
    if (go) go_board(g, position, board);
    for (int a = 0; a < g->actions; a++)
        if (legal[a] && !(go && (a == last || gentle_eye(g->width, board, a, player))))
            moves[count++] = (int16_t)a;
    if (count > 0) return moves[rng_below(rng, (uint32_t)count)];
    return go && pass && legal[last] ? last : -1;
}
