/* Weights in the layouts that kernels want: one copy (a pack) for each pair of master and layout, made again
 * when the master's version has changed. Behind a device, shared by its queues; any thread may call.
 */
#ifndef OPS_PACKS_H
#define OPS_PACKS_H

#include <stddef.h>

#include "tengen/tensor.h"

struct pack;
struct packs;
struct queue;

/* What one who packs says of a layout; known by its address, which outlives the packs. */
struct pack_layout {
    size_t (*bytes)(const struct pack_layout *layout, struct tensor weights);
    /* Writes weights in this layout; q is the queue whose thread asks. */
    void (*fill)(const struct pack_layout *layout, struct queue *q, struct pack *pack, struct tensor weights);
    void (*close)(struct pack *pack); /* of what fill() has put into pack->object; NULL: nothing */
};

struct pack {
    struct pack *next; /* in its bucket, or of its queue */
    const struct pack_layout *layout;
    const void *master;
    const uint64_t *version_at;
    uint64_t version;
    size_t bytes;
    bool filled;
    void *data;   /* 64-byte aligned */
    void *object; /* the layout's own */
};

struct packs *packs_open(void);
void packs_close(struct packs *packs);
/* Forgets packs whose masters lie in [memory, memory + size), which is about to be released. */
void packs_forget(struct packs *packs, const void *memory, size_t size);

/* The weights in the layout, as they are now. Called by the queue's thread, outside pool_run. Weights without
 * a version may have changed at any time: the queue keeps a pack of its own for each layout. */
const struct pack *packs_get(struct queue *q, const struct pack_layout *layout, struct tensor weights);
void packs_free(struct pack *list); /* a queue's own */

#endif
