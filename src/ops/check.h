/* Shape checks that the CPU's and CUDA's operations share. A wrong shape is the caller's bug: abort, naming
 * both. */
#ifndef OPS_CHECK_H
#define OPS_CHECK_H

#include "tengen/ops.h"
#include "tengen/status.h"
#include "tengen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

static inline void check_same(const char *op, struct tensor a, struct tensor b) {
    char at[64], bt[64];
    ENSURE(tensor_same_shape(a, b), "%s: %s and %s should have one shape", op, tensor_text(a, at, sizeof at),
           tensor_text(b, bt, sizeof bt));
}

static inline void check_count(const char *op, struct tensor a, struct tensor b) {
    char at[64], bt[64];
    ENSURE(tensor_count(a) == tensor_count(b), "%s: %s and %s should have as many elements", op,
           tensor_text(a, at, sizeof at), tensor_text(b, bt, sizeof bt));
}

/* `t` holds one value for each of the n channels (or outputs, samples) of `of`. */
static inline void check_vector(const char *op, struct tensor t, int n, struct tensor of) {
    char tt[64], ot[64];
    ENSURE(tensor_count(t) == (size_t)n, "%s: %s should have %d elements to go with %s", op,
           tensor_text(t, tt, sizeof tt), n, tensor_text(of, ot, sizeof ot));
}

static inline void check_dtype(const char *op, struct tensor t, enum dtype dtype) {
    char tt[64];
    ENSURE(t.dtype == dtype, "%s: %s should be %s", op, tensor_text(t, tt, sizeof tt), dtype_name(dtype));
}

/* An activation: F32 or BF16, and like another one of the same call. */
static inline void check_activation(const char *op, struct tensor t, struct tensor like) {
    char tt[64], lt[64];
    ENSURE((t.dtype == DTYPE_F32 || t.dtype == DTYPE_BF16) && t.dtype == like.dtype,
           "%s: %s and %s should both be f32 or both bf16", op, tensor_text(t, tt, sizeof tt),
           tensor_text(like, lt, sizeof lt));
}

/* As many elements of the same type as `like` has, or none. */
static inline void check_like(const char *op, struct tensor t, struct tensor like) {
    if (!tensor_is(t)) return;
    check_count(op, t, like);
    check_activation(op, t, like);
}

/* n values of F32, as check_vector, or none. */
static inline void check_optional(const char *op, struct tensor t, int n, struct tensor of) {
    if (!tensor_is(t)) return;
    check_vector(op, t, n, of);
    check_dtype(op, t, DTYPE_F32);
}

static inline void check_rank(const char *op, struct tensor t, int rank) {
    char tt[64];
    ENSURE(t.rank == rank, "%s: %s should have %d dimensions", op, tensor_text(t, tt, sizeof tt), rank);
}

static inline void check_mask(const char *op, struct tensor mask, struct tensor x) {
    if (!tensor_is(mask)) return;
    check_dtype(op, mask, DTYPE_U8);
    check_same(op, mask, x);
}

/* Discrete actions [N,components] of logits x [N,A], and the mask of those. */
static inline void check_choices(const char *op, struct tensor action, struct tensor mask, struct tensor x,
                                 struct choices choices) {
    int sum = 0;
    ENSURE(choices.components >= 1 && choices.components <= CHOICE_COMPONENTS, "%s: %d components", op,
           choices.components);
    for (int i = 0; i < choices.components; i++)
        sum += choices.count[i];
    ENSURE(sum == x.dims[1], "%s: %d logits for %d choices", op, x.dims[1], sum);
    check_vector(op, action, x.dims[0] * choices.components, x);
    check_dtype(op, action, DTYPE_I32);
    check_mask(op, mask, x);
}

/* ---- convolution and matrix products ----------------------------------------------------------------------
 */

