/* What this machine's processor could do at best, measured: for the share that benchmarks print. */
#ifndef OPS_PEAK_H
#define OPS_PEAK_H

#include "tengen/tensor.h"

/* Operations a second of one core in independent multiply-adds: vectors for F32, matrix tiles (AMX) for BF16
 * where there are any, else 0. Takes some 50 ms. */
double cpu_peak_flops(enum dtype dtype);

#endif
