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

static inline void check_rank(const char *op, struct tensor t, int rank) {
    char tt[64];
    ENSURE(t.rank == rank, "%s: %s should have %d dimensions", op, tensor_text(t, tt, sizeof tt), rank);
}

static inline void check_mask(const char *op, struct tensor mask, struct tensor x) {
    if (!tensor_is(mask)) return;
    check_dtype(op, mask, DTYPE_U8);
    check_same(op, mask, x);
}

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

#ifdef __cplusplus
}
#endif
#endif
