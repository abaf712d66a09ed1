/* tengen train */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "tengen/algo.h"
#include "tengen/mem.h"

enum { OVERRIDES_MAX = 256 };

static enum status train_run(int argc, char **argv) {
    struct options o;
    struct train_request q = {0};
    const char *overrides[OVERRIDES_MAX], *word;
    options_init(&o, argc, argv);
    q.resume = option_text(&o, "resume", NULL);
    q.init = option_text(&o, "init", NULL);
    q.quiet = option_flag(&o, "quiet");
    q.plan = option_flag(&o, "plan");
    q.profile = option_flag(&o, "profile");
    TRY(option_done(&o));
    while ((word = option_word(&o))) {
        if (strchr(word, '=')) {
            if (q.override_count == OVERRIDES_MAX)
                return status_fail(STATUS_USAGE, "more than %d settings", OVERRIDES_MAX);
            overrides[q.override_count++] = word;
        } else if (q.config_path) {
            return status_fail(STATUS_USAGE, "two config files, %s and %s; a setting is section.key=value",
                               q.config_path, word);
        } else {
            q.config_path = word;
        }
    }
    q.overrides = overrides;
    if (q.resume && q.config_path)
        return status_fail(STATUS_USAGE,
                           "%s: a resumed run has its config already; change it with section.key=value",
                           q.config_path);
    if (q.resume && q.init)
        return status_fail(STATUS_USAGE, "--init is for new runs; a resumed one has its weights");
    if (!q.resume && !q.config_path)
        return status_fail(STATUS_USAGE,
                           "which config? tengen train CONFIG.ini, for example configs/alphazero_go7.ini");
    return algo_train(&q);
}

/* tengen help train [ALGORITHM]: the keys of its config, or the list of algorithms. */
static enum status train_more(int argc, char **argv) {
    if (argc < 2) {
        printf("\nAlgorithms:\n");
        for (int i = 0; i < algo_count(); i++)
            printf("  %-12s %s\n", algo_at(i)->name, algo_at(i)->summary);
        return STATUS_OK;
    }
    const struct algo *a = algo_find(argv[1]);
    if (!a)
        return status_fail(STATUS_USAGE, "no algorithm named %s; `tengen help train` lists them", argv[1]);
    struct run_config run;
    struct config *c = config_create();
    void *self = mem_alloc(1, a->bytes);
    config_bind(c, "run", run_config_keys, &run, "every algorithm has these");
    a->bind(self, c);
    printf("\nKeys of %s:\n\n", a->name);
    config_help(c, stdout);
    config_free(c);
    mem_free(self);
    return STATUS_OK;
}

const struct command command_train = {
    .name = "train",
    .summary = "train by a config file, or go on with a run",
    .usage = "tengen train CONFIG [section.key=value ...] [--init WEIGHTS] [--quiet] [--profile]\n"
             "       tengen train --resume RUN [section.key=value ...] [--quiet] [--profile]\n"
             "       tengen train CONFIG --plan",
    .help =
        "Trains what CONFIG says and keeps everything in run.dir (default: runs/NAME of the config file):\n"
        "config.ini as run, metrics.csv, log.txt, checkpoints/, games/. Ctrl-C saves first, and\n"
        "`tengen train --resume runs/NAME` goes on to the same bits that an unbroken run gives.\n\n"
        "  --resume RUN    go on from the newest checkpoint of a run directory, or from a checkpoint file\n"
        "  --init WEIGHTS  start from the weights of an exported file or checkpoint\n"
        "  --quiet         no progress\n"
        "  --plan          what memory the run takes, by its parts, and whether it fits; nothing is begun\n"
        "  --profile       at the end, where the time went: phases on the host, copies, operations by "
        "name\n\n"
        "  tengen train configs/alphazero_go7.ini run.seed=2 run.dir=runs/second\n"
        "  tengen train --resume runs/second run.iterations=400\n"
        "  tengen help train ppo\n",
    .run = train_run,
    .more = train_more,
};
