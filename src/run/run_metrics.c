/* metrics.csv: a header and one row an iteration. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run_files.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

static void metrics_path(const struct run *run, char path[RUN_PATH]) {
    snprintf(path, RUN_PATH, "%s/metrics.csv", run->dir);
}

static void free_header(struct run_files *f) {
    for (int i = 0; i < f->header_count; i++)
        mem_free(f->header[i]);
    f->header_count = 0;
}

void metrics_close(struct run_files *f) {
    if (f->metrics) fclose(f->metrics);
    f->metrics = NULL;
    free_header(f);
}

/* "iteration,seconds,a,b": takes a and b over. False if it is no header of ours. */
static bool read_header(struct run_files *f, const char *line, size_t length) {
    char *copy = mem_format("%.*s", (int)length, line), *rest = copy;
    bool good = true;
    for (int i = 0; good && rest; i++) {
        const char *name = strsep(&rest, ",");
        if (i < 2)
            good = strcmp(name, i ? "seconds" : "iteration") == 0;
        else if (f->header_count < RUN_COLUMNS)
            f->header[f->header_count++] = mem_string(name);
    }
    mem_free(copy);
    return good;
}

/* A row that was cut off by a crash has no end of line and is dropped with those that are too late. */
enum status metrics_resume(struct run *run) {
    char path[RUN_PATH];
    metrics_path(run, path);
    if (!file_exists(path)) return STATUS_OK;
    char *text, *end;
    size_t size;
    TRY(file_read(path, &text, &size));
    enum status s = STATUS_OK;
    size_t keep = 0;
    while ((end = memchr(text + keep, '\n', size - keep))) {
        const char *line = text + keep;
        size_t length = (size_t)(end - line);
        if (keep == 0) {
            if (!read_header(run->files, line, length)) {
                s = status_fail(STATUS_FORMAT, "%s: its first line is not the header of a run's metrics",
                                path);
                break;
            }
        } else {
            char *after;
            int64_t iteration = strtoll(line, &after, 10);
            if (*after != ',' || iteration > run->iteration) break;
            run->files->seconds_before = strtod(after + 1, NULL);
        }
        keep += length + 1;
    }
    if (s == STATUS_OK && keep < size) s = file_write(path, text, keep);
    mem_free(text);
    return s;
}

static bool header_has(const struct run_files *f, const char *name) {
    for (int i = 0; i < f->header_count; i++)
        if (strcmp(f->header[i], name) == 0) return true;
    return false;
}

/* Whether the file's columns can take this row. */
static bool header_fits(const struct run *run) {
    for (int i = 0; i < run->columns; i++)
        if (!header_has(run->files, run->column_names[i])) return false;
    return true;
}

static enum status write_failed(const char *path) {
    return status_fail(STATUS_IO, "%s: cannot write: %s", path, strerror(errno));
}

/* Opens the file for the first row of this process. Where a resumed run has new columns (another config), the
 * old rows are put aside. */
static enum status open_metrics(struct run *run, const char *path) {
    struct run_files *f = run->files;
    bool fresh = f->header_count == 0;
    if (!fresh && !header_fits(run)) {
        char aside[RUN_PATH];
        snprintf(aside, sizeof aside, "%s/metrics-until-%lld.csv", run->dir, (long long)run->iteration - 1);
        if (rename(path, aside) != 0) return write_failed(aside);
        log_warn("the figures differ from those before: earlier rows are now in %s", aside);
        free_header(f);
        fresh = true;
    }
    f->metrics = fopen(path, fresh ? "we" : "ae");
    if (!f->metrics) return write_failed(path);
    if (!fresh) return STATUS_OK;
    fputs("iteration,seconds", f->metrics);
    for (int i = 0; i < run->columns; i++) {
        f->header[f->header_count++] = mem_string(run->column_names[i]);
        fprintf(f->metrics, ",%s", run->column_names[i]);
    }
    fputc('\n', f->metrics);
    return STATUS_OK;
}

static double metric_of(const struct run *run, const char *name) {
    for (int i = 0; i < run->columns; i++)
        if (strcmp(run->column_names[i], name) == 0) return run->column_values[i];
    return NAN;
}

enum status run_write_metrics(struct run *run) {
    struct run_files *f = run->files;
    char path[RUN_PATH];
    metrics_path(run, path);
    if (!f->metrics) TRY(open_metrics(run, path));
    ENSURE(header_fits(run), "the algorithm has figures that its first iteration had not");
    fprintf(f->metrics, "%lld,%.3f", (long long)run->iteration,
            f->seconds_before + clock_now() - run->started);
    for (int i = 0; i < f->header_count; i++) {
        double value = metric_of(run, f->header[i]);
        fprintf(f->metrics, isnan(value) ? ",nan" : ",%.9g", value);
    }
    fputc('\n', f->metrics);
    run->columns = 0;
    errno = 0;
    return fflush(f->metrics) == 0 && !ferror(f->metrics) ? STATUS_OK : write_failed(path);
}
