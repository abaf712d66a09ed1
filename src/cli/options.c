/* Options of a command line: taken out of argv as they are asked for, so that what is left is words or
 * mistakes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "tengen/config.h"

void options_init(struct options *o, int argc, char **argv) {
    *o = (struct options){.argc = argc, .argv = argv};
}

static void remove_at(struct options *o, int i, int count) {
    memmove(&o->argv[i], &o->argv[i + count], (size_t)(o->argc - i - count) * sizeof *o->argv);
    o->argc -= count;
}

static void remember(struct options *o, const char *name, bool flag) {
    if (o->known_count == (int)(sizeof o->known / sizeof *o->known)) return;
    o->flag[o->known_count] = flag;
    o->known[o->known_count++] = name;
}

/* The value of "--name value" or "--name=value"; *bare is set where the name stands last, without a value. */
static const char *take(struct options *o, const char *name, int *bare) {
    size_t length = strlen(name);
    *bare = 0;
    remember(o, name, false);
    for (int i = 1; i < o->argc; i++) {
        const char *arg = o->argv[i];
        if (strncmp(arg, "--", 2) != 0 || strncmp(arg + 2, name, length) != 0) continue;
        if (arg[2 + length] == '=') {
            remove_at(o, i, 1);
            return arg + 3 + length;
        }
        if (arg[2 + length]) continue;
        *bare = i + 1 == o->argc;
        if (*bare) return NULL;
        const char *value = o->argv[i + 1];
        remove_at(o, i, 2);
        return value;
    }
    return NULL;
}

const char *option_text(struct options *o, const char *name, const char *default_value) {
    int bare;
    const char *value = take(o, name, &bare); /* a bare one stays in argv, and option_done refuses it */
    return value ? value : default_value;
}

enum status option_long(struct options *o, const char *name, long *value, long min, long max) {
    const char *text = option_text(o, name, NULL);
    if (!text) return STATUS_OK;
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end || errno)
        return status_fail(STATUS_USAGE, "--%s %s: is no whole number", name, text);
    if (v < min || v > max)
        return status_fail(STATUS_USAGE, "--%s %s: must lie between %ld and %ld", name, text, min, max);
    *value = v;
    return STATUS_OK;
}

enum status option_double(struct options *o, const char *name, double *value, double min, double max) {
    const char *text = option_text(o, name, NULL);
    if (!text) return STATUS_OK;
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end) return status_fail(STATUS_USAGE, "--%s %s: is no number", name, text);
    if (!(v >= min && v <= max))
        return status_fail(STATUS_USAGE, "--%s %s: must lie between %g and %g", name, text, min, max);
    *value = v;
    return STATUS_OK;
}

int option_flag(struct options *o, const char *name) {
    remember(o, name, true);
    for (int i = 1; i < o->argc; i++) {
        if (strncmp(o->argv[i], "--", 2) == 0 && strcmp(o->argv[i] + 2, name) == 0) {
            remove_at(o, i, 1);
            return 1;
        }
    }
    return 0;
}

enum status option_done(struct options *o) {
    for (int i = 1; i < o->argc; i++) {
        const char *arg = o->argv[i];
        if (strncmp(arg, "--", 2) != 0) continue;
        size_t length = strcspn(arg + 2, "=");
        bool value = arg[2 + length] == '=' || i + 1 < o->argc;
        for (int k = 0; k < o->known_count; k++) {
            if (strlen(o->known[k]) != length || strncmp(arg + 2, o->known[k], length) != 0) continue;
            const char *why = o->flag[k] && arg[2 + length] == '=' ? "takes no value"
                              : o->flag[k] || value                ? "is given twice"
                                                                   : "needs a value";
            return status_fail(STATUS_USAGE, "--%s: %s", o->known[k], why);
        }
        const char *nearest = config_nearest(arg + 2, o->known, o->known_count);
        return status_fail(STATUS_USAGE, "%s: unknown option%s%s%s", arg, nearest ? "; did you mean --" : "",
                           nearest ? nearest : "", nearest ? "?" : "");
    }
    return STATUS_OK;
}

enum status option_end(struct options *o) {
    TRY(option_done(o));
    if (o->argc < 2) return STATUS_OK;
    return status_fail(STATUS_USAGE, "%s: what is \"%s\"? There is nothing more to name", o->argv[0],
                       o->argv[1]);
}

const char *option_word(struct options *o) {
    if (o->argc < 2) return NULL;
    const char *word = o->argv[1];
    remove_at(o, 1, 1);
    return word;
}
