/* Search: PUCT over a tree of index arrays (Silver et al. 2017, 2018; definitions and constants: see
 * search.c).
 *
 * A search knows a game and gets evaluations from its caller: select leaves, evaluate them anywhere, hand
 * results back. One tree is used by one thread at a time; many trees are advanced by many threads. Memory is
 * bounded by `nodes` and `edges` made at creation; when full, leaves are evaluated and backed up but no
 * longer expanded, and search_full() says so.
 */
#ifndef TENGEN_SEARCH_H
#define TENGEN_SEARCH_H

#include "tengen/config.h"
#include "tengen/game.h"
#include "tengen/rng.h"

#define SEARCH_CONFIG(F, S)                                                                                  \
    F(S, int, simulations, 200, 1, 10000000, "simulations a move")                                           \
    F(S, float, c_init, 1.25, 0, 100, "PUCT: c(s) = log((1 + N + c_base) / c_base) + c_init")                \
    F(S, float, c_base, 19652, 1, 1e9, "PUCT: see c_init")                                                   \
    F(S, float, fpu_reduction, 0.2, 0, 2,                                                                    \
      "first-play urgency: parent's value less this times sqrt(explored prior)")                             \
    F(S, float, fpu_reduction_root, 0.0, 0, 2, "the same at the root of a search with noise")                \
    F(S, float, dirichlet_alpha, 0, 0, 100, "of the root's noise; 0: 10 / number of legal moves")            \
    F(S, float, dirichlet_epsilon, 0.25, 0, 1, "share of noise in the root's priors")                        \
    F(S, float, temperature, 1.0, 0, 10, "of the move's choice by visits, in the first temperature_moves")   \
    F(S, int, temperature_moves, 30, 0, 100000,                                                              \
      "moves of a game played with temperature; then the final one")                                         \
    F(S, float, temperature_final, 0.0, 0, 10, "temperature afterwards; 0: most visits")                     \
    F(S, float, policy_temperature, 1.0, 0.1, 10, "softmax temperature of the network's policy")             \
    F(S, int, leaves, 1, 1, 256, "leaves gathered from one tree at a time, with virtual loss")               \
    F(S, float, virtual_loss, 1, 0, 100, "visits of a loss that a pending leaf counts as")                   \
    F(S, bool, symmetry, true, 0, 0, "evaluate under a random symmetry")                                     \
    F(S, bool, solve, true, 0, 0, "prove subtrees at the end of a game")                                     \
    F(S, int, memory, 256, 1, 1048576, "largest tree in MiB")
CONFIG_STRUCT(search_config, SEARCH_CONFIG)

struct search;

struct search *search_create(const struct game *g, const struct search_config *config);
void search_free(struct search *s);

/* Starts at a position; forgets the tree. */
void search_reset(struct search *s, const void *position);
/* Plays an action at the root: its subtree becomes the tree (reuse), compacted in place. */
void search_advance(struct search *s, int action);
/* Keeps the root position but forgets the tree: after the network changed. */
void search_clear(struct search *s);
const void *search_root(const struct search *s); /* the root's position */

/* One move's thinking. noise: Dirichlet noise at the root (self-play). Draws come from *rng only, which must
 * live until the thinking is complete. Visits of a reused tree count towards `simulations`, the root's own
 * evaluation does not: 0 simulations evaluate the root and nothing else. A proved root is complete at once.
 */
void search_begin(struct search *s, int simulations, bool noise, struct rng *rng);
/* Selects up to `max` leaves that need the network and encodes each one, with the symmetry to see it under,
 * into out [max]. Terminal and proved leaves are backed up inside. Returns how many; 0 when the thinking is
 * complete (or nothing can be selected until pending leaves have returned, if any are pending). */
int search_select(struct search *s, int max, struct game_batch out);
/* Hands back evaluations of the leaves of the last search_select, in order: logits [i, actions] at logits + i
 * * logit_stride, in the frame of the symmetry they were seen under; value in [-1, 1] for the player to move
 * there.
 */
void search_update(struct search *s, const float *logits, size_t logit_stride, const float *values);
bool search_done(const struct search *s);

/* ---- results, for the root ---- */
int search_visits(const struct search *s, int *visits); /* visits[actions]; returns their sum */
/* Training target: shares of the visits; a proved win puts all on winning moves, and proved losses get
 * nothing where there is another move. */
void search_policy(const struct search *s, float *policy);
/* The network's policy at the root, without noise; zeros before the root's evaluation. */
void search_prior(const struct search *s, float *policy);
float search_value(const struct search *s); /* of the root for the player to move, [-1, 1] */
int search_proved(const struct search *s); /* 1 win, -1 loss, 0 not proved (draw: 2) for the player to move */
/* The move to play: by visits^(1/temperature) if temperature > 0, else most visits; a proved win is taken, a
 * proved loss avoided where there is another. -1 before the root's evaluation. */
int search_choose(const struct search *s, float temperature, struct rng *rng);

/* One line a candidate for analysis: action, visits, value, prior and principal variation; the move that
 * search_choose plays at temperature 0 first, then by visits. */
struct search_candidate {
    int action, visits;
    float value; /* for the player to move at the root, [-1, 1] */
    float prior;
    int variation[32], length;
};
int search_candidates(const struct search *s, struct search_candidate *out, int max);

size_t search_nodes(const struct search *s);
size_t search_memory(const struct search *s); /* bytes held */
bool search_full(const struct search *s);

/* ---- evaluators: how search gets network outputs without knowing one ---- */
/* n positions were written into input(); evaluate() fills logits [n, actions] and values [n]. `lane`
 * tells apart callers that evaluate at the same time (self-play groups); one lane is used by one thread at a
 * time. */
struct evaluator {
    void *context;
    int lanes, batch;                                    /* largest n a call */
    struct game_batch (*input)(void *context, int lane); /* [batch], stays valid */
    void (*evaluate)(void *context, int lane, int n, const float **logits, const float **values);
};

/* Uniform policy, value 0: a search that knows nothing; for tests and for `--player random` with search. */
struct evaluator *evaluator_uniform(const struct game *g, int lanes, int batch);
void evaluator_free_uniform(struct evaluator *e);

/* Thinks to the end on one tree: select, evaluate, update. `stop`, optional, is polled between batches. */
void search_think(struct search *s, struct evaluator *e, int lane, int leaves, bool (*stop)(void *context),
                  void *context);

#endif
