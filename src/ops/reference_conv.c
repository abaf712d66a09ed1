/* Convolutions in plain loops, a sample a piece.
 *
 * A sample is first copied into an image of floats with zeros all round, so that the loops know no edges. A
 * block of output points times 32 output channels then stays in registers over all of (kh, kw, c). The
 * gradient of the data is the same loop over the padded (and, for a stride, spread) gradient with weights
 * flipped and transposed; the gradient of the weights is a sum over points of outer products. */
#include "ops/cpu.h"
#include "ops/reference.h"

typedef float lanes __attribute__((vector_size(64), aligned(4)));

enum {
    LANES = 16,
    OUTPUTS = 2 * LANES, /* output channels are padded to a multiple of this */
    POINTS = 6,          /* output points in registers */
    GRADIENT_PIECES = 8, /* partial sums of a weight gradient */
};

/* A padded image and the window that slides over it. */
struct window {
    int height, width, channels; /* of the padded image */
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int out_height, out_width, outputs; /* outputs: not padded */
    int padded_outputs;
};

static size_t image_count(const struct window *w) {
    return (size_t)w->height * (size_t)w->width * (size_t)w->channels;
}

/* Copies sample n of t [N,h,w,c] into the image at (top, left), rows and columns `spread_h`, `spread_w`
 * apart. */
static void image_fill(float *image, const struct window *to, struct tensor t, int n, int top, int left,
                       int spread_h, int spread_w) {
    const int height = t.dims[1], width = t.dims[2], channels = t.dims[3];
    memset(image, 0, image_count(to) * sizeof *image);
    for (int h = 0; h < height; h++) {
        int row = top + h * spread_h;
        if (row < 0 || row >= to->height) continue;
        for (int w = 0; w < width; w++) {
            int column = left + w * spread_w;
            if (column < 0 || column >= to->width) continue;
            size_t at =
                (((size_t)n * (size_t)height + (size_t)h) * (size_t)width + (size_t)w) * (size_t)channels;
            float *point = image + ((size_t)row * (size_t)to->width + (size_t)column) * (size_t)channels;
            for (int c = 0; c < channels; c += CPU_BLOCK) {
                size_t count = channels - c < CPU_BLOCK ? (size_t)(channels - c) : CPU_BLOCK;
                const float *from = cpu_read(t, at + (size_t)c, count, point + c);
                if (from != point + c) memcpy(point + c, from, count * sizeof *point);
            }
        }
    }
}

/* out[p][0..32) = sum over (kh, kw, c) of the window at points p .. p+count of one row; weights
 * [kh][kw][c][padded_outputs] from the block's first output on. */
static void correlate_points(const struct window *w, const float *image, const float *weights, int row,
                             int column, int count, float out[POINTS][OUTPUTS]) {
    const float *points[POINTS];
    lanes sum[POINTS][2] = {0};
    const size_t outputs = (size_t)w->padded_outputs, channels = (size_t)w->channels;
    for (int p = 0; p < POINTS; p++) {
        int at = p < count ? column + p : column;
        points[p] =
            image + ((size_t)(row * w->stride_h) * (size_t)w->width + (size_t)(at * w->stride_w)) * channels;
    }
    for (int kh = 0; kh < w->kernel_h; kh++) {
        size_t offset = (size_t)kh * (size_t)w->width * channels, length = (size_t)w->kernel_w * channels;
        for (size_t k = offset; k < offset + length; k++, weights += outputs) {
            lanes w0 = *(const lanes *)weights, w1 = *(const lanes *)(weights + LANES);
            for (int p = 0; p < POINTS; p++) {
                sum[p][0] += points[p][k] * w0;
                sum[p][1] += points[p][k] * w1;
            }
        }
    }
    memcpy(out, sum, sizeof sum);
}

/* ---- forward ----------------------------------------------------------------------------------------------
 */

struct conv_context {
    struct queue *q;
    struct window window;
    struct conv conv;
    struct tensor y, x, b, r; /* forward: y = act(corr(x) + b + r); backward: y = dx, x = dy */
    float *weights;
    int top, left, spread_h, spread_w;
    enum activation act;
    bool add;
    float *partial; /* of the weight gradient: [pieces][O][KH][KW][C] */
    int grain;
};

static void finish_point(const struct conv_context *c, size_t at, int from, int count, float *sum) {
    float buffer[OUTPUTS], out[OUTPUTS];
    size_t n = (size_t)count;
    const float *b = c->b.data;
    if (b)
        for (int i = 0; i < count; i++)
            sum[i] += b[from + i];
    if (tensor_is(c->r) || c->add) {
        const float *r = cpu_read(c->add ? c->y : c->r, at, n, buffer);
        for (int i = 0; i < count; i++)
            sum[i] += r[i];
    }
    cpu_activate_block(sum, n, c->act);
    float *y = cpu_target(c->y, at, out);
    memcpy(y, sum, n * sizeof *y);
    cpu_written(c->y, at, n, y);
}

