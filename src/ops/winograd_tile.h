/* What winograd.c, which cuts the work, and the kernels of winograd_avx512.c share. */
#ifndef OPS_WINOGRAD_TILE_H
#define OPS_WINOGRAD_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tengen/ops.h"

enum {
    WINOGRAD_POINTS = 16,    /* products of a tile, [4][4] */
    WINOGRAD_GROUP = 32,     /* channels are padded to a multiple of this, and computed by so many */
    WINOGRAD_BLOCK = 50,     /* tiles at a time at most */
    WINOGRAD_ROW_MAX = 8192, /* elements of `stride` rows of x, and channels */
};

/* Images NHWC in BF16, y = conv(x, w). A kernel of 3x3 points has tiles of 2x2 outputs. One of 2s x 2s points
 * with stride s is seen as 2x2 points of s x s points of x each, of s s channels as many; it has tiles of 3x3
 * outputs. Either reads 4x4 such points from (row - pad_h, column - pad_w) on, zeros outside, where (row,
 * column) is that of its first output. At odd edges tiles have fewer outputs. */
struct winograd {
    const uint16_t *x;
    uint16_t *y;
    int height, width, channels; /* of x */
    int out_height, out_width, outputs;
    int pad_h, pad_w, stride;
    int size; /* of a tile: 2 or 3 outputs */
};

struct winograd_tile {
    int sample, row, column;
};

/* Whether a layer of 3x3 points goes this way. Batches are not asked, so that a sample's bits do not depend
 * on its batch. */
bool winograd_suits(struct tensor x, struct tensor w, struct conv conv);
/* The images of such a layer. */
struct winograd winograd_image(struct tensor y, struct tensor x, int pad_h, int pad_w);

/* Where a channel of a group stands in what is transformed: even ones first. */
static inline int winograd_channel(int place) {
    return place < WINOGRAD_GROUP / 2 ? 2 * place : 2 * place - WINOGRAD_GROUP + 1;
}

/* Channels of a point as tiles see it. */
static inline int winograd_inputs(const struct winograd *w) {
    return w->channels * w->stride * w->stride;
}

static inline int winograd_groups(int channels) {
    return (channels + WINOGRAD_GROUP - 1) / WINOGRAD_GROUP;
}

/* Whether this processor has what the functions below need, and nothing that is faster. */
bool winograd_supported(void);

/* ---- y = act(conv(x, w) + b + r) --------------------------------------------------------------------------
 */

struct winograd_forward {
    struct winograd image;
    /* BF16 [outputs/32][point][pairs][32][2]: pair k is of the channels in places 2k, 2k + 1 */
    const uint32_t *weights;
    const float *b;    /* NULL: none */
    const uint16_t *r; /* NULL: none; may be y */
    bool relu;
};

size_t winograd_forward_scratch(const struct winograd_forward *w, int tiles);
/* The outputs of `count` tiles, WINOGRAD_BLOCK at most; scratch: 64-byte aligned memory of that size. */
void winograd_forward_run(const struct winograd_forward *w, const struct winograd_tile *tiles, int count,
                          void *scratch);

/* ---- dw = G^T [ sum over tiles of (A dy A^T) * (B^T x B) ] G ----------------------------------------------
 */

size_t winograd_gradient_scratch(const struct winograd *w, int tiles);
/* Adds to the sums of the points of one row of four, [4][outputs/32][inputs/32][32][32], what `count`
 * tiles, an even number, give; y is dy. Of points (i, j) with one of i and j 3 it is the negative. scratch:
 * as above. */
void winograd_gradient_run(const struct winograd *w, int row, const struct winograd_tile *tiles, int count,
                           void *scratch, float *sums);

#endif
