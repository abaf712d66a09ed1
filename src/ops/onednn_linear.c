/* Linear layers through oneDNN.
 *
 * Forward and gradient of the data: slices of rows; what is left over is padded to a power of two, since
 * every call reads all the weights. Gradient of the weights: slices of outputs, added straight into dw. */
#ifdef TENGEN_ONEDNN
#include "ops/onednn_cache.h"

enum {
    MAX_ROWS = 128,
    MIN_ROWS = 32,
    OUTPUTS = 64, /* rows of dw a piece */
};

/* ---- building ---------------------------------------------------------------------------------------------
 */

static dnnl_memory_desc_t matrix(int rows, int columns, dnnl_data_type_t type, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t desc;
    const dnnl_dims_t dims = {rows, columns};
    ONEDNN(dnnl_memory_desc_init_by_tag(&desc, 2, dims, type, tag));
    return desc;
}

/* y [n,o] = x [n,c] w^T */
static dnnl_status_t forward_desc(dnnl_engine_t engine, struct onednn_kernel *kernel,
                                  dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *out) {
    const struct onednn_key *key = &kernel->key;
    const dnnl_data_type_t type = onednn_dtype((enum dtype)key->dtype);
    const dnnl_dims_t b_dims = {key->o};
    dnnl_inner_product_desc_t desc;
    kernel->desc[SLOT_IN] = matrix(key->n, key->c, type, dnnl_ab);
    kernel->desc[SLOT_OUT] = matrix(key->n, key->o, type, dnnl_ab);
    kernel->desc[SLOT_WEIGHTS] = matrix(key->o, key->c, type, dnnl_format_tag_any);
    kernel->master = matrix(key->o, key->c, dnnl_f32, dnnl_ab);
    ONEDNN(dnnl_memory_desc_init_by_tag(&kernel->desc[SLOT_BIAS], 1, b_dims, dnnl_f32, dnnl_a));
    dnnl_status_t status = dnnl_inner_product_forward_desc_init(
        &desc, dnnl_forward_inference, &kernel->desc[SLOT_IN], &kernel->desc[SLOT_WEIGHTS],
        key->flags & ONEDNN_BIAS ? &kernel->desc[SLOT_BIAS] : NULL, &kernel->desc[SLOT_OUT]);
    if (!status) status = dnnl_primitive_desc_create(out, &desc, attributes, engine, NULL);
    if (!status) kernel->desc[SLOT_WEIGHTS] = *dnnl_primitive_desc_query_md(*out, dnnl_query_weights_md, 0);
    if (key->flags & ONEDNN_BIAS) kernel->argument[SLOT_BIAS] = DNNL_ARG_BIAS;
    return status;
}

/* dx [n,c] (+)= dy [n,o] w */
static dnnl_status_t backward_data_desc(dnnl_engine_t engine, struct onednn_kernel *kernel,
                                        dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *out) {
    const struct onednn_key *key = &kernel->key;
    const dnnl_data_type_t type = onednn_dtype((enum dtype)key->dtype);
    dnnl_matmul_desc_t desc;
    kernel->desc[SLOT_IN] = matrix(key->n, key->o, type, dnnl_ab);
    kernel->desc[SLOT_OUT] = matrix(key->n, key->c, type, dnnl_ab);
    kernel->desc[SLOT_WEIGHTS] = matrix(key->o, key->c, type, dnnl_format_tag_any);
    kernel->master = matrix(key->o, key->c, dnnl_f32, dnnl_ab);
    dnnl_status_t status = dnnl_matmul_desc_init(&desc, &kernel->desc[SLOT_IN], &kernel->desc[SLOT_WEIGHTS],
                                                 NULL, &kernel->desc[SLOT_OUT]);
    if (!status) status = dnnl_primitive_desc_create(out, &desc, attributes, engine, NULL);
    if (!status) kernel->desc[SLOT_WEIGHTS] = *dnnl_primitive_desc_query_md(*out, dnnl_query_weights_md, 0);
    return status;
}

