/* What stands behind a CUDA device and queue. For the back end's C files and the library calls; kernel files
 * see queue.h only.
 *
 * Operations return nothing, so what fails while work is queued is kept in the queue: the first failure, as
 * text, until queue_wait() reports it. Every call of a library goes through one of the _ok functions.
 */
#ifndef CUDA_STATE_H
#define CUDA_STATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "cuda/queue.h"
#include "cuda/staging.h"
#include "tengen/status.h"

/* Behind device.state. */
struct cuda_device {
    int major, minor;       /* compute capability */
    atomic_ullong releases; /* how often memory was released: copies of weights from before are made again */
};

struct cuda_copy;   /* weights.c: bf16 working copies of parameters */
struct cuda_marks;  /* marks.c: events whose times are asked for */
struct conv_plan;   /* conv.c: descriptors and algorithm of a convolution */
struct matrix_plan; /* linear.c: the same of a matrix product */

enum { PLAN_BUCKETS = 512, MATRIX_WORKSPACE = 32 << 20 };

/* Behind queue.state. */
struct cuda_queue {
    cudaStream_t stream;
    cudnnHandle_t cudnn;
    cublasLtHandle_t cublas;
    struct cuda_memory {
        void *data;
        size_t size;
    } scratch[PLACE_COUNT];
    struct staging staging;
    struct cuda_copy *copies;
    unsigned long long copies_releases; /* the device's count that the copies belong to */
    unsigned long long generation;      /* grows when scratch moves: graphs of before are void */
    struct graph *recording;            /* being captured, or NULL */
    struct conv_plan *conv_plans[PLAN_BUCKETS];
    struct matrix_plan *matrix_plans[PLAN_BUCKETS];
    struct cuda_marks *marks;
    bool failed;
    char failure[512];
};

static inline struct cuda_queue *cuda_state(struct queue *q) {
    return (struct cuda_queue *)q->state;
}

/* True if the call went well; else keeps "what: the library's text" unless there is an earlier failure. */
bool cuda_ok(struct queue *q, cudaError_t error, const char *what);
bool cudnn_ok(struct queue *q, cudnnStatus_t status, const char *what);
bool cublas_ok(struct queue *q, cublasStatus_t status, const char *what);
void cuda_fail(struct queue *q, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether the code in this library runs on the current device; else the error. (architecture.cu) */
cudaError_t cuda_code_fits(void);

/* ---- types: weights.c -------------------------------------------------------------------------------------
 */

/* A parameter as `dtype`: itself, or a copy that is kept until its version changes. */
struct tensor cuda_parameter(struct queue *q, struct tensor w, enum dtype dtype, enum cuda_place place);
/* A tensor of t's shape in scratch memory: with t's values converted, or not filled. */
struct tensor cuda_convert(struct queue *q, struct tensor t, enum dtype dtype, enum cuda_place place);
struct tensor cuda_like(struct queue *q, struct tensor t, enum dtype dtype, enum cuda_place place);
void cuda_copies_free(struct cuda_queue *state);
void cuda_copies_check(struct queue *q); /* whether memory was released, after which no copy is trusted */
void cuda_copy_refresh(struct queue *q, struct cuda_copy *copy); /* converts if the version has changed */

/* Whether the device's libraries take BF16 (Ampere and later); else products run on F32 copies. */
bool cuda_has_bf16(struct queue *q);

/* ---- time: marks.c ----------------------------------------------------------------------------------------
 */

void cuda_mark(struct queue *q);
void cuda_marks_read(struct queue *q, double *gaps);
void cuda_marks_free(struct cuda_queue *state);
void cuda_range_push(const char *name);
void cuda_range_pop(void);

/* ---- graphs: graph.c --------------------------------------------------------------------------------------
 */

bool cuda_graph_begin(struct queue *q);
struct graph *cuda_graph_end(struct queue *q, char *why, size_t size);
bool cuda_graph_launch(struct queue *q, struct graph *graph);
void cuda_graph_free(struct device *d, struct graph *graph);
bool cuda_recording(struct queue *q);
void cuda_recording_spoil(struct queue *q); /* something wants memory: it has to run directly first */
void cuda_recording_reads(struct queue *q, struct cuda_copy *copy);

void conv_plans_free(struct cuda_queue *state);
void matrix_plans_free(struct cuda_queue *state);

/* A bucket for a key without padding. (weights.c) */
unsigned plan_bucket(const void *key, size_t size);

#endif
