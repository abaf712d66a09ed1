/* Cases of convolutions and linear layers. */
#ifndef TESTS_OPS_CHECK_CONV_H
#define TESTS_OPS_CHECK_CONV_H

#include "harness.h"

struct conv_shape {
    int n, h, w, c, o, kh, kw;
    struct conv conv;
};

/* Odd sizes, one channel, rectangles, strides, the heads, and the layers that Tengen lives on. */
static const struct conv_shape conv_shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, {1, 1, 0, 0}},       {1, 5, 4, 3, 2, 3, 2, {1, 1, 1, 0}},
    {3, 7, 7, 17, 64, 3, 3, {1, 1, 1, 1}},     {5, 7, 7, 64, 64, 3, 3, {1, 1, 1, 1}},
    {35, 3, 3, 5, 7, 3, 3, {1, 1, 1, 1}},      {9, 7, 7, 64, 2, 1, 1, {1, 1, 0, 0}},
    {7, 9, 9, 33, 1, 1, 1, {1, 1, 0, 0}},      {3, 6, 9, 32, 48, 5, 5, {1, 1, 2, 2}},
    {2, 20, 20, 4, 32, 8, 8, {4, 4, 0, 0}},    {3, 9, 11, 32, 64, 4, 4, {2, 2, 0, 0}},
    {2, 9, 9, 64, 64, 3, 3, {1, 1, 0, 0}},     {2, 8, 8, 6, 10, 3, 3, {2, 2, 1, 1}},
    {2, 19, 19, 128, 128, 3, 3, {1, 1, 1, 1}}, {3, 9, 9, 128, 96, 3, 3, {1, 1, 1, 1}},
    {2, 9, 9, 256, 32, 1, 1, {1, 1, 0, 0}},    {1, 13, 13, 192, 192, 3, 3, {1, 1, 1, 1}},
};

struct conv_case {
    struct conv_shape s;
    enum activation act;
    bool add;
};

static inline int conv_out(int size, int kernel, int stride, int pad) {
    return (size + 2 * pad - kernel) / stride + 1;
}

/* Calls visit for all (y, x, w) index triples of the convolution: y += x w. */
static inline void conv_visit(const struct conv_shape *s, void (*visit)(void *, size_t, size_t, size_t),
                              void *to) {
    const int oh = conv_out(s->h, s->kh, s->conv.stride_h, s->conv.pad_h);
    const int ow = conv_out(s->w, s->kw, s->conv.stride_w, s->conv.pad_w);
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < oh; i++)
            for (int j = 0; j < ow; j++)
                for (int kh = 0; kh < s->kh; kh++)
                    for (int kw = 0; kw < s->kw; kw++) {
                        int h = i * s->conv.stride_h + kh - s->conv.pad_h;
                        int w = j * s->conv.stride_w + kw - s->conv.pad_w;
                        if (h < 0 || h >= s->h || w < 0 || w >= s->w) continue;
                        for (int o = 0; o < s->o; o++)
                            for (int c = 0; c < s->c; c++)
                                visit(to, (size_t)((n * oh + i) * ow + j) * (size_t)s->o + (size_t)o,
                                      (size_t)((n * s->h + h) * s->w + w) * (size_t)s->c + (size_t)c,
                                      (size_t)((o * s->kh + kh) * s->kw + kw) * (size_t)s->c + (size_t)c);
                    }
}

struct triple {
    double *y, *x, *w;
};
static inline void triple_forward(void *to, size_t y, size_t x, size_t w) {
    struct triple *t = to;
    t->y[y] += t->x[x] * t->w[w];
}
static inline void triple_data(void *to, size_t y, size_t x, size_t w) {
    struct triple *t = to;
    t->x[x] += t->y[y] * t->w[w];
}
static inline void triple_weights(void *to, size_t y, size_t x, size_t w) {
    struct triple *t = to;
    t->w[w] += t->y[y] * t->x[x];
}

