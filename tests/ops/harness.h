/* One harness for every operation on every device.
 *
 * A case names its buffers (shape, type, first values, and for outputs what is expected, in double
 * precision), and a function that makes the call. The harness runs it on queues of 1, 2 and 3 threads (one
 * queue on a GPU; on the emulated one three orders of its threads), compares the outputs of the first with
 * the expectation, and asks the others for the same bits. Expected values come from plain loops in double
 * precision written in the tests, expected gradients from central differences of those loops.
 *
 * check_NAME(h) exists for every operation of ops.def: the table in ops_cases.h does not compile without it.
 */
#ifndef TESTS_OPS_HARNESS_H
#define TESTS_OPS_HARNESS_H

#include "testing.h"

#include "tengen/device.h"
#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/rng.h"

enum { MAX_BUFFERS = 16, MAX_QUEUES = 3 };

struct buffer {
    struct tensor t; /* in device memory; data NULL: this optional tensor is not given */
    double *value;   /* what it holds before the call; outputs: what is expected after it, once expect() was
                        called */
    double *first;   /* what it holds before the call */
    bool output;
    double relative; /* tolerance, times |expected| + the root mean square of all expected */
    uint8_t *bits;   /* the first queue's result */
};

struct harness {
    struct device *device;
    struct queue *queues[MAX_QUEUES];
    int queue_count;
    struct rng rng;
    struct buffer buffers[MAX_BUFFERS];
    int count;
    char what[256]; /* the case, for messages */
};

/* ---- buffers ----------------------------------------------------------------------------------------------
 */

static inline double rounded_to(double value, enum dtype dtype) {
    if (dtype == DTYPE_BF16) return (double)bf16_to_float(bf16_from_float((float)value));
    return dtype == DTYPE_F32 ? (double)(float)value : value;
}

static inline double tolerance(enum dtype dtype) {
    return dtype == DTYPE_BF16 ? 1.0 / 128 : 1e-5;
}

/* A buffer whose first values the caller writes (as doubles) into the result; count() of them. */
static inline double *buffer_add(struct harness *h, enum dtype dtype, int rank, const int *dims) {
    assert_true(h->count < MAX_BUFFERS);
    struct buffer *b = &h->buffers[h->count++];
    memset(b, 0, sizeof *b);
    b->t = tensor_make(NULL, dtype, rank, dims);
    b->t.data = device_alloc(h->device, tensor_bytes(b->t));
    b->value = MEM_NEW(double, tensor_count(b->t) + 1);
    b->relative = tolerance(dtype);
    return b->value;
}

#define DIMS(...)                                                                                            \
    (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]) {                                             \
        __VA_ARGS__                                                                                          \
    }

/* Random normal values. */
static inline double *buffer_random(struct harness *h, enum dtype dtype, double scale, int rank,
                                    const int *dims) {
    double *value = buffer_add(h, dtype, rank, dims);
    size_t n = tensor_count(h->buffers[h->count - 1].t);
    for (size_t i = 0; i < n; i++)
        value[i] = rounded_to(scale * (double)rng_normal(&h->rng), dtype);
    return value;
}

static inline void buffer_none(struct harness *h) {
    assert_true(h->count < MAX_BUFFERS);
    h->buffers[h->count++] = (struct buffer){0};
}

/* Random 0 and 1 of a mask; at least one 1 a row, except where `empty_row` says so. */
static inline double *buffer_mask(struct harness *h, int rows, int width, int empty_row) {
    double *value = buffer_add(h, DTYPE_U8, DIMS(rows, width));
    for (int i = 0; i < rows * width; i++)
        value[i] = i / width != empty_row && (i % width == i / width % width || rng_below(&h->rng, 3) != 0);
    return value;
}

static inline size_t buffer_count(const struct harness *h, int i) {
    return tensor_count(h->buffers[i].t);
}

/* From here on value[] of buffer i is what the call should leave in it; what it held before is kept. */
static inline double *expect(struct harness *h, int i) {
    struct buffer *b = &h->buffers[i];
    size_t n = tensor_count(b->t);
    b->output = true;
    b->first = MEM_NEW(double, n + 1);
    memcpy(b->first, b->value, n * sizeof *b->value);
    return b->value;
}

/* ---- running ----------------------------------------------------------------------------------------------
 */

static inline void to_bytes(const struct buffer *b, uint8_t *bytes) {
    const double *from = b->first ? b->first : b->value;
    for (size_t i = 0; i < tensor_count(b->t); i++)
        switch (b->t.dtype) {
        case DTYPE_F32:
            ((float *)bytes)[i] = (float)from[i];
            break;
        case DTYPE_BF16:
            ((uint16_t *)bytes)[i] = bf16_from_float((float)from[i]);
            break;
        case DTYPE_U8:
            bytes[i] = (uint8_t)from[i];
            break;
        case DTYPE_I32:
            ((int32_t *)bytes)[i] = (int32_t)from[i];
            break;
        }
}

