/* The plain loops that stand beside the library's convolutions and matrix products. They are what a build
 * without oneDNN runs, and what tests hold the library against. */
#ifndef OPS_REFERENCE_H
#define OPS_REFERENCE_H

#include <stdbool.h>

#include "tengen/ops.h"

/* Whether convolutions and matrix products run the plain loops (also: environment TENGEN_REFERENCE=1). Always
 * so in a build without oneDNN. Set it while no queue is busy. */
void cpu_use_reference(bool on);
bool cpu_uses_reference(void);

/* The twins in plain loops: same arguments as cpu_conv_forward and so on, already checked. Weights are
 * rounded to BF16 where activations are BF16, as the library does. */
void reference_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                            struct tensor b, struct tensor r, struct conv conv, enum activation act);
void reference_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                  struct conv conv, bool add);
void reference_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                     struct conv conv);

#endif