/* dw [o,c] += dy^T x for `o` of the h outputs; dy is [n,h], x is [n,c] */
static dnnl_status_t backward_weights_desc(dnnl_engine_t engine, struct onednn_kernel *kernel,
                                           dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *out) {
    const struct onednn_key *key = &kernel->key;
    const dnnl_data_type_t type = onednn_dtype((enum dtype)key->dtype);
    const dnnl_dims_t dims = {key->o, key->n}, strides = {1, key->h};
    dnnl_matmul_desc_t desc;
    ONEDNN(dnnl_memory_desc_init_by_strides(&kernel->desc[SLOT_IN], 2, dims, type, strides));
    kernel->desc[SLOT_WEIGHTS] = matrix(key->n, key->c, type, dnnl_ab);
    kernel->desc[SLOT_OUT] = matrix(key->o, key->c, dnnl_f32, dnnl_ab);
    dnnl_status_t status = dnnl_matmul_desc_init(&desc, &kernel->desc[SLOT_IN], &kernel->desc[SLOT_WEIGHTS],
                                                 NULL, &kernel->desc[SLOT_OUT]);
    return status ? status : dnnl_primitive_desc_create(out, &desc, attributes, engine, NULL);
}

bool onednn_linear_build(dnnl_engine_t engine, struct onednn_kernel *kernel,
                         dnnl_primitive_desc_t *primitive) {
    dnnl_primitive_attr_t attributes;
    ONEDNN(dnnl_primitive_attr_create(&attributes));
    ONEDNN(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
    onednn_post_ops(attributes, &kernel->key);
    dnnl_status_t status;
    kernel->argument[SLOT_IN] = DNNL_ARG_SRC;
    kernel->argument[SLOT_OUT] = DNNL_ARG_DST;
    kernel->argument[SLOT_WEIGHTS] = DNNL_ARG_WEIGHTS;
    switch (kernel->key.op) {
    case ONEDNN_LINEAR_FORWARD:
        status = forward_desc(engine, kernel, attributes, primitive);
        break;
    case ONEDNN_LINEAR_BACKWARD_DATA:
        status = backward_data_desc(engine, kernel, attributes, primitive);
        break;
    default:
        status = backward_weights_desc(engine, kernel, attributes, primitive);
    }
    dnnl_primitive_attr_destroy(attributes);
    return status == dnnl_success;
}

/* ---- forward and gradient of the data ---------------------------------------------------------------------
 */

struct linear_job {
    struct queue *q;
    struct onednn_slot *slots[2]; /* whole slices; what is left over, padded to rest_padded rows */
    dnnl_memory_t packs[2];
    struct tensor out, in;
    void *bias;
    int slice, whole, rest, rest_padded;
    bool add;
};

static void linear_piece(void *context, int i) {
    const struct linear_job *job = context;
    const bool last = i == job->whole;
    const size_t in_row = (size_t)job->in.dims[1] * dtype_size(job->in.dtype);
    const size_t out_row = (size_t)job->out.dims[1] * dtype_size(job->out.dtype);
    char *in = (char *)job->in.data + (size_t)i * (size_t)job->slice * in_row;
    char *out = (char *)job->out.data + (size_t)i * (size_t)job->slice * out_row;
    void *data[SLOT_COUNT] = {[SLOT_IN] = in, [SLOT_OUT] = out, [SLOT_BIAS] = job->bias};
    const bool padded = last && job->rest != job->rest_padded;
    const size_t rows = (size_t)job->rest;
    if (padded) {
        size_t in_bytes = ((size_t)job->rest_padded * in_row + 63) / 64 * 64;
        size_t out_bytes = (size_t)job->rest_padded * out_row;
        char *scratch = onednn_worker_scratch(job->q, in_bytes + out_bytes);
        memcpy(scratch, in, rows * in_row);
        memset(scratch + rows * in_row, 0, in_bytes - rows * in_row);
        if (job->add) {
            memcpy(scratch + in_bytes, out, rows * out_row);
            memset(scratch + in_bytes + rows * out_row, 0, out_bytes - rows * out_row);
        }
        data[SLOT_IN] = scratch;
        data[SLOT_OUT] = scratch + in_bytes;
    }
    onednn_run(job->q, job->slots[last], data, job->packs[last]);
    if (padded) memcpy(out, data[SLOT_OUT], rows * out_row);
}

static bool linear_run(struct linear_job *job, struct onednn_key key, struct tensor w) {
    const int samples = job->in.dims[0];
    job->slice = onednn_slice(2.0 * (double)tensor_count(w), 0.0, job->in.dtype, MAX_ROWS);
    if (job->slice < MIN_ROWS) job->slice = MIN_ROWS;
    job->whole = samples / job->slice;
    job->rest = samples % job->slice;
    job->rest_padded = 1;
    while (job->rest_padded < job->rest)
        job->rest_padded *= 2;
    key.n = job->slice;
    if (job->whole && !(job->slots[0] = onednn_slot(job->q, &key))) return false;
    key.n = job->rest_padded;
    if (job->rest && !(job->slots[1] = onednn_slot(job->q, &key))) return false;
    for (int i = 0; i < 2; i++) /* the layouts may differ */
        if (job->slots[i]) job->packs[i] = onednn_pack(job->q, job->slots[i], w);
    pool_run(job->q->pool, job->whole + (job->rest > 0), linear_piece, job);
    return true;
}

bool onednn_linear_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                           struct tensor b, enum activation act) {
    struct onednn_key key = {.op = ONEDNN_LINEAR_FORWARD, .dtype = x.dtype, .c = w.dims[1], .o = w.dims[0]};
    key.flags = (tensor_is(b) ? ONEDNN_BIAS : 0) | (int)act * ONEDNN_ACTIVATION;
    struct linear_job job = {.q = q, .out = y, .in = x, .bias = b.data};
    return linear_run(&job, key, w);
}

