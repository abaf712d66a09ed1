/* Planes out of bits: y[n,p,c] = bit source[symmetry[n],p] C + c of row n (ops.def). Bound by bytes: y is
 * written once, neighbours beside each other, 16 bytes a thread at a time; bits and tables are a thirtieth of
 * that, and neighbours read the same words of them. Floor: the bytes of y at a copy's bandwidth. */
#include "cuda/common.cuh"

template <class T> struct planes_map {
    static constexpr int N = PACK<T>;
    T *y;
    const uint32_t *bits;
    const int32_t *symmetry, *source;
    uint32_t points, channels, words; /* words: of a row of bits */

    __device__ bool begin() { return true; }

    /* 32 bits from channel c of point p of the sample on; zeros behind the row. */
    __device__ uint32_t window(uint32_t sample, uint32_t p, uint32_t c) const {
        const size_t table = static_cast<size_t>(symmetry[sample]) * points;
        const uint32_t bit = static_cast<uint32_t>(source[table + p]) * channels + c, word = bit / 32;
        const uint32_t *row = bits + static_cast<size_t>(sample) * words;
        const uint64_t high = word + 1 < words ? row[word + 1] : 0;
        return static_cast<uint32_t>((high << 32 | row[word]) >> bit % 32);
    }

    template <int n> __device__ void at(size_t i) {
        static_assert(n <= 32, "a pack's bits are one window, unless it crosses points");
        float v[n];
        uint32_t p = static_cast<uint32_t>(i) / channels, sample = p / points;
        uint32_t c = static_cast<uint32_t>(i) - p * channels;
        p -= sample * points;
        uint32_t from = window(sample, p, c);
#pragma unroll
        for (int k = 0; k < n; k++) {
            v[k] = static_cast<float>(from & 1);
            from >>= 1;
            if (++c == channels && k + 1 < n) {
                c = 0;
                if (++p == points) {
                    p = 0;
                    sample++;
                }
                from = window(sample, p, 0);
            }
        }
        store(y + i, v);
    }
};

template <class T>
static void planes_forward(struct queue *q, struct tensor y, struct tensor bits, struct tensor symmetry,
                           struct tensor source) {
    const planes_map<T> f = {data_of<T>(y),
                             data_of<uint32_t>(bits),
                             data_of<int32_t>(symmetry),
                             data_of<int32_t>(source),
                             static_cast<uint32_t>(y.dims[1] * y.dims[2]),
                             static_cast<uint32_t>(y.dims[3]),
                             static_cast<uint32_t>(bits.dims[1] / 4)};
    map_run(q, f, tensor_count(y), aligned(y));
}

void cuda_planes_forward(struct queue *q, struct tensor y, struct tensor bits, struct tensor symmetry,
                         struct tensor source) {
    check_planes(y, bits, symmetry, source);
    BY_DTYPE(y.dtype, planes_forward, q, y, bits, symmetry, source);
}
