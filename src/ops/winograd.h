/* Convolutions in BF16 by Winograd's minimal filtering (Lavin and Gray 2016), on processors with AVX512-BF16:
 * of 3x3 points, stride 1, by F(2x2, 3x3), 16 products for 4 outputs where the plain sum has 36; forwards
 * also those of 2s x 2s points with stride s, which are 2x2 points of s x s points, by F(3x3, 2x2), 16
 * products for 36 again.
 *
 *     y = A^T [ (G w G^T) * (B^T x B) ] A      a tile: 4x4 inputs; * element by element
 *
 * Transforms are made in F32; what is multiplied is rounded to BF16, sums are F32. A convolution errs by less
 * than twice what plain BF16 does (tests/ops/test_winograd.c). A tile's result does not depend on the tiles
 * beside it. All entries return false where the shape or the processor does not suit; then oneDNN or the
 * plain loops serve.
 */
#ifndef OPS_WINOGRAD_H
#define OPS_WINOGRAD_H

#include "tengen/ops.h"

bool winograd_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                           struct tensor b, struct tensor r, struct conv conv, enum activation act);
bool winograd_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                 struct conv conv, bool add);
bool winograd_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                    struct conv conv);

#endif
