/* Weights in the layouts of kernels. See ops/packs.h. */
#include "ops/packs.h"

#include <pthread.h>

#include "ops/cpu.h"
#include "tengen/mem.h"

enum { BUCKETS = 256 };

struct packs {
    pthread_mutex_t lock; /* over everything below, and over what fills packs */
    struct pack *buckets[BUCKETS];
};

struct packs *packs_open(void) {
    struct packs *packs = MEM_NEW(struct packs, 1);
    pthread_mutex_init(&packs->lock, NULL);
    return packs;
}

static void pack_free(struct pack *pack) {
    if (pack->layout->close) pack->layout->close(pack);
    mem_free(pack->data);
    mem_free(pack);
}

void packs_free(struct pack *list) {
    for (struct pack *pack = list, *next; pack; pack = next) {
        next = pack->next;
        pack_free(pack);
    }
}

void packs_close(struct packs *packs) {
    for (int i = 0; i < BUCKETS; i++)
        packs_free(packs->buckets[i]);
    pthread_mutex_destroy(&packs->lock);
    mem_free(packs);
}

void packs_forget(struct packs *packs, const void *memory, size_t size) {
    pthread_mutex_lock(&packs->lock);
    for (int i = 0; i < BUCKETS; i++)
        for (struct pack **at = &packs->buckets[i]; *at;) {
            struct pack *pack = *at;
            if ((uintptr_t)pack->master - (uintptr_t)memory < size) {
                *at = pack->next;
                pack_free(pack);
            } else {
                at = &pack->next;
            }
        }
    pthread_mutex_unlock(&packs->lock);
}

/* The pack of these weights in a list, added where it is missing. */
static struct pack *pack_in(struct pack **list, const struct pack_layout *layout, struct tensor weights,
                            bool loose) {
    const size_t bytes = layout->bytes(layout, weights);
    for (struct pack *pack = *list; pack; pack = pack->next) {
        bool same = pack->master == weights.data && pack->version_at == weights.version;
        if (pack->layout == layout && pack->bytes == bytes && (same || loose)) return pack;
    }
    struct pack *pack = MEM_NEW(struct pack, 1);
    pack->layout = layout;
    pack->master = weights.data;
    pack->version_at = weights.version;
    pack->bytes = bytes;
    pack->data = mem_alloc(1, bytes);
    pack->next = *list;
    return *list = pack;
}

const struct pack *packs_get(struct queue *q, const struct pack_layout *layout, struct tensor weights) {
    struct packs *packs = ((struct cpu_device *)q->device->state)->packs;
    const bool loose = !weights.version;
    struct pack **list = loose ? &((struct cpu_queue *)q->state)->loose
                               : &packs->buckets[((uintptr_t)weights.data >> 6) % BUCKETS];
    pthread_mutex_lock(&packs->lock);
    struct pack *pack = pack_in(list, layout, weights, loose);
    if (loose || !pack->filled || pack->version != *weights.version) {
        layout->fill(layout, q, pack, weights);
        pack->filled = true;
        if (!loose) pack->version = *weights.version;
    }
    pthread_mutex_unlock(&packs->lock);
    return pack;
}
