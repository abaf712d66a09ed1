/* How a test on a real GPU begins and ends. */
#ifndef TESTS_CUDA_GPU_H
#define TESTS_CUDA_GPU_H

#include "testing.h"

#include "tengen/device.h"

/* False where there is no GPU, and why is said: the program is TEST_SKIPPED. */
static inline bool gpu_open(struct device **device) {
    if (device_open("cuda", 0, device) == STATUS_OK) return true;
    print_message("%s\n", status_text());
    return false;
}

/* Runs tests on *device, which is open meanwhile; what main() returns. */
#define GPU_RUN(tests, device) gpu_run(tests, sizeof(tests) / sizeof *(tests), device)
static inline int gpu_run(const struct CMUnitTest *tests, size_t count, struct device **device) {
    if (!gpu_open(device)) return TEST_SKIPPED;
    int failed = _cmocka_run_group_tests("on the GPU", tests, count, NULL, NULL);
    device_close(*device);
    return failed;
}

#endif
