/* Graphs: what a queue is given while it records is captured from its stream, and launched as one.
 *
 * While capturing nothing may allocate or free, and a graph speaks of the addresses that it was captured
 * with. So a request for more workspace, or for a copy of weights that is not there, spoils the recording:
 * the plan runs directly once more and records again. A workspace that moves later makes the queue's
 * generation grow, and graphs of an older one are not launched. Copies of weights never move; they are not
 * refreshed inside a graph but by its launch, if their version has changed: a graph keeps the copies it
 * reads. Captures are thread-local, since other threads may allocate at any time. TENGEN_GRAPHS=0 turns
 * graphs off. */
#include "cuda/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tengen/mem.h"

struct graph {
    cudaGraphExec_t exec;
    unsigned long long generation;
    struct cuda_copy **copies; /* of weights, that it reads; the queue's */
    int count, capacity;
    bool spoilt;        /* something asked for memory */
    bool failed_before; /* the queue, so that a failure of this recording can be told from an older one */
};

static bool graphs_wanted(void) {
    const char *text = getenv("TENGEN_GRAPHS");
    return !text || strcmp(text, "0") != 0;
}

bool cuda_recording(struct queue *q) {
    return cuda_state(q)->recording != NULL;
}

void cuda_recording_spoil(struct queue *q) {
    cuda_state(q)->recording->spoilt = true;
}

void cuda_recording_reads(struct queue *q, struct cuda_copy *copy) {
    struct graph *g = cuda_state(q)->recording;
    for (int i = 0; i < g->count; i++)
        if (g->copies[i] == copy) return;
    if (g->count == g->capacity) {
        int capacity = g->capacity ? 2 * g->capacity : 16;
        g->copies = mem_resize(g->copies, (size_t)g->count, (size_t)capacity, sizeof(struct cuda_copy *));
        g->capacity = capacity;
    }
    g->copies[g->count++] = copy;
}

void cuda_graph_free(struct device *d, struct graph *g) {
    (void)d;
    if (g->exec) cudaGraphExecDestroy(g->exec);
    mem_free(g->copies);
    mem_free(g);
}

bool cuda_graph_begin(struct queue *q) {
    struct cuda_queue *state = cuda_state(q);
    if (!graphs_wanted()) return false;
    if (cudaStreamBeginCapture(cuda_stream(q), cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
        cudaGetLastError(); /* it is answered by running directly */
        return false;
    }
    state->recording = MEM_NEW(struct graph, 1);
    state->recording->generation = state->generation;
    state->recording->failed_before = state->failed;
    return true;
}

/* A failure of a call that was recorded is the recording's, not the queue's: nothing of it has run. */
static bool recording_failed(struct cuda_queue *state, const struct graph *g, char *why, size_t size) {
    if (!state->failed || g->failed_before) return false;
    snprintf(why, size, "%s", state->failure);
    state->failed = false;
    return true;
}

struct graph *cuda_graph_end(struct queue *q, char *why, size_t size) {
    struct cuda_queue *state = cuda_state(q);
    struct graph *g = state->recording;
    cudaGraph_t captured = NULL;
    state->recording = NULL;
    cudaError_t error = cudaStreamEndCapture(cuda_stream(q), &captured);
    bool failed = recording_failed(state, g, why, size);
    if (error == cudaSuccess && !failed && !g->spoilt)
        error = cudaGraphInstantiateWithFlags(&g->exec, captured, 0);
    if (captured) cudaGraphDestroy(captured);
    if (error == cudaSuccess && !failed && !g->spoilt) return g;
    cudaGetLastError();
    if (g->spoilt)
        why[0] = '\0'; /* whatever else went wrong may be because of that */
    else if (!failed)
        snprintf(why, size, "%s (%s)", cudaGetErrorString(error), cudaGetErrorName(error));
    cuda_graph_free(q->device, g);
    return NULL;
}

bool cuda_graph_launch(struct queue *q, struct graph *g) {
    struct cuda_queue *state = cuda_state(q);
    if (g->generation != state->generation) return false;
    cuda_copies_check(q);
    for (int i = 0; i < g->count; i++)
        cuda_copy_refresh(q, g->copies[i]);
    cuda_ok(q, cudaGraphLaunch(g->exec, cuda_stream(q)), "launching a graph");
    return true;
}