/* x [N,H,W,C], w [O,KH,KW,C], y [N,OH,OW,O]: true of a convolution forwards and of both its gradients. */
static inline void check_conv(const char *op, struct tensor y, struct tensor x, struct tensor w,
                              struct conv conv) {
    char yt[64], xt[64], wt[64];
    ENSURE(conv.stride_h > 0 && conv.stride_w > 0 && conv.pad_h >= 0 && conv.pad_w >= 0,
           "%s: stride %d,%d pad %d,%d", op, conv.stride_h, conv.stride_w, conv.pad_h, conv.pad_w);
    bool fits = x.rank == 4 && w.rank == 4 && y.rank == 4 && x.dims[0] == y.dims[0] &&
                x.dims[3] == w.dims[3] && y.dims[3] == w.dims[0] && x.dims[1] + 2 * conv.pad_h >= w.dims[1] &&
                x.dims[2] + 2 * conv.pad_w >= w.dims[2] &&
                y.dims[1] == (x.dims[1] + 2 * conv.pad_h - w.dims[1]) / conv.stride_h + 1 &&
                y.dims[2] == (x.dims[2] + 2 * conv.pad_w - w.dims[2]) / conv.stride_w + 1;
    ENSURE(fits, "%s: y %s, x %s and w %s do not fit (stride %d,%d pad %d,%d)", op,
           tensor_text(y, yt, sizeof yt), tensor_text(x, xt, sizeof xt), tensor_text(w, wt, sizeof wt),
           conv.stride_h, conv.stride_w, conv.pad_h, conv.pad_w);
    check_dtype(op, w, DTYPE_F32);
    check_activation(op, y, x);
}

static inline void check_conv_forward(struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                                      struct tensor r, struct conv conv) {
    check_conv("conv_forward", y, x, w, conv);
    check_optional("conv_forward", b, y.dims[3], y);
    if (tensor_is(r)) check_same("conv_forward", r, y);
    check_like("conv_forward", r, y);
}

/* x [N,I], w [O,I], y [N,O]. */
static inline void check_linear(const char *op, struct tensor y, struct tensor x, struct tensor w) {
    char yt[64], xt[64], wt[64];
    bool fits = x.rank == 2 && w.rank == 2 && y.rank == 2 && x.dims[0] == y.dims[0] &&
                x.dims[1] == w.dims[1] && y.dims[1] == w.dims[0];
    ENSURE(fits, "%s: y %s, x %s and w %s do not fit", op, tensor_text(y, yt, sizeof yt),
           tensor_text(x, xt, sizeof xt), tensor_text(w, wt, sizeof wt));
    check_dtype(op, w, DTYPE_F32);
    check_activation(op, y, x);
}

static inline void check_linear_forward(struct tensor y, struct tensor x, struct tensor w, struct tensor b) {
    check_linear("linear_forward", y, x, w);
    check_optional("linear_forward", b, y.dims[1], y);
}

/* ---- bias, batch norm, pooling ----------------------------------------------------------------------------
 */

/* The shape of b is the end of that of x; how many elements it has, which repeat along x. */
static inline int check_bias(const char *op, struct tensor y, struct tensor x, struct tensor b) {
    char xt[64], bt[64];
    check_like(op, y, x);
    bool suffix = b.rank >= 1 && b.rank <= x.rank;
    for (int i = 0; suffix && i < b.rank; i++)
        suffix = b.dims[b.rank - 1 - i] == x.dims[x.rank - 1 - i];
    ENSURE(suffix, "%s: the shape of %s should be the end of that of %s", op, tensor_text(b, bt, sizeof bt),
           tensor_text(x, xt, sizeof xt));
    check_dtype(op, b, DTYPE_F32);
    return (int)tensor_count(b);
}

/* y, r like x [..., C], the rest [C]; `spread` is a variance or its rstd. */
static inline void check_batchnorm(const char *op, struct tensor y, struct tensor x, struct tensor r,
                                   struct tensor gamma, struct tensor beta, struct tensor mean,
                                   struct tensor spread) {
    const int channels = x.dims[x.rank - 1];
    check_activation(op, x, x);
    check_like(op, y, x);
    check_like(op, r, x);
    check_vector(op, gamma, channels, x);
    check_vector(op, beta, channels, x);
    check_vector(op, mean, channels, x);
    check_vector(op, spread, channels, x);
}

