#include "config_ini.h"

#include <ini.h>
#include <stdbool.h>
#include <string.h>

/* Debian's inih has these switches as variables; elsewhere they may not exist, hence weak. */
#pragma weak ini_max_line

enum { LONGEST_LINE = 1200, SECTION_NAME = 50 /* inih's own limit */ };

struct reading {
    const char *name, *at; /* what is read; where the next line begins */
    int line;              /* number of the line that inih got last */
    config_ini_line each;
    void *context;
    enum status status; /* of the first error */
    int status_line;
};

static void stop(struct reading *r, enum status s) {
    if (s == STATUS_OK || r->status != STATUS_OK) return;
    r->status = s;
    r->status_line = r->line;
}

/* inih tells the handler nothing of a section without keys, so section lines are looked at on their way in.
 */
static void look_at_section(struct reading *r, const char *line) {
    const char *end = strchr(line, ']');
    if (line[0] != '[' || !end) return;
    size_t length = (size_t)(end - line - 1);
    char section[SECTION_NAME] = "";
    if (length >= sizeof section) length = sizeof section - 1;
    memcpy(section, line + 1, length);
    stop(r, r->each(r->context, r->line, section, NULL, NULL));
}

/* inih's fgets. Blanks at a line's beginning are left out, since inih would take an indented line as more of
 * the value before it. */
static char *next_line(char *line, int size, void *reading) {
    struct reading *r = reading;
    if (!*r->at || r->status != STATUS_OK) return NULL;
    size_t length = strcspn(r->at, "\n");
    const char *begin = r->at;
    r->at += length + (begin[length] == '\n');
    r->line++;
    if (r->line == 1 && strncmp(begin, "\xEF\xBB\xBF", 3) == 0) { /* a byte order mark */
        begin += 3;
        length -= 3;
    }
    size_t blanks = strspn(begin, " \t\r");
    if (blanks > length) blanks = length;
    begin += blanks;
    length -= blanks;
    if (*begin == '#' || *begin == ';') length = 0; /* comments may be as long as they like */
    if (length + 3 > (size_t)size) {
        stop(r, status_fail(STATUS_USAGE, "%s:%d: the line is too long; %d bytes are the most", r->name,
                            r->line, size - 3));
        return NULL;
    }
    memcpy(line, begin, length);
    memcpy(line + length, "\n", 2);
    look_at_section(r, line);
    return r->status == STATUS_OK ? line : NULL;
}

static int on_pair(void *reading, const char *section, const char *key, const char *value) {
    struct reading *r = reading;
    stop(r, r->each(r->context, r->line, section, key, value ? value : ""));
    return r->status == STATUS_OK;
}

enum status config_ini_parse(const char *name, const char *text, config_ini_line each, void *context) {
    if (&ini_max_line) ini_max_line = LONGEST_LINE + 3;
    struct reading r = {.name = name, .at = text, .each = each, .context = context};
    int malformed = ini_parse_stream(next_line, &r, on_pair, &r);
    /* inih reads on after a malformed line: which error came first? */
    if (malformed > 0 && (r.status == STATUS_OK || malformed < r.status_line))
        return status_fail(STATUS_USAGE,
                           "%s:%d: neither `[section]` nor `key = value`; comments begin with # or ;", name,
                           malformed);
    if (malformed < 0) return status_fail(STATUS_MEMORY, "%s: inih has no memory to read it", name);
    return r.status;
}
