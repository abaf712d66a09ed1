/* Prioritised sampling (Schaul et al. 2016): weights of N items, their sums in a binary tree, and which item
 * a point of the total falls to.
 *
 * Weights are integers, so that sums are exact: they do not drift, do not depend on the order of changes, and
 * are right after any number of threads have changed different items at once. A draw may run beside changes
 * and then sees some of them; it never leaves the tree. Changes of one item are for one thread at a time.
 */
#ifndef TENGEN_SUM_TREE_H
#define TENGEN_SUM_TREE_H

#include <stdatomic.h>
#include <stdint.h>

/* The largest weight; 2^24 items of it fit. */
#define SUM_TREE_MOST ((uint64_t)1 << 39)

struct sum_tree {
    int64_t count;          /* items */
    int64_t leaves;         /* a power of two */
    _Atomic uint64_t *sums; /* [2 leaves]: node i is the sum of 2i and 2i+1, the root is 1 */
};

/* All weights are 0. */
void sum_tree_init(struct sum_tree *t, int64_t count);
void sum_tree_free(struct sum_tree *t); /* legal on a zeroed tree */
void sum_tree_set(struct sum_tree *t, int64_t item, uint64_t weight);
uint64_t sum_tree_get(const struct sum_tree *t, int64_t item);
uint64_t sum_tree_total(const struct sum_tree *t);
/* The first item with point < the sum of the weights up to and with its own; point < total. */
int64_t sum_tree_find(const struct sum_tree *t, uint64_t point);

#endif
