/* A fixed pool of worker threads. Work is cut into `count` pieces by the caller, never by the number of
 * threads, so that results do not depend on it. Not reentrant: one thread runs one job on a pool at a time;
 * different pools are independent. A pool of one thread (or NULL) runs everything in the caller. */
#ifndef TENGEN_THREAD_H
#define TENGEN_THREAD_H

#include <stddef.h>

struct pool;

/* `threads` includes the caller; 0 means the number of usable cores. */
struct pool *pool_create(int threads);
void pool_free(struct pool *pool);
int pool_threads(const struct pool *pool); /* 1 for NULL */

/* Calls fn(context, i) for i in [0, count), in any order, on any thread, piece 0 in the caller; returns when
 * all are done. Pieces are handed out dynamically; workers spin briefly (some 20 us) and then sleep. */
void pool_run(struct pool *pool, int count, void (*fn)(void *context, int i), void *context);

/* Which worker of the pool runs the calling piece: 0 .. threads-1 (0 for the caller): index of scratch space.
 */
int pool_worker(void);

/* Usable cores (affinity and cgroup quota respected), at least 1. */
int thread_cores(void);

/* Seconds of a monotonic clock; seconds of CPU time of the calling thread. */
double clock_now(void);
double clock_thread_cpu(void);

#endif
