/* The builder: calls that add nodes, and questions about the graph. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "nn/nn.h"
#include "tengen/mem.h"

#define NOISY_SIGMA 0.5f /* Fortunato et al. 2018, 3.2 */

uint64_t version_new(void) {
    static atomic_uint_fast64_t last;
    return atomic_fetch_add(&last, 1) + 1;
}

struct net *net_create(const char *model_name) {
    struct net *net = MEM_NEW(struct net, 1);
    snprintf(net->name, sizeof net->name, "%s", model_name);
    net->last_layer = NONE;
    return net;
}

const char *net_name(const struct net *net) {
    return net->name;
}

static struct node *node_get(const struct net *net, int i) {
    ENSURE(i >= 0 && i < net->node_count, "net %s has no node %d", net->name, i);
    return &net->nodes[i];
}

/* Adds a node of the shape of `a` (where there is one). */
static int node_add(struct net *net, enum node_kind kind, const char *name, int a, int b) {
    ENSURE(!net->device, "net %s is committed: %s comes too late", net->name, name ? name : "a node");
    if (a != NONE) node_get(net, a);
    if (b != NONE) node_get(net, b);
    net->nodes =
        mem_resize(net->nodes, (size_t)net->node_count, (size_t)net->node_count + 1, sizeof *net->nodes);
    struct node *n = &net->nodes[net->node_count];
    if (a != NONE) {
        const struct node *from = &net->nodes[a];
        n->image = from->image;
        n->h = from->h;
        n->w = from->w;
        n->c = from->c;
    }
    n->kind = kind;
    snprintf(n->name, sizeof n->name, "%s", name ? name : "");
    n->a = a;
    n->b = b;
    n->starts = NONE;
    n->weight = n->bias = n->mean = n->var = NONE;
    n->sigma_weight = n->sigma_bias = n->noise_in = n->noise_out = NONE;
    return net->node_count++;
}

/* Adds the segment NODE.PART and returns its number. */
static int segment_add(struct net *net, int node, const char *part, const char *layout, unsigned flags,
                       int fan_in, float fill, int rank, const int *dims) {
    net->segments = mem_resize(net->segments, (size_t)net->segment_count, (size_t)net->segment_count + 1,
                               sizeof *net->segments);
    struct segment *s = &net->segments[net->segment_count];
    int length = snprintf(s->name, sizeof s->name, "%s.%s", net->nodes[node].name, part);
    ENSURE(length < (int)sizeof s->name, "the name %s is too long", s->name);
    ENSURE(net_find_segment(net, s->name) == NONE, "net %s has two segments %s", net->name, s->name);
    s->layout = layout;
    s->flags = flags;
    s->fan_in = fan_in;
    s->gain = 1.0f;
    s->fill = fill;
    s->rank = rank;
    s->count = 1;
    for (int i = 0; i < rank; i++) {
        s->dims[i] = dims[i];
        s->count *= (size_t)dims[i];
    }
    return net->segment_count++;
}

static int input_add(struct net *net, const char *name, bool image, int h, int w, int c) {
    ENSURE(h > 0 && w > 0 && c > 0, "input %s: [%d,%d,%d]", name, h, w, c);
    int i = node_add(net, NODE_INPUT, name, NONE, NONE);
    struct node *n = &net->nodes[i];
    n->image = image;
    n->h = h;
    n->w = w;
    n->c = c;
    return i;
}

int net_input(struct net *net, const char *name, int h, int w, int c) {
    return input_add(net, name, true, h, w, c);
}

int net_input_vector(struct net *net, const char *name, int n) {
    return input_add(net, name, false, 1, 1, n);
}

