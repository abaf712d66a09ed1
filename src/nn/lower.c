/* Lowering: nodes to the steps that a plan runs.
 *
 * First every node that does work becomes the head of a chain: a layer takes the batch norm (folded,
 * inference only), the addition and the activation after it, as far as each is the only reader of the one
 * before; a batch norm, a position bias or an addition likewise. Then heads become steps, each where its
 * chain ends in the order of nodes, so that a residual is there by then. Last, outputs get F32 values of
 * their own. */
#include <string.h>

#include "nn/nn.h"
#include "tengen/mem.h"

/* Linear layers with fewer weights stay in F32 in a BF16 plan: they take no time and are near the outputs. */
enum { SMALL_LINEAR = 1 << 19 };

struct chain {
    int head;           /* the node that begins the chain which ends at this node, or NONE */
    int fold, add, act; /* of a head: nodes that its step takes in, or NONE */
    bool taken;         /* it is such a node */
    bool feeds_layer;   /* a layer lies above it */
};

struct lowering {
    struct program *p;
    const struct net *net;
    enum plan_mode mode;
    enum precision precision;
    struct chain *chains; /* by node */
    int *converted;       /* by value: the same in the other type, or NONE */
};

/* ---- chains ---------------------------------------------------------------------------------------------
 */

/* The only reader of node i, if it is of that kind and free; else NONE. */
static int chain_next(const struct lowering *l, int i, enum node_kind kind) {
    int reader;
    if (node_uses(l->net, i, &reader) != 1 || reader == NONE || l->chains[reader].taken) return NONE;
    return l->net->nodes[reader].kind == kind ? reader : NONE;
}

static void chain_find(struct lowering *l, int head) {
    const struct net *net = l->net;
    struct chain *c = &l->chains[head];
    enum node_kind kind = net->nodes[head].kind;
    bool layer = node_is_layer(&net->nodes[head]);
    int end = head, next;
    bool open = kind != NODE_ACTIVATION && kind != NODE_POOL && kind != NODE_PARAMETER &&
                kind != NODE_DUELING && kind != NODE_GRU; /* may take in an activation */
    if (layer && node_fold(net, head) != NONE) {
        if (l->mode != PLAN_TRAIN) {
            end = c->fold = node_fold(net, head);
            l->chains[end].taken = true;
        } else {
            open = false; /* training needs what lies between layer and batch norm */
        }
    }
    if (open && (kind == NODE_CONV || kind == NODE_BATCHNORM) &&
        (next = chain_next(l, end, NODE_ADD)) != NONE) {
        /* A training batch norm goes back through RELU or nothing; its sum may be followed by anything. */
        end = c->add = next;
        l->chains[end].taken = true;
    }
    if (open && (next = chain_next(l, end, NODE_ACTIVATION)) != NONE) {
        bool fits =
            kind != NODE_BATCHNORM || l->mode != PLAN_TRAIN || net->nodes[next].act == ACTIVATION_RELU;
        if (fits) {
            end = c->act = next;
            l->chains[end].taken = true;
        }
    }
    l->chains[end].head = head;
}

static void chains_find(struct lowering *l) {
    const struct net *net = l->net;
    for (int i = 0; i < net->node_count; i++) {
        struct chain *c = &l->chains[i];
        c->head = c->fold = c->add = c->act = NONE;
    }
    for (int i = 0; i < net->node_count; i++) {
        enum node_kind kind = net->nodes[i].kind;
        if (!l->chains[i].taken && kind != NODE_INPUT && kind != NODE_FLATTEN) chain_find(l, i);
    }
    for (int i = net->node_count - 1; i >= 0; i--) {
        const struct node *n = &net->nodes[i];
        bool feeds = node_is_layer(n) || l->chains[i].feeds_layer;
        if (n->a != NONE && feeds) l->chains[n->a].feeds_layer = true;
        if (n->b != NONE && feeds) l->chains[n->b].feeds_layer = true;
    }
}

/* ---- values and steps -----------------------------------------------------------------------------------
 */

static int value_add(struct lowering *l, int node, enum dtype type) {
    struct program *p = l->p;
    struct value *v = &p->values[p->value_count];
    v->dtype = type;
    v->count = node_count(&l->net->nodes[node]);
    v->node = node;
    l->converted[p->value_count] = NONE;
    return p->value_count++;
}

static bool segment_learns(const struct net *net, int i) {
    return i != NONE && !(net->segments[i].flags & SEGMENT_FROZEN);
}

static struct step *step_add(struct lowering *l, enum step_kind kind, int node, int x, int r, int y) {
    struct program *p = l->p;
    struct step *s = &p->steps[p->step_count++];
    *s = (struct step){
        .kind = kind, .node = node, .x = x, .r = r, .y = y, .starts = NONE, .act = ACTIVATION_NONE};
    const struct node *n = &l->net->nodes[node];
    bool parameters =
        kind <= STEP_BIAS && (segment_learns(l->net, n->weight) || segment_learns(l->net, n->bias));
    p->values[y].learns =
        parameters || (x != NONE && p->values[x].learns) || (r != NONE && p->values[r].learns);
    return s;
}

/* The value v, in the type wanted. */
static int value_as(struct lowering *l, int v, enum dtype type) {
    if (l->p->values[v].dtype == type) return v;
    if (l->converted[v] == NONE) {
        int y = value_add(l, l->p->values[v].node, type);
        step_add(l, STEP_COPY, l->p->values[v].node, v, NONE, y);
        l->converted[v] = y;
    }
    return l->converted[v];
}

