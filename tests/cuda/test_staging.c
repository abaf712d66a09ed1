/* The pinned memory behind copies, with a CUDA runtime of the test's own: copies run as late as they may,
 * when an event behind them is waited for. What is overwritten too early comes out wrong. */
#include "testing.h"

#if __has_include(<cuda_runtime_api.h>)
#include "cuda/staging.c"
#include "tengen/mem.h"

/* ---- a runtime with one stream ----------------------------------------------------------------------------
 */

enum { MOST = 4096 };

static struct copy {
    void *to;
    const void *from;
    size_t bytes;
} copies[MOST];
static int queued, done, waits; /* copies queued; run; and waits that had to run some */
static int most;                /* copies under way at once */
static size_t pinned;           /* bytes allocated */

/* An event is the number of copies before it, and 1. */
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    (void)flags;
    *event = (cudaEvent_t)MEM_NEW(int, 1);
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    mem_free(event);
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    (void)stream;
    *(int *)(void *)event = queued;
    return cudaSuccess;
}
static void run_until(int end) {
    for (; done < end; done++)
        memcpy(copies[done].to, copies[done].from, copies[done].bytes);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    waits += *(int *)(void *)event > done;
    run_until(*(int *)(void *)event);
    return cudaSuccess;
}
cudaError_t cudaHostAlloc(void **memory, size_t size, unsigned flags) {
    (void)flags;
    *memory = mem_alloc(size, 1);
    pinned += size;
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void *memory) {
    mem_free(memory);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
    (void)stream;
    assert_int_equal(kind, cudaMemcpyDefault);
    assert_true(queued < MOST);
    copies[queued++] = (struct copy){to, from, bytes};
    if (queued - done > most) most = queued - done;
    return cudaSuccess;
}

static int begin(void **state) {
    (void)state;
    queued = done = waits = most = 0;
    pinned = 0;
    return 0;
}

/* Byte i of upload k. */
static unsigned char pattern(int k, size_t i) {
    return (unsigned char)(k * 31 + (int)(i % 251));
}

/* Uploads of these sizes, the host's memory overwritten after each; then all must have arrived. */
static void upload_all(const size_t *sizes, int count) {
    struct staging s = {0};
    unsigned char **device = MEM_NEW(unsigned char *, count);
    assert_int_equal(staging_open(&s), cudaSuccess);
    for (int k = 0; k < count; k++) {
        unsigned char *host = mem_alloc(sizes[k] + 1, 1);
        device[k] = mem_alloc(sizes[k] + 1, 1);
        for (size_t i = 0; i < sizes[k]; i++)
            host[i] = pattern(k, i);
        assert_int_equal(staging_upload(&s, NULL, device[k], host, sizes[k]), cudaSuccess);
        memset(host, 0xee, sizes[k]);
        mem_free(host);
    }
    run_until(queued);
    for (int k = 0; k < count; k++) {
        for (size_t i = 0; i < sizes[k]; i++)
            if (device[k][i] != pattern(k, i)) fail_msg("upload %d of %zu bytes: byte %zu", k, sizes[k], i);
        assert_int_equal(device[k][sizes[k]], 0);
        mem_free(device[k]);
    }
    mem_free(device);
    staging_close(&s);
}

/* ---- tests ------------------------------------------------------------------------------------------------
 */

static void what_was_uploaded_arrives_though_copies_run_late(void **state) {
    (void)state;
    enum { COUNT = 600 };
    size_t sizes[COUNT];
    for (int k = 0; k < COUNT; k++) /* from nothing to more than the least stage */
        sizes[k] = (size_t)(k * 7919 % 5000) * (k % 100 == 99 ? 100 : 1);
    upload_all(sizes, COUNT);
    assert_true(waits > 0); /* the ring has come round */
}

static void an_upload_larger_than_any_stage_goes_in_pieces(void **state) {
    (void)state;
    upload_all((const size_t[]){5, (size_t)2 * STAGE_MOST + 77, 6}, 3);
    assert_int_equal(queued, 5);
}

static void small_uploads_share_a_stage(void **state) {
    (void)state;
    size_t sizes[1000];
    for (int k = 0; k < 1000; k++)
        sizes[k] = 128;
    upload_all(sizes, 1000);
    assert_int_equal(pinned, STAGE_LEAST);
    assert_int_equal(waits, 0);
}

/* Each step's large upload beside its small ones: those of STAGES - 1 steps before are still under way. */
static void uploads_wait_for_nobody_while_stages_are_free(void **state) {
    (void)state;
    const size_t large = 3 << 20;
    upload_all((const size_t[]){large, 64, 64, large, 64, 64, large, 64, 64, large, 64, 64}, 12);
    assert_int_equal(waits, 0);
    begin(NULL);
    upload_all((const size_t[]){large, 64, large, 64, large, 64, large, 64, large, 64, large, 64}, 12);
    assert_true(waits > 0);
}

static void downloads_arrive_whole_before_they_return(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 700, LANDING_HALF, LANDING_HALF + 1, 5 * LANDING_HALF - 3};
    struct staging s = {0};
    assert_int_equal(staging_open(&s), cudaSuccess);
    for (int k = 0; k < (int)(sizeof sizes / sizeof *sizes); k++) {
        unsigned char *device = mem_alloc(sizes[k] + 1, 1), *host = mem_alloc(sizes[k] + 1, 1);
        for (size_t i = 0; i < sizes[k]; i++)
            device[i] = pattern(k, i);
        assert_int_equal(staging_download(&s, NULL, host, device, sizes[k]), cudaSuccess);
        assert_memory_equal(host, device, sizes[k] + 1);
        mem_free(device);
        mem_free(host);
    }
    assert_int_equal(pinned, 2 * LANDING_HALF);
    assert_int_equal(most, 2); /* one piece is under way while another is taken */
    staging_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(downloads_arrive_whole_before_they_return, begin),
        cmocka_unit_test_setup(what_was_uploaded_arrives_though_copies_run_late, begin),
        cmocka_unit_test_setup(an_upload_larger_than_any_stage_goes_in_pieces, begin),
        cmocka_unit_test_setup(small_uploads_share_a_stage, begin),
        cmocka_unit_test_setup(uploads_wait_for_nobody_while_stages_are_free, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else
int main(void) {
    return TEST_SKIPPED; /* the CUDA toolkit's headers are not there */
}
#endif
