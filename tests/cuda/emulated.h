/* The emulated GPU as the tests see it: a back end whose operations are the kernels of cuda/, run on the CPU.
 */
#ifndef TESTS_CUDA_EMULATED_H
#define TESTS_CUDA_EMULATED_H

#include <stdbool.h>

#include "tengen/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A queue of 1, 2 or 3 "threads" runs blocks and threads forward, reversed or shuffled. Operations that
 * libraries do are NULL in the table. */
extern const struct backend emulated_backend;

/* Whether a kernel of this name was ever launched. */
bool emulated_launched(const char *kernel);

/* Kernels with planted faults (planted.cpp). Each sums neighbours in blocks of 64: y[i] = x[i] + x[i+1 mod
 * 64]. */
enum planted {
    PLANTED_NOTHING,
    PLANTED_NO_BARRIER,        /* the neighbour may not have written yet */
    PLANTED_DIVERGENT_BARRIER, /* half the block waits at another line */
    PLANTED_MISSING_THREAD,    /* one thread returns before the barrier */
    PLANTED_MISSING_LANE,      /* one lane does not take part in a shuffle that names it */
    PLANTED_UNWRITTEN,         /* reads shared memory that nobody wrote */
    PLANTED_OUT_OF_BOUNDS,     /* writes one float behind the shared memory */
    PLANTED_BLOCK_ORDER,       /* a block reads what another block writes */
};
void planted_sums(struct queue *q, float *y, const float *x, int blocks, enum planted fault);

#ifdef __cplusplus
}
#endif
#endif
