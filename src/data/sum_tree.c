#include "tengen/sum_tree.h"

#include <string.h>

#include "tengen/mem.h"
#include "tengen/status.h"

void sum_tree_init(struct sum_tree *t, int64_t count) {
    ENSURE(count > 0 && count <= 1 << 24, "a sum tree of %lld items", (long long)count);
    *t = (struct sum_tree){.count = count, .leaves = 1};
    while (t->leaves < count)
        t->leaves *= 2;
    t->sums = mem_alloc((size_t)t->leaves * 2, sizeof *t->sums);
}

void sum_tree_free(struct sum_tree *t) {
    mem_free(t->sums);
    *t = (struct sum_tree){0};
}

/* Every sum above moves by the same difference, modulo 2^64. */
void sum_tree_set(struct sum_tree *t, int64_t item, uint64_t weight) {
    ENSURE(item >= 0 && item < t->count && weight <= SUM_TREE_MOST, "item %lld of %lld, weight %llu",
           (long long)item, (long long)t->count, (unsigned long long)weight);
    int64_t i = t->leaves + item;
    uint64_t change = weight - atomic_exchange_explicit(&t->sums[i], weight, memory_order_relaxed);
    if (change == 0) return;
    while ((i /= 2) > 0)
        atomic_fetch_add_explicit(&t->sums[i], change, memory_order_relaxed);
}

uint64_t sum_tree_get(const struct sum_tree *t, int64_t item) {
    ENSURE(item >= 0 && item < t->count, "item %lld of %lld", (long long)item, (long long)t->count);
    return atomic_load_explicit(&t->sums[t->leaves + item], memory_order_relaxed);
}

uint64_t sum_tree_total(const struct sum_tree *t) {
    return atomic_load_explicit(&t->sums[1], memory_order_relaxed);
}

int64_t sum_tree_find(const struct sum_tree *t, uint64_t point) {
    int64_t i = 1;
    while (i < t->leaves) {
        uint64_t left = atomic_load_explicit(&t->sums[2 * i], memory_order_relaxed);
        i = 2 * i;
        if (point >= left) {
            point -= left;
            i++;
        }
    }
    return i - t->leaves < t->count ? i - t->leaves : t->count - 1;
}