static void correlate_piece(void *context, int sample) {
    const struct conv_context *c = context;
    const struct window *w = &c->window;
    float *image = cpu_scratch(c->q, pool_worker(), image_count(w) * sizeof *image);
    image_fill(image, w, c->x, sample, c->top, c->left, c->spread_h, c->spread_w);
    for (int from = 0; from < w->outputs; from += OUTPUTS) {
        int outputs = w->outputs - from < OUTPUTS ? w->outputs - from : OUTPUTS;
        for (int row = 0; row < w->out_height; row++)
            for (int column = 0; column < w->out_width; column += POINTS) {
                int count = w->out_width - column < POINTS ? w->out_width - column : POINTS;
                float sum[POINTS][OUTPUTS];
                correlate_points(w, image, c->weights + from, row, column, count, sum);
                for (int p = 0; p < count; p++) {
                    size_t point =
                        ((size_t)sample * (size_t)w->out_height + (size_t)row) * (size_t)w->out_width +
                        (size_t)(column + p);
                    finish_point(c, point * (size_t)w->outputs + (size_t)from, from, outputs, sum[p]);
                }
            }
    }
}

static float rounded(float value, bool bf16) {
    return bf16 ? bf16_to_float(bf16_from_float(value)) : value;
}

/* Weights as [kh][kw][c][padded o]; for the gradient of the data flipped, o and c changed round. */
static float *pack_weights(struct queue *q, const struct window *to, struct tensor w, bool transpose,
                           bool bf16) {
    const int outputs = w.dims[0], kh = w.dims[1], kw = w.dims[2], channels = w.dims[3];
    const size_t padded = (size_t)to->padded_outputs;
    size_t count = (size_t)kh * (size_t)kw * (size_t)to->channels * padded;
    float *packed = cpu_shared_scratch(q, SCRATCH_WEIGHTS, count * sizeof *packed);
    memset(packed, 0, count * sizeof *packed);
    const float *from = w.data;
    for (int o = 0; o < outputs; o++)
        for (int y = 0; y < kh; y++)
            for (int x = 0; x < kw; x++)
                for (int c = 0; c < channels; c++, from++) {
                    size_t tap = (size_t)(transpose ? (kh - 1 - y) * kw + (kw - 1 - x) : y * kw + x);
                    size_t in = (size_t)(transpose ? o : c), out = (size_t)(transpose ? c : o);
                    packed[(tap * (size_t)to->channels + in) * padded + out] = rounded(*from, bf16);
                }
    return packed;
}

static int padded(int outputs) {
    return (outputs + OUTPUTS - 1) / OUTPUTS * OUTPUTS;
}

void reference_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                            struct tensor b, struct tensor r, struct conv conv, enum activation act) {
    struct conv_context c = {.q = q,
                             .conv = conv,
                             .y = y,
                             .x = x,
                             .b = b,
                             .r = r,
                             .top = conv.pad_h,
                             .left = conv.pad_w,
                             .spread_h = 1,
                             .spread_w = 1,
                             .act = act,
                             .window = {.height = x.dims[1] + 2 * conv.pad_h,
                                        .width = x.dims[2] + 2 * conv.pad_w,
                                        .channels = x.dims[3],
                                        .kernel_h = w.dims[1],
                                        .kernel_w = w.dims[2],
                                        .stride_h = conv.stride_h,
                                        .stride_w = conv.stride_w,
                                        .out_height = y.dims[1],
                                        .out_width = y.dims[2],
                                        .outputs = y.dims[3],
                                        .padded_outputs = padded(y.dims[3])}};
    c.weights = pack_weights(q, &c.window, w, false, x.dtype == DTYPE_BF16);
    pool_run(q->pool, x.dims[0], correlate_piece, &c);
}

void reference_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                  struct conv conv, bool add) {
    const int kh = w.dims[1], kw = w.dims[2];
    struct conv_context c = {.q = q,
                             .conv = conv,
                             .y = dx,
                             .x = dy,
                             .top = kh - 1 - conv.pad_h,
                             .left = kw - 1 - conv.pad_w,
                             .spread_h = conv.stride_h,
                             .spread_w = conv.stride_w,
                             .add = add,
                             .window = {.height = dx.dims[1] + kh - 1,
                                        .width = dx.dims[2] + kw - 1,
                                        .channels = dy.dims[3],
                                        .kernel_h = kh,
                                        .kernel_w = kw,
                                        .stride_h = 1,
                                        .stride_w = 1,
                                        .out_height = dx.dims[1],
                                        .out_width = dx.dims[2],
                                        .outputs = dx.dims[3],
                                        .padded_outputs = padded(dx.dims[3])}};
    c.weights = pack_weights(q, &c.window, w, true, dy.dtype == DTYPE_BF16);
    pool_run(q->pool, dx.dims[0], correlate_piece, &c);
}

/* ---- gradient of the weights ------------------------------------------------------------------------------
 */

/* dw[o][tap][c] += sum over the points of one row of dy[o] x[c], six outputs times 32 channels in registers.
 */
