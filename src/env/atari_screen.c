#include "env/atari_screen.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#ifdef __SSSE3__
#include <immintrin.h>
#endif

#include "tengen/status.h"

enum { GROUP = 7, GROUPS = SCREEN_SIZE / GROUP, GROUP_INPUTS = 16 };

/* ---- palette --------------------------------------------------------------------------------------------
 */

/* NTSC, 0xRRGGBB by code / 2, as tools/make_atari_goldens.py finds them on the screens of ALE's games. */
static const uint32_t colours[128] = {
    0x000000, 0x4a4a4a, 0x6f6f6f, 0x8e8e8e, 0xaaaaaa, 0xc0c0c0, 0xd6d6d6, 0xececec, 0x484800, 0x69690f,
    0x86861d, 0xa2a22a, 0xbbbb35, 0xd2d240, 0xe8e84a, 0xfcfc54, 0x7c2c00, 0x904811, 0xa26221, 0xb47a30,
    0xc3903d, 0xd2a44a, 0xdfb755, 0xecc860, 0x901c00, 0xa33915, 0xb55328, 0xc66c3a, 0xd5824a, 0xe39759,
    0xf0aa67, 0xfcbc74, 0x940000, 0xa71a1a, 0xb83232, 0xc84848, 0xd65c5c, 0xe46f6f, 0xf08080, 0xfc9090,
    0x840064, 0x97197a, 0xa8308f, 0xb846a2, 0xc659b3, 0xd46cc3, 0xe07cd2, 0xec8ce0, 0x500084, 0x68199a,
    0x7d30ad, 0x9246c0, 0xa459d0, 0xb56ce0, 0xc57cee, 0xd48cfc, 0x140090, 0x331aa3, 0x4e32b5, 0x6848c6,
    0x7f5cd5, 0x956fe3, 0xa980f0, 0xbc90fc, 0x000094, 0x181aa7, 0x2d32b8, 0x4248c8, 0x545cd6, 0x656fe4,
    0x7580f0, 0x8490fc, 0x001c88, 0x183b9d, 0x2d57b0, 0x4272c2, 0x548ad2, 0x65a0e1, 0x75b5ef, 0x84c8fc,
    0x003064, 0x185080, 0x2d6d98, 0x4288b0, 0x54a0c5, 0x65b7d9, 0x75cceb, 0x84e0fc, 0x004030, 0x18624e,
    0x2d8169, 0x429e82, 0x54b899, 0x65d1ae, 0x75e7c2, 0x84fcd4, 0x004400, 0x1a661a, 0x328432, 0x48a048,
    0x5cba5c, 0x6fd26f, 0x80e880, 0x90fc90, 0x143c00, 0x355f18, 0x527e2d, 0x6e9c42, 0x87b754, 0x9ed065,
    0xb4e775, 0xc8fc84, 0x303800, 0x505916, 0x6d762b, 0x88923e, 0xa0ab4f, 0xb7c25f, 0xccd86e, 0xe0ec7c,
    0x482c00, 0x694d14, 0x866a26, 0xa28638, 0xbb9f47, 0xd2b656, 0xe8cc63, 0xfce070,
};

static uint8_t luminance(uint32_t r, uint32_t g, uint32_t b) {
    return (uint8_t)((4899 * r + 9617 * g + 1868 * b + 8192) >> 14); /* OpenCV's weights, 2^14 in all */
}

/* ---- maximum --------------------------------------------------------------------------------------------
 */

/* A row of codes by a table of 128. */
static void translate(uint8_t *out, const uint8_t *codes, const uint8_t *table) {
#ifdef __AVX512VBMI__
    const __m512i low = _mm512_loadu_si512(table), high = _mm512_loadu_si512(table + 64);
    const int starts[] = {0, 64, SCREEN_WIDTH - 64};
    for (int i = 0; i < 3; i++) {
        __m512i halves = _mm512_srli_epi16(_mm512_loadu_si512(codes + starts[i]), 1); /* looks at 7 bits */
        _mm512_storeu_si512(out + starts[i], _mm512_permutex2var_epi8(low, halves, high));
    }
#else
    for (int i = 0; i < SCREEN_WIDTH; i++)
        out[i] = table[codes[i] >> 1];
#endif
}

static void larger(uint8_t *out, const uint8_t *a, const uint8_t *b) {
    for (int i = 0; i < SCREEN_WIDTH; i++)
        out[i] = a[i] > b[i] ? a[i] : b[i];
}

