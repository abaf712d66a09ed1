/* tengen bench: which benchmarks there are. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "tengen/config.h"

#define BENCH(name) extern const struct bench bench_##name;
#include "cli/bench.def"
#undef BENCH

static const struct bench *const benches[] = {
#define BENCH(name) &bench_##name,
#include "cli/bench.def"
#undef BENCH
};

enum { BENCHES = sizeof benches / sizeof *benches };

static enum status bench_run(int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    struct report report = {.json = option_flag(&o, "json")};
    if (o.argc < 2) return status_fail(STATUS_USAGE, "bench what? `tengen help bench` lists what there is");
    const char *names[BENCHES];
    for (int i = 0; i < BENCHES; i++) {
        names[i] = benches[i]->name;
        if (strcmp(argv[1], names[i]) == 0) return benches[i]->run(&report, o.argc - 1, argv + 1);
    }
    const char *nearest = config_nearest(argv[1], names, BENCHES);
    return status_fail(STATUS_USAGE, "bench %s: unknown%s%s%s", argv[1], nearest ? "; did you mean " : "",
                       nearest ? nearest : "; `tengen help bench` lists what there is", nearest ? "?" : "");
}

static enum status bench_more(int argc, char **argv) {
    (void)argc;
    (void)argv;
    for (int i = 0; i < BENCHES; i++)
        printf("\n%s: %s\n%s", benches[i]->name, benches[i]->summary, benches[i]->help);
    return STATUS_OK;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "time operations, networks, games and self-play on this machine",
    .usage = "tengen bench WHAT [options] [--json]",
    .help = "Prints figures as a table, or with --json one object a line; names stay the same.\n",
    .run = bench_run,
    .more = bench_more,
};
