/* Frames of a replay, on a CPU: bound by the bytes of the stacks that are put together, four for each byte of
 * a frame. */
#include "ops/cpu.h"

struct frames_context {
    struct tensor y, frames, slot;
    size_t frame; /* elements */
    int rows;     /* of a piece */
};

static void frames_run(struct queue *q, struct frames_context *c, void (*piece)(void *context, int piece)) {
    if (c->y.dims[0] == 0) return;
    const size_t row = tensor_count(c->y) / (size_t)c->y.dims[0];
    c->rows = row < CPU_GRAIN ? (int)(CPU_GRAIN / row) : 1;
    pool_run(q->pool, (c->y.dims[0] + c->rows - 1) / c->rows, piece, c);
}

static int piece_end(const struct frames_context *c, int piece) {
    const int end = (piece + 1) * c->rows;
    return end < c->y.dims[0] ? end : c->y.dims[0];
}

/* The frame that place i of the slots names. */
static void *frame_at(const char *op, const struct frames_context *c, size_t i) {
    const int32_t slot = ((const int32_t *)c->slot.data)[i];
    ENSURE(slot >= 0 && slot < c->frames.dims[0], "%s: slot %d of %d", op, slot, c->frames.dims[0]);
    return (uint8_t *)c->frames.data + (size_t)slot * c->frame * dtype_size(c->frames.dtype);
}

static void put_piece(void *context, int piece) {
    const struct frames_context *c = context;
    const size_t bytes = c->frame * dtype_size(c->frames.dtype);
    for (int i = piece * c->rows; i < piece_end(c, piece); i++)
        memcpy(frame_at("frames_put", c, (size_t)i), (const uint8_t *)c->y.data + (size_t)i * bytes, bytes);
}

void cpu_frames_put(struct queue *q, struct tensor frames, struct tensor x, struct tensor slot) {
    struct frames_context c = {x, frames, slot, check_frames_put(frames, x, slot), 0};
    frames_run(q, &c, put_piece);
}

/* Four frames of one byte a point: a loop of vectors. */
static void interleave_four(float *restrict to, const uint8_t *const *frames, size_t points) {
    const uint8_t *restrict a = frames[0], *restrict b = frames[1];
    const uint8_t *restrict c = frames[2], *restrict d = frames[3];
    for (size_t p = 0; p < points; p++) {
        to[4 * p] = (float)a[p] * (1.0f / 255.0f);
        to[4 * p + 1] = (float)b[p] * (1.0f / 255.0f);
        to[4 * p + 2] = (float)c[p] * (1.0f / 255.0f);
        to[4 * p + 3] = (float)d[p] * (1.0f / 255.0f);
    }
}

/* A frame's `channels` values at each point go to every `stride`th place. */
static void spread_pixels(float *restrict to, const uint8_t *restrict from, size_t points, size_t channels,
                          size_t stride) {
    for (size_t p = 0; p < points; p++)
        for (size_t c = 0; c < channels; c++)
            to[p * stride + c] = (float)from[p * channels + c] * (1.0f / 255.0f);
}

static void spread_floats(float *restrict to, const float *restrict from, size_t points, size_t channels,
                          size_t stride) {
    for (size_t p = 0; p < points; p++)
        memcpy(to + p * stride, from + p * channels, channels * sizeof *to);
}

static void gather_row(const struct frames_context *c, size_t row) {
    const size_t stack = (size_t)c->slot.dims[1];
    const size_t channels = stack == 1 ? c->frame : (size_t)c->frames.dims[3], points = c->frame / channels;
    const bool pixels = c->frames.dtype == DTYPE_U8;
    float *to = (float *)c->y.data + row * stack * c->frame;
    if (pixels && stack == 4 && channels == 1) {
        const uint8_t *frames[4];
        for (size_t k = 0; k < 4; k++)
            frames[k] = frame_at("frames_gather", c, row * 4 + k);
        interleave_four(to, frames, points);
        return;
    }
    for (size_t k = 0; k < stack; k++) {
        const void *from = frame_at("frames_gather", c, row * stack + k);
        if (pixels)
            spread_pixels(to + k * channels, from, points, channels, stack * channels);
        else
            spread_floats(to + k * channels, from, points, channels, stack * channels);
    }
}

static void gather_piece(void *context, int piece) {
    const struct frames_context *c = context;
    for (int i = piece * c->rows; i < piece_end(c, piece); i++)
        gather_row(c, (size_t)i);
}

void cpu_frames_gather(struct queue *q, struct tensor y, struct tensor frames, struct tensor slot) {
    struct frames_context c = {y, frames, slot, check_frames_gather(y, frames, slot), 0};
    frames_run(q, &c, gather_piece);
}
