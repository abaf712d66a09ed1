/* Running a program: one step forwards, one step backwards. No allocation, no decision that the plan has not
 * made. */
#include "nn/nn.h"

/* Memory at a place for the frame's rows; `row` bytes a sample. */
static void *place_at(const struct frame *f, const struct place *p, size_t row) {
    return p->fixed ? p->fixed + (size_t)f->start * row : f->arena + p->offset;
}

static void *value_at(const struct frame *f, const struct place *places, int v) {
    const struct value *value = &f->plan->program.values[v];
    return place_at(f, &places[v], value->count * dtype_size(value->dtype));
}

struct tensor frame_value(const struct frame *f, int v, int node) {
    if (v == NONE) return tensor_none();
    const struct plan *p = f->plan;
    return node_tensor(&p->net->nodes[node], value_at(f, p->places, v), p->program.values[v].dtype, f->n);
}

struct tensor frame_gradient(const struct frame *f, int v, int node) {
    if (v == NONE) return tensor_none();
    const struct plan *p = f->plan;
    return node_tensor(&p->net->nodes[node], value_at(f, p->gradients, v), p->program.values[v].dtype, f->n);
}

/* Values as matrices [n, elements], where the shape does not matter. */
static struct tensor flat_value(const struct frame *f, int v) {
    if (v == NONE) return tensor_none();
    const struct value *value = &f->plan->program.values[v];
    return tensor_2(value_at(f, f->plan->places, v), value->dtype, f->n, (int)value->count);
}

static struct tensor flat_gradient(const struct frame *f, int v) {
    if (v == NONE) return tensor_none();
    const struct value *value = &f->plan->program.values[v];
    return tensor_2(value_at(f, f->plan->gradients, v), value->dtype, f->n, (int)value->count);
}

/* The shape of a step's input and of its output, as its own node sees them: values may be seen flattened by
 * others. */
static int input_node(const struct frame *f, const struct step *s) {
    return f->plan->net->nodes[s->node].a;
}

/* ---- recurrent units ------------------------------------------------------------------------------------
 */

/* Step k of a value or gradient [n, ...]. */
static struct tensor at_step(const struct frame *f, struct tensor t, int k) {
    const int sequences = f->n / f->plan->steps;
    t.data = (char *)t.data + (size_t)k * tensor_bytes(tensor_head(t, sequences));
    return tensor_head(t, sequences);
}

/* Of all steps the products of the state before, [n, 3H]; backwards their gradients. */
static struct tensor state_products(const struct frame *f, const struct step *s, const struct step_state *t) {
    const size_t width = f->plan->program.values[s->x].count;
    return tensor_2(f->arena + t->scratch, DTYPE_F32, f->n, (int)width);
}

/* The units before step k, [sequences, H]. */
static struct tensor units_before(const struct frame *f, const struct step *s, int k) {
    return k == 0 ? at_step(f, flat_value(f, s->r), 0) : at_step(f, flat_value(f, s->y), k - 1);
}

static void gru_forward(const struct frame *f, const struct step *s, const struct step_state *t) {
    struct queue *q = f->queue;
    for (int k = 0; k < f->plan->steps; k++) {
        struct tensor before = units_before(f, s, k), g = at_step(f, state_products(f, s, t), k);
        q->op->linear_forward(q, g, before, t->w, tensor_none(), ACTIVATION_NONE);
        q->op->gru_forward(q, at_step(f, flat_value(f, s->y), k), at_step(f, flat_value(f, s->x), k), g,
                           before, at_step(f, flat_value(f, s->starts), k));
    }
}

/* Back through time: the gradient of a step's units is complete when the steps after it have added to it. */
static void gru_backward(const struct frame *f, const struct step *s, const struct step_state *t) {
    struct queue *q = f->queue;
    struct tensor dx = flat_gradient(f, s->x), dy = flat_gradient(f, s->y), dg = state_products(f, s, t);
    ENSURE(t->want_x && !t->add_x, "net %s: the input of recurrent units is frozen", f->plan->net->name);
    for (int k = f->plan->steps - 1; k >= 0; k--) {
        struct tensor g = at_step(f, dg, k), before = k == 0 ? tensor_none() : at_step(f, dy, k - 1);
        q->op->gru_backward(q, at_step(f, dx, k), g, before, at_step(f, dy, k),
                            at_step(f, flat_value(f, s->x), k), g, units_before(f, s, k),
                            at_step(f, flat_value(f, s->starts), k));
        if (k > 0) q->op->linear_backward_data(q, before, g, t->w, true);
    }
    if (!tensor_is(t->dw)) return;
    /* The units before all steps but the first are those after all but the last. */
    struct tensor first = at_step(f, dg, 0), rest = dg;
    const int later = f->n - first.dims[0];
    q->op->linear_backward_weights(q, t->dw, units_before(f, s, 0), first);
    if (later == 0) return;
    rest.data = (char *)dg.data + tensor_bytes(first);
    q->op->linear_backward_weights(q, t->dw, tensor_head(flat_value(f, s->y), later),
                                   tensor_head(rest, later));
}

