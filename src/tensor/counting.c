/* The device that counts (device_open_counting): addresses without memory, and operations that do nothing. */
#include <string.h>
#include <sys/mman.h>

#include "tengen/account.h"
#include "tengen/device.h"
#include "tengen/mem.h"
#include "tengen/ops.h"
#include "tengen/thread.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define OP(name, parameters, names)                                                                          \
    static void skipped_##name parameters {}
#include "tengen/ops.def"
#undef OP
#pragma GCC diagnostic pop

static const struct ops skipped_ops = {
#define OP(name, parameters, names) .name = skipped_##name,
#include "tengen/ops.def"
#undef OP
};

static void counting_device_close(struct device *d) {
    (void)d;
}

static void *counting_alloc(struct device *d, size_t bytes) {
    (void)d;
    void *data =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void counting_release(struct device *d, void *memory, size_t bytes) {
    (void)d;
    munmap(memory, bytes);
}

/* Plans look at the pool. */
static enum status counting_queue_open(struct queue *q, int threads) {
    q->pool = q->device->kind == DEVICE_CPU && threads > 1 ? pool_create(threads) : NULL;
    return STATUS_OK;
}

static void counting_queue_close(struct queue *q) {
    pool_free(q->pool);
    device_release(q->device, q->state);
}

static void counting_upload(struct queue *q, void *device_memory, const void *host, size_t bytes) {
    (void)q, (void)device_memory, (void)host, (void)bytes;
}

static void counting_download(struct queue *q, void *host, const void *device_memory, size_t bytes) {
    (void)q, (void)device_memory;
    memset(host, 0, bytes);
}

static enum status counting_wait(struct queue *q) {
    (void)q;
    return STATUS_OK;
}

static void counting_mark(struct queue *q) {
    (void)q;
}

static void counting_marks_read(struct queue *q, double *gaps) {
    (void)q, (void)gaps;
    ENSURE(false, "a device that counts takes no time");
}

static const struct backend counting_backend = {
    .name = "counting",
    .device_close = counting_device_close,
    .alloc = counting_alloc,
    .release = counting_release,
    .queue_open = counting_queue_open,
    .queue_close = counting_queue_close,
    .upload = counting_upload,
    .download = counting_download,
    .wait = counting_wait,
    .mark = counting_mark,
    .marks_read = counting_marks_read,
    .op = &skipped_ops,
};

enum status device_open_counting(const struct device *like, struct device **out) {
    struct device *d = *out = MEM_NEW(struct device, 1);
    *d = *like;
    d->backend = &counting_backend;
    d->state = (void *)(uintptr_t)like;
    d->memories = NULL;
    return STATUS_OK;
}

bool device_counts(const struct device *d) {
    return d->backend == &counting_backend;
}

const struct device *device_counted(const struct device *d) {
    return device_counts(d) ? d->state : d;
}

void queue_expect(struct queue *q) {
    if (!device_counts(q->device) || q->state) return;
    ACCOUNT("workspaces");
    const struct device *like = device_counted(q->device);
    if (like->backend->queue_bytes) q->state = device_alloc(q->device, like->backend->queue_bytes(like));
}

void *device_expect(struct device *d, size_t bytes) {
    return bytes && device_counts(d) ? device_alloc(d, bytes) : NULL;
}