int net_conv(struct net *net, const char *name, int x, int channels, int kernel, int stride, int pad,
             bool bias) {
    int i = node_add(net, NODE_CONV, name, x, NONE);
    const struct node *from = &net->nodes[x];
    ENSURE(from->image, "convolution %s needs an image", name);
    ENSURE(from->h + 2 * pad >= kernel && from->w + 2 * pad >= kernel && stride > 0 && channels > 0,
           "convolution %s: kernel %d, stride %d, pad %d, %d channels on %d x %d", name, kernel, stride, pad,
           channels, from->h, from->w);
    struct node *n = &net->nodes[i];
    int fan_in = kernel * kernel * from->c;
    n->kernel = kernel;
    n->stride = stride;
    n->pad = pad;
    n->h = (from->h + 2 * pad - kernel) / stride + 1;
    n->w = (from->w + 2 * pad - kernel) / stride + 1;
    n->c = channels;
    n->weight = segment_add(net, i, "weight", "OHWI", SEGMENT_DECAY, fan_in, 0.0f, 4,
                            (int[]){channels, kernel, kernel, from->c});
    if (bias) n->bias = segment_add(net, i, "bias", "C", 0, 0, 0.0f, 1, &channels);
    net->last_layer = i;
    return i;
}

int net_linear(struct net *net, const char *name, int x, int outputs) {
    int i = node_add(net, NODE_LINEAR, name, x, NONE);
    struct node *n = &net->nodes[i];
    int inputs = (int)node_count(n);
    n->image = false;
    n->h = n->w = 1;
    n->c = outputs;
    n->weight = segment_add(net, i, "weight", "OI", SEGMENT_DECAY, inputs, 0.0f, 2, (int[]){outputs, inputs});
    n->bias = segment_add(net, i, "bias", "C", 0, 0, 0.0f, 1, &outputs);
    net->last_layer = i;
    return i;
}

int net_noisy_linear(struct net *net, const char *name, int x, int outputs) {
    int i = net_linear(net, name, x, outputs);
    const int inputs = net->segments[net->nodes[i].weight].dims[1];
    const float deviation = 1.0f / sqrtf((float)inputs);
    net_gain(net, 1.0f / sqrtf(6.0f)); /* the variance of a uniform draw within +- deviation */
    int segments[4] = {
        segment_add(net, i, "weight_sigma", "OI", 0, 0, NOISY_SIGMA * deviation, 2, (int[]){outputs, inputs}),
        segment_add(net, i, "bias_sigma", "C", 0, 0, NOISY_SIGMA * deviation, 1, &outputs),
        segment_add(net, i, "noise_in", "C", SEGMENT_STATE, 0, 0.0f, 1, &inputs),
        segment_add(net, i, "noise_out", "C", SEGMENT_STATE, 0, 0.0f, 1, &outputs)};
    struct node *n = &net->nodes[i];
    n->sigma_weight = segments[0];
    n->sigma_bias = segments[1];
    n->noise_in = segments[2];
    n->noise_out = segments[3];
    return i;
}

int net_batchnorm(struct net *net, const char *name, int x) {
    int i = node_add(net, NODE_BATCHNORM, name, x, NONE);
    struct node *n = &net->nodes[i];
    n->weight = segment_add(net, i, "weight", "C", 0, 0, 1.0f, 1, &n->c);
    n->bias = segment_add(net, i, "bias", "C", 0, 0, 0.0f, 1, &n->c);
    n->mean = segment_add(net, i, "running_mean", "C", SEGMENT_STATE, 0, 0.0f, 1, &n->c);
    n->var = segment_add(net, i, "running_var", "C", SEGMENT_STATE, 0, 1.0f, 1, &n->c);
    return i;
}

int net_position_bias(struct net *net, const char *name, int x) {
    int i = node_add(net, NODE_POSITION_BIAS, name, x, NONE);
    struct node *n = &net->nodes[i];
    if (n->image)
        n->bias = segment_add(net, i, "bias", "HWC", 0, 0, 0.0f, 3, (int[]){n->h, n->w, n->c});
    else
        n->bias = segment_add(net, i, "bias", "C", 0, 0, 0.0f, 1, &n->c);
    return i;
}

int net_parameter(struct net *net, const char *name, int n, float fill) {
    int i = node_add(net, NODE_PARAMETER, name, NONE, NONE);
    struct node *node = &net->nodes[i];
    ENSURE(n > 0, "parameter %s: %d numbers", name, n);
    node->h = node->w = 1;
    node->c = n;
    node->bias = segment_add(net, i, "bias", "C", 0, 0, fill, 1, &n);
    return i;
}

