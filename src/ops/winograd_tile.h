/* What winograd.c, which cuts the work, and the kernels of winograd_avx512.c share. */
#ifndef OPS_WINOGRAD_TILE_H
#define OPS_WINOGRAD_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WINOGRAD_POINTS = 16, /* products of a tile */
    WINOGRAD_GROUP = 32,  /* channels are padded to a multiple of this, outputs are computed by so many */
};

/* Images NHWC in BF16. Tile (i, j) of a sample reads inputs from (2i - pad_h, 2j - pad_w), zeros outside, and
 * writes outputs from (2i, 2j). Tiles are numbered through all samples. */
struct winograd {
    const uint16_t *x;
    uint16_t *y;
    const uint16_t *r; /* NULL: none */
    const float *b;    /* NULL: none */
    bool relu;
    int height, width, channels; /* of x */
    int out_height, out_width, outputs;
    int pad_h, pad_w;
    int tile_rows, tile_columns;
    /* BF16 [outputs/32][point][pairs][32][2]: pair k is what lies in places 2k, 2k+1 of transformed inputs */
    const uint32_t *weights;
};

/* Where a channel of a group stands in transformed inputs: even ones first. */
static inline int winograd_channel(int place) {
    return place < WINOGRAD_GROUP / 2 ? 2 * place : 2 * place - WINOGRAD_GROUP + 1;
}

static inline int winograd_groups(int channels) {
    return (channels + WINOGRAD_GROUP - 1) / WINOGRAD_GROUP;
}

bool winograd_supported(void);
size_t winograd_scratch(const struct winograd *w, int tiles);
/* Outputs of tiles [from, from + count); scratch: 64-byte aligned memory of that size. */
void winograd_run(const struct winograd *w, int from, int count, void *scratch);

#endif
