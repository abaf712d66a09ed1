/* Reading the settings of our own environments. */
#include "env/rules.h"

#include <string.h>

#include "env/native.h"

static enum status bad_map(const char *map, const char *what) {
    return status_fail(STATUS_USAGE,
                       "[env] map = %s: %s; rows of equal length, parted by `/`, of S (the start), E (the "
                       "end), M (mines), P (power), # (walls) and .",
                       map, what);
}

static enum status read_map(const char *text, struct env_rules *rules) {
    int cells = 0, column = 0, starts = 0, ends = 0;
    for (const char *at = text;; at++) {
        if (*at == '/' || !*at) {
            if (rules->rows == 0) rules->columns = column;
            if (column == 0 || column != rules->columns) return bad_map(text, "a row is of another length");
            rules->rows++;
            column = 0;
            if (!*at) break;
            continue;
        }
        if (!strchr("SEMP#.", *at)) return bad_map(text, "holds another letter");
        if (cells == ENV_CELLS) return bad_map(text, "has too many cells");
        if (*at == 'S') rules->start = cells;
        starts += *at == 'S';
        ends += *at == 'E';
        rules->map[cells++] = (uint8_t)*at;
        column++;
    }
    if (starts != 1) return bad_map(text, "has not one start");
    return ends ? STATUS_OK : bad_map(text, "has no end");
}

enum status env_rules_read(const struct env_config *config, struct env_rules *rules) {
    *rules = (struct env_rules){.sticky = config->sticky < 0 ? 0.1f : config->sticky, /* MinAtar's */
                                .ramping = config->ramping};
    return read_map(config->map, rules);
}
