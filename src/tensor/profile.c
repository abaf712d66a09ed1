/* The profile of queues: wrappers made from ops.def, marks around each call, and the table at the end. */
#include "tengen/profile.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/phase.h"

enum operation {
#define OP(name, parameters, names) OPERATION_##name,
#include "tengen/ops.def"
#undef OP
    OPERATION_WORKS, /* enum profile_work */
    OPERATIONS = OPERATION_WORKS + PROFILE_WORKS
};

static const char *const operation_names[OPERATIONS] = {
#define OP(name, parameters, names) #name,
#include "tengen/ops.def"
#undef OP
    "copy up",
    "copy down",
    "environments",
};

struct tally {
    long calls;
    double seconds; /* of the device */
    double bytes;   /* copies */
};

/* What one group of queues did. */
struct bank {
    struct bank *next;
    const char *group;
    struct tally tallies[OPERATIONS];
};

enum { PENDING = 4096 };

/* Behind queue.profile. The queue's user and profile_iteration(), which may be two threads, take the lock. */
struct queue_profile {
    struct queue_profile *next;
    struct queue *queue;
    pthread_mutex_t lock;
    struct bank *banks;
    struct tally *pending[PENDING]; /* marks 2 i and 2 i + 1 stand before and after it */
    int pending_count;
};

static bool enabled;
static long iterations;
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue_profile *registry; /* open queues */
static struct bank *closed;            /* what queues that were closed have done */

void profile_enable(void) {
    enabled = true;
}

bool profile_enabled(void) {
    return enabled;
}

bool queue_profiled(const struct queue *q) {
    return q->profile;
}

/* ---- tallies ----------------------------------------------------------------------------------------------
 */

static struct bank *bank_find(struct bank **banks, const char *group) {
    struct bank **at = banks;
    while (*at && strcmp((*at)->group, group) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = MEM_NEW(struct bank, 1);
        (*at)->group = group;
    }
    return *at;
}

static void banks_add(struct bank **to, const struct bank *from) {
    for (; from; from = from->next) {
        struct bank *bank = bank_find(to, from->group);
        for (int i = 0; i < OPERATIONS; i++) {
            bank->tallies[i].calls += from->tallies[i].calls;
            bank->tallies[i].seconds += from->tallies[i].seconds;
            bank->tallies[i].bytes += from->tallies[i].bytes;
        }
    }
}

static void banks_free(struct bank **banks) {
    while (*banks) {
        struct bank *next = (*banks)->next;
        mem_free(*banks);
        *banks = next;
    }
}

/* Waits for the queue and charges what its marks say. */
static void pending_read(struct queue_profile *p) {
    if (p->pending_count == 0) return;
    double *gaps = MEM_NEW(double, 2 * p->pending_count);
    p->queue->device->backend->marks_read(p->queue, gaps);
    for (int i = 0; i < p->pending_count; i++)
        p->pending[i]->seconds += gaps[2 * (size_t)i];
    p->pending_count = 0;
    mem_free(gaps);
}

static struct tally *operation_begin(struct queue *q, enum operation operation) {
    struct queue_profile *p = q->profile;
    pthread_mutex_lock(&p->lock);
    if (p->pending_count == PENDING) pending_read(p);
    struct tally *t = &bank_find(&p->banks, q->label ? q->label : phase_outermost())->tallies[operation];
    t->calls++;
    p->pending[p->pending_count++] = t;
    q->device->backend->mark(q);
    return t;
}

static void operation_end(struct queue *q) {
    q->device->backend->mark(q);
    pthread_mutex_unlock(&q->profile->lock);
}

/* ---- wrappers ---------------------------------------------------------------------------------------------
 */

