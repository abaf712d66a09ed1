/* Tensors of normal random numbers in the memory of a CPU device, for the tests of its operations. */
#ifndef RANDOM_TENSOR_H
#define RANDOM_TENSOR_H

#include "tengen/device.h"
#include "tengen/ops.h"
#include "tengen/rng.h"

/* Numbers of deviation `scale`, F32 or BF16, drawn from rng; for device_release(device, t.data). */
static inline struct tensor random_tensor(struct device *device, int rank, const int *dims, enum dtype dtype,
                                          double scale, struct rng rng) {
    struct tensor t = tensor_make(NULL, dtype, rank, dims);
    t.data = device_alloc(device, tensor_bytes(t));
    for (size_t i = 0; i < tensor_count(t); i++) {
        float value = (float)scale * rng_normal(&rng);
        if (dtype == DTYPE_F32)
            ((float *)t.data)[i] = value;
        else
            ((uint16_t *)t.data)[i] = bf16_from_float(value);
    }
    return t;
}

#endif
