/* Memory of devices: given out, charged to accounts, taken back. */
#include "tensor/memory.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/log.h"
#include "tengen/mem.h"

/* Of a tree in which the bits of an address, mixed, say which way to go: about log4(n) steps to any of n. */
struct device_memory {
    struct device_memory *below[4];
    void *data;
    size_t bytes;
    struct account *account;
    enum account_place place;
    bool mapped; /* from the back end's alloc_mapped */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A CPU's memory is the host's. */
static enum account_place place_of(const struct device *d) {
    return d->kind == DEVICE_CPU ? ACCOUNT_HOST : ACCOUNT_DEVICE;
}

bool device_room(struct device *d, size_t *free_bytes, size_t *total) {
    return d->backend->memory && d->backend->memory(d, free_bytes, total);
}

/* The place in the tree where `data` is or would be. */
static struct device_memory **memory_find(struct device *d, const void *data) {
    uint64_t way =
        (uint64_t)(uintptr_t)data * 0x9e3779b97f4a7c15; /* Fibonacci hashing: high bits are mixed */
    struct device_memory **at = &d->memories;
    for (; *at && (*at)->data != data; way <<= 2)
        at = &(*at)->below[way >> 62];
    return at;
}

/* Takes what stands at `at` out of the tree. Any leaf below it may take its place: the ways to both begin
 * alike. */
static struct device_memory *memory_unlink(struct device_memory **at) {
    struct device_memory *m = *at, **leaf = at;
    for (int i = 0; i < 4; i++)
        if ((*leaf)->below[i]) {
            leaf = &(*leaf)->below[i];
            i = -1; /* from the first again */
        }
    struct device_memory *heir = *leaf;
    *leaf = NULL;
    if (heir == m) return m;
    memcpy(heir->below, m->below, sizeof heir->below);
    *at = heir;
    return m;
}

static _Noreturn void exit_without_memory(struct device *d, enum account_place place, size_t bytes) {
    size_t free_bytes, total;
    char there[96] = "";
    if (place == place_of(d) && device_room(d, &free_bytes, &total))
        snprintf(there, sizeof there, ", %.1f of %.1f MiB are free", (double)free_bytes / (1 << 20),
                 (double)total / (1 << 20));
    status_exit("%s: out of memory%s: %.1f MiB asked for, %.1f MiB held%s: use a smaller batch or network; "
                "`tengen train CONFIG --plan` says what takes how much",
                d->name, place == place_of(d) ? "" : " of the host that it can read",
                (double)bytes / (1 << 20), (double)accounts_held(place) / (1 << 20), there);
}

static void *memory_take(struct device *d, enum account_place place, size_t bytes) {
    const bool mapped = place != place_of(d) && d->backend->alloc_mapped;
    if (bytes == 0) bytes = 1;
    void *data = mapped ? d->backend->alloc_mapped(d, bytes) : d->backend->alloc(d, bytes);
    if (!data) exit_without_memory(d, place, bytes);
    struct device_memory *m = MEM_NEW(struct device_memory, 1);
    *m = (struct device_memory){{NULL}, data, bytes, account_current(), place, mapped};
    account_add(m->account, place, bytes);
    pthread_mutex_lock(&lock);
    *memory_find(d, data) = m;
    pthread_mutex_unlock(&lock);
    return data;
}

void *device_alloc(struct device *d, size_t bytes) {
    return memory_take(d, place_of(d), bytes);
}

void *device_alloc_mapped(struct device *d, size_t bytes) {
    return memory_take(d, ACCOUNT_HOST, bytes);
}

struct tensor device_tensor(struct device *d, enum dtype type, int rows, int width) {
    struct tensor t = tensor_2(NULL, type, rows, width);
    t.data = device_alloc(d, tensor_bytes(t));
    return t;
}

void device_release(struct device *d, void *memory) {
    if (!memory) return;
    pthread_mutex_lock(&lock);
    struct device_memory **at = memory_find(d, memory), *m = *at ? memory_unlink(at) : NULL;
    pthread_mutex_unlock(&lock);
    ENSURE(m, "device %s did not give out the memory %p that is released", d->name, memory);
    account_subtract(m->account, m->place, m->bytes);
    if (m->mapped)
        d->backend->release_mapped(d, m->data);
    else
        d->backend->release(d, m->data, m->bytes);
    mem_free(m);
}

void device_memories_close(struct device *d) {
    if (d->memories)
        log_warn("device %s is closed while %zu bytes of it are in use", d->name, d->memories->bytes);
}
