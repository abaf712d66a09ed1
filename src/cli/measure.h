/* How long work takes on a device. */
#ifndef CLI_MEASURE_H
#define CLI_MEASURE_H

#include "tengen/device.h"

/* Seconds of one call: the best of windows of some milliseconds, or of one longer call, each between marks in
 * the queue and without waiting in between, so that the time to launch overlaps as in training, and another
 * process on the machine does not count. Takes some `seconds`; a first call is not measured. */
enum status measure_call(struct queue *q, double seconds, void (*call)(void *context), void *context,
                         double *best) MUST_USE;

#endif
