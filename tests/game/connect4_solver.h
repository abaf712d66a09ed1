/* Perfect play of Connect Four, to hold searches and networks against: alpha-beta on bit sets with a transposition
 * table, after Pascal Pons ("Solving Connect 4", blog.gamesolver.org). Positions of a game named "connect4". */
#ifndef TESTS_GAME_CONNECT4_SOLVER_H
#define TESTS_GAME_CONNECT4_SOLVER_H

#include "tengen/game.h"

struct connect4_solver;

struct connect4_solver *connect4_solver_create(void);
void connect4_solver_free(struct connect4_solver *s);

/* Value for the player to move, 1, 0 or -1, of a position that has not ended. best[7], optional: 1 for every legal
 * action that keeps this value, else 0. */
int connect4_solve(struct connect4_solver *s, const struct game *g, const void *position, uint8_t *best);

/* Positions visited so far. */
uint64_t connect4_solver_nodes(const struct connect4_solver *s);

#endif
