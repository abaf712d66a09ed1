/* Random playouts of Go on a lean board of their own: uniformly random moves that do not fill own eyes, to
 * the end.
 *
 * A playout knows simple ko and no superko, no suicide, and keeps no history; it ends after two passes or 3
 * size^2 moves. An own eye is an empty point whose neighbours are all own stones, with opponent stones on at
 * most one diagonal in the interior and on none at an edge or in a corner. Everything else that is legal is
 * equally likely; a player passes only where nothing is left.
 *
 * `struct playout` is plain memory of the caller, used by one thread at a time.
 */
#ifndef TENGEN_PLAYOUT_H
#define TENGEN_PLAYOUT_H

#include "tengen/game.h"
#include "tengen/rng.h"

/* Points live in rows of 32 with a border all round, so that the neighbours of any point are at fixed
 * distances. */
enum { PLAYOUT_ROW = 32, PLAYOUT_CELLS = (25 + 2) * PLAYOUT_ROW, PLAYOUT_EMPTY_MAX = 25 * 25 };

struct playout {
    uint64_t random; /* state of the generator */
    int size, moves, passes;
    int to_play;   /* 0 black, 1 white */
    int ko;        /* the cell that may not be retaken; 0 for none */
    int stones[2]; /* on the board, by player */
    int empty_count, asleep_count;
    uint16_t empty[PLAYOUT_EMPTY_MAX + 1]; /* the empty cells that are awake, in any order */
    uint16_t asleep[PLAYOUT_EMPTY_MAX];    /* those that neither player would play at, see playout.c */
    uint16_t cell[PLAYOUT_CELLS];          /* chain * 32 + colour, see playout.c */
    uint16_t next[PLAYOUT_CELLS];          /* of a stone: the next one of its chain, in a circle */
    uint16_t bed[PLAYOUT_CELLS];           /* of a sleeping cell: its place in asleep[], from 1; else 0 */
    struct playout_chain {
        uint16_t liberties; /* pairs of (stone, empty neighbour) */
        uint16_t stones;
        uint32_t sleepers; /* whether there may be sleeping cells beside it */
    } chain[PLAYOUT_CELLS];
};

/* An empty board, black to play. */
void playout_start(struct playout *p, int size);
/* The board, player to move and ko of a position of Go. */
void playout_load(struct playout *p, const struct game *g, const void *position);
/* A copy, of the part in use. */
void playout_copy(struct playout *to, const struct playout *from);

/* Plays to the end; draws its seed from *rng, once. Returns black's area less white's, without komi. */
int playout_run(struct playout *p, struct rng *rng);

/* One move at a time, for tests: seeds the generator; plays one move and returns it as an action of Go
 * (size^2: pass), or -1 at the end of the playout; counts the area as it stands. */
void playout_seed(struct playout *p, struct rng *rng);
int playout_step(struct playout *p);
int playout_area(const struct playout *p);

#endif
