/* Cases of planes out of bits: boards of odd sizes, one bit a point to more than a vector holds, any table of
 * points.
 */
#ifndef TESTS_OPS_CHECK_PLANES_H
#define TESTS_OPS_CHECK_PLANES_H

#include "harness.h"

static inline void call_planes_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->planes_forward(q, t[0], t[1], t[2], t[3]);
}

/* Symmetry 0 is the identity; the others show points in any order, some of them twice. */
static inline double *buffer_source(struct harness *h, int symmetries, int points) {
    double *source = buffer_add(h, DTYPE_I32, DIMS(symmetries, points));
    for (int i = 0; i < symmetries * points; i++)
        source[i] = i < points ? i : (double)rng_below(&h->rng, (uint32_t)points);
    return source;
}

static inline void check_planes_forward(struct harness *h) {
    /* samples, height, width, planes, symmetries, spare words of a row */
    static const int shapes[][6] = {{1, 1, 1, 1, 1, 0},    {5, 3, 3, 3, 8, 0},   {7, 6, 7, 3, 2, 1},
                                    {3, 19, 19, 17, 8, 0}, {2, 5, 5, 48, 8, 0},  {3, 4, 3, 16, 2, 2},
                                    {2, 3, 5, 33, 2, 0},   {40, 7, 7, 17, 8, 0}, {1, 2, 2, 8, 8, 0}};
    for (int variant = 0; variant < 2 * (int)(sizeof shapes / sizeof shapes[0]); variant++) {
        const int *s = shapes[variant / 2], samples = s[0], points = s[1] * s[2], planes = s[3];
        const int bytes = ((points * planes + 31) / 32 + s[5]) * 4;
        const enum dtype dtype = both_dtypes[variant % 2];
        snprintf(h->what, sizeof h->what, "planes_forward [%d,%d,%d,%d] %s", samples, s[1], s[2], planes,
                 dtype_name(dtype));
        buffer_random(h, dtype, 1.0, DIMS(samples, s[1], s[2], planes));
        double *bits = buffer_add(h, DTYPE_U8, DIMS(samples, bytes));
        for (int i = 0; i < samples * bytes; i++)
            bits[i] = rng_below(&h->rng, 256); /* what is spare, too */
        double *symmetry = buffer_add(h, DTYPE_I32, DIMS(samples));
        for (int n = 0; n < samples; n++)
            symmetry[n] = n == 0 ? s[4] - 1 : (double)rng_below(&h->rng, (uint32_t)s[4]);
        double *source = buffer_source(h, s[4], points), *y = expect(h, 0);
        for (int i = 0; i < samples * points * planes; i++) {
            const int n = i / (points * planes), p = i / planes % points;
            const int bit = (int)source[(int)symmetry[n] * points + p] * planes + i % planes;
            y[i] = (int)bits[n * bytes + bit / 8] >> bit % 8 & 1;
        }
        h->buffers[0].relative = 0.0;
        harness_run(h, call_planes_forward, NULL);
    }
}

#endif
