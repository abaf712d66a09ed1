/* The GPU's memory, transfers and copies of weights; skipped where there is no GPU. */
#include "gpu.h"

#include "tengen/mem.h"
#include "tengen/ops.h"

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
        cmocka_unit_test(copies_of_weights_follow_their_version),
        cmocka_unit_test(the_description_names_device_and_libraries),
    };
    return GPU_RUN(tests, &device);
}
