/* Devices and queues: where tensors live and where operations run.
 *
 * A device owns memory and library handles. A queue is an ordered stream of operations on a device, with its
 * workspace; acting and learning have one each. On a CPU a queue runs operations at once, cut into fixed
 * slices over its pool of threads; a queue with one thread runs in its caller, so that many threads can each
 * drive a queue of their own on one device. A queue is used by one thread at a time; devices are safe to
 * share.
 *
 * The CUDA half is a shared library beside the program (libtengen_cuda.so), opened when a GPU is wanted. It
 * exports one function, tengen_cuda_backend(), which returns a `struct backend`.
 */
#ifndef TENGEN_DEVICE_H
#define TENGEN_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "tengen/status.h"
#include "tengen/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct device_memory;
struct env_kernels;
struct pool;
struct ops;
struct queue;
struct queue_profile;
struct graph;

enum device_kind { DEVICE_CPU, DEVICE_CUDA };

struct device {
    const struct backend *backend;
    enum device_kind kind;
    int index;                      /* which GPU */
    int threads;                    /* CPU: cores this device may use */
    size_t cache;                   /* bytes of the last cache before memory */
    char name[128];                 /* "Intel Xeon ... (2 cores)", "NVIDIA H100 80GB HBM3" */
    void *state;                    /* the back end's own */
    struct device_memory *memories; /* what device_alloc gave out */
    char why_not_gpu[256];          /* where "auto" meant the CPU: why; else empty */
};

struct queue {
    const struct ops *op; /* q->op->relu_forward(q, y, x) */
    struct device *device;
    struct pool *pool;             /* CPU: NULL for one thread */
    void *state;                   /* the back end's own: stream, workspace, scratch */
    bool tf32;                     /* F32 products may round their factors to 10 bits (TF32); plans say so */
    const char *label;             /* "acting", say: what profiles call it; NULL: by the phase that uses it */
    struct queue_profile *profile; /* NULL: none is made (profile.h) */
    bool recording;                /* between queue_graph_begin and queue_graph_end */
    enum status fault;             /* what queue_settle() found and nobody has heard of yet ... */
    char fault_text[512];          /* ... in words */
};

/* What a back end provides; devices and queues go through it. */
struct backend {
    size_t layout; /* BACKEND_LAYOUT (ops.h) of its build; the CUDA library's is held against the program's */
    enum device_kind kind;
    const char *name;
    int (*device_count)(char *why, size_t size); /* where it is 0, `why` says why: "no GPU: ..." */
    enum status (*device_open)(struct device *d);
    void (*device_close)(struct device *d);
    void *(*alloc)(struct device *d, size_t bytes); /* zeroed, 64-byte aligned; NULL when memory is out */
    void (*release)(struct device *d, void *memory, size_t bytes);
    /* The same of the host's memory, at one address for both. NULL: what alloc gives is the host's. */
    void *(*alloc_mapped)(struct device *d, size_t bytes);
    void (*release_mapped)(struct device *d, void *memory);
    /* Bytes that are free now, and all; false where nobody knows. NULL: nobody does. */
    bool (*memory)(struct device *d, size_t *free_bytes, size_t *total);
    /* Bytes that libraries take for a queue once networks run on it, as far as that is known; NULL: none. */
    size_t (*queue_bytes)(const struct device *d);
    enum status (*queue_open)(struct queue *q, int threads);
    void (*queue_close)(struct queue *q);
    void (*upload)(struct queue *q, void *device_memory, const void *host, size_t bytes);
    void (*download)(struct queue *q, void *host, const void *device_memory, size_t bytes);
    enum status (*wait)(struct queue *q); /* for everything queued; reports asynchronous faults */
    /* A mark has a place in the queue's order and the time at which the device gets there. marks_read waits
     * for all, writes the seconds from each to the next (one fewer than there are marks) and forgets them. */
    void (*mark)(struct queue *q);
    void (*marks_read)(struct queue *q, double *gaps);
    /* Named ranges of the calling thread for the device's profiler (NVTX); NULL where there is none. */
    void (*range_push)(const char *name);
    void (*range_pop)(void);
    /* Prints versions and device names, or why there is none, as lines of "key: value". */
    void (*describe)(char *text, size_t size);
    const struct ops *op;
    const struct env_kernels
        *env_kernels; /* [environments of envs.def] (env_kernels.h); NULL: on the host alone */
    /* Graphs: see queue_graph_begin and so on. All NULL where work is not queued (CPU). */
    bool (*graph_begin)(struct queue *q);
    struct graph *(*graph_end)(struct queue *q, char *why, size_t size);
    bool (*graph_launch)(struct queue *q, struct graph *graph);
    void (*graph_free)(struct device *d, struct graph *graph);
};

