/* What the CUDA back end says of machines that it cannot work on, and of memory, with a CUDA runtime of the
 * test's own. Skipped where CUDA is not built in. */
#include "testing.h"

#ifdef TENGEN_CUDNN
#define CUDA_BUILT_FOR "80-real 90"
#include "cuda/backend.c"

/* ---- a runtime that answers as it is told -----------------------------------------------------------------
 */

static int driver_version = CUDART_VERSION, gpus = 1;
static cudaError_t count_error, code_error, memory_error;
static size_t free_bytes = (size_t)3 << 30;
static bool synchronised;

cudaError_t cudaGetDeviceCount(int *count) {
    *count = gpus;
    return count_error;
}
cudaError_t cudaDriverGetVersion(int *version) {
    *version = driver_version;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
    return device < gpus ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
    (void)device;
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "Old GPU");
    p->major = 5;
    p->minor = 2;
    return cudaSuccess;
}
cudaError_t cuda_code_fits(void) {
    return code_error;
}
cudaError_t cudaMalloc(void **memory, size_t bytes) {
    *memory = memory_error ? NULL : mem_alloc(bytes, 1);
    return memory_error;
}
cudaError_t cudaFree(void *memory) {
    mem_free(memory);
    return cudaSuccess;
}
cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags) {
    assert_true(flags & cudaHostAllocMapped);
    if (cudaMalloc(memory, bytes) == cudaSuccess) memset(*memory, 0x55, bytes);
    return memory_error;
}
cudaError_t cudaFreeHost(void *memory) {
    assert_true(synchronised);
    return cudaFree(memory);
}
cudaError_t cudaDeviceSynchronize(void) {
    synchronised = true;
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *free_now, size_t *total) {
    *free_now = free_bytes;
    *total = (size_t)8 << 30;
    return cudaSuccess;
}
cudaError_t cudaMemset(void *memory, int value, size_t bytes) {
    memset(memory, value, bytes);
    return cudaSuccess;
}
cudaError_t cudaGetLastError(void) {
    return cudaSuccess;
}
const char *cudaGetErrorString(cudaError_t error) {
    return error == cudaErrorNoKernelImageForDevice ? "no kernel image" : "an error";
}
const char *cudaGetErrorName(cudaError_t error) {
    (void)error;
    return "cudaErrorName";
}

