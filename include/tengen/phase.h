/* Phases: where a thread's time goes. A phase lasts until the end of the block it stands in; phases nest, and
 * each is charged for the time that is not spent in phases within it.
 *
 *     static void learn_step(...) {
 *         PHASE("learn");
 *
 * Measured between phase_start() and phase_stop() only; else a phase costs two loads. Where a device has a
 * profiler's ranges (NVTX), every phase is one of those, too.
 */
#ifndef TENGEN_PHASE_H
#define TENGEN_PHASE_H

#include <stdbool.h>

struct phase_scope {
    bool timed, ranged;
};

struct phase_scope phase_begin(const char *name); /* `name` is kept */
void phase_end(const struct phase_scope *scope);

#define PHASE_JOIN(a, b) a##b
#define PHASE_VARIABLE(line, name)                                                                           \
    __attribute__((cleanup(phase_end), unused)) const struct phase_scope PHASE_JOIN(phase_, line) =          \
        phase_begin(name)
#define PHASE(name) PHASE_VARIABLE(__LINE__, name)

/* The calling thread is from now on the main one, whose time is accounted for as a whole; all totals begin at
 * 0. phase_stop() ends the measurement and returns the main thread's seconds. No other thread is within a
 * phase at either. */
void phase_start(void);
double phase_stop(void);

enum { PHASES_MAX = 48 };

struct phase_total {
    const char *name; /* "other": the main thread's time outside phases */
    long calls;
    double seconds; /* of the main thread: over all phases these add up to what phase_stop() returned */
    double threads; /* of all threads together */
};

/* By the main thread's time, most first; returns how many there are, at most `most`. */
int phase_totals(struct phase_total *totals, int most);

/* The outermost phase that the calling thread is in; else that of the main thread; else "other". */
const char *phase_outermost(void);

/* How a device's profiler shows ranges; NULL, NULL: not at all. */
void phase_ranges(void (*push)(const char *name), void (*pop)(void));

#endif
