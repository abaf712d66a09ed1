/* Rows of [N,A], each done by some lanes of one warp: what softmax and losses share.
 *
 * A row of few values gets few lanes, so that lanes are not idle; the values of a row are read from DRAM
 * once, and again from the cache for the second and third look at them. */
#ifndef CUDA_ROWS_CUH
#define CUDA_ROWS_CUH

#include "cuda/common.cuh"

/* One row as one lane sees it: for (i = r.first; i < r.width; i += r.lanes). Lanes beyond the last row have a
 * row of width 0, and take part in collectives. */
struct row {
    size_t at; /* of the row's first value */
    int index, first, width, lanes;
    bool leader; /* one lane of a row that is there */
};

static __device__ __forceinline__ struct row row_make(int rows, int width, int lanes) {
    const size_t thread = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
    const size_t index = thread / static_cast<size_t>(lanes);
    const bool there = index < static_cast<size_t>(rows);
    struct row r;
    r.index = there ? static_cast<int>(index) : 0;
    r.at = static_cast<size_t>(r.index) * static_cast<size_t>(width);
    r.first = static_cast<int>(threadIdx.x) % lanes;
    r.width = there ? width : 0;
    r.lanes = lanes;
    r.leader = there && r.first == 0;
    return r;
}

/* A power of two: a lane for four values, at most a warp. */
static inline int row_lanes(int width) {
    int lanes = 1;
    while (lanes < WARP && lanes * 4 < width)
        lanes *= 2;
    return lanes;
}

static inline unsigned row_grid(int rows, int lanes) {
    return static_cast<unsigned>(ceil_div(static_cast<size_t>(rows) * static_cast<size_t>(lanes), BLOCK));
}

static __device__ __forceinline__ bool row_masked(const uint8_t *mask, size_t at) {
    return mask && mask[at] == 0;
}

/* Over the places that the mask allows: the maximum, -inf if there is none, and sum exp(x - maximum), 0 if
 * the maximum is -inf. */
struct row_norm {
    float max, sum;
};

static __device__ __forceinline__ struct row_norm row_norm_make(struct row r, const float *x,
                                                                const uint8_t *mask) {
    float max = -INFINITY, sum = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = r.at + static_cast<size_t>(i);
        if (!row_masked(mask, at) && x[at] > max) max = x[at];
    }
    max = lanes_max(max, r.lanes);
    if (max > -INFINITY || !mask)
        for (int i = r.first; i < r.width; i += r.lanes) {
            const size_t at = r.at + static_cast<size_t>(i);
            if (!row_masked(mask, at)) sum += expf(x[at] - max);
        }
    sum = lanes_sum(sum, r.lanes);
    return {max, sum};
}

#endif
