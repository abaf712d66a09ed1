/* A replay whose frames lie on a GPU, or on the host as a GPU reads them, as the CUDA kernels treat it. */
#include "emulated.h"

#include "../data/replay_history.h"

#include "tengen/mem.h"

static struct device device = {.backend = &emulated_backend, .kind = DEVICE_CUDA, .threads = 1};
static struct queue *queue;
static int mapped; /* how often mapped memory was given out */

static void samples_are_what_happened(void **state) {
    struct replay_shape s = history_shape;
    s.on_host = *state != NULL;
    const int before = mapped;
    check_samples(&s, queue, 80);
    assert_int_equal(mapped - before, s.on_host);
}

/* Bytes of some rounds on a queue. */
static uint8_t *saved_by(struct queue *q, struct replay *r, size_t *size) {
    static struct history h;
    struct rng rng = rng_make(5, RNG_TEST, 0);
    memset(&h, 0, sizeof h);
    assert_ok(replay_init(r, &history_shape, q));
    for (int round = 0; round < 100; round++)
        live(&h, r, &rng, true);
    return replay_save(r, NULL, size);
}

static void what_is_saved_is_the_same_on_every_device_and_goes_from_one_to_the_other(void **state) {
    (void)state;
    struct device *cpu;
    struct queue *host;
    struct replay here, there;
    size_t sizes[3];
    assert_ok(device_open("cpu", 1, &cpu));
    assert_ok(queue_open(cpu, 1, &host));
    uint8_t *by_cpu = saved_by(host, &here, &sizes[0]), *by_gpu = saved_by(queue, &there, &sizes[1]);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(by_cpu, by_gpu, sizes[0]);
    replay_free(&there);
    assert_ok(replay_init(&there, &history_shape, queue));
    assert_ok(replay_load(&there, NULL, by_cpu, sizes[0]));
    uint8_t *again = replay_save(&there, NULL, &sizes[2]);
    assert_int_equal(sizes[2], sizes[0]);
    assert_memory_equal(again, by_cpu, sizes[0]);
    mem_free(by_cpu);
    mem_free(by_gpu);
    mem_free(again);
    replay_free(&here);
    replay_free(&there);
    queue_close(host);
    device_close(cpu);
}

static bool little(struct device *d, size_t *free_bytes, size_t *total) {
    (void)d;
    *free_bytes = *total = (size_t)100 * POINTS;
    return true;
}

/* The frames alone take the device's room; the capacity that is named leaves a tenth of it. */
static void what_the_device_has_no_room_for_is_refused_with_what_fits(void **state) {
    (void)state;
    struct backend small = emulated_backend;
    struct replay r;
    const struct backend *all = device.backend;
    small.memory = little;
    device.backend = &small;
    assert_fails(replay_init(&r, &history_shape, queue), STATUS_MEMORY,
                 "MB of the device, but 0 MB are free: capacity = 90 would fit");
    device.backend = all;
}

static void *map(struct device *d, size_t bytes) {
    mapped++;
    return emulated_backend.alloc(d, bytes);
}

static void unmap(struct device *d, void *memory) {
    emulated_backend.release(d, memory, 0);
}

int main(void) {
#ifdef __SANITIZE_THREAD__
    return TEST_SKIPPED; /* the thread sanitizer does not follow fibers */
#endif
    const struct CMUnitTest tests[] = {
        {"samples_are_what_happened_with_frames_on_the_device", samples_are_what_happened, NULL, NULL, NULL},
        {"samples_are_what_happened_with_frames_on_the_host", samples_are_what_happened, NULL, NULL, &mapped},
        cmocka_unit_test(what_is_saved_is_the_same_on_every_device_and_goes_from_one_to_the_other),
        cmocka_unit_test(what_the_device_has_no_room_for_is_refused_with_what_fits),
    };
    struct backend backend = emulated_backend;
    backend.alloc_mapped = map;
    backend.release_mapped = unmap;
    device.backend = &backend;
    if (backend.device_open(&device) != STATUS_OK || queue_open(&device, 3, &queue) != STATUS_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    queue_close(queue);
    return failed;
}
