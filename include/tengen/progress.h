/* Progress of a long job: one live line on a terminal, redrawn at most five times a second; where stderr is
 * no terminal, a plain line every `interval` seconds (10 by default). */
#ifndef TENGEN_PROGRESS_H
#define TENGEN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
    double start, last_drawn, interval;
    double first_done; /* work already done when the job (re)started, for an honest rate */
    bool live, begun;
    char label[64];
};

void progress_start(struct progress *p, const char *label);

/* done and total in the job's unit; `detail` is appended (losses, rates). Draws label, percent, time spent,
 * time left and detail; where the total is not known (0) label, time spent and detail. Cheap to call often.
 */
void progress_update(struct progress *p, double done, double total, const char *detail_format, ...)
    __attribute__((format(printf, 4, 5)));

/* True if an update now would draw: lets the caller skip making the detail. */
bool progress_due(const struct progress *p);

/* Draws the last state once more and ends the line. */
void progress_end(struct progress *p);

/* Clears the live line, if one stands, before other text is printed (log does). */
void progress_clear(void);

/* "93.6k", "1.25M", "840" into text: a count or a rate to three digits. */
void progress_quantity(double value, char *text, size_t size);

/* "3m12s", "2h05m", "41s" into text. */
void progress_duration(double seconds, char *text, size_t size);

#endif