/* ---- steps ----------------------------------------------------------------------------------------------
 */

void step_forward(const struct frame *f, int step) {
    const struct plan *p = f->plan;
    const struct step *s = &p->program.steps[step];
    const struct step_state *t = &p->states[step];
    struct queue *q = f->queue;
    const struct ops *op = q->op;
    switch (s->kind) {
    case STEP_CONV:
        op->conv_forward(q, frame_value(f, s->y, s->node), frame_value(f, s->x, input_node(f, s)), t->w, t->b,
                         frame_value(f, s->r, s->node), t->conv, s->act);
        break;
    case STEP_LINEAR:
        if (p->mode == PLAN_TRAIN && node_is_noisy(&p->net->nodes[s->node]))
            node_add_noise(p->net, q, &p->net->nodes[s->node], t->w, t->b);
        op->linear_forward(q, flat_value(f, s->y), flat_value(f, s->x), t->w, t->b, s->act);
        break;
    case STEP_GRU:
        gru_forward(f, s, t);
        break;
    case STEP_BATCHNORM:
        if (p->mode == PLAN_TRAIN)
            op->batchnorm_train(q, frame_value(f, s->y, s->node), t->batch_mean, t->batch_rstd, t->mean,
                                t->var, frame_value(f, s->x, s->node), t->w, t->b,
                                frame_value(f, s->r, s->node), s->act, BATCHNORM_MOMENTUM, BATCHNORM_EPSILON);
        else
            op->batchnorm_infer(q, frame_value(f, s->y, s->node), frame_value(f, s->x, s->node), t->w, t->b,
                                t->mean, t->var, frame_value(f, s->r, s->node), s->act, BATCHNORM_EPSILON);
        break;
    case STEP_PARAMETER:
        op->fill(q, flat_value(f, s->y), 0.0f);
        op->bias_forward(q, flat_value(f, s->y), flat_value(f, s->y), t->b, ACTIVATION_NONE);
        break;
    case STEP_BIAS:
        op->bias_forward(q, frame_value(f, s->y, s->node), frame_value(f, s->x, s->node), t->b, s->act);
        break;
    case STEP_ACTIVATION:
        op->activation_forward(q, flat_value(f, s->y), flat_value(f, s->x), s->act);
        break;
    case STEP_ADD:
        op->add_forward(q, flat_value(f, s->y), flat_value(f, s->x), flat_value(f, s->r), s->act);
        break;
    case STEP_POOL:
        op->pool_forward(q, frame_value(f, s->y, s->node), frame_value(f, s->x, input_node(f, s)),
                         p->net->nodes[s->node].pooling);
        break;
    case STEP_DUELING:
        op->dueling_forward(q, flat_value(f, s->y), flat_value(f, s->x), flat_value(f, s->r));
        break;
    case STEP_COPY:
        op->scale(q, flat_value(f, s->y), flat_value(f, s->x), 1.0f, false);
        break;
    }
}

/* A noisy layer's gradients become those of its means and deviations. */
static void noisy_backward(const struct frame *f, const struct node *n, const struct step_state *t) {
    struct queue *q = f->queue;
    struct net *net = f->plan->net;
    struct tensor out = segment_weights(net, n->noise_out), in = segment_weights(net, n->noise_in);
    q->op->noisy_backward(q, segment_gradients(net, n->weight), segment_gradients(net, n->sigma_weight),
                          t->dw, out, in);
    q->op->noisy_backward(q, segment_gradients(net, n->bias), segment_gradients(net, n->sigma_bias), t->db,
                          out, tensor_none());
}

static void linear_backward(const struct frame *f, const struct step *s, const struct step_state *t) {
    struct queue *q = f->queue;
    const struct ops *op = q->op;
    const struct node *n = &f->plan->net->nodes[s->node];
    const bool noisy = node_is_noisy(n) && tensor_is(t->dw);
    struct tensor x = flat_value(f, s->x), dy = flat_gradient(f, s->y);
    if (noisy) {
        op->fill(q, t->dw, 0.0f);
        op->fill(q, t->db, 0.0f);
    }
    if (tensor_is(t->db)) op->bias_backward(q, t->db, dy);
    if (tensor_is(t->dw)) op->linear_backward_weights(q, t->dw, x, dy);
    if (noisy) noisy_backward(f, n, t);
    if (t->want_x) op->linear_backward_data(q, flat_gradient(f, s->x), dy, t->w, t->add_x);
}

/* Gradients of a layer's parameters, input and residual. The gradient of y becomes that of the sum under the
 * activation, in place: nobody reads it afterwards. */