static void maximum_row(uint8_t *out, const uint8_t *before, const uint8_t *last, const struct screen *s) {
    uint8_t a[SCREEN_WIDTH], b[SCREEN_WIDTH], rgb[3][SCREEN_WIDTH];
    if (s->maximum == SCREEN_GREY) {
        larger(out, before, last);
    } else if (memcmp(before, last, SCREEN_WIDTH) == 0) { /* mostly so */
        translate(out, last, s->luminance);
    } else if (s->maximum == SCREEN_LUMINANCE) {
        translate(a, before, s->luminance);
        translate(b, last, s->luminance);
        larger(out, a, b);
    } else {
        for (int i = 0; i < 3; i++) {
            translate(a, before, s->channels[i]);
            translate(b, last, s->channels[i]);
            larger(rgb[i], a, b);
        }
        for (int i = 0; i < SCREEN_WIDTH; i++)
            out[i] = luminance(rgb[0][i], rgb[1][i], rgb[2][i]);
    }
}

/* ---- shrinking ------------------------------------------------------------------------------------------
 */

static int greatest_divisor(int a, int b) {
    return b ? greatest_divisor(b, a % b) : a;
}

/* The mean over [y, y + 1) * length / 84, in units in which both an input and that step are whole. */
static void area_axis(struct screen_axis *axis, int length) {
    int common = greatest_divisor(length, SCREEN_SIZE), unit = SCREEN_SIZE / common, step = length / common;
    axis->total = step;
    for (int i = 0; i < SCREEN_SIZE; i++) {
        int from = i * step, to = from + step, first = from / unit;
        if (first > length - SCREEN_TAPS) first = length - SCREEN_TAPS;
        axis->first[i] = (uint8_t)first;
        for (int k = 0; k < SCREEN_TAPS; k++) {
            int low = (first + k) * unit, high = low + unit;
            int covered = (high < to ? high : to) - (low > from ? low : from);
            axis->weights[i][k] = (uint8_t)(covered > 0 ? covered : 0);
        }
    }
}

static void group_columns(struct screen *s) {
    const struct screen_axis *c = &s->columns;
    for (int g = 0; g < GROUPS; g++) {
        struct screen_group *group = &s->groups[g];
        int first = c->first[g * GROUP];
        group->first = first < SCREEN_WIDTH - GROUP_INPUTS ? first : SCREEN_WIDTH - GROUP_INPUTS;
        memset(group->pick, -1, sizeof group->pick); /* a negative one gives 0 */
        memset(group->weights, 0, sizeof group->weights);
        for (int i = 0; i < GROUP * SCREEN_TAPS; i++) {
            int output = i / SCREEN_TAPS, tap = i % SCREEN_TAPS, x = g * GROUP + output;
            if (!c->weights[x][tap]) continue;
            int from = c->first[x] + tap - group->first;
            ENSURE(from < GROUP_INPUTS, "output %d wants input %d of its group", x, from);
            group->pick[tap / 2][2 * output + tap % 2] = (int8_t)from;
            group->weights[tap / 2][2 * output + tap % 2] = (int8_t)c->weights[x][tap];
        }
    }
}

void screen_init(struct screen *s, int h, enum screen_maximum maximum) {
    ENSURE(h > SCREEN_SIZE && h < 3 * SCREEN_SIZE, "a screen of %d rows", h);
    s->height = h;
    s->maximum = maximum;
    for (int i = 0; i < 128; i++) {
        for (int c = 0; c < 3; c++)
            s->channels[c][i] = (uint8_t)(colours[i] >> (16 - 8 * c));
        s->luminance[i] = luminance(s->channels[0][i], s->channels[1][i], s->channels[2][i]);
    }
    area_axis(&s->rows, h);
    area_axis(&s->columns, SCREEN_WIDTH);
    group_columns(s);
}

/* A row of 160 bytes to 84 sums (and one word more, which the next row or nobody reads). */
static void shrink_row(uint16_t *sums, const uint8_t *row, const struct screen *s) {
#ifdef __SSSE3__
    for (int g = 0; g < GROUPS; g++) {
        const struct screen_group *group = &s->groups[g];
        __m128i inputs = _mm_loadu_si128((const __m128i *)(row + group->first)), sum = _mm_setzero_si128();
        for (int half = 0; half < 2; half++) {
            __m128i pick = _mm_loadu_si128((const __m128i *)group->pick[half]);
            __m128i weights = _mm_loadu_si128((const __m128i *)group->weights[half]);
            sum = _mm_add_epi16(sum, _mm_maddubs_epi16(_mm_shuffle_epi8(inputs, pick), weights));
        }
        _mm_storeu_si128((__m128i *)(sums + g * GROUP), sum);
    }
#else
    for (int x = 0; x < SCREEN_SIZE; x++) {
        const uint8_t *from = row + s->columns.first[x], *w = s->columns.weights[x];
        sums[x] = (uint16_t)(w[0] * from[0] + w[1] * from[1] + w[2] * from[2] + w[3] * from[3]);
    }
#endif
}

