/* Convolutions through oneDNN. Activations are NHWC, weights in the layout that the library likes best.
 *
 * Forward and gradient of the data: slices of a fixed number of samples, what is left over in slices of
 * powers of two. The result for a sample does not depend on its neighbours in the slice, nor on the slice's
 * size (tests/ops hold that). Gradient of the weights: at most eight slices, one sum each, added in order. */
#ifdef TENGEN_ONEDNN
#include "ops/onednn_cache.h"

enum {
    MAX_SLICE = 32,
    SIZES = 6, /* slices of 1, 2, 4 .. 32 samples */
    GRADIENT_PIECES = 8,
};

/* ---- building ---------------------------------------------------------------------------------------------
 */

static dnnl_status_t forward_desc(dnnl_convolution_desc_t *conv, const struct onednn_key *key,
                                  struct onednn_kernel *kernel, dnnl_prop_kind_t kind) {
    const dnnl_dims_t strides = {key->stride_h, key->stride_w}, pads = {key->pad_h, key->pad_w};
    const dnnl_memory_desc_t *bias = key->flags & ONEDNN_BIAS ? &kernel->desc[SLOT_BIAS] : NULL;
    bool backward = key->op == ONEDNN_CONV_BACKWARD_DATA; /* there the input of the kernel is dy */
    return dnnl_convolution_forward_desc_init(
        conv, kind, dnnl_convolution_direct, &kernel->desc[backward ? SLOT_OUT : SLOT_IN],
        &kernel->desc[SLOT_WEIGHTS], bias, &kernel->desc[backward ? SLOT_IN : SLOT_OUT], strides, pads, pads);
}

/* The primitive descriptor; the backward ones want the forward one as a hint. */
static dnnl_status_t primitive_desc(dnnl_engine_t engine, const struct onednn_key *key,
                                    struct onednn_kernel *kernel, dnnl_primitive_attr_t attributes,
                                    const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *dy,
                                    dnnl_primitive_desc_t *out) {
    const dnnl_dims_t strides = {key->stride_h, key->stride_w}, pads = {key->pad_h, key->pad_w};
    dnnl_convolution_desc_t conv;
    if (key->op == ONEDNN_CONV_FORWARD) {
        dnnl_status_t status = forward_desc(&conv, key, kernel, dnnl_forward_inference);
        return status ? status : dnnl_primitive_desc_create(out, &conv, attributes, engine, NULL);
    }
    dnnl_memory_desc_t any;
    const dnnl_dims_t dims = {key->o, key->c, key->kh, key->kw};
    ONEDNN(dnnl_memory_desc_init_by_tag(&any, 4, dims, onednn_dtype((enum dtype)key->dtype),
                                        dnnl_format_tag_any));
    dnnl_convolution_desc_t hint_desc;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = dnnl_convolution_forward_desc_init(
        &hint_desc, dnnl_forward_training, dnnl_convolution_direct, x, &any, NULL, dy, strides, pads, pads);
    if (!status) status = dnnl_primitive_desc_create(&hint, &hint_desc, NULL, engine, NULL);
    if (status) return status;
    if (key->op == ONEDNN_CONV_BACKWARD_DATA)
        status = dnnl_convolution_backward_data_desc_init(&conv, dnnl_convolution_direct, x, &any, dy,
                                                          strides, pads, pads);
    else
        status = dnnl_convolution_backward_weights_desc_init(
            &conv, dnnl_convolution_direct, x, &kernel->desc[SLOT_OUT], NULL, dy, strides, pads, pads);
    if (!status) status = dnnl_primitive_desc_create(out, &conv, attributes, engine, hint);
    dnnl_primitive_desc_destroy(hint);
    return status;
}

