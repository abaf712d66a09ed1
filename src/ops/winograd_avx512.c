/* Winograd's tiles with AVX512-BF16. See ops/winograd.h and ops/winograd_tile.h.
 *
 * A block of tiles is transformed to [point][tile][channel] in BF16. Then, for 32 outputs at a time, each
 * point is a matrix product [tile][channel] x [channel][output] whose sums stay in registers (14 tiles x 32
 * outputs) over all channels; its result, [point][tile][32] in F32, is transformed back before the next 32
 * outputs. All of it stays in the second-level cache. Bound by vdpbf16ps. */
#include "ops/winograd_tile.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

enum {
    STRIP = 14, /* tiles whose sums are in registers: 14 x 2 of 32, two of weights, one of inputs */
    LANES = 16,
    LINE = 64,
};

bool winograd_supported(void) {
    enum { AMX_BF16 = 1 << 22 }; /* leaf 7, EDX: multiplies so fast that transforms do not pay */
    unsigned a, b, c, d;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && !(d & AMX_BF16);
}

/* ---- inputs -----------------------------------------------------------------------------------------------
 */

/* Bytes from one point's tiles to the next's; an odd number of lines, since a tile's points are written
 * together. */
static size_t input_stride(const struct winograd *w, int tiles) {
    size_t lines = (size_t)tiles * (size_t)winograd_groups(w->channels);
    return (lines | 1) * LINE;
}

static size_t sum_stride(int tiles) {
    return ((size_t)tiles * WINOGRAD_GROUP * sizeof(float) / LINE | 1) * LINE;
}

size_t winograd_scratch(const struct winograd *w, int tiles) {
    return WINOGRAD_POINTS * (input_stride(w, tiles) + sum_stride(tiles));
}

/* v = B^T d B of one half of the channels, BF16 in the upper (odd) or lower (even) half of each word. */
AVX512 static inline void transform_half(const __m512i d[WINOGRAD_POINTS], bool odd,
                                         __m512 v[WINOGRAD_POINTS]) {
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    __m512 x[WINOGRAD_POINTS];
    for (int i = 0; i < WINOGRAD_POINTS; i++)
        x[i] = _mm512_castsi512_ps(odd ? _mm512_and_si512(d[i], upper) : _mm512_slli_epi32(d[i], 16));
    for (int j = 0; j < 4; j++) {
        __m512 d0 = x[j], d1 = x[4 + j], d2 = x[8 + j], d3 = x[12 + j];
        x[j] = _mm512_sub_ps(d0, d2);
        x[4 + j] = _mm512_add_ps(d1, d2);
        x[8 + j] = _mm512_sub_ps(d2, d1);
        x[12 + j] = _mm512_sub_ps(d1, d3);
    }
    for (int i = 0; i < WINOGRAD_POINTS; i += 4) {
        v[i] = _mm512_sub_ps(x[i], x[i + 2]);
        v[i + 1] = _mm512_add_ps(x[i + 1], x[i + 2]);
        v[i + 2] = _mm512_sub_ps(x[i + 2], x[i + 1]);
        v[i + 3] = _mm512_sub_ps(x[i + 1], x[i + 3]);
    }
}

/* Where a tile lies. */
struct place {
    size_t sample;
    int row, column; /* of its first output */
};

static inline struct place place_of(const struct winograd *w, int tile) {
    const int tiles = w->tile_rows * w->tile_columns, at = tile % tiles;
    return (struct place){(size_t)(tile / tiles), 2 * (at / w->tile_columns), 2 * (at % w->tile_columns)};
}

AVX512 static void transform_inputs(const struct winograd *w, int tile, char *to, size_t stride) {
    const struct place at = place_of(w, tile);
    const size_t channels = (size_t)w->channels;
    const uint16_t *points[WINOGRAD_POINTS];
    bool inside[WINOGRAD_POINTS];
    for (int i = 0; i < WINOGRAD_POINTS; i++) {
        int row = at.row - w->pad_h + i / 4, column = at.column - w->pad_w + i % 4;
        inside[i] = row >= 0 && row < w->height && column >= 0 && column < w->width;
        size_t point = (at.sample * (size_t)w->height + (size_t)row) * (size_t)w->width + (size_t)column;
        points[i] = inside[i] ? w->x + point * channels : w->x;
    }
    for (size_t c = 0; c < channels; c += WINOGRAD_GROUP, to += LINE) {
        const __mmask32 mask = channels - c < WINOGRAD_GROUP ? (1u << (channels - c)) - 1 : ~0u;
        __m512i d[WINOGRAD_POINTS];
        __m512 even[WINOGRAD_POINTS], odd[WINOGRAD_POINTS];
        for (int i = 0; i < WINOGRAD_POINTS; i++)
            d[i] = _mm512_maskz_loadu_epi16(inside[i] ? mask : 0, points[i] + c);
        transform_half(d, false, even);
        transform_half(d, true, odd);
        for (int i = 0; i < WINOGRAD_POINTS; i++)
            _mm512_store_si512(to + (size_t)i * stride, (__m512i)_mm512_cvtne2ps_pbh(odd[i], even[i]));
    }
}

/* ---- products ---------------------------------------------------------------------------------------------
 */

/* sum[r][0..32) = u[r] . w over all pairs of channels, for `rows` tiles (a constant where this is inlined).
 */
