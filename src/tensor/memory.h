/* The memory that a device has given out. */
#ifndef TENSOR_MEMORY_H
#define TENSOR_MEMORY_H

#include "tengen/device.h"

/* Warns where some is in use. */
void device_memories_close(struct device *d);

#endif
