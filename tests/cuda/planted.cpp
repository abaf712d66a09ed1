/* Kernels with faults, to show that running them as the tests do finds those. */
#include "emulation.h"

#include "emulated.h"

enum { WIDTH = 64 };

static __global__ void planted_kernel(float *y, const float *x, enum planted fault) {
    SHARED_DYNAMIC(float, values); /* [WIDTH] */
    SHARED(float, extra, [WIDTH]);
    const unsigned i = threadIdx.x, next = (i + 1) % WIDTH, base = blockIdx.x * WIDTH;
    if (fault == PLANTED_MISSING_THREAD && i == 5) return;
    values[i] = x[base + i];
    if (fault == PLANTED_OUT_OF_BOUNDS && i == WIDTH - 1) values[i + 1] = 0.0f;
    if (fault == PLANTED_DIVERGENT_BARRIER && i >= WIDTH / 2)
        __syncthreads();
    else if (fault != PLANTED_NO_BARRIER)
        __syncthreads();
    float sum = values[i] + values[next];
    if (fault == PLANTED_MISSING_LANE && i != 7) sum += 0.0f * __shfl_xor_sync(0xffffffffu, sum, 1);
    if (fault == PLANTED_UNWRITTEN) sum += 0.0f * extra[i];
    if (fault == PLANTED_BLOCK_ORDER) sum += 0.0f * y[(base + i + WIDTH) % (gridDim.x * WIDTH)];
    y[base + i] = sum;
}

void planted_sums(struct queue *q, float *y, const float *x, int blocks, enum planted fault) {
    LAUNCH(q, planted_kernel, static_cast<unsigned>(blocks), WIDTH, WIDTH * sizeof(float), y, x, fault);
}
