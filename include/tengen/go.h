/* Go: what is particular to it, beside the table in game.h. Tromp-Taylor rules with options; positions hold
 * chains with incremental liberties and Zobrist keys of all earlier positions. Points are row * size +
 * column, row 0 at the top; action size^2 is pass.
 */
#ifndef TENGEN_GO_H
#define TENGEN_GO_H

#include "tengen/game.h"

enum go_stone { GO_EMPTY, GO_BLACK, GO_WHITE };

struct go_position; /* a game position of a game named "go" */

enum go_stone go_at(const struct game *g, const void *position, int point);
/* All points at once: board[size^2] of enum go_stone. */
void go_board(const struct game *g, const void *position, uint8_t *board);
int go_liberties(const struct game *g, const void *position, int point); /* of the chain there; 0 if empty */
int go_chain_stones(const struct game *g, const void *position, int point);
int go_captures(const struct game *g, const void *position,
                int player);                                  /* stones that `player` has captured */
int go_last_move(const struct game *g, const void *position); /* -1 if there is none */
uint64_t go_hash(const struct game *g, const void *position); /* Zobrist key of the stones alone */

/* Setup: puts or takes stones before play (handicap, SGF AB/AW/AE). Clears history. False if a chain would be
 * left without liberties; the position is then unchanged. */
bool go_setup(const struct game *g, void *position, const uint8_t *board, int player_to_move);
/* Points of `count` (2..9) fixed handicap stones (GTP 2, section 4.1.1); returns how many, 0 if the size has
 * none. */
int go_fixed_handicap(int size, int count, int *points);

/* Area score for black less komi (Tromp-Taylor: every stone on the board is alive). owner[size^2], optional:
 * GO_BLACK, GO_WHITE or GO_EMPTY (neutral). */
float go_area(const struct game *g, const void *position, uint8_t *owner);

#endif