static inline void check_batchnorm_backward(struct tensor dx, struct tensor dr, struct tensor dgamma,
                                            struct tensor dbeta, struct tensor dy, struct tensor y,
                                            struct tensor x, struct tensor gamma, struct tensor mean,
                                            struct tensor rstd, enum activation act) {
    const char *op = "batchnorm_backward";
    check_batchnorm(op, dx, x, dr, dgamma, dbeta, mean, rstd);
    check_batchnorm(op, dy, x, y, gamma, dbeta, mean, rstd);
    ENSURE(act == ACTIVATION_NONE || (act == ACTIVATION_RELU && tensor_is(y)),
           "%s undoes relu through y, or nothing", op);
}

/* w, wf [O, ...], the rest [O]. */
static inline void check_batchnorm_fold(struct tensor wf, struct tensor bf, struct tensor w, struct tensor b,
                                        struct tensor gamma, struct tensor beta, struct tensor mean,
                                        struct tensor var) {
    const char *op = "batchnorm_fold";
    const int outputs = w.dims[0];
    check_same(op, wf, w);
    check_vector(op, bf, outputs, w);
    check_vector(op, gamma, outputs, w);
    check_vector(op, beta, outputs, w);
    check_vector(op, mean, outputs, w);
    check_vector(op, var, outputs, w);
    check_optional(op, b, outputs, w);
}

/* y [N,C], x [N,H,W,C]. */
static inline void check_pool(const char *op, struct tensor y, struct tensor x) {
    check_rank(op, x, 4);
    check_rank(op, y, 2);
    check_activation(op, y, x);
    check_vector(op, y, x.dims[0] * x.dims[3], x);
}

static inline void check_pool_backward(struct tensor dx, struct tensor dy, struct tensor y, struct tensor x) {
    const char *op = "pool_backward";
    check_pool(op, y, x);
    check_pool(op, dy, dx);
    check_same(op, dx, x);
    check_same(op, dy, y);
    check_activation(op, dx, x);
}

/* ---- positions of games -----------------------------------------------------------------------------------
 */

/* Rows of bits are read in words, and elements of y are counted in 32 bits. */
static inline void check_planes(struct tensor y, struct tensor bits, struct tensor symmetry,
                                struct tensor source) {
    const char *op = "planes_forward";
    char yt[64], bt[64], st[64];
    check_rank(op, y, 4);
    check_rank(op, bits, 2);
    check_rank(op, source, 2);
    check_activation(op, y, y);
    check_dtype(op, bits, DTYPE_U8);
    check_dtype(op, symmetry, DTYPE_I32);
    check_dtype(op, source, DTYPE_I32);
    check_vector(op, symmetry, y.dims[0], y);
    const size_t points = (size_t)y.dims[1] * (size_t)y.dims[2], row = points * (size_t)y.dims[3];
    ENSURE(bits.dims[0] == y.dims[0] && (size_t)bits.dims[1] * 8 >= row && bits.dims[1] % 4 == 0 &&
               (uintptr_t)bits.data % 4 == 0 && (size_t)source.dims[1] == points &&
               tensor_count(y) <= UINT32_MAX,
           "%s: %s does not go with %s, in whole words, and %s", op, tensor_text(y, yt, sizeof yt),
           tensor_text(bits, bt, sizeof bt), tensor_text(source, st, sizeof st));
}

/* ---- frames of a replay -----------------------------------------------------------------------------------
 */

/* frames [S,H,W,C], bytes or floats, and places among them; returns a frame's elements. */
static inline size_t check_frames(const char *op, struct tensor frames, struct tensor slot) {
    char ft[64];
    check_rank(op, frames, 4);
    check_dtype(op, slot, DTYPE_I32);
    ENSURE(frames.dtype == DTYPE_U8 || frames.dtype == DTYPE_F32, "%s: %s should be u8 or f32", op,
           tensor_text(frames, ft, sizeof ft));
    return (size_t)frames.dims[1] * (size_t)frames.dims[2] * (size_t)frames.dims[3];
}

static inline size_t check_frames_put(struct tensor frames, struct tensor x, struct tensor slot) {
    const char *op = "frames_put";
    check_dtype(op, x, frames.dtype);
    check_same(op, tensor_head(x, 0), tensor_head(frames, 0));
    check_vector(op, slot, x.dims[0], x);
    return check_frames(op, frames, slot);
}