static void outer_block(float *dw, size_t dw_stride, const float *dy, size_t dy_stride, const float *x,
                        size_t x_stride, int points, int outputs, int channels) {
    lanes sum[POINTS][2] = {0};
    float out[POINTS][OUTPUTS];
    for (int p = 0; p < points; p++, dy += dy_stride, x += x_stride) {
        lanes x0 = *(const lanes *)x, x1 = *(const lanes *)(x + LANES);
        for (int o = 0; o < POINTS; o++) {
            float g = dy[o < outputs ? o : 0];
            sum[o][0] += g * x0;
            sum[o][1] += g * x1;
        }
    }
    memcpy(out, sum, sizeof sum);
    for (int o = 0; o < outputs; o++)
        for (int c = 0; c < channels; c++)
            dw[(size_t)o * dw_stride + (size_t)c] += out[o][c];
}

static void gradient_sample(const struct conv_context *c, float *dw, const float *image, const float *dy) {
    const struct window *w = &c->window;
    const int channels = c->y.dims[3]; /* y holds dw's [O,KH,KW,C] */
    const size_t stride = (size_t)w->kernel_h * (size_t)w->kernel_w * (size_t)channels;
    const size_t image_row = (size_t)w->width * (size_t)w->channels, outputs = (size_t)w->outputs;
    for (int o = 0; o < w->outputs; o += POINTS)
        for (int kh = 0; kh < w->kernel_h; kh++)
            for (int kw = 0; kw < w->kernel_w; kw++)
                for (int from = 0; from < channels; from += OUTPUTS) {
                    float *to = dw + (size_t)o * stride + (size_t)((kh * w->kernel_w + kw) * channels + from);
                    for (int row = 0; row < w->out_height; row++)
                        outer_block(to, stride, dy + (size_t)row * (size_t)w->out_width * outputs + o,
                                    outputs,
                                    image + (size_t)(row * w->stride_h + kh) * image_row +
                                        (size_t)kw * (size_t)w->channels + from,
                                    (size_t)w->stride_w * (size_t)w->channels, w->out_width,
                                    w->outputs - o < POINTS ? w->outputs - o : POINTS,
                                    channels - from < OUTPUTS ? channels - from : OUTPUTS);
                }
}

static void gradient_piece(void *context, int piece) {
    const struct conv_context *c = context;
    const struct window *w = &c->window;
    const size_t points = (size_t)w->out_height * (size_t)w->out_width * (size_t)w->outputs;
    const int end = (piece + 1) * c->grain < c->x.dims[0] ? (piece + 1) * c->grain : c->x.dims[0];
    float *image = cpu_scratch(c->q, pool_worker(), (image_count(w) + OUTPUTS + points) * sizeof *image);
    float *dy = image + image_count(w) + OUTPUTS; /* the last point is read OUTPUTS wide */
    float *partial = c->partial + (size_t)piece * tensor_count(c->y);
    memset(partial, 0, tensor_count(c->y) * sizeof *partial);
    for (int sample = piece * c->grain; sample < end; sample++) {
        image_fill(image, w, c->x, sample, c->top, c->left, 1, 1);
        for (size_t at = 0; at < points; at += CPU_BLOCK) {
            size_t n = points - at < CPU_BLOCK ? points - at : CPU_BLOCK;
            const float *from = cpu_read(c->r, (size_t)sample * points + at, n, dy + at);
            if (from != dy + at) memcpy(dy + at, from, n * sizeof *dy);
        }
        gradient_sample(c, partial, image, dy);
    }
}

void reference_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                     struct conv conv) {
    const int samples = x.dims[0];
    if (samples == 0) return;
    struct conv_context c = {.q = q,
                             .conv = conv,
                             .y = dw,
                             .x = x,
                             .r = dy,
                             .top = conv.pad_h,
                             .left = conv.pad_w,
                             .grain = (samples + GRADIENT_PIECES - 1) / GRADIENT_PIECES,
                             .window = {.height = x.dims[1] + 2 * conv.pad_h,
                                        .width = x.dims[2] + 2 * conv.pad_w,
                                        .channels = x.dims[3],
                                        .kernel_h = dw.dims[1],
                                        .kernel_w = dw.dims[2],
                                        .stride_h = conv.stride_h,
                                        .stride_w = conv.stride_w,
                                        .out_height = dy.dims[1],
                                        .out_width = dy.dims[2],
                                        .outputs = dy.dims[3]}};
    const int pieces = (samples + c.grain - 1) / c.grain;
    const size_t count = tensor_count(dw);
    c.partial = cpu_shared_scratch(q, SCRATCH_PARTIALS, (size_t)pieces * count * sizeof *c.partial);
    pool_run(q->pool, pieces, gradient_piece, &c);
    float *to = dw.data;
    for (int piece = 0; piece < pieces; piece++)
        for (size_t i = 0; i < count; i++)
            to[i] += c.partial[(size_t)piece * count + i];
}
