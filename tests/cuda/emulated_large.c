/* Kernels reach elements behind 2^31, which an int does not count. A long array is one piece of memory seen
 * over and over again, zeros to begin with, so that it takes address space alone; its end is memory of its
 * own, where a test looks.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "emulated.h"
#include "tengen/mem.h"
#include "tengen/ops.h"
#include "testing.h"

enum { ROWS = (1 << 28) + 3, CHANNELS = 8, PIECE = 4 << 20 };
static struct queue *queue;

/* The whole array lies right before an end that cannot be read or written. */
static void *long_memory(size_t bytes) {
    const size_t pieces = bytes / PIECE, page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t size = (pieces + 1) * PIECE;
    char *memory = mmap(NULL, size + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int piece = memfd_create("piece", 0);
    assert_true(memory != MAP_FAILED && piece >= 0 && ftruncate(piece, PIECE) == 0);
    for (size_t i = 0; i < pieces; i++)
        assert_true(mmap(memory + i * PIECE, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, piece,
                         0) != MAP_FAILED);
    assert_int_equal(mprotect(memory + pieces * PIECE, PIECE, PROT_READ | PROT_WRITE), 0);
    close(piece);
    return memory + size - bytes;
}

static void long_free(void *data, size_t bytes) {
    const size_t size = (bytes / PIECE + 1) * PIECE, page = (size_t)sysconf(_SC_PAGESIZE);
    munmap((char *)data + bytes - size, size + page);
}

static struct tensor long_make(enum dtype dtype) {
    struct tensor t = tensor_2(NULL, dtype, ROWS, CHANNELS);
    t.data = long_memory(tensor_bytes(t));
    return t;
}

static void long_release(struct tensor t) {
    long_free(t.data, tensor_bytes(t));
}

/* Element k of the last row. */
static float *last_f32(struct tensor t, int k) {
    return (float *)t.data + tensor_count(t) - CHANNELS + k;
}
static uint16_t *last_bf16(struct tensor t, int k) {
    return (uint16_t *)t.data + tensor_count(t) - CHANNELS + k;
}

static void maps_reach_the_end(void **state) {
    (void)state;
    struct tensor y = long_make(DTYPE_BF16);
    queue->op->fill(queue, y, 3);
    assert_ok(queue_wait(queue));
    for (int k = 0; k < CHANNELS; k++)
        assert_near(bf16_to_float(*last_bf16(y, k)), 3, 0, 0);
    long_release(y);
}

static void maps_by_channels_reach_the_end(void **state) {
    (void)state;
    float b[CHANNELS];
    struct tensor y = long_make(DTYPE_BF16), bias = tensor_1(b, DTYPE_F32, CHANNELS);
    for (int k = 0; k < CHANNELS; k++)
        b[k] = (float)k;
    *last_bf16(y, 5) = bf16_from_float(1);
    queue->op->bias_forward(queue, y, y, bias, ACTIVATION_RELU);
    assert_ok(queue_wait(queue));
    for (int k = 0; k < CHANNELS; k++)
        assert_near(bf16_to_float(*last_bf16(y, k)), k + (k == 5), 0, 0);
    long_release(y);
}

static void sums_reach_the_end(void **state) {
    (void)state;
    float db[CHANNELS] = {0}, squares = 0;
    struct tensor dy = long_make(DTYPE_F32);
    for (int k = 0; k < CHANNELS; k++)
        *last_f32(dy, k) = (float)(k + 1);
    queue->op->bias_backward(queue, tensor_1(db, DTYPE_F32, CHANNELS), dy);
    queue->op->sum_squares(queue, tensor_1(&squares, DTYPE_F32, 1), dy);
    assert_ok(queue_wait(queue));
    for (int k = 0; k < CHANNELS; k++)
        assert_near(db[k], k + 1, 0, 0);
    assert_near(squares, 204, 0, 0);
    long_release(dy);
}

static void rows_reach_the_end(void **state) {
    (void)state;
    enum { WIDTH = 1 << 13, COUNT = (1 << 18) + 1 };
    float *loss = MEM_NEW(float, COUNT);
    struct tensor x = tensor_2(NULL, DTYPE_F32, COUNT, WIDTH), t = x;
    x.data = long_memory(tensor_bytes(x));
    t.data = long_memory(tensor_bytes(t));
    for (int k = 0; k < CHANNELS; k++)
        *last_f32(x, k) = (float)(k + 1);
    queue->op->squared_error(queue, tensor_1(loss, DTYPE_F32, COUNT), x, x, t, tensor_none(), 1);
    assert_ok(queue_wait(queue));
    assert_near(loss[COUNT - 1], 204, 0, 0);
    for (int k = 0; k < CHANNELS; k++)
        assert_near(*last_f32(x, k), 2 * (k + 1), 0, 0);
    mem_free(loss);
    long_release(x);
    long_release(t);
}

static void pools_reach_the_end(void **state) {
    (void)state;
    enum { SIDE = 128, SAMPLES = (1 << 14) + 1 };
    uint16_t *pooled = MEM_NEW(uint16_t, SAMPLES * CHANNELS);
    struct tensor x = tensor_4(NULL, DTYPE_BF16, SAMPLES, SIDE, SIDE, CHANNELS);
    struct tensor y = tensor_2(pooled, DTYPE_BF16, SAMPLES, CHANNELS);
    x.data = long_memory(tensor_bytes(x));
    *last_bf16(x, 2) = bf16_from_float(7);
    queue->op->pool_forward(queue, y, x, POOLING_MAX);
    queue->op->pool_backward(queue, x, y, y, x, POOLING_MAX, true);
    assert_ok(queue_wait(queue));
    assert_near(bf16_to_float(*last_bf16(y, 2)), 7, 0, 0);
    assert_near(bf16_to_float(*last_bf16(x, 2)), 14, 0, 0);
    mem_free(pooled);
    long_release(x);
}

static void frames_reach_the_end(void **state) {
    (void)state;
    enum { SIDE = 64, SLOTS = (1 << 19) + 1 };
    static uint8_t fresh[SIDE * SIDE];
    static float y[SIDE * SIDE * 4];
    int32_t last = SLOTS - 1, slots[4] = {0, SLOTS - 1, 1, SLOTS - 1};
    struct tensor frames = tensor_4(NULL, DTYPE_U8, SLOTS, SIDE, SIDE, 1);
    frames.data = long_memory(tensor_bytes(frames));
    for (int i = 0; i < SIDE * SIDE; i++)
        fresh[i] = (uint8_t)(i % 251);
    queue->op->frames_put(queue, frames, tensor_4(fresh, DTYPE_U8, 1, SIDE, SIDE, 1),
                          tensor_1(&last, DTYPE_I32, 1));
    queue->op->frames_gather(queue, tensor_4(y, DTYPE_F32, 1, SIDE, SIDE, 4), frames,
                             tensor_2(slots, DTYPE_I32, 1, 4));
    assert_ok(queue_wait(queue));
    for (int i = 0; i < SIDE * SIDE * 4; i++)
        assert_near(y[i], i % 2 ? (float)(i / 4 % 251) * (1.0f / 255.0f) : 0, 0, 0);
    long_free(frames.data, tensor_bytes(frames));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_reach_the_end),  cmocka_unit_test(maps_by_channels_reach_the_end),
        cmocka_unit_test(sums_reach_the_end),  cmocka_unit_test(rows_reach_the_end),
        cmocka_unit_test(pools_reach_the_end), cmocka_unit_test(frames_reach_the_end),
    };
    struct device device = {.backend = &emulated_backend, .kind = DEVICE_CUDA, .threads = 1};
    if (emulated_backend.device_open(&device) != STATUS_OK || queue_open(&device, 1, &queue) != STATUS_OK)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    queue_close(queue);
    return failed;
}
