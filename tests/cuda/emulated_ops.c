/* The CUDA twins of all operations but those that libraries do, run on the CPU by the harness that holds the
 * CPU's: every case in three orders of blocks and threads. `emulated_ops NAME` runs one operation. */
#include "ops/ops_cases.h"

#include <ctype.h>
#include <glob.h>

#include "cuda/queue.h"
#include "emulated.h"

#include "tengen/file.h"

/* Convolutions and matrix products are calls of cuDNN and cuBLASLt, which run on a GPU only (gpu_ops holds
 * them). */
static const char *const by_library[] = {"conv_forward",   "conv_backward_data",   "conv_backward_weights",
                                         "linear_forward", "linear_backward_data", "linear_backward_weights"};

static struct harness harness;

static void open_emulated(struct harness *h) {
    struct device *d = MEM_NEW(struct device, 1);
    d->backend = &emulated_backend;
    d->kind = DEVICE_CUDA;
    d->threads = 1;
    assert_ok(emulated_backend.device_open(d));
    harness_open_device(h, d, MAX_QUEUES);
}

static bool is_by_library(const char *name) {
    for (size_t i = 0; i < sizeof by_library / sizeof by_library[0]; i++)
        if (strcmp(name, by_library[i]) == 0) return true;
    return false;
}

static void kernel_agrees_with_double_precision(void **state) {
    op_case_check(*state, &harness);
}

/* ---- what the harness does not reach ----------------------------------------------------------------------
 */

static struct tensor tensor_random(struct queue *q, enum dtype dtype, int rank, const int *dims, int skip) {
    struct rng rng = rng_make(3, RNG_TEST, (uint64_t)rank);
    struct tensor t = tensor_make(NULL, dtype, rank, dims);
    size_t each = dtype_size(dtype), n = tensor_count(t);
    char *memory = device_alloc(q->device, (n + (size_t)skip) * each);
    t.data = memory + (size_t)skip * each;
    for (size_t i = 0; i < n; i++) {
        float value = rng_normal(&rng);
        if (dtype == DTYPE_F32)
            ((float *)t.data)[i] = value;
        else
            ((uint16_t *)t.data)[i] = bf16_from_float(value);
    }
    return t;
}

static void tensor_free(struct queue *q, struct tensor t, int skip) {
    device_release(q->device, (char *)t.data - (size_t)skip * dtype_size(t.dtype));
}

static double value_of(struct tensor t, size_t i) {
    return t.dtype == DTYPE_F32 ? (double)((float *)t.data)[i]
                                : (double)bf16_to_float(((uint16_t *)t.data)[i]);
}

/* Views need not begin at a multiple of 16 bytes. */
static void misaligned_views_give_the_same(void **state) {
    (void)state;
    static const int dims[4] = {3, 5, 7, 16};
    struct queue *q = harness.queues[2];
    for (int d = 0; d < 2; d++) {
        enum dtype dtype = both_dtypes[d];
        struct tensor sum[2], y[2], pooled[2], squares[2], rows[2];
        for (int skip = 0; skip < 2; skip++) {
            struct tensor x = tensor_random(q, dtype, 4, dims, skip),
                          b = tensor_random(q, DTYPE_F32, 1, dims + 3, 0);
            y[skip] = tensor_random(q, dtype, 4, dims, skip);
            sum[skip] = tensor_random(q, DTYPE_F32, 1, dims + 3, 0);
            pooled[skip] = tensor_random(q, dtype, 2, (int[]){3, 16}, skip);
            squares[skip] = tensor_random(q, DTYPE_F32, 1, (int[]){1}, 0);
            struct tensor one = tensor_random(q, DTYPE_F32, 4, dims, skip);
            q->op->bias_forward(q, y[skip], x, b, ACTIVATION_RELU);
            q->op->add_forward(q, y[skip], y[skip], x, ACTIVATION_TANH);
            q->op->bias_backward(q, sum[skip], x);
            q->op->pool_forward(q, pooled[skip], x, POOLING_MAX);
            q->op->pool_backward(q, x, pooled[skip], pooled[skip], x, POOLING_MEAN, false);
            rows[skip] = tensor_random(q, DTYPE_F32, 4, dims, skip);
            q->op->sum_squares(q, squares[skip], one);
            q->op->standardise(q, one, one);
            q->op->rows_gather(q, rows[skip], one, tensor_none());
            assert_ok(queue_wait(q));
            tensor_free(q, x, skip);
            tensor_free(q, one, skip);
            tensor_free(q, b, 0);
        }
        struct tensor *all[] = {sum, squares, y, pooled, rows};
        for (int k = 0; k < 5; k++) {
            for (size_t i = 0; i < tensor_count(all[k][0]); i++)
                assert_near(value_of(all[k][1], i), value_of(all[k][0], i), 1e-6, 1e-6);
            tensor_free(q, all[k][0], 0);
            tensor_free(q, all[k][1], k >= 2);
        }
    }
}

