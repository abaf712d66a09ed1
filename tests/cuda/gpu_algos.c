/* Whole algorithms on the GPU train as they do on the CPU; skipped where there is no GPU. */
#include "algo_twins.h"
#include "gpu.h"

static struct device *device_make(void) {
    struct device *device;
    assert_ok(device_open("cuda", 0, &device));
    return device;
}

int main(void) {
    struct device *device;
    if (!gpu_open(&device)) return TEST_SKIPPED;
    device_close(device);
    return algo_twins_run_all(device_make, 1e-2); /* libraries sum in other orders */
}
