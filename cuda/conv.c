/* Convolutions by cuDNN, NHWC with weights OHWI, cross-correlation.
 *     y = act(conv(x, w) + b + r)     dx (+)= conv^T(dy, w)     dw += sum over N of x * dy
 * Bound by operations: 2 N OH OW O KH KW C each.
 *
 * A shape is planned when it is first met: by the graph API, which fuses all of a forward pass, or by the
 * older one, and what that does not fuse is done by cuda_epilogue(). A line of the log (debug) says which.
 * F32 is exact F32 unless the queue allows TF32. BF16 adds in F32. The gradient of weights must come out in
 * F32; where the graph API does not do that from BF16, x and dy are converted to F32 and multiplied as TF32,
 * in which every BF16 number is exact, so only speed is lost. */
#include "cuda/conv.h"

#include <string.h>

#include "ops/check.h"
#include "tengen/log.h"
#include "tengen/mem.h"

struct conv_plan {
    struct conv_plan *next;
    struct conv_shape shape;
    struct conv_graph *graph;   /* one of the two, */
    struct conv_legacy *legacy; /* or none where the queue has failed */
};

/* ---- plans ------------------------------------------------------------------------------------------------
 */

void conv_plans_free(struct cuda_queue *state) {
    for (int i = 0; i < PLAN_BUCKETS; i++)
        while (state->conv_plans[i]) {
            struct conv_plan *p = state->conv_plans[i];
            state->conv_plans[i] = p->next;
            conv_graph_free(p->graph);
            conv_legacy_free(p->legacy);
            mem_free(p);
        }
}

/* Values of the larger of x and y. */
static int64_t tensor_most(const struct conv_shape *s) {
    int64_t x = 1, y = 1;
    for (int i = 0; i < 4; i++) {
        x *= s->x[i];
        y *= s->y[i];
    }
    return x > y ? x : y;
}

static void legacy_make(struct queue *q, struct conv_plan *p, const char *why) {
    struct conv_shape s = p->shape;
    char text[128];
    log_debug("convolution %s: by cuDNN's older interface; its graphs: %s",
              conv_shape_text(&s, text, sizeof text), why);
    if (tensor_most(&s) > INT32_MAX) {
        cuda_fail(q, "convolution %s: cuDNN counts values in 32 bits here: take a smaller batch",
                  conv_shape_text(&s, text, sizeof text));
        return;
    }
    if (s.pass == PASS_WEIGHTS && s.dtype == DTYPE_BF16) {
        s.dtype = DTYPE_F32;
        s.tf32 = s.add = 1;
    }
    p->legacy = conv_legacy_make(q, &s);
}

static void plan_make(struct queue *q, struct conv_plan *p) {
    const struct conv_target target = {.cudnn = cuda_state(q)->cudnn};
    char text[128], why[192] = "";
    p->graph = conv_graph_make(&target, &p->shape, why, sizeof why);
    if (p->graph)
        log_debug(
            "convolution %s: %d operation%s in one, engine %lld of cuDNN's graphs, %.1f MiB of workspace",
            conv_shape_text(&p->shape, text, sizeof text), p->graph->description.operation_count,
            p->graph->description.operation_count > 1 ? "s" : "", (long long)p->graph->engine,
            (double)p->graph->workspace / (1 << 20));
    else
        legacy_make(q, p, why);
}

static struct conv_plan *conv_plan(struct queue *q, const struct conv_shape *shape) {
    struct conv_plan **bucket = &cuda_state(q)->conv_plans[plan_bucket(shape, sizeof *shape)];
    for (struct conv_plan *p = *bucket; p; p = p->next)
        if (memcmp(&p->shape, shape, sizeof *shape) == 0) return p;
    struct conv_plan *p = MEM_NEW(struct conv_plan, 1);
    p->shape = *shape;
    p->next = *bucket;
    *bucket = p;
    plan_make(q, p);
    return p;
}

/* ---- shapes and operands ----------------------------------------------------------------------------------
 */

/* The largest power of two up to 16 that divides the addresses of all operands; none counts as any. */
static int alignment_of(const struct conv_operands *o) {
    uintptr_t bits = (uintptr_t)o->x | (uintptr_t)o->w | (uintptr_t)o->y | (uintptr_t)o->bias |
                     (uintptr_t)o->residual | 16;
    return (int)(bits & -bits);
}

static struct conv_shape shape_of(struct queue *q, enum conv_pass pass, struct tensor x, struct tensor w,
                                  struct tensor y, struct conv conv) {
    struct conv_shape s;
    memset(&s, 0, sizeof s);
    s.pass = (int)pass;
    s.dtype = (int)x.dtype;
    s.tf32 = q->tf32 && x.dtype == DTYPE_F32;
    memcpy(s.x, x.dims, sizeof s.x);
    memcpy(s.y, y.dims, sizeof s.y);
    memcpy(s.kernel, w.dims + 1, sizeof s.kernel);
    s.conv = conv;
    return s;
}

/* A plan of the graph API that refuses its work when it is run gives way to the older one, for good. */
static bool graph_run(struct queue *q, struct conv_plan *p, const struct conv_operands *o) {
    if (!p->graph) return false;
    cudnnStatus_t status = conv_graph_run(q, p->graph, o);
    if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) {
        conv_graph_free(p->graph);
        p->graph = NULL;
        legacy_make(q, p, "the engine refused it when it was run");
        return false;
    }
    cudnn_ok(q, status, "convolution");
    return true;
}

