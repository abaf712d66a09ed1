/* Profiled queues: the same results, every call counted, its time no more than what passed. */
#include "testing.h"

#include <string.h>

#include "tengen/device.h"
#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/phase.h"
#include "tengen/profile.h"
#include "tengen/thread.h"

enum { N = 1000 };

static struct device *device;
static struct queue *plain; /* opened before profile_enable() */

static int setup(void **state) {
    (void)state;
    assert_ok(device_open("cpu", 2, &device));
    assert_ok(queue_open(device, 2, &plain));
    profile_enable();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    queue_close(plain);
    device_close(device);
    return 0;
}

static void run(struct queue *q, float *values) {
    struct tensor x = tensor_1(device_alloc(device, N * 4), DTYPE_F32, N);
    q->op->fill(q, x, 1.5f);
    q->op->scale(q, x, x, 2.0f, true);
    queue_download(q, values, x);
    assert_ok(queue_wait(q));
    device_release(device, x.data);
}

static void a_profiled_queue_computes_the_same(void **state) {
    (void)state;
    float a[N], b[N];
    struct queue *q;
    assert_ok(queue_open(device, 2, &q));
    assert_true(queue_profiled(q));
    assert_false(queue_profiled(plain));
    run(plain, a);
    run(q, b);
    queue_close(q);
    assert_memory_equal(a, b, sizeof a);
    assert_true(a[0] == 4.5f);
}

/* "  NAME  CALLS  SECONDS s ..." under the title "  device, GROUP"; -1 where there is no such line. */
static long calls_of(const char *text, const char *group, const char *name, double *seconds) {
    char line[256], title[64];
    snprintf(title, sizeof title, "  device, %s ", group);
    bool within = false;
    for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        if (strstr(line, "  calls ")) within = strncmp(line, title, strlen(title)) == 0;
        long calls;
        if (within && strncmp(line + 2, name, strlen(name)) == 0 &&
            sscanf(line + 2 + strlen(name), " %ld %lf s", &calls, seconds) == 2)
            return calls;
    }
    return -1;
}

static void calls_are_counted_by_group_and_name(void **state) {
    (void)state;
    float values[N];
    double seconds;
    struct queue *acting, *learning;
    assert_ok(queue_open(device, 1, &acting));
    assert_ok(queue_open(device, 1, &learning));
    acting->label = "acting";
    run(acting, values); /* before the start: not counted */
    profile_start();
    for (int i = 0; i < 3; i++)
        run(acting, values);
    {
        PHASE("learn");
        run(learning, values);
    }
    profile_iteration();
    queue_close(acting); /* what it did stays */
    char *text = profile_text();
    assert_non_null(strstr(text, "profile of 1 iterations"));
    assert_int_equal(calls_of(text, "acting", "fill", &seconds), 3);
    assert_int_equal(calls_of(text, "acting", "scale", &seconds), 3);
    assert_int_equal(calls_of(text, "acting", "copy down", &seconds), 3);
    assert_int_equal(calls_of(text, "learn", "fill", &seconds), 1);
    assert_int_equal(calls_of(text, "learn", "all", &seconds), 3);
    assert_int_equal(calls_of(text, "acting", "conv_forward", &seconds), -1);
    mem_free(text);
    queue_close(learning);
}

static void operations_take_no_longer_than_what_passed(void **state) {
    (void)state;
    double measured, from = clock_now();
    struct queue *q;
    assert_ok(queue_open(device, 1, &q));
    q->label = "acting";
    struct tensor x = tensor_1(device_alloc(device, 4 << 20), DTYPE_F32, 1 << 20);
    profile_start();
    for (int i = 0; i < 5000; i++) /* more than are kept before they are read back */
        q->op->fill(q, tensor_head(x, 10), 0.0f);
    for (int i = 0; i < 20; i++)
        q->op->fill(q, x, 1.0f);
    char *text = profile_text();
    assert_int_equal(calls_of(text, "acting", "fill", &measured), 5020);
    assert_true(measured > 0 && measured <= clock_now() - from);
    mem_free(text);
    device_release(device, x.data);
    queue_close(q);
}

static void marks_measure_what_lies_between_them(void **state) {
    (void)state;
    double gaps[2];
    queue_mark(plain);
    double end = clock_now() + 0.005;
    while (clock_now() < end) {
    }
    queue_mark(plain);
    queue_mark(plain);
    queue_marks_read(plain, gaps);
    assert_true(gaps[0] >= 0.005 && gaps[1] >= 0 && gaps[1] < gaps[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profiled_queue_computes_the_same),
        cmocka_unit_test(calls_are_counted_by_group_and_name),
        cmocka_unit_test(operations_take_no_longer_than_what_passed),
        cmocka_unit_test(marks_measure_what_lies_between_them),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
