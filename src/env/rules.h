/* What a config can change in the rules of our own environments: plain words, which every device reads. */
#ifndef ENV_RULES_H
#define ENV_RULES_H

#include <stdint.h>

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

#endif
