/* What the program says while it works. Warnings and errors go to stderr; with log_open also to the run's log
 * file, each line with time and level. Thread safe. A live progress line is cleared before a line is printed.
 */
#ifndef TENGEN_LOG_H
#define TENGEN_LOG_H

#include "tengen/status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Appends to `path` from now on (NULL: stop). */
enum status log_open(const char *path) MUST_USE;
void log_level_set(enum log_level lowest_shown);
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
