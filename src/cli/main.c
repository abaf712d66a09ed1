/* tengen: the table of commands. The only place that exits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "tengen/config.h"
#include "tengen/log.h"
#include "tengen/progress.h"
#include "tengen/version.h"

static const struct command *const commands[] = {
    &command_train, &command_eval,   &command_curve, &command_match, &command_gtp,
    &command_sgf,   &command_export, &command_bench, &command_check, &command_info,
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_overview(void) {
    printf("tengen %s: deep reinforcement learning in one program\n\nusage: tengen COMMAND ...\n\n",
           version_number());
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n`tengen help COMMAND` tells more; `tengen help train ALGORITHM` lists every config key.\n\n"
           "A first run, 7x7 Go from nothing in ten minutes on two CPU cores:\n"
           "  tengen train configs/alphazero_go7.ini\n");
}

static const struct command *find(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static enum status unknown_command(const char *name) {
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++)
        names[i] = commands[i]->name;
    const char *nearest = config_nearest(name, names, COMMANDS);
    if (nearest) return status_fail(STATUS_USAGE, "unknown command `%s`; did you mean `%s`?", name, nearest);
    return status_fail(STATUS_USAGE, "unknown command `%s`; `tengen help` lists them", name);
}

static enum status help(int argc, char **argv) {
    if (argc < 1 || strcmp(argv[0], "help") == 0) {
        print_overview();
        return STATUS_OK;
    }
    const struct command *c = find(argv[0]);
    if (!c) return unknown_command(argv[0]);
    if (argc < 2 || !c->more) printf("usage: %s\n\n%s", c->usage, c->help);
    if (c->more) return c->more(argc, argv);
    return STATUS_OK;
}

static enum status run(int argc, char **argv) {
    if (argc < 2) {
        print_overview();
        return STATUS_OK;
    }
    const char *word = argv[1];
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(word, "--version") == 0) {
        printf("tengen %s (%s)\n", version_number(), version_commit());
        return STATUS_OK;
    }
    const struct command *c = find(word);
    if (!c) return unknown_command(word);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            char *args[] = {argv[1]};
            return help(1, args);
        }
    }
    return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    enum status s = run(argc, argv);
    progress_clear();
    if ((fflush(stdout) != 0 || ferror(stdout)) && s == STATUS_OK)
        s = status_fail(STATUS_IO, "what was printed could not be written in full (%s)", strerror(errno));
    if (s == STATUS_OK) return 0;
    fprintf(stderr, "tengen: %s\n", status_text());
    return s == STATUS_USAGE ? 2 : s == STATUS_INTERRUPTED ? 130 : 1;
}
