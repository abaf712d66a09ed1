/* What the files of src/nn share: the graph behind `struct net`, and the program that lowering makes of it.
 *
 *     net.c     builds nodes and segments             lower.c      nodes -> program (values and steps)
 *     params.c  commit, slabs, initial weights        placement.c  where values lie in memory, by liveness
 *     fold.c    weights made of others                plan.c       plans: memory, threads, access
 *     optimiser.c  sgd, adam, adamw, rmsprop          run.c        one step forwards, one step backwards
 *     graphs.c  passes recorded and launched as one   net_check.c  passes repeated on the CPU
 */
#ifndef NN_NN_H
#define NN_NN_H

#include <pthread.h>

#include "tengen/net.h"

#define BATCHNORM_EPSILON  1e-5f /* PyTorch's defaults */
#define BATCHNORM_MOMENTUM 0.1f

enum { NONE = -1, SEGMENT_ALIGN = 16 /* floats: 64 bytes */ };

enum node_kind {
    NODE_INPUT,
    NODE_CONV,
    NODE_LINEAR,
    NODE_BATCHNORM,
    NODE_POSITION_BIAS,
    NODE_PARAMETER,
    NODE_ACTIVATION,
    NODE_ADD,
    NODE_POOL,
    NODE_FLATTEN,
    NODE_DUELING, /* a: values of states, b: of actions */
    NODE_GRU,     /* a: products of the input, b: state before */
};

/* One call of the builder. The shape is that of one sample: [c], or [h,w,c] of an image. */
struct node {
    enum node_kind kind;
    char name[80]; /* "" where the builder gave none */
    int a, b;      /* the nodes it reads, or NONE */
    int starts;    /* an input that a recurrent node reads, too, or NONE */
    bool image;
    int h, w, c;
    int kernel, stride, pad;
    enum activation act;
    enum pooling pooling;
    int weight, bias;              /* segments or NONE; of a batch norm: gamma and beta */
    int mean, var;                 /* state segments of a batch norm */
    int sigma_weight, sigma_bias;  /* segments of a noisy linear layer, whose weight and bias are means ... */
    int noise_in, noise_out;       /* ... and state segments: noise of its inputs and outputs */
    size_t fold_weight, fold_bias; /* places in the fold's slab, in floats, where node_derived */
};

/* Whether a device has room for so many bytes; says so before the system does, which would kill the program.
 */
enum status net_room(const struct net *net, struct device *d, size_t bytes, const char *what,
                     const char *remedy) MUST_USE;

struct net_output {
    char name[48];
    int node;
};

/* What inference uses in place of a layer's weights: with the batch norm after them folded in, or with noise
 * added. One copy a net, shared by all inference plans, so that back ends pack each weight once. Guarded by
 * `lock`. */
struct fold {
    pthread_mutex_t lock;
    float *slab; /* device memory; NULL until the first inference plan */
    size_t count;
    uint64_t weights_seen, state_seen; /* the versions it was made from */
    uint64_t version;                  /* its own, for the tensors that point into it */
};

struct net {
    char name[80];
    struct node *nodes;
    int node_count;
    struct segment *segments;
    int segment_count;
    struct net_output *outputs;
    int output_count;
    int last_layer; /* node of the last convolution or linear layer, for net_gain */

    struct device *device; /* NULL before net_commit */
    struct queue *queue;   /* of its own, for reading, writing and copying; guarded by no lock */
    float *weights, *gradients, *state;
    size_t weight_count, trainable_count, state_count; /* floats; trainable: all before the frozen ones */
    uint64_t weights_version, state_version;
    struct fold fold;
    struct net_check *check; /* NULL: no self-check (net_check.h) */
};

/* A number that no net has had as its version: addresses come again, versions must not. */
uint64_t version_new(void);

static inline size_t node_count(const struct node *n) {
    return (size_t)n->h * (size_t)n->w * (size_t)n->c;
}
static inline bool node_is_layer(const struct node *n) {
    return n->kind == NODE_CONV || n->kind == NODE_LINEAR;
}
/* How many nodes and outputs read node i; the single reader's number in *reader (NONE if it is an output). */
int node_uses(const struct net *net, int i, int *reader);
/* The batch norm that can be folded into layer i: its only reader, or NONE. */
int node_fold(const struct net *net, int i);
static inline bool node_is_noisy(const struct node *n) {
    return n->sigma_weight != NONE;
}
/* Whether inference runs layer i with weights of the fold. */
bool node_derived(const struct net *net, int i);
/* w, b: the weights of a noisy layer with its noise. */
void node_add_noise(struct net *net, struct queue *q, const struct node *n, struct tensor w, struct tensor b);

struct tensor segment_weights(struct net *net, int i);   /* in the weights or state slab; none for NONE */
struct tensor segment_gradients(struct net *net, int i); /* none for NONE */
struct tensor node_tensor(const struct node *n, void *data, enum dtype type, int batch);

void fold_init(struct net *net);   /* at commit: sizes */
void fold_create(struct net *net); /* at the first inference plan: memory */
void fold_free(struct net *net);
/* Brings the folded weights up to date; any plan may call it at any time. A fault is kept in its queue, and
 * the next call tries again. */
void fold_refresh(struct net *net, struct queue *q);
struct tensor fold_weights(struct net *net, int layer);
struct tensor fold_bias(struct net *net, int layer);

/* ---- programs -------------------------------------------------------------------------------------------
 */

