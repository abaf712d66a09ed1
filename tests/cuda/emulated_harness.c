/* That running kernels on the CPU finds faults: each planted one, and none in the kernel without. */
#include "testing.h"

#include <sys/wait.h>
#include <unistd.h>

#include "emulated.h"

#include "tengen/mem.h"

enum { BLOCKS = 5, WIDTH = 64, N = BLOCKS * WIDTH };

static struct device device = {.backend = &emulated_backend, .kind = DEVICE_CUDA, .threads = 1};

/* Runs the kernel in one order; true if the queue reports no failure and all sums are right. */
static bool sums_are_right(int order, enum planted fault, char *text, size_t size) {
    struct queue *q;
    float *x = device_alloc(&device, N * sizeof *x), *y = device_alloc(&device, N * sizeof *y);
    assert_ok(queue_open(&device, order, &q));
    for (int i = 0; i < N; i++) {
        x[i] = (float)(i * i % 91);
        y[i] = NAN;
    }
    planted_sums(q, y, x, BLOCKS, fault);
    bool right = queue_wait(q) == STATUS_OK;
    snprintf(text, size, "%s", right ? "" : status_text());
    for (int i = 0; right && i < N; i++)
        right = y[i] == x[i] + x[i / WIDTH * WIDTH + (i + 1) % WIDTH];
    queue_close(q);
    device_release(&device, x);
    device_release(&device, y);
    return right;
}

/* How many of the three orders find the fault. */
static int orders_that_find(enum planted fault, char *text, size_t size) {
    int found = 0;
    for (int order = 1; order <= 3; order++)
        found += !sums_are_right(order, fault, text, size);
    return found;
}

static void a_right_kernel_passes(void **state) {
    (void)state;
    char text[512];
    assert_int_equal(orders_that_find(PLANTED_NOTHING, text, sizeof text), 0);
}

static void a_missing_barrier_is_found(void **state) {
    (void)state;
    char text[512];
    int found = orders_that_find(PLANTED_NO_BARRIER, text, sizeof text);
    print_message("a missing barrier: found in %d of 3 orders\n", found);
    assert_true(found > 0);
}

static void a_divergent_barrier_is_named(void **state) {
    (void)state;
    char text[512];
    assert_int_equal(orders_that_find(PLANTED_DIVERGENT_BARRIER, text, sizeof text), 3);
    assert_non_null(strstr(text, "planted_kernel: divergent barrier"));
    assert_non_null(strstr(text, "planted.cpp:"));
}

static void a_thread_that_returns_before_a_barrier_is_named(void **state) {
    (void)state;
    char text[512];
    assert_int_equal(orders_that_find(PLANTED_MISSING_THREAD, text, sizeof text), 3);
    assert_non_null(strstr(text, "1 of 64 threads have ended"));
}

static void a_lane_that_stays_away_is_named(void **state) {
    (void)state;
    char text[512];
    assert_int_equal(orders_that_find(PLANTED_MISSING_LANE, text, sizeof text), 3);
    assert_non_null(strstr(text, "planted.cpp:"));
}

static void unwritten_shared_memory_is_found(void **state) {
    (void)state;
    char text[512];
    assert_int_equal(orders_that_find(PLANTED_UNWRITTEN, text, sizeof text), 3);
}

static void blocks_that_need_each_other_are_found(void **state) {
    (void)state;
    char text[512];
    assert_true(orders_that_find(PLANTED_BLOCK_ORDER, text, sizeof text) > 0);
}

static void an_access_out_of_bounds_ends_a_sanitized_run(void **state) {
    (void)state;
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__)
    pid_t child = fork();
    if (child == 0) {
        char text[512];
        freopen("/dev/null", "w", stderr);
        sums_are_right(1, PLANTED_OUT_OF_BOUNDS, text, sizeof text);
        _exit(0);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_false(WIFEXITED(result) && WEXITSTATUS(result) == 0);
#else
    print_message("built without the address sanitizer: nothing was shown\n");
#endif
}

int main(void) {
#ifdef __SANITIZE_THREAD__
    return TEST_SKIPPED; /* the thread sanitizer does not follow fibers */
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_kernel_passes),
        cmocka_unit_test(a_missing_barrier_is_found),
        cmocka_unit_test(a_divergent_barrier_is_named),
        cmocka_unit_test(a_thread_that_returns_before_a_barrier_is_named),
        cmocka_unit_test(a_lane_that_stays_away_is_named),
        cmocka_unit_test(unwritten_shared_memory_is_found),
        cmocka_unit_test(blocks_that_need_each_other_are_found),
        cmocka_unit_test(an_access_out_of_bounds_ends_a_sanitized_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
