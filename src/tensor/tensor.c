/* Tensors: views by value. See tengen/tensor.h. */
#include "tengen/tensor.h"

#include <stdio.h>

#include "tengen/status.h"

size_t dtype_size(enum dtype type) {
    switch (type) {
    case DTYPE_F32:
        return 4;
    case DTYPE_BF16:
        return 2;
    case DTYPE_U8:
        return 1;
    case DTYPE_I32:
        return 4;
    }
    ENSURE(false, "no data type has the number %d", (int)type);
}

const char *dtype_name(enum dtype type) {
    switch (type) {
    case DTYPE_F32:
        return "f32";
    case DTYPE_BF16:
        return "bf16";
    case DTYPE_U8:
        return "u8";
    case DTYPE_I32:
        return "i32";
    }
    return "unknown";
}

struct tensor tensor_none(void) {
    return (struct tensor){0};
}

struct tensor tensor_1(void *data, enum dtype type, int a) {
    return (struct tensor){.data = data, .dtype = type, .rank = 1, .dims = {a, 1, 1, 1}};
}

struct tensor tensor_2(void *data, enum dtype type, int a, int b) {
    return (struct tensor){.data = data, .dtype = type, .rank = 2, .dims = {a, b, 1, 1}};
}

struct tensor tensor_4(void *data, enum dtype type, int a, int b, int c, int d) {
    return (struct tensor){.data = data, .dtype = type, .rank = 4, .dims = {a, b, c, d}};
}

struct tensor tensor_make(void *data, enum dtype type, int rank, const int *dims) {
    ENSURE(rank >= 1 && rank <= TENSOR_RANK, "a tensor has 1 to %d dimensions, not %d", TENSOR_RANK, rank);
    struct tensor t = {.data = data, .dtype = type, .rank = rank, .dims = {1, 1, 1, 1}};
    for (int i = 0; i < rank; i++)
        t.dims[i] = dims[i];
    return t;
}

size_t tensor_count(struct tensor t) {
    if (t.rank == 0) return 0;
    size_t count = 1;
    for (int i = 0; i < t.rank; i++)
        count *= (size_t)t.dims[i];
    return count;
}

size_t tensor_bytes(struct tensor t) {
    return tensor_count(t) * dtype_size(t.dtype);
}

bool tensor_same_shape(struct tensor a, struct tensor b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dims[i] != b.dims[i]) return false;
    return true;
}

struct tensor tensor_head(struct tensor t, int n) {
    if (t.rank == 0) return t; /* none stays none */
    ENSURE(n >= 0 && n <= t.dims[0], "%d rows of a tensor of %d", n, t.dims[0]);
    t.dims[0] = n;
    return t;
}

const char *tensor_text(struct tensor t, char *text, size_t size) {
    if (t.rank == 0) {
        snprintf(text, size, "none");
        return text;
    }
    size_t used = (size_t)snprintf(text, size, "%s[", dtype_name(t.dtype));
    for (int i = 0; i < t.rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%d", i ? "," : "", t.dims[i]);
    if (used < size) snprintf(text + used, size - used, "]");
    return text;
}
