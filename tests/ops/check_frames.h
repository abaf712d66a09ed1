/* Cases of a replay's frames: of bytes and of floats, whose size is and is not a multiple of what is read at
 * once, of one channel and of more, alone and in stacks.
 */
#ifndef TESTS_OPS_CHECK_FRAMES_H
#define TESTS_OPS_CHECK_FRAMES_H

#include "harness.h"

/* samples, slots, height, width, channels of a frame, frames of a stack */
static const int frames_shapes[][6] = {{1, 1, 1, 1, 1, 1},   {5, 9, 3, 5, 1, 4},  {3, 7, 84, 84, 1, 4},
                                       {4, 6, 10, 10, 4, 1}, {6, 8, 1, 1, 5, 1},  {7, 20, 4, 4, 3, 2},
                                       {4, 11, 2, 2, 8, 3},  {9, 30, 6, 2, 2, 4}, {2, 5, 4, 1, 4, 16},
                                       {600, 10, 5, 7, 1, 4}};
enum { FRAMES_SHAPES = sizeof frames_shapes / sizeof frames_shapes[0] };

/* A buffer of frames [slots,H,W,C]. */
static inline double *buffer_frames(struct harness *h, enum dtype dtype, int slots, const int *s) {
    double *value = buffer_random(h, dtype, 1.0, DIMS(slots, s[2], s[3], s[4]));
    for (size_t i = 0; dtype == DTYPE_U8 && i < buffer_count(h, h->count - 1); i++)
        value[i] = rng_below(&h->rng, 256);
    return value;
}

static inline void call_frames_put(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->frames_put(q, t[0], t[1], t[2]);
}

/* From the last slot to the first; the rest stay as they were. */
static inline void check_frames_put(struct harness *h) {
    for (int variant = 0; variant < 2 * FRAMES_SHAPES; variant++) {
        const int *s = frames_shapes[variant / 2], size = s[2] * s[3] * s[4];
        const int count = s[0] < s[1] ? s[0] : s[1];
        const enum dtype dtype = variant % 2 ? DTYPE_U8 : DTYPE_F32;
        snprintf(h->what, sizeof h->what, "frames_put %d of [%d,%d,%d,%d] %s", count, s[1], s[2], s[3], s[4],
                 dtype_name(dtype));
        buffer_frames(h, dtype, s[1], s);
        const double *x = buffer_frames(h, dtype, count, s);
        double *slot = buffer_add(h, DTYPE_I32, DIMS(count)), *frames = expect(h, 0);
        for (int n = 0; n < count; n++) {
            slot[n] = s[1] - 1 - n;
            memcpy(frames + (s[1] - 1 - n) * size, x + n * size, (size_t)size * sizeof *x);
        }
        h->buffers[0].relative = 0.0;
        harness_run(h, call_frames_put, NULL);
    }
}

static inline void call_frames_gather(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->frames_gather(q, t[0], t[1], t[2]);
}

static inline void check_frames_gather(struct harness *h) {
    for (int variant = 0; variant < 2 * FRAMES_SHAPES; variant++) {
        const int *s = frames_shapes[variant / 2], size = s[2] * s[3] * s[4], stack = s[5];
        const enum dtype dtype = variant % 2 ? DTYPE_U8 : DTYPE_F32;
        snprintf(h->what, sizeof h->what, "frames_gather %d times %d of [%d,%d,%d,%d] %s", s[0], stack, s[1],
                 s[2], s[3], s[4], dtype_name(dtype));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(s[0], s[2], s[3], stack * s[4]));
        const double *frames = buffer_frames(h, dtype, s[1], s);
        double *slot = buffer_add(h, DTYPE_I32, DIMS(s[0], stack)), *y = expect(h, 0);
        for (int i = 0; i < s[0] * stack; i++)
            slot[i] = i == 0 ? s[1] - 1 : (double)rng_below(&h->rng, (uint32_t)s[1]);
        for (int i = 0; i < s[0] * size * stack; i++) {
            const int c = i % s[4], k = i / s[4] % stack, p = i / (s[4] * stack) % (s[2] * s[3]);
            const double value = frames[(int)slot[i / (size * stack) * stack + k] * size + p * s[4] + c];
            y[i] = dtype == DTYPE_U8 ? (double)((float)value * (1.0f / 255.0f)) : value;
        }
        h->buffers[0].relative = 0.0;
        harness_run(h, call_frames_gather, NULL);
    }
}

#endif
