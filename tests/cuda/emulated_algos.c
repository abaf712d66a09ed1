/* Whole algorithms on the emulated GPU: every test config trains there, by the kernels of cuda/, as it does
 * on the CPU, but for rounding, and its checkpoint goes on on the CPU. What libraries do on a GPU the CPU's
 * operations do. The device's memory is out of the host's reach but while an operation or a copy runs, so
 * that a host that reads or writes it by itself is found. */
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>

#include "algo_twins.h"
#include "emulated.h"
#include "tengen/env_kernels.h"
#include "tengen/ops.h"

/* ---- the device -------------------------------------------------------------------------------------------
 */

#define ARENA ((size_t)1 << 30) /* of addresses; only what is touched takes memory */

static struct {
    pthread_mutex_t lock;
    char *base;
    size_t used;
    int open; /* operations and copies that run */
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void memory_turn(int by) {
    pthread_mutex_lock(&memory.lock);
    const bool was = memory.open > 0;
    memory.open += by;
    const bool is = memory.open > 0;
    if (was != is) assert_int_equal(mprotect(memory.base, ARENA, is ? PROT_READ | PROT_WRITE : PROT_NONE), 0);
    pthread_mutex_unlock(&memory.lock);
}

static void *memory_alloc(struct device *d, size_t bytes) {
    (void)d;
    pthread_mutex_lock(&memory.lock);
    void *data = memory.base + memory.used;
    memory.used += (bytes + 63) / 64 * 64;
    pthread_mutex_unlock(&memory.lock);
    return memory.used <= ARENA ? data : NULL;
}

static void memory_release(struct device *d, void *data, size_t bytes) {
    (void)d, (void)data, (void)bytes;
}

/* An arena of zeros for a device; that of the one before is given back. */
static void memory_begin(void) {
    if (memory.base) munmap(memory.base, ARENA);
    memory.base = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    memory.used = 0;
    assert_true(memory.base != MAP_FAILED);
}

static void copy_up(struct queue *q, void *to, const void *from, size_t bytes) {
    memory_turn(1);
    emulated_backend.upload(q, to, from, bytes);
    memory_turn(-1);
}

static void copy_down(struct queue *q, void *to, const void *from, size_t bytes) {
    memory_turn(1);
    emulated_backend.download(q, to, from, bytes);
    memory_turn(-1);
}

/* What libraries do: one at a time, with a queue of the CPU. */
static struct {
    pthread_mutex_t lock;
    struct queue *queue;
} library = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct ops inner;

#define OP(name, parameters, names)                                                                          \
    static void open_##name parameters {                                                                     \
        memory_turn(1);                                                                                      \
        if (inner.name) {                                                                                    \
            inner.name names;                                                                                \
        } else {                                                                                             \
            pthread_mutex_lock(&library.lock);                                                               \
            q = library.queue;                                                                               \
            q->op->name names;                                                                               \
            pthread_mutex_unlock(&library.lock);                                                             \
        }                                                                                                    \
        memory_turn(-1);                                                                                     \
    }
#include "tengen/ops.def"
#undef OP

static const struct ops outer = {
#define OP(name, parameters, names) .name = open_##name,
#include "tengen/ops.def"
#undef OP
};

#define ENV(...) /* for the headers that it includes */
#include "env/envs.def"
#undef ENV

enum kind {
#define ENV(name, ...) KIND_##name,
#include "env/envs.def"
#undef ENV
    KINDS
};

#define ENV(name, ...)                                                                                       \
    static void name##_open_observe(struct queue *q, const struct env_rules *rules, struct env_lanes lanes,  \
                                    void *observations) {                                                    \
        memory_turn(1);                                                                                      \
        emulated_backend.env_kernels[KIND_##name].observe(q, rules, lanes, observations);                    \
        memory_turn(-1);                                                                                     \
    }                                                                                                        \
    static void name##_open_step(struct queue *q, const struct env_rules *rules, struct env_lanes lanes,     \
                                 struct env_step step) {                                                     \
        memory_turn(1);                                                                                      \
        emulated_backend.env_kernels[KIND_##name].step(q, rules, lanes, step);                               \
        memory_turn(-1);                                                                                     \
    }
#include "env/envs.def"
#undef ENV

static const struct env_kernels kernels[KINDS] = {
#define ENV(name, ...) [KIND_##name] = {name##_open_observe, name##_open_step},
#include "env/envs.def"
#undef ENV
};

static struct backend backend;

static struct device *device_make(void) {
    struct device *d = MEM_NEW(struct device, 1);
    memory_begin();
    inner = *emulated_backend.op;
    backend = emulated_backend;
    backend.alloc = memory_alloc;
    backend.release = memory_release;
    backend.upload = copy_up;
    backend.download = copy_down;
    backend.op = &outer;
    backend.env_kernels = kernels;
    *d = (struct device){.backend = &backend, .kind = DEVICE_CUDA, .threads = 1};
    assert_ok(backend.device_open(d));
    return d;
}

int main(void) {
#ifdef __SANITIZE_THREAD__
    return TEST_SKIPPED; /* the thread sanitizer does not follow fibers */
#endif
    struct device *cpu;
    if (device_open("cpu", 1, &cpu) != STATUS_OK || queue_open(cpu, 1, &library.queue) != STATUS_OK) return 1;
    int failed = algo_twins_run_all(device_make, 1e-4);
    queue_close(library.queue);
    device_close(cpu);
    return failed;
}
