/* Which stones of a finished game of Go are dead, by Tengen's own estimate, and what the board counts without
 * them. GTP's final commands answer with it, and a match's referee holds it against what engines declare. */
#ifndef PLAY_DEAD_H
#define PLAY_DEAD_H

#include "tengen/game.h"

/* For a board on which play has stopped: dead[size^2]. The same board has the same answer. */
void dead_stones(const struct game *g, const void *position, uint8_t *dead);
/* Black's area less komi with the stones of dead[size^2] off the board. */
float dead_score(const struct game *g, const void *position, const uint8_t *dead);

#endif
