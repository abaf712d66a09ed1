/* The CUDA back end: devices, their memory, queues, and what queue_wait() reports. */
#include "cuda/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tengen/mem.h"

static const struct ops cuda_ops = {
#define OP(name, parameters, names) .name = cuda_##name,
#include "tengen/ops.def"
#undef OP
};

/* ---- failures ---------------------------------------------------------------------------------------------
 */

void cuda_fail(struct queue *q, const char *format, ...) {
    struct cuda_queue *state = cuda_state(q);
    if (state->failed) return;
    state->failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(state->failure, sizeof state->failure, format, arguments);
    va_end(arguments);
}

bool cuda_ok(struct queue *q, cudaError_t error, const char *what) {
    if (error == cudaSuccess) return true;
    cuda_fail(q, "%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
    return false;
}

bool cudnn_ok(struct queue *q, cudnnStatus_t status, const char *what) {
    if (status == CUDNN_STATUS_SUCCESS) return true;
    char text[256] = "";
    cudnnGetLastErrorString(text, sizeof text);
    cuda_fail(q, "%s: cuDNN: %s %s", what, cudnnGetErrorString(status), text);
    return false;
}

bool cublas_ok(struct queue *q, cublasStatus_t status, const char *what) {
    if (status == CUBLAS_STATUS_SUCCESS) return true;
    cuda_fail(q, "%s: cuBLASLt: %s", what, cublasLtGetStatusString(status));
    return false;
}

void cuda_launched(struct queue *q, const char *kernel) {
    cuda_ok(q, cudaGetLastError(), kernel);
}

/* ---- devices and their memory -----------------------------------------------------------------------------
 */

static void device_bind(int index) {
    static _Thread_local int bound = -1;
    if (bound != index && cudaSetDevice(index) == cudaSuccess) bound = index;
}

/* How many GPUs; 0 and why not in `why`. */
static int cuda_device_count(char *why, size_t size) {
    int count = 0, driver = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) return count;
    cudaDriverGetVersion(&driver);
    if (driver == 0)
        snprintf(why, size, "no GPU: no NVIDIA driver is installed (libcuda.so.1 is not there)");
    else if (error == cudaErrorInsufficientDriver || driver / 1000 < CUDART_VERSION / 1000)
        snprintf(why, size,
                 "the driver is older than the toolkit: it knows CUDA %d.%d, this program was built with "
                 "%d.%d; update the driver, or build with an older toolkit",
                 driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    else if (error == cudaErrorNoDevice || error == cudaSuccess)
        snprintf(why, size, "no GPU: the driver finds none (CUDA_VISIBLE_DEVICES is %s)",
                 getenv("CUDA_VISIBLE_DEVICES") ? getenv("CUDA_VISIBLE_DEVICES") : "not set");
    else
        snprintf(why, size, "no GPU: %s (%s)", cudaGetErrorString(error), cudaGetErrorName(error));
    return 0;
}

static enum status cuda_device_open(struct device *d) {
    struct cudaDeviceProp properties;
    cudaError_t error = cudaSetDevice(d->index);
    if (error == cudaSuccess) error = cudaGetDeviceProperties(&properties, d->index);
    if (error != cudaSuccess)
        return status_fail(STATUS_DEVICE, "%s (%s): check nvidia-smi", cudaGetErrorString(error),
                           cudaGetErrorName(error));
    device_bind(d->index);
    error = cuda_code_fits();
    if (error != cudaSuccess)
        return status_fail(
            STATUS_DEVICE,
            "%s has compute capability %d.%d, and this build holds code for %s (%s): configure "
            "with -DTENGEN_CUDA_ARCHITECTURES=%d%d (an older toolkit where nvcc refuses that), or use device "
            "cpu",
            properties.name, properties.major, properties.minor, CUDA_BUILT_FOR, cudaGetErrorName(error),
            properties.major, properties.minor);
    struct cuda_device *state = MEM_NEW(struct cuda_device, 1);
    state->major = properties.major;
    state->minor = properties.minor;
    d->cache = (size_t)properties.l2CacheSize;
    snprintf(d->name, sizeof d->name, "%.100s", properties.name);
    d->state = state;
    return STATUS_OK;
}

static void cuda_device_close(struct device *d) {
    mem_free(d->state);
}

static void *cuda_alloc(struct device *d, size_t bytes) {
    void *data = NULL;
    device_bind(d->index);
    if (cudaMalloc(&data, bytes) != cudaSuccess) {
        cudaGetLastError(); /* it was answered here, and is no fault of the next launch */
        return NULL;
    }
    /* Queues do not wait for the default stream, so the memory is handed out when it is zero. */
    if (cudaMemset(data, 0, bytes) != cudaSuccess || cudaStreamSynchronize(NULL) != cudaSuccess) {
        cudaFree(data);
        return NULL;
    }
    return data;
}

static void cuda_release(struct device *d, void *memory, size_t bytes) {
    (void)bytes;
    struct cuda_device *state = d->state;
    device_bind(d->index);
    cudaFree(memory); /* waits for work that uses it */
    atomic_fetch_add(&state->releases, 1);
}

/* Addresses are unified wherever 64-bit programs run on CUDA: the host's is the device's. */
static void *cuda_alloc_mapped(struct device *d, size_t bytes) {
    void *data = NULL;
    device_bind(d->index);
    if (!mem_permits(bytes)) return NULL;
    if (cudaHostAlloc(&data, bytes, cudaHostAllocMapped | cudaHostAllocPortable) != cudaSuccess) {
        cudaGetLastError(); /* as in cuda_alloc */
        return NULL;
    }
    memset(data, 0, bytes);
    return data;
}

static void cuda_release_mapped(struct device *d, void *memory) {
    device_bind(d->index);
    cudaDeviceSynchronize(); /* for work that uses it */
    cudaFreeHost(memory);
}

/* Scratch memory that serves `bytes`: some more, so that it need not grow often. */
static size_t scratch_bytes(size_t bytes) {
    return bytes + bytes / 4 + 256;
}

static bool cuda_memory(struct device *d, size_t *free_bytes, size_t *total) {
    device_bind(d->index);
    return cudaMemGetInfo(free_bytes, total) == cudaSuccess;
}

/* The workspace of products. What convolutions want is known when a shape is first run. */
static size_t cuda_queue_bytes(const struct device *d) {
    (void)d;
    return scratch_bytes(MATRIX_WORKSPACE);
}

/* ---- queues -----------------------------------------------------------------------------------------------
 */

static void cuda_queue_close(struct queue *q) {
    struct cuda_queue *state = cuda_state(q);
    device_bind(q->device->index);
    if (state->stream) cudaStreamSynchronize(state->stream);
    conv_plans_free(state);
    matrix_plans_free(state);
    cuda_copies_free(state);
    cuda_marks_free(state);
    for (int i = 0; i < PLACE_COUNT; i++)
        cudaFree(state->scratch[i].data);
    staging_close(&state->staging);
    if (state->cudnn) cudnnDestroy(state->cudnn);
    if (state->cublas) cublasLtDestroy(state->cublas);
    if (state->stream) cudaStreamDestroy(state->stream);
    mem_free(state);
}

static bool queue_make(struct queue *q) {
    struct cuda_queue *state = cuda_state(q);
    return cuda_ok(q, cudaStreamCreateWithFlags(&state->stream, cudaStreamNonBlocking), "stream") &&
           cuda_ok(q, staging_open(&state->staging), "events of copies") &&
           cudnn_ok(q, cudnnCreate(&state->cudnn), "opening cuDNN") &&
           cudnn_ok(q, cudnnSetStream(state->cudnn, state->stream), "cuDNN's stream") &&
           cublas_ok(q, cublasLtCreate(&state->cublas), "opening cuBLASLt");
}

static enum status cuda_queue_open(struct queue *q, int threads) {
    (void)threads;
    struct cuda_queue *state = MEM_NEW(struct cuda_queue, 1);
    q->state = state;
    device_bind(q->device->index);
    if (queue_make(q)) return STATUS_OK;
    enum status s = status_fail(STATUS_DEVICE, "device cuda:%d: %s", q->device->index, state->failure);
    cuda_queue_close(q);
    return s;
}

void *cuda_stream(struct queue *q) {
    device_bind(q->device->index);
    return cuda_state(q)->stream;
}

void *cuda_scratch(struct queue *q, enum cuda_place place, size_t bytes) {
    struct cuda_memory *memory = &cuda_state(q)->scratch[place];
    if (memory->size >= bytes && memory->data) return memory->data;
    if (cuda_recording(q)) { /* which must neither allocate nor free; what is recorded will not run */
        cuda_recording_spoil(q);
        return memory->data;
    }
    cuda_state(q)->generation++;
    device_bind(q->device->index);
    cudaFree(memory->data); /* waits for work that uses it */
    memory->size = scratch_bytes(bytes);
    if (cudaMalloc(&memory->data, memory->size) != cudaSuccess)
        status_exit("%s: out of memory asking for %.1f MiB of workspace: use a smaller batch or network",
                    q->device->name, (double)memory->size / (1 << 20));
    return memory->data;
}

/* ---- copies, and waiting ----------------------------------------------------------------------------------
 */

static void cuda_upload(struct queue *q, void *device_memory, const void *host, size_t bytes) {
    cudaStream_t stream = cuda_stream(q);
    cuda_ok(q, staging_upload(&cuda_state(q)->staging, stream, device_memory, host, bytes), "upload");
}

static void cuda_download(struct queue *q, void *host, const void *device_memory, size_t bytes) {
    cudaStream_t stream = cuda_stream(q);
    cuda_ok(q, staging_download(&cuda_state(q)->staging, stream, host, device_memory, bytes), "download");
}

static enum status cuda_wait(struct queue *q) {
    struct cuda_queue *state = cuda_state(q);
    cuda_ok(q, cudaStreamSynchronize(cuda_stream(q)), "work on the device");
    if (!state->failed) return STATUS_OK;
    state->failed = false;
    return status_fail(STATUS_DEVICE,
                       "device cuda:%d (%s): %s; start again from the last checkpoint, and with "
                       "CUDA_LAUNCH_BLOCKING=1 to see which call it was",
                       q->device->index, q->device->name, state->failure);
}

/* ---- description ------------------------------------------------------------------------------------------
 */

static void cuda_describe(char *text, size_t size) {
    char why[256];
    int count = cuda_device_count(why, sizeof why), driver = 0;
    size_t cudnn = cudnnGetVersion(), cublas = cublasLtGetVersion(), used = 0;
    cudaDriverGetVersion(&driver);
#define LINE(...) used += (size_t)snprintf(text + used, used < size ? size - used : 0, __VA_ARGS__)
    if (size == 0) return;
    if (count > 0)
        LINE("cuda: %d GPU%s\n", count, count == 1 ? "" : "s");
    else
        LINE("cuda: none (%s)\n", why);
    LINE("CUDA: toolkit %d.%d, ", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    used = used < size ? used : size - 1;
    if (driver)
        LINE("driver for %d.%d", driver / 1000, driver % 1000 / 10);
    else
        LINE("no driver");
    used = used < size ? used : size - 1;
    LINE(", code for %s\ncuDNN: %zu.%zu.%zu\ncuBLAS: %zu.%zu.%zu\n", CUDA_BUILT_FOR, cudnn / 10000,
         cudnn % 10000 / 100, cudnn % 100, cublas / 10000, cublas % 10000 / 100, cublas % 100);
    used = used < size ? used : size - 1;
    for (int i = 0; i < count; i++) {
        struct cudaDeviceProp p;
        if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
        LINE("cuda:%d: %s, compute capability %d.%d, %d multiprocessors, %.1f GiB\n", i, p.name, p.major,
             p.minor, p.multiProcessorCount, (double)p.totalGlobalMem / (1 << 30));
        used = used < size ? used : size - 1;
    }
#undef LINE
}

static const struct backend backend = {
    .layout = BACKEND_LAYOUT,
    .kind = DEVICE_CUDA,
    .name = "cuda",
    .device_count = cuda_device_count,
    .device_open = cuda_device_open,
    .device_close = cuda_device_close,
    .alloc = cuda_alloc,
    .release = cuda_release,
    .alloc_mapped = cuda_alloc_mapped,
    .release_mapped = cuda_release_mapped,
    .memory = cuda_memory,
    .queue_bytes = cuda_queue_bytes,
    .queue_open = cuda_queue_open,
    .queue_close = cuda_queue_close,
    .upload = cuda_upload,
    .download = cuda_download,
    .wait = cuda_wait,
    .mark = cuda_mark,
    .marks_read = cuda_marks_read,
    .range_push = cuda_range_push,
    .range_pop = cuda_range_pop,
    .graph_begin = cuda_graph_begin,
    .graph_end = cuda_graph_end,
    .graph_launch = cuda_graph_launch,
    .graph_free = cuda_graph_free,
    .describe = cuda_describe,
    .op = &cuda_ops,
    .env_kernels = cuda_env_kernels,
};

const struct backend *tengen_cuda_backend(void);

const struct backend *tengen_cuda_backend(void) {
    return &backend;
}
