/* The CPU's back end: memory, queues and the table of operations. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ops/cpu.h"
#include "ops/onednn.h"
#include "ops/packs.h"
#include "ops/reference.h"
#include "tengen/device.h"

static const struct ops cpu_ops = {
#define OP(name, parameters, names) .name = cpu_##name,
#include "tengen/ops.def"
#undef OP
};

/* ---- plain loops or the library ---------------------------------------------------------------------------
 */

static atomic_int reference_mode = -1; /* -1: ask the environment */

void cpu_use_reference(bool on) {
    atomic_store(&reference_mode, on);
}

bool cpu_uses_reference(void) {
    int mode = atomic_load_explicit(&reference_mode, memory_order_relaxed);
    if (mode < 0) {
        const char *text = getenv("TENGEN_REFERENCE");
        mode = text && text[0] && strcmp(text, "0") != 0;
        atomic_store(&reference_mode, mode);
    }
    return mode;
}

/* ---- devices and their memory -----------------------------------------------------------------------------
 */

/* "Intel(R) Xeon(R) Processor", from /proc/cpuinfo */
static void processor_name(char *name, size_t size) {
    snprintf(name, size, "CPU");
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) return;
    char line[256];
    while (fgets(line, sizeof line, file)) {
        char *value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value[strcspn(value, "\n")] = '\0';
        snprintf(name, size, "%s", value + 2);
        break;
    }
    fclose(file);
}

/* Of the first core's largest cache: /sys says "32768K". */
static size_t cache_bytes(void) {
    for (int i = 4; i >= 2; i--) {
        char path[96];
        unsigned long kib;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        FILE *file = fopen(path, "re");
        if (!file) continue;
        bool found = fscanf(file, "%luK", &kib) == 1;
        fclose(file);
        if (found) return (size_t)kib << 10;
    }
    return (size_t)32 << 20; /* nothing is said */
}

static int cpu_device_count(char *why, size_t size) {
    (void)why, (void)size;
    return 1;
}

static enum status cpu_device_open(struct device *d) {
    struct cpu_device *state = MEM_NEW(struct cpu_device, 1);
    char name[96];
    processor_name(name, sizeof name);
    snprintf(d->name, sizeof d->name, "%s (%d core%s)", name, d->threads, d->threads == 1 ? "" : "s");
    state->packs = packs_open();
    state->library = onednn_open();
    d->cache = cache_bytes();
    d->state = state;
    return STATUS_OK;
}

static void cpu_device_close(struct device *d) {
    struct cpu_device *state = d->state;
    packs_close(state->packs);
    onednn_close(state->library);
    mem_free(state);
}

#define HUGE_PAGE ((size_t)2 << 20)
#define LAZY      ((size_t)64 << 20) /* from here on memory is there when it is touched, as a replay fills */

/* Whole huge pages of a mapping of their own. */
static void *map_pages(size_t size) {
    char *data = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return NULL;
    const size_t skip = (HUGE_PAGE - (uintptr_t)data % HUGE_PAGE) % HUGE_PAGE;
    if (skip) munmap(data, skip);
    munmap(data + skip + size, HUGE_PAGE - skip);
    return data + skip;
}

static size_t whole_pages(size_t bytes) {
    return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void *cpu_alloc(struct device *d, size_t bytes) {
    (void)d;
    const bool large = bytes >= 2 * HUGE_PAGE, lazy = bytes >= LAZY;
    size_t size = large ? whole_pages(bytes) : (bytes + 63) / 64 * 64;
    if (!mem_permits(size)) return NULL;
    void *data = lazy ? map_pages(size) : aligned_alloc(large ? HUGE_PAGE : 64, size);
    if (!data) return NULL;
    if (large) madvise(data, size, MADV_HUGEPAGE); /* fewer misses; where it is refused nothing is lost */
    if (!lazy) memset(data, 0, size);
    return data;
}

static void cpu_release(struct device *d, void *data, size_t bytes) {
    packs_forget(((struct cpu_device *)d->state)->packs, data, bytes);
    if (bytes >= LAZY)
        munmap(data, whole_pages(bytes));
    else
        free(data);
}

static bool cpu_memory(struct device *d, size_t *free_bytes, size_t *total) {
    (void)d;
    *free_bytes = mem_available();
    *total = mem_total();
    return *free_bytes > 0;
}

/* ---- queues -----------------------------------------------------------------------------------------------
 */

static enum status cpu_queue_open(struct queue *q, int threads) {
    struct cpu_queue *state = MEM_NEW(struct cpu_queue, 1);
    state->workers = threads;
    state->scratch = MEM_NEW(struct cpu_scratch, threads + SCRATCH_SHARED);
    state->library = onednn_queue_open(((struct cpu_device *)q->device->state)->library, threads);
    q->pool = threads > 1 ? pool_create(threads) : NULL;
    q->state = state;
    return STATUS_OK;
}

static void cpu_queue_close(struct queue *q) {
    struct cpu_queue *state = q->state;
    pool_free(q->pool);
    packs_free(state->loose);
    onednn_queue_close(state->library);
    for (int i = 0; i < state->workers + SCRATCH_SHARED; i++)
        mem_free(state->scratch[i].memory);
    mem_free(state->scratch);
    mem_free(state->marks);
    mem_free(state);
}

static void cpu_upload(struct queue *q, void *device_memory, const void *host, size_t bytes) {
    (void)q;
    if (bytes) memcpy(device_memory, host, bytes);
}

static void cpu_download(struct queue *q, void *host, const void *device_memory, size_t bytes) {
    (void)q;
    if (bytes) memcpy(host, device_memory, bytes);
}

static enum status cpu_wait(struct queue *q) {
    (void)q;
    return STATUS_OK;
}

static void cpu_mark(struct queue *q) {
    struct cpu_queue *state = q->state;
    if (state->mark_count == state->mark_capacity) {
        size_t capacity = state->mark_capacity ? 2 * state->mark_capacity : 64;
        state->marks = mem_resize(state->marks, state->mark_count, capacity, sizeof *state->marks);
        state->mark_capacity = capacity;
    }
    state->marks[state->mark_count++] = clock_now();
}

static void cpu_marks_read(struct queue *q, double *gaps) {
    struct cpu_queue *state = q->state;
    for (size_t i = 1; i < state->mark_count; i++)
        gaps[i - 1] = state->marks[i] - state->marks[i - 1];
    state->mark_count = 0;
}

static void cpu_describe(char *text, size_t size) {
    char name[96], library[160];
    processor_name(name, sizeof name);
    onednn_describe(library, sizeof library);
    snprintf(text, size, "cpu: %s, %d usable core%s\noneDNN: %s\n", name, thread_cores(),
             thread_cores() == 1 ? "" : "s", library);
}

const struct backend cpu_backend = {
    .kind = DEVICE_CPU,
    .name = "cpu",
    .device_count = cpu_device_count,
    .device_open = cpu_device_open,
    .device_close = cpu_device_close,
    .alloc = cpu_alloc,
    .release = cpu_release,
    .memory = cpu_memory,
    .queue_open = cpu_queue_open,
    .queue_close = cpu_queue_close,
    .upload = cpu_upload,
    .download = cpu_download,
    .wait = cpu_wait,
    .mark = cpu_mark,
    .marks_read = cpu_marks_read,
    .describe = cpu_describe,
    .op = &cpu_ops,
};
