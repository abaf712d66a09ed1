/* Sums over a whole array, in double. Blocks sum what their threads meet in strides, and one block adds their
 * sums: the cut depends on the number of elements alone. Floor: one read of the inputs. */
#ifndef CUDA_SUMS_CUH
#define CUDA_SUMS_CUH

#include "cuda/common.cuh"

constexpr size_t SUM_MAX_BLOCKS = 2048;
constexpr size_t SUM_EACH = 8; /* packs a thread, where there are fewer blocks */

/* f.begin() runs once a thread; f.add<N>(sum, i) adds what the N elements from i on give to sum[SUMS].
 * partial: [SUMS, blocks] */
template <int N, class F>
__global__ void __launch_bounds__(BLOCK) sum_kernel(F f, double *partial, size_t count) {
    const size_t first = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x;
    const size_t stride = static_cast<size_t>(gridDim.x) * BLOCK, packs = count / N;
    double sum[F::SUMS] = {};
    f.begin();
#pragma unroll 4
    for (size_t i = first; i < packs; i += stride)
        f.template add<N>(sum, i * N);
    if (N > 1 && packs * N + first < count) f.template add<1>(sum, packs * N + first);
    for (int j = 0; j < F::SUMS; j++) {
        const double total = block_sum(sum[j]);
        if (threadIdx.x == 0) partial[static_cast<unsigned>(j) * gridDim.x + blockIdx.x] = total;
        __syncthreads();
    }
}

/* Calls f.finish(sums), in one thread. */
template <class F>
__global__ void __launch_bounds__(BLOCK) sum_finish_kernel(F f, const double *partial, int blocks) {
    double sum[F::SUMS] = {};
    for (int j = 0; j < F::SUMS; j++) {
        for (int i = static_cast<int>(threadIdx.x); i < blocks; i += BLOCK)
            sum[j] += partial[j * blocks + i];
        sum[j] = block_sum(sum[j]);
        __syncthreads();
    }
    if (threadIdx.x == 0) f.finish(sum);
}

/* F::N is how many elements make a pack; vectors: whether the array is aligned for that. */
template <class F> static void sum_run(struct queue *q, const F &f, size_t count, bool vectors) {
    const size_t wanted = ceil_div(count, SUM_EACH * BLOCK * F::N);
    const int blocks = wanted == 0 ? 1 : static_cast<int>(wanted < SUM_MAX_BLOCKS ? wanted : SUM_MAX_BLOCKS);
    double *partial = static_cast<double *>(
        cuda_scratch(q, PLACE_PARTIALS, static_cast<size_t>(blocks) * F::SUMS * sizeof(double)));
    if (vectors)
        LAUNCH(q, (sum_kernel<F::N, F>), static_cast<unsigned>(blocks), BLOCK, 0, f, partial, count);
    else
        LAUNCH(q, (sum_kernel<1, F>), static_cast<unsigned>(blocks), BLOCK, 0, f, partial, count);
    LAUNCH(q, (sum_finish_kernel<F>), 1, BLOCK, 0, f, partial, blocks);
}

#endif
