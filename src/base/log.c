#include "tengen/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tengen/progress.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *file;
static enum log_level lowest = LOG_INFO;

enum status log_open(const char *path) {
    FILE *fresh = NULL;
    if (path && !(fresh = fopen(path, "ae")))
        return status_fail(STATUS_IO, "%s: cannot open the log: %s", path, strerror(errno));
    pthread_mutex_lock(&lock);
    FILE *old = file;
    file = fresh;
    pthread_mutex_unlock(&lock);
    if (old) fclose(old);
    return STATUS_OK;
}

void log_level_set(enum log_level lowest_shown) {
    pthread_mutex_lock(&lock);
    lowest = lowest_shown;
    pthread_mutex_unlock(&lock);
}

/* The log file takes every line; the terminal those of the level that was asked for. */
void log_line(enum log_level level, const char *format, ...) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char text[2048], when[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &local);

    pthread_mutex_lock(&lock);
    if (level >= lowest) {
        progress_clear();
        if (level >= LOG_WARN)
            fprintf(stderr, "%s: %s\n", names[level], text);
        else
            fprintf(stderr, "%s\n", text);
    }
    if (file) {
        fprintf(file, "%s %-7s %s\n", when, names[level], text);
        fflush(file); /* the last lines before a crash are the ones that matter */
    }
    pthread_mutex_unlock(&lock);
}
