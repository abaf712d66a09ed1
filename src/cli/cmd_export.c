/* tengen export */
#include <stdio.h>

#include "cli/cli.h"
#include "tengen/run.h"

static enum status export_run(int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    TRY(option_done(&o));
    const char *from = option_word(&o), *to = option_word(&o);
    if (!from || !to || option_word(&o))
        return status_fail(STATUS_USAGE, "two names are needed: tengen export CHECKPOINT_OR_RUN OUT.h5");
    char path[1024];
    TRY(run_find_checkpoint(from, path, sizeof path));
    TRY(checkpoint_export(path, to));
    printf("%s: weights of %s\n", to, path);
    return STATUS_OK;
}

const struct command command_export = {
    .name = "export",
    .summary = "write the weights of a checkpoint alone",
    .usage = "tengen export CHECKPOINT_OR_RUN OUT.h5",
    .help = "Writes the network and the config of a checkpoint (of a run: the newest) to an HDF5 file: each weight is a\n"
            "data set /net/NAME of 32-bit floats with its shape and an attribute \"layout\" (OHWI, OI, C, HWC).\n"
            "`tengen gtp`, `tengen match` and `tengen train --init` take it; tools/load_weights.py loads it in PyTorch.\n",
    .run = export_run,
};
