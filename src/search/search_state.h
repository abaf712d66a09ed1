/* What search.c and search_results.c share: the inside of a search. */
#ifndef SEARCH_STATE_H
#define SEARCH_STATE_H

#include "tengen/search.h"
#include "tree.h"

/* A selected position that waits for its evaluation. */
struct leaf {
    int symmetry; /* the network sees it under */
    int length, count;
    uint32_t *path; /* [length] edges from the root; [path_capacity] */
    int16_t *legal; /* [count] its legal moves; [actions] */
};

struct search {
    const struct game *game;
    struct search_config config;
    struct tree tree;
    void *root, *scratch; /* positions */
    enum proof root_proof;
    bool root_ended;

    int simulations;   /* of this thinking */
    bool noise;        /* asked for */
    bool noisy;        /* root_prior holds this thinking's priors with noise */
    struct rng *rng;   /* the caller's */
    float *root_prior; /* [actions] */

    float *score, *logits; /* [actions + 15] scratch */
    uint8_t *legal;        /* [actions] scratch */
    struct leaf *leaves;   /* [config.leaves] */
    int leaf_count;        /* pending */
};

#endif
