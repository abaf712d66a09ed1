/* Devices and queues. */
#include "testing.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tengen/account.h"
#include "tengen/device.h"
#include "tengen/ops.h"

static void an_unknown_device_is_refused(void **state) {
    (void)state;
    struct device *d = (void *)1;
    assert_fails(device_open("gpu", 0, &d), STATUS_USAGE, "use cpu, cuda, cuda:INDEX or auto");
    assert_null(d);
    assert_fails(device_open("cuda:x", 0, &d), STATUS_USAGE, "'cuda:x'");
    assert_fails(device_open("cuda:", 0, &d), STATUS_USAGE, "'cuda:'");
}

static void a_missing_gpu_says_why_and_what_to_do(void **state) {
    (void)state;
    struct device *d;
    if (device_open("cuda:97", 0, &d) == STATUS_OK) fail_msg("there is a 98th GPU");
    assert_non_null(strstr(status_text(), "cuda"));
    assert_non_null(strstr(status_text(), ": "));
}

static void auto_always_finds_a_device(void **state) {
    (void)state;
    struct device *d;
    assert_ok(device_open("auto", 1, &d));
    device_close(d);
}

static void memory_is_zeroed_and_travels(void **state) {
    (void)state;
    struct device *d;
    struct queue *q;
    float in[5] = {1, 2, 3, 4, 5}, out[5];
    assert_ok(device_open("cpu", 0, &d));
    assert_ok(queue_open(d, 1, &q));
    assert_null(q->pool);
    for (size_t size = 1; size < (size_t)8 << 20; size = size * 5 + 3) {
        unsigned char *memory = device_alloc(d, size);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 1, size);
        device_release(d, memory);
    }
    const size_t much = ((size_t)65 << 20) + 1; /* there when it is touched */
    unsigned char *large = device_alloc(d, much);
    assert_int_equal((uintptr_t)large % 64, 0);
    for (size_t i = 0; i < much; i += 4095)
        assert_int_equal(large[i], 0);
    large[much - 1] = 1;
    device_release(d, large);
    struct tensor t = tensor_1(device_alloc(d, sizeof in), DTYPE_F32, 5);
    queue_upload(q, t, in);
    queue_download(q, out, t);
    assert_ok(queue_wait(q));
    assert_memory_equal(in, out, sizeof in);
    device_release(d, t.data);
    device_release(d, NULL);
    queue_close(q);
    device_close(d);
}

/* And charged no longer. */
static void memories_are_taken_back_in_any_order(void **state) {
    (void)state;
    enum { N = 4096, STEP = 1237 }; /* coprime: every one once */
    static void *memories[N];
    struct device *d;
    assert_ok(device_open("cpu", 1, &d));
    const size_t before = accounts_held(ACCOUNT_HOST);
    for (int round = 0; round < 3; round++) {
        for (int i = round ? N / 2 : 0; i < N; i++)
            memories[i] = device_alloc(d, 64 + (size_t)i);
        for (int i = 0; i < N; i++) {
            const int at = (int)((size_t)i * STEP % N);
            if (round < 2 && at < N / 2) continue; /* half of them stay to the end */
            device_release(d, memories[at]);
        }
    }
    assert_int_equal(accounts_held(ACCOUNT_HOST), before);
    device_close(d);
}

static void *nothing(struct device *d, size_t bytes) {
    (void)d, (void)bytes;
    return NULL;
}

static bool little(struct device *d, size_t *free_bytes, size_t *total) {
    (void)d;
    *free_bytes = 3 << 20;
    *total = 8 << 20;
    return true;
}

static void memory_that_is_out_ends_the_program_and_says_what_was_asked_for(void **state) {
    (void)state;
    struct device *d;
    char said[600];
    int ends[2];
    assert_ok(device_open("cpu", 1, &d));
    void *held = device_alloc(d, 2 << 20);
    struct backend full = *d->backend;
    const struct backend *cpu = d->backend;
    full.alloc = nothing;
    full.memory = little;
    d->backend = &full;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        device_alloc(d, 5 << 20);
        _exit(0);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], said, sizeof said - 1);
    said[got > 0 ? got : 0] = 0;
    close(ends[0]);
    int end;
    assert_int_equal(waitpid(child, &end, 0), child);
    assert_true(WIFEXITED(end) && WEXITSTATUS(end) == 1);
    assert_non_null(strstr(said, d->name));
    assert_non_null(strstr(said, "out of memory: 5.0 MiB asked for"));
    assert_non_null(strstr(said, "3.0 of 8.0 MiB are free: use a smaller batch or network"));
    d->backend = cpu;
    device_release(d, held);
    device_close(d);
}

static void mapped_memory_is_the_hosts(void **state) {
    (void)state;
    struct device *d;
    struct backend gpu;
    assert_ok(device_open("cpu", 1, &d));
    gpu = *d->backend;
    d->backend = &gpu;
    for (int kind = DEVICE_CPU; kind <= DEVICE_CUDA; kind++) {
        const size_t before[] = {accounts_held(ACCOUNT_HOST), accounts_held(ACCOUNT_DEVICE)};
        d->kind = (enum device_kind)kind;
        void *memory = device_alloc_mapped(d, 5000);
        assert_in_range(accounts_held(ACCOUNT_HOST) - before[0], 5000, 6000);
        assert_int_equal(accounts_held(ACCOUNT_DEVICE), before[1]);
        device_release(d, memory);
        assert_int_equal(accounts_held(ACCOUNT_HOST), before[0]);
    }
    d->kind = DEVICE_CPU;
    device_close(d);
}

static void the_description_names_every_back_end(void **state) {
    (void)state;
    char text[4096], little[10];
    device_describe_all(text, sizeof text);
    assert_non_null(strstr(text, "cpu: "));
    assert_non_null(strstr(text, "oneDNN: "));
    assert_non_null(strstr(text, "cuda: "));
    device_describe_all(little, sizeof little);
    assert_true(strlen(little) < sizeof little);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_device_is_refused),
        cmocka_unit_test(a_missing_gpu_says_why_and_what_to_do),
        cmocka_unit_test(auto_always_finds_a_device),
        cmocka_unit_test(memory_is_zeroed_and_travels),
        cmocka_unit_test(memories_are_taken_back_in_any_order),
        cmocka_unit_test(memory_that_is_out_ends_the_program_and_says_what_was_asked_for),
        cmocka_unit_test(mapped_memory_is_the_hosts),
        cmocka_unit_test(the_description_names_every_back_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