static inline double from_bytes(const struct buffer *b, const uint8_t *bytes, size_t i) {
    switch (b->t.dtype) {
    case DTYPE_F32:
        return (double)((const float *)bytes)[i];
    case DTYPE_BF16:
        return (double)bf16_to_float(((const uint16_t *)bytes)[i]);
    case DTYPE_U8:
        return bytes[i];
    default:
        return ((const int32_t *)bytes)[i];
    }
}

static inline void compare(const struct harness *h, int index, const uint8_t *bytes) {
    const struct buffer *b = &h->buffers[index];
    const size_t n = tensor_count(b->t);
    double squares = 0.0, finite = 0.0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(b->value[i])) squares += b->value[i] * b->value[i], finite += 1.0;
    double rms = sqrt(squares / (finite + 1e-30));
    for (size_t i = 0; i < n; i++) {
        double got = from_bytes(b, bytes, i), want = b->value[i];
        if (isnan(want) ? !isnan(got) : !is_near(got, want, b->relative, b->relative * rms))
            fail_msg("%s: output %d [%zu] is %.9g, expected %.9g (rms %.3g)", h->what, index, i, got, want,
                     rms);
    }
}

typedef void op_call(struct queue *q, const struct tensor *t, const void *parameters);

/* Runs the call on all queues, compares, and frees the buffers. Buffers that are one (in place) share their
 * memory: alias[i] = index of the buffer whose memory buffer i uses, or pass NULL. */
static inline void harness_run_alias(struct harness *h, op_call *call, const void *parameters,
                                     const int *alias) {
    struct tensor t[MAX_BUFFERS];
    for (int k = 0; k < h->queue_count; k++) {
        struct queue *q = h->queues[k];
        for (int i = 0; i < h->count; i++) {
            struct buffer *b = &h->buffers[i];
            t[i] = b->t;
            if (alias && alias[i] != i) t[i].data = t[alias[i]].data;
            if (!b->t.data || (alias && alias[i] != i)) continue;
            uint8_t *bytes = MEM_NEW(uint8_t, tensor_bytes(b->t) + 8);
            to_bytes(b, bytes);
            queue_upload(q, b->t, bytes);
            assert_ok(queue_wait(q));
            mem_free(bytes);
        }
        call(q, t, parameters);
        assert_ok(queue_wait(q));
        for (int i = 0; i < h->count; i++) {
            struct buffer *b = &h->buffers[i];
            if (!b->output) continue;
            uint8_t *bytes = MEM_NEW(uint8_t, tensor_bytes(b->t) + 8);
            queue_download(q, bytes, t[i]);
            if (k == 0)
                compare(h, i, bytes);
            else if (memcmp(b->bits, bytes, tensor_bytes(b->t)) != 0)
                fail_msg("%s: output %d has other bits on queue %d", h->what, i, k);
            mem_free(b->bits);
            b->bits = bytes;
        }
    }
    for (int i = 0; i < h->count; i++) {
        struct buffer *b = &h->buffers[i];
        if (!b->t.data) continue;
        device_release(h->device, b->t.data);
        mem_free(b->value);
        mem_free(b->first);
        mem_free(b->bits);
    }
    h->count = 0;
}

static inline void harness_run(struct harness *h, op_call *call, const void *parameters) {
    harness_run_alias(h, call, parameters, NULL);
}

/* On a device that is open; harness_close() closes it. */
static inline void harness_open_device(struct harness *h, struct device *device, int queues) {
    memset(h, 0, sizeof *h);
    h->device = device;
    h->queue_count = queues;
    for (int i = 0; i < h->queue_count; i++)
        assert_ok(queue_open(h->device, i + 1, &h->queues[i]));
    h->rng = rng_make(7, RNG_TEST, 1);
}

static inline void harness_open(struct harness *h, const char *name) {
    struct device *device;
    assert_ok(device_open(name, 3, &device));
    harness_open_device(h, device, device->kind == DEVICE_CPU ? MAX_QUEUES : 1);
}

static inline void harness_close(struct harness *h) {
    for (int i = 0; i < h->queue_count; i++)
        queue_close(h->queues[i]);
    device_close(h->device);
}

/* ---- mathematics ------------------------------------------------------------------------------------------
 */

static inline double act_value(double x, enum activation act) {
    switch (act) {
    case ACTIVATION_RELU:
        return x > 0.0 ? x : 0.0;
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    default:
        return x;
    }
}

/* gradient[i] = d f / d x[i] for x of n values by central differences; f reads x through `context`. */
static inline void central_differences(double *gradient, double *x, size_t n, double (*f)(void *context),
                                       void *context) {
    for (size_t i = 0; i < n; i++) {
        const double keep = x[i], step = 1e-5;
        x[i] = keep + step;
        double up = f(context);
        x[i] = keep - step;
        double down = f(context);
        x[i] = keep;
        gradient[i] = (up - down) / (2.0 * step);
    }
}

static const enum dtype both_dtypes[2] = {DTYPE_F32, DTYPE_BF16};

#endif