static inline size_t check_frames_gather(struct tensor y, struct tensor frames, struct tensor slot) {
    const char *op = "frames_gather";
    char yt[64], ft[64], st[64];
    const size_t frame = check_frames(op, frames, slot);
    check_rank(op, slot, 2);
    check_dtype(op, y, DTYPE_F32);
    ENSURE(y.dims[0] == slot.dims[0] && tensor_count(y) == tensor_count(slot) * frame,
           "%s: %s is not what %s of %s make", op, tensor_text(y, yt, sizeof yt),
           tensor_text(slot, st, sizeof st), tensor_text(frames, ft, sizeof ft));
    return frame;
}

/* ---- softmax and losses -----------------------------------------------------------------------------------
 */

/* A row of values a sample: [N,A] of F32, like x. */
static inline void check_rows(const char *op, struct tensor t, struct tensor x) {
    check_same(op, t, x);
    check_dtype(op, t, DTYPE_F32);
}

static inline void check_softmax(const char *op, struct tensor y, struct tensor x, struct tensor mask) {
    check_rank(op, x, 2);
    check_rows(op, y, x);
    check_dtype(op, x, DTYPE_F32);
    check_mask(op, mask, x);
}

static inline void check_loss(const char *op, struct tensor loss, struct tensor dx, struct tensor x,
                              struct tensor t, struct tensor mask, struct tensor w) {
    check_softmax(op, t, x, mask);
    check_vector(op, loss, x.dims[0], x);
    check_dtype(op, loss, DTYPE_F32);
    check_optional(op, w, x.dims[0], x);
    if (tensor_is(dx)) check_rows(op, dx, x);
}

/* ---- rollouts ---------------------------------------------------------------------------------------------
 */

/* Rows of y [M, ...] and x [N, ...] agree, and elements of y are counted in 32 bits; returns how many a row
 * has.
 */
static inline size_t check_rows_gather(struct tensor y, struct tensor x, struct tensor index) {
    const char *op = "rows_gather";
    char yt[64], xt[64];
    const size_t m = (size_t)y.dims[0], n = (size_t)x.dims[0];
    const bool pixels = y.dtype == DTYPE_F32 && x.dtype == DTYPE_U8;
    ENSURE((pixels || (y.dtype == x.dtype && y.dtype != DTYPE_BF16)) &&
               tensor_count(y) * n == tensor_count(x) * m && tensor_count(y) <= UINT32_MAX,
           "%s: rows of %s cannot be those of %s", op, tensor_text(y, yt, sizeof yt),
           tensor_text(x, xt, sizeof xt));
    if (tensor_is(index)) {
        check_dtype(op, index, DTYPE_I32);
        check_vector(op, index, y.dims[0], y);
    } else {
        ENSURE(m <= n, "%s: %s has more rows than %s", op, tensor_text(y, yt, sizeof yt),
               tensor_text(x, xt, sizeof xt));
    }
    return m ? tensor_count(y) / m : 0;
}

/* A flag for each element of `like`. */
static inline void check_flags(const char *op, struct tensor t, struct tensor like) {
    check_count(op, t, like);
    check_dtype(op, t, DTYPE_U8);
}

static inline void check_standardise(struct tensor y, struct tensor x) {
    check_count("standardise", y, x);
    check_dtype("standardise", y, DTYPE_F32);
    check_dtype("standardise", x, DTYPE_F32);
}

static inline void check_column_moments(struct tensor mean, struct tensor squares, struct tensor x) {
    const char *op = "column_moments";
    check_rank(op, x, 2);
    check_dtype(op, x, DTYPE_F32);
    check_vector(op, mean, x.dims[1], x);
    check_dtype(op, mean, DTYPE_F32);
    check_optional(op, squares, x.dims[1], x);
}

static inline void check_episode_starts(struct tensor starts, struct tensor terminated,
                                        struct tensor truncated) {
    const char *op = "episode_starts";
    check_dtype(op, starts, DTYPE_F32);
    check_flags(op, terminated, starts);
    check_flags(op, truncated, starts);
}

/* ---- action values, noisy layers -----------------------------------------------------------------------
 */

