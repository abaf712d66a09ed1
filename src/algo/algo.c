/* The list of algorithms. */
#include "tengen/algo.h"

#include <string.h>

#define ALGO(name) extern const struct algo algo_##name;
#include "algo/algos.def"
#undef ALGO

static const struct algo *const algos[] = {
#define ALGO(name) &algo_##name,
#include "algo/algos.def"
#undef ALGO
};

enum { ALGOS = sizeof algos / sizeof *algos };

int algo_count(void) {
    return ALGOS;
}

const struct algo *algo_at(int i) {
    ENSURE(i >= 0 && i < ALGOS, "algorithm %d of %d", i, ALGOS);
    return algos[i];
}

const struct algo *algo_find(const char *name) {
    for (int i = 0; i < ALGOS; i++)
        if (strcmp(algos[i]->name, name) == 0) return algos[i];
    return NULL;
}
