#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tengen/thread.h"
#include "testing.h"

enum { PIECES = 1000 };

struct job {
    struct pool *pool;
    int threads;
    int visits[PIECES];  /* plain: each piece is one thread's alone, which TSan confirms */
    _Atomic bool at[64]; /* which workers run a piece now */
    _Atomic int failures;
};

static void visit(void *context, int i) {
    struct job *job = context;
    int me = pool_worker();
    if (me < 0 || me >= job->threads || atomic_exchange(&job->at[me], true))
        atomic_fetch_add(&job->failures, 1);
    job->visits[i]++;
    if (me >= 0 && me < job->threads) atomic_store(&job->at[me], false);
}

static void every_piece_runs_once_on_any_number_of_threads(void **state) {
    (void)state;
    static struct job job;
    for (int threads = 1; threads <= 8; threads++) {
        struct pool *pool = pool_create(threads);
        assert_int_equal(pool_threads(pool), threads);
        for (int count = 0; count <= PIECES; count += count < 10 ? 1 : 330) {
            memset(&job, 0, sizeof job);
            job.threads = threads;
            pool_run(pool, count, visit, &job);
            for (int i = 0; i < PIECES; i++)
                assert_int_equal(job.visits[i], i < count ? 1 : 0);
            assert_int_equal(job.failures, 0);
        }
        pool_free(pool);
    }
}

struct seen {
    pthread_t thread;
    bool here;
};

static void see(void *context, int i) {
    struct seen *seen = context;
    if (i == 0) seen->here = pthread_equal(pthread_self(), seen->thread) && pool_worker() == 0;
}

static void piece_0_runs_in_the_caller(void **state) {
    (void)state;
    struct pool *pool = pool_create(3);
    for (int n = 0; n < 2000; n++) {
        struct seen seen = {pthread_self(), false};
        pool_run(pool, 1 + n % 4, see, &seen);
        assert_true(seen.here);
    }
    pool_free(pool);
}

static void add_one(void *context, int i) {
    ((int *)context)[i]++;
}

/* Jobs so short that workers come too late, or late from the job before. */
static void many_short_jobs_follow_each_other(void **state) {
    (void)state;
    struct pool *pool = pool_create(4);
    int sums[5] = {0}, expected[5] = {0};
    for (int n = 0; n < 20000; n++) {
        int count = 1 + n % 5;
        pool_run(pool, count, add_one, sums);
        for (int i = 0; i < count; i++)
            expected[i]++;
        if (n % 4000 == 0) usleep(2000); /* workers go to sleep */
    }
    assert_memory_equal(sums, expected, sizeof sums);
    pool_free(pool);
}

static void no_pool_runs_in_the_caller(void **state) {
    (void)state;
    int sums[10] = {0};
    assert_int_equal(pool_threads(NULL), 1);
    pool_run(NULL, 10, add_one, sums);
    for (int i = 0; i < 10; i++)
        assert_int_equal(sums[i], 1);
    pool_free(NULL);
}

struct nested {
    struct pool *pool;
    _Atomic int inner, failures;
};

struct outer {
    struct nested *shared;
    int worker;
    pthread_t thread;
};

static void inner_piece(void *context, int i) {
    struct outer *outer = context;
    (void)i;
    bool same = pool_worker() == outer->worker && pthread_equal(pthread_self(), outer->thread);
    if (!same) atomic_fetch_add(&outer->shared->failures, 1);
    atomic_fetch_add(&outer->shared->inner, 1);
}

static void outer_piece(void *context, int i) {
    struct outer outer = {context, pool_worker(), pthread_self()};
    (void)i;
    pool_run(outer.shared->pool, 7, inner_piece, &outer);
    if (pool_worker() != outer.worker) atomic_fetch_add(&outer.shared->failures, 1);
}

static void a_nested_run_stays_on_its_thread(void **state) {
    (void)state;
    struct nested nested = {.pool = pool_create(3)};
    pool_run(nested.pool, 50, outer_piece, &nested);
    assert_int_equal(nested.inner, 350);
    assert_int_equal(nested.failures, 0);
    assert_int_equal(pool_worker(), 0);
    pool_free(nested.pool);
}

struct two_pools {
    struct pool *lower[2];
    int sums[2][100];
    _Atomic int failures;
};

static void run_lower(void *context, int i) {
    struct two_pools *two = context;
    int me = pool_worker();
    for (int n = 0; n < 50; n++)
        pool_run(two->lower[i], 100, add_one, two->sums[i]);
    pool_run(NULL, 1, add_one, two->sums[i]);
    if (pool_worker() != me) atomic_fetch_add(&two->failures, 1);
}

static void a_piece_may_run_jobs_on_another_pool(void **state) {
    (void)state;
    struct pool *upper = pool_create(2);
    static struct two_pools two;
    two.lower[0] = pool_create(2);
    two.lower[1] = pool_create(3);
    pool_run(upper, 2, run_lower, &two);
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < 100; i++)
            assert_int_equal(two.sums[p][i], i == 0 ? 51 : 50);
    assert_int_equal(two.failures, 0);
    pool_free(two.lower[0]);
    pool_free(two.lower[1]);
    pool_free(upper);
}

static void pools_come_and_go(void **state) {
    (void)state;
    for (int n = 0; n < 50; n++) {
        struct pool *pool = pool_create(3);
        int sums[4] = {0};
        if (n % 2) pool_run(pool, 4, add_one, sums);
        pool_free(pool);
    }
}

static void clocks_run_and_cores_are_counted(void **state) {
    (void)state;
    assert_true(thread_cores() >= 1);
    double wall = clock_now(), cpu = clock_thread_cpu();
    usleep(20000);
    assert_true(clock_now() - wall >= 0.019);
    assert_true(clock_thread_cpu() - cpu < clock_now() - wall);
    volatile double x = 1;
    double begin = clock_thread_cpu();
    for (int i = 0; i < 1000000; i++)
        x = x * 1.0000001;
    assert_true(clock_thread_cpu() > begin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_runs_once_on_any_number_of_threads),
        cmocka_unit_test(piece_0_runs_in_the_caller),
        cmocka_unit_test(many_short_jobs_follow_each_other),
        cmocka_unit_test(no_pool_runs_in_the_caller),
        cmocka_unit_test(a_nested_run_stays_on_its_thread),
        cmocka_unit_test(a_piece_may_run_jobs_on_another_pool),
        cmocka_unit_test(pools_come_and_go),
        cmocka_unit_test(clocks_run_and_cores_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
