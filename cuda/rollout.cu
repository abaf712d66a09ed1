/* What a rollout is made into (formulas in ops.def). Bound by bytes; floors at a copy's bandwidth:
 *
 *     rows_gather     y written once, the rows of x that the index names read once
 *     advantages      reward, value and flags read, advantage and ret written: 18 bytes a step
 *     standardise     x read twice, y written; double precision: four operations an element and pass
 *     column_moments  x read twice (once without squares): for the mean, and for what lies about it
 *     episode_starts  flags read, starts written: 6 bytes an element
 *
 * For advantages a thread walks back over an environment's steps, neighbours beside each other, some steps'
 * loads in flight at a time; a final value is read only where an episode was truncated. */
#include "cuda/columns.cuh"
#include "cuda/sums.cuh"

#include "ops/advantage.h"

/* ---- y[i] = x[index[i]] -----------------------------------------------------------------------------------
 */

template <class T> static __device__ __forceinline__ void gather_one(T *y, T x) {
    *y = x;
}
static __device__ __forceinline__ void gather_one(float *y, uint8_t x) {
    *y = static_cast<float>(x) * (1.0f / 255.0f);
}

/* Packs lie within rows: where `row` is not a multiple of N, elements go one by one. */
template <class Y, class X, int PACKED> struct gather_map {
    static constexpr int N = PACKED;
    Y *y;
    const X *x;
    const int32_t *index; /* or NULL */
    uint32_t row;         /* elements */
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const uint32_t to = static_cast<uint32_t>(i) / row, column = static_cast<uint32_t>(i) - to * row;
        const int64_t from = index ? index[to] : static_cast<int64_t>(to);
        pack<X, n> in = {};
        pack<Y, n> out;
        if (from >= 0)
            in = *reinterpret_cast<const pack<X, n> *>(x + static_cast<size_t>(from) * row + column);
#pragma unroll
        for (int k = 0; k < n; k++)
            gather_one(&out.value[k], in.value[k]);
        *reinterpret_cast<pack<Y, n> *>(y + i) = out;
    }
};

template <class Y, class X, int PACKED>
static void gather_run(struct queue *q, struct tensor y, struct tensor x, struct tensor index, size_t row) {
    const gather_map<Y, X, PACKED> f = {data_of<Y>(y), data_of<X>(x), data_of<int32_t>(index),
                                        static_cast<uint32_t>(row)};
    const bool vectors = row % PACKED == 0 &&
                         reinterpret_cast<uintptr_t>(y.data) % sizeof(pack<Y, PACKED>) == 0 &&
                         reinterpret_cast<uintptr_t>(x.data) % sizeof(pack<X, PACKED>) == 0;
    map_run(q, f, static_cast<size_t>(y.dims[0]) * row, vectors);
}

/* What keeps its type is copied as words where bytes of a row, and where it begins, allow that. */
void cuda_rows_gather(struct queue *q, struct tensor y, struct tensor x, struct tensor index) {
    const size_t row = check_rows_gather(y, x, index), bytes = row * dtype_size(y.dtype);
    const bool words =
        (bytes | reinterpret_cast<uintptr_t>(y.data) | reinterpret_cast<uintptr_t>(x.data)) % 4 == 0;
    if (y.dtype != x.dtype)
        gather_run<float, uint8_t, PACK<float>>(q, y, x, index, row);
    else if (words)
        gather_run<uint32_t, uint32_t, PACK<uint32_t>>(q, y, x, index, bytes / 4);
    else
        gather_run<uint8_t, uint8_t, 1>(q, y, x, index, bytes);
}

/* ---- advantages -------------------------------------------------------------------------------------------
 */

enum { ADVANTAGE_STEPS = 8 /* whose loads are in flight together */, ADVANTAGE_BLOCK = 64 };

static __global__ void __launch_bounds__(ADVANTAGE_BLOCK) advantages_kernel(struct advantage_arguments a) {
    const size_t n = static_cast<size_t>(blockIdx.x) * ADVANTAGE_BLOCK + threadIdx.x;
    const size_t count = static_cast<size_t>(a.count);
    if (n < count) {
        float next_value = a.last_value[n], next_advantage = 0.0f;
        for (int end = a.steps; end > 0; end -= ADVANTAGE_STEPS) {
            float reward[ADVANTAGE_STEPS], value[ADVANTAGE_STEPS], final_value[ADVANTAGE_STEPS];
            bool terminated[ADVANTAGE_STEPS], truncated[ADVANTAGE_STEPS];
#pragma unroll
            for (int k = 0; k < ADVANTAGE_STEPS; k++) { /* steps before the first read the first */
                const size_t i = static_cast<size_t>(end > k ? end - 1 - k : 0) * count + n;
                reward[k] = a.reward[i];
                value[k] = a.value[i];
                terminated[k] = a.terminated[i] != 0;
                truncated[k] = a.truncated[i] != 0;
                final_value[k] = truncated[k] ? a.final_value[i] : 0.0f;
            }
#pragma unroll
            for (int k = 0; k < ADVANTAGE_STEPS; k++) {
                if (end <= k) break;
                const size_t i = static_cast<size_t>(end - 1 - k) * count + n;
                next_advantage = advantage_step(&a, reward[k], value[k], terminated[k], truncated[k],
                                                final_value[k], next_value, next_advantage);
                next_value = value[k];
                a.advantage[i] = next_advantage;
                a.ret[i] = next_advantage + value[k];
            }
        }
    }
}