bool onednn_conv_build(dnnl_engine_t engine, struct onednn_kernel *kernel, dnnl_primitive_desc_t *primitive) {
    const struct onednn_key *key = &kernel->key;
    const dnnl_data_type_t type = onednn_dtype((enum dtype)key->dtype);
    const int oh = (key->h + 2 * key->pad_h - key->kh) / key->stride_h + 1;
    const int ow = (key->w + 2 * key->pad_w - key->kw) / key->stride_w + 1;
    const dnnl_dims_t x_dims = {key->n, key->c, key->h, key->w}, y_dims = {key->n, key->o, oh, ow};
    const dnnl_dims_t w_dims = {key->o, key->c, key->kh, key->kw}, b_dims = {key->o};
    dnnl_memory_desc_t x, y, any, any_f32, ohwi;
    ONEDNN(dnnl_memory_desc_init_by_tag(&x, 4, x_dims, type, dnnl_nhwc));
    ONEDNN(dnnl_memory_desc_init_by_tag(&y, 4, y_dims, type, dnnl_nhwc));
    ONEDNN(dnnl_memory_desc_init_by_tag(&any, 4, w_dims, type, dnnl_format_tag_any));
    ONEDNN(dnnl_memory_desc_init_by_tag(&any_f32, 4, w_dims, dnnl_f32, dnnl_format_tag_any));
    ONEDNN(dnnl_memory_desc_init_by_tag(&ohwi, 4, w_dims, dnnl_f32, dnnl_ohwi));
    ONEDNN(dnnl_memory_desc_init_by_tag(&kernel->desc[SLOT_BIAS], 1, b_dims, dnnl_f32, dnnl_a));
    kernel->desc[SLOT_IN] = key->op == ONEDNN_CONV_BACKWARD_DATA ? y : x;
    kernel->desc[SLOT_OUT] = key->op == ONEDNN_CONV_FORWARD         ? y
                             : key->op == ONEDNN_CONV_BACKWARD_DATA ? x
                                                                    : any_f32;
    kernel->desc[SLOT_WEIGHTS] = any;

    dnnl_primitive_attr_t attributes;
    ONEDNN(dnnl_primitive_attr_create(&attributes));
    ONEDNN(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
    onednn_post_ops(attributes, key);
    dnnl_status_t status = primitive_desc(engine, key, kernel, attributes, &x, &y, primitive);
    dnnl_primitive_attr_destroy(attributes);
    if (status) return false;

    if (key->op == ONEDNN_CONV_BACKWARD_WEIGHTS) { /* weights: the plain layout that the sum goes to */
        kernel->argument[SLOT_IN] = DNNL_ARG_SRC;
        kernel->argument[SLOT_BIAS] = DNNL_ARG_DIFF_DST;
        kernel->desc[SLOT_BIAS] = y;
        kernel->argument[SLOT_OUT] = DNNL_ARG_DIFF_WEIGHTS;
        kernel->desc[SLOT_OUT] = *dnnl_primitive_desc_query_md(*primitive, dnnl_query_diff_weights_md, 0);
        kernel->desc[SLOT_WEIGHTS] = ohwi;
        return true;
    }
    bool forward = key->op == ONEDNN_CONV_FORWARD;
    kernel->argument[SLOT_IN] = forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST;
    kernel->argument[SLOT_OUT] = forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC;
    kernel->argument[SLOT_WEIGHTS] = DNNL_ARG_WEIGHTS;
    if (key->flags & ONEDNN_BIAS) kernel->argument[SLOT_BIAS] = DNNL_ARG_BIAS;
    kernel->desc[SLOT_WEIGHTS] = *dnnl_primitive_desc_query_md(*primitive, dnnl_query_weights_md, 0);
    kernel->master = ohwi;
    return true;
}

/* ---- forward and gradient of the data ---------------------------------------------------------------------
 */

struct conv_job {
    struct queue *q;
    struct onednn_slot *slots[SIZES]; /* by log2 of the samples */
    dnnl_memory_t packs[SIZES];
    int samples, slice, whole; /* whole slices, then the bits of what is left */
    struct tensor out, in, residual;
    void *bias;
    size_t out_bytes, in_bytes; /* of one sample */
    bool add;
};

static struct onednn_key conv_key(enum onednn_op op, struct tensor x, struct tensor w, struct conv conv) {
    return (struct onednn_key){.op = op,
                               .dtype = x.dtype,
                               .h = x.dims[1],
                               .w = x.dims[2],
                               .c = x.dims[3],
                               .o = w.dims[0],
                               .kh = w.dims[1],
                               .kw = w.dims[2],
                               .stride_h = conv.stride_h,
                               .stride_w = conv.stride_w,
                               .pad_h = conv.pad_h,
                               .pad_w = conv.pad_w};
}

/* Samples a piece, whatever the number of samples and threads. */
static int conv_slice(struct tensor y, struct tensor x, struct tensor w) {
    double points = (double)y.dims[1] * y.dims[2], flops = 2.0 * points * (double)tensor_count(w);
    double bytes =
        (points * y.dims[3] + (double)x.dims[1] * x.dims[2] * x.dims[3]) * (double)dtype_size(x.dtype);
    return onednn_slice(flops, bytes, x.dtype, MAX_SLICE);
}

/* Cuts the batch and finds a kernel for every size of piece; false where one is missing. */
static bool job_cut(struct conv_job *job, struct onednn_key key, int samples, int slice) {
    job->samples = samples;
    job->slice = slice;
    job->whole = samples / slice;
    for (int i = 0; i < SIZES && 1 << i <= slice; i++) {
        bool used = 1 << i == slice ? job->whole > 0 : (samples % slice >> i & 1) != 0;
        if (!used) continue;
        key.n = 1 << i;
        job->slots[i] = onednn_slot(job->q, &key);
        if (!job->slots[i]) return false;
    }
    return true;
}

static int job_pieces(const struct conv_job *job) {
    return job->whole + __builtin_popcount((unsigned)(job->samples % job->slice));
}

/* Where piece i begins and log2 of its samples. */
static int job_piece(const struct conv_job *job, int i, int *size) {
    if (i < job->whole) {
        *size = __builtin_ctz((unsigned)job->slice);
        return i * job->slice;
    }
    int at = job->whole * job->slice, rest = job->samples - at;
    for (int bit = SIZES - 1;; bit--) { /* largest first */
        if (!(rest >> bit & 1)) continue;
        if (i-- == job->whole) {
            *size = bit;
            return at;
        }
        at += 1 << bit;
    }
}

/* The weights for every size of piece; sizes that want the same layout share one copy. */
static void job_pack(struct conv_job *job, struct tensor w) {
    for (int i = 0, last = -1; i < SIZES; i++) {
        if (!job->slots[i]) continue;
        bool same = last >= 0 && job->slots[i]->kernel->layout == job->slots[last]->kernel->layout;
        job->packs[i] = same ? job->packs[last] : onednn_pack(job->q, job->slots[i], w);
        last = i;
    }
}

static void forward_piece(void *context, int i) {
    struct conv_job *job = context;
    int size, at = job_piece(job, i, &size);
    char *y = (char *)job->out.data + (size_t)at * job->out_bytes;
    char *x = (char *)job->in.data + (size_t)at * job->in_bytes;
    if (tensor_is(job->residual) && job->residual.data != job->out.data)
        memcpy(y, (char *)job->residual.data + (size_t)at * job->out_bytes, job->out_bytes << size);
    void *const data[SLOT_COUNT] = {[SLOT_IN] = x, [SLOT_OUT] = y, [SLOT_BIAS] = job->bias};
    onednn_run(job->q, job->slots[size], data, job->packs[size]);
}

bool onednn_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                         struct tensor r, struct conv conv, enum activation act) {
    struct onednn_key key = conv_key(ONEDNN_CONV_FORWARD, x, w, conv);
    key.flags =
        (tensor_is(b) ? ONEDNN_BIAS : 0) | (tensor_is(r) ? ONEDNN_SUM : 0) | (int)act * ONEDNN_ACTIVATION;
    struct conv_job job = {.q = q, .out = y, .in = x, .residual = r, .bias = b.data};
    job.out_bytes = tensor_bytes(tensor_head(y, 1));
    job.in_bytes = tensor_bytes(tensor_head(x, 1));
    if (!job_cut(&job, key, x.dims[0], conv_slice(y, x, w))) return false;
    job_pack(&job, w);
    pool_run(q->pool, job_pieces(&job), forward_piece, &job);
    return true;
}

