/* Optimiser steps over a whole slab in one launch, and clipping of gradients by their global norm, all on the
 * device: nothing waits for the host.
 *     out = sum g^2 (in double, fixed order)     hyper[SCALE] = min(1, max_norm / sqrt(sum))
 *     SGD with momentum and Adam, as in ops.def
 * Bound by bytes. Floors at a copy's bandwidth: the sum reads g; SGD reads w, m, g and writes w, m; Adam
 * reads w, m, v, g and writes w, m, v. Double precision adds of the sum, one an element, stay below that on
 * devices with few units for them too (2 a clock and multiprocessor against 0.8 elements read). */
#include "cuda/common.cuh"

/* ---- gradient norm ----------------------------------------------------------------------------------------
 */

constexpr size_t SQUARES_BLOCKS = 2048; /* at most */
constexpr size_t SQUARES_EACH = 8;      /* packs a thread, where there are fewer blocks */

template <int N>
__global__ void __launch_bounds__(BLOCK) squares_kernel(double *partial, const float *g, size_t count) {
    const size_t first = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
    const size_t stride = static_cast<size_t>(gridDim.x) * BLOCK, packs = count / N;
    double sum = 0.0;
#pragma unroll 4
    for (size_t i = first; i < packs; i += stride) {
        float v[N];
        load(v, g + i * N);
#pragma unroll
        for (int k = 0; k < N; k++)
            sum += static_cast<double>(v[k]) * static_cast<double>(v[k]);
    }
    if (N > 1 && packs * N + first < count) {
        const double v = static_cast<double>(g[packs * N + first]);
        sum += v * v;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(BLOCK)
    squares_finish_kernel(float *out, const double *partial, int count) {
    double sum = 0.0;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += BLOCK)
        sum += partial[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *out = static_cast<float>(sum);
}

void cuda_sum_squares(struct queue *q, struct tensor out, struct tensor g) {
    check_dtype("sum_squares", g, DTYPE_F32);
    check_vector("sum_squares", out, 1, g);
    const size_t count = tensor_count(g);
    const bool vectors = aligned(g);
    const size_t wanted = ceil_div(count, SQUARES_EACH * BLOCK * PACK<float>);
    const int blocks = wanted == 0 ? 1 : static_cast<int>(wanted < SQUARES_BLOCKS ? wanted : SQUARES_BLOCKS);
    double *partial =
        static_cast<double *>(cuda_scratch(q, PLACE_PARTIALS, static_cast<size_t>(blocks) * sizeof(double)));
    if (vectors)
        LAUNCH(q, (squares_kernel<PACK<float>>), static_cast<unsigned>(blocks), BLOCK, 0, partial,
               data_of<float>(g), count);
    else
        LAUNCH(q, (squares_kernel<1>), static_cast<unsigned>(blocks), BLOCK, 0, partial, data_of<float>(g),
               count);
    LAUNCH(q, squares_finish_kernel, 1, BLOCK, 0, data_of<float>(out), partial, blocks);
}

static __global__ void clip_scale_kernel(float *hyper, const float *sum, float max_norm) {
    const float squares = *sum;
    float scale = 1.0f;
    if (max_norm > 0.0f && squares > max_norm * max_norm) scale = max_norm / sqrtf(squares);
    hyper[HYPER_SCALE] = isfinite(squares) ? scale : NAN;
}

void cuda_clip_scale(struct queue *q, struct tensor hyper, struct tensor sum, float max_norm) {
    check_vector("clip_scale", hyper, HYPER_COUNT, sum);
    LAUNCH(q, clip_scale_kernel, 1, 1, 0, data_of<float>(hyper), data_of<float>(sum), max_norm);
}

/* ---- steps ------------------------------------------------------------------------------------------------
 */

/* begin() reads the constants, and says false where the gradient holds NaN or Inf: weights and state stay. */
struct sgd_map {
    static constexpr int N = PACK<float>;
    float *w, *m;
    const float *g, *hyper;
    float rate, decay, momentum, scale;
    __device__ bool begin() {
        rate = hyper[HYPER_RATE];
        decay = hyper[HYPER_DECAY];
        momentum = hyper[HYPER_MOMENTUM];
        scale = hyper[HYPER_SCALE];
        return isfinite(scale);
    }
    template <int n> __device__ void at(size_t i) {
        float wi[n], mi[n], gi[n];
        load(wi, w + i);
        load(mi, m + i);
        load(gi, g + i);
#pragma unroll
        for (int k = 0; k < n; k++) {
            mi[k] = momentum * mi[k] + (scale * gi[k] + decay * wi[k]);
            wi[k] -= rate * mi[k];
        }
        store(m + i, mi);
        store(w + i, wi);
    }
};

void cuda_sgd_step(struct queue *q, struct tensor w, struct tensor m, struct tensor g, struct tensor hyper) {
    check_count("sgd_step", w, m);
    check_count("sgd_step", w, g);
    check_vector("sgd_step", hyper, HYPER_COUNT, w);
    struct sgd_map f = {};
    f.w = data_of<float>(w);
    f.m = data_of<float>(m);
    f.g = data_of<float>(g);
    f.hyper = data_of<float>(hyper);
    map_run(q, f, tensor_count(w), aligned(w, m, g));
}

struct adam_map {
    static constexpr int N = PACK<float>;
    float *w, *m, *v;
    const float *g, *hyper;
    bool decoupled;
    float rate, decay, keep, scale, beta1, beta2, epsilon, correction2;
    __device__ bool begin() {
        const float *h = hyper;
        scale = h[HYPER_SCALE];
        epsilon = h[HYPER_EPSILON];
        beta1 = h[HYPER_MOMENTUM];
        beta2 = h[HYPER_BETA2];
        decay = decoupled ? 0.0f : h[HYPER_DECAY];
        keep = decoupled ? 1.0f - h[HYPER_RATE] * h[HYPER_DECAY] : 1.0f;
        rate = h[HYPER_RATE] / h[HYPER_CORRECTION1];
        correction2 = 1.0f / h[HYPER_CORRECTION2];
        return isfinite(scale);
    }
    template <int n> __device__ void at(size_t i) {
        float wi[n], mi[n], vi[n], gi[n];
        load(wi, w + i);
        load(mi, m + i);
        load(vi, v + i);
        load(gi, g + i);
#pragma unroll
        for (int k = 0; k < n; k++) {
            const float gradient = scale * gi[k] + decay * wi[k];
            mi[k] = beta1 * mi[k] + (1.0f - beta1) * gradient;
            vi[k] = beta2 * vi[k] + (1.0f - beta2) * gradient * gradient;
            wi[k] = wi[k] * keep - rate * mi[k] / (sqrtf(vi[k] * correction2) + epsilon);
        }
        store(m + i, mi);
        store(v + i, vi);
        store(w + i, wi);
    }
};

void cuda_adam_step(struct queue *q, struct tensor w, struct tensor m, struct tensor v, struct tensor g,
                    struct tensor hyper, bool decoupled) {
    check_count("adam_step", w, m);
    check_count("adam_step", w, v);
    check_count("adam_step", w, g);
    check_vector("adam_step", hyper, HYPER_COUNT, w);
    struct adam_map f = {};
    f.w = data_of<float>(w);
    f.m = data_of<float>(m);
    f.v = data_of<float>(v);
    f.g = data_of<float>(g);
    f.hyper = data_of<float>(hyper);
    f.decoupled = decoupled;
    map_run(q, f, tensor_count(w), aligned(w, m, v, g));
}
