/* Batch norm (Ioffe and Szegedy 2015), with activation and residual in the same pass:
 *     y = act((x - mean) rstd gamma + beta + r)
 * and backwards, with dz = dy act'(y), xh = (x - mean) rstd and means over all rows:
 *     dbeta += sum dz   dgamma += sum dz xh   dr (+)= dz   dx = gamma rstd (dz - mean(dz) - xh mean(dz xh))
 * Bound by bytes. Floors at a copy's bandwidth: training 3 times x's bytes (statistics read x, then x is read
 * and y written), inference 2, backward 7 (dy, y and x read twice, dx written), 5 without an activation; each
 * residual or its gradient 1 more, 2 where it is added to. Sums of both passes are made as columns.cuh says.
 *
 * Variances are taken about the first row of x, which takes away what a large mean would cancel:
 * var = E[(x-k)^2] - E[x-k]^2. Outputs may be the inputs themselves. */
#include "cuda/columns.cuh"

/* The tensors of a call; what an operation has not is none. */
struct batchnorm {
    struct tensor y, x, r, gamma, beta, mean, rstd;
    struct tensor var = {}, running_mean = {}, running_var = {};
    struct tensor dy = {}, dx = {}, dr = {}, dgamma = {}, dbeta = {};
    enum activation act = ACTIVATION_NONE;
    float momentum = 0.0f, epsilon = 0.0f;
    bool add_r = false;
    int channels() const { return x.dims[x.rank - 1]; }
    double rows() const { return static_cast<double>(tensor_count(x) / static_cast<size_t>(channels())); }
};

/* ---- y = act((x - mean) scale + beta + r) -----------------------------------------------------------------
 */

template <class T> struct affine_map {
    static constexpr int N = PACK<T>;
    template <int n> struct state { float mean[n], scale[n], beta[n]; };
    T *y;
    const T *x, *r;
    const float *mean, *rstd, *var, *gamma, *beta; /* rstd, or NULL and var */
    int channels;
    float epsilon;
    enum activation act;
    template <int n> __device__ void begin(state<n> &s, int c) const {
        visit_channels<n>(c, channels, [&](int k, int channel) {
            s.mean[k] = mean[channel];
            s.scale[k] = gamma[channel] * (rstd ? rstd[channel] : 1.0f / sqrtf(var[channel] + epsilon));
            s.beta[k] = beta[channel];
        });
    }
    template <int n> __device__ void at(const state<n> &s, size_t i) const {
        float v[n];
        load(v, x + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] = (v[k] - s.mean[k]) * s.scale[k] + s.beta[k];
        if (r) load_add(v, r + i, true);
        activate(v, act);
        store(y + i, v);
    }
};

template <class T> static void affine(struct queue *q, const struct batchnorm &b) {
    const affine_map<T> f = {data_of<T>(b.y),
                             data_of<T>(b.x),
                             data_of<T>(b.r),
                             data_of<float>(b.mean),
                             data_of<float>(b.rstd),
                             data_of<float>(b.var),
                             data_of<float>(b.gamma),
                             data_of<float>(b.beta),
                             b.channels(),
                             b.epsilon,
                             b.act};
    columns_map(q, f, tensor_count(b.x), b.channels(), aligned(b.y, b.x, b.r));
}

/* ---- training ---------------------------------------------------------------------------------------------
 */

template <class T> struct statistics_sum {
    static constexpr int N = PACK<T>, SUMS = 2;
    template <int n> struct state { float about[n]; };
    const T *x;
    float *mean, *rstd, *running_mean, *running_var;
    int channels;
    double rows;
    float momentum, epsilon;
    template <int n> __device__ void begin(state<n> &s, int c) const {
        visit_channels<n>(c, channels, [&](int k, int channel) { s.about[k] = to_float(x[channel]); });
    }
    template <int n> __device__ void values(float (&v)[2][n], const state<n> &s, size_t i) const {
        load(v[0], x + i);
#pragma unroll
        for (int k = 0; k < n; k++) {
            v[0][k] -= s.about[k];
            v[1][k] = v[0][k] * v[0][k];
        }
    }
    __device__ void finish(int c, const double (&sum)[2]) const {
        const double m = sum[0] / rows, square = sum[1] / rows - m * m, var = square < 0.0 ? 0.0 : square;
        const float value = static_cast<float>(m + static_cast<double>(to_float(x[c])));
        mean[c] = value;
        rstd[c] = static_cast<float>(1.0 / sqrt(var + static_cast<double>(epsilon)));
        if (running_mean) running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * value;
        if (running_var) { /* unbiased; a single row has no such thing and leaves the biased one */
            const double unbiased = rows > 1.0 ? var * rows / (rows - 1.0) : var;
            running_var[c] = (1.0f - momentum) * running_var[c] + momentum * static_cast<float>(unbiased);
        }
    }
};

