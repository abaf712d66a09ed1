/* Environments on the emulated GPU live as those on the host do, bit for bit. */
#include "env/env_twins.h"

#include "emulated.h"

enum { LANES = 300 /* more than a block */ };

static struct device device = {.backend = &emulated_backend, .kind = DEVICE_CUDA, .threads = 1};

static void every_environment_lives_on_the_device_as_on_the_host(void **state) {
    (void)state;
    static const char *const calls[] = {"step", "observe"};
    for (int kind = 0; kind < env_native_count(); kind++) {
        /* threads run forward, reversed, shuffled */
        twins_live_alike(&device, kind, LANES, 1 + kind % 3, true);
        for (int i = 0; i < 2; i++) {
            char kernel[128];
            snprintf(kernel, sizeof kernel, "%s_%s_kernel", env_native_spec(kind).name, calls[i]);
            if (!emulated_launched(kernel)) fail_msg("%s was never launched", kernel);
        }
    }
}

static void last_observations_that_nobody_wants_are_not_kept(void **state) {
    (void)state;
    twins_live_alike(&device, env_native_find("cartpole"), LANES, 1, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_environment_lives_on_the_device_as_on_the_host),
        cmocka_unit_test(last_observations_that_nobody_wants_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