/* Action values x [N,A K], K values an action; returns A. */
static inline int check_actions(const char *op, struct tensor x, int k) {
    char xt[64];
    check_rank(op, x, 2);
    check_dtype(op, x, DTYPE_F32);
    ENSURE(k > 0 && x.dims[1] % k == 0, "%s: %s does not hold %d values an action", op,
           tensor_text(x, xt, sizeof xt), k);
    return x.dims[1] / k;
}

/* What a loss on one action's values has besides them; k: values an action. */
static inline void check_value_loss(const char *op, struct tensor stats, struct tensor dx, struct tensor x,
                                    struct tensor action, struct tensor target, struct tensor w, int k) {
    const int rows = x.dims[0];
    check_actions(op, x, k);
    check_rows(op, dx, x);
    check_vector(op, stats, 3 * rows, x);
    check_vector(op, action, rows, x);
    check_dtype(op, action, DTYPE_I32);
    check_vector(op, target, rows * k, x);
    check_optional(op, w, rows, x);
}

/* What a target made of the next observation's values has besides them; k: values an action. */
static inline void check_value_target(const char *op, struct tensor target, struct tensor r, struct tensor g,
                                      struct tensor next, struct tensor choice, int k) {
    const int rows = next.dims[0];
    check_actions(op, next, k);
    check_vector(op, target, rows * k, next);
    check_vector(op, r, rows, next);
    check_vector(op, g, rows, next);
    if (tensor_is(choice)) check_rows(op, choice, next);
}

/* Factorised noise of w, [O,I] or [O], whose elements are counted in 32 bits. */
static inline void check_noisy(const char *op, struct tensor w, struct tensor mu, struct tensor sigma,
                               struct tensor out, struct tensor in) {
    char wt[64];
    check_same(op, mu, w);
    check_same(op, sigma, w);
    ENSURE(tensor_count(w) <= UINT32_MAX, "%s: %s is too large", op, tensor_text(w, wt, sizeof wt));
    check_vector(op, out, w.dims[0], w);
    if (tensor_is(in) || w.rank != 1) check_vector(op, in, w.dims[1], w);
}

/* ---- recurrent layers ----------------------------------------------------------------------------------
 */

/* y, h [N,H], x, g [N,3H], starts [N], of F32; returns H. Both directions: y may be dy, h dh. */
static inline int check_gru(const char *op, struct tensor y, struct tensor x, struct tensor g,
                            struct tensor h, struct tensor starts) {
    char yt[64], xt[64];
    check_rank(op, y, 2);
    check_rows(op, h, y);
    check_rows(op, g, x);
    check_dtype(op, x, DTYPE_F32);
    ENSURE(x.rank == 2 && x.dims[0] == y.dims[0] && x.dims[1] == 3 * y.dims[1],
           "%s: %s should have three columns for each of %s", op, tensor_text(x, xt, sizeof xt),
           tensor_text(y, yt, sizeof yt));
    check_vector(op, starts, y.dims[0], y);
    check_dtype(op, starts, DTYPE_F32);
    return y.dims[1];
}

static inline int check_gru_backward(struct tensor dx, struct tensor dg, struct tensor dh, struct tensor dy,
                                     struct tensor x, struct tensor g, struct tensor h,
                                     struct tensor starts) {
    const char *op = "gru_backward";
    check_rows(op, dx, x);
    check_rows(op, dg, x);
    if (tensor_is(dh)) check_rows(op, dh, dy);
    return check_gru(op, dy, x, g, h, starts);
}

/* ---- optimisers -------------------------------------------------------------------------------------------
 */

static inline void check_sum_squares(struct tensor out, struct tensor g) {
    check_dtype("sum_squares", g, DTYPE_F32);
    check_vector("sum_squares", out, 1, g);
}

/* w, m, v and g [n]; v may be none. */
static inline void check_step(const char *op, struct tensor w, struct tensor m, struct tensor v,
                              struct tensor g, struct tensor hyper) {
    check_like(op, m, w);
    check_like(op, v, w);
    check_like(op, g, w);
    check_dtype(op, w, DTYPE_F32);
    check_vector(op, hyper, HYPER_COUNT, w);
}

#ifdef __cplusplus
}
#endif
#endif
