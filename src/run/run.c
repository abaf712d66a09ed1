/* Opening and closing a run. */
#include "tengen/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "run_files.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

CONFIG_TABLE(run_config, RUN_CONFIG)

void run_metric(struct run *run, const char *name, double value) {
    int i = 0;
    while (i < run->columns && strcmp(run->column_names[i], name) != 0)
        i++;
    ENSURE(i < RUN_COLUMNS, "metric %s: there are %d already", name, i);
    if (i == run->columns) run->column_names[run->columns++] = name;
    run->column_values[i] = value;
}

void run_detail(struct run *run, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->detail, sizeof run->detail, format, arguments);
    va_end(arguments);
}

static enum status open_queue(struct run *run) {
    TRY(precision_parse(run->config.precision, &run->precision));
    TRY(queue_open(run->device, 0, &run->queue));
    run->pool = pool_create(run->config.threads);
    return STATUS_OK;
}

enum status run_open_device(struct run *run) {
    run->started = clock_now();
    TRY(device_open(run->config.device, run->config.threads, &run->device));
    return open_queue(run);
}

enum status run_open_counting(struct run *run, const struct device *like) {
    TRY(device_open_counting(like, &run->device));
    return open_queue(run);
}

enum status run_check_new(const char *dir) {
    static const char *const signs[] = {"config.ini", "metrics.csv", "checkpoints"};
    if (file_exists(dir) && !file_is_folder(dir))
        return status_fail(STATUS_USAGE, "%s: is a file; choose another folder with run.dir=FOLDER", dir);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        char path[RUN_PATH];
        snprintf(path, sizeof path, "%s/%s", dir, signs[i]);
        if (file_exists(path))
            return status_fail(
                STATUS_USAGE,
                "%s: holds a run already; go on with it by `tengen train --resume %s`, or choose "
                "another folder with run.dir=FOLDER",
                dir, dir);
    }
    return STATUS_OK;
}

/* Two processes in one directory would overwrite each other's checkpoints. File systems without locks pass.
 */
static enum status lock_dir(struct run *run) {
    int lock = open(run->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0) return status_fail(STATUS_IO, "%s: %s", run->dir, strerror(errno));
    run->files->lock = lock;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return status_fail(STATUS_USAGE, "%s: another process is training in this folder", run->dir);
    return STATUS_OK;
}

enum status run_open_dir(struct run *run, const char *config_text, bool resume) {
    char path[RUN_PATH];
    if (!resume) TRY(run_check_new(run->dir));
    TRY(file_make_folder(run->dir));
    run->files = MEM_NEW(struct run_files, 1);
    run->files->lock = -1;
    TRY(lock_dir(run));
    if (resume) TRY(checkpoints_resume(run));
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", run->dir, i ? "games" : "checkpoints");
        TRY(file_make_folder(path));
    }
    snprintf(path, sizeof path, "%s/config.ini", run->dir);
    TRY(file_write(path, config_text, strlen(config_text)));
    snprintf(path, sizeof path, "%s/log.txt", run->dir);
    TRY(log_open(path));
    return resume ? metrics_resume(run) : STATUS_OK;
}

void run_close(struct run *run) {
    if (run->files) {
        enum status s = log_open(NULL);
        (void)s; /* closing cannot fail */
        metrics_close(run->files);
        if (run->files->lock >= 0) close(run->files->lock);
        mem_free(run->files);
    }
    pool_free(run->pool);
    if (run->queue) queue_close(run->queue);
    if (run->device) device_close(run->device);
    run->files = NULL;
    run->pool = NULL;
    run->queue = NULL;
    run->device = NULL;
}
