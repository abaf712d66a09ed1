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

/* From the start, up, right, down and left; a mine ends the episode as a wall ends the way. */
static bool end_is_reached(const struct env_rules *rules) {
    static const int8_t row_steps[] = {-1, 0, 1, 0}, column_steps[] = {0, 1, 0, -1};
    int cells[ENV_CELLS] = {rules->start}, count = 1; /* reached, in the order in which they were */
    bool seen[ENV_CELLS] = {false};
    seen[rules->start] = true;
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < 4; i++) {
            int row = cells[k] / rules->columns + row_steps[i];
            int column = cells[k] % rules->columns + column_steps[i], cell = row * rules->columns + column;
            if (row < 0 || row >= rules->rows || column < 0 || column >= rules->columns || seen[cell])
                continue;
            if (rules->map[cell] == 'E') return true;
            seen[cell] = true;
            if (rules->map[cell] != '#' && rules->map[cell] != 'M') cells[count++] = cell;
        }
    }
    return false;
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
    if (!ends) return bad_map(text, "has no end");
    return end_is_reached(rules) ? STATUS_OK : bad_map(text, "walls and mines part the start from every end");
}

enum status env_rules_read(const struct env_config *config, struct env_rules *rules) {
    *rules = (struct env_rules){.sticky = config->sticky < 0 ? 0.1f : config->sticky, /* MinAtar's */
                                .ramping = config->ramping};
    return read_map(config->map, rules);
}
