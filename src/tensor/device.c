/* Devices and queues: parses what the user asked for, opens the CUDA half where there is one, and forwards to
 * the back end. See tengen/device.h. */
#include "tengen/device.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tengen/account.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/phase.h"
#include "tengen/profile.h"
#include "tengen/thread.h"
#include "tensor/memory.h"

extern const struct backend cpu_backend; /* src/ops/cpu_backend.c */

#define CUDA_LIBRARY "libtengen_cuda.so"

/* ---- the CUDA library: looked for once, beside the program, then where the system looks -------------------
 */

static struct {
    pthread_once_t once;
    const struct backend *backend; /* NULL: not usable */
    char path[4200];               /* where it was found */
    char why[4600];                /* why it is not usable */
} cuda = {.once = PTHREAD_ONCE_INIT};

/* "<directory of the program>/libtengen_cuda.so", or "" */
static void cuda_path_beside_program(char *path, size_t size) {
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) {
        path[0] = '\0';
        return;
    }
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash) *slash = '\0';
    snprintf(path, size, "%s/%s", program, CUDA_LIBRARY);
}

/* What to install, by the name of the file that the loader misses. */
static const char *cuda_remedy(const char *error) {
    static const char *const remedies[][2] = {
        {"libcudnn",
         "install cuDNN 9 for the CUDA it was built with, and name its folder in LD_LIBRARY_PATH"},
        {"libcublas", "install cuBLAS of the CUDA toolkit, and name its folder in LD_LIBRARY_PATH"},
        {"libnccl", "install NCCL 2, and name its folder in LD_LIBRARY_PATH"},
    };
    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (strstr(error, remedies[i][0])) return remedies[i][1];
    return "install the CUDA libraries it was built with, or rebuild";
}

static void cuda_load(void) {
    cuda_path_beside_program(cuda.path, sizeof cuda.path);
    bool beside = cuda.path[0] && access(cuda.path, F_OK) == 0;
    if (!beside) snprintf(cuda.path, sizeof cuda.path, "%s", CUDA_LIBRARY);
    void *library = dlopen(cuda.path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *error = dlerror();
        if (!error) error = "unknown error";
        if (beside)
            snprintf(cuda.why, sizeof cuda.why, "%s could not be opened (%.300s): %s", CUDA_LIBRARY, error,
                     cuda_remedy(error));
        else
            snprintf(
                cuda.why, sizeof cuda.why,
                "%s is not there: rebuild where nvcc is installed (CMake option TENGEN_CUDA), and keep the "
                "library beside the program",
                CUDA_LIBRARY);
        return;
    }
    const struct backend *(*get)(void);
    *(void **)&get = dlsym(library, "tengen_cuda_backend");
    if (!get) {
        snprintf(cuda.why, sizeof cuda.why,
                 "%s holds no tengen_cuda_backend: it belongs to another version; rebuild", cuda.path);
        return;
    }
    cuda.backend = get();
    if (!cuda.backend) {
        snprintf(cuda.why, sizeof cuda.why, "%s gave no back end; rebuild", cuda.path);
    } else if (cuda.backend->layout != BACKEND_LAYOUT) {
        snprintf(cuda.why, sizeof cuda.why, "%s belongs to another version; rebuild or remove it", cuda.path);
        cuda.backend = NULL;
    }
}

static const struct backend *cuda_backend_find(void) {
    pthread_once(&cuda.once, cuda_load);
    return cuda.backend;
}

/* ---- opening ----------------------------------------------------------------------------------------------
 */

static enum status open_backend(const struct backend *backend, int index, int threads, struct device **out) {
    struct device *d = MEM_NEW(struct device, 1);
    d->backend = backend;
    d->kind = backend->kind;
    d->index = index;
    d->threads = threads > 0 ? threads : thread_cores();
    enum status s = backend->device_open(d);
    if (s != STATUS_OK) {
        mem_free(d);
        return s;
    }
    if (backend->range_push) phase_ranges(backend->range_push, backend->range_pop);
    *out = d;
    return STATUS_OK;
}

static enum status open_cuda(int index, int threads, struct device **out) {
    const struct backend *backend = cuda_backend_find();
    if (!backend) return status_fail(STATUS_DEVICE, "device cuda: %s; or use device cpu", cuda.why);
    char why[256];
    int count = backend->device_count(why, sizeof why);
    if (count <= 0)
        return status_fail(STATUS_DEVICE,
                           "device cuda: %s: check nvidia-smi and CUDA_VISIBLE_DEVICES; or use device cpu",
                           why);
    if (index >= count)
        return status_fail(STATUS_DEVICE, "device cuda:%d: there %s %d GPU%s, numbered from 0", index,
                           count == 1 ? "is" : "are", count, count == 1 ? "" : "s");
    enum status s = open_backend(backend, index, threads, out);
    return s == STATUS_OK ? s : status_context(s, "device cuda:%d", index);
}