template <class T> static void statistics(struct queue *q, const struct batchnorm &b) {
    const statistics_sum<T> f = {data_of<T>(b.x),
                                 data_of<float>(b.mean),
                                 data_of<float>(b.rstd),
                                 data_of<float>(b.running_mean),
                                 data_of<float>(b.running_var),
                                 b.channels(),
                                 b.rows(),
                                 b.momentum,
                                 b.epsilon};
    columns_sum(q, f, tensor_count(b.x), b.channels(), aligned(b.x));
}

void cuda_batchnorm_train(struct queue *q, struct tensor y, struct tensor mean, struct tensor rstd,
                          struct tensor running_mean, struct tensor running_var, struct tensor x,
                          struct tensor gamma, struct tensor beta, struct tensor r, enum activation act,
                          float momentum, float epsilon) {
    check_batchnorm("batchnorm_train", y, x, r, gamma, beta, mean, rstd);
    if (tensor_count(x) == 0) return;
    struct batchnorm b = {y, x, r, gamma, beta, mean, rstd, tensor_none(), running_mean, running_var};
    b.act = act;
    b.momentum = momentum;
    b.epsilon = epsilon;
    BY_DTYPE(x.dtype, statistics, q, b);
    BY_DTYPE(x.dtype, affine, q, b);
}

/* ---- inference --------------------------------------------------------------------------------------------
 */

void cuda_batchnorm_infer(struct queue *q, struct tensor y, struct tensor x, struct tensor gamma,
                          struct tensor beta, struct tensor running_mean, struct tensor running_var,
                          struct tensor r, enum activation act, float epsilon) {
    check_batchnorm("batchnorm_infer", y, x, r, gamma, beta, running_mean, running_var);
    struct batchnorm b = {y, x, r, gamma, beta, running_mean, tensor_none(), running_var};
    b.act = act;
    b.epsilon = epsilon;
    BY_DTYPE(x.dtype, affine, q, b);
}

/* A block an output. Weights change seldom and are few: no packs. */
static __global__ void __launch_bounds__(BLOCK)
    batchnorm_fold_kernel(float *wf, float *bf, const float *w, const float *b, const float *gamma,
                          const float *beta, const float *mean, const float *var, size_t each,
                          float epsilon) {
    const size_t o = blockIdx.x;
    const float scale = gamma[o] / sqrtf(var[o] + epsilon);
    for (size_t i = threadIdx.x; i < each; i += BLOCK)
        wf[o * each + i] = w[o * each + i] * scale;
    if (threadIdx.x == 0) bf[o] = ((b ? b[o] : 0.0f) - mean[o]) * scale + beta[o];
}

void cuda_batchnorm_fold(struct queue *q, struct tensor wf, struct tensor bf, struct tensor w,
                         struct tensor b, struct tensor gamma, struct tensor beta, struct tensor mean,
                         struct tensor var, float epsilon) {
    const int outputs = w.dims[0];
    check_batchnorm_fold(wf, bf, w, b, gamma, beta, mean, var);
    if (outputs == 0) return;
    LAUNCH(q, batchnorm_fold_kernel, static_cast<unsigned>(outputs), BLOCK, 0, data_of<float>(wf),
           data_of<float>(bf), data_of<float>(w), data_of<float>(b), data_of<float>(gamma),
           data_of<float>(beta), data_of<float>(mean), data_of<float>(var),
           tensor_count(w) / static_cast<size_t>(outputs), epsilon);
}

/* ---- backward ---------------------------------------------------------------------------------------------
 */

/* dz of n elements from i on */
template <int n, class T>
static __device__ __forceinline__ void backward_dz(float (&dz)[n], const T *dy, const T *y, size_t i,
                                                   enum activation act) {
    load(dz, dy + i);
    if (act == ACTIVATION_NONE) return;
    float value[n];
    load(value, y + i);
    activate_backward(dz, value, act);
}

