/* What oneDNN's entries share: compiled kernels, reordered weights, and running a kernel on one slice.
 *
 * A kernel is a primitive for one operation on one slice of the batch, named by a key of plain integers. It
 * belongs to the device. A slot is a queue's use of a kernel: the library's memory objects, one set a worker,
 * whose pointers are set before each run. Weights are kept in the layout that a kernel asks for
 * (ops/packs.h).
 */
#ifndef OPS_ONEDNN_CACHE_H
#define OPS_ONEDNN_CACHE_H

#include <oneapi/dnnl/dnnl.h>

#include "ops/cpu.h"
#include "ops/onednn.h"
#include "ops/packs.h"

enum onednn_op {
    ONEDNN_CONV_FORWARD,
    ONEDNN_CONV_BACKWARD_DATA,
    ONEDNN_CONV_BACKWARD_WEIGHTS,
    ONEDNN_LINEAR_FORWARD,
    ONEDNN_LINEAR_BACKWARD_DATA,
    ONEDNN_LINEAR_BACKWARD_WEIGHTS,
};

enum { ONEDNN_BIAS = 1, ONEDNN_SUM = 2, ONEDNN_ACTIVATION = 8 /* times enum activation */ };

/* Plain integers without padding: compared and hashed as bytes. */
struct onednn_key {
    int op, dtype, n, h, w, c, o, kh, kw, stride_h, stride_w, pad_h, pad_w, flags;
};

/* A kernel's arguments by place. */
enum { SLOT_IN, SLOT_OUT, SLOT_WEIGHTS, SLOT_BIAS, SLOT_SCRATCHPAD, SLOT_COUNT };

struct onednn_kernel {
    struct onednn_key key;
    dnnl_primitive_t primitive; /* NULL: the library has none that is worth using */
    dnnl_memory_desc_t desc[SLOT_COUNT];
    int argument[SLOT_COUNT];  /* DNNL_ARG_...; 0: not there. Weights: run with a pack unless `weights_plain`.
                                */
    dnnl_memory_desc_t master; /* of the weights as the caller keeps them: F32, OHWI or OI */
    const struct pack_layout *layout; /* of desc[SLOT_WEIGHTS], from the master's */
    size_t scratchpad;
    char name[64]; /* the library's name of the implementation */
};

struct onednn_slot {
    struct onednn_key key;
    const struct onednn_kernel *kernel;
    dnnl_exec_arg_t *arguments; /* [workers][SLOT_COUNT] */
};

/* The queue's slot for a key; NULL where the library has no kernel. Called by the queue's thread, outside
 * pool_run. */
struct onednn_slot *onednn_slot(struct queue *q, const struct onednn_key *key);

/* The weights in the slot's layout. Called by the queue's thread, outside pool_run. */
dnnl_memory_t onednn_pack(struct queue *q, const struct onednn_slot *slot, struct tensor weights);

/* Runs one slice on the calling worker. in, out: pointers by place (NULL where not there, or a pack). */
void onednn_run(struct queue *q, struct onednn_slot *slot, void *const data[SLOT_COUNT], dnnl_memory_t pack);

/* out (+)= in between a kernel's output and a plain layout. */
void onednn_add_reordered(struct queue *q, const struct onednn_slot *slot, void *to, void *from);

/* Scratch memory of the calling worker that onednn_run does not touch. */
void *onednn_worker_scratch(struct queue *q, size_t bytes);

dnnl_data_type_t onednn_dtype(enum dtype dtype);
/* Adds what the key's flags ask for (sum, then activation) to a primitive's attributes. */
void onednn_post_ops(dnnl_primitive_attr_t attributes, const struct onednn_key *key);
/* Each file makes the kernels of its operations: fills desc, argument, master and the primitive descriptor.
 */
bool onednn_conv_build(dnnl_engine_t engine, struct onednn_kernel *kernel, dnnl_primitive_desc_t *primitive);
bool onednn_linear_build(dnnl_engine_t engine, struct onednn_kernel *kernel,
                         dnnl_primitive_desc_t *primitive);

/* Samples a piece, a power of two from 1 to `most`, so that a piece takes some 30 us; from the work and the
 * bytes of one sample. The same for every number of threads and samples. */
int onednn_slice(double flops, double bytes, enum dtype dtype, int most);

/* Aborts with the library's status if a call that cannot fail has failed. */
#define ONEDNN(call)                                                                                         \
    do {                                                                                                     \
        dnnl_status_t onednn_status_ = (call);                                                               \
        ENSURE(onednn_status_ == dnnl_success, "oneDNN status %d", (int)onednn_status_);                     \
    } while (0)

#endif