static void backward_data_piece(void *context, int i) {
    struct conv_job *job = context;
    int size, at = job_piece(job, i, &size);
    char *dx = (char *)job->out.data + (size_t)at * job->out_bytes, *to = dx;
    char *dy = (char *)job->in.data + (size_t)at * job->in_bytes;
    size_t bytes = job->out_bytes << size;
    if (job->add) to = onednn_worker_scratch(job->q, bytes);
    void *const data[SLOT_COUNT] = {[SLOT_IN] = dy, [SLOT_OUT] = to};
    onednn_run(job->q, job->slots[size], data, job->packs[size]);
    if (!job->add) return;
    struct tensor sum = job->out, more = job->out;
    sum.data = dx;
    more.data = to;
    size_t count = bytes / dtype_size(sum.dtype);
    float a_buffer[CPU_BLOCK], b_buffer[CPU_BLOCK], out[CPU_BLOCK];
    for (size_t from = 0; from < count; from += CPU_BLOCK) {
        size_t n = count - from < CPU_BLOCK ? count - from : CPU_BLOCK;
        const float *a = cpu_read(sum, from, n, a_buffer), *b = cpu_read(more, from, n, b_buffer);
        float *target = cpu_target(sum, from, out);
        IVDEP
        for (size_t j = 0; j < n; j++)
            target[j] = a[j] + b[j];
        cpu_written(sum, from, n, target);
    }
}

