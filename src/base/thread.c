#include "tengen/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "cgroup.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/status.h"

/* How a job is handed out. Piece 0 is the caller's; `ticket` holds (job number << 32 | others not yet taken).
 * A thread takes a piece by counting it down with a compare-and-swap; while it holds a piece the job cannot
 * end, so that fn, context and count, which it reads only then, are those of this job. The job number keeps a
 * thread that slept through a job from taking a piece of the next with what it knew of the last. A worker
 * that never wakes for a short job is not waited for. */
struct pool {
    int threads;
    int spin; /* whether waiting threads spin first: pointless with more threads than cores */
    pthread_t *handles;

    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic int done; /* pieces finished */
    _Alignas(64) void (*fn)(void *context, int i);
    void *context;
    int count;

    _Atomic bool running, stop;
    _Atomic int sleepers;       /* workers that wait for `work` */
    _Atomic bool caller_sleeps; /* the caller waits for `finished` */
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
};

struct worker {
    struct pool *pool;
    int index;
};

/* The pool whose piece this thread runs now, and as which worker. */
static _Thread_local struct pool *inside;
static _Thread_local int worker_index;

double clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_thread_cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Cores that a quota (microseconds of CPU time in a period) amounts to, rounded up; 0: no quota. */
static int cgroup_cores(void) {
    char path[CGROUP_PATH];
    int cores = 0;
    for (int version = 1; version <= 2; version++) {
        if (!cgroup_first(version == 1 ? "cpu" : "", path)) continue;
        do {
            long long q[2] = {0, 0};
            if (version == 2 && cgroup_numbers(path, "cpu.max", 2, q) != 2) continue;
            if (version == 1 && (cgroup_numbers(path, "cpu.cfs_quota_us", 1, &q[0]) != 1 ||
                                 cgroup_numbers(path, "cpu.cfs_period_us", 1, &q[1]) != 1))
                continue;
            if (q[0] <= 0 || q[1] <= 0) continue;
            int here = (int)((q[0] + q[1] - 1) / q[1]);
            if (cores == 0 || here < cores) cores = here;
        } while (cgroup_parent(path));
    }
    return cores;
}

int thread_cores(void) {
    int cores = 1;
    for (int most = 1024; most <= 1 << 20;
         most *= 4) { /* the kernel's own mask may be larger than cpu_set_t */
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        bool known = set && sched_getaffinity(0, size, set) == 0;
        if (known) cores = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (known) break;
    }
    int quota = cgroup_cores();
    if (quota > 0 && quota < cores) cores = quota;
    return cores > 0 ? cores : 1;
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Takes a piece of the current job; false if none is left. */
static bool take(struct pool *pool, int *left) {
    uint64_t ticket = atomic_load(&pool->ticket);
    while ((uint32_t)ticket > 0) {
        if (atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - 1)) {
            *left = (int)(uint32_t)ticket;
            return true;
        }
    }
    return false;
}

/* Runs pieces until none is left. */
static void work_off(struct pool *pool) {
    int left, mine = 0, count = 0;
    while (take(pool, &left)) {
        count = pool->count;
        pool->fn(pool->context, count - left);
        mine++;
    }
    if (mine == 0) return;
    /* After this addition the job may be over and the next begun: only what is local may be looked at. */
    if (atomic_fetch_add(&pool->done, mine) + mine == count && atomic_load(&pool->caller_sleeps)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
    }
}

static bool work_waits(struct pool *pool) {
    return (uint32_t)atomic_load(&pool->ticket) > 0 || atomic_load(&pool->stop);
}

static bool job_over(struct pool *pool) {
    return atomic_load(&pool->done) == pool->count;
}

/* Spins for some 20 us, the gap between two operations of a network; true as soon as `ready`. */
static bool spin_until(struct pool *pool, bool (*ready)(struct pool *pool)) {
    if (ready(pool)) return true;
    if (!pool->spin) return false;
    for (double end = clock_now() + 20e-6; clock_now() < end;)
        for (int i = 0; i < 16; i++) {
            if (ready(pool)) return true;
            relax();
        }
    return false;
}

static void *worker_main(void *argument) {
    struct worker me = *(struct worker *)argument;
    struct pool *pool = me.pool;
    mem_free(argument);
    inside = pool;
    worker_index = me.index;
    for (;;) {
        if (!spin_until(pool, work_waits)) {
            pthread_mutex_lock(&pool->lock);
            atomic_fetch_add(&pool->sleepers, 1);
            while (!work_waits(pool))
                pthread_cond_wait(&pool->work, &pool->lock);
            atomic_fetch_sub(&pool->sleepers, 1);
            pthread_mutex_unlock(&pool->lock);
        }
        if (atomic_load(&pool->stop)) return NULL;
        work_off(pool);
    }
}

/* Workers take no signals: those are for the thread that started the program. */
static bool worker_start(struct pool *pool, int index) {
    struct worker *me = MEM_NEW(struct worker, 1);
    *me = (struct worker){pool, index};
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&pool->handles[index], NULL, worker_main, me);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        mem_free(me);
        log_warn("only %d of the threads asked for can be started: %s", index, strerror(failed));
        return false;
    }
    pthread_setname_np(pool->handles[index], "tengen-worker");
    return true;
}

struct pool *pool_create(int threads) {
    int cores = thread_cores();
    if (threads <= 0) threads = cores;
    struct pool *pool = MEM_NEW(struct pool, 1);
    pool->spin = threads <= cores;
    pool->handles = MEM_NEW(pthread_t, threads);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->threads = 1;
    while (pool->threads < threads && worker_start(pool, pool->threads))
        pool->threads++;
    return pool;
}

void pool_free(struct pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->threads; i++)
        pthread_join(pool->handles[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->finished);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool->handles);
    mem_free(pool);
}

int pool_threads(const struct pool *pool) {
    return pool ? pool->threads : 1;
}

int pool_worker(void) {
    return worker_index;
}

static void wake_workers(struct pool *pool, int wanted) {
    if (atomic_load(&pool->sleepers) == 0) return;
    pthread_mutex_lock(&pool->lock);
    if (wanted >= atomic_load(&pool->sleepers))
        pthread_cond_broadcast(&pool->work);
    else
        for (int i = 0; i < wanted; i++)
            pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

static void wait_until_over(struct pool *pool) {
    if (spin_until(pool, job_over)) return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (!job_over(pool))
        pthread_cond_wait(&pool->finished, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

void pool_run(struct pool *pool, int count, void (*fn)(void *context, int i), void *context) {
    if (count <= 0) return;
    struct pool *outer = inside;
    int outer_index = worker_index;
    bool nested =
        pool && pool == outer; /* a piece that cuts its own work further: no thread is free for it */
    if (!pool || pool->threads == 1 || count == 1 || nested) {
        if (!nested) {
            inside = pool;
            worker_index = 0;
        }
        for (int i = 0; i < count; i++)
            fn(context, i);
    } else {
        ENSURE(!atomic_exchange(&pool->running, true), "two threads run jobs on one pool");
        inside = pool;
        worker_index = 0;
        pool->fn = fn;
        pool->context = context;
        pool->count = count;
        atomic_store(&pool->done, 0);
        uint64_t job = (atomic_load(&pool->ticket) >> 32) + 1;
        atomic_store(&pool->ticket, job << 32 | (uint32_t)(count - 1));
        wake_workers(pool, count - 1);
        fn(context, 0);
        atomic_fetch_add(&pool->done, 1);
        work_off(pool);
        wait_until_over(pool);
        atomic_store(&pool->running, false);
    }
    inside = outer;
    worker_index = outer_index;
}
