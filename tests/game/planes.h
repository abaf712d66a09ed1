/* What a network sees of a position, as floats [height, width, planes]: a loop over its bits. */
#ifndef TESTS_GAME_PLANES_H
#define TESTS_GAME_PLANES_H

#include "tengen/game.h"
#include "tengen/mem.h"

static inline size_t board_floats(const struct game *g) {
    return (size_t)(g->height * g->width * g->planes);
}

static inline void planes_of_bits(const struct game *g, const uint8_t *bits, int symmetry, float *planes) {
    const int points = g->height * g->width;
    for (int i = 0; i < points * g->planes; i++) {
        int bit = g->source[symmetry * points + i / g->planes] * g->planes + i % g->planes;
        planes[i] = (float)(bits[bit / 8] >> bit % 8 & 1);
    }
}

static inline void planes_of(const struct game *g, const void *position, int symmetry, float *planes) {
    uint8_t *bits = MEM_NEW(uint8_t, g->encoded_bytes);
    g->encode(g, position, bits);
    planes_of_bits(g, bits, symmetry, planes);
    mem_free(bits);
}

#endif
