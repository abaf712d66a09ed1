/* Random moves that do not fill one's own eyes: openings, the gentle random player, playouts. Without this a
 * random game of Go never ends in a sensible position. In other games: uniform over the legal moves. */
#ifndef PLAY_GENTLE_H
#define PLAY_GENTLE_H

#include "tengen/game.h"
#include "tengen/rng.h"

/* Whether `point` is an eye of `player` on board[size^2] (enum go_stone): its neighbours are the player's,
 * and so are the diagonals but one (at the edge: all). A usual approximation; false eyes at the edge are
 * seen, big ones not. */
bool gentle_eye(int size, const uint8_t *board, int point, int player);

/* A move, pass only if there is no other (-1 if there is none and `pass` is false). */
int gentle_move(const struct game *g, const void *position, bool pass, struct rng *rng);

#endif
