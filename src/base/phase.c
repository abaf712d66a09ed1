#include "tengen/phase.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tengen/mem.h"
#include "tengen/status.h"
#include "tengen/thread.h"

enum { DEPTH = 16 };

/* One thread's. Recorders outlive their threads: what they measured is part of the totals. */
struct recorder {
    struct recorder *next;
    struct phase_total totals[PHASES_MAX]; /* [0]: outside phases */
    int count;
    int stack[DEPTH], depth;
    double since; /* the time up to here is charged */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recorder *recorders; /* guarded by `lock` */
static _Thread_local struct recorder *mine;
static struct recorder *main_recorder;
static double started;
static atomic_bool recording;
static _Atomic(const char *) main_outermost;

static struct {
    void (*push)(const char *name);
    void (*pop)(void);
} ranges;

void phase_ranges(void (*push)(const char *name), void (*pop)(void)) {
    ranges.push = push;
    ranges.pop = pop;
}

static void recorder_clear(struct recorder *r) {
    memset(r->totals, 0, sizeof r->totals);
    r->totals[0].name = "other";
    r->count = 1;
    r->depth = 0;
    r->since = clock_now();
}

static struct recorder *recorder_own(void) {
    if (mine) return mine;
    mine = MEM_NEW(struct recorder, 1);
    recorder_clear(mine);
    pthread_mutex_lock(&lock);
    mine->next = recorders;
    recorders = mine;
    pthread_mutex_unlock(&lock);
    return mine;
}

/* The time since the last charge belongs to the innermost phase; outside phases only the main thread's
 * counts, others wait for work there. */
static void charge(struct recorder *r) {
    double now = clock_now();
    if (r->depth > 0 || r == main_recorder) {
        struct phase_total *t = &r->totals[r->depth > 0 ? r->stack[r->depth - 1] : 0];
        t->threads += now - r->since;
    }
    r->since = now;
}

static struct phase_total *total_find(struct phase_total *totals, int *count, const char *name) {
    int i = 0;
    while (i < *count && totals[i].name != name && strcmp(totals[i].name, name) != 0)
        i++;
    ENSURE(i < PHASES_MAX, "phase %s: there are %d others", name, i);
    if (i == *count) totals[(*count)++].name = name;
    return &totals[i];
}

struct phase_scope phase_begin(const char *name) {
    struct phase_scope scope = {.timed = atomic_load_explicit(&recording, memory_order_relaxed),
                                .ranged = ranges.push};
    if (scope.ranged) ranges.push(name);
    if (!scope.timed) return scope;
    struct recorder *r = recorder_own();
    ENSURE(r->depth < DEPTH, "phase %s: within %d others", name, r->depth);
    charge(r);
    struct phase_total *t = total_find(r->totals, &r->count, name);
    t->calls++;
    r->stack[r->depth++] = (int)(t - r->totals);
    if (r->depth == 1 && r == main_recorder) atomic_store(&main_outermost, name);
    return scope;
}

void phase_end(const struct phase_scope *scope) {
    if (scope->ranged) ranges.pop();
    if (!scope->timed || !atomic_load_explicit(&recording, memory_order_relaxed)) return;
    struct recorder *r = recorder_own();
    if (r->depth == 0) return; /* it began before phase_start() */
    charge(r);
    r->depth--;
    if (r->depth == 0 && r == main_recorder) atomic_store(&main_outermost, NULL);
}

void phase_start(void) {
    main_recorder = recorder_own();
    pthread_mutex_lock(&lock);
    for (struct recorder *r = recorders; r; r = r->next)
        recorder_clear(r);
    pthread_mutex_unlock(&lock);
    started = main_recorder->since;
    atomic_store(&main_outermost, NULL);
    atomic_store(&recording, true);
}

double phase_stop(void) {
    if (!atomic_exchange(&recording, false)) return main_recorder ? main_recorder->since - started : 0;
    charge(main_recorder);
    return main_recorder->since - started;
}

static int by_seconds(const void *a, const void *b) {
    const struct phase_total *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
    return x->threads < y->threads ? 1 : x->threads > y->threads ? -1 : 0;
}

int phase_totals(struct phase_total *totals, int most) {
    struct phase_total all[PHASES_MAX] = {{0}};
    int count = 0;
    pthread_mutex_lock(&lock);
    for (const struct recorder *r = recorders; r; r = r->next)
        for (int i = 0; i < r->count; i++) {
            if (i == 0 && r != main_recorder) continue;
            struct phase_total *t = total_find(all, &count, r->totals[i].name);
            t->calls += r->totals[i].calls;
            t->threads += r->totals[i].threads;
            if (r == main_recorder) t->seconds += r->totals[i].threads;
        }
    pthread_mutex_unlock(&lock);
    qsort(all, (size_t)count, sizeof *all, by_seconds);
    if (count > most) count = most;
    memcpy(totals, all, (size_t)count * sizeof *all);
    return count;
}

const char *phase_outermost(void) {
    const struct recorder *r = mine;
    if (r && r->depth > 0) return r->totals[r->stack[0]].name;
    const char *name = atomic_load(&main_outermost);
    return name ? name : "other";
}
