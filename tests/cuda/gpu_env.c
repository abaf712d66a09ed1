/* Environments on the GPU live as those on the host do, bit for bit; skipped where there is no GPU. */
#include "env/env_twins.h"
#include "gpu.h"

static struct device *device;

static void every_environment_lives_on_the_device_as_on_the_host(void **state) {
    (void)state;
    for (int kind = 0; kind < env_native_count(); kind++)
        twins_live_alike(device, kind, 3000, 0, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_environment_lives_on_the_device_as_on_the_host),
    };
    return GPU_RUN(tests, &device);
}
