/* Planes out of bits, on a CPU: sixteen bits become sixteen elements at a time, as a vector that may run over
 * the end of its point, where the next point's begin. Bound by the bytes of y; a row of bits stays in the
 * first-level cache. */
#include "ops/cpu.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "bits are read in words");

enum { LANES = 16 };

typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));

struct planes_context {
    struct tensor y, bits, symmetry, source;
    int points, channels, samples; /* samples: of a piece */
};

/* LANES bits of a row of `bytes` from `at` on, or as many as there are. */
static inline uint32_t bits_from(const uint8_t *row, unsigned bytes, unsigned at) {
    uint32_t word;
    unsigned first = at / 8 < bytes - 4 ? at / 8 : bytes - 4;
    memcpy(&word, row + first, 4);
    return word >> (at - 8 * first);
}

/* LANES elements from y on. */
static inline void write_lanes(uint8_t *y, uint32_t bits, bool half) {
    static const words lane = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                               1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
    const words set = (words)((bits & lane) != 0);
    if (half) {
        const halves v = __builtin_convertvector(set & 0x3f80u, halves);
        memcpy(y, &v, sizeof v);
    } else {
        const words v = set & 0x3f800000u;
        memcpy(y, &v, sizeof v);
    }
}

static inline void write_one(uint8_t *y, uint32_t bits, bool half) {
    const uint32_t v = bits & 1 ? half ? 0x3f80 : 0x3f800000 : 0;
    memcpy(y, &v, half ? 2 : 4);
}

static inline void planes_sample(const struct planes_context *c, size_t sample, bool half) {
    const unsigned bytes = (unsigned)c->bits.dims[1], channels = (unsigned)c->channels, size = half ? 2 : 4;
    const unsigned points = (unsigned)c->points;
    const uint8_t *row = (const uint8_t *)c->bits.data + sample * bytes;
    const int32_t s = ((const int32_t *)c->symmetry.data)[sample];
    ENSURE(s >= 0 && s < c->source.dims[0], "planes_forward: symmetry %d of %d", s, c->source.dims[0]);
    const int32_t *source = (const int32_t *)c->source.data + (size_t)s * points;
    uint8_t *y = (uint8_t *)c->y.data + sample * points * channels * size;
    for (unsigned p = 0; p < points; p++) {
        const unsigned at = (unsigned)source[p] * channels,
                       left = (points - p) * channels; /* of the sample */
        unsigned from = 0; /* a lone last channel and what ends the sample go one by one */
        for (; from + 1 < channels && from + LANES <= left; from += LANES)
            write_lanes(y + from * size, bits_from(row, bytes, at + from), half);
        for (; from < channels; from++)
            write_one(y + from * size, bits_from(row, bytes, at + from), half);
        y += channels * size;
    }
}

static void planes_piece(void *context, int piece) {
    const struct planes_context *c = context;
    int end = (piece + 1) * c->samples < c->y.dims[0] ? (piece + 1) * c->samples : c->y.dims[0];
    for (int i = piece * c->samples; i < end; i++)
        if (c->y.dtype == DTYPE_BF16)
            planes_sample(c, (size_t)i, true);
        else
            planes_sample(c, (size_t)i, false);
}

void cpu_planes_forward(struct queue *q, struct tensor y, struct tensor bits, struct tensor symmetry,
                        struct tensor source) {
    check_planes(y, bits, symmetry, source);
    struct planes_context c = {y, bits, symmetry, source, y.dims[1] * y.dims[2], y.dims[3], 1};
    if (c.points * c.channels < CPU_GRAIN) c.samples = CPU_GRAIN / (c.points * c.channels);
    pool_run(q->pool, (y.dims[0] + c.samples - 1) / c.samples, planes_piece, &c);
}
