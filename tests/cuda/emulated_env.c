/* Environments on the emulated GPU live as those on the host do, bit for bit. */
#include "env_twins.h"

#include "emulated.h"

static struct device device = {.backend = &emulated_backend, .kind = DEVICE_CUDA, .threads = 1};

static void every_environment_lives_on_the_device_as_on_the_host(void **state) {
    (void)state;
    static const char *const calls[] = {"reset", "step", "observe"};
    for (int kind = 0; kind < env_native_count(); kind++) {
        twins_live_alike(&device, kind, 1 + kind % 3); /* threads run forward, reversed, shuffled */
        for (int i = 0; i < 3; i++) {
            char kernel[128];
            snprintf(kernel, sizeof kernel, "%s_%s_kernel", env_native_spec(kind).name, calls[i]);
            if (!emulated_launched(kernel)) fail_msg("%s was never launched", kernel);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_environment_lives_on_the_device_as_on_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
