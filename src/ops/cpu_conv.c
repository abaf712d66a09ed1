/* Convolutions on a CPU: checks, then Winograd, oneDNN or the plain loops. */
#include "ops/cpu.h"
#include "ops/onednn.h"
#include "ops/reference.h"
#include "ops/winograd.h"

void cpu_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                      struct tensor r, struct conv conv, enum activation act) {
    check_conv_forward(y, x, w, b, r, conv);
    if (x.dims[0] == 0) return;
    if (cpu_uses_reference())
        reference_conv_forward(q, y, x, w, b, r, conv, act);
    else if (!winograd_conv_forward(q, y, x, w, b, r, conv, act) &&
             !onednn_conv_forward(q, y, x, w, b, r, conv, act))
        reference_conv_forward(q, y, x, w, b, r, conv, act);
}

void cpu_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                            struct conv conv, bool add) {
    check_conv("conv_backward_data", dy, dx, w, conv);
    if (dx.dims[0] == 0) return;
    if (cpu_uses_reference())
        reference_conv_backward_data(q, dx, dy, w, conv, add);
    else if (!winograd_conv_backward_data(q, dx, dy, w, conv, add) &&
             !onednn_conv_backward_data(q, dx, dy, w, conv, add))
        reference_conv_backward_data(q, dx, dy, w, conv, add);
}

void cpu_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                               struct conv conv) {
    check_conv("conv_backward_weights", dy, x, dw, conv);
    if (x.dims[0] == 0) return;
    if (cpu_uses_reference())
        reference_conv_backward_weights(q, dw, x, dy, conv);
    else if (!winograd_conv_backward_weights(q, dw, x, dy, conv) &&
             !onednn_conv_backward_weights(q, dw, x, dy, conv))
        reference_conv_backward_weights(q, dw, x, dy, conv);
}
