/* Global pooling over the points of an image: y[n,c] = mean or max over h,w of x, and back.
 * Bound by bytes. Floors at a copy's bandwidth: forward reads x; backward writes dx (mean), and reads x too
 * (max, for the first place of the maximum). A block does a sample's tile of channels: threads beside each
 * other take packs of channels, threads behind each other share the points. */
#include "cuda/common.cuh"

enum { POOL_NARROW = 8, POOL_WIDE = 32 }; /* packs of channels beside each other in a block */

struct pool_shape {
    int points, channels;
};

/* Where point p of this thread's N channels stands; channels from `c` on. */
static __device__ __forceinline__ size_t pool_at(struct pool_shape s, int p, int c) {
    return (static_cast<size_t>(blockIdx.x) * static_cast<size_t>(s.points) + static_cast<size_t>(p)) *
               static_cast<size_t>(s.channels) +
           static_cast<size_t>(c);
}

static __device__ __forceinline__ unsigned pool_thread(void) {
    return threadIdx.y * blockDim.x + threadIdx.x;
}

static __device__ __forceinline__ size_t pool_row(struct pool_shape s, int c) {
    return static_cast<size_t>(blockIdx.x) * static_cast<size_t>(s.channels) + static_cast<size_t>(c);
}

/* ---- forward ----------------------------------------------------------------------------------------------
 */

template <int N, class T>
__global__ void __launch_bounds__(BLOCK)
    pool_forward_kernel(T *y, const T *x, struct pool_shape s, enum pooling kind) {
    SHARED(float, part, [N][BLOCK]);
    const int c = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * N;
    const int width = static_cast<int>(blockDim.x), depth = BLOCK / width;
    const bool max = kind == POOLING_MAX;
    float sum[N];
    for (int k = 0; k < N; k++)
        sum[k] = max ? -INFINITY : 0.0f;
    if (c < s.channels)
#pragma unroll 4
        for (int p = static_cast<int>(threadIdx.y); p < s.points; p += depth) {
            float v[N];
            load(v, x + pool_at(s, p, c));
            for (int k = 0; k < N; k++)
                sum[k] = !max ? sum[k] + v[k] : v[k] > sum[k] ? v[k] : sum[k];
        }
    for (int k = 0; k < N; k++)
        part[k][pool_thread()] = sum[k];
    __syncthreads();
    if (threadIdx.y == 0 && c < s.channels) {
        for (int d = 1; d < depth; d++)
            for (int k = 0; k < N; k++) {
                const float v = part[k][d * width + static_cast<int>(threadIdx.x)];
                sum[k] = !max ? sum[k] + v : v > sum[k] ? v : sum[k];
            }
        const float factor = max ? 1.0f : 1.0f / static_cast<float>(s.points);
        for (int k = 0; k < N; k++)
            sum[k] *= factor;
        store(y + pool_row(s, c), sum);
    }
}

/* ---- backward ---------------------------------------------------------------------------------------------
 */

/* dx of all points of a channel: dy / points, or dy at the first point where x is y. */
template <int N, class T>
__global__ void __launch_bounds__(BLOCK)
    pool_backward_kernel(T *dx, const T *dy, const T *y, const T *x, struct pool_shape s, enum pooling kind,
                         bool add) {
    SHARED(int, place, [N][BLOCK]);
    const int c = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * N;
    const int width = static_cast<int>(blockDim.x), depth = BLOCK / width;
    const bool max = kind == POOLING_MAX;
    int first[N];
    for (int k = 0; k < N; k++)
        first[k] = s.points;
    if (max && c < s.channels) {
        float most[N];
        load(most, y + pool_row(s, c));
        for (int p = static_cast<int>(threadIdx.y); p < s.points; p += depth) {
            float v[N];
            load(v, x + pool_at(s, p, c));
            for (int k = 0; k < N; k++)
                if (v[k] == most[k] && p < first[k]) first[k] = p;
        }
    }
    for (int k = 0; k < N; k++)
        place[k][pool_thread()] = first[k];
    __syncthreads();
    for (int d = 0; d < depth; d++)
        for (int k = 0; k < N; k++) {
            const int p = place[k][d * width + static_cast<int>(threadIdx.x)];
            if (p < first[k]) first[k] = p;
        }
    if (c < s.channels) {
        const float factor = 1.0f / static_cast<float>(s.points);
        float g[N];
        load(g, dy + pool_row(s, c));
        for (int p = static_cast<int>(threadIdx.y); p < s.points; p += depth) {
            float v[N];
            for (int k = 0; k < N; k++)
                v[k] = !max ? g[k] * factor : p == first[k] ? g[k] : 0.0f;
            load_add(v, dx + pool_at(s, p, c), add);
            store(dx + pool_at(s, p, c), v);
        }
    }
}

/* ---- launchers --------------------------------------------------------------------------------------------
 */

static struct pool_shape pool_shape_make(struct tensor x) {
    return {x.dims[1] * x.dims[2], x.dims[3]};
}

/* A block a sample and tile of `width` packs of n channels. */
static dim3 pool_block(struct tensor x, int n) {
    unsigned width = POOL_NARROW;
    while (width < POOL_WIDE && static_cast<int>(width) * n < x.dims[3])
        width *= 2;
    return dim3(width, BLOCK / width);
}

static dim3 pool_grid(struct tensor x, int n) {
    const int tile = static_cast<int>(pool_block(x, n).x) * n;
    return dim3(static_cast<unsigned>(x.dims[0]), static_cast<unsigned>((x.dims[3] + tile - 1) / tile));
}

template <class T>
static void pool_forward(struct queue *q, struct tensor y, struct tensor x, struct pool_shape s,
                         enum pooling kind) {
    constexpr int N = PACK<T>;
    if (s.channels % N == 0 && aligned(y, x))
        LAUNCH(q, (pool_forward_kernel<N, T>), pool_grid(x, N), pool_block(x, N), 0, data_of<T>(y),
               data_of<T>(x), s, kind);
    else
        LAUNCH(q, (pool_forward_kernel<1, T>), pool_grid(x, 1), pool_block(x, 1), 0, data_of<T>(y),
               data_of<T>(x), s, kind);
}

void cuda_pool_forward(struct queue *q, struct tensor y, struct tensor x, enum pooling kind) {
    check_pool("pool_forward", y, x);
    if (tensor_count(x) == 0) return;
    BY_DTYPE(x.dtype, pool_forward, q, y, x, pool_shape_make(x), kind);
}

template <class T>
static void pool_backward(struct queue *q, struct tensor dx, struct tensor dy, struct tensor y,
                          struct tensor x, struct pool_shape s, enum pooling kind, bool add) {
    constexpr int N = PACK<T>;
    if (s.channels % N == 0 && aligned(dx, dy, y, x))
        LAUNCH(q, (pool_backward_kernel<N, T>), pool_grid(x, N), pool_block(x, N), 0, data_of<T>(dx),
               data_of<T>(dy), data_of<T>(y), data_of<T>(x), s, kind, add);
    else
        LAUNCH(q, (pool_backward_kernel<1, T>), pool_grid(x, 1), pool_block(x, 1), 0, data_of<T>(dx),
               data_of<T>(dy), data_of<T>(y), data_of<T>(x), s, kind, add);
}

void cuda_pool_backward(struct queue *q, struct tensor dx, struct tensor dy, struct tensor y, struct tensor x,
                        enum pooling kind, bool add) {
    check_pool_backward(dx, dy, y, x);
    if (tensor_count(x) == 0) return;
    BY_DTYPE(x.dtype, pool_backward, q, dx, dy, y, x, pool_shape_make(x), kind, add);
}
