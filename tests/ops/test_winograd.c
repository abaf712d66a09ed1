/* Winograd convolutions on a CPU against sums in double precision: how much their rounding costs. */
#include "testing.h"

#include <math.h>

#include "ops/reference.h"
#include "ops/winograd_tile.h"
#include "tengen/device.h"
#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/rng.h"

enum { SAMPLES = 2, SIZE = 19, CHANNELS = 128 };

static struct device *device;
static struct queue *queue;

static struct tensor tensor_random(int n, int h, int w, int c, enum dtype dtype, double scale,
                                   bool positive) {
    struct tensor t = tensor_4(NULL, dtype, n, h, w, c);
    struct rng rng = rng_make(5, RNG_TEST, (uint64_t)h);
    t.data = device_alloc(device, tensor_bytes(t));
    for (size_t i = 0; i < tensor_count(t); i++) {
        float value = (float)scale * rng_normal(&rng);
        if (positive && value < 0.0f) value = 0.0f;
        if (dtype == DTYPE_F32)
            ((float *)t.data)[i] = value;
        else
            ((uint16_t *)t.data)[i] = bf16_from_float(value);
    }
    return t;
}

static double *expected(struct tensor x, struct tensor w) {
    double *y = MEM_NEW(double, SAMPLES *SIZE *SIZE *CHANNELS), *at = y;
    for (int n = 0; n < SAMPLES; n++)
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++)
                for (int o = 0; o < CHANNELS; o++, at++)
                    for (int tap = 0; tap < 9; tap++) {
                        int h = i + tap / 3 - 1, k = j + tap % 3 - 1;
                        if (h < 0 || h >= SIZE || k < 0 || k >= SIZE) continue;
                        const uint16_t *from = (uint16_t *)x.data + ((n * SIZE + h) * SIZE + k) * CHANNELS;
                        const float *taps = (float *)w.data + (o * 9 + tap) * CHANNELS;
                        for (int c = 0; c < CHANNELS; c++)
                            *at += (double)bf16_to_float(from[c]) * (double)taps[c];
                    }
    return y;
}

/* Root mean square of the error over that of the result; weights are not rounded in what is expected. */
static double relative_error(struct tensor y, const double *want) {
    double difference = 0.0, size = 0.0;
    for (size_t i = 0; i < tensor_count(y); i++) {
        double d = (double)bf16_to_float(((uint16_t *)y.data)[i]) - want[i];
        difference += d * d;
        size += want[i] * want[i];
    }
    return sqrt(difference / size);
}

static void a_convolution_errs_by_little_more_than_plain_bf16(void **state) {
    (void)state;
    if (!winograd_supported()) print_message("no AVX512-BF16: the plain path is held to the same\n");
    struct tensor x = tensor_random(SAMPLES, SIZE, SIZE, CHANNELS, DTYPE_BF16, 1.0, true);
    struct tensor w = tensor_random(CHANNELS, 3, 3, CHANNELS, DTYPE_F32, 0.04, false);
    struct tensor y = tensor_random(SAMPLES, SIZE, SIZE, CHANNELS, DTYPE_BF16, 0.0, false);
    double *want = expected(x, w), error[2];
    for (int plain = 0; plain < 2; plain++) {
        cpu_use_reference(plain);
        queue->op->conv_forward(queue, y, x, w, tensor_none(), tensor_none(), (struct conv){1, 1, 1, 1},
                                ACTIVATION_NONE);
        error[plain] = relative_error(y, want);
    }
    cpu_use_reference(false);
    print_message("rms error %.5f, of plain bf16 %.5f\n", error[0], error[1]);
    assert_true(error[1] > 1e-4 && error[0] < 2.0 * error[1]);
    mem_free(want);
    device_release(device, x.data);
    device_release(device, w.data);
    device_release(device, y.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_errs_by_little_more_than_plain_bf16),
    };
    assert_ok(device_open("cpu", 2, &device));
    assert_ok(queue_open(device, 2, &queue));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    queue_close(queue);
    device_close(device);
    return failed;
}
