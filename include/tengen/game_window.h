/* The window of self-play games that learning samples from (AlphaGo Zero: the most recent 500,000). Holds
 * whole game records, oldest first; a position is made anew from its game's moves when it is sampled, so a
 * game costs its moves and targets and no planes. Used by one thread at a time; window_encode may be called
 * by many at once. */
#ifndef TENGEN_GAME_WINDOW_H
#define TENGEN_GAME_WINDOW_H

#include "tengen/game.h"
#include "tengen/rng.h"
#include "tengen/selfplay.h"

struct game_window {
    const struct game *game;
    int capacity, count;         /* games at most; games */
    int room, first;             /* of the ring, which grows with the games */
    struct game_record *records; /* [room] */
    int64_t *ends;               /* [room] running sum of learnt positions, oldest first; see window_index */
    int64_t positions;           /* learnt positions in the window */
    int64_t total_games, total_positions; /* ever added */
};

/* One draw: a learnt position under a symmetry. */
struct window_sample {
    const struct game_record *record;
    int move;   /* the position before this move */
    int policy; /* which of the record's policies */
    int symmetry;
};

void window_init(struct game_window *w, const struct game *g, int capacity);
void window_free(struct game_window *w);

/* Takes the record (its arrays move into the window); the oldest leaves when there are more than `limit`
 * games (limit <= capacity). Games without a learnt position are counted but not kept. */
void window_add(struct game_window *w, struct game_record *record, int limit);

/* Uniform over learnt positions and, where `symmetries`, over the game's symmetries. The window must not be
 * empty. */
struct window_sample window_draw(struct game_window *w, struct rng *rng, bool symmetries);

/* The position and its symmetry into out [1], policy target [actions] and value target for the player to
 * move: the game's result, mixed with the root value of the search by `search_share`. scratch: a position of
 * the game. */
void window_encode(const struct game_window *w, const struct window_sample *s, float search_share,
                   void *scratch, struct game_batch out, float *policy, float *value);

/* The whole window as bytes (mem_free), and back: STATUS_FORMAT if they are not of this game. */
void window_save(const struct game_window *w, void **data, size_t *size);
enum status window_load(struct game_window *w, const void *data, size_t size) MUST_USE;

#endif