#define OP(name, parameters, names)                                                                          \
    static void profiled_##name parameters {                                                                 \
        const struct backend *backend = q->device->backend;                                                  \
        PHASE("operations");                                                                                 \
        if (backend->range_push) backend->range_push(#name);                                                 \
        operation_begin(q, OPERATION_##name);                                                                \
        backend->op->name names;                                                                             \
        operation_end(q);                                                                                    \
        if (backend->range_push) backend->range_pop();                                                       \
    }
#include "tengen/ops.def"
#undef OP

static const struct ops profiled_ops = {
#define OP(name, parameters, names) .name = profiled_##name,
#include "tengen/ops.def"
#undef OP
};

void profile_queue_open(struct queue *q) {
    if (!enabled) return;
    struct queue_profile *p = MEM_NEW(struct queue_profile, 1);
    p->queue = q;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_lock(&registry_lock);
    p->next = registry;
    registry = p;
    pthread_mutex_unlock(&registry_lock);
    q->profile = p;
    q->op = &profiled_ops;
}

void profile_queue_close(struct queue *q) {
    struct queue_profile *p = q->profile;
    if (!p) return;
    pending_read(p);
    pthread_mutex_lock(&registry_lock);
    struct queue_profile **at = &registry;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    banks_add(&closed, p->banks);
    pthread_mutex_unlock(&registry_lock);
    banks_free(&p->banks);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
    q->profile = NULL;
}

void profile_work_begin(struct queue *q, enum profile_work work, size_t bytes) {
    if (q->profile) operation_begin(q, OPERATION_WORKS + work)->bytes += (double)bytes;
}

void profile_work_end(struct queue *q) {
    if (q->profile) operation_end(q);
}

/* ---- a run's measurement ----------------------------------------------------------------------------------
 */

void profile_start(void) {
    pthread_mutex_lock(&registry_lock);
    for (struct queue_profile *p = registry; p; p = p->next) {
        pthread_mutex_lock(&p->lock);
        pending_read(p);
        banks_free(&p->banks);
        pthread_mutex_unlock(&p->lock);
    }
    banks_free(&closed);
    pthread_mutex_unlock(&registry_lock);
    iterations = 0;
    phase_start();
}

static void read_all(void) {
    pthread_mutex_lock(&registry_lock);
    for (struct queue_profile *p = registry; p; p = p->next) {
        pthread_mutex_lock(&p->lock);
        pending_read(p);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&registry_lock);
}

void profile_iteration(void) {
    PHASE("profile");
    read_all();
    iterations++;
}

/* ---- the table --------------------------------------------------------------------------------------------
 */

static void line(FILE *out, const char *name, long calls, double seconds, double wall) {
    char count[24] = "";
    if (calls > 0) snprintf(count, sizeof count, "%ld", calls);
    fprintf(out, "  %-24s %10s %10.3f s %6.1f%%", name, count, seconds, wall > 0 ? 100 * seconds / wall : 0);
    if (calls > 0) fprintf(out, " %12.1f us", 1e6 * seconds / (double)calls);
}

static void print_phases(FILE *out, double wall) {
    struct phase_total totals[PHASES_MAX];
    int count = phase_totals(totals, PHASES_MAX);
    fprintf(out, "  %-24s %10s %12s %7s %15s %12s\n", "host, main thread", "calls", "time", "share", "mean",
            "all threads");
    for (int i = 0; i < count; i++) {
        line(out, totals[i].name, totals[i].calls, totals[i].seconds, wall);
        fprintf(out, totals[i].calls ? " %10.3f s\n" : "\n", totals[i].threads);
    }
    line(out, "all", 0, wall, wall);
    fprintf(out, "\n");
}

struct row {
    const char *name;
    struct tally tally;
};

static int by_seconds(const void *a, const void *b) {
    double x = ((const struct row *)a)->tally.seconds, y = ((const struct row *)b)->tally.seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void print_bank(FILE *out, const struct bank *bank, double wall) {
    struct row rows[OPERATIONS], all = {"all", {0}};
    char title[64];
    for (int i = 0; i < OPERATIONS; i++) {
        rows[i] = (struct row){operation_names[i], bank->tallies[i]};
        all.tally.calls += rows[i].tally.calls;
        all.tally.seconds += rows[i].tally.seconds;
    }
    qsort(rows, OPERATIONS, sizeof *rows, by_seconds);
    snprintf(title, sizeof title, "device, %s", bank->group);
    fprintf(out, "  %-24s %10s %12s %7s %15s\n", title, "calls", "time", "share", "mean");
    for (int i = 0; i < OPERATIONS; i++) {
        const struct tally *t = &rows[i].tally;
        if (t->calls == 0) continue;
        line(out, rows[i].name, t->calls, t->seconds, wall);
        if (t->bytes > 0)
            fprintf(out, " %10.1f MB, %.2f GB/s", t->bytes * 1e-6, t->bytes * 1e-9 / t->seconds);
        fprintf(out, "\n");
    }
    line(out, "all", all.tally.calls, all.tally.seconds, wall);
    fprintf(out, "\n");
}

char *profile_text(void) {
    char *text = NULL;
    size_t size = 0;
    read_all();
    double wall = phase_stop();
    pthread_mutex_lock(&registry_lock);
    struct bank *banks = NULL;
    banks_add(&banks, closed);
    for (struct queue_profile *p = registry; p; p = p->next)
        banks_add(&banks, p->banks);
    pthread_mutex_unlock(&registry_lock);
    FILE *out = open_memstream(&text, &size);
    ENSURE(out, "profile: no memory for its table");
    fprintf(out,
            "profile of %ld iterations, %.3f s; shares are of that time, a phase's own without those in it\n",
            iterations, wall);
    print_phases(out, wall);
    for (const struct bank *b = banks; b; b = b->next)
        print_bank(out, b, wall);
    fclose(out);
    banks_free(&banks);
    char *copy = mem_string(text);
    free(text);
    return copy;
}