/* spec: "cpu", "cuda", "cuda:1" or "auto" (a GPU where one works, else the CPU).
 * threads: cores for a CPU device, 0 for all. Errors say what is missing and the remedy. */
enum status device_open(const char *spec, int threads, struct device **out) MUST_USE;
void device_close(struct device *d);

/* Zeroed, charged to the caller's account (account.h); ends the program with a text when memory is out. */
void *device_alloc(struct device *d, size_t bytes);
/* The same of the host's memory, which the device reads and writes over the bus. */
void *device_alloc_mapped(struct device *d, size_t bytes);
void device_release(struct device *d, void *memory); /* NULL is legal */
/* A tensor [rows, width] of new memory, for device_release(d, t.data). */
struct tensor device_tensor(struct device *d, enum dtype type, int rows, int width);
/* See struct backend. */
bool device_room(struct device *d, size_t *free_bytes, size_t *total);

/* A device that counts: like another in all that decides how much is asked for, but device_alloc gives
 * addresses without memory, operations and copies do nothing, and downloads are zeros. What is built on it is
 * charged to the accounts that it would be charged to. */
enum status device_open_counting(const struct device *like, struct device **out) MUST_USE;
bool device_counts(const struct device *d);
/* The one that it is like; another device itself. */
const struct device *device_counted(const struct device *d);
/* What the back end will take by itself for what is being built: on a device that counts as device_alloc,
 * else NULL. For device_release. */
void *device_expect(struct device *d, size_t bytes);
/* The same for what libraries take for a queue that networks run on. */
void queue_expect(struct queue *q);

/* threads: 0 for the device's, 1 to run in the caller. */
enum status queue_open(struct device *d, int threads, struct queue **out) MUST_USE;
void queue_close(struct queue *q);
void queue_upload(struct queue *q, struct tensor to, const void *host);
void queue_download(struct queue *q, void *host, struct tensor from); /* waits */
enum status queue_wait(struct queue *q) MUST_USE;
/* Waits where no status can be returned: false is a fault, which the next queue_wait() reports. */
bool queue_settle(struct queue *q) MUST_USE;

/* Marks in the queue's order, and the seconds from each to the next: see struct backend. */
void queue_mark(struct queue *q);
void queue_marks_read(struct queue *q, double *gaps);
/* Graphs: operations given to a queue between begin and end are recorded, not run, and run as one whenever
 * the graph is launched, on the same memory. Parameters with a version are up to date at each launch, as at a
 * call. What is recorded must have run on this queue before: while recording nothing may allocate. */
bool queue_graph_begin(struct queue *q); /* false: not on this device, or not now */
/* NULL, and nothing has run: memory has moved meanwhile (`why` is empty; record again after running it), or
 * the device cannot record this (`why` says what). */
struct graph *queue_graph_end(struct queue *q, char *why, size_t size);
/* False, and nothing has run: memory that the graph speaks of has moved; run it, and record it again. */
bool queue_graph_launch(struct queue *q, struct graph *graph) MUST_USE;
void device_graph_free(struct device *d, struct graph *graph); /* NULL is legal */

/* Work that is done again and again on the same memory, zeroed at first. It runs directly once, which makes
 * what the back end keeps for it (library plans, workspaces, copies of weights, kernels loaded), is recorded
 * the second time, and from then on launched as one graph, which costs the host a call instead of one an
 * operation. Directly it runs always where a device has no graphs, a profile wants to see each operation, or
 * it is part of something that is recorded. */
struct repeat {
    bool warm; /* it has run */
    bool off;  /* the device cannot record it */
    struct graph *graph;
};
/* run(self) queues the work: the same operations on the same memory each time. `what` is called so in a
 * warning where the device cannot record it. */
void queue_repeat(struct queue *q, struct repeat *r, const char *what, void (*run)(void *self), void *self);
void repeat_free(struct repeat *r, struct device *d); /* legal on a zeroed one */

/* For `tengen info`: every back end, the devices found, and why one is absent. */
void device_describe_all(char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