/* The mean halfway between two whole numbers, which exact arithmetic leaves open: OpenCV's order of sums in
 * floats decides (no multiply-add is contracted in this file). */
static uint8_t round_tie(const uint8_t *picture, const struct screen *s, int y, int x) {
    const uint8_t *down = s->rows.weights[y], *across = s->columns.weights[x];
    const uint8_t *from = picture + s->rows.first[y] * SCREEN_WIDTH + s->columns.first[x];
    float sum = 0;
    for (int i = 0; i < SCREEN_TAPS; i++, from += SCREEN_WIDTH) {
        float row = 0;
        if (!down[i]) continue;
        for (int j = 0; j < SCREEN_TAPS; j++)
            if (across[j]) row += (float)from[j] * ((float)across[j] / (float)s->columns.total);
        sum += (float)down[i] / (float)s->rows.total * row;
    }
    return (uint8_t)lrintf(sum);
}

/* One row of outputs out of sums; ties[x] where a mean is a tie. Sums are whole and below 2^22, so that
 * adding a half of the divisor and then one half keeps the quotient further from a whole number than a
 * float's rounding reaches. */
static void shrink_columns(uint8_t *out, uint8_t *ties, const uint16_t *sums, const uint8_t *w, int divisor) {
    int half = divisor / 2;
    float inverse = 1.0f / (float)divisor;
    for (int x = 0; x < SCREEN_SIZE; x++) {
        int sum = half + w[0] * sums[x] + w[1] * sums[x + SCREEN_SIZE] + w[2] * sums[x + 2 * SCREEN_SIZE] +
                  w[3] * sums[x + 3 * SCREEN_SIZE];
        int mean = (int)(((float)sum + 0.5f) * inverse);
        out[x] = (uint8_t)mean;
        ties[x] = mean * divisor == sum;
    }
}

/* Many rows of a screen are like the row above. */
static bool repeats(const uint8_t *screen, int y) {
    const uint8_t *row = screen + (size_t)y * SCREEN_WIDTH;
    return y > 0 && memcmp(row - SCREEN_WIDTH, row, SCREEN_WIDTH) == 0;
}

void screen_shrink(uint8_t *out, const uint8_t *before, const uint8_t *last, const struct screen *s) {
    uint8_t picture[3 * SCREEN_SIZE * SCREEN_WIDTH], ties[SCREEN_SIZE];
    uint16_t sums[3 * SCREEN_SIZE * SCREEN_SIZE + 1];
    for (int y = 0; y < s->height; y++) {
        uint8_t *row = picture + (size_t)y * SCREEN_WIDTH;
        uint16_t *sum = sums + (size_t)y * SCREEN_SIZE;
        if (repeats(before, y) && repeats(last, y)) {
            memcpy(row, row - SCREEN_WIDTH, SCREEN_WIDTH);
            memcpy(sum, sum - SCREEN_SIZE, SCREEN_SIZE * sizeof *sum);
        } else {
            maximum_row(row, before + (size_t)y * SCREEN_WIDTH, last + (size_t)y * SCREEN_WIDTH, s);
            shrink_row(sum, row, s);
        }
    }
    for (int y = 0; y < SCREEN_SIZE; y++, out += SCREEN_SIZE) {
        shrink_columns(out, ties, sums + s->rows.first[y] * SCREEN_SIZE, s->rows.weights[y],
                       s->rows.total * s->columns.total);
        for (uint8_t *tie = ties; (tie = memchr(tie, 1, (size_t)(ties + SCREEN_SIZE - tie))); tie++)
            out[tie - ties] = round_tie(picture, s, y, (int)(tie - ties));
    }
}

/* ---- stacks ---------------------------------------------------------------------------------------------
 */

void screen_push(uint8_t *stack, const uint8_t *picture) {
    for (int i = 0; i < SCREEN_PIXELS; i++) {
        uint32_t four;
        memcpy(&four, stack + 4 * i, 4);
        four = four >> 8 | (uint32_t)picture[i] << 24;
        memcpy(stack + 4 * i, &four, 4);
    }
}

void screen_fill(uint8_t *stack, const uint8_t *picture) {
    for (int i = 0; i < SCREEN_PIXELS; i++) {
        uint32_t four = picture[i] * 0x01010101u;
        memcpy(stack + 4 * i, &four, 4);
    }
}
