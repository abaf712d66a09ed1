/* Self-play, batched over games: many trees advance at once and their leaves meet in one network call.
 *
 * Games are numbered; game i draws from streams (seed, purpose, i) alone and lives in slot i mod games of a
 * fixed group. A group is the unit of work: {advance every game until each has a leaf, evaluate the batch}.
 * Threads take groups as they come, so a thread that waits for nobody always has tree work or a network call
 * to do; since an evaluation does not depend on the batch it came in, the games are the same whatever the
 * number of threads.
 *
 * Rounds: a round is a fixed number of network calls a group. A slot that has finished a move thinks about
 * the next, and one that has finished a game begins another, so that batches are full; only near the end of
 * the round they shrink, when a slot's next search could not come to its end and is left to the next round.
 * `moves` sets the number of calls: that many moves of average cost (with reused trees a round plays more).
 * Trees are cleared at the end of a round, since the network is about to change, so that the state between
 * rounds is only the moves so far, saved and loaded as plain records. (Playing the same number of moves in
 * each slot would instead let the batch shrink to the slowest slots: 40% of the calls at 8 moves and 25% full
 * searches.)
 */
#ifndef TENGEN_SELFPLAY_H
#define TENGEN_SELFPLAY_H

#include "tengen/search.h"
#include "tengen/thread.h"

#define SELFPLAY_CONFIG(F, S)                                                                                \
    F(S, int, games, 128, 1, 65536, "games played at once")                                                  \
    F(S, int_or_auto, group, 32, 1, 4096,                                                                    \
      "games of a group: the batch of a network call (a divisor of games); auto: a group a thread")          \
    F(S, int, moves, 32, 1, 100000, "length of a round: network calls as for so many moves of every game")   \
    F(S, float, full_probability, 0.25, 0, 1,                                                                \
      "playout-cap randomisation: share of moves searched in full, with noise, and learnt from; 1: all")     \
    F(S, int, fast_simulations, 32, 1, 1000000, "simulations of the other moves")                            \
    F(S, int, random_moves, 0, 0, 1000,                                                                      \
      "opening: up to this many moves (uniform count) are drawn from the raw policy")                        \
    F(S, float, opening_temperature, 1, 0.1, 1000,                                                           \
      "of those draws; well above 1 any move may come, and positions are as varied as in random play")       \
    F(S, float, resign_threshold, -0.95, -1, 0,                                                              \
      "resign when root and best move are below; calibration only lowers it; -1: never")                     \
    F(S, float, resign_false_positives, 0.05, 0, 1,                                                          \
      "the threshold is lowered until at most this share of resignations were not lost games")               \
    F(S, float, resign_disabled, 0.1, 0, 1, "share of games played out to measure false positives")
CONFIG_STRUCT(selfplay_config, SELFPLAY_CONFIG)

/* One finished (or running) game: moves, and for the positions that are learnt from a policy target. */
struct game_record {
    uint64_t number; /* which game of the run */
    int move_count;
    int16_t *actions;   /* [move_count] */
    uint8_t *learn;     /* [move_count] whether this position was searched in full */
    float *values;      /* [move_count] root value for the player to move */
    int policy_count;   /* number of learnt positions */
    uint16_t *policies; /* [policy_count, actions] visit shares * 65535 */
    float result;       /* for player 0: 1, 0, -1 */
    float score;        /* for player 0, of the position where the game ended */
    uint8_t resigned;   /* 1 if it ended by resignation */
    uint8_t played_out; /* 1 if resignation was disabled */
};
void game_record_free(struct game_record *r);

struct selfplay_stats {
    uint64_t games, moves, simulations, evaluations;
    double network_seconds, total_seconds; /* summed over threads, idle ones too; of this process */
    uint64_t resigned, played_out;         /* games that ended by resignation; that could not */
    uint64_t would_resign,
        false_positives; /* of those played out: fell below the threshold; and did not lose */
    double draws, first_player_wins;
    double length_sum;
};

struct selfplay;

/* `e` needs a lane a group (games / group). Threads come from `pool`. */
enum status selfplay_create(const struct game *g, const struct selfplay_config *config,
                            const struct search_config *search, struct evaluator *e, struct pool *pool,
                            uint64_t seed, struct selfplay **out) MUST_USE;
void selfplay_free(struct selfplay *s);

/* Plays one round. Finished games are returned in order of their numbers' completion, which does not depend
 * on threads; owned by the caller: each game_record_free'd, then the array mem_free'd. */
void selfplay_run(struct selfplay *s, struct game_record **finished, int *count);
const struct selfplay_stats *selfplay_totals(const struct selfplay *s);
float selfplay_resign_threshold(const struct selfplay *s);
/* Whether a tree has been full (search.memory), so that its search grew no further. */
bool selfplay_tree_full(const struct selfplay *s);

/* State between rounds as bytes, for checkpoints. selfplay_load fails with STATUS_FORMAT on a foreign text.
 */
void selfplay_save(const struct selfplay *s, void **data, size_t *size); /* mem_free */
enum status selfplay_load(struct selfplay *s, const void *data, size_t size) MUST_USE;

#endif
