/* A device that goes wrong when a test says so: the CPU, whose matrix products then have a wrong first number
 * and whose waits may fail. */
#ifndef TENGEN_TESTS_FAULTY_H
#define TENGEN_TESTS_FAULTY_H

#include "tengen/device.h"
#include "tengen/ops.h"

static struct {
    struct backend backend;
    struct ops op;
    const struct backend *sound;
    float error;     /* added to the first number of every product */
    bool waits_fail; /* queue_wait() */
} faulty;

static inline void faulty_linear_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                                         struct tensor b, enum activation act) {
    faulty.sound->op->linear_forward(q, y, x, w, b, act);
    if (y.dtype == DTYPE_F32) *(float *)y.data += faulty.error;
}

static inline enum status faulty_wait(struct queue *q) {
    if (faulty.waits_fail) return status_fail(STATUS_DEVICE, "the device is gone");
    return faulty.sound->wait(q);
}

/* Queues opened from now on are the faulty device's, which is sound until told otherwise. */
static inline void faulty_begin(struct device *d) {
    faulty.sound = d->backend;
    faulty.op = *d->backend->op;
    faulty.op.linear_forward = faulty_linear_forward;
    faulty.backend = *d->backend;
    faulty.backend.op = &faulty.op;
    faulty.backend.wait = faulty_wait;
    faulty.error = 0;
    faulty.waits_fail = false;
    d->backend = &faulty.backend;
}

#endif
