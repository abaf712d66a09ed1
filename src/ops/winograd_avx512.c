/* Winograd's tiles with AVX512-BF16. See ops/winograd.h and ops/winograd_tile.h.
 *
 * A block of tiles is transformed to [point][tile][channel] in BF16. Then, for 32 outputs at a time, each
 * point is a matrix product [tile][channel] x [channel][output] whose sums stay in registers (14 tiles x 32
 * outputs) over all channels; its result, [point][tile][32] in F32, is transformed back before the next 32
 * outputs. All of it stays in the second-level cache. Bound by vdpbf16ps: two a cycle on Zen 5, of which the
 * product reaches 93% and the whole 82%. */
#include "ops/winograd_tile.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define INLINE static inline __attribute__((always_inline))

enum {
    STRIP = 14,  /* tiles whose sums are in registers: 14 x 2 of 32, two of weights, one of inputs */
    AHEAD = 128, /* rows of weights that are fetched ahead: what the third-level cache takes to answer */
    LANES = 16,
    LINE = 64,
};

static bool processor_suits(void) {
    enum { AMX_BF16 = 1 << 22 }; /* leaf 7, EDX: multiplies so fast that transforms do not pay */
    unsigned a, b, c, d;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && !(d & AMX_BF16);
}

bool winograd_supported(void) {
    static _Atomic int suits = -1; /* under a hypervisor the question takes microseconds */
    if (suits < 0) suits = processor_suits();
    return suits;
}

/* ---- inputs -----------------------------------------------------------------------------------------------
 */

/* BF16 in the upper (odd) or lower (even) half of each word, as floats. */
AVX512 INLINE __m512 half_of(__m512i words, bool odd) {
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    return _mm512_castsi512_ps(odd ? _mm512_and_si512(words, upper) : _mm512_slli_epi32(words, 16));
}

/* v = B^T d B */
AVX512 INLINE void transform_half(const __m512i d[WINOGRAD_POINTS], bool odd, __m512 v[WINOGRAD_POINTS]) {
    __m512 x[WINOGRAD_POINTS];
    for (int j = 0; j < 4; j++) {
        const __m512 d0 = half_of(d[j], odd), d1 = half_of(d[4 + j], odd), d2 = half_of(d[8 + j], odd),
                     d3 = half_of(d[12 + j], odd);
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

/* Where the points of an image from (top, left) on begin, `side` x `side` of them, each of stride x stride;
 * zeros for those outside. */
INLINE void points_of(const uint16_t *image, int sample, int height, int width, int channels, int stride,
                      int top, int left, int side, const uint16_t **points) {
    static const uint16_t zeros[WINOGRAD_ROW_MAX];
    const ptrdiff_t row = (ptrdiff_t)width * channels * stride, column = (ptrdiff_t)channels * stride;
    const int rows = height / stride, columns = width / stride;
    const uint16_t *first = image + (ptrdiff_t)sample * height * width * channels + top * row + left * column;
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            points[side * i + j] = first + i * row + j * column;
    if (top >= 0 && left >= 0 && top + side <= rows && left + side <= columns) return;
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            if (top + i < 0 || top + i >= rows || left + j < 0 || left + j >= columns)
                points[side * i + j] = zeros;
}

/* A point's channels: runs of so many elements, one a row of the image. */
struct runs {
    int channels, length;
    ptrdiff_t row;
};

/* A group of 32 channels of n points, from channel c on; zeros beyond the last channel. */
AVX512 INLINE void load_group(const uint16_t *const *points, int n, int c, const struct runs *runs,
                              __m512i *d) {
    const ptrdiff_t at = c < runs->length ? c : c / runs->length * runs->row + c % runs->length;
    if (runs->channels - c < WINOGRAD_GROUP) {
        const __mmask32 mask = (1u << (runs->channels - c)) - 1;
        for (int i = 0; i < n; i++)
            d[i] = _mm512_maskz_loadu_epi16(mask, points[i] + at);
    } else if (runs->length < WINOGRAD_GROUP) { /* two runs of 16 */
        for (int i = 0; i < n; i++)
            d[i] = _mm512_inserti64x4(
                _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(points[i] + at))),
                _mm256_loadu_si256((const __m256i *)(points[i] + at + runs->row)), 1);
    } else {
        for (int i = 0; i < n; i++)
            d[i] = _mm512_loadu_si512(points[i] + at);
    }
}

