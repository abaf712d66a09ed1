/* Plans: memory for one way of running a net, and the loops that run it.
 *
 * Inference on a CPU sends the batch through the whole program in chunks, small enough that what lies between
 * the layers stays in the cache. Chunks are independent: with several threads each takes chunks of its own,
 * with a one-thread queue and an arena of its own. An operation's result for a sample does not depend on its
 * batch, so neither do a plan's. Training runs the whole batch step by step, since batch norm binds its
 * samples. */
#include <string.h>

#include "nn/nn.h"
#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/thread.h"

enum {
    CHUNK_BYTES = 1 << 20, /* what a chunk's activations may take: about a core's second-level cache */
    CHUNK_MIN = 4,
    CHUNK_MAX = 64,
    ROWS_STEP = 4, /* batches are rounded up to multiples, so that back ends see few shapes */
};

/* ---- which precision ------------------------------------------------------------------------------------
 */

static bool cpu_has_bf16(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

static const char *const precision_names[] = {"f32", "tf32", "bf16", "auto"};

const char *precision_name(enum precision precision) {
    return precision_names[precision];
}

enum status precision_parse(const char *text, enum precision *out) {
    for (enum precision p = PRECISION_F32; p <= PRECISION_AUTO; p++)
        if (strcmp(text, precision_names[p]) == 0) {
            *out = p;
            return STATUS_OK;
        }
    return status_fail(STATUS_USAGE, "precision %s: not one of auto, f32, tf32, bf16", text);
}

enum precision precision_choose(const struct device *device, enum precision wanted) {
    const bool cuda = device->kind == DEVICE_CUDA;
    if (wanted == PRECISION_AUTO) return cuda || cpu_has_bf16() ? PRECISION_BF16 : PRECISION_F32;
    return wanted == PRECISION_TF32 && !cuda ? PRECISION_F32 : wanted;
}

/* ---- what each step needs -------------------------------------------------------------------------------
 */

static struct tensor gradients_of(struct net *net, int segment, bool always) {
    if (segment == NONE || (!always && net->segments[segment].flags & SEGMENT_FROZEN)) return tensor_none();
    return segment_gradients(net, segment);
}

static void step_bind(struct plan *p, int i) {
    const struct step *s = &p->program.steps[i];
    const struct node *n = &p->net->nodes[s->node];
    struct step_state *t = &p->states[i];
    if (s->kind == STEP_COPY) return;
    t->conv = (struct conv){n->stride, n->stride, n->pad, n->pad};
    t->w = s->folded ? fold_weights(p->net, s->node) : segment_weights(p->net, n->weight);
    t->b = s->folded ? fold_bias(p->net, s->node) : segment_weights(p->net, n->bias);
    t->mean = segment_weights(p->net, n->mean);
    t->var = segment_weights(p->net, n->var);
    t->dw = gradients_of(p->net, n->weight, s->kind == STEP_BATCHNORM);
    t->db = gradients_of(p->net, n->bias, s->kind == STEP_BATCHNORM);
}

/* Room for the batch statistics of training batch norms. */
static void statistics_bind(struct plan *p) {
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        for (int i = 0; i < p->program.step_count; i++) {
            if (p->program.steps[i].kind != STEP_BATCHNORM) continue;
            int c = p->net->nodes[p->program.steps[i].node].c;
            size_t stride = ((size_t)c + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
            if (pass == 1) {
                p->states[i].batch_mean = tensor_1(p->statistics + at, DTYPE_F32, c);
                p->states[i].batch_rstd = tensor_1(p->statistics + at + stride, DTYPE_F32, c);
            }
            at += 2 * stride;
        }
        count = at;
        if (pass == 0 && count) p->statistics = device_alloc(p->net->device, count * sizeof(float));
        if (count == 0) return;
    }
}

/* Room for what noisy layers run with in training: weights, biases and their gradients. */
static void noisy_bind(struct plan *p) {
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        for (int i = 0; i < p->program.step_count; i++) {
            const struct step *s = &p->program.steps[i];
            if (s->kind != STEP_LINEAR || !node_is_noisy(&p->net->nodes[s->node])) continue;
            struct tensor *parts[4] = {&p->states[i].w, &p->states[i].b, &p->states[i].dw, &p->states[i].db};
            for (int k = 0; k < 4; k++) {
                if (pass == 1 && tensor_is(*parts[k])) parts[k]->data = p->noisy + at;
                parts[k]->version = NULL;
                at += (tensor_count(*parts[k]) + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
            }
        }
        if (at == 0) return;
        if (pass == 0) p->noisy = device_alloc(p->net->device, at * sizeof(float));
    }
}

/* Which gradients flow: from the outputs down to whatever learns. The first to write a gradient overwrites
 * it. */
static void backward_bind(struct plan *p) {
    const struct program *g = &p->program;
    bool *reached = MEM_NEW(bool, g->value_count);
    for (int i = 0; i < p->net->output_count; i++)
        reached[g->output_value[i]] = true;
    for (int i = g->step_count - 1; i >= 0; i--) {
        const struct step *s = &g->steps[i];
        struct step_state *t = &p->states[i];
        t->backward = reached[s->y] && g->values[s->y].learns;
        t->want_x = t->backward && s->x != NONE && g->values[s->x].learns;
        t->want_r = t->backward && s->r != NONE && g->values[s->r].learns;
        t->add_x = t->want_x && reached[s->x];
        if (t->want_x) reached[s->x] = true;
        t->add_r = t->want_r && reached[s->r];
        if (t->want_r) reached[s->r] = true;
    }
    mem_free(reached);
}

/* ---- memory ---------------------------------------------------------------------------------------------
 */

static size_t value_bytes(const struct value *v, int batch) {
    return (v->count * dtype_size(v->dtype) * (size_t)batch + 63) / 64 * 64;
}

/* What the spans of one plan stand for. */
struct layout {
    struct span *spans;
    size_t **targets; /* where each span's offset goes */
    int count;
};

static struct span *layout_add(struct layout *l, size_t *target, size_t bytes, int begin, int end) {
    struct span *s = &l->spans[l->count];
    *s = (struct span){bytes, begin, end, 0};
    l->targets[l->count++] = target;
    return s;
}

/* The last time value v is read: forwards by steps above it, backwards by itself and by them. Step i runs
 * forwards at time i and backwards at 2 steps - 1 - i. */
static int value_end(const struct plan *p, int v) {
    const struct program *g = &p->program;
    int end = p->mode == PLAN_INSPECT ? g->step_count : 0;
    for (int i = 0; i < g->step_count; i++) {
        const struct step *s = &g->steps[i];
        int back = 2 * g->step_count - 1 - i;
        bool train = p->mode == PLAN_TRAIN && p->states[i].backward;
        bool gates = s->kind == STEP_GRU; /* are computed again, from x and the units before, y */
        bool reads_x = tensor_is(p->states[i].dw) || s->kind == STEP_POOL || gates;
        bool reads_y = s->act != ACTIVATION_NONE || s->kind == STEP_POOL || gates;
        if (s->x == v || s->r == v || s->y == v) end = end > i ? end : i;
        if (train && ((s->x == v && reads_x) || (s->y == v && reads_y)) && back > end) end = back;
    }
    return end;
}

static void layout_gradients(struct layout *l, struct plan *p, int batch) {
    const struct program *g = &p->program;
    for (int i = g->step_count - 1; i >= 0; i--) {
        const struct step *s = &g->steps[i];
        struct step_state *t = &p->states[i];
        int now = 2 * g->step_count - 1 - i;
        int written[2] = {t->want_x && !t->add_x ? s->x : NONE, t->want_r && !t->add_r ? s->r : NONE};
        for (int k = 0; k < 2; k++) {
            int v = written[k];
            if (v == NONE) continue;
            int maker = 0; /* learns, so a step made it */
            while (g->steps[maker].y != v)
                maker++;
            layout_add(l, &p->gradients[v].offset, value_bytes(&g->values[v], batch), now,
                       2 * g->step_count - 1 - maker);
        }
        if (s->kind == STEP_BATCHNORM && t->add_x)
            layout_add(l, &t->scratch, value_bytes(&g->values[s->x], batch), now, now);
    }
}

/* Finds places in the arena for `batch` samples; returns its size. */
static size_t arena_layout(struct plan *p, int batch) {
    const struct program *g = &p->program;
    size_t most = 3 * (size_t)(g->value_count + g->step_count);
    struct layout l = {MEM_NEW(struct span, most), MEM_NEW(size_t *, most), 0};
    for (int i = 0; i < g->step_count; i++) {
        const struct step *s = &g->steps[i];
        if (!g->values[s->y].fixed)
            layout_add(&l, &p->places[s->y].offset, value_bytes(&g->values[s->y], batch), i,
                       value_end(p, s->y));
        if (s->kind == STEP_GRU)
            layout_add(&l, &p->states[i].scratch, value_bytes(&g->values[s->x], batch), i,
                       p->mode == PLAN_TRAIN ? 2 * g->step_count - 1 - i : i);
    }
    if (p->mode == PLAN_TRAIN) layout_gradients(&l, p, batch);
    size_t bytes = placement_solve(l.spans, l.count);
    for (int i = 0; i < l.count; i++)
        *l.targets[i] = l.spans[i].offset;
    mem_free(l.spans);
    mem_free(l.targets);
    return bytes;
}

/* Memory of their own for inputs, outputs and outputs' gradients; gives it out where it is there, and returns
 * its bytes. */
static size_t fixed_layout(struct plan *p) {
    const struct program *g = &p->program;
    size_t at = 0;
    for (int v = 0; v < g->value_count; v++) {
        if (!g->values[v].fixed) continue;
        if (p->fixed) p->places[v].fixed = p->fixed + at;
        at += value_bytes(&g->values[v], p->max_batch);
    }
    for (int i = 0; i < p->net->output_count && p->mode == PLAN_TRAIN; i++) {
        int v = g->output_value[i];
        if (p->fixed) p->gradients[v].fixed = p->fixed + at;
        at += value_bytes(&g->values[v], p->max_batch);
    }
    return at;
}

static void fixed_create(struct plan *p) {
    p->fixed = device_alloc(p->net->device, p->fixed_bytes);
    fixed_layout(p);
}

/* Samples that go through the program at a time. */
static int chunk_choose(struct plan *p) {
    if (p->mode != PLAN_INFER || p->net->device->kind != DEVICE_CPU) return p->max_batch;
    size_t each = arena_layout(p, 1);
    int chunk = CHUNK_MAX;
    while (chunk > CHUNK_MIN && each * (size_t)chunk > CHUNK_BYTES)
        chunk /= 2;
    return chunk < p->max_batch ? chunk : p->max_batch;
}

static int lanes_choose(const struct plan *p) {
    bool many = p->mode == PLAN_INFER && p->net->device->kind == DEVICE_CPU && p->max_batch > ROWS_STEP;
    return many ? pool_threads(p->queue->pool) : 1;
}

static enum status lanes_create(struct plan *p) {
    for (int i = 0; i < p->lane_count; i++) {
        p->lanes[i].arena = device_alloc(p->net->device, p->arena_bytes);
        if (p->lane_count == 1) continue;
        TRY(queue_open(p->net->device, 1, &p->lanes[i].queue));
        p->lanes[i].queue->label = p->queue->label;
    }
    return STATUS_OK;
}

/* A GPU keeps BF16 copies of the weights that BF16 activations are multiplied with, for each queue. */
static size_t copies_bytes(const struct plan *p) {
    size_t bytes = 0;
    for (int i = 0; i < p->program.step_count && p->net->device->kind == DEVICE_CUDA; i++) {
        const struct step *s = &p->program.steps[i];
        if ((s->kind == STEP_CONV || s->kind == STEP_LINEAR) && p->program.values[s->x].dtype == DTYPE_BF16)
            bytes += tensor_count(p->states[i].w) * dtype_size(DTYPE_BF16);
    }
    return bytes;
}

static enum status memory_check(const struct plan *p) {
    char what[64];
    snprintf(what, sizeof what, "activations of %d samples", p->max_batch);
    return net_room(p->net, p->net->device, plan_memory(p), what, "a smaller batch");
}

enum status plan_create(struct net *net, struct queue *q, enum plan_mode mode, enum precision precision,
                        int max_batch, struct plan **out) {
    ENSURE(net->device && q->device == net->device, "net %s is not committed to the queue's device",
           net->name);
    ENSURE(max_batch > 0, "net %s: a plan for %d samples", net->name, max_batch);
    ACCOUNT(mode == PLAN_TRAIN ? "training activations" : "inference activations");
    struct plan *p = *out = MEM_NEW(struct plan, 1);
    p->net = net;
    p->queue = q;
    p->mode = mode;
    p->precision = precision_choose(net->device, precision);
    p->max_batch = max_batch;
    p->steps = 1;
    if (mode != PLAN_TRAIN) fold_create(net);
    program_lower(&p->program, net, mode, p->precision);
    p->states = MEM_NEW(struct step_state, p->program.step_count);
    p->places = MEM_NEW(struct place, p->program.value_count);
    p->gradients = MEM_NEW(struct place, p->program.value_count);
    for (int i = 0; i < p->program.step_count; i++)
        step_bind(p, i);
    if (mode == PLAN_TRAIN) backward_bind(p);
    p->chunk = chunk_choose(p);
    p->arena_bytes = arena_layout(p, p->chunk);
    p->fixed_bytes = fixed_layout(p);
    p->lane_count = lanes_choose(p);
    p->lanes = MEM_NEW(struct lane, p->lane_count);
    enum status status = memory_check(p);
    if (status == STATUS_OK) {
        if (mode == PLAN_TRAIN) {
            statistics_bind(p);
            noisy_bind(p);
        }
        fixed_create(p);
        queue_expect(q);
        p->copies = device_expect(net->device, copies_bytes(p));
        status = lanes_create(p);
    }
    if (status != STATUS_OK) {
        plan_free(p);
        *out = NULL;
    }
    return status;
}

void plan_free(struct plan *p) {
    if (!p) return;
    struct device *d = p->net->device;
    graphs_free(p);
    for (int i = 0; i < p->lane_count; i++) {
        if (p->lanes[i].queue) queue_close(p->lanes[i].queue);
        if (p->lanes[i].arena) device_release(d, p->lanes[i].arena);
    }
    if (p->fixed) device_release(d, p->fixed);
    if (p->statistics) device_release(d, p->statistics);
    if (p->noisy) device_release(d, p->noisy);
    device_release(d, p->copies);
    program_free(&p->program);
    mem_free(p->lanes);
    mem_free(p->states);
    mem_free(p->places);
    mem_free(p->gradients);
    mem_free(p);
}

void plan_set_steps(struct plan *p, int steps) {
    ENSURE(p->mode == PLAN_TRAIN && steps > 0 && steps <= p->max_batch,
           "net %s: %d steps a sequence in a plan for %d samples", p->net->name, steps, p->max_batch);
    graphs_free(p);
    p->steps = steps;
}

/* ---- running --------------------------------------------------------------------------------------------
 */

static void program_forward(const struct frame *f) {
    for (int i = 0; i < f->plan->program.step_count; i++)
        step_forward(f, i);
}

/* Rows that are run for n samples from `start`: rounded up as far as the plan's memory goes. */
static int rows_round(const struct plan *p, int start, int n) {
    int rows = n <= ROWS_STEP ? n : (n + ROWS_STEP - 1) / ROWS_STEP * ROWS_STEP;
    return rows < p->max_batch - start ? rows : p->max_batch - start;
}

struct chunks {
    const struct plan *plan;
    int n, size;
};

static struct frame chunk_frame(const struct chunks *c, int i, struct queue *q, char *arena) {
    int start = i * c->size, n = c->n - start < c->size ? c->n - start : c->size;
    return (struct frame){c->plan, q, arena, start, rows_round(c->plan, start, n)};
}

static void chunk_run(void *context, int i) {
    const struct chunks *c = context;
    const struct lane *lane = &c->plan->lanes[pool_worker()];
    struct frame f = chunk_frame(c, i, lane->queue, lane->arena);
    program_forward(&f);
}

static void infer_forward(const struct plan *p, int n) {
    struct chunks c = {p, n, p->chunk};
    if (p->lane_count > 1 && n > ROWS_STEP) {
        int each = (n + p->lane_count - 1) / p->lane_count;
        each = (each + ROWS_STEP - 1) / ROWS_STEP * ROWS_STEP;
        if (each < c.size) c.size = each;
        pool_run(p->queue->pool, (n + c.size - 1) / c.size, chunk_run, &c);
        return;
    }
    for (int i = 0; i * c.size < n; i++) {
        struct frame f = chunk_frame(&c, i, p->queue, p->lanes[0].arena);
        program_forward(&f);
    }
}

/* The rows that infer_forward runs for n samples; as many as for themselves. */
static int infer_rows(const struct plan *p, int n) {
    int start = (n - 1) / p->chunk * p->chunk;
    return start + rows_round(p, start, n - start);
}

static void train_forward(const struct plan *p, int n) {
    struct frame f = {p, p->queue, p->lanes[0].arena, 0, n};
    program_forward(&f);
}

static void train_backward(const struct plan *p, int n) {
    struct frame f = {p, p->queue, p->lanes[0].arena, 0, n};
    for (int i = p->program.step_count - 1; i >= 0; i--)
        step_backward(&f, i);
}

/* Folding and versions are the host's business, and stay outside of graphs: they are done at every call. */
void plan_forward(struct plan *p, int n) {
    ENSURE(n > 0 && n <= p->max_batch, "net %s: %d samples in a plan for %d", p->net->name, n, p->max_batch);
    ENSURE(n % p->steps == 0, "net %s: %d samples of sequences of %d", p->net->name, n, p->steps);
    p->queue->tf32 = p->precision == PRECISION_TF32;
    if (p->mode == PLAN_TRAIN) {
        graphs_run(p, PASS_FORWARD, n, train_forward);
        if (p->statistics) p->net->state_version = version_new();
        return;
    }
    fold_refresh(p->net, p->queue);
    if (p->lane_count == 1)
        graphs_run(p, PASS_FORWARD, infer_rows(p, n), infer_forward);
    else
        infer_forward(p, n); /* lanes are queues of their own, and of a CPU */
    if (p->mode == PLAN_INFER) net_check_pass(p, n);
}

void plan_refresh(struct plan *p) {
    fold_refresh(p->net, p->queue);
}

void plan_backward(struct plan *p, int n) {
    ENSURE(p->mode == PLAN_TRAIN, "net %s: plan_backward of an inference plan", p->net->name);
    ENSURE(n > 0 && n <= p->max_batch, "net %s: %d samples in a plan for %d", p->net->name, n, p->max_batch);
    p->queue->tf32 = p->precision == PRECISION_TF32;
    graphs_run(p, PASS_BACKWARD, n, train_backward);
}

/* ---- access ---------------------------------------------------------------------------------------------
 */

enum precision plan_precision(const struct plan *p) {
    return p->precision;
}
size_t plan_memory(const struct plan *p) {
    return p->arena_bytes * (size_t)p->lane_count + p->fixed_bytes;
}

struct tensor plan_input(struct plan *p, const char *name) {
    for (int i = 0; i < p->net->node_count; i++) {
        const struct node *n = &p->net->nodes[i];
        if (n->kind == NODE_INPUT && strcmp(n->name, name) == 0)
            return node_tensor(n, p->places[p->program.node_value[i]].fixed, DTYPE_F32, p->max_batch);
    }
    ENSURE(false, "net %s has no input %s", p->net->name, name);
}

static int output_find(const struct plan *p, const char *name) {
    for (int i = 0; i < p->net->output_count; i++)
        if (strcmp(p->net->outputs[i].name, name) == 0) return i;
    ENSURE(false, "net %s has no output %s", p->net->name, name);
}

struct tensor plan_output(struct plan *p, const char *name) {
    int i = output_find(p, name);
    return node_tensor(&p->net->nodes[p->net->outputs[i].node], p->places[p->program.output_value[i]].fixed,
                       DTYPE_F32, p->max_batch);
}

struct tensor plan_output_gradient(struct plan *p, const char *name) {
    ENSURE(p->mode == PLAN_TRAIN, "net %s: gradients of an inference plan", p->net->name);
    int i = output_find(p, name);
    return node_tensor(&p->net->nodes[p->net->outputs[i].node],
                       p->gradients[p->program.output_value[i]].fixed, DTYPE_F32, p->max_batch);
}

size_t plan_read_node(struct plan *p, int node, int n, float *host) {
    ENSURE(node >= 0 && node < p->net->node_count && n <= p->max_batch, "net %s: node %d", p->net->name,
           node);
    int v = p->program.node_value[node];
    if (v == NONE || (p->mode == PLAN_INFER && !p->places[v].fixed)) return 0;
    struct frame f = {p, p->queue, p->lanes[0].arena, 0, n};
    struct tensor t = frame_value(&f, v, node);
    size_t count = tensor_count(t);
    if (t.dtype == DTYPE_F32) {
        queue_download(p->queue, host, t);
    } else {
        uint16_t *half = MEM_NEW(uint16_t, count);
        queue_download(p->queue, half, t);
        for (size_t i = 0; i < count; i++)
            host[i] = bf16_to_float(half[i]);
        mem_free(half);
    }
    return count / (size_t)n;
}
