/* The checkpoints of a run directory: finding, removing, setting aside. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run_files.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

void run_checkpoint_path(const struct run *run, int64_t iteration, char *path, size_t size) {
    snprintf(path, size, "%s/checkpoints/%09lld.h5", run->dir, (long long)iteration);
}

struct entry {
    char *path;
    int64_t iteration;
};

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    return (x->iteration > y->iteration) - (x->iteration < y->iteration);
}

/* Other files may lie there: only DIGITS.h5 is a checkpoint of the run. */
static bool is_number(const char *name) {
    const char *at = name;
    while (isdigit((unsigned char)*at))
        at++;
    return at > name && at - name < 18 && strcmp(at, ".h5") == 0;
}

enum status checkpoint_list_make(const char *dir, struct checkpoint_list *list) {
    *list = (struct checkpoint_list){0};
    char folder[RUN_PATH], **names;
    int count;
    snprintf(folder, sizeof folder, "%s/checkpoints", dir);
    if (!file_is_folder(folder)) return STATUS_OK;
    TRY(file_list(folder, ".h5", &names, &count));
    struct entry *entries = MEM_NEW(struct entry, count);
    for (int i = 0; i < count; i++)
        if (is_number(names[i]))
            entries[list->count++] =
                (struct entry){mem_format("%s/%s", folder, names[i]), strtoll(names[i], NULL, 10)};
    file_list_free(names, count);
    if (list->count) qsort(entries, (size_t)list->count, sizeof *entries, compare_entries);
    list->paths = MEM_NEW(char *, list->count);
    list->iterations = MEM_NEW(int64_t, list->count);
    for (int i = 0; i < list->count; i++) {
        list->paths[i] = entries[i].path;
        list->iterations[i] = entries[i].iteration;
    }
    mem_free(entries);
    return STATUS_OK;
}

void checkpoint_list_free(struct checkpoint_list *list) {
    for (int i = 0; i < list->count; i++)
        mem_free(list->paths[i]);
    mem_free(list->paths);
    mem_free(list->iterations);
    *list = (struct checkpoint_list){0};
}

/* Whether a checkpoint can be opened; the reason why not is in the thread's error text. */
static enum status probe(const char *path) {
    struct checkpoint_reader *r;
    enum status s = checkpoint_open(path, &r);
    checkpoint_close(r);
    return s;
}

/* Only damage is passed over: a checkpoint of a newer program, or one that may not be read, is a fact to be
 * told. */
enum status run_find_checkpoint(const char *run_or_file, char *path, size_t size) {
    if (!file_exists(run_or_file))
        return status_fail(STATUS_IO, "%s: there is no such run or checkpoint", run_or_file);
    if (!file_is_folder(run_or_file)) {
        snprintf(path, size, "%s", run_or_file);
        return STATUS_OK;
    }
    struct checkpoint_list list;
    TRY(checkpoint_list_make(run_or_file, &list));
    enum status s = status_fail(STATUS_IO, "%s: holds no checkpoint (%s/checkpoints/NUMBER.h5)", run_or_file,
                                run_or_file);
    for (int i = list.count - 1; i >= 0; i--) {
        s = probe(list.paths[i]);
        if (s == STATUS_OK) snprintf(path, size, "%s", list.paths[i]);
        if (s != STATUS_FORMAT) break;
        if (i > 0) log_warn("%s; trying the one before", status_text());
    }
    checkpoint_list_free(&list);
    return s;
}

void run_prune_checkpoints(const struct run *run) {
    struct checkpoint_list list;
    if (checkpoint_list_make(run->dir, &list) != STATUS_OK) {
        log_warn("old checkpoints stay: %s", status_text());
        return;
    }
    for (int i = 0; i + run->config.keep < list.count; i++)
        if (unlink(list.paths[i]) != 0) log_warn("%s: cannot be removed: %s", list.paths[i], strerror(errno));
    checkpoint_list_free(&list);
}

/* A checkpoint beyond the one that the run goes on from: a damaged one gives way, a good one is not
 * overwritten. */
static enum status set_aside(const struct run *run, const char *path) {
    enum status s = probe(path);
    if (s == STATUS_FORMAT) {
        char *aside = mem_format("%s.damaged", path);
        if (rename(path, aside) == 0)
            log_warn("%s is now %s", path, aside);
        else
            log_warn("%s: cannot be renamed: %s", path, strerror(errno));
        mem_free(aside);
        return STATUS_OK;
    }
    return status_fail(
        STATUS_USAGE,
        "%s: is newer than iteration %lld; resume %s to go on from the newest, or give this one a folder "
        "of its own with run.dir=FOLDER",
        path, (long long)run->iteration, run->dir);
}

/* Temporary files are what a process left that was killed while it saved. */
static enum status remove_leftovers(const struct run *run) {
    char folder[RUN_PATH], **names;
    int count;
    snprintf(folder, sizeof folder, "%s/checkpoints", run->dir);
    if (!file_is_folder(folder)) return STATUS_OK;
    TRY(file_list(folder, ".tmp", &names, &count));
    for (int i = 0; i < count; i++) {
        char *path = mem_format("%s/%s", folder, names[i]);
        if (unlink(path) != 0) log_warn("%s: cannot be removed: %s", path, strerror(errno));
        mem_free(path);
    }
    file_list_free(names, count);
    return STATUS_OK;
}

enum status checkpoints_resume(const struct run *run) {
    struct checkpoint_list list;
    TRY(remove_leftovers(run));
    TRY(checkpoint_list_make(run->dir, &list));
    enum status s = STATUS_OK;
    for (int i = 0; i < list.count && s == STATUS_OK; i++)
        if (list.iterations[i] > run->iteration) s = set_aside(run, list.paths[i]);
    checkpoint_list_free(&list);
    return s;
}
