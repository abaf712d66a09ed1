/* Which stones are dead once play has stopped.
 *
 * Under the rules that this program learns (Tromp and Taylor) no stone is dead: players take what they can
 * take. Others stop earlier and want to know. The answer comes from random games: from the final board, both
 * sides in turn beginning, moves that fill no own eye are drawn until there are none. A chain is dead if in
 * more than two thirds of the final positions its points belong to the opponent. Living groups with two eyes
 * always survive this, lone invaders nearly never; a seki may be misjudged. The draws are seeded, so that the
 * same board has the same answer. */
#include "dead.h"

#include <string.h>

#include "gentle.h"
#include "tengen/go.h"

enum { STATUS_PLAYOUTS = 300 };

/* Plays one random game from the board to its end; adds 1 to foreign[point] where the stone's opponent owns
 * it. */
static void playout(const struct game *g, const uint8_t *board, void *position, uint64_t index,
                    int *foreign) {
    uint8_t owner[GAME_ACTIONS_MAX];
    int points = g->width * g->height, pass = points, passes = 0;
    struct rng rng = rng_make(1, RNG_PLAYOUT, index);
    g->start(g, position);
    if (!go_setup(g, position, board, (int)(index & 1))) return;
    for (int i = 0; i < 3 * points && passes < 2 && !g->ended(g, position); i++) {
        int action = gentle_move(g, position, true, &rng);
        if (action < 0) break;
        passes = action == pass ? passes + 1 : 0;
        g->play(g, position, action);
    }
    go_area(g, position, owner);
    for (int p = 0; p < points; p++)
        foreign[p] += board[p] != GO_EMPTY && owner[p] != GO_EMPTY && owner[p] != board[p];
}

/* Marks the chain at `point` in `seen`, lists its points and returns how many. */
static int chain_points(int size, const uint8_t *board, int point, uint8_t *seen, int16_t *points) {
    int count = 0;
    seen[point] = 1;
    points[count++] = (int16_t)point;
    for (int i = 0; i < count; i++) {
        int row = points[i] / size, column = points[i] % size;
        const int next[4] = {row > 0 ? points[i] - size : -1, row < size - 1 ? points[i] + size : -1,
                             column > 0 ? points[i] - 1 : -1, column < size - 1 ? points[i] + 1 : -1};
        for (int k = 0; k < 4; k++) {
            if (next[k] < 0 || seen[next[k]] || board[next[k]] != board[point]) continue;
            seen[next[k]] = 1;
            points[count++] = (int16_t)next[k];
        }
    }
    return count;
}

void dead_stones(const struct game *g, const void *position, uint8_t *dead) {
    int points = g->width * g->height, foreign[GAME_ACTIONS_MAX] = {0};
    uint8_t board[GAME_ACTIONS_MAX], seen[GAME_ACTIONS_MAX] = {0};
    int16_t chain[GAME_ACTIONS_MAX];
    go_board(g, position, board);
    void *scratch = position_create(g);
    for (uint64_t i = 0; i < STATUS_PLAYOUTS; i++)
        playout(g, board, scratch, i, foreign);
    position_free(scratch);
    memset(dead, 0, (size_t)points);
    for (int p = 0; p < points; p++) {
        if (board[p] == GO_EMPTY || seen[p]) continue;
        int count = chain_points(g->width, board, p, seen, chain), sum = 0;
        for (int i = 0; i < count; i++)
            sum += foreign[chain[i]];
        for (int i = 0; i < count; i++)
            dead[chain[i]] = 3 * sum > 2 * count * STATUS_PLAYOUTS;
    }
}

float dead_score(const struct game *g, const void *position, const uint8_t *dead) {
    uint8_t board[GAME_ACTIONS_MAX];
    go_board(g, position, board);
    for (int p = 0; p < g->width * g->height; p++)
        if (dead[p]) board[p] = GO_EMPTY;
    void *cleaned = position_create(g);
    g->start(g, cleaned);
    bool legal = go_setup(g, cleaned, board, 0);
    ENSURE(legal, "taking stones off cannot take a chain's last liberty");
    float score = go_area(g, cleaned, NULL);
    position_free(cleaned);
    return score;
}
