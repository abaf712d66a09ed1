/* The pinned memory behind uploads and downloads (staging.h). */
#include "cuda/staging.h"

#include <string.h>

enum { STAGE_ALIGN = 64 };

cudaError_t staging_open(struct staging *s) {
    for (int i = 0; i < STAGES; i++) {
        cudaError_t error = cudaEventCreateWithFlags(&s->stages[i].free, cudaEventDisableTiming);
        if (error != cudaSuccess) return error;
    }
    for (int i = 0; i < 2; i++) {
        cudaError_t error = cudaEventCreateWithFlags(&s->landings[i].full, cudaEventDisableTiming);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

void staging_close(struct staging *s) {
    for (int i = 0; i < STAGES; i++) {
        if (s->stages[i].data) cudaFreeHost(s->stages[i].data);
        if (s->stages[i].free) cudaEventDestroy(s->stages[i].free);
    }
    for (int i = 0; i < 2; i++) {
        if (s->landings[i].data) cudaFreeHost(s->landings[i].data);
        if (s->landings[i].full) cudaEventDestroy(s->landings[i].full);
    }
    memset(s, 0, sizeof *s);
}

/* Nothing reads the stage any more when this is called. */
static cudaError_t stage_grow(struct stage *stage, size_t bytes) {
    size_t size = STAGE_LEAST;
    while (size < bytes)
        size *= 2;
    if (stage->data) cudaFreeHost(stage->data);
    stage->data = NULL;
    stage->size = 0;
    cudaError_t error = cudaHostAlloc(&stage->data, size, cudaHostAllocDefault);
    if (error == cudaSuccess) stage->size = size;
    return error;
}

/* Makes room for `bytes` in the current stage: the present one, or the next, once its copies are done. */
static cudaError_t staging_reserve(struct staging *s, cudaStream_t stream, size_t bytes) {
    if (s->used + bytes <= s->stages[s->current].size) return cudaSuccess;
    cudaError_t error = cudaEventRecord(s->stages[s->current].free, stream);
    if (error != cudaSuccess) return error;
    s->current = (s->current + 1) % STAGES;
    s->used = 0;
    struct stage *next = &s->stages[s->current];
    error = cudaEventSynchronize(next->free);
    if (error == cudaSuccess && next->size < bytes) error = stage_grow(next, bytes);
    return error;
}

cudaError_t staging_upload(struct staging *s, cudaStream_t stream, void *to, const void *from, size_t bytes) {
    for (size_t at = 0; at < bytes; at += STAGE_MOST) {
        size_t n = bytes - at < STAGE_MOST ? bytes - at : STAGE_MOST;
        cudaError_t error = staging_reserve(s, stream, n);
        if (error != cudaSuccess) return error;
        char *pinned = (char *)s->stages[s->current].data + s->used;
        memcpy(pinned, (const char *)from + at, n);
        s->used += (n + STAGE_ALIGN - 1) / STAGE_ALIGN * STAGE_ALIGN;
        error = cudaMemcpyAsync((char *)to + at, pinned, n, cudaMemcpyDefault, stream);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

/* Bytes of piece i of a download. */
static size_t piece_bytes(size_t bytes, size_t i) {
    const size_t left = bytes - i * LANDING_HALF;
    return left < LANDING_HALF ? left : LANDING_HALF;
}

static cudaError_t piece_fetch(struct landing *l, cudaStream_t stream, const char *from, size_t bytes) {
    cudaError_t error = cudaSuccess;
    if (!l->data) error = cudaHostAlloc(&l->data, LANDING_HALF, cudaHostAllocDefault);
    if (error == cudaSuccess) error = cudaMemcpyAsync(l->data, from, bytes, cudaMemcpyDefault, stream);
    return error == cudaSuccess ? cudaEventRecord(l->full, stream) : error;
}

cudaError_t staging_download(struct staging *s, cudaStream_t stream, void *to, const void *from,
                             size_t bytes) {
    const size_t pieces = (bytes + LANDING_HALF - 1) / LANDING_HALF;
    for (size_t i = 0; i <= pieces; i++) { /* piece i is under way while piece i - 1 is taken */
        cudaError_t error = cudaSuccess;
        if (i < pieces)
            error = piece_fetch(&s->landings[i % 2], stream, (const char *)from + i * LANDING_HALF,
                                piece_bytes(bytes, i));
        if (error != cudaSuccess) return error;
        if (i == 0) continue;
        struct landing *full = &s->landings[(i - 1) % 2];
        error = cudaEventSynchronize(full->full);
        if (error != cudaSuccess) return error;
        memcpy((char *)to + (i - 1) * LANDING_HALF, full->data, piece_bytes(bytes, i - 1));
    }
    return cudaSuccess;
}
