/* Convolutions of 3x3 points, stride 1, in BF16 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray
 * 2016), on processors with AVX512-BF16: 16 products for 4 outputs where the plain sum has 36.
 *
 *     y = A^T [ (G w G^T) * (B^T x B) ] A      a tile: 4x4 inputs, 2x2 outputs; * element by element
 *
 * Transforms are made in F32; what is multiplied is rounded to BF16, sums are F32. The error of a convolution
 * is some twice that of plain BF16 products (tests/ops/check_conv.h). A tile's result does not depend on the
 * tiles beside it. All entries return false where the shape or the processor does not suit; then oneDNN or
 * the plain loops serve.
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
