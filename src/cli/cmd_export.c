/* tengen export */
#include <stdio.h>

#include "cli/cli.h"
#include "tengen/algo.h"
#include "tengen/checkpoint.h"
#include "tengen/file.h"

enum { EXAMPLES = 4 };

static enum status export_run(int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    bool example = option_flag(&o, "example"), force = option_flag(&o, "force");
    TRY(option_done(&o));
    const char *from = option_word(&o), *to = option_word(&o);
    if (!from || !to || option_word(&o))
        return status_fail(STATUS_USAGE, "two names are needed: tengen export CHECKPOINT_OR_RUN OUT.h5");
    TRY(checkpoint_export_check(to));
    if (file_exists(to) && !force)
        return status_fail(STATUS_USAGE, "%s: is there already; --force overwrites it", to);
    TRY(algo_export(from, to, example ? EXAMPLES : 0));
    printf("%s: weights of %s\n", to, from);
    return STATUS_OK;
}

const struct command command_export = {
    .name = "export",
    .summary = "write the weights of a checkpoint alone",
    .usage = "tengen export CHECKPOINT_OR_RUN OUT.h5 [--example] [--force]",
    .help =
        "Writes the network and the config of a checkpoint (of a run: the newest) to an HDF5 file: each "
        "weight is a\n"
        "data set /net/NAME of 32-bit floats with its shape and an attribute \"layout\" (OHWI, OI, C, HWC).\n"
        "`tengen gtp`, `tengen match` and `tengen train --init` take it; tools/load_weights.py loads it in "
        "PyTorch.\n\n"
        "  --example  adds inputs and the outputs of this program for them (group /example), to check "
        "readers by\n"
        "  --force    overwrites OUT.h5, unless it is a checkpoint, or a damaged one\n",
    .run = export_run,
};
