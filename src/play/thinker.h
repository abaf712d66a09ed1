/* What a network does with a position: think in a tree, or take its policy as it is. Shared by the network
 * player of matches and the GTP engine. One thread at a time. */
#ifndef PLAY_THINKER_H
#define PLAY_THINKER_H

#include "tengen/player.h"

struct thinker {
    const struct game *game;
    struct player_options options;
    struct evaluator *evaluator;
    bool uniform;          /* the evaluator knows nothing; there is no network */
    struct search *search; /* NULL where options.simulations is 0 */
    uint8_t *legal;        /* [actions] */
};

/* net NULL: uniform evaluator. With `tree` there is a search even if options->simulations is 0. */
enum status thinker_init(struct thinker *t, const struct game *g, struct net *net, struct device *device,
                         const struct player_options *options, bool tree) MUST_USE;
void thinker_free(struct thinker *t);

/* Another game of the same shape (another komi); forgets the tree. `g` must outlive the thinker. */
void thinker_set_game(struct thinker *t, const struct game *g);
/* Starts at a position, or follows a move played there. */
void thinker_reset(struct thinker *t, const void *position);
void thinker_advance(struct thinker *t, int action);

/* The move to play at `position`, which is the one the thinker stands at. The root may be solved, or have one
 * move. */
int thinker_choose(struct thinker *t, const void *position, struct rng *rng);
/* Says so, once in the program's life, when a search had no room left for what it found; thread safe. */
void thinker_warn_if_full(const struct thinker *t);
/* The evaluator's view of a position: probabilities[actions] over the legal moves; returns the value for the
 * player to move. */
float thinker_evaluate(struct thinker *t, const void *position, float *probabilities);
/* The policy's own choice, by temperature or the best. */
int thinker_policy_move(struct thinker *t, const void *position, float temperature, struct rng *rng);

#endif
