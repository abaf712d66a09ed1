/* What a config can change in the rules of our own environments: plain words, which every device reads. */
#ifndef ENV_RULES_H
#define ENV_RULES_H

#include "tengen/rng.h"

struct env_rules {
    int unused;
};

#endif
