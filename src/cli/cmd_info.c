/* tengen info */
#include <hdf5.h>
#include <stdio.h>
#include <zlib.h>

#include "cli/cli.h"
#include "tengen/device.h"
#include "tengen/mem.h"
#include "tengen/thread.h"
#include "tengen/version.h"

static enum status info_run(int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    TRY(option_done(&o));
    unsigned major, minor, release;
    H5get_libversion(&major, &minor, &release);
    printf("tengen:   %s (commit %s)\n", version_number(), version_commit());
    printf("compiler: %s\n", version_compiler());
#ifdef TENGEN_CUDA
    printf("options:  CUDA half built\n");
#else
    printf("options:  CPU only (configure found no complete CUDA toolkit)\n");
#endif
    printf("HDF5:     %u.%u.%u\n", major, minor, release);
    printf("zlib:     %s\n", zlibVersion());
    printf("cores:    %d usable\n", thread_cores());
    printf("memory:   %.1f GiB available\n", (double)mem_available() / (1 << 30));
    char text[4096];
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
