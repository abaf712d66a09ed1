/* tengen curve: the columns of a run's metrics.csv as text charts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "tengen/config.h"
#include "tengen/file.h"
#include "tengen/mem.h"

enum { COLUMNS_MAX = 64, CHART_MAX = 400 };

struct table {
    char *text; /* the file, cut up in place */
    const char *names[COLUMNS_MAX];
    int columns, rows;
    double *values; /* [rows, columns] */
};

static void table_free(struct table *t) {
    mem_free(t->text);
    mem_free(t->values);
}

/* metrics.csv is written by the program itself: a header and plain numbers. */
static enum status table_read(struct table *t, const char *path) {
    size_t size;
    memset(t, 0, sizeof *t);
    TRY(file_read(path, &t->text, &size));
    int lines = 0;
    for (const char *c = t->text; *c; c++)
        lines += *c == '\n';
    char *save_line = NULL, *save_field = NULL;
    char *line = strtok_r(t->text, "\n", &save_line);
    for (char *f = line ? strtok_r(line, ",\r", &save_field) : NULL; f && t->columns < COLUMNS_MAX;
         f = strtok_r(NULL, ",\r", &save_field))
        t->names[t->columns++] = f;
    if (t->columns == 0 || strcmp(t->names[0], "iteration") != 0)
        return status_fail(STATUS_FORMAT, "%s: is no metrics.csv of a run, whose first column is `iteration`",
                           path);
    t->values = MEM_NEW(double, (size_t)(lines + 1) * (size_t)t->columns);
    while ((line = strtok_r(NULL, "\n", &save_line))) {
        double *row = t->values + (size_t)t->rows * (size_t)t->columns;
        char *at = line;
        for (int c = 0; c < t->columns; c++) {
            char *end;
            row[c] = strtod(at, &end);
            if (end == at)
                return status_fail(STATUS_FORMAT, "%s:%d: column %s: `%.20s` is no number", path, t->rows + 2,
                                   t->names[c], at);
            at = *end == ',' ? end + 1 : end;
        }
        t->rows++;
    }
    if (t->rows == 0) return status_fail(STATUS_FORMAT, "%s: holds no rows yet", path);
    return STATUS_OK;
}

/* Each character column shows the mean of its share of the rows; figures that were not taken (nan) are left
 * out. */
static void chart(const struct table *t, int column, int width, int height) {
    double means[CHART_MAX], low = INFINITY, high = -INFINITY;
    if (width > t->rows) width = t->rows;
    for (int x = 0; x < width; x++) {
        int from = (int)((long)x * t->rows / width), to = (int)((long)(x + 1) * t->rows / width);
        int taken = 0;
        means[x] = 0;
        for (int r = from; r < to; r++) {
            double value = t->values[(size_t)r * (size_t)t->columns + (size_t)column];
            if (!isfinite(value)) continue;
            means[x] += value;
            taken++;
        }
        means[x] = taken ? means[x] / taken : NAN;
        low = fmin(low, means[x]); /* the other one where one is nan */
        high = fmax(high, means[x]);
    }
    double range = high > low ? high - low : 1;
    if (low > high) low = high = 0; /* nothing but nan */
    printf("%s (mean over %.3g iterations a character; %d iterations)\n", t->names[column],
           (double)t->rows / width, t->rows);
    for (int y = height - 1; y >= 0; y--) {
        printf("%10.4g |", low + range * y / (height - 1));
        for (int x = 0; x < width; x++) {
            int level = isnan(means[x]) ? -1 : (int)lround((means[x] - low) / range * (height - 1));
            putchar(level == y ? '*' : level > y ? '.' : ' ');
        }
        putchar('\n');
    }
    printf("%10s +", "");
    for (int x = 0; x < width; x++)
        putchar('-');
    printf("\n\n");
}

static enum status curve_run(int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    long width = 72, height = 8;
    TRY(option_long(&o, "width", &width, 2, CHART_MAX));
    TRY(option_long(&o, "height", &height, 2, 100));
    TRY(option_done(&o));
    const char *run = option_word(&o), *word;
    if (!run) return status_fail(STATUS_USAGE, "which run? tengen curve runs/NAME [COLUMN ...]");
    char path[1024];
    snprintf(path, sizeof path, file_is_folder(run) ? "%s/metrics.csv" : "%s", run);
    struct table t;
    enum status s = table_read(&t, path);
    int shown = 0;
    while (s == STATUS_OK && (word = option_word(&o))) {
        int column = 0;
        while (column < t.columns && strcmp(t.names[column], word) != 0)
            column++;
        if (column == t.columns) {
            const char *nearest = config_nearest(word, t.names, t.columns);
            s = status_fail(STATUS_USAGE, "%s has no column %s%s%s", path, word,
                            nearest ? "; did you mean " : "", nearest ? nearest : "");
        } else {
            chart(&t, column, (int)width, (int)height);
        }
        shown++;
    }
    if (s == STATUS_OK && shown == 0) {
        printf("%s: %d iterations; columns:", path, t.rows);
        for (int c = 0; c < t.columns; c++)
            printf(" %s", t.names[c]);
        putchar('\n');
    }
    table_free(&t);
    return s;
}

const struct command command_curve = {
    .name = "curve",
    .summary = "show the learning curves of a run as text",
    .usage = "tengen curve RUN [COLUMN ...] [--width W] [--height H]",
    .help =
        "Draws columns of RUN/metrics.csv over the iterations. Without columns, names those there are.\n\n"
        "  tengen curve runs/alphazero_go7 policy_loss value_loss game_length\n",
    .run = curve_run,
};
