/* Winograd convolutions on a CPU against sums in double precision: how much their rounding costs. */
#include "testing.h"

#include <math.h>

#include "ops/reference.h"
#include "ops/winograd_tile.h"
#include "random_tensor.h"
#include "tengen/mem.h"

struct layer {
    int n, size, channels, outputs, kernel, stride, pad;
};

static const struct layer residual_layer = {2, 19, 128, 128, 3, 1, 1},
                          first_atari_layer = {2, 84, 4, 32, 8, 4, 0},
                          second_atari_layer = {2, 20, 32, 64, 4, 2, 0};

static struct device *device;
static struct queue *queue;

static struct tensor tensor_random(int n, int h, int c, enum dtype dtype, double scale, uint64_t stream) {
    return random_tensor(device, 4, (int[]){n, h, h, c}, dtype, scale, rng_make(5, RNG_TEST, stream));
}

static double value_at(struct tensor t, size_t i) {
    return t.dtype == DTYPE_F32 ? (double)((const float *)t.data)[i]
                                : (double)bf16_to_float(((const uint16_t *)t.data)[i]);
}

enum pass { FORWARD, DATA, WEIGHTS };

/* What the pass should leave in its output, weights as they are in F32. */
static double *expected(const struct layer *l, enum pass pass, struct tensor y, struct tensor x,
                        struct tensor w) {
    const struct tensor outputs[] = {y, x, w};
    double *sum = MEM_NEW(double, tensor_count(outputs[pass]));
    const int size = y.dims[1], rows = l->n * size * size;
    for (int row = 0; row < rows; row++)
        for (int tap = 0; tap < l->kernel * l->kernel; tap++) {
            const int h = row / size % size * l->stride + tap / l->kernel - l->pad;
            const int k = row % size * l->stride + tap % l->kernel - l->pad;
            if (h < 0 || h >= l->size || k < 0 || k >= l->size) continue;
            const size_t point = (size_t)((row / (size * size) * l->size + h) * l->size + k);
            for (int o = 0; o < l->outputs; o++)
                for (int c = 0; c < l->channels; c++) {
                    const size_t at[] = {(size_t)(row * l->outputs + o),
                                         point * (size_t)l->channels + (size_t)c,
                                         (size_t)((o * l->kernel * l->kernel + tap) * l->channels + c)};
                    if (pass == FORWARD) sum[at[0]] += value_at(x, at[1]) * value_at(w, at[2]);
                    if (pass == DATA) sum[at[1]] += value_at(y, at[0]) * value_at(w, at[2]);
                    if (pass == WEIGHTS) sum[at[2]] += value_at(y, at[0]) * value_at(x, at[1]);
                }
        }
    return sum;
}

/* Root mean square of the error over that of the result. */
static double relative_error(struct tensor got, const double *want) {
    double difference = 0.0, size = 0.0;
    for (size_t i = 0; i < tensor_count(got); i++) {
        double d = value_at(got, i) - want[i];
        difference += d * d;
        size += want[i] * want[i];
    }
    return sqrt(difference / size);
}

/* The errors of a pass: [0] as this processor does it, [1] by plain sums of BF16 factors. */
static void errors_of(const struct layer *l, enum pass pass, double error[2]) {
    const int out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
    const struct conv conv = {l->stride, l->stride, l->pad, l->pad};
    struct tensor x = tensor_random(l->n, l->size, l->channels, DTYPE_BF16, 1.0, 1);
    struct tensor y = tensor_random(l->n, out, l->outputs, DTYPE_BF16, 1.0, 2);
    struct tensor w = tensor_random(l->outputs, l->kernel, l->channels, DTYPE_F32, 0.04, 3);
    double *want = expected(l, pass, y, x, w);
    for (int plain = 0; plain < 2; plain++) {
        cpu_use_reference(plain);
        if (pass == FORWARD)
            queue->op->conv_forward(queue, y, x, w, tensor_none(), tensor_none(), conv, ACTIVATION_NONE);
        else if (pass == DATA)
            queue->op->conv_backward_data(queue, x, y, w, conv, false);
        else
            queue->op->fill(queue, w, 0.0f), queue->op->conv_backward_weights(queue, w, x, y, conv);
        error[plain] = relative_error(pass == FORWARD ? y : pass == DATA ? x : w, want);
    }
    cpu_use_reference(false);
    print_message("rms error %.5f, of plain bf16 %.5f\n", error[0], error[1]);
    mem_free(want);
    device_release(device, x.data);
    device_release(device, y.data);
    device_release(device, w.data);
}

static void a_convolution_errs_by_less_than_twice_what_plain_bf16_does(void **state) {
    (void)state;
    const struct layer *layers[] = {&residual_layer, &first_atari_layer, &second_atari_layer};
    double error[2];
    for (int i = 0; i < 3; i++) {
        errors_of(layers[i], FORWARD, error);
        assert_true(error[1] > 1e-3 && error[0] < 2.0 * error[1]);
        /* Where it can, this processor takes the transforms: they round otherwise. */
        if (winograd_supported()) assert_true(error[0] > 1.1 * error[1]);
    }
    errors_of(&residual_layer, DATA, error);
    assert_true(error[1] > 1e-3 && error[0] < 2.0 * error[1]);
}

/* Plain sums of what is BF16 already are all but exact. */
static void a_gradient_of_weights_errs_by_less_than_half_a_percent(void **state) {
    (void)state;
    double error[2];
    errors_of(&residual_layer, WEIGHTS, error);
    assert_true(error[1] < 1e-5 && error[0] < 0.005);
    if (winograd_supported()) assert_true(error[0] > 1e-4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_errs_by_less_than_twice_what_plain_bf16_does),
        cmocka_unit_test(a_gradient_of_weights_errs_by_less_than_half_a_percent),
    };
    assert_ok(device_open("cpu", 2, &device));
    assert_ok(queue_open(device, 2, &queue));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    queue_close(queue);
    device_close(device);
    return failed;
}