int net_activation(struct net *net, int x, enum activation act) {
    int i = node_add(net, NODE_ACTIVATION, NULL, x, NONE);
    net->nodes[i].act = act;
    return i;
}

int net_add(struct net *net, int a, int b) {
    int i = node_add(net, NODE_ADD, NULL, a, b);
    const struct node *x = &net->nodes[a], *y = &net->nodes[b];
    ENSURE(x->image == y->image && x->h == y->h && x->w == y->w && x->c == y->c,
           "net %s adds [%d,%d,%d] and [%d,%d,%d]", net->name, x->h, x->w, x->c, y->h, y->w, y->c);
    return i;
}

int net_dueling(struct net *net, int values, int advantages) {
    const struct node *v = node_get(net, values), *d = node_get(net, advantages);
    ENSURE(!v->image && !d->image && d->c % v->c == 0, "net %s: dueling sum of [%d] and [%d]", net->name,
           v->c, d->c);
    int i = node_add(net, NODE_DUELING, NULL, values, advantages);
    net->nodes[i].c = net->nodes[advantages].c;
    return i;
}

int net_gru(struct net *net, const char *name, int x, int state, int starts) {
    const struct node *h = node_get(net, state), *s = node_get(net, starts);
    const int units = h->c;
    char input[80];
    ENSURE(h->kind == NODE_INPUT && s->kind == NODE_INPUT && !h->image && s->c == 1,
           "recurrent units %s: their state and starts should be inputs of numbers", name);
    snprintf(input, sizeof input, "%s.input", name);
    x = net_linear(net, input, x, 3 * units);
    net_orthogonal(net, 1.0f);
    int i = node_add(net, NODE_GRU, name, x, state);
    struct node *n = &net->nodes[i];
    n->starts = starts;
    n->c = units;
    n->weight = segment_add(net, i, "weight", "OI", SEGMENT_DECAY, units, 0.0f, 2, (int[]){3 * units, units});
    net->last_layer = i;
    net_orthogonal(net, 1.0f);
    return i;
}

int net_pool(struct net *net, int x, enum pooling kind) {
    int i = node_add(net, NODE_POOL, NULL, x, NONE);
    struct node *n = &net->nodes[i];
    ENSURE(n->image, "net %s pools a vector", net->name);
    n->pooling = kind;
    n->image = false;
    n->h = n->w = 1;
    return i;
}

int net_flatten(struct net *net, int x) {
    int i = node_add(net, NODE_FLATTEN, NULL, x, NONE);
    struct node *n = &net->nodes[i];
    n->c = (int)node_count(n);
    n->h = n->w = 1;
    n->image = false;
    return i;
}

int net_residual(struct net *net, const char *name, int x, int channels) {
    ENSURE(node_get(net, x)->c == channels, "residual block %s: %d channels on %d", name, channels,
           node_get(net, x)->c);
    char part[80];
    int y = x;
    for (int k = 1; k <= 2; k++) {
        snprintf(part, sizeof part, "%s.conv%d", name, k);
        y = net_conv(net, part, y, channels, 3, 1, 1, false);
        snprintf(part, sizeof part, "%s.bn%d", name, k);
        y = net_batchnorm(net, part, y);
        if (k == 1) y = net_activation(net, y, ACTIVATION_RELU);
    }
    return net_activation(net, net_add(net, y, x), ACTIVATION_RELU);
}

static struct segment *last_weight(struct net *net) {
    ENSURE(net->last_layer != NONE, "net %s has no layer yet", net->name);
    return &net->segments[net->nodes[net->last_layer].weight];
}

void net_gain(struct net *net, float gain) {
    last_weight(net)->gain = gain;
}

void net_orthogonal(struct net *net, float gain) {
    last_weight(net)->gain = gain;
    last_weight(net)->orthogonal = true;
}