template <class T> struct backward_sum {
    static constexpr int N = PACK<T>, SUMS = 2;
    template <int n> struct state { float mean[n], rstd[n]; };
    const T *dy, *y, *x;
    const float *mean, *rstd;
    float *dgamma, *dbeta, *mean_dz, *mean_dz_xh;
    int channels;
    double rows;
    enum activation act;
    template <int n> __device__ void begin(state<n> &s, int c) const {
        visit_channels<n>(c, channels, [&](int k, int channel) {
            s.mean[k] = mean[channel];
            s.rstd[k] = rstd[channel];
        });
    }
    template <int n> __device__ void values(float (&v)[2][n], const state<n> &s, size_t i) const {
        float in[n];
        backward_dz(v[0], dy, y, i, act);
        load(in, x + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[1][k] = v[0][k] * ((in[k] - s.mean[k]) * s.rstd[k]);
    }
    __device__ void finish(int c, const double (&sum)[2]) const {
        dbeta[c] += static_cast<float>(sum[0]);
        dgamma[c] += static_cast<float>(sum[1]);
        mean_dz[c] = static_cast<float>(sum[0] / rows);
        mean_dz_xh[c] = static_cast<float>(sum[1] / rows);
    }
};

template <class T> struct backward_map {
    static constexpr int N = PACK<T>;
    template <int n> struct state {
        float mean[n], scale[n], mean_dz[n], slope[n]; /* slope = rstd mean(dz xh) */
    };
    T *dx, *dr;
    const T *dy, *y, *x;
    const float *mean, *rstd, *gamma, *mean_dz, *mean_dz_xh;
    int channels;
    enum activation act;
    bool add_r;
    template <int n> __device__ void begin(state<n> &s, int c) const {
        visit_channels<n>(c, channels, [&](int k, int channel) {
            s.mean[k] = mean[channel];
            s.scale[k] = gamma[channel] * rstd[channel];
            s.mean_dz[k] = mean_dz[channel];
            s.slope[k] = rstd[channel] * mean_dz_xh[channel];
        });
    }
    template <int n> __device__ void at(const state<n> &s, size_t i) const {
        float dz[n], v[n];
        backward_dz(dz, dy, y, i, act);
        load(v, x + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] = s.scale[k] * (dz[k] - s.mean_dz[k] - (v[k] - s.mean[k]) * s.slope[k]);
        if (dr) {
            load_add(dz, dr + i, add_r);
            store(dr + i, dz);
        }
        store(dx + i, v);
    }
};

template <class T> static void backward(struct queue *q, const struct batchnorm &b) {
    const int channels = b.channels();
    float *means = static_cast<float *>(
        cuda_scratch(q, PLACE_GRADIENT, 2 * static_cast<size_t>(channels) * sizeof(float)));
    const backward_sum<T> sums = {data_of<T>(b.dy),
                                  data_of<T>(b.y),
                                  data_of<T>(b.x),
                                  data_of<float>(b.mean),
                                  data_of<float>(b.rstd),
                                  data_of<float>(b.dgamma),
                                  data_of<float>(b.dbeta),
                                  means,
                                  means + channels,
                                  channels,
                                  b.rows(),
                                  b.act};
    const backward_map<T> map = {data_of<T>(b.dx),
                                 data_of<T>(b.dr),
                                 data_of<T>(b.dy),
                                 data_of<T>(b.y),
                                 data_of<T>(b.x),
                                 data_of<float>(b.mean),
                                 data_of<float>(b.rstd),
                                 data_of<float>(b.gamma),
                                 means,
                                 means + channels,
                                 channels,
                                 b.act,
                                 b.add_r};
    columns_sum(q, sums, tensor_count(b.x), channels, aligned(b.dy, b.y, b.x));
    columns_map(q, map, tensor_count(b.x), channels, aligned(b.dx, b.dr, b.dy, b.y, b.x));
}

void cuda_batchnorm_backward(struct queue *q, struct tensor dx, struct tensor dr, struct tensor dgamma,
                             struct tensor dbeta, struct tensor dy, struct tensor y, struct tensor x,
                             struct tensor gamma, struct tensor mean, struct tensor rstd, enum activation act,
                             bool add_r) {
    check_batchnorm_backward(dx, dr, dgamma, dbeta, dy, y, x, gamma, mean, rstd, act);
    if (tensor_count(x) == 0) return;
    struct batchnorm b = {y, x, tensor_none(), gamma, tensor_none(), mean, rstd};
    b.dy = dy;
    b.dx = dx;
    b.dr = dr;
    b.dgamma = dgamma;
    b.dbeta = dbeta;
    b.act = act;
    b.add_r = add_r;
    BY_DTYPE(x.dtype, backward, q, b);
}
