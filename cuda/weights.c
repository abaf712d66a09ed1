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
    uint64_t seen; /* the version that was copied */
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

/* Released memory may have been handed out again, with other weights of the same version: forget all copies.
 */
static void copies_check(struct queue *q) {
    struct cuda_queue *state = cuda_state(q);
    struct cuda_device *device = q->device->state;
    unsigned long long releases = atomic_load(&device->releases);
    if (releases != state->copies_releases) cuda_copies_free(state);
    state->copies_releases = releases;
}

struct tensor cuda_parameter(struct queue *q, struct tensor w, enum dtype dtype, enum cuda_place place) {
    if (!tensor_is(w) || w.dtype == dtype) return w;
    if (!w.version) return cuda_convert(q, w, dtype, place);
    struct cuda_queue *state = cuda_state(q);
    const size_t count = tensor_count(w);
    const uint64_t version = *w.version;
    copies_check(q);
    struct cuda_copy *c = state->copies;
    while (c && (c->data != w.data || c->version != w.version || c->count != count))
        c = c->next;
    if (!c) {
        void *copy = NULL;
        if (!cuda_ok(q, cudaMalloc(&copy, count * dtype_size(dtype)), "memory for a copy of weights"))
            return cuda_convert(q, w, dtype, place);
        c = MEM_NEW(struct cuda_copy, 1);
        *c = (struct cuda_copy){state->copies, w.data, w.version, count, version + 1, copy};
        state->copies = c;
    }
    struct tensor result = w;
    result.data = c->copy;
    result.dtype = dtype;
    result.version = NULL;
    if (c->seen != version) cuda_scale(q, result, w, 1.0f, false);
    c->seen = version;
    return result;
}
