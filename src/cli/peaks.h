/* What a device does at best, measured: what the shares that benchmarks print are of. */
#ifndef CLI_PEAKS_H
#define CLI_PEAKS_H

#include "tengen/device.h"
#include "tengen/net.h"

struct peaks {
    double flops[PRECISION_AUTO]; /* operations a second of all threads together, by precision */
    double copy;                  /* bytes read and written a second by a copy that no cache holds */
};

/* The best of a large matrix product and, on a GPU, a large convolution, on a CPU independent multiply-adds
 * on every core, in each precision that the device has; takes some `seconds` for each of these and for the
 * copy. */
enum status peaks_measure(struct queue *q, double seconds, struct peaks *out) MUST_USE;

#endif