/* ---- operations -------------------------------------------------------------------------------------------
 */

/* Where the device knows no BF16: in F32, then rounded, then what follows the convolution. */
static void conv_forward_by_f32(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                                struct tensor b, struct tensor r, struct conv conv, enum activation act) {
    struct tensor y32 = cuda_like(q, y, DTYPE_F32, PLACE_GRADIENT);
    cuda_conv_forward(q, y32, cuda_convert(q, x, DTYPE_F32, PLACE_X), w, tensor_none(), tensor_none(), conv,
                      ACTIVATION_NONE);
    cuda_epilogue(q, y, cuda_convert(q, y32, DTYPE_BF16, PLACE_X), b, r, act);
}

void cuda_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                       struct tensor r, struct conv conv, enum activation act) {
    check_conv_forward(y, x, w, b, r, conv);
    if (x.dims[0] == 0) return;
    if (y.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        conv_forward_by_f32(q, y, x, w, b, r, conv, act);
        return;
    }
    /* A residual in y's own place is added to by the convolution; what follows is the epilogue's then. */
    const bool in_place = tensor_is(r) && r.data == y.data;
    struct conv_shape shape = shape_of(q, PASS_FORWARD, x, w, y, conv);
    struct conv_operands o = {
        .x = x.data, .w = cuda_parameter(q, w, x.dtype, PLACE_WEIGHTS).data, .y = y.data};
    shape.add = in_place;
    if (!in_place) {
        shape.bias = tensor_is(b);
        shape.residual = tensor_is(r);
        shape.act = (int)act;
        o.bias = b.data;
        o.residual = r.data;
    }
    shape.alignment = alignment_of(&o);
    struct conv_plan *p = conv_plan(q, &shape);
    if (p->graph) o.bias = shape.bias ? cuda_parameter(q, b, p->graph->bias, PLACE_BIAS).data : NULL;
    if (graph_run(q, p, &o)) {
        if (in_place && (tensor_is(b) || act != ACTIVATION_NONE))
            cuda_epilogue(q, y, y, b, tensor_none(), act);
        return;
    }
    if (!p->legacy) return;
    o.bias = shape.bias ? cuda_parameter(q, b, x.dtype, PLACE_BIAS).data : NULL;
    if (conv_legacy_fused(q, p->legacy, &o)) return;
    conv_legacy_run(q, p->legacy, &o);
    if (in_place) r = tensor_none();
    if (tensor_is(b) || tensor_is(r) || act != ACTIVATION_NONE) cuda_epilogue(q, y, y, b, r, act);
}

void cuda_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                             struct conv conv, bool add) {
    check_conv("conv_backward_data", dy, dx, w, conv);
    if (dx.dims[0] == 0) return;
    if (dx.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        struct tensor dx32 = cuda_like(q, dx, DTYPE_F32, PLACE_GRADIENT);
        cuda_conv_backward_data(q, dx32, cuda_convert(q, dy, DTYPE_F32, PLACE_X), w, conv, false);
        cuda_scale(q, dx, dx32, 1.0f, add);
        return;
    }
    const struct conv_operands o = {
        .x = dx.data, .w = cuda_parameter(q, w, dx.dtype, PLACE_WEIGHTS).data, .y = dy.data};
    struct conv_shape shape = shape_of(q, PASS_DATA, dx, w, dy, conv);
    shape.add = add;
    shape.alignment = alignment_of(&o);
    struct conv_plan *p = conv_plan(q, &shape);
    if (!graph_run(q, p, &o) && p->legacy) conv_legacy_run(q, p->legacy, &o);
}

void cuda_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                struct conv conv) {
    check_conv("conv_backward_weights", dy, x, dw, conv);
    if (x.dims[0] == 0) return;
    if (x.dtype == DTYPE_BF16 && !cuda_has_bf16(q)) {
        x = cuda_convert(q, x, DTYPE_F32, PLACE_X);
        dy = cuda_convert(q, dy, DTYPE_F32, PLACE_GRADIENT);
    }
    struct conv_shape shape = shape_of(q, PASS_WEIGHTS, x, dw, dy, conv);
    struct conv_operands o = {.x = x.data, .w = dw.data, .y = dy.data};
    shape.add = x.dtype == DTYPE_F32;
    shape.alignment = alignment_of(&o);
    struct conv_plan *p = conv_plan(q, &shape);
    if (p->graph && !shape.add) {
        /* It overwrites, so its result lies elsewhere first; weights are few beside activations. */
        struct tensor fresh = cuda_like(q, dw, DTYPE_F32, PLACE_WEIGHTS);
        o.w = fresh.data;
        if (graph_run(q, p, &o)) {
            cuda_scale(q, dw, fresh, 1.0f, true);
            return;
        }
        o.w = dw.data;
    }
    if (graph_run(q, p, &o) || !p->legacy) return;
    o.x = cuda_convert(q, x, DTYPE_F32, PLACE_X).data;
    o.y = cuda_convert(q, dy, DTYPE_F32, PLACE_GRADIENT).data;
    conv_legacy_run(q, p->legacy, &o);
}