bool onednn_linear_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                 bool add) {
    struct onednn_key key = {
        .op = ONEDNN_LINEAR_BACKWARD_DATA, .dtype = dy.dtype, .c = w.dims[1], .o = w.dims[0]};
    key.flags = add ? ONEDNN_SUM : 0;
    struct linear_job job = {.q = q, .out = dx, .in = dy, .add = add};
    return linear_run(&job, key, w);
}

/* ---- gradient of the weights ------------------------------------------------------------------------------
 */

struct linear_gradient_job {
    struct queue *q;
    struct onednn_slot *slots[2]; /* whole slices of outputs; what is left over */
    struct tensor dw, x, dy;
    int slice, whole;
};

static void linear_gradient_piece(void *context, int i) {
    const struct linear_gradient_job *job = context;
    size_t output = (size_t)i * (size_t)job->slice;
    void *const data[SLOT_COUNT] = {[SLOT_IN] = (char *)job->dy.data + output * dtype_size(job->dy.dtype),
                                    [SLOT_WEIGHTS] = job->x.data,
                                    [SLOT_OUT] = (float *)job->dw.data + output * (size_t)job->dw.dims[1]};
    onednn_run(job->q, job->slots[i == job->whole], data, NULL);
}

bool onednn_linear_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy) {
    const int outputs = dw.dims[0];
    struct linear_gradient_job job = {.q = q, .dw = dw, .x = x, .dy = dy};
    double flops = 2.0 * x.dims[0] * (double)tensor_count(dw);
    job.slice = flops < 8e6 || outputs < 2 * OUTPUTS ? outputs : OUTPUTS; /* small ones are one piece */
    job.whole = outputs / job.slice;
    struct onednn_key key = {.op = ONEDNN_LINEAR_BACKWARD_WEIGHTS,
                             .dtype = x.dtype,
                             .n = x.dims[0],
                             .c = dw.dims[1],
                             .h = outputs,
                             .flags = ONEDNN_SUM};
    key.o = job.slice;
    if (!(job.slots[0] = onednn_slot(q, &key))) return false;
    key.o = outputs % job.slice;
    if (key.o && !(job.slots[1] = onednn_slot(q, &key))) return false;
    pool_run(q->pool, job.whole + (key.o > 0), linear_gradient_piece, &job);
    return true;
}
#endif
typedef int onednn_linear_is_not_empty; /* ISO C wants something in every file */
