/* The command line: a table of commands, one file each. Only main.c exits. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "tengen/report.h"
#include "tengen/status.h"

struct command {
    const char *name;
    const char *summary; /* one line for the list of commands */
    const char *usage;   /* "tengen train CONFIG [section.key=value ...] [--resume RUN]" */
    const char *help;    /* text of `tengen help NAME`: what it does, options, examples */
    /* argv[0] is the command's name. A failure's text is printed by main, which then exits with 1 (2 for
     * STATUS_USAGE, 130 for STATUS_INTERRUPTED). */
    enum status (*run)(int argc, char **argv);
    /* Optional: what `tengen help NAME ...` adds to the text; argv[0] is the name. */
    enum status (*more)(int argc, char **argv);
};

extern const struct command command_bench, command_check, command_curve, command_eval, command_export,
    command_gtp, command_info, command_match, command_sgf, command_train;

/* What `tengen bench WHAT` times, one file each (bench_*.c), in bench.def's order. argv holds what follows
 * WHAT. */
struct bench {
    const char *name;    /* "ops" */
    const char *summary; /* one line */
    const char *help;    /* options */
    enum status (*run)(const struct report *report, int argc, char **argv);
};

/* Options of the forms "--name value", "--name=value" and "--flag". Each call removes what it finds from
 * argv; option_done() then refuses what is left and begins with "--" (nearest known option offered). */
struct options {
    int argc;
    char **argv;           /* argv[0] is skipped */
    const char *known[32]; /* names asked for so far */
    bool flag[32];         /* of each: whether it takes no value */
    int known_count;
};

void options_init(struct options *o, int argc, char **argv);
const char *option_text(struct options *o, const char *name, const char *default_value);
enum status option_long(struct options *o, const char *name, long *value, long min, long max) MUST_USE;
enum status option_double(struct options *o, const char *name, double *value, double min,
                          double max) MUST_USE;
int option_flag(struct options *o, const char *name); /* 1 if it was there */
enum status option_done(struct options *o) MUST_USE;
/* The same for a command that takes options alone: refuses words, too. */
enum status option_end(struct options *o) MUST_USE;
/* After option_done: the next word that is no option, or NULL. */
const char *option_word(struct options *o);

#endif
