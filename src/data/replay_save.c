/* A replay's content as bytes: which shape it is of, then its arrays, in deflated blocks. */
#include <string.h>
#include <zlib.h>

#include "tengen/mem.h"
#include "tengen/replay.h"
#include "tengen/thread.h"

/* Of frames, GROUP blocks at a time are on the host. */
enum { BLOCK = 1 << 20, GROUP = 64, PARTS = 7, NUMBERS = 9 };

/* What a saved replay begins with. */
struct header {
    int64_t numbers[NUMBERS]; /* of the shape: equal in who saves and who loads */
    int64_t count;
    uint64_t highest;
    uint64_t blocks;
};

static struct header header_of(const struct replay *r) {
    const struct replay_shape *s = &r->shape;
    return (struct header){
        {r->length, s->count, s->h, s->w, s->c, s->frames, s->pixels, s->steps, s->prioritised},
        r->count,
        r->highest,
        0};
}

/* The arrays, end to end; priorities are the tree's leaves, copied. The first is frames, on the device. */
struct part {
    uint8_t *data;
    size_t size;
};

static size_t list_parts(const struct replay *r, uint64_t *priorities, struct part *parts) {
    size_t n = (size_t)r->shape.count, slots = n * (size_t)r->length;
    const struct part list[PARTS] = {
        {r->frames.data, tensor_bytes(r->frames)},
        {(uint8_t *)r->actions, slots * sizeof *r->actions},
        {(uint8_t *)r->rewards, slots * sizeof *r->rewards},
        {r->flags, slots},
        {(uint8_t *)r->written, n * sizeof *r->written},
        {(uint8_t *)r->ready, n * sizeof *r->ready},
        {(uint8_t *)priorities, priorities ? slots * sizeof *priorities : 0},
    };
    memcpy(parts, list, sizeof list);
    size_t blocks = 0;
    for (int i = 0; i < PARTS; i++)
        blocks += (parts[i].size + BLOCK - 1) / BLOCK;
    return blocks;
}

/* A piece of an array, and its deflated bytes. */
struct block {
    uint8_t *data;
    size_t size;
    struct tensor away; /* of frames: where it is on the device, and data is room for it */
    uint8_t *packed;
    uint64_t packed_size;
    bool damaged;
};

/* room: [GROUP, BLOCK] for blocks of frames. */
static struct block *cut_blocks(const struct part *parts, size_t count, uint8_t *room) {
    struct block *blocks = MEM_NEW(struct block, count);
    struct block *b = blocks;
    for (int i = 0; i < PARTS; i++)
        for (size_t at = 0; at < parts[i].size; at += BLOCK, b++) {
            b->data = parts[i].data + at;
            b->size = parts[i].size - at < BLOCK ? parts[i].size - at : BLOCK;
            if (i > 0) continue;
            b->away = tensor_1(b->data, DTYPE_U8, (int)b->size);
            b->data = room + (size_t)(b - blocks) % GROUP * BLOCK;
        }
    return blocks;
}

static void pack_block(void *context, int i) {
    struct block *b = &((struct block *)context)[i];
    uLongf size = compressBound((uLong)b->size);
    b->packed = mem_alloc(size, 1);
    int error = compress2(b->packed, &size, b->data, (uLong)b->size, Z_BEST_SPEED);
    ENSURE(error == Z_OK, "zlib: %d", error);
    b->packed = mem_resize(b->packed, size, size, 1);
    b->packed_size = size;
}

/* The first GROUP of `left` blocks. */
static void pack_group(struct queue *q, struct pool *pool, struct block *blocks, size_t left) {
    const int count = left < GROUP ? (int)left : GROUP;
    for (int i = 0; i < count; i++)
        if (tensor_is(blocks[i].away)) queue_download(q, blocks[i].data, blocks[i].away);
    pool_run(pool, count, pack_block, blocks);
}

static void unpack_block(void *context, int i) {
    struct block *b = &((struct block *)context)[i];
    uLongf size = (uLongf)b->size;
    b->damaged = uncompress(b->data, &size, b->packed, (uLong)b->packed_size) != Z_OK || size != b->size;
}

static void unpack_group(struct queue *q, struct pool *pool, struct block *blocks, size_t left) {
    const int count = left < GROUP ? (int)left : GROUP;
    pool_run(pool, count, unpack_block, blocks);
    for (int i = 0; i < count; i++)
        if (tensor_is(blocks[i].away)) queue_upload(q, blocks[i].away, blocks[i].data);
}

