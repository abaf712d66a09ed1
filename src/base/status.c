#include "tengen/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 1024 };

static _Thread_local char text[TEXT];

/* The text is made beside the old one, since arguments may point into it (status_text() as an argument). */
enum status status_fail(enum status s, const char *format, ...) {
    char fresh[TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fresh, sizeof fresh, format, arguments);
    va_end(arguments);
    memcpy(text, fresh, sizeof text);
    return s;
}

enum status status_context(enum status s, const char *format, ...) {
    char fresh[TEXT];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(fresh, sizeof fresh, format, arguments);
    va_end(arguments);
    if (length < 0) length = 0;
    if (length < TEXT - 1) snprintf(fresh + length, sizeof fresh - (size_t)length, ": %s", text);
    memcpy(text, fresh, sizeof text);
    return s;
}

const char *status_text(void) {
    return text;
}

void ensure_fail(const char *file, int line, const char *condition, const char *format, ...) {
    char what[TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fprintf(stderr, "\n%s:%d: %s (%s does not hold); this is a bug in tengen\n", file, line, what, condition);
    abort();
}

/* Without exit handlers: other threads still run. */
void status_exit(const char *format, ...) {
    char what[TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fprintf(stderr, "\ntengen: %s\n", what);
    _exit(1);
}
