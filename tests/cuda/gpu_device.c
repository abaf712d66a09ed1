/* The GPU's memory, transfers and copies of weights; skipped where there is no GPU. */
#include "gpu.h"

#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/thread.h"

static struct device *device;

static void memory_is_zeroed_and_travels(void **state) {
    (void)state;
    struct queue *q;
    assert_ok(queue_open(device, 0, &q));
    for (int n = 1; n < 16 << 20; n = n * 7 + 3) { /* up to several pinned pieces */
        float *in = MEM_NEW(float, n), *out = MEM_NEW(float, n);
        struct tensor t = tensor_1(device_alloc(device, (size_t)n * sizeof *in), DTYPE_F32, n);
        queue_download(q, out, t);
        for (int i = 0; i < n; i++)
            if (out[i] != 0.0f) fail_msg("memory is not zero at %d of %d", i, n);
        for (int i = 0; i < n; i++)
            in[i] = (float)i;
        queue_upload(q, t, in);
        memset(in, 0, (size_t)n * sizeof *in); /* it is the caller's again */
        queue_download(q, out, t);
        for (int i = 0; i < n; i++)
            if (out[i] != (float)i) fail_msg("%g came back at %d of %d", (double)out[i], i, n);
        device_release(device, t.data);
        mem_free(in);
        mem_free(out);
    }
    assert_ok(queue_wait(q));
    queue_close(q);
}

enum { TRANSFERS = 40 };

/* Uploads and downloads of many sizes by a queue of its own; how many came back other than they went. */
static void transfers(void *wrong, int lane) {
    int *count = (int *)wrong + lane;
    struct queue *q;
    if (queue_open(device, 0, &q) != STATUS_OK) {
        *count = -1;
        return;
    }
    for (int i = 0; i < TRANSFERS; i++) {
        int n = 1 + i * i * i * 37;
        int32_t *in = MEM_NEW(int32_t, n), *out = MEM_NEW(int32_t, n);
        struct tensor t = tensor_1(device_alloc(device, (size_t)n * sizeof *in), DTYPE_I32, n);
        for (int k = 0; k < n; k++)
            in[k] = (lane + 1) * 1000 + (k + i) % 1000;
        queue_upload(q, t, in);
        queue_download(q, out, t);
        *count += memcmp(in, out, (size_t)n * sizeof *in) != 0;
        device_release(device, t.data);
        mem_free(in);
        mem_free(out);
    }
    if (queue_wait(q) != STATUS_OK) *count = -1;
    queue_close(q);
}

static void two_threads_transfer_by_queues_of_their_own(void **state) {
    (void)state;
    struct pool *both = pool_create(2);
    int wrong[2] = {0};
    pool_run(both, 2, transfers, wrong);
    pool_free(both);
    assert_int_equal(wrong[0], 0);
    assert_int_equal(wrong[1], 0);
}

/* y = x w^T of ones in BF16, with w = value everywhere */
static float product(struct queue *q, struct tensor w, float value) {
    struct tensor x = tensor_2(device_alloc(device, 16 * 64 * 2), DTYPE_BF16, 16, 64);
    struct tensor y = tensor_2(device_alloc(device, 16 * 32 * 2), DTYPE_BF16, 16, 32);
    uint16_t out[16 * 32];
    q->op->fill(q, x, 1.0f);
    q->op->fill(q, w, value);
    q->op->linear_forward(q, y, x, w, tensor_none(), ACTIVATION_NONE);
    queue_download(q, out, y);
    assert_ok(queue_wait(q));
    device_release(device, x.data);
    device_release(device, y.data);
    return bf16_to_float(out[16 * 32 - 1]);
}

static void copies_of_weights_follow_their_version(void **state) {
    (void)state;
    struct queue *q;
    uint64_t version = 1;
    assert_ok(queue_open(device, 0, &q));
    for (int round = 0; round < 5; round++) { /* memory is likely to be handed out again */
        struct tensor w = tensor_2(device_alloc(device, 32 * 64 * 4), DTYPE_F32, 32, 64);
        assert_near(product(q, w, (float)round), 64.0 * round, 0.0, 0.0); /* no version */
        w.version = &version;
        assert_near(product(q, w, (float)(round + 1)), 64.0 * (round + 1), 0.0, 0.0);
        version++;
        assert_near(product(q, w, (float)(round + 2)), 64.0 * (round + 2), 0.0, 0.0);
        version = 1;
        device_release(device, w.data);
    }
    queue_close(q);
}

static void the_description_names_device_and_libraries(void **state) {
    (void)state;
    char text[4096];
    device_describe_all(text, sizeof text);
    assert_non_null(strstr(text, "cuda:0: "));
    assert_non_null(strstr(text, device->name));
    assert_non_null(strstr(text, "cuDNN: "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_travels),
        cmocka_unit_test(two_threads_transfer_by_queues_of_their_own),
        cmocka_unit_test(copies_of_weights_follow_their_version),
        cmocka_unit_test(the_description_names_device_and_libraries),
    };
    return GPU_RUN(tests, &device);
}