AVX512 static inline __attribute__((always_inline)) void
product(const int rows, const uint32_t *u, size_t pairs, const uint32_t *w, float *sum) {
    __m512 s[STRIP][2];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
        s[r][0] = s[r][1] = _mm512_setzero_ps();
    for (size_t k = 0; k < pairs; k++, w += WINOGRAD_GROUP) {
        const __m512bh w0 = (__m512bh)_mm512_load_si512(w), w1 = (__m512bh)_mm512_load_si512(w + LANES);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            const __m512bh x = (__m512bh)_mm512_set1_epi32((int)u[(size_t)r * pairs + k]);
            s[r][0] = _mm512_dpbf16_ps(s[r][0], x, w0);
            s[r][1] = _mm512_dpbf16_ps(s[r][1], x, w1);
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        _mm512_store_ps(sum + r * WINOGRAD_GROUP, s[r][0]);
        _mm512_store_ps(sum + r * WINOGRAD_GROUP + LANES, s[r][1]);
    }
}

AVX512 static void product_strip(int rows, const uint32_t *u, size_t pairs, const uint32_t *w, float *sum) {
    switch (rows) {
#define ROWS(n)                                                                                              \
    case n:                                                                                                  \
        product(n, u, pairs, w, sum);                                                                        \
        break;
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
        ROWS(7)
        ROWS(8)
        ROWS(9)
        ROWS(10)
        ROWS(11)
        ROWS(12)
        ROWS(13)
        ROWS(14)
#undef ROWS
    }
}

/* All tiles of a block, in strips as equal as they go. */
static void product_block(int tiles, const uint32_t *u, size_t pairs, const uint32_t *w, float *sum) {
    for (int strips = (tiles + STRIP - 1) / STRIP, at = 0; strips > 0; strips--) {
        int rows = (tiles - at + strips - 1) / strips;
        product_strip(rows, u + (size_t)at * pairs, pairs, w, sum + at * WINOGRAD_GROUP);
        at += rows;
    }
}

/* ---- outputs ----------------------------------------------------------------------------------------------
 */

/* y = A^T m A, [2][2] */
AVX512 static inline void transform_sums(const char *sums, size_t stride, __m512 y[4]) {
    __m512 t[2][4];
    for (int j = 0; j < 4; j++) {
        const __m512 m0 = _mm512_load_ps(sums + (size_t)j * stride);
        const __m512 m1 = _mm512_load_ps(sums + (size_t)(4 + j) * stride);
        const __m512 m2 = _mm512_load_ps(sums + (size_t)(8 + j) * stride);
        const __m512 m3 = _mm512_load_ps(sums + (size_t)(12 + j) * stride);
        t[0][j] = _mm512_add_ps(_mm512_add_ps(m0, m1), m2);
        t[1][j] = _mm512_sub_ps(_mm512_sub_ps(m1, m2), m3);
    }
    for (int i = 0; i < 2; i++) {
        y[2 * i] = _mm512_add_ps(_mm512_add_ps(t[i][0], t[i][1]), t[i][2]);
        y[2 * i + 1] = _mm512_sub_ps(_mm512_sub_ps(t[i][1], t[i][2]), t[i][3]);
    }
}

/* Outputs [o, o + 32) of a tile, whose sums these are. */
AVX512 static void transform_outputs(const struct winograd *w, int tile, int o, const char *sums,
                                     size_t stride) {
    const struct place at = place_of(w, tile);
    for (int end = o + WINOGRAD_GROUP; o < end && o < w->outputs; o += LANES, sums += LINE) {
        const __mmask16 mask = w->outputs - o < LANES ? (__mmask16)((1u << (w->outputs - o)) - 1) : 0xffff;
        const __m512 b = w->b ? _mm512_maskz_loadu_ps(mask, w->b + o) : _mm512_setzero_ps();
        __m512 y[4];
        transform_sums(sums, stride, y);
        for (int i = 0; i < 4; i++) {
            const int row = at.row + i / 2, column = at.column + i % 2;
            if (row >= w->out_height || column >= w->out_width) continue;
            const size_t point =
                (at.sample * (size_t)w->out_height + (size_t)row) * (size_t)w->out_width + (size_t)column;
            const size_t offset = point * (size_t)w->outputs + (size_t)o;
            y[i] = _mm512_add_ps(y[i], b);
            if (w->r) {
                __m512i r = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, w->r + offset));
                y[i] = _mm512_add_ps(y[i], _mm512_castsi512_ps(_mm512_slli_epi32(r, 16)));
            }
            if (w->relu) y[i] = _mm512_max_ps(y[i], _mm512_setzero_ps());
            _mm256_mask_storeu_epi16(w->y + offset, mask, (__m256i)_mm512_cvtneps_pbh(y[i]));
        }
    }
}

void winograd_run(const struct winograd *w, int from, int count, void *scratch) {
    const size_t inputs = input_stride(w, count), sums = sum_stride(count);
    const size_t pairs = (size_t)winograd_groups(w->channels) * LANES;
    char *u = scratch, *m = u + WINOGRAD_POINTS * inputs;
    for (int i = 0; i < count; i++)
        transform_inputs(w, from + i, u + (size_t)i * pairs * sizeof(uint32_t), inputs);
    const uint32_t *weights = w->weights;
    for (int o = 0; o < w->outputs; o += WINOGRAD_GROUP) {
        for (size_t point = 0; point < WINOGRAD_POINTS; point++, weights += pairs * WINOGRAD_GROUP)
            product_block(count, (const uint32_t *)(u + point * inputs), pairs, weights,
                          (float *)(m + point * sums));
        for (int i = 0; i < count; i++)
            transform_outputs(w, from + i, o, m + (size_t)i * WINOGRAD_GROUP * sizeof(float), sums);
    }
}
#else
bool winograd_supported(void) {
    return false;
}
size_t winograd_scratch(const struct winograd *w, int tiles) {
    (void)w, (void)tiles;
    return 0;
}
void winograd_run(const struct winograd *w, int from, int count, void *scratch) {
    (void)w, (void)from, (void)count, (void)scratch;
}
#endif