AVX512 static void transform_inputs(const struct winograd *w, const struct winograd_tile *tile, char *to,
                                    size_t stride) {
    const struct runs runs = {winograd_inputs(w), w->channels * w->stride, (ptrdiff_t)w->width * w->channels};
    const uint16_t *points[WINOGRAD_POINTS];
    points_of(w->x, tile->sample, w->height, w->width, w->channels, w->stride, tile->row - w->pad_h,
              tile->column - w->pad_w, 4, points);
    for (int c = 0; c < runs.channels; c += WINOGRAD_GROUP, to += LINE) {
        __m512i d[WINOGRAD_POINTS];
        __m512 even[WINOGRAD_POINTS], odd[WINOGRAD_POINTS];
        load_group(points, WINOGRAD_POINTS, c, &runs, d);
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
AVX512 INLINE void product(const int rows, const uint32_t *u, size_t pairs, const uint32_t *w, float *sum) {
    __m512 s[STRIP][2];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
        s[r][0] = s[r][1] = _mm512_setzero_ps();
    for (size_t k = 0; k < pairs; k++, w += WINOGRAD_GROUP) {
        _mm_prefetch((const char *)(w + AHEAD * WINOGRAD_GROUP), _MM_HINT_T1);
        _mm_prefetch((const char *)(w + AHEAD * WINOGRAD_GROUP + LANES), _MM_HINT_T1);
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

/* Tiles [from, to) of a block, in strips as equal as they go. */
static void product_block(int from, int to, const uint32_t *u, size_t pairs, const uint32_t *w, float *sum) {
    for (int strips = (to - from + STRIP - 1) / STRIP; strips > 0; strips--) {
        int rows = (to - from + strips - 1) / strips;
        product_strip(rows, u + (size_t)from * pairs, pairs, w, sum + from * WINOGRAD_GROUP);
        from += rows;
    }
}

/* ---- outputs ----------------------------------------------------------------------------------------------
 */

/* y = A^T m for tiles of 2 or 3 outputs. */
AVX512 INLINE void transform_column(int size, const __m512 m[4], __m512 y[3]) {
    const __m512 sum = _mm512_add_ps(m[1], m[2]), difference = _mm512_sub_ps(m[1], m[2]);
    y[0] = _mm512_add_ps(m[0], sum);
    y[1] = size == 2 ? _mm512_sub_ps(difference, m[3]) : difference;
    y[2] = _mm512_sub_ps(sum, m[3]);
}

/* y = A^T m A, [3][3] */
AVX512 INLINE void transform_sums(int size, const char *sums, size_t stride, __m512 y[3][3]) {
    __m512 t[3][4];
    for (size_t j = 0; j < 4; j++) {
        __m512 m[4], column[3];
        for (size_t i = 0; i < 4; i++)
            m[i] = _mm512_load_ps(sums + (4 * i + j) * stride);
        transform_column(size, m, column);
        for (int i = 0; i < size; i++)
            t[i][j] = column[i];
    }
    for (int i = 0; i < size; i++)
        transform_column(size, t[i], y[i]);
}

AVX512 INLINE void store_output(const struct winograd_forward *w, size_t at, __mmask16 mask, __m512 y) {
    if (w->r) {
        const __m512i r = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, w->r + at));
        y = _mm512_add_ps(y, _mm512_castsi512_ps(_mm512_slli_epi32(r, 16)));
    }
    if (w->relu) y = _mm512_max_ps(y, _mm512_setzero_ps());
    _mm256_mask_storeu_epi16(w->image.y + at, mask, (__m256i)_mm512_cvtneps_pbh(y));
}

/* Outputs [o, o + 32) of a tile, whose sums these are. */
AVX512 INLINE void outputs_of(int size, const struct winograd_forward *w, const struct winograd_tile *tile,
                              int o, const char *sums, size_t stride) {
    const struct winograd *image = &w->image;
    const size_t outputs = (size_t)image->outputs, row = (size_t)image->out_width * outputs;
    const size_t point =
        ((size_t)tile->sample * (size_t)image->out_height + (size_t)tile->row) * (size_t)image->out_width +
        (size_t)tile->column;
    const int rows = image->out_height - tile->row, columns = image->out_width - tile->column;
    for (int end = o + WINOGRAD_GROUP; o < end && o < image->outputs; o += LANES, sums += LINE) {
        const int left = image->outputs - o;
        const __mmask16 mask = left < LANES ? (__mmask16)((1u << left) - 1) : 0xffff;
        const __m512 b = w->b ? _mm512_maskz_loadu_ps(mask, w->b + o) : _mm512_setzero_ps();
        const size_t at = point * outputs + (size_t)o;
        __m512 y[3][3];
        transform_sums(size, sums, stride, y);
        for (int i = 0; i < size; i++)
            for (int j = 0; j < size; j++)
                if (i < rows && j < columns)
                    store_output(w, at + (size_t)i * row + (size_t)j * outputs, mask,
                                 _mm512_add_ps(y[i][j], b));
    }
}

AVX512 static void transform_outputs(const struct winograd_forward *w, const struct winograd_tile *tile,
                                     int o, const char *sums, size_t stride) {
    if (w->image.size == 2)
        outputs_of(2, w, tile, o, sums, stride);
    else
        outputs_of(3, w, tile, o, sums, stride);
}

/* ---- a block ----------------------------------------------------------------------------------------------
 */

/* Bytes from one point's tiles to the next's; an odd number of lines, since a tile's points are written
 * together. */
static size_t input_stride(const struct winograd *w, int tiles) {
    size_t lines = (size_t)tiles * (size_t)winograd_groups(winograd_inputs(w));
    return (lines | 1) * LINE;
}

static size_t sum_stride(int tiles) {
    return ((size_t)tiles * WINOGRAD_GROUP * sizeof(float) / LINE | 1) * LINE;
}

size_t winograd_forward_scratch(const struct winograd_forward *w, int tiles) {
    return WINOGRAD_POINTS * (input_stride(&w->image, tiles) + sum_stride(tiles));
}

enum { CUT_BELOW = 1, CUT_RIGHT = 2 }; /* tiles without outputs in their last row, column */

/* The products of one point, but for tiles none of whose outputs they go into: those of the last row or
 * column. */
static void product_point(const uint8_t *cuts, int any, int count, int point, const uint32_t *u, size_t pairs,
                          const uint32_t *weights, float *sum) {
    const int skip = any & ((point / 4 == 3 ? CUT_BELOW : 0) | (point % 4 == 3 ? CUT_RIGHT : 0));
    if (!skip) {
        product_block(0, count, u, pairs, weights, sum);
        return;
    }
    for (int i = 0, from = 0; i <= count; i++) {
        if (i < count && !(cuts[i] & skip)) continue;
        if (i > from) product_block(from, i, u, pairs, weights, sum);
        from = i + 1;
    }
}

void winograd_forward_run(const struct winograd_forward *w, const struct winograd_tile *tiles, int count,
                          void *scratch) {
    const size_t inputs = input_stride(&w->image, count), sums = sum_stride(count);
    const size_t pairs = (size_t)winograd_groups(winograd_inputs(&w->image)) * LANES;
    char *u = scratch, *m = u + WINOGRAD_POINTS * inputs;
    uint8_t cuts[WINOGRAD_BLOCK];
    int any = 0;
    for (int i = 0; i < count; i++) {
        cuts[i] = (tiles[i].row + w->image.size > w->image.out_height ? CUT_BELOW : 0) |
                  (tiles[i].column + w->image.size > w->image.out_width ? CUT_RIGHT : 0);
        any |= cuts[i];
    }
    for (int i = 0; i < count; i++)
        transform_inputs(&w->image, &tiles[i], u + (size_t)i * pairs * sizeof(uint32_t), inputs);
    const uint32_t *weights = w->weights;
    for (int o = 0; o < w->image.outputs; o += WINOGRAD_GROUP) {
        for (int point = 0; point < WINOGRAD_POINTS; point++, weights += pairs * WINOGRAD_GROUP)
            product_point(cuts, any, count, point, (const uint32_t *)(u + (size_t)point * inputs), pairs,
                          weights, (float *)(m + (size_t)point * sums));
        for (int i = 0; i < count; i++)
            transform_outputs(w, &tiles[i], o, m + (size_t)i * WINOGRAD_GROUP * sizeof(float), sums);
    }
}

/* ---- gradient of the weights ------------------------------------------------------------------------------
 */

/* One row of what is transformed is that of two rows of points, first + sign * second. */
struct row {
    int first, second;
    float sign;
};

/* The rows of B^T, and those of A, the sign of the last left out. */
static const struct row input_rows[4] = {{0, 2, -1.0f}, {1, 2, 1.0f}, {2, 1, -1.0f}, {1, 3, -1.0f}};
static const struct row gradient_rows[4] = {{0, 1, 0.0f}, {0, 1, 1.0f}, {0, 1, -1.0f}, {1, 0, 0.0f}};

/* A row's four points of one half of the channels. */
AVX512 INLINE void transform_row_half(const __m512i first[4], const __m512i second[4], __m512 sign,
                                      bool gradient, bool odd, __m512 v[4]) {
    __m512 x[4];
    for (int j = 0; j < (gradient ? 2 : 4); j++)
        x[j] = _mm512_fmadd_ps(half_of(second[j], odd), sign, half_of(first[j], odd));
    if (gradient) {
        v[0] = x[0];
        v[1] = _mm512_add_ps(x[0], x[1]);
        v[2] = _mm512_sub_ps(x[0], x[1]);
        v[3] = x[1];
    } else {
        v[0] = _mm512_sub_ps(x[0], x[2]);
        v[1] = _mm512_add_ps(x[1], x[2]);
        v[2] = _mm512_sub_ps(x[2], x[1]);
        v[3] = _mm512_sub_ps(x[1], x[3]);
    }
}

/* Batches of a training step come from memory: what the tiles two further on will read of a row of points. */
AVX512 INLINE void fetch_ahead(const uint16_t *const *points, int size, int c, int channels) {
    for (int j = size - 2; j < size; j++)
        _mm_prefetch((const char *)(points[j] + c + 4 * channels), _MM_HINT_T0);
}

/* A row of two tiles, whose points these are, for all channels: to[point][group], a word of each channel's
 * two. */
AVX512 INLINE void transform_pair(const uint16_t *const points[2][WINOGRAD_POINTS], const struct row *row,
                                  bool gradient, int channels, uint32_t *to, size_t operand) {
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                         22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const int size = gradient ? 2 : 4;
    const size_t groups = (size_t)winograd_groups(channels);
    const __m512 sign = _mm512_set1_ps(row->sign);
    const struct runs runs = {channels, channels, 0};
    for (int c = 0; c < channels; c += WINOGRAD_GROUP, to += operand) {
        __m512i d[2][2][4];
        for (int t = 0; t < 2; t++) {
            fetch_ahead(points[t] + row->first * size, size, c, channels);
            fetch_ahead(points[t] + row->second * size, size, c, channels);
            load_group(points[t] + row->first * size, size, c, &runs, d[t][0]);
            load_group(points[t] + row->second * size, size, c, &runs, d[t][1]);
        }
        for (int odd = 0; odd < 2; odd++) {
            __m512 v[2][4];
            for (int t = 0; t < 2; t++)
                transform_row_half(d[t][0], d[t][1], sign, gradient, odd, v[t]);
            for (size_t j = 0; j < 4; j++)
                _mm512_store_si512(
                    to + j * groups * operand + odd * LANES,
                    _mm512_permutexvar_epi16(zip, (__m512i)_mm512_cvtne2ps_pbh(v[1][j], v[0][j])));
        }
    }
}

/* Bytes of an operand, [pairs][32] words, and an odd number of lines, since all points of a pair are written
 * together. */
static size_t operand_bytes(int pairs) {
    return (2 * (size_t)pairs | 1) * LINE;
}

size_t winograd_gradient_scratch(const struct winograd *w, int tiles) {
    return 4 * operand_bytes(tiles / 2) *
           (size_t)(winograd_groups(w->channels) + winograd_groups(w->outputs));
}

/* sum[r][0..32) += over pairs of tiles dy[r] . x, for `rows` outputs (a constant where this is inlined) */
AVX512 INLINE void outer_product(const int rows, const uint32_t *dy, const uint32_t *x, int pairs,
                                 float *sum) {
    __m512 s[STRIP][2];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        s[r][0] = _mm512_load_ps(sum + r * WINOGRAD_GROUP);
        s[r][1] = _mm512_load_ps(sum + r * WINOGRAD_GROUP + LANES);
    }
    for (int k = 0; k < pairs; k++, dy += WINOGRAD_GROUP, x += WINOGRAD_GROUP) {
        const __m512bh x0 = (__m512bh)_mm512_load_si512(x), x1 = (__m512bh)_mm512_load_si512(x + LANES);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            const __m512bh g = (__m512bh)_mm512_set1_epi32((int)dy[r]);
            s[r][0] = _mm512_dpbf16_ps(s[r][0], g, x0);
            s[r][1] = _mm512_dpbf16_ps(s[r][1], g, x1);
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        _mm512_store_ps(sum + r * WINOGRAD_GROUP, s[r][0]);
        _mm512_store_ps(sum + r * WINOGRAD_GROUP + LANES, s[r][1]);
    }
}

/* A row of the points of all pairs: [point][group] operands of x, then those of dy. */
AVX512 static void transform_pairs(const struct winograd *w, int row, const struct winograd_tile *tiles,
                                   int pairs, uint32_t *inputs, uint32_t *gradients, size_t operand) {
    for (int pair = 0; pair < pairs; pair++) {
        const uint16_t *x[2][WINOGRAD_POINTS], *dy[2][WINOGRAD_POINTS];
        for (int t = 0; t < 2; t++) {
            const struct winograd_tile *tile = &tiles[2 * pair + t];
            points_of(w->x, tile->sample, w->height, w->width, w->channels, 1, tile->row - w->pad_h,
                      tile->column - w->pad_w, 4, x[t]);
            points_of(w->y, tile->sample, w->out_height, w->out_width, w->outputs, 1, tile->row, tile->column,
                      2, dy[t]);
        }
        const size_t at = (size_t)pair * WINOGRAD_GROUP;
        transform_pair(x, &input_rows[row], false, w->channels, inputs + at, operand);
        transform_pair(dy, &gradient_rows[row], true, w->outputs, gradients + at, operand);
    }
}

/* The sums of 32 outputs and 32 channels. */
AVX512 static void outer_block(const uint32_t *dy, const uint32_t *x, int pairs, float *sums) {
    outer_product(11, dy, x, pairs, sums);
    outer_product(11, dy + 11, x, pairs, sums + 11 * WINOGRAD_GROUP);
    outer_product(10, dy + 22, x, pairs, sums + 22 * WINOGRAD_GROUP);
}

void winograd_gradient_run(const struct winograd *w, int row, const struct winograd_tile *tiles, int count,
                           void *scratch, float *sums) {
    const int pairs = count / 2;
    const int groups = winograd_groups(w->channels), out_groups = winograd_groups(w->outputs);
    const size_t operand = operand_bytes(pairs) / sizeof(uint32_t);
    uint32_t *inputs = scratch, *gradients = inputs + 4 * (size_t)groups * operand;
    transform_pairs(w, row, tiles, pairs, inputs, gradients, operand);
    for (int out = 0; out < 4 * out_groups; out++, gradients += operand) {
        const uint32_t *x = inputs + (size_t)(out / out_groups * groups) * operand;
        for (int g = 0; g < groups; g++, x += operand, sums += WINOGRAD_GROUP * WINOGRAD_GROUP)
            outer_block(gradients, x, pairs, sums);
    }
}
#else
bool winograd_supported(void) {
    return false;
}
size_t winograd_forward_scratch(const struct winograd_forward *w, int tiles) {
    (void)w, (void)tiles;
    return 0;
}
void winograd_forward_run(const struct winograd_forward *w, const struct winograd_tile *tiles, int count,
                          void *scratch) {
    (void)w, (void)tiles, (void)count, (void)scratch;
}
size_t winograd_gradient_scratch(const struct winograd *w, int tiles) {
    (void)w, (void)tiles;
    return 0;
}
void winograd_gradient_run(const struct winograd *w, int row, const struct winograd_tile *tiles, int count,
                           void *scratch, float *sums) {
    (void)w, (void)row, (void)tiles, (void)count, (void)scratch, (void)sums;
}
#endif