void net_freeze(struct net *net, const char *prefix) {
    ENSURE(!net->device, "net %s is committed: net_freeze comes too late", net->name);
    int found = 0;
    for (int i = 0; i < net->segment_count; i++) {
        struct segment *s = &net->segments[i];
        if (s->flags & SEGMENT_STATE || strncmp(s->name, prefix, strlen(prefix)) != 0) continue;
        s->flags |= SEGMENT_FROZEN;
        found++;
    }
    ENSURE(found > 0, "net %s has no segment %s*", net->name, prefix);
}

void net_output(struct net *net, const char *name, int x) {
    node_get(net, x);
    ENSURE(!net->device, "net %s is committed: output %s comes too late", net->name, name);
    net->outputs = mem_resize(net->outputs, (size_t)net->output_count, (size_t)net->output_count + 1,
                              sizeof *net->outputs);
    struct net_output *o = &net->outputs[net->output_count++];
    snprintf(o->name, sizeof o->name, "%s", name);
    o->node = x;
}

/* ---- questions ------------------------------------------------------------------------------------------
 */

int node_uses(const struct net *net, int i, int *reader) {
    int uses = 0;
    *reader = NONE;
    for (int k = i + 1; k < net->node_count; k++) {
        const struct node *n = &net->nodes[k];
        int reads = (n->a == i) + (n->b == i);
        if (reads) *reader = k;
        uses += reads;
    }
    for (int k = 0; k < net->output_count; k++) {
        if (net->outputs[k].node != i) continue;
        *reader = NONE;
        uses++;
    }
    return uses;
}

int node_fold(const struct net *net, int i) {
    int reader;
    const struct node *n = &net->nodes[i];
    if (!node_is_layer(n) || node_is_noisy(n) || node_uses(net, i, &reader) != 1 || reader == NONE)
        return NONE;
    return net->nodes[reader].kind == NODE_BATCHNORM ? reader : NONE;
}

bool node_derived(const struct net *net, int i) {
    return node_is_noisy(&net->nodes[i]) || node_fold(net, i) != NONE;
}

struct tensor node_tensor(const struct node *n, void *data, enum dtype type, int batch) {
    if (n->image) return tensor_4(data, type, batch, n->h, n->w, n->c);
    return tensor_2(data, type, batch, n->c);
}

/* Multiply-adds * 2 of one sample. */
static double node_flops(const struct net *net, const struct node *n) {
    if (!node_is_layer(n) && n->kind != NODE_GRU) return 0.0;
    return 2.0 * (double)net->segments[n->weight].count * n->h * n->w;
}

double net_flops(const struct net *net) {
    double sum = 0.0;
    for (int i = 0; i < net->node_count; i++)
        sum += node_flops(net, &net->nodes[i]);
    return sum;
}

double net_traffic(const struct net *net, int n, enum dtype type) {
    double values = 0.0;
    for (int i = 0; i < net->node_count; i++) {
        const struct node *node = &net->nodes[i];
        if (node->kind == NODE_INPUT || node_is_layer(node) || node->kind == NODE_POOL)
            values += (node->kind == NODE_INPUT ? 1.0 : 2.0) * node->h * node->w * node->c;
    }
    return (double)net_parameters(net) * sizeof(float) + values * n * (double)dtype_size(type);
}

size_t net_parameters(const struct net *net) {
    size_t sum = 0;
    for (int i = 0; i < net->segment_count; i++)
        if (!(net->segments[i].flags & (SEGMENT_STATE | SEGMENT_FROZEN))) sum += net->segments[i].count;
    return sum;
}

static size_t node_parameters(const struct net *net, const struct node *n) {
    size_t sum = 0;
    if (n->weight != NONE) sum += net->segments[n->weight].count;
    if (n->bias != NONE) sum += net->segments[n->bias].count;
    if (node_is_noisy(n)) sum *= 2; /* means and deviations */
    return sum;
}