/* Layers run in BF16, but not the last ones before an output nor small matrices; the rest follows what it
 * reads. */
static enum dtype head_type(const struct lowering *l, int head, int x) {
    const struct node *n = &l->net->nodes[head];
    if (l->precision != PRECISION_BF16 || x == NONE) return DTYPE_F32;
    if (n->kind == NODE_GRU) return DTYPE_F32; /* what is carried on from step to step is not rounded */
    if (!node_is_layer(n)) return l->p->values[x].dtype;
    bool small = n->kind == NODE_LINEAR && l->net->segments[n->weight].count < SMALL_LINEAR;
    return small || !l->chains[head].feeds_layer ? DTYPE_F32 : DTYPE_BF16;
}

static enum step_kind head_step(enum node_kind kind) {
    switch (kind) {
    case NODE_CONV:
        return STEP_CONV;
    case NODE_LINEAR:
        return STEP_LINEAR;
    case NODE_BATCHNORM:
        return STEP_BATCHNORM;
    case NODE_PARAMETER:
        return STEP_PARAMETER;
    case NODE_POSITION_BIAS:
        return STEP_BIAS;
    case NODE_ACTIVATION:
        return STEP_ACTIVATION;
    case NODE_ADD:
        return STEP_ADD;
    case NODE_POOL:
        return STEP_POOL;
    case NODE_DUELING:
        return STEP_DUELING;
    case NODE_GRU:
        return STEP_GRU;
    case NODE_INPUT:
    case NODE_FLATTEN:
        break;
    }
    ENSURE(false, "node kind %d is no step", (int)kind);
}

static void chain_emit(struct lowering *l, int head, int end) {
    const struct net *net = l->net;
    const struct chain *c = &l->chains[head];
    const struct node *n = &net->nodes[head];
    const int *at = l->p->node_value;
    int x = n->a == NONE ? NONE : at[n->a], r = NONE;
    enum dtype type = head_type(l, head, x);
    if (x != NONE) x = value_as(l, x, type);
    if (n->kind == NODE_ADD || n->kind == NODE_DUELING || n->kind == NODE_GRU) {
        r = at[n->b];
    } else if (c->add != NONE) { /* the operand that is not this chain */
        int before = c->fold != NONE ? c->fold : head;
        const struct node *sum = &net->nodes[c->add];
        r = at[sum->a == before ? sum->b : sum->a];
    }
    if (r != NONE) r = value_as(l, r, type);
    int y = value_add(l, end, type);
    struct step *s = step_add(l, head_step(n->kind), head, x, r, y);
    s->folded = l->mode != PLAN_TRAIN && node_derived(net, head);
    if (n->starts != NONE) s->starts = at[n->starts];
    if (n->kind == NODE_ACTIVATION) s->act = n->act;
    if (c->act != NONE) s->act = net->nodes[c->act].act;
    l->p->node_value[end] = y;
}

static bool value_read(const struct program *p, int v) {
    for (int i = 0; i < p->step_count; i++)
        if (p->steps[i].x == v || p->steps[i].r == v) return true;
    return false;
}

/* Outputs are F32 and nobody else's, so that a caller may write their gradients and read them at leisure. */
static void outputs_emit(struct lowering *l) {
    struct program *p = l->p;
    for (int i = 0; i < l->net->output_count; i++) {
        int node = l->net->outputs[i].node, v = p->node_value[node];
        struct value *value = &p->values[v];
        if (value->dtype != DTYPE_F32 || value->fixed || value_read(p, v)) {
            int y = value_add(l, node, DTYPE_F32);
            step_add(l, STEP_COPY, node, v, NONE, y);
            v = y;
        }
        p->values[v].fixed = true;
        p->output_value[i] = v;
    }
}

void program_lower(struct program *p, const struct net *net, enum plan_mode mode, enum precision precision) {
    size_t nodes = (size_t)net->node_count, outputs = (size_t)net->output_count;
    *p = (struct program){
        .values = MEM_NEW(struct value, 2 * nodes + outputs), /* every node once in each type */
        .steps = MEM_NEW(struct step, 2 * nodes + outputs),
        .node_value = MEM_NEW(int, nodes),
        .output_value = MEM_NEW(int, outputs),
    };
    struct lowering l = {.p = p, .net = net, .mode = mode, .precision = precision};
    l.chains = MEM_NEW(struct chain, nodes);
    l.converted = MEM_NEW(int, 2 * nodes + outputs);
    chains_find(&l);
    for (int i = 0; i < net->node_count; i++) {
        const struct node *n = &net->nodes[i];
        p->node_value[i] = NONE;
        if (n->kind == NODE_INPUT) {
            int v = value_add(&l, i, DTYPE_F32);
            p->values[v].fixed = true;
            p->node_value[i] = v;
        } else if (n->kind == NODE_FLATTEN) {
            p->node_value[i] = p->node_value[n->a];
        } else if (l.chains[i].head != NONE) {
            chain_emit(&l, l.chains[i].head, i);
        }
    }
    outputs_emit(&l);
    mem_free(l.chains);
    mem_free(l.converted);
}

void program_free(struct program *p) {
    mem_free(p->values);
    mem_free(p->steps);
    mem_free(p->node_value);
    mem_free(p->output_value);
    *p = (struct program){0};
}