/* What is linked and not called: queues need a GPU. */
#define UNUSED(type, name, parameters)                                                                       \
    type name parameters {                                                                                   \
        fail_msg("%s is called", #name);                                                                     \
        return (type)0;                                                                                      \
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return cudaSuccess;
}
UNUSED(cudaError_t, cudaStreamCreateWithFlags, (cudaStream_t * stream, unsigned flags))
UNUSED(cudaError_t, cudaStreamDestroy, (cudaStream_t stream))
UNUSED(cudaError_t, cudaMemcpyAsync,
       (void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream))
UNUSED(cudaError_t, staging_open, (struct staging * s))
UNUSED(cudaError_t, staging_download,
       (struct staging * s, cudaStream_t stream, void *to, const void *from, size_t bytes))
UNUSED(cudaError_t, staging_upload,
       (struct staging * s, cudaStream_t stream, void *to, const void *from, size_t bytes))
UNUSED(cudnnStatus_t, cudnnCreate, (cudnnHandle_t * handle))
UNUSED(cudnnStatus_t, cudnnSetStream, (cudnnHandle_t handle, cudaStream_t stream))
UNUSED(cudnnStatus_t, cudnnDestroy, (cudnnHandle_t handle))
UNUSED(cublasStatus_t, cublasLtCreate, (cublasLtHandle_t * handle))
UNUSED(cublasStatus_t, cublasLtDestroy, (cublasLtHandle_t handle))
UNUSED(bool, cuda_recording, (struct queue * q))
UNUSED(bool, cuda_graph_begin, (struct queue * q))
UNUSED(struct graph *, cuda_graph_end, (struct queue * q, char *why, size_t size))
UNUSED(bool, cuda_graph_launch, (struct queue * q, struct graph *graph))
const char *cudnnGetErrorString(cudnnStatus_t status) {
    return "an error";
}
const char *cublasLtGetStatusString(cublasStatus_t status) {
    return "an error";
}
size_t cudnnGetVersion(void) {
    return 91300;
}
size_t cublasLtGetVersion(void) {
    return 130002;
}
void cudnnGetLastErrorString(char *text, size_t size) {}
void staging_close(struct staging *s) {}
void conv_plans_free(struct cuda_queue *state) {}
void matrix_plans_free(struct cuda_queue *state) {}
void cuda_copies_free(struct cuda_queue *state) {}
void cuda_marks_free(struct cuda_queue *state) {}
void cuda_mark(struct queue *q) {}
void cuda_marks_read(struct queue *q, double *gaps) {}
void cuda_range_push(const char *name) {}
void cuda_range_pop(void) {}
void cuda_graph_free(struct device *d, struct graph *graph) {}
void cuda_recording_spoil(struct queue *q) {}
const struct env_kernels cuda_env_kernels[1];
#define OP(name, parameters, names)                                                                          \
    void cuda_##name parameters {}
#include "tengen/ops.def"
#undef OP
#pragma GCC diagnostic pop

/* ---- tests ------------------------------------------------------------------------------------------------
 */

static int begin(void **state) {
    (void)state;
    driver_version = CUDART_VERSION;
    gpus = 1;
    count_error = code_error = memory_error = cudaSuccess;
    return 0;
}

/* There is no GPU, and the reason holds these texts. */
static void assert_none(const char *what, const char *remedy) {
    char why[256];
    assert_int_equal(tengen_cuda_backend()->device_count(why, sizeof why), 0);
    if (!strstr(why, what) || !strstr(why, remedy))
        fail_msg("\"%s\" without \"%s\", \"%s\"", why, what, remedy);
}

static void without_a_driver_its_absence_is_named(void **state) {
    (void)state;
    driver_version = gpus = 0;
    count_error = cudaErrorInsufficientDriver;
    assert_none("no NVIDIA driver is installed", "libcuda.so.1");
}

static void a_driver_older_than_the_toolkit_names_both_and_what_to_do(void **state) {
    (void)state;
    char built[16];
    driver_version = 11040;
    gpus = 0;
    count_error = cudaErrorInsufficientDriver;
    assert_none("the driver is older than the toolkit: it knows CUDA 11.4", "update the driver");
    snprintf(built, sizeof built, "%d.%d", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    assert_none(built, "build with an older toolkit");
}

static void a_driver_that_sees_no_gpu_names_what_may_hide_it(void **state) {
    (void)state;
    gpus = 0;
    count_error = cudaErrorNoDevice;
    setenv("CUDA_VISIBLE_DEVICES", "7", 1);
    assert_none("the driver finds none", "CUDA_VISIBLE_DEVICES is 7");
    unsetenv("CUDA_VISIBLE_DEVICES");
}

static void a_gpu_that_the_build_has_no_code_for_is_named_with_what_to_configure(void **state) {
    (void)state;
    struct device d = {.kind = DEVICE_CUDA};
    code_error = cudaErrorNoKernelImageForDevice;
    const struct backend *b = tengen_cuda_backend();
    assert_fails(b->device_open(&d), STATUS_DEVICE, "Old GPU has compute capability 5.2");
    assert_non_null(strstr(status_text(), "80-real 90"));
    assert_non_null(strstr(status_text(), "-DTENGEN_CUDA_ARCHITECTURES=52"));
    assert_non_null(strstr(status_text(), "or use device cpu"));
}

static void memory_that_is_out_is_no_memory_and_what_is_free_is_told(void **state) {
    (void)state;
    const struct backend *b = tengen_cuda_backend();
    struct device d = {.kind = DEVICE_CUDA, .backend = b};
    size_t room, total;
    assert_ok(b->device_open(&d));
    assert_true(b->memory(&d, &room, &total));
    assert_int_equal(room, free_bytes);
    assert_int_equal(total, (size_t)8 << 30);
    void *memory = b->alloc(&d, 1000);
    assert_non_null(memory);
    b->release(&d, memory, 1000);
    memory_error = cudaErrorMemoryAllocation;
    assert_null(b->alloc(&d, 1000));
    assert_null(b->alloc_mapped(&d, 1000));
    b->device_close(&d);
}

static void memory_of_the_host_is_zeroed_and_waited_for(void **state) {
    (void)state;
    const struct backend *b = tengen_cuda_backend();
    struct device d = {.kind = DEVICE_CUDA, .backend = b};
    assert_ok(b->device_open(&d));
    char *memory = b->alloc_mapped(&d, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(memory[i], 0);
    synchronised = false;
    b->release_mapped(&d, memory);
    b->device_close(&d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_driver_its_absence_is_named, begin),
        cmocka_unit_test_setup(a_driver_older_than_the_toolkit_names_both_and_what_to_do, begin),
        cmocka_unit_test_setup(a_driver_that_sees_no_gpu_names_what_may_hide_it, begin),
        cmocka_unit_test_setup(a_gpu_that_the_build_has_no_code_for_is_named_with_what_to_configure, begin),
        cmocka_unit_test_setup(memory_of_the_host_is_zeroed_and_waited_for, begin),
        cmocka_unit_test_setup(memory_that_is_out_is_no_memory_and_what_is_free_is_told, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else
int main(void) {
    return TEST_SKIPPED;
}
#endif
