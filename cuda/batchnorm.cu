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

static void check_batchnorm(const char *op, struct tensor y, struct tensor x, struct tensor r,
                            struct tensor gamma, struct tensor beta) {
    const int channels = x.dims[x.rank - 1];
    check_count(op, y, x);
    check_activation(op, y, x);
    check_vector(op, gamma, channels, x);
    check_vector(op, beta, channels, x);
    if (tensor_is(r)) {
        check_count(op, r, x);
        check_activation(op, r, x);
    }
}

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

/* rstd or, where that is none, the variance */
template <class T>
static void affine(struct queue *q, struct tensor y, struct tensor x, struct tensor r, struct tensor mean,
                   struct tensor rstd, struct tensor var, struct tensor gamma, struct tensor beta,
                   enum activation act, float epsilon) {
    const affine_map<T> f = {data_of<T>(y),
                             data_of<T>(x),
                             data_of<T>(r),
                             data_of<float>(mean),
                             data_of<float>(rstd),
                             data_of<float>(var),
                             data_of<float>(gamma),
                             data_of<float>(beta),
                             x.dims[x.rank - 1],
                             epsilon,
                             act};
    columns_map(q, f, tensor_count(x), x.dims[x.rank - 1], aligned(y, x, r));
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

template <class T>
static void statistics(struct queue *q, struct tensor mean, struct tensor rstd, struct tensor running_mean,
                       struct tensor running_var, struct tensor x, float momentum, float epsilon) {
    const int channels = x.dims[x.rank - 1];
    const size_t count = tensor_count(x);
    const statistics_sum<T> f = {data_of<T>(x),
                                 data_of<float>(mean),
                                 data_of<float>(rstd),
                                 data_of<float>(running_mean),
                                 data_of<float>(running_var),
                                 channels,
                                 static_cast<double>(count / static_cast<size_t>(channels)),
                                 momentum,
                                 epsilon};
    columns_sum(q, f, count, channels, aligned(x));
}

void cuda_batchnorm_train(struct queue *q, struct tensor y, struct tensor mean, struct tensor rstd,
                          struct tensor running_mean, struct tensor running_var, struct tensor x,
                          struct tensor gamma, struct tensor beta, struct tensor r, enum activation act,
                          float momentum, float epsilon) {
    check_batchnorm("batchnorm_train", y, x, r, gamma, beta);
    check_vector("batchnorm_train", mean, x.dims[x.rank - 1], x);
    check_vector("batchnorm_train", rstd, x.dims[x.rank - 1], x);
    if (tensor_count(x) == 0) return;
    BY_DTYPE(x.dtype, statistics, q, mean, rstd, running_mean, running_var, x, momentum, epsilon);
    BY_DTYPE(x.dtype, affine, q, y, x, r, mean, rstd, tensor_none(), gamma, beta, act, epsilon);
}

/* ---- inference --------------------------------------------------------------------------------------------
 */

void cuda_batchnorm_infer(struct queue *q, struct tensor y, struct tensor x, struct tensor gamma,
                          struct tensor beta, struct tensor running_mean, struct tensor running_var,
                          struct tensor r, enum activation act, float epsilon) {
    check_batchnorm("batchnorm_infer", y, x, r, gamma, beta);
    check_vector("batchnorm_infer", running_mean, x.dims[x.rank - 1], x);
    check_vector("batchnorm_infer", running_var, x.dims[x.rank - 1], x);
    BY_DTYPE(x.dtype, affine, q, y, x, r, running_mean, tensor_none(), running_var, gamma, beta, act,
             epsilon);
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
    check_same("batchnorm_fold", wf, w);
    check_vector("batchnorm_fold", bf, outputs, w);
    check_vector("batchnorm_fold", gamma, outputs, w);
    check_vector("batchnorm_fold", beta, outputs, w);
    check_vector("batchnorm_fold", mean, outputs, w);
    check_vector("batchnorm_fold", var, outputs, w);
    if (tensor_is(b)) check_vector("batchnorm_fold", b, outputs, w);
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

struct backward_arguments {
    struct tensor dx, dr, dgamma, dbeta, dy, y, x, gamma, mean, rstd;
    enum activation act;
    bool add_r;
};

template <class T> static void backward(struct queue *q, const struct backward_arguments &a) {
    const int channels = a.x.dims[a.x.rank - 1];
    const size_t count = tensor_count(a.x);
    float *means = static_cast<float *>(
        cuda_scratch(q, PLACE_GRADIENT, 2 * static_cast<size_t>(channels) * sizeof(float)));
    const backward_sum<T> sums = {data_of<T>(a.dy),
                                  data_of<T>(a.y),
                                  data_of<T>(a.x),
                                  data_of<float>(a.mean),
                                  data_of<float>(a.rstd),
                                  data_of<float>(a.dgamma),
                                  data_of<float>(a.dbeta),
                                  means,
                                  means + channels,
                                  channels,
                                  static_cast<double>(count / static_cast<size_t>(channels)),
                                  a.act};
    const backward_map<T> map = {data_of<T>(a.dx),
                                 data_of<T>(a.dr),
                                 data_of<T>(a.dy),
                                 data_of<T>(a.y),
                                 data_of<T>(a.x),
                                 data_of<float>(a.mean),
                                 data_of<float>(a.rstd),
                                 data_of<float>(a.gamma),
                                 means,
                                 means + channels,
                                 channels,
                                 a.act,
                                 a.add_r};
    columns_sum(q, sums, count, channels, aligned(a.dy, a.y, a.x));
    columns_map(q, map, count, channels, aligned(a.dx, a.dr, a.dy, a.y, a.x));
}

void cuda_batchnorm_backward(struct queue *q, struct tensor dx, struct tensor dr, struct tensor dgamma,
                             struct tensor dbeta, struct tensor dy, struct tensor y, struct tensor x,
                             struct tensor gamma, struct tensor mean, struct tensor rstd, enum activation act,
                             bool add_r) {
    check_batchnorm("batchnorm_backward", dx, x, dr, gamma, dgamma);
    check_batchnorm("batchnorm_backward", dy, x, y, mean, rstd);
    check_vector("batchnorm_backward", dbeta, x.dims[x.rank - 1], x);
    ENSURE(act == ACTIVATION_NONE || (act == ACTIVATION_RELU && tensor_is(y)),
           "batchnorm_backward undoes relu through y, or nothing");
    if (tensor_count(x) == 0) return;
    const struct backward_arguments a = {dx, dr, dgamma, dbeta, dy, y, x, gamma, mean, rstd, act, add_r};
    BY_DTYPE(x.dtype, backward, q, a);
}
