#include "tengen/progress.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tengen/thread.h"

enum { LINE = 256 };

/* The line that stands on the terminal; log threads clear it, so it is behind a lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last_text[LINE];
static bool standing;

static int terminal_width(void) {
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20) return window.ws_col;
    return 80;
}

void progress_start(struct progress *p, const char *label) {
    memset(p, 0, sizeof *p);
    p->live = isatty(STDERR_FILENO);
    p->interval = p->live ? 0.2 : 10.0;
    p->start = p->last_drawn = clock_now();
    snprintf(p->label, sizeof p->label, "%s", label);
}

bool progress_due(const struct progress *p) {
    return clock_now() - p->last_drawn >= p->interval;
}

static void draw(const struct progress *p, const char *line) {
    pthread_mutex_lock(&lock);
    snprintf(last_text, sizeof last_text, "%s", line);
    if (p->live) {
        /* A line as wide as the terminal would wrap and could not be redrawn. */
        fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, line);
        standing = true;
    } else {
        fprintf(stderr, "%s\n", line);
    }
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}

void progress_update(struct progress *p, double done, double total, const char *detail_format, ...) {
    if (!p->begun) {
        p->begun = true;
        p->first_done = done;
    }
    bool complete = total > 0 && done >= total;
    if (!progress_due(p) && !complete) return;
    double now = clock_now(), spent = now - p->start, advanced = done - p->first_done;
    p->last_drawn = now;

    char detail[LINE], spent_text[32], left_text[32] = "?", line[LINE];
    va_list arguments;
    va_start(arguments, detail_format);
    vsnprintf(detail, sizeof detail, detail_format, arguments);
    va_end(arguments);
    progress_duration(spent, spent_text, sizeof spent_text);
    if (advanced > 0 && total >= done)
        progress_duration(spent / advanced * (total - done), left_text, sizeof left_text);
    if (total > 0)
        snprintf(line, sizeof line, "%s %5.1f%%  %s spent, %s left  %.150s", p->label, 100.0 * done / total,
                 spent_text, left_text, detail);
    else
        snprintf(line, sizeof line, "%s  %s spent  %.180s", p->label, spent_text, detail);
    draw(p, line);
}

void progress_end(struct progress *p) {
    if (!p->begun) return;
    pthread_mutex_lock(&lock);
    if (p->live && last_text[0]) {
        fprintf(stderr, "\r\033[K%.*s\n", terminal_width() - 1, last_text);
        fflush(stderr);
    }
    standing = false;
    last_text[0] = 0;
    pthread_mutex_unlock(&lock);
    p->begun = false;
}

void progress_clear(void) {
    pthread_mutex_lock(&lock);
    if (standing) {
        fputs("\r\033[K", stderr);
        standing = false;
    }
    pthread_mutex_unlock(&lock);
}

void progress_quantity(double value, char *text, size_t size) {
    static const char *const units[] = {"", "k", "M", "G", "T"};
    int unit = 0;
    while (fabs(value) >= 999.5 && unit < 4) {
        value /= 1000;
        unit++;
    }
    int digits = fabs(value) >= 99.95 || (unit == 0 && value == floor(value)) ? 0
                 : fabs(value) >= 9.995                                       ? 1
                                                                              : 2;
    snprintf(text, size, "%.*f%s", digits, value, units[unit]);
}

void progress_duration(double seconds, char *text, size_t size) {
    if (!(seconds >= 0) || seconds > 1e9) {
        snprintf(text, size, "?");
        return;
    }
    long s = (long)(seconds + 0.5);
    if (s < 60)
        snprintf(text, size, "%lds", s);
    else if (s < 3600)
        snprintf(text, size, "%ldm%02lds", s / 60, s % 60);
    else if (s < 100 * 3600)
        snprintf(text, size, "%ldh%02ldm", s / 3600, s % 3600 / 60);
    else
        snprintf(text, size, "%ldd%02ldh", s / 86400, s % 86400 / 3600);
}