static enum status open_auto(int threads, struct device **out) {
    const struct backend *backend = cuda_backend_find();
    char why[sizeof(*out)->why_not_gpu] = "";
    if (!backend) {
        snprintf(why, sizeof why, "%s", cuda.why);
    } else if (backend->device_count(why, sizeof why) > 0) {
        if (open_backend(backend, 0, threads, out) == STATUS_OK) return STATUS_OK;
        snprintf(why, sizeof why, "%s", status_text());
    }
    TRY(open_backend(&cpu_backend, 0, threads, out));
    snprintf((*out)->why_not_gpu, sizeof(*out)->why_not_gpu, "%s", why);
    return STATUS_OK;
}

enum status device_open(const char *spec, int threads, struct device **out) {
    *out = NULL;
    if (strcmp(spec, "cpu") == 0) return open_backend(&cpu_backend, 0, threads, out);
    if (strcmp(spec, "auto") == 0) return open_auto(threads, out);
    if (strcmp(spec, "cuda") == 0) return open_cuda(0, threads, out);
    if (strncmp(spec, "cuda:", 5) == 0) {
        char *end;
        long index = strtol(spec + 5, &end, 10);
        if (end != spec + 5 && *end == '\0' && index >= 0 && index < 1024)
            return open_cuda((int)index, threads, out);
    }
    return status_fail(STATUS_USAGE, "device '%s' is not known: use cpu, cuda, cuda:INDEX or auto", spec);
}

void device_close(struct device *d) {
    if (!d) return;
    device_memories_close(d);
    d->backend->device_close(d);
    mem_free(d);
}

/* ---- queues -----------------------------------------------------------------------------------------------
 */

enum status queue_open(struct device *d, int threads, struct queue **out) {
    ACCOUNT("workspaces");
    struct queue *q = MEM_NEW(struct queue, 1);
    *out = NULL;
    q->op = d->backend->op;
    q->device = d;
    enum status s = d->backend->queue_open(q, threads > 0 ? threads : d->threads);
    if (s != STATUS_OK) {
        mem_free(q);
        return s;
    }
    if (!device_counts(d)) profile_queue_open(q);
    *out = q;
    return STATUS_OK;
}

void queue_close(struct queue *q) {
    if (!q) return;
    profile_queue_close(q);
    q->device->backend->queue_close(q);
    mem_free(q);
}

void queue_upload(struct queue *q, struct tensor to, const void *host) {
    PHASE("copies up");
    size_t bytes = tensor_bytes(to);
    profile_work_begin(q, PROFILE_UP, bytes);
    q->device->backend->upload(q, to.data, host, bytes);
    profile_work_end(q);
}

void queue_download(struct queue *q, void *host, struct tensor from) {
    PHASE("copies down");
    size_t bytes = tensor_bytes(from);
    profile_work_begin(q, PROFILE_DOWN, bytes);
    q->device->backend->download(q, host, from.data, bytes);
    profile_work_end(q);
}

enum status queue_wait(struct queue *q) {
    PHASE("waits");
    enum status now = q->device->backend->wait(q), before = q->fault;
    q->fault = STATUS_OK;
    return before == STATUS_OK ? now : status_fail(before, "%s", q->fault_text);
}

bool queue_settle(struct queue *q) {
    q->fault = queue_wait(q);
    if (q->fault == STATUS_OK) return true;
    snprintf(q->fault_text, sizeof q->fault_text, "%s", status_text());
    return false;
}

void queue_mark(struct queue *q) {
    q->device->backend->mark(q);
}

void queue_marks_read(struct queue *q, double *gaps) {
    q->device->backend->marks_read(q, gaps);
}

bool queue_graph_begin(struct queue *q) {
    const struct backend *backend = q->device->backend;
    q->recording = backend->graph_begin && backend->graph_begin(q);
    return q->recording;
}

struct graph *queue_graph_end(struct queue *q, char *why, size_t size) {
    q->recording = false;
    return q->device->backend->graph_end(q, why, size);
}

bool queue_graph_launch(struct queue *q, struct graph *graph) {
    return q->device->backend->graph_launch(q, graph);
}

void device_graph_free(struct device *d, struct graph *graph) {
    if (graph) d->backend->graph_free(d, graph);
}

/* ---- description ------------------------------------------------------------------------------------------
 */

void device_describe_all(char *text, size_t size) {
    if (size == 0) return;
    text[0] = '\0';
    cpu_backend.describe(text, size);
    size_t used = strlen(text);
    if (used && text[used - 1] != '\n' && used + 1 < size) {
        text[used++] = '\n';
        text[used] = '\0';
    }
    const struct backend *backend = cuda_backend_find();
    if (backend)
        backend->describe(text + used, size - used);
    else
        snprintf(text + used, size - used, "cuda: none (%s)\n", cuda.why);
}