/* Masters are F32; where activations are BF16 the operation rounds them. */
static inline double *rounded_weights(struct harness *h, int index, enum dtype dtype) {
    size_t n = buffer_count(h, index);
    double *w = MEM_NEW(double, n + 1);
    for (size_t i = 0; i < n; i++)
        w[i] = rounded_to(h->buffers[index].value[i], dtype);
    return w;
}

static inline void call_conv_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct conv_case *c = parameters;
    q->op->conv_forward(q, t[0], t[1], t[2], t[3], t[4], c->s.conv, c->act);
}
static inline void call_conv_backward_data(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct conv_case *c = parameters;
    q->op->conv_backward_data(q, t[0], t[1], t[2], c->s.conv, c->add);
}
static inline void call_conv_backward_weights(struct queue *q, const struct tensor *t,
                                              const void *parameters) {
    const struct conv_case *c = parameters;
    q->op->conv_backward_weights(q, t[0], t[1], t[2], c->s.conv);
}

static inline void conv_name(struct harness *h, const char *op, const struct conv_case *c, enum dtype dtype) {
    snprintf(h->what, sizeof h->what,
             "%s %s n%d %dx%dx%d -> %d, kernel %dx%d stride %d pad %d,%d act %d add %d", op,
             dtype_name(dtype), c->s.n, c->s.h, c->s.w, c->s.c, c->s.o, c->s.kh, c->s.kw, c->s.conv.stride_h,
             c->s.conv.pad_h, c->s.conv.pad_w, (int)c->act, c->add);
}

/* Of the output, buffer 0. A CPU may multiply what Winograd's transforms have rounded to BF16
 * (ops/winograd.h), which errs by some 0.3% of the rms, and ten times that now and then. */
static inline void conv_tolerance(struct harness *h, const struct conv_shape *s, enum dtype dtype) {
    const bool winograd = s->kh == 3 || s->kh == 2 * s->conv.stride_h;
    if (h->device->kind == DEVICE_CPU && dtype == DTYPE_BF16 && winograd) h->buffers[0].relative = 1.0 / 40;
}

/* options: 1 bias, 2 residual, 4 residual in place of y */
static inline void conv_forward_case(struct harness *h, const struct conv_case *c, enum dtype dtype,
                                     int options) {
    const struct conv_shape *s = &c->s;
    const int oh = conv_out(s->h, s->kh, s->conv.stride_h, s->conv.pad_h);
    const int ow = conv_out(s->w, s->kw, s->conv.stride_w, s->conv.pad_w);
    conv_name(h, "conv_forward", c, dtype);
    buffer_random(h, dtype, 1.0, DIMS(s->n, oh, ow, s->o));
    double *x = buffer_random(h, dtype, 1.0, DIMS(s->n, s->h, s->w, s->c));
    buffer_random(h, DTYPE_F32, 1.0 / sqrt(s->kh * s->kw * s->c), DIMS(s->o, s->kh, s->kw, s->c));
    double *b = NULL, *r = NULL;
    if (options & 1)
        b = buffer_random(h, DTYPE_F32, 1.0, DIMS(s->o));
    else
        buffer_none(h);
    if (options & 2)
        r = buffer_random(h, dtype, 1.0, DIMS(s->n, oh, ow, s->o));
    else
        buffer_none(h);
    double *y = expect(h, 0), *w = rounded_weights(h, 2, dtype);
    const size_t n = buffer_count(h, 0);
    if (r && options & 4) memcpy(h->buffers[0].first, r, n * sizeof *r);
    for (size_t i = 0; i < n; i++)
        y[i] = (b ? b[i % (size_t)s->o] : 0.0) + (r ? r[i] : 0.0);
    conv_visit(s, triple_forward, &(struct triple){y, x, w});
    for (size_t i = 0; i < n; i++)
        y[i] = act_value(y[i], c->act);
    mem_free(w);
    conv_tolerance(h, s, dtype);
    harness_run_alias(h, call_conv_forward, c, (options & 6) == 6 ? (int[]){0, 1, 2, 3, 0} : NULL);
}

