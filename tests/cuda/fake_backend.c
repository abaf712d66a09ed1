/* A back end for tests/cuda/test_gpu_absent.sh: as FAKE_GPU says there is no GPU, one that cannot be used, or
 * one that is the CPU with little memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tengen/ops.h"

extern const struct backend cpu_backend; /* the program's */

static struct backend fake;

static int told(const char *what) {
    const char *text = getenv("FAKE_GPU");
    return text && strcmp(text, what) == 0;
}

static int fake_count(char *why, size_t size) {
    if (!told("none")) return 1;
    snprintf(why, size, "no GPU: the fake driver finds none");
    return 0;
}

static enum status fake_open(struct device *d) {
    if (told("old"))
        return status_fail(STATUS_DEVICE,
                           "Old GPU has compute capability 5.2, and this build holds code for 90");
    enum status s = cpu_backend.device_open(d);
    snprintf(d->name, sizeof d->name, "Fake GPU");
    return s;
}

static bool fake_memory(struct device *d, size_t *free_bytes, size_t *total) {
    (void)d;
    *free_bytes = (size_t)6 << 20;
    *total = (size_t)8 << 20;
    return true;
}

const struct backend *tengen_cuda_backend(void);
const struct backend *tengen_cuda_backend(void) {
    fake = cpu_backend;
    fake.layout = told("stale") ? 1 : BACKEND_LAYOUT;
    fake.kind = DEVICE_CUDA;
    fake.device_count = fake_count;
    fake.device_open = fake_open;
    fake.memory = fake_memory;
    return &fake;
}
