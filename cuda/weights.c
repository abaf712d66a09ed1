/* Types: parameters are F32 masters; where activations are BF16 the libraries get a BF16 working copy, made
 * again when the parameter's version changes. */
#include "cuda/state.h"

#include <string.h>

#include "tengen/mem.h"

struct cuda_copy {
    struct cuda_copy *next;
    const void *data;
    const uint64_t *version;
    size_t count;
    uint64_t seen; /* the version that was copied; not where it is stale */
    bool stale;
    void *copy;
};

unsigned plan_bucket(const void *key, size_t size) {
    const unsigned char *bytes = key;
    unsigned hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash % PLAN_BUCKETS;
}

bool cuda_has_bf16(struct queue *q) {
    return ((struct cuda_device *)q->device->state)->major >= 8;
}

struct tensor cuda_like(struct queue *q, struct tensor t, enum dtype dtype, enum cuda_place place) {
    t.data = cuda_scratch(q, place, tensor_count(t) * dtype_size(dtype));
    t.dtype = dtype;
    t.version = NULL;
    return t;
}

struct tensor cuda_convert(struct queue *q, struct tensor t, enum dtype dtype, enum cuda_place place) {
    if (t.dtype == dtype) return t;
    struct tensor copy = cuda_like(q, t, dtype, place);
    cuda_scale(q, copy, t, 1.0f, false);
    return copy;
}

void cuda_copies_free(struct cuda_queue *state) {
    while (state->copies) {
        struct cuda_copy *next = state->copies->next;
        cudaFree(state->copies->copy);
        mem_free(state->copies);
        state->copies = next;
    }
}

/* Released memory may have been handed out again, with other weights of the same version: all copies are made
 * again then, in their places, so that graphs that read them stay what they are. */
void cuda_copies_check(struct queue *q) {
    struct cuda_queue *state = cuda_state(q);
    struct cuda_device *device = q->device->state;
    unsigned long long releases = atomic_load(&device->releases);
    if (releases == state->copies_releases) return;
    state->copies_releases = releases;
    for (struct cuda_copy *c = state->copies; c; c = c->next)
        c->stale = true;
}

/* Parameters are F32, so what is copied is BF16. */
void cuda_copy_refresh(struct queue *q, struct cuda_copy *c) {
    if (!c->stale && c->seen == *c->version) return;
    c->stale = false;
    c->seen = *c->version;
    cuda_scale(q, tensor_1(c->copy, DTYPE_BF16, (int)c->count),
               tensor_1((void *)(uintptr_t)c->data, DTYPE_F32, (int)c->count), 1.0f, false);
}

static struct cuda_copy *copy_make(struct queue *q, struct tensor w) {
    struct cuda_queue *state = cuda_state(q);
    const size_t count = tensor_count(w);
    void *copy = NULL;
    if (cuda_recording(q)) {
        cuda_recording_spoil(q);
        return NULL;
    }
    if (!cuda_ok(q, cudaMalloc(&copy, count * dtype_size(DTYPE_BF16)), "memory for a copy of weights"))
        return NULL;
    struct cuda_copy *c = MEM_NEW(struct cuda_copy, 1);
    *c = (struct cuda_copy){state->copies, w.data, w.version, count, .stale = true, .copy = copy};
    state->copies = c;
    return c;
}

struct tensor cuda_parameter(struct queue *q, struct tensor w, enum dtype dtype, enum cuda_place place) {
    if (!tensor_is(w) || w.dtype == dtype) return w;
    if (!w.version) return cuda_convert(q, w, dtype, place);
    const size_t count = tensor_count(w);
    cuda_copies_check(q);
    struct cuda_copy *c = cuda_state(q)->copies;
    while (c && (c->data != w.data || c->version != w.version || c->count != count))
        c = c->next;
    if (!c) c = copy_make(q, w);
    if (!c) return cuda_convert(q, w, dtype, place);
    if (cuda_recording(q))
        cuda_recording_reads(q, c); /* each launch refreshes it */
    else
        cuda_copy_refresh(q, c);
    w.data = c->copy;
    w.dtype = dtype;
    w.version = NULL;
    return w;
}
