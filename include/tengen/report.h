/* Figures for people and for programs: what `tengen bench` and `tengen eval` print. As a table by default;
 * with
 * --json one object a line: {"name": "go.playouts.19x19", "value": 40000, "unit": "games/s"}. Names are
 * documented in benchmarks/README.md and stay. */
#ifndef TENGEN_REPORT_H
#define TENGEN_REPORT_H

#include <stdbool.h>

struct report {
    bool json;
};

/* Prints one figure at once (flushed). `name` is dotted, lower case; a value that is not finite is printed as
 * null. */
void report_value(const struct report *r, double value, const char *unit, const char *name_format, ...)
    __attribute__((format(printf, 4, 5)));

/* A line for people only: headings, remarks. Nothing with --json. */
void report_note(const struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
