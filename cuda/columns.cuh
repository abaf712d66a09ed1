/* A tensor [..., C] by channels: the map of values that each channel has constants for, and sums over all
 * rows.
 *
 * A pack of N elements may straddle channels where N does not divide C, but packs repeat after P = C / gcd(C,
 * N) of them: P packs are a wide row, and a thread that walks in strides of whole wide rows always meets the
 * same channels. So its constants stay in registers and nothing is divided in the loop, for any C.
 *
 * Sums: a block takes a range of rows; every thread sums the columns of its pack, the copies of a wide row in
 * the block are added as a tree in shared memory, and a second kernel adds the blocks in order, in double.
 * The cut depends on the shape alone. Floor of the first kernel: one read of the inputs; the second reads
 * what the first wrote, at most 1/16 of that where there are many rows.
 */
#ifndef CUDA_COLUMNS_CUH
#define CUDA_COLUMNS_CUH

#include "cuda/common.cuh"

static inline int gcd(int a, int b) {
    while (b != 0) {
        const int rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The channels of n elements, of which the first belongs to channel c: visit(k, channel). */
template <int N, class V>
static __device__ __forceinline__ void visit_channels(int c, int channels, V visit) {
#pragma unroll
    for (int k = 0; k < N; k++) {
        visit(k, c);
        c = c + 1 == channels ? 0 : c + 1;
    }
}

/* ---- map --------------------------------------------------------------------------------------------------
 */

/* f.begin<N>(state<N>, c) loads the constants of N elements from channel c on, f.at<N>(state, i) works on the
 * N elements from i on. `threads` is a multiple of the packs in a wide row. */
template <int N, class F>
__global__ void __launch_bounds__(BLOCK)
    columns_map_kernel(F f, size_t count, int channels, unsigned wide, size_t threads) {
    const size_t first = static_cast<size_t>(blockIdx.x) * BLOCK + threadIdx.x, packs = count / N;
    if (first < threads && first < packs) {
        typename F::template state<N> s;
        f.begin(s, static_cast<int>(first % wide * N % static_cast<unsigned>(channels)));
        for (size_t i = first; i < packs; i += threads)
            f.at(s, i * N);
    }
    const size_t rest = packs * N + first;
    if (N > 1 && rest < count) {
        typename F::template state<1> s;
        f.begin(s, static_cast<int>(rest % static_cast<unsigned>(channels)));
        f.at(s, rest);
    }
}

constexpr size_t COLUMNS_THREADS = 1 << 19; /* twice what the largest device of today holds at once */

template <int N, class F>
static void columns_map_packs(struct queue *q, const F &f, size_t count, int channels) {
    const size_t wide = static_cast<size_t>(channels / gcd(channels, N)), packs = count / N;
    size_t threads = packs / 2 < COLUMNS_THREADS ? packs / 2 : COLUMNS_THREADS; /* constants serve 2 packs */
    threads = (threads / wide + 1) * wide;
    const unsigned grid = static_cast<unsigned>(ceil_div(threads < N ? N : threads, BLOCK));
    LAUNCH(q, (columns_map_kernel<N, F>), grid, BLOCK, 0, f, count, channels, static_cast<unsigned>(wide),
           threads);
}

template <class F>
static void columns_map(struct queue *q, const F &f, size_t count, int channels, bool vectors) {
    if (count == 0) return;
    if (vectors)
        columns_map_packs<F::N>(q, f, count, channels);
    else
        columns_map_packs<1>(q, f, count, channels);
}

/* ---- sums -------------------------------------------------------------------------------------------------
 */

struct columns_cut {
    size_t count;
    int channels;
    int wide;   /* P: packs in a wide row */
    int copies; /* a power of two: rows of P packs beside each other in a block; 1 where P fills blocks */
    int rows;   /* such groups of rows, a block */
    int chunks; /* blocks that the rows are cut into */
    int tiles;  /* blocks that P is cut into */
};

constexpr size_t SUM_ROWS = 4;  /* at least, of groups a block */
constexpr int SUM_BLOCKS = 512; /* at most; four a multiprocessor of the largest device of today */

static inline struct columns_cut columns_cut_make(size_t count, int channels, int n) {
    struct columns_cut cut = {};
    cut.count = count;
    cut.channels = channels;
    cut.wide = channels / gcd(channels, n);
    cut.copies = 1;
    while (2 * cut.copies * cut.wide <= BLOCK)
        cut.copies *= 2;
    cut.tiles = (cut.wide + BLOCK - 1) / BLOCK;
    const size_t group = static_cast<size_t>(cut.wide) * static_cast<size_t>(cut.copies);
    const size_t groups = ceil_div(ceil_div(count, static_cast<size_t>(n)), group);
    const size_t most = cut.tiles < SUM_BLOCKS ? static_cast<size_t>(SUM_BLOCKS / cut.tiles) : 1;
    size_t rows = ceil_div(groups, most);
    if (rows < SUM_ROWS) rows = SUM_ROWS;
    cut.rows = static_cast<int>(rows);
    cut.chunks = static_cast<int>(ceil_div(groups, rows));
    return cut;
}

/* f.begin<N>(state<N>, c) as above; f.values<N>(v, state, i) gives v[SUMS][N], what the N elements from i on
 * add to each sum. partial: [chunks, SUMS, P N] */
template <int N, class F>
__global__ void __launch_bounds__(BLOCK) columns_sum_kernel(F f, float *partial, struct columns_cut cut) {
    SHARED_DYNAMIC(float, shared); /* [SUMS, N, blockDim.x] */
    constexpr int SUMS = F::SUMS;
    const int thread = static_cast<int>(threadIdx.x), width = static_cast<int>(blockDim.x);
    const int column = static_cast<int>(blockIdx.x) * BLOCK + thread, group = cut.wide * cut.copies;
    float sum[SUMS][N] = {};
    if (column < group) {
        const int c = static_cast<int>(static_cast<unsigned>(column % cut.wide) * static_cast<size_t>(N) %
                                       static_cast<unsigned>(cut.channels));
        typename F::template state<N> s;
        f.begin(s, c);
        const size_t begin = static_cast<size_t>(blockIdx.y) * static_cast<size_t>(cut.rows);
#pragma unroll 4
        for (int row = 0; row < cut.rows; row++) {
            const size_t i = ((begin + static_cast<size_t>(row)) * static_cast<size_t>(group) +
                              static_cast<size_t>(column)) *
                             N;
            if (i + N <= cut.count) {
                float v[SUMS][N];
                f.values(v, s, i);
                for (int j = 0; j < SUMS; j++)
                    for (int k = 0; k < N; k++)
                        sum[j][k] += v[j][k];
            } else if (N > 1 && i < cut.count) {
                visit_channels<N>(c, cut.channels, [&](int k, int channel) {
                    if (i + static_cast<size_t>(k) >= cut.count) return;
                    typename F::template state<1> one;
                    float v[SUMS][1];
                    f.begin(one, channel);
                    f.values(v, one, i + static_cast<size_t>(k));
                    for (int j = 0; j < SUMS; j++)
                        sum[j][k] += v[j][0];
                });
            }
        }
    }
    for (int j = 0; j < SUMS; j++)
        for (int k = 0; k < N; k++)
            shared[(j * N + k) * width + thread] = sum[j][k];
    for (int half = cut.copies / 2; half > 0; half /= 2) {
        __syncthreads();
        if (thread < half * cut.wide)
            for (int j = 0; j < SUMS * N; j++)
                shared[j * width + thread] += shared[j * width + thread + half * cut.wide];
    }
    if (column < cut.wide) /* each thread reads what it wrote itself */
        for (int j = 0; j < SUMS; j++)
            for (int k = 0; k < N; k++)
                partial[((static_cast<size_t>(blockIdx.y) * SUMS + static_cast<size_t>(j)) *
                             static_cast<size_t>(cut.wide) +
                         static_cast<size_t>(column)) *
                            N +
                        static_cast<size_t>(k)] = shared[(j * N + k) * width + thread];
}

enum { FINISH_GROUPS = 16 };

/* Adds the blocks' sums, FINISH_GROUPS runs of blocks beside each other, and calls f.finish(channel, sums). A
 * channel stands `repeats` times in a wide row. */
template <class F>
__global__ void __launch_bounds__(WARP *FINISH_GROUPS)
    columns_finish_kernel(F f, const float *partial, int chunks, int channels, int repeats) {
    constexpr int SUMS = F::SUMS;
    SHARED(double, groups, [SUMS][FINISH_GROUPS][WARP]);
    const int c = static_cast<int>(blockIdx.x * WARP + threadIdx.x);
    const size_t row = static_cast<size_t>(repeats) * static_cast<size_t>(channels);
    double sum[SUMS] = {};
    if (c < channels)
        for (int k = 0; k < repeats; k++) {
            const float *from = partial + static_cast<size_t>(k) * static_cast<size_t>(channels) + c;
#pragma unroll 8
            for (int chunk = static_cast<int>(threadIdx.y); chunk < chunks; chunk += FINISH_GROUPS)
                for (int j = 0; j < SUMS; j++)
                    sum[j] += static_cast<double>(
                        from[(static_cast<size_t>(chunk) * SUMS + static_cast<size_t>(j)) * row]);
        }
    for (int j = 0; j < SUMS; j++)
        groups[j][threadIdx.y][threadIdx.x] = sum[j];
    __syncthreads();
    if (threadIdx.y == 0 && c < channels) {
        for (int j = 0; j < SUMS; j++)
            for (int g = 1; g < FINISH_GROUPS; g++)
                sum[j] += groups[j][g][threadIdx.x];
        f.finish(c, sum);
    }
}

template <int N, class F>
static void columns_sum_packs(struct queue *q, const F &f, size_t count, int channels) {
    const struct columns_cut cut = columns_cut_make(count, channels, N);
    const size_t wide = static_cast<size_t>(cut.wide) * N;
    float *partial = static_cast<float *>(
        cuda_scratch(q, PLACE_PARTIALS, static_cast<size_t>(cut.chunks) * F::SUMS * wide * sizeof(float)));
    const unsigned threads = static_cast<unsigned>(cut.tiles > 1 ? BLOCK : cut.wide * cut.copies);
    const dim3 grid(static_cast<unsigned>(cut.tiles), static_cast<unsigned>(cut.chunks));
    LAUNCH(q, (columns_sum_kernel<N, F>), grid, threads, threads * F::SUMS * N * sizeof(float), f, partial,
           cut);
    const unsigned blocks = static_cast<unsigned>(ceil_div(static_cast<size_t>(channels), WARP));
    LAUNCH(q, (columns_finish_kernel<F>), blocks, dim3(WARP, FINISH_GROUPS), 0, f, partial, cut.chunks,
           channels, static_cast<int>(wide) / channels);
}

template <class F>
static void columns_sum(struct queue *q, const F &f, size_t count, int channels, bool vectors) {
    if (count == 0) return;
    if (vectors)
        columns_sum_packs<F::N>(q, f, count, channels);
    else
        columns_sum_packs<1>(q, f, count, channels);
}

#endif