void cuda_advantages(struct queue *q, struct tensor advantage, struct tensor ret, struct tensor reward,
                     struct tensor value, struct tensor terminated, struct tensor truncated,
                     struct tensor final_value, struct tensor last_value, float gamma, float lambda) {
    const struct advantage_arguments a = advantage_arguments_make(
        advantage, ret, reward, value, terminated, truncated, final_value, last_value, gamma, lambda);
    const unsigned grid = static_cast<unsigned>(ceil_div(static_cast<size_t>(a.count), ADVANTAGE_BLOCK));
    if (grid) LAUNCH(q, advantages_kernel, grid, ADVANTAGE_BLOCK, 0, a);
}

/* ---- standardise ------------------------------------------------------------------------------------------
 */

/* Mean and 1 / (deviation + 1e-8). Sums are taken about the first element: it is one of the sample, so its
 * distance from the mean, in deviations, is below sqrt(n), and what cancels is nothing to a double. */
struct standard_sum {
    static constexpr int N = PACK<float>, SUMS = 2;
    const float *x;
    double *constants; /* mean, scale */
    double count, about;
    __device__ void begin() { about = static_cast<double>(x[0]); }
    template <int n> __device__ void add(double (&sum)[SUMS], size_t i) const {
        float v[n];
        load(v, x + i);
#pragma unroll
        for (int k = 0; k < n; k++) {
            const double d = static_cast<double>(v[k]) - about;
            sum[0] += d;
            sum[1] += d * d;
        }
    }
    __device__ void finish(const double (&sum)[SUMS]) const {
        const double squares = sum[1] - sum[0] * sum[0] / count;
        const double deviation = count > 1.0 && !(squares <= 0.0) ? sqrt(squares / (count - 1.0)) : 0.0;
        constants[0] = static_cast<double>(x[0]) + sum[0] / count;
        constants[1] = 1.0 / (deviation + 1e-8);
    }
};

struct standard_map {
    static constexpr int N = PACK<float>;
    float *y;
    const float *x;
    const double *constants;
    double mean, scale;
    __device__ bool begin() {
        mean = constants[0];
        scale = constants[1];
        return true;
    }
    template <int n> __device__ void at(size_t i) {
        float v[n];
        load(v, x + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] = static_cast<float>((static_cast<double>(v[k]) - mean) * scale);
        store(y + i, v);
    }
};

void cuda_standardise(struct queue *q, struct tensor y, struct tensor x) {
    check_standardise(y, x);
    const size_t count = tensor_count(x);
    if (count == 0) return;
    double *constants = static_cast<double *>(cuda_scratch(q, PLACE_GRADIENT, 2 * sizeof(double)));
    const standard_sum sum = {data_of<float>(x), constants, static_cast<double>(count), 0.0};
    const standard_map map = {data_of<float>(y), data_of<float>(x), constants, 0.0, 0.0};
    sum_run(q, sum, count, aligned(x));
    map_run(q, map, count, aligned(y, x));
}

/* ---- moments of columns -----------------------------------------------------------------------------------
 */

/* The mean of x, or, where `about` holds that mean as a float, the squares about the true one. */
struct moment_sum {
    static constexpr int N = PACK<float>, SUMS = 2;
    template <int n> struct state { float about[n]; };
    const float *x, *about;
    float *to;
    int channels;
    double rows;
    template <int n> __device__ void begin(state<n> &s, int c) const {
        visit_channels<n>(c, channels,
                          [&](int k, int channel) { s.about[k] = about ? about[channel] : 0.0f; });
    }
    template <int n> __device__ void values(float (&v)[SUMS][n], const state<n> &s, size_t i) const {
        load(v[0], x + i);
#pragma unroll
        for (int k = 0; k < n; k++) {
            v[0][k] -= s.about[k];
            v[1][k] = v[0][k] * v[0][k];
        }
    }
    __device__ void finish(int c, const double (&sum)[SUMS]) const {
        const double squares = sum[1] - sum[0] * sum[0] / rows;
        to[c] = static_cast<float>(!about ? sum[0] / rows : squares < 0.0 ? 0.0 : squares);
    }
};

void cuda_column_moments(struct queue *q, struct tensor mean, struct tensor squares, struct tensor x) {
    check_column_moments(mean, squares, x);
    moment_sum f = {data_of<float>(x), NULL, data_of<float>(mean), x.dims[1], static_cast<double>(x.dims[0])};
    columns_sum(q, f, tensor_count(x), x.dims[1], aligned(x));
    if (!tensor_is(squares)) return;
    f.about = data_of<float>(mean);
    f.to = data_of<float>(squares);
    columns_sum(q, f, tensor_count(x), x.dims[1], aligned(x));
}

/* ---- starts of episodes -----------------------------------------------------------------------------------
 */

struct starts_map {
    static constexpr int N = PACK<float>;
    float *starts;
    const uint8_t *terminated, *truncated;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float died[n], cut[n];
        load(died, terminated + i);
        load(cut, truncated + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            died[k] = died[k] != 0.0f || cut[k] != 0.0f ? 1.0f : 0.0f;
        store(starts + i, died);
    }
};

void cuda_episode_starts(struct queue *q, struct tensor starts, struct tensor terminated,
                         struct tensor truncated) {
    check_episode_starts(starts, terminated, truncated);
    const starts_map f = {data_of<float>(starts), data_of<uint8_t>(terminated), data_of<uint8_t>(truncated)};
    map_run(q, f, tensor_count(starts), aligned(starts, terminated, truncated));
}