static uint64_t *tree_leaves(const struct replay *r) {
    if (!r->shape.prioritised) return NULL;
    uint64_t *leaves = MEM_NEW(uint64_t, r->tree.count);
    for (int64_t i = 0; i < r->tree.count; i++)
        leaves[i] = sum_tree_get(&r->tree, i);
    return leaves;
}

void *replay_save(const struct replay *r, struct pool *pool, size_t *size) {
    struct part parts[PARTS];
    uint64_t *priorities = tree_leaves(r);
    struct header header = header_of(r);
    header.blocks = list_parts(r, priorities, parts);
    uint8_t *room = MEM_NEW(uint8_t, GROUP * BLOCK);
    struct block *blocks = cut_blocks(parts, header.blocks, room);
    for (size_t i = 0; i < header.blocks; i += GROUP)
        pack_group(r->queue, pool, blocks + i, header.blocks - i);
    *size = sizeof header;
    for (uint64_t i = 0; i < header.blocks; i++)
        *size += sizeof blocks[i].packed_size + blocks[i].packed_size;
    uint8_t *data = mem_alloc(*size, 1), *to = data;
    memcpy(to, &header, sizeof header);
    to += sizeof header;
    for (uint64_t i = 0; i < header.blocks; i++) {
        memcpy(to, &blocks[i].packed_size, sizeof blocks[i].packed_size);
        to += sizeof blocks[i].packed_size;
        memcpy(to, blocks[i].packed, blocks[i].packed_size);
        to += blocks[i].packed_size;
        mem_free(blocks[i].packed);
    }
    mem_free(blocks);
    mem_free(room);
    mem_free(priorities);
    return data;
}

/* Points the blocks at their bytes; false if these end too soon or too late. */
static bool find_blocks(struct block *blocks, size_t count, const uint8_t *from, size_t left) {
    for (size_t i = 0; i < count; i++) {
        struct block *b = &blocks[i];
        if (left < sizeof b->packed_size) return false;
        memcpy(&b->packed_size, from, sizeof b->packed_size);
        from += sizeof b->packed_size;
        left -= sizeof b->packed_size;
        if (left < b->packed_size) return false;
        b->packed = (uint8_t *)from;
        from += b->packed_size;
        left -= (size_t)b->packed_size;
    }
    return left == 0;
}

static enum status unpack(struct queue *q, struct pool *pool, struct block *blocks, size_t count,
                          const uint8_t *from, size_t size) {
    bool damaged = !find_blocks(blocks, count, from, size);
    for (size_t i = 0; i < count && !damaged; i += GROUP)
        unpack_group(q, pool, blocks + i, count - i);
    for (size_t i = 0; i < count; i++)
        damaged |= blocks[i].damaged;
    return damaged ? status_fail(STATUS_FORMAT, "the saved replay is damaged") : STATUS_OK;
}

enum status replay_load(struct replay *r, struct pool *pool, const void *data, size_t size) {
    struct header header, ours = header_of(r);
    struct part parts[PARTS];
    if (size < sizeof header) return status_fail(STATUS_FORMAT, "the saved replay is damaged");
    memcpy(&header, data, sizeof header);
    uint64_t *priorities = tree_leaves(r);
    size_t count = list_parts(r, priorities, parts);
    if (memcmp(header.numbers, ours.numbers, sizeof ours.numbers) != 0 || header.blocks != count) {
        mem_free(priorities);
        return status_fail(STATUS_FORMAT,
                           "the saved replay has another shape (%lld environments with %lld slots each); was "
                           "[env] or the replay's config changed?",
                           (long long)header.numbers[1], (long long)header.numbers[0]);
    }
    uint8_t *room = MEM_NEW(uint8_t, GROUP * BLOCK);
    struct block *blocks = cut_blocks(parts, count, room);
    enum status status =
        unpack(r->queue, pool, blocks, count, (const uint8_t *)data + sizeof header, size - sizeof header);
    r->count = header.count;
    r->highest = header.highest;
    for (int64_t i = 0; priorities && status == STATUS_OK && i < r->tree.count; i++)
        sum_tree_set(&r->tree, i, priorities[i]);
    mem_free(blocks);
    mem_free(room);
    mem_free(priorities);
    return status;
}