static const char *const kinds[] = {[NODE_INPUT] = "input",
                                    [NODE_CONV] = "conv",
                                    [NODE_LINEAR] = "linear",
                                    [NODE_BATCHNORM] = "batch norm",
                                    [NODE_POSITION_BIAS] = "position bias",
                                    [NODE_PARAMETER] = "parameter",
                                    [NODE_ACTIVATION] = "activation",
                                    [NODE_ADD] = "add",
                                    [NODE_POOL] = "pool",
                                    [NODE_FLATTEN] = "flatten",
                                    [NODE_DUELING] = "dueling",
                                    [NODE_GRU] = "gru"};

int net_nodes(const struct net *net) {
    return net->node_count;
}

size_t net_node_count(const struct net *net, int node) {
    ENSURE(node >= 0 && node < net->node_count, "net %s has no node %d", net->name, node);
    const struct node *n = &net->nodes[node];
    return n->image ? (size_t)n->h * (size_t)n->w * (size_t)n->c : (size_t)n->c;
}

void net_node_text(const struct net *net, int node, char *text, size_t size) {
    ENSURE(node >= 0 && node < net->node_count, "net %s has no node %d", net->name, node);
    const struct node *n = &net->nodes[node];
    if (n->name[0] || n->a == NONE) {
        snprintf(text, size, "%s", n->name);
        return;
    }
    net_node_text(net, n->a, text, size);
    size_t used = strlen(text);
    snprintf(text + used, size - used, ".%s", kinds[n->kind]);
}

void net_print(const struct net *net, FILE *out) {
    static const char *const acts[] = {"none", "relu", "tanh", "sigmoid"};
    fprintf(out, "%4s  %-14s %-24s %-8s %-14s %12s %10s\n", "node", "kind", "name", "from", "shape",
            "parameters", "MFLOP");
    for (int i = 0; i < net->node_count; i++) {
        const struct node *n = &net->nodes[i];
        char from[24] = "", shape[32], kind[32];
        if (n->b != NONE)
            snprintf(from, sizeof from, "%d, %d", n->a, n->b);
        else if (n->a != NONE)
            snprintf(from, sizeof from, "%d", n->a);
        if (n->image)
            snprintf(shape, sizeof shape, "%dx%dx%d", n->h, n->w, n->c);
        else
            snprintf(shape, sizeof shape, "%d", n->c);
        if (n->kind == NODE_CONV)
            snprintf(kind, sizeof kind, "conv %dx%d%s", n->kernel, n->kernel,
                     n->stride > 1 ? " strided" : "");
        else
            snprintf(kind, sizeof kind, "%s", n->kind == NODE_ACTIVATION ? acts[n->act] : kinds[n->kind]);
        fprintf(out, "%4d  %-14s %-24s %-8s %-14s %12zu %10.3f\n", i, kind, n->name, from, shape,
                node_parameters(net, n), node_flops(net, n) * 1e-6);
    }
    for (int i = 0; i < net->output_count; i++)
        fprintf(out, "output %s: node %d\n", net->outputs[i].name, net->outputs[i].node);
    fprintf(out, "%zu parameters, %.3f GFLOP a sample\n", net_parameters(net), net_flops(net) * 1e-9);
}

enum status net_require_output(const struct net *net, const char *name) {
    char list[256] = "";
    for (int i = 0; i < net->output_count; i++) {
        if (strcmp(net->outputs[i].name, name) == 0) return STATUS_OK;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", net->outputs[i].name);
    }
    return status_fail(STATUS_USAGE,
                       "network %s has no output \"%s\", only %s; set net.head or net.model accordingly",
                       net->name, name, list);
}

size_t net_input_count(const struct net *net, const char *name) {
    for (int i = 0; i < net->node_count; i++)
        if (net->nodes[i].kind == NODE_INPUT && strcmp(net->nodes[i].name, name) == 0)
            return node_count(&net->nodes[i]);
    return 0;
}

int net_outputs(const struct net *net) {
    return net->output_count;
}

const char *net_output_name(const struct net *net, int i) {
    ENSURE(i >= 0 && i < net->output_count, "net %s has no output %d", net->name, i);
    return net->outputs[i].name;
}
