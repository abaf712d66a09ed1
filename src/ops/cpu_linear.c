/* Linear layers on a CPU: checks, then oneDNN or the plain loops. In the plain loops N rows of I values are
 * pieces of an image of one row whose 1x1 convolution the layer is. */
#include "ops/cpu.h"
#include "ops/onednn.h"
#include "ops/reference.h"

enum { LINEAR_ROWS = 24 }; /* rows a piece in the plain loops */

/* [N,I] as images [N/24,1,24,I], and what is left over as [1,1,N%24,I]. */
static struct tensor rows_image(struct tensor t, bool rest) {
    const int n = t.dims[0], whole = n / LINEAR_ROWS, width = t.dims[1];
    char *data = t.data;
    if (!rest) return tensor_4(t.data, t.dtype, whole, 1, LINEAR_ROWS, width);
    size_t skipped = (size_t)whole * LINEAR_ROWS * (size_t)width * dtype_size(t.dtype);
    return tensor_4(data + skipped, t.dtype, 1, 1, n - whole * LINEAR_ROWS, width);
}

static struct tensor weights_image(struct tensor w) {
    struct tensor image = tensor_4(w.data, w.dtype, w.dims[0], 1, 1, w.dims[1]);
    image.version = w.version;
    return image;
}

static const struct conv one_by_one = {.stride_h = 1, .stride_w = 1};

static void plain_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                          enum activation act) {
    for (int rest = 0; rest < 2; rest++) {
        struct tensor part = rows_image(x, rest);
        if (tensor_count(part))
            reference_conv_forward(q, rows_image(y, rest), part, weights_image(w), b, tensor_none(),
                                   one_by_one, act);
    }
}

static void plain_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                bool add) {
    for (int rest = 0; rest < 2; rest++) {
        struct tensor part = rows_image(dy, rest);
        if (tensor_count(part))
            reference_conv_backward_data(q, rows_image(dx, rest), part, weights_image(w), one_by_one, add);
    }
}

static void plain_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy) {
    for (int rest = 0; rest < 2; rest++) {
        struct tensor part = rows_image(x, rest);
        if (tensor_count(part))
            reference_conv_backward_weights(q, weights_image(dw), part, rows_image(dy, rest), one_by_one);
    }
}

void cpu_linear_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                        enum activation act) {
    check_linear_forward(y, x, w, b);
    if (x.dims[0] == 0) return;
    if (cpu_uses_reference() || !onednn_linear_forward(q, y, x, w, b, act)) plain_forward(q, y, x, w, b, act);
}

void cpu_linear_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                              bool add) {
    check_linear("linear_backward_data", dy, dx, w);
    if (dx.dims[0] == 0) return;
    if (cpu_uses_reference() || !onednn_linear_backward_data(q, dx, dy, w, add))
        plain_backward_data(q, dx, dy, w, add);
}

void cpu_linear_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy) {
    check_linear("linear_backward_weights", dy, x, dw);
    if (x.dims[0] == 0) return;
    if (cpu_uses_reference() || !onednn_linear_backward_weights(q, dw, x, dy))
        plain_backward_weights(q, dw, x, dy);
}