static inline void check_conv_forward(struct harness *h) {
    for (size_t i = 0; i < sizeof conv_shapes / sizeof conv_shapes[0]; i++)
        for (int d = 0; d < 2; d++)
            for (int options = 0; options < 8; options += i == 3 ? 1 : 3) {
                struct conv_case c = {.s = conv_shapes[i],
                                      .act = (enum activation)((int)(i + (size_t)options) % 4)};
                conv_forward_case(h, &c, both_dtypes[d], options);
            }
}

static inline void check_conv_backward_data(struct harness *h) {
    for (size_t i = 0; i < sizeof conv_shapes / sizeof conv_shapes[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            enum dtype dtype = both_dtypes[variant & 1];
            struct conv_case c = {.s = conv_shapes[i], .add = variant >= 2};
            const struct conv_shape *s = &c.s;
            conv_name(h, "conv_backward_data", &c, dtype);
            buffer_random(h, dtype, 1.0, DIMS(s->n, s->h, s->w, s->c));
            double *dy = buffer_random(h, dtype, 1.0,
                                       DIMS(s->n, conv_out(s->h, s->kh, s->conv.stride_h, s->conv.pad_h),
                                            conv_out(s->w, s->kw, s->conv.stride_w, s->conv.pad_w), s->o));
            buffer_random(h, DTYPE_F32, 1.0 / sqrt(s->kh * s->kw * s->o), DIMS(s->o, s->kh, s->kw, s->c));
            double *dx = expect(h, 0), *w = rounded_weights(h, 2, dtype);
            if (!c.add) memset(dx, 0, buffer_count(h, 0) * sizeof *dx);
            conv_visit(s, triple_data, &(struct triple){dy, dx, w});
            mem_free(w);
            conv_tolerance(h, s, dtype);
            harness_run(h, call_conv_backward_data, &c);
        }
}

static inline void check_conv_backward_weights(struct harness *h) {
    for (size_t i = 0; i < sizeof conv_shapes / sizeof conv_shapes[0]; i++)
        for (int d = 0; d < 2; d++) {
            struct conv_case c = {.s = conv_shapes[i]};
            struct conv_shape *s = &c.s;
            if (i % 3 == 1) s->n += 19; /* more than the slices of a gradient */
            conv_name(h, "conv_backward_weights", &c, both_dtypes[d]);
            buffer_random(h, DTYPE_F32, 1.0, DIMS(s->o, s->kh, s->kw, s->c));
            double *x = buffer_random(h, both_dtypes[d], 1.0, DIMS(s->n, s->h, s->w, s->c));
            double *dy = buffer_random(h, both_dtypes[d], 1.0,
                                       DIMS(s->n, conv_out(s->h, s->kh, s->conv.stride_h, s->conv.pad_h),
                                            conv_out(s->w, s->kw, s->conv.stride_w, s->conv.pad_w), s->o));
            double *dw = expect(h, 0);
            conv_visit(s, triple_weights, &(struct triple){dy, x, dw});
            conv_tolerance(h, s, both_dtypes[d]);
            harness_run(h, call_conv_backward_weights, &c);
        }
}

/* ---- linear: n, i, o --------------------------------------------------------------------------------------
 */

static const int linear_shapes[][3] = {{1, 1, 1},     {2, 3, 5},      {7, 98, 50},    {33, 49, 256},
                                       {130, 256, 1}, {64, 4, 64},    {37, 722, 362}, {3, 3136, 512},
                                       {1, 512, 18},  {200, 64, 129}, {300, 512, 300}};

static inline void call_linear_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->linear_forward(q, t[0], t[1], t[2], t[3], *(const enum activation *)parameters);
}
static inline void call_linear_backward_data(struct queue *q, const struct tensor *t,
                                             const void *parameters) {
    q->op->linear_backward_data(q, t[0], t[1], t[2], *(const bool *)parameters);
}
static inline void call_linear_backward_weights(struct queue *q, const struct tensor *t,
                                                const void *parameters) {
    (void)parameters;
    q->op->linear_backward_weights(q, t[0], t[1], t[2]);
}

