/* What kernels share, one idiom for each need: launches, shared memory, loads and stores of F32 and BF16 as
 * floats, reductions of warps and blocks, and the element-wise map.
 *
 * The same sources are compiled by nvcc and, in the tests, by a C++ compiler that runs each thread as a fiber
 * (tests/cuda/emulation.h, which defines what the first part here takes from CUDA). For that kernels keep to
 * these rules: their names end in _kernel; launches go through LAUNCH; shared memory is declared by SHARED
 * and SHARED_DYNAMIC; nothing returns before a barrier; one collective of a warp a source line, all lanes
 * taking part.
 *
 * Floors. A memory-bound kernel should move its bytes once, at 80% of a copy's bandwidth or more: a thread
 * reads 16 bytes an array at a time, neighbours beside each other, and there are enough of them in flight.
 * Results never depend on the device: grids follow from shapes, sums are ordered, there are no atomics.
 */
#ifndef CUDA_COMMON_CUH
#define CUDA_COMMON_CUH

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "cuda/queue.h"
#include "ops/check.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_runtime.h>

/* LAUNCH(q, (name_kernel<a, b>), grid, block, bytes of dynamic shared memory, arguments...) */
#define LAUNCH(q, kernel, grid, block, shared, ...)                                                          \
    do {                                                                                                     \
        kernel<<<grid, block, shared, static_cast<cudaStream_t>(cuda_stream(q))>>>(__VA_ARGS__);             \
        cuda_launched(q, #kernel);                                                                           \
    } while (0)
/* SHARED(float, tile, [8][33]); is a float tile[8][33] that a block shares. */
#define SHARED(type, name, dims) __shared__ type name dims
/* SHARED_DYNAMIC(float, sums); is a float *sums to the launch's dynamic shared memory. */
#define SHARED_DYNAMIC(type, name)                                                                           \
    extern __shared__ __align__(16) unsigned char dynamic_shared_memory[];                                   \
    type *const name = reinterpret_cast<type *>(dynamic_shared_memory)

static __device__ __forceinline__ uint16_t bf16_bits(float f) {
    return __bfloat16_as_ushort(__float2bfloat16_rn(f));
}
static __device__ __forceinline__ float bf16_value(uint16_t bits) {
    return __uint_as_float(static_cast<uint32_t>(bits) << 16);
}
#endif

enum { WARP = 32, BLOCK = 256 };

/* ---- elements ---------------------------------------------------------------------------------------------
 */

struct bf16 {
    uint16_t bits;
};

static __device__ __forceinline__ float to_float(float x) {
    return x;
}
static __device__ __forceinline__ float to_float(bf16 x) {
    return bf16_value(x.bits);
}
static __device__ __forceinline__ void from_float(float *to, float x) {
    *to = x;
}
static __device__ __forceinline__ void from_float(bf16 *to, float x) {
    to->bits = bf16_bits(x);
}

/* N elements that are read and written at once. */
template <class T, int N> struct alignas(sizeof(T) * N) pack { T value[N]; };

/* Elements of T in 16 bytes; the smaller number for two types. */
template <class T> constexpr int PACK = 16 / sizeof(T);

/* v = N elements from p on, N a multiple or a part of what 16 bytes hold. */
template <int N, class T> static __device__ __forceinline__ void load(float (&v)[N], const T *p) {
    constexpr int M = N < PACK<T> ? N : PACK<T>;
#pragma unroll
    for (int j = 0; j < N / M; j++) {
        const pack<T, M> part = reinterpret_cast<const pack<T, M> *>(p)[j];
#pragma unroll
        for (int k = 0; k < M; k++)
            v[j * M + k] = to_float(part.value[k]);
    }
}

template <int N, class T> static __device__ __forceinline__ void store(T *p, const float (&v)[N]) {
    constexpr int M = N < PACK<T> ? N : PACK<T>;
#pragma unroll
    for (int j = 0; j < N / M; j++) {
        pack<T, M> part;
#pragma unroll
        for (int k = 0; k < M; k++)
            from_float(&part.value[k], v[j * M + k]);
        reinterpret_cast<pack<T, M> *>(p)[j] = part;
    }
}

/* v += N elements from p on, where `add` says so. */
template <int N, class T>
static __device__ __forceinline__ void load_add(float (&v)[N], const T *p, bool add) {
    if (!add) return;
    float old[N];
    load(old, p);
#pragma unroll
    for (int k = 0; k < N; k++)
        v[k] += old[k];
}

/* Whether 16 bytes can be read at once from all of these; none counts as yes. */
template <class... Tensors> static bool aligned(Tensors... tensors) {
    uintptr_t bits = 0;
    ((bits |= reinterpret_cast<uintptr_t>(tensors.data)), ...);
    return bits % 16 == 0;
}

template <class T> static inline T *data_of(struct tensor t) {
    return static_cast<T *>(t.data);
}

/* ---- activations ------------------------------------------------------------------------------------------
 */

template <int N> static __device__ __forceinline__ void activate(float (&v)[N], enum activation act) {
    if (act == ACTIVATION_NONE) return;
#pragma unroll
    for (int k = 0; k < N; k++)
        v[k] = act == ACTIVATION_RELU   ? (v[k] > 0.0f ? v[k] : 0.0f)
               : act == ACTIVATION_TANH ? tanhf(v[k])
                                        : 1.0f / (1.0f + expf(-v[k]));
}

/* g = dy act'(x), through y. */
template <int N>
static __device__ __forceinline__ void activate_backward(float (&g)[N], const float (&y)[N],
                                                         enum activation act) {
    if (act == ACTIVATION_NONE) return;
#pragma unroll
    for (int k = 0; k < N; k++)
        g[k] = act == ACTIVATION_RELU   ? (y[k] > 0.0f ? g[k] : 0.0f)
               : act == ACTIVATION_TANH ? g[k] * (1.0f - y[k] * y[k])
                                        : g[k] * y[k] * (1.0f - y[k]);
}

/* ---- reductions -------------------------------------------------------------------------------------------
 */

/* Over the `lanes` (a power of two) neighbours of a warp that each lane belongs to; all lanes get the result.
 */
static __device__ __forceinline__ float lanes_sum(float v, int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, step);
    return v;
}
static __device__ __forceinline__ float lanes_max(float v, int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, v, step);
        v = other > v ? other : v;
    }
    return v;
}