enum step_kind {
    STEP_CONV,      /* y = act(conv(x) + b + r) */
    STEP_LINEAR,    /* y = act(linear(x) + b) */
    STEP_GRU,       /* y = units after each step, from x and the state r before the first */
    STEP_BATCHNORM, /* y = act(bn(x) + r) */
    STEP_PARAMETER, /* y = b, whatever the input */
    STEP_BIAS,      /* y = act(x + b) */
    STEP_ACTIVATION,
    STEP_ADD, /* y = act(x + r) */
    STEP_POOL,
    STEP_DUELING, /* y = dueling sum of x and r */
    STEP_COPY,    /* y = x: between F32 and BF16, or into an output */
};

/* A tensor of the program; node_tensor of the reader's choice gives it a shape. */
struct value {
    enum dtype dtype;
    size_t count; /* elements a sample */
    int node;     /* a node of its shape */
    bool fixed;   /* inputs and outputs: memory of its own for the whole batch */
    bool learns;  /* parameters lie below it: a gradient is wanted */
};

struct step {
    enum step_kind kind;
    int node;    /* the node that gives parameters and geometry */
    bool folded; /* its weights are the fold's */
    int x, r, y; /* values; r NONE: no residual; x NONE of a parameter */
    int starts;  /* of recurrent units, else NONE */
    enum activation act;
};

struct program {
    struct value *values;
    int value_count;
    struct step *steps; /* in an order that may be run */
    int step_count;
    int *node_value;   /* value that holds a node's result, NONE where fusion left none */
    int *output_value; /* by the net's outputs; F32, read by no step */
};

/* Nodes to steps: batch norm folded (inference) or fused with what follows (training), bias, residual and
 * activation fused into layers, types chosen and conversions put in. */
void program_lower(struct program *p, const struct net *net, enum plan_mode mode, enum precision precision);
void program_free(struct program *p);

/* ---- placement ------------------------------------------------------------------------------------------
 */

/* Something that needs `bytes` from time `begin` to `end` (inclusive). */
struct span {
    size_t bytes;
    int begin, end;
    size_t offset; /* found */
};

/* Gives spans that live at the same time different places, in order of `begin`, each as low as it goes;
 * returns the bytes needed in all. Offsets are multiples of 64. */
size_t placement_solve(struct span *spans, int count);

/* ---- plans ----------------------------------------------------------------------------------------------
 */

/* Where a value or a gradient lies. */
struct place {
    char *fixed;   /* memory for the whole batch, or NULL: in the arena */
    size_t offset; /* within the arena */
};

/* What a plan adds to a step. */
struct step_state {
    struct tensor w, b, mean,
        var;              /* parameters: of batch norm gamma and beta in w and b, running statistics */
    struct tensor dw, db; /* of a noisy layer: of w and b, which are the plan's */
    struct tensor batch_mean, batch_rstd; /* training batch norm */
    struct conv conv;
    bool backward;       /* a gradient reaches y */
    bool want_x, want_r; /* gradients of x and r are wanted ... */
    bool add_x, add_r;   /* ... and are added to, not overwritten */
    size_t scratch;      /* in the arena: a batch norm's dx where add_x, since its backward pass overwrites;
                          * recurrent units' products of the state, which become their gradients */
};

/* Who runs a part of the batch: a queue and memory of its own for values in between. */
struct lane {
    struct queue *queue;
    char *arena;
};

enum { PASS_FORWARD, PASS_BACKWARD, PASSES };
enum { GRAPH_SIZES = 32 /* numbers of rows that a plan keeps graphs for, at most */ };

struct graphs {
    struct graph_size {
        int rows;      /* 0: free */
        uint64_t used; /* when, by the clock below */
        struct repeat passes[PASSES];
    } sizes[GRAPH_SIZES];
    uint64_t clock;
    bool off; /* the device cannot record this plan */
};

struct plan {
    struct net *net;
    struct queue *queue;
    enum plan_mode mode;
    enum precision precision;
    int max_batch;
    int chunk; /* samples that run through the whole program at a time; max_batch in training */
    int steps; /* samples of a sequence */
    struct program program;
    struct step_state *states;
    struct place *places;    /* by value */
    struct place *gradients; /* by value, training */
    size_t arena_bytes, fixed_bytes;
    char *fixed;
    float *statistics;  /* batch_mean and batch_rstd of all batch norms */
    void *copies;       /* what the back end will keep of the weights, on a device that counts */
    float *noisy;       /* training: w, b, dw and db of all noisy layers */
    struct lane *lanes; /* lanes[0] uses the plan's queue */
    int lane_count;
    int64_t passes; /* inference passes since the net's self-check began */
    struct graphs graphs;
};

/* One run of the program over samples start .. start + n - 1 with a lane's queue and arena. */
struct frame {
    const struct plan *plan;
    struct queue *queue;
    char *arena;
    int start, n;
};

/* Runs `run` for so many rows on the plan's queue: directly the first time, launched as a graph from the
 * second on, where the device has graphs. */
void graphs_run(struct plan *p, int direction, int rows, void (*run)(const struct plan *p, int rows));
void graphs_free(struct plan *p);

/* After an inference pass of n samples: the net's self-check, where there is one and it is this pass's turn.
 */
void net_check_pass(struct plan *p, int n);
void net_check_free(struct net_check *check); /* NULL is legal */

void step_forward(const struct frame *f, int step);
void step_backward(const struct frame *f, int step);
/* Value v in the shape of `node`, rows of the frame. */
struct tensor frame_value(const struct frame *f, int v, int node);
struct tensor frame_gradient(const struct frame *f, int v, int node);

#endif
