/* A whole GPU on the CPU, for tests of what runs on one: the kernels of cuda/ emulated, what libraries do
 * there done by the CPU's operations, graphs that record calls and repeat them. */
#ifndef TESTS_CUDA_RECORDER_H
#define TESTS_CUDA_RECORDER_H

#include "tengen/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A new device; one at a time, for device_close. Its memory is out of the host's reach but while an operation
 * or a copy runs: a host that reads or writes it by itself faults. */
struct device *recorder_open(void);
/* Graphs that were launched so far. */
int recorder_launches(void);

#ifdef __cplusplus
}
#endif
#endif