/* What follows a convolution that cuDNN could not fuse; the residual may be the output. */
static void the_epilogue_adds_bias_and_residual(void **state) {
    (void)state;
    static const int dims[4] = {3, 5, 7, 17};
    for (int variant = 0; variant < 8; variant++) {
        struct queue *q = harness.queues[variant % 3];
        enum dtype dtype = both_dtypes[variant % 2];
        bool in_place = variant / 2 % 2, bias = variant / 4;
        struct tensor y = tensor_random(q, dtype, 4, dims, 0), x = tensor_random(q, dtype, 4, dims, 0);
        struct tensor r = in_place ? y : tensor_random(q, dtype, 4, dims, 0), b = tensor_none();
        if (bias) b = tensor_random(q, DTYPE_F32, 1, dims + 3, 0);
        size_t n = tensor_count(y);
        double *expected = MEM_NEW(double, n);
        for (size_t i = 0; i < n; i++)
            expected[i] = act_value(value_of(x, i) + (bias ? value_of(b, i % 17) : 0.0) + value_of(r, i),
                                    ACTIVATION_RELU);
        cuda_epilogue(q, y, x, b, r, ACTIVATION_RELU);
        assert_ok(queue_wait(q));
        for (size_t i = 0; i < n; i++)
            assert_near(value_of(y, i), expected[i], tolerance(dtype), tolerance(dtype));
        mem_free(expected);
        tensor_free(q, y, 0);
        tensor_free(q, x, 0);
        if (!in_place) tensor_free(q, r, 0);
        if (bias) tensor_free(q, b, 0);
    }
}

enum { ROWS = 8, WIDTH = 5, CELLS = ROWS * WIDTH };

/* Rows with NaN, with infinities, with -inf alone, some of it masked. */
static const float special_x[ROWS][WIDTH] = {{1, -INFINITY, 2, 0.5f, -1},
                                             {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY},
                                             {NAN, 1, 2, 3, 4},
                                             {INFINITY, 1, 2, 3, 4},
                                             {NAN, NAN, NAN, NAN, NAN},
                                             {-0.0f, 0.0f, -100, 100, 1e-40f},
                                             {-INFINITY, 3, -INFINITY, 1, INFINITY},
                                             {1, 1, 1, 1, 1}};
static const uint8_t special_mask[ROWS][WIDTH] = {{1, 1, 0, 1, 1}, {0, 1, 0, 1, 0}, {0, 1, 1, 1, 1},
                                                  {0, 1, 1, 1, 1}, {1, 0, 1, 0, 1}, {1, 1, 1, 1, 1},
                                                  {1, 1, 1, 1, 0}, {0, 0, 0, 0, 0}};

static struct tensor next(float **at) {
    *at += CELLS;
    return tensor_2(*at - CELLS, DTYPE_F32, ROWS, WIDTH);
}

/* What some operations make of these, one after the other; how many values. */
static size_t special_run(struct queue *q, float *out) {
    static float x[ROWS][WIDTH], t[ROWS][WIDTH], row[ROWS], ones[ROWS];
    static uint8_t mask[ROWS][WIDTH];
    static int32_t actions[ROWS];
    float *at = out;
    memcpy(x, special_x, sizeof x);
    memcpy(mask, special_mask, sizeof mask);
    for (int i = 0; i < CELLS; i++)
        t[i / WIDTH][i % WIDTH] = (float)(i % 3) * 0.5f;
    for (int i = 0; i < ROWS; i++) {
        ones[i] = 1.0f;
        actions[i] = i % WIDTH;
    }
    struct tensor tx = tensor_2(x, DTYPE_F32, ROWS, WIDTH), tt = tensor_2(t, DTYPE_F32, ROWS, WIDTH);
    struct tensor tr = tensor_1(row, DTYPE_F32, ROWS), to = tensor_1(ones, DTYPE_F32, ROWS);
    const struct policy_constants k = {SURROGATE_CLIP, 0.2f, 0.0f, 0.0f, 0.5f, 0.01f};
    for (int masked = 0; masked < 2; masked++) {
        struct tensor tm = masked ? tensor_2(mask, DTYPE_U8, ROWS, WIDTH) : tensor_none();
        struct tensor p = next(&at), l = next(&at), stats = next(&at), dx = next(&at);
        q->op->softmax_forward(q, p, tx, tm);
        q->op->log_softmax_forward(q, l, tx, tm);
        q->op->softmax_backward(q, next(&at), tt, p, false);
        q->op->log_softmax_backward(q, next(&at), tt, l, false);
        q->op->cross_entropy(q, tr, next(&at), tx, tt, tm, tensor_none(), 1.0f);
        memcpy(at, row, sizeof row);
        at += ROWS;
        q->op->policy_loss(q, stats, dx, tr, tx, to, tensor_1(actions, DTYPE_I32, ROWS), to, to, to,
                           tensor_none(), tm, (struct choices){1, {WIDTH}}, k, 1.0f);
    }
    q->op->activation_forward(q, next(&at), tx, ACTIVATION_RELU);
    q->op->activation_backward(q, next(&at), tt, tx, ACTIVATION_RELU, false);
    struct tensor image = tensor_4(x, DTYPE_F32, 1, ROWS, 1, WIDTH), best = tensor_2(at, DTYPE_F32, 1, WIDTH);
    at += WIDTH;
    struct tensor dx = tensor_4(next(&at).data, DTYPE_F32, 1, ROWS, 1, WIDTH);
    q->op->pool_forward(q, best, image, POOLING_MAX);
    q->op->pool_backward(q, dx, tensor_2(t, DTYPE_F32, 1, WIDTH), best, image, POOLING_MAX, false);
    assert_ok(queue_wait(q));
    return (size_t)(at - out);
}

