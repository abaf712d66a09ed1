/* What profilers and benchmarks ask of a queue: marks, which are timed events in its stream, and named ranges
 * (NVTX). */
#include <nvtx3/nvToolsExt.h>

#include "cuda/state.h"
#include "tengen/mem.h"

/* Behind cuda_queue.marks. Events are kept for the next time. */
struct cuda_marks {
    cudaEvent_t *events;
    size_t made, used, capacity;
};

void cuda_mark(struct queue *q) {
    struct cuda_queue *state = cuda_state(q);
    cudaStream_t stream = cuda_stream(q);
    if (!state->marks) state->marks = MEM_NEW(struct cuda_marks, 1);
    struct cuda_marks *m = state->marks;
    if (m->used == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 64;
        m->events = mem_resize(m->events, m->capacity, capacity, sizeof *m->events);
        m->capacity = capacity;
    }
    if (m->used == m->made) {
        if (!cuda_ok(q, cudaEventCreate(&m->events[m->made]), "event")) return;
        m->made++;
    }
    cuda_ok(q, cudaEventRecord(m->events[m->used], stream), "event");
    m->used++;
}

void cuda_marks_read(struct queue *q, double *gaps) {
    struct cuda_marks *m = cuda_state(q)->marks;
    if (!m) return;
    cuda_ok(q, cudaStreamSynchronize(cuda_stream(q)), "work on the device");
    for (size_t i = 1; i < m->used; i++) {
        float milliseconds = 0; /* stays where the stream has failed, which queue_wait() reports */
        cuda_ok(q, cudaEventElapsedTime(&milliseconds, m->events[i - 1], m->events[i]), "event");
        gaps[i - 1] = 1e-3 * (double)milliseconds;
    }
    m->used = 0;
}

void cuda_marks_free(struct cuda_queue *state) {
    if (!state->marks) return;
    for (size_t i = 0; i < state->marks->made; i++)
        cudaEventDestroy(state->marks->events[i]);
    mem_free(state->marks->events);
    mem_free(state->marks);
}

void cuda_range_push(const char *name) {
    nvtxRangePushA(name);
}

void cuda_range_pop(void) {
    nvtxRangePop();
}
