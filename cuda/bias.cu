/* y = act(x + b), b per channel or per position; with a residual what convolutions could not fuse:
 * y = act(x + b + r); and db += sum of dy over the dimensions that b lacks.
 * Bound by bytes: forward reads x (and r) and writes y, backward reads dy. Floor: those at a copy's
 * bandwidth. b stays in registers. */
#include "cuda/columns.cuh"

/* ---- forward ----------------------------------------------------------------------------------------------
 */

template <class T> struct bias_map {
    static constexpr int N = PACK<T>;
    template <int n> struct state { float b[n]; };
    T *y;
    const T *x, *r;
    const float *b;
    int channels;
    enum activation act;
    template <int n> __device__ void begin(state<n> &s, int c) const {
        visit_channels<n>(c, channels, [&](int k, int channel) { s.b[k] = b ? b[channel] : 0.0f; });
    }
    template <int n> __device__ void at(const state<n> &s, size_t i) const {
        float v[n];
        load(v, x + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] += s.b[k];
        if (r) load_add(v, r + i, true);
        activate(v, act);
        store(y + i, v);
    }
};

template <class T>
static void bias_run(struct queue *q, struct tensor y, struct tensor x, struct tensor b, struct tensor r,
                     int period, enum activation act) {
    const bias_map<T> f = {data_of<T>(y), data_of<T>(x), data_of<T>(r), data_of<float>(b), period, act};
    columns_map(q, f, tensor_count(x), period, aligned(y, x, r));
}

void cuda_bias_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor b,
                       enum activation act) {
    const int period = check_bias("bias_forward", y, x, b);
    BY_DTYPE(y.dtype, bias_run, q, y, x, b, tensor_none(), period, act);
}

void cuda_epilogue(struct queue *q, struct tensor y, struct tensor x, struct tensor b, struct tensor r,
                   enum activation act) {
    BY_DTYPE(y.dtype, bias_run, q, y, x, b, r, x.dims[x.rank - 1], act);
}

/* ---- backward ---------------------------------------------------------------------------------------------
 */

template <class T> struct bias_sum {
    static constexpr int N = PACK<T>, SUMS = 1;
    template <int n> struct state {};
    const T *dy;
    float *db;
    template <int n> __device__ void begin(state<n> &, int) const {}
    template <int n> __device__ void values(float (&v)[1][n], const state<n> &, size_t i) const {
        load(v[0], dy + i);
    }
    __device__ void finish(int c, const double (&sum)[1]) const { db[c] += static_cast<float>(sum[0]); }
};

template <class T> static void bias_sums(struct queue *q, struct tensor db, struct tensor dy, int period) {
    const bias_sum<T> f = {data_of<T>(dy), data_of<float>(db)};
    columns_sum(q, f, tensor_count(dy), period, aligned(dy));
}

void cuda_bias_backward(struct queue *q, struct tensor db, struct tensor dy) {
    const int period = check_bias("bias_backward", dy, dy, db);
    BY_DTYPE(dy.dtype, bias_sums, q, db, dy, period);
}
