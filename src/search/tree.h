/* The search tree: nodes and edges as struct of arrays, joined by indices. An edge is a legal move of its
 * node; a node is a position that was evaluated. Node 0 is the root. A node's edges lie together, in the
 * order of their actions, and a child's index is greater than its parent's, so that compaction is one sweep.
 * Sums keep this invariant while nothing is proved:
 *     node visits = 1 + sum of its edges' visits,  node value = own evaluation + sum of its edges' values,
 * all seen by the player to move at the node. Owned by a search; used by one thread at a time. */
#ifndef SEARCH_TREE_H
#define SEARCH_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is certain about a position or a move, for the player to move there. */
enum proof { PROOF_NONE, PROOF_WIN, PROOF_DRAW, PROOF_LOSS };

static inline enum proof proof_negate(enum proof p) {
    return p == PROOF_WIN ? PROOF_LOSS : p == PROOF_LOSS ? PROOF_WIN : p;
}
static inline float proof_value(enum proof p) {
    return p == PROOF_WIN ? 1.0f : p == PROOF_LOSS ? -1.0f : 0.0f;
}

struct tree {
    /* nodes, [node_capacity] */
    uint32_t *first;   /* index of the first edge */
    uint16_t *count;   /* edges: legal moves, at least 1 */
    uint16_t *open;    /* edges not proved yet */
    uint8_t *has_draw; /* an edge is a proved draw */
    int32_t *visits;
    float *value;    /* sum of backed-up values */
    float *explored; /* sum of the priors of visited edges */
    uint32_t *moved; /* compaction: the node's new index */
    /* edges, [edge_capacity] */
    int16_t *action;
    float *prior; /* softmax over legal moves, without noise */
    int32_t *edge_visits;
    float *edge_value; /* sum of backed-up values, for the player who moves */
    uint32_t *child;   /* node; 0: none (not evaluated yet, terminal, or the tree was full) */
    uint8_t *proof;    /* enum proof, for the player who moves */
    uint16_t *pending; /* selected leaves below that wait for their evaluation */

    uint32_t nodes, edges; /* in use */
    uint32_t node_capacity, edge_capacity;
    size_t budget;  /* bytes that the arrays may take together */
    bool full;      /* an expansion was refused since the tree was last empty */
    void *expected; /* see tree_expect */
};

/* Columns of pending and excluded moves that a choice takes into account, and the node's constants. */
struct puct {
    const float *prior; /* [count]: the edges' own, or the root's with noise */
    float scale;        /* c(s) sqrt(N) */
    float unvisited;    /* value of an edge without visits (first-play urgency) */
    float virtual_loss; /* visits of a loss a pending leaf counts as; 0 when none is pending */
    bool solve;         /* never choose a proved loss */
};

/* budget: bytes; the arrays start small and double up to it. */
void tree_init(struct tree *t, size_t budget);
/* Where memory is only counted: that it will come to hold so many nodes, of up to so many edges each. */
void tree_expect(struct tree *t, size_t nodes, size_t edges);
void tree_free(struct tree *t);
void tree_clear(struct tree *t);
size_t tree_memory(const struct tree *t); /* bytes held */

/* Adds a node with `count` edges and priors softmax(logits). False, and `full`, when it does not fit. The
 * node is t->nodes - 1. */
bool tree_expand(struct tree *t, const int16_t *actions, const float *logits, int count, float value);

/* The edge of `node` with the largest Q + U. score: room for count + 15 floats. */
uint32_t tree_choose(const struct tree *t, uint32_t node, const struct puct *p, float *score);

/* Makes `node` the root: keeps its subtree, drops the rest, moves what is kept to the front. */
void tree_reroot(struct tree *t, uint32_t node);

/* The edge of `node` that plays `action`, or -1. */
int64_t tree_find(const struct tree *t, uint32_t node, int action);

#endif
