/* tengen info */
#include <stdio.h>
#include <zlib.h>

#include "cli/cli.h"
#include "tengen/checkpoint.h"
#include "tengen/device.h"
#include "tengen/mem.h"
#include "tengen/thread.h"
#include "tengen/version.h"

static enum status info_run(int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    TRY(option_end(&o));
    char text[4096];
    printf("tengen:   %s (commit %s)\n", version_number(), version_commit());
    printf("compiler: %s\n", version_compiler());
    printf("build:    %s\n", version_build());
    checkpoint_library_version(text, sizeof text);
    printf("HDF5:     %s\n", text);
    printf("zlib:     %s\n", zlibVersion());
    printf("inih:     %s\n", version_inih());
    printf("cores:    %d usable\n", thread_cores());
    printf("memory:   %.1f GiB available\n", (double)mem_available() / (1 << 30));
    device_describe_all(text, sizeof text);
    fputs(text, stdout);
    return STATUS_OK;
}

const struct command command_info = {
    .name = "info",
    .summary = "version, libraries, devices, and why a device is absent",
    .usage = "tengen info",
    .help = "Prints version, build, versions of the libraries in use and the devices found; for each absent "
            "one, why.\n",
    .run = info_run,
};