/* The sum over a block of BLOCK threads, in a fixed order; thread 0 gets the result. A barrier must lie
 * between two calls. */
static __device__ __forceinline__ double block_sum(double v) {
    SHARED(double, warps, [BLOCK / WARP]);
    for (int step = WARP / 2; step > 0; step /= 2)
        v += __shfl_down_sync(0xffffffffu, v, static_cast<unsigned>(step));
    if (threadIdx.x % WARP == 0) warps[threadIdx.x / WARP] = v;
    __syncthreads();
    double sum = 0.0;
    if (threadIdx.x == 0)
        for (int i = 0; i < BLOCK / WARP; i++)
            sum += warps[i];
    return sum;
}

/* ---- element-wise map -------------------------------------------------------------------------------------
 */

static inline size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* f.at<N>(i) works on N elements of equal index from i on; f.begin() runs first, once a thread, and may say
 * false: nothing to do. Elements in whole packs go to threads in strides, the rest one each to the first. */
template <int N, class F> __global__ void __launch_bounds__(BLOCK) map_kernel(F f, size_t count) {
    if (f.begin()) {
        const size_t first = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
        const size_t stride = static_cast<size_t>(gridDim.x) * BLOCK, packs = count / N;
        for (size_t i = first; i < packs; i += stride)
            f.template at<N>(i * N);
        if (N > 1 && packs * N + first < count) f.template at<1>(packs * N + first);
    }
}

constexpr size_t MAP_BLOCKS = 4096; /* four waves and more on any device of today */

/* F::N is how many elements make a pack; vectors: whether all arrays are aligned for that. */
template <class F> static void map_run(struct queue *q, const F &f, size_t count, bool vectors) {
    if (count == 0) return;
    const size_t blocks = ceil_div(count, static_cast<size_t>(vectors ? F::N : 1) * BLOCK);
    const unsigned grid = static_cast<unsigned>(blocks < MAP_BLOCKS ? blocks : MAP_BLOCKS);
    if (vectors)
        LAUNCH(q, (map_kernel<F::N, F>), grid, BLOCK, 0, f, count);
    else
        LAUNCH(q, (map_kernel<1, F>), grid, BLOCK, 0, f, count);
}

/* Calls run<T>(arguments...) for the type of an activation. */
#define BY_DTYPE(dtype, run, ...)                                                                            \
    do {                                                                                                     \
        if ((dtype) == DTYPE_BF16)                                                                           \
            run<bf16>(__VA_ARGS__);                                                                          \
        else                                                                                                 \
            run<float>(__VA_ARGS__);                                                                         \
    } while (0)

#endif