bool onednn_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                               struct conv conv, bool add) {
    struct onednn_key key = conv_key(ONEDNN_CONV_BACKWARD_DATA, dx, w, conv);
    struct conv_job job = {.q = q, .out = dx, .in = dy, .add = add};
    job.out_bytes = tensor_bytes(tensor_head(dx, 1));
    job.in_bytes = tensor_bytes(tensor_head(dy, 1));
    if (!job_cut(&job, key, dx.dims[0], conv_slice(dy, dx, w))) return false;
    job_pack(&job, w);
    pool_run(q->pool, job_pieces(&job), backward_data_piece, &job);
    return true;
}

/* ---- gradient of the weights ------------------------------------------------------------------------------
 */

struct gradient_job {
    struct queue *q;
    struct onednn_slot *slots[2]; /* a whole piece; the last one, where it is smaller */
    struct tensor x, dy;
    int piece, pieces;
    char *partial; /* [pieces] of `bytes` */
    size_t bytes;
};

static void gradient_piece(void *context, int i) {
    const struct gradient_job *job = context;
    size_t at = (size_t)i * (size_t)job->piece;
    struct onednn_slot *slot = job->slots[i == job->pieces - 1];
    void *const data[SLOT_COUNT] = {
        [SLOT_IN] = (char *)job->x.data + at * tensor_bytes(tensor_head(job->x, 1)),
        [SLOT_BIAS] = (char *)job->dy.data + at * tensor_bytes(tensor_head(job->dy, 1)),
        [SLOT_OUT] = job->partial + (size_t)i * job->bytes};
    onednn_run(job->q, slot, data, NULL);
}

static void sum_piece(void *context, int i) {
    const struct gradient_job *job = context;
    size_t count = job->bytes / sizeof(float), from = (size_t)i * CPU_GRAIN;
    size_t to = from + CPU_GRAIN < count ? from + CPU_GRAIN : count;
    float *sum = (float *)job->partial;
    for (int piece = 1; piece < job->pieces; piece++) {
        const float *more = (const float *)(job->partial + (size_t)piece * job->bytes);
        IVDEP
        for (size_t j = from; j < to; j++)
            sum[j] += more[j];
    }
}

bool onednn_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                  struct conv conv) {
    struct onednn_key key = conv_key(ONEDNN_CONV_BACKWARD_WEIGHTS, x, dw, conv);
    const int samples = x.dims[0];
    double flops = 2.0 * samples * dy.dims[1] * dy.dims[2] * (double)tensor_count(dw);
    double seconds = flops / (x.dtype == DTYPE_BF16 ? 0.5e12 : 0.18e12);
    int pieces = seconds > GRADIENT_PIECES * 100e-6 ? GRADIENT_PIECES : 1 + (int)(seconds / 100e-6);
    if (pieces > samples) pieces = samples;
    struct gradient_job job = {.q = q, .x = x, .dy = dy};
    job.piece = (samples + pieces - 1) / pieces;
    job.pieces = (samples + job.piece - 1) / job.piece;
    key.n = job.piece;
    job.slots[0] = onednn_slot(q, &key);
    key.n = samples - (job.pieces - 1) * job.piece;
    job.slots[1] = onednn_slot(q, &key);
    if (!job.slots[0] || !job.slots[1]) return false;
    const dnnl_memory_desc_t *layout = &job.slots[0]->kernel->desc[SLOT_OUT];
    if (!dnnl_memory_desc_equal(layout, &job.slots[1]->kernel->desc[SLOT_OUT])) return false;
    job.bytes = (dnnl_memory_desc_get_size(layout) + 63) / 64 * 64;
    job.partial = cpu_shared_scratch(q, SCRATCH_PARTIALS, (size_t)job.pieces * job.bytes);
    pool_run(q->pool, job.pieces, gradient_piece, &job);
    if (job.pieces > 1)
        pool_run(q->pool, (int)((job.bytes / sizeof(float) + CPU_GRAIN - 1) / CPU_GRAIN), sum_piece, &job);
    onednn_add_reordered(q, job.slots[0], dw.data, job.partial);
    return true;
}
#endif
typedef int onednn_conv_is_not_empty; /* ISO C wants something in every file */