static void special_values_go_where_the_cpu_sends_them(void **state) {
    (void)state;
    static float expected[32 * CELLS], got[32 * CELLS];
    struct device *cpu;
    struct queue *q;
    assert_ok(device_open("cpu", 1, &cpu));
    assert_ok(queue_open(cpu, 1, &q));
    const size_t n = special_run(q, expected);
    assert_true(n <= sizeof got / sizeof got[0]);
    for (int order = 0; order < 3; order++) {
        special_run(harness.queues[order], got);
        for (size_t i = 0; i < n; i++)
            if (isnan(expected[i]) ? !isnan(got[i])
                                   : !is_near((double)got[i], (double)expected[i], 1e-5, 1e-6))
                fail_msg("value %zu is %g, on the CPU %g", i, (double)got[i], (double)expected[i]);
    }
    queue_close(q);
    device_close(cpu);
}

/* ---- completeness -----------------------------------------------------------------------------------------
 */

static void only_operations_of_libraries_are_left_out(void **state) {
    (void)state;
    void *entries[OP_CASES];
    _Static_assert(sizeof entries == sizeof(struct ops), "one pointer an operation");
    memcpy(entries, emulated_backend.op, sizeof entries);
    for (int i = 0; i < OP_CASES; i++)
        if (is_by_library(op_cases[i].name) != !entries[i])
            fail_msg("%s: %s", op_cases[i].name,
                     entries[i] ? "runs, and is listed as a library's" : "does not run");
}

/* Names every kernel of a file that was not launched: behind __global__ the first name that ends in _kernel.
 */
static int file_kernels(const char *path, int *missing) {
    char *text;
    size_t size;
    int kernels = 0;
    assert_ok(file_read(path, &text, &size));
    for (char *at = text; (at = strstr(at, "__global__"));) {
        char name[128] = "", *end = strstr(at, "_kernel(");
        at += 10;
        if (!end || end - at > 400) fail_msg("%s: a kernel whose name does not end in _kernel", path);
        const char *from = end;
        while (isalnum((unsigned char)from[-1]) || from[-1] == '_')
            from--;
        snprintf(name, sizeof name, "%.*s_kernel", (int)(end - from), from);
        kernels++;
        if (emulated_launched(name)) continue;
        print_message("%s: %s was never launched\n", path, name);
        ++*missing;
    }
    mem_free(text);
    return kernels;
}

static void every_kernel_was_launched(void **state) {
    (void)state;
    glob_t files = {0};
    int kernels = 0, missing = 0;
    glob(TENGEN_SOURCE_DIR "/cuda/*.cu", 0, NULL, &files);
    glob(TENGEN_SOURCE_DIR "/cuda/*.cuh", GLOB_APPEND, NULL, &files);
    for (size_t i = 0; i < files.gl_pathc;
         i++) /* emulated_env launches those of env.cu, which a list makes */
        if (!strstr(files.gl_pathv[i], "/env.cu")) kernels += file_kernels(files.gl_pathv[i], &missing);
    globfree(&files);
    print_message("%d kernels, %d never launched\n", kernels, missing);
    assert_true(kernels > 10);
    assert_int_equal(missing, 0);
}

int main(int argc, char **argv) {
#ifdef __SANITIZE_THREAD__
    return TEST_SKIPPED; /* the thread sanitizer does not follow fibers */
#endif
    struct CMUnitTest tests[OP_CASES + 8] = {0};
    size_t count = 0;
    for (int i = 0; i < OP_CASES; i++) {
        const char *name = op_cases[i].name;
        if (is_by_library(name) || (argc > 1 && !strstr(name, argv[1]))) continue;
        tests[count++] = (struct CMUnitTest){name, kernel_agrees_with_double_precision, NULL, NULL,
                                             (void *)(uintptr_t)&op_cases[i]};
    }
    const struct CMUnitTest others[] = {
        cmocka_unit_test(misaligned_views_give_the_same),
        cmocka_unit_test(the_epilogue_adds_bias_and_residual),
        cmocka_unit_test(special_values_go_where_the_cpu_sends_them),
        cmocka_unit_test(only_operations_of_libraries_are_left_out),
        cmocka_unit_test(every_kernel_was_launched), /* last: the others launch */
    };
    for (size_t i = 0; argc == 1 && i < sizeof others / sizeof others[0]; i++)
        tests[count++] = others[i];
    open_emulated(&harness);
    int failed = _cmocka_run_group_tests("CUDA kernels on the CPU", tests, count, NULL, NULL);
    harness_close(&harness);
    return failed;
}
