#include "tengen/report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void report_value(const struct report *r, double value, const char *unit, const char *name_format, ...) {
    char name[256];
    va_list args;
    va_start(args, name_format);
    vsnprintf(name, sizeof name, name_format, args);
    va_end(args);
    if (r->json) {
        printf("{\"name\": \"%s\", \"value\": ", name);
        if (isfinite(value)) {
            printf("%.9g", value);
        } else {
            printf("null");
        }
        printf(", \"unit\": \"%s\"}\n", unit);
    } else {
        printf("%-60s %14.6g %s\n", name, value, unit);
    }
    fflush(stdout);
}

void report_note(const struct report *r, const char *format, ...) {
    if (r->json) return;
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}
