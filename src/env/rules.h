/* What a config can change in the rules of our own environments: plain words, which every device reads. */
#ifndef ENV_RULES_H
#define ENV_RULES_H

#include <stddef.h>
#include <string.h>

#include "tengen/rng.h"

enum { ENV_CELLS = 256 };

struct env_rules {
    /* gridworld */
    int32_t rows, columns;
    int32_t start;          /* cell: row columns + column */
    uint8_t map[ENV_CELLS]; /* what each cell holds, by its letter */
    /* MinAtar's games */
    float sticky;    /* how likely the last action is taken again instead of the new one */
    int32_t ramping; /* whether the games grow harder */
};

/* An environment's state is a struct of words of four bytes. In a batch of n it is an array a word, [words,
 * n], so that neighbouring lanes fill a vector. Lane i into or out of the struct: */
HD static inline void env_lane_load(void *lane, size_t bytes, const void *state, size_t stride, size_t i) {
    for (size_t word = 0; word < bytes / 4; word++)
        memcpy((char *)lane + 4 * word, (const char *)state + 4 * (word * stride + i), 4);
}

HD static inline void env_lane_store(const void *lane, size_t bytes, void *state, size_t stride, size_t i) {
    for (size_t word = 0; word < bytes / 4; word++)
        memcpy((char *)state + 4 * (word * stride + i), (const char *)lane + 4 * word, 4);
}

#endif
