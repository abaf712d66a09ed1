/* Gated recurrent units, F32: the part of a step that no matrix product does (formulas in ops.def).
 *     forward   x, g (3 H each) and h are read, y is written: 8 H values a row
 *     backward  x, g, h, dy are read, dx and dg (3 H each) written, dh read and written: 16 H values a row
 * Bound by bytes, and by the launch: a step has N rows only. Floor: those bytes at a copy's bandwidth. Gates
 * are computed again backwards, which costs less than keeping them. */
#include "cuda/common.cuh"

struct gru_arrays {
    float *y, *dx, *dg, *dh;
    const float *dy, *x, *g, *h, *starts;
    size_t units;
};

static __device__ __forceinline__ float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

/* A thread a unit of a row, neighbours beside each other. */
struct gru_forward_map : gru_arrays {
    static constexpr int N = 1;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const size_t row = i / units, r = 3 * row * units + i % units, z = r + units, c = z + units;
        const float keep = 1.0f - starts[row];
        const float reset = sigmoid(x[r] + keep * g[r]), update = sigmoid(x[z] + keep * g[z]);
        const float candidate = tanhf(x[c] + reset * keep * g[c]);
        y[i] = candidate + update * (keep * h[i] - candidate);
    }
};

struct gru_backward_map : gru_arrays {
    static constexpr int N = 1;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const size_t row = i / units, r = 3 * row * units + i % units, z = r + units, c = z + units;
        const float keep = 1.0f - starts[row], product = keep * g[c];
        const float reset = sigmoid(x[r] + keep * g[r]), update = sigmoid(x[z] + keep * g[z]);
        const float candidate = tanhf(x[c] + reset * product);
        const float d_candidate = dy[i] * (1.0f - update) * (1.0f - candidate * candidate);
        const float d_update = dy[i] * (keep * h[i] - candidate) * update * (1.0f - update);
        const float d_reset = d_candidate * product * reset * (1.0f - reset);
        dx[r] = d_reset;
        dx[z] = d_update;
        dx[c] = d_candidate;
        dg[r] = keep * d_reset;
        dg[z] = keep * d_update;
        dg[c] = keep * d_candidate * reset;
        if (dh) dh[i] += keep * dy[i] * update;
    }
};

void cuda_gru_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor g, struct tensor h,
                      struct tensor starts) {
    const int units = check_gru("gru_forward", y, x, g, h, starts);
    struct gru_forward_map f = {};
    f.y = data_of<float>(y);
    f.x = data_of<float>(x);
    f.g = data_of<float>(g);
    f.h = data_of<float>(h);
    f.starts = data_of<float>(starts);
    f.units = static_cast<size_t>(units);
    map_run(q, f, tensor_count(y), true);
}

void cuda_gru_backward(struct queue *q, struct tensor dx, struct tensor dg, struct tensor dh,
                       struct tensor dy, struct tensor x, struct tensor g, struct tensor h,
                       struct tensor starts) {
    const int units = check_gru_backward(dx, dg, dh, dy, x, g, h, starts);
    struct gru_backward_map f = {};
    f.dx = data_of<float>(dx);
    f.dg = data_of<float>(dg);
    f.dh = data_of<float>(dh);
    f.dy = data_of<float>(dy);
    f.x = data_of<float>(x);
    f.g = data_of<float>(g);
    f.h = data_of<float>(h);
    f.starts = data_of<float>(starts);
    f.units = static_cast<size_t>(units);
    map_run(q, f, tensor_count(dy), true);
}