static void layer_backward(const struct frame *f, const struct step *s, const struct step_state *t) {
    struct queue *q = f->queue;
    const struct ops *op = q->op;
    struct tensor dy = flat_gradient(f, s->y);
    if (s->act != ACTIVATION_NONE) op->activation_backward(q, dy, dy, flat_value(f, s->y), s->act, false);
    if (t->want_r) op->scale(q, flat_gradient(f, s->r), dy, 1.0f, t->add_r);
    if (s->kind == STEP_LINEAR) {
        linear_backward(f, s, t);
        return;
    }
    dy = frame_gradient(f, s->y, s->node);
    if (tensor_is(t->db)) op->bias_backward(q, t->db, dy);
    if (tensor_is(t->dw))
        op->conv_backward_weights(q, t->dw, frame_value(f, s->x, input_node(f, s)), dy, t->conv);
    if (t->want_x)
        op->conv_backward_data(q, frame_gradient(f, s->x, input_node(f, s)), dy, t->w, t->conv, t->add_x);
}

static void batchnorm_backward(const struct frame *f, const struct step *s, const struct step_state *t) {
    struct queue *q = f->queue;
    int node = s->node;
    const struct value *x = &f->plan->program.values[s->x];
    struct tensor dx = frame_gradient(f, s->x, node);
    if (t->add_x) dx = node_tensor(&f->plan->net->nodes[node], f->arena + t->scratch, x->dtype, f->n);
    q->op->batchnorm_backward(q, dx, t->want_r ? frame_gradient(f, s->r, node) : tensor_none(), t->dw, t->db,
                              frame_gradient(f, s->y, node), frame_value(f, s->y, node),
                              frame_value(f, s->x, node), t->w, t->batch_mean, t->batch_rstd, s->act,
                              t->add_r);
    if (t->add_x) q->op->scale(q, frame_gradient(f, s->x, node), dx, 1.0f, true);
}

static void add_backward(const struct frame *f, const struct step *s, const struct step_state *t) {
    struct queue *q = f->queue;
    struct tensor dy = flat_gradient(f, s->y);
    if (s->act != ACTIVATION_NONE) q->op->activation_backward(q, dy, dy, flat_value(f, s->y), s->act, false);
    if (t->want_x) q->op->scale(q, flat_gradient(f, s->x), dy, 1.0f, t->add_x);
    if (t->want_r) q->op->scale(q, flat_gradient(f, s->r), dy, 1.0f, t->add_r);
}

static void bias_backward(const struct frame *f, const struct step *s, const struct step_state *t) {
    struct queue *q = f->queue;
    struct tensor dy = frame_gradient(f, s->y, s->node);
    if (s->act != ACTIVATION_NONE)
        q->op->activation_backward(q, dy, dy, frame_value(f, s->y, s->node), s->act, false);
    if (tensor_is(t->db)) q->op->bias_backward(q, t->db, dy);
    if (t->want_x) q->op->scale(q, flat_gradient(f, s->x), flat_gradient(f, s->y), 1.0f, t->add_x);
}

void step_backward(const struct frame *f, int step) {
    const struct plan *p = f->plan;
    const struct step *s = &p->program.steps[step];
    const struct step_state *t = &p->states[step];
    struct queue *q = f->queue;
    if (!t->backward) return;
    switch (s->kind) {
    case STEP_CONV:
    case STEP_LINEAR:
        layer_backward(f, s, t);
        break;
    case STEP_GRU:
        gru_backward(f, s, t);
        break;
    case STEP_BATCHNORM:
        batchnorm_backward(f, s, t);
        break;
    case STEP_PARAMETER:
        if (tensor_is(t->db)) q->op->bias_backward(q, t->db, flat_gradient(f, s->y));
        break;
    case STEP_BIAS:
        bias_backward(f, s, t);
        break;
    case STEP_ADD:
        add_backward(f, s, t);
        break;
    case STEP_ACTIVATION:
        if (t->want_x)
            q->op->activation_backward(q, flat_gradient(f, s->x), flat_gradient(f, s->y), flat_value(f, s->y),
                                       s->act, t->add_x);
        break;
    case STEP_POOL:
        if (t->want_x)
            q->op->pool_backward(q, frame_gradient(f, s->x, input_node(f, s)),
                                 frame_gradient(f, s->y, s->node), frame_value(f, s->y, s->node),
                                 frame_value(f, s->x, input_node(f, s)), p->net->nodes[s->node].pooling,
                                 t->add_x);
        break;
    case STEP_DUELING:
        ENSURE(t->want_x && t->want_r, "net %s: a dueling sum of what does not learn", p->net->name);
        q->op->dueling_backward(q, flat_gradient(f, s->x), flat_gradient(f, s->r), flat_gradient(f, s->y),
                                t->add_x, t->add_r);
        break;
    case STEP_COPY:
        if (t->want_x) q->op->scale(q, flat_gradient(f, s->x), flat_gradient(f, s->y), 1.0f, t->add_x);
        break;
    }
}