static inline void check_linear_forward(struct harness *h) {
    for (size_t k = 0; k < sizeof linear_shapes / sizeof linear_shapes[0]; k++)
        for (int variant = 0; variant < 4; variant++) {
            const int n = linear_shapes[k][0], in = linear_shapes[k][1], out = linear_shapes[k][2];
            enum dtype dtype = both_dtypes[variant & 1];
            enum activation act = (enum activation)(((int)k + variant) % 4);
            snprintf(h->what, sizeof h->what, "linear_forward %s n%d %d -> %d", dtype_name(dtype), n, in,
                     out);
            buffer_random(h, dtype, 1.0, DIMS(n, out));
            double *x = buffer_random(h, dtype, 1.0, DIMS(n, in)), *b = NULL;
            buffer_random(h, DTYPE_F32, 1.0 / sqrt(in), DIMS(out, in));
            if (variant & 2)
                b = buffer_random(h, DTYPE_F32, 1.0, DIMS(out));
            else
                buffer_none(h);
            double *y = expect(h, 0), *w = rounded_weights(h, 2, dtype);
            for (int i = 0; i < n; i++)
                for (int o = 0; o < out; o++) {
                    double sum = b ? b[o] : 0.0;
                    for (int j = 0; j < in; j++)
                        sum += x[i * in + j] * w[o * in + j];
                    y[i * out + o] = act_value(sum, act);
                }
            mem_free(w);
            harness_run(h, call_linear_forward, &act);
        }
}

static inline void check_linear_backward_data(struct harness *h) {
    for (size_t k = 0; k < sizeof linear_shapes / sizeof linear_shapes[0]; k++)
        for (int variant = 0; variant < 4; variant++) {
            const int n = linear_shapes[k][0], in = linear_shapes[k][1], out = linear_shapes[k][2];
            enum dtype dtype = both_dtypes[variant & 1];
            bool add = variant >= 2;
            snprintf(h->what, sizeof h->what, "linear_backward_data %s n%d %d -> %d add %d",
                     dtype_name(dtype), n, in, out, add);
            buffer_random(h, dtype, 1.0, DIMS(n, in));
            double *dy = buffer_random(h, dtype, 1.0, DIMS(n, out));
            buffer_random(h, DTYPE_F32, 1.0 / sqrt(out), DIMS(out, in));
            double *dx = expect(h, 0), *w = rounded_weights(h, 2, dtype);
            for (int i = 0; i < n; i++)
                for (int j = 0; j < in; j++) {
                    double sum = add ? dx[i * in + j] : 0.0;
                    for (int o = 0; o < out; o++)
                        sum += dy[i * out + o] * w[o * in + j];
                    dx[i * in + j] = sum;
                }
            mem_free(w);
            harness_run(h, call_linear_backward_data, &add);
        }
}

static inline void check_linear_backward_weights(struct harness *h) {
    for (size_t k = 0; k < sizeof linear_shapes / sizeof linear_shapes[0]; k++)
        for (int d = 0; d < 2; d++) {
            const int n = linear_shapes[k][0], in = linear_shapes[k][1], out = linear_shapes[k][2];
            snprintf(h->what, sizeof h->what, "linear_backward_weights %s n%d %d -> %d",
                     dtype_name(both_dtypes[d]), n, in, out);
            buffer_random(h, DTYPE_F32, 1.0, DIMS(out, in));
            double *x = buffer_random(h, both_dtypes[d], 1.0, DIMS(n, in));
            double *dy = buffer_random(h, both_dtypes[d], 1.0, DIMS(n, out));
            double *dw = expect(h, 0);
            for (int i = 0; i < n; i++)
                for (int o = 0; o < out; o++)
                    for (int j = 0; j < in; j++)
                        dw[o * in + j] += dy[i * out + o] * x[i * in + j];
            harness_run(h, call_linear_backward_weights, NULL);
        }
}

#endif
