/* A tensor is a view: pointer, type and shape. It owns nothing and is passed by value.
 *
 * Layouts are dense, last dimension fastest. Images are NHWC, convolution weights OHWI ([O, KH, KW, C]),
 * matrices of linear layers [O, I]. Glossary of dimensions: N batch, H W C image, O outputs, A actions, T
 * time, B boards.
 */
#ifndef TENGEN_TENSOR_H
#define TENGEN_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_U8, DTYPE_I32 };
enum { TENSOR_RANK = 4 };

struct tensor {
    void *data; /* NULL: "none", where an argument is optional */
    enum dtype dtype;
    int rank;
    int dims[TENSOR_RANK];
    /* For weights: a counter that changes whenever the content does, so that back ends can keep reordered
     * copies. NULL: the content may have changed at any call. */
    const uint64_t *version;
};

size_t dtype_size(enum dtype type);
const char *dtype_name(enum dtype type);

struct tensor tensor_none(void);
struct tensor tensor_1(void *data, enum dtype type, int a);
struct tensor tensor_2(void *data, enum dtype type, int a, int b);
struct tensor tensor_4(void *data, enum dtype type, int a, int b, int c, int d);
struct tensor tensor_make(void *data, enum dtype type, int rank, const int *dims);

static inline bool tensor_is(struct tensor t) {
    return t.data != NULL;
}
size_t tensor_count(struct tensor t); /* elements; 0 for none */
size_t tensor_bytes(struct tensor t);
bool tensor_same_shape(struct tensor a, struct tensor b);

/* The same tensor with its first dimension cut to n (a run that uses less than the plan's largest batch). */
struct tensor tensor_head(struct tensor t, int n);

/* "f32[64,7,7,17]" */
const char *tensor_text(struct tensor t, char *text, size_t size);

/* Brain floats: the upper half of a float, rounded to nearest even. */
static inline float bf16_to_float(uint16_t b) {
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)b << 16};
    return v.f;
}
static inline uint16_t bf16_from_float(float f) {
    union {
        float f;
        uint32_t u;
    } v = {f};
    if ((v.u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(v.u >> 16 | 64); /* NaN stays NaN */
    return (uint16_t)((v.u + 0x7fffu + (v.u >> 16 & 1)) >> 16);
}

#ifdef __cplusplus
}
#endif
#endif
