#include "tengen/net_check.h"

#include <math.h>
#include <string.h>

#include "nn/nn.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

/* ---- errors and tolerances --------------------------------------------------------------------------------
 */

double check_error(const float *got, const float *want, size_t count, double least) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)got[i] - (double)want[i];
        difference += d * d;
        size += (double)want[i] * (double)want[i];
    }
    if (difference == 0) return 0;
    size = fmax(size, (double)count * least * least);
    return size > 0 ? sqrt(difference / size) : INFINITY;
}

/* Rounding adds up from layer to layer, and bf16 keeps 8 bits; gradients have all layers behind them, and a
 * ReLU that flips changes them whole. TF32 keeps 11 bits, of factors only. */
double check_tolerance(enum precision precision, bool gradients) {
    static const double activations[PRECISION_AUTO] = {
        [PRECISION_F32] = 1e-4, [PRECISION_TF32] = 1e-2, [PRECISION_BF16] = 5e-2};
    return activations[precision] * (gradients ? 10 : 1);
}

/* ---- the self-check ---------------------------------------------------------------------------------------
 */

/* Outputs are logits, values and logarithms, of which sums may cancel: what they are relative to is no less.
 */
#define OUTPUT_LEAST 0.25

/* Plans may run at once; their checks take turns. */
struct net_check {
    int every;
    pthread_mutex_t lock;
    struct device *device; /* a CPU */
    struct queue *queue;
    struct net *net;                   /* the checked one's copy */
    uint64_t weights_seen, state_seen; /* the versions that it is a copy of */
    struct plan *plan;                 /* of the copy, for the largest batch yet; NULL before the first */
    bool failed;
    char text[768];
};

/* The same network, on `device` and without weights. */
static enum status net_clone(const struct net *net, struct device *device, struct net **out) {
    struct net *c = *out = net_create(net->name);
    c->nodes = MEM_NEW(struct node, net->node_count);
    c->segments = MEM_NEW(struct segment, net->segment_count);
    c->outputs = MEM_NEW(struct net_output, net->output_count);
    memcpy(c->nodes, net->nodes, (size_t)net->node_count * sizeof *c->nodes);
    memcpy(c->segments, net->segments, (size_t)net->segment_count * sizeof *c->segments);
    memcpy(c->outputs, net->outputs, (size_t)net->output_count * sizeof *c->outputs);
    c->node_count = net->node_count;
    c->segment_count = net->segment_count;
    c->output_count = net->output_count;
    return net_commit(c, device);
}

enum status net_check_start(struct net *net, int every) {
    ENSURE(net->device && !net->check && every > 0, "net %s: a check of one pass in %d", net->name, every);
    struct net_check *c = net->check = MEM_NEW(struct net_check, 1);
    c->every = every;
    pthread_mutex_init(&c->lock, NULL);
    const bool cpu = net->device->kind == DEVICE_CPU;
    TRY(device_open("cpu", cpu ? net->device->threads : 0, &c->device));
    TRY(queue_open(c->device, 0, &c->queue));
    c->queue->label = "check";
    return net_clone(net, c->device, &c->net);
}

void net_check_free(struct net_check *c) {
    if (!c) return;
    plan_free(c->plan);
    net_free(c->net);
    if (c->queue) queue_close(c->queue);
    if (c->device) device_close(c->device);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

bool net_is_checked(const struct net *net) {
    return net->check != NULL;
}

enum status net_check_result(const struct net *net) {
    if (!net->check || !net->check->failed) return STATUS_OK;
    return status_fail(STATUS_DEVICE, "%s", net->check->text);
}

/* The copy's plan for p's pass, with today's weights. */
static enum status copy_refresh(struct net_check *c, const struct plan *p) {
    const struct net *net = p->net;
    if (c->weights_seen != net->weights_version || c->state_seen != net->state_version) {
        TRY(net_copy(c->net, net));
        c->weights_seen = net->weights_version;
        c->state_seen = net->state_version;
    }
    const enum precision precision = precision_choose(c->device, p->precision);
    if (c->plan && c->plan->max_batch >= p->max_batch && c->plan->precision == precision) return STATUS_OK;
    plan_free(c->plan);
    c->plan = NULL;
    return plan_create(c->net, c->queue, PLAN_INFER, precision, p->max_batch, &c->plan);
}

static float *download(struct queue *q, struct tensor t) {
    float *host = MEM_NEW(float, tensor_count(t));
    queue_download(q, host, t);
    return host;
}

/* Runs `copy` on what p has just seen. */
static void copy_run(struct plan *copy, struct plan *p, int n) {
    for (int i = 0; i < p->net->node_count; i++) {
        if (p->net->nodes[i].kind != NODE_INPUT) continue;
        const char *name = p->net->nodes[i].name;
        float *x = download(p->queue, tensor_head(plan_input(p, name), n));
        queue_upload(copy->queue, tensor_head(plan_input(copy, name), n), x);
        mem_free(x);
    }
    plan_forward(copy, n);
}

/* Which of n rows is off by most. */
static int worst_row(const float *got, const float *want, int n, size_t columns) {
    double most = -1;
    int worst = 0;
    for (int i = 0; i < n; i++) {
        double error = check_error(got + (size_t)i * columns, want + (size_t)i * columns, columns, 1);
        if (error <= most) continue; /* a NaN is the worst, and stays */
        worst = i;
        if (isnan(error)) break;
        most = error;
    }
    return worst;
}

static void output_compare(struct net_check *c, struct plan *p, const char *name, int n) {
    struct tensor t = tensor_head(plan_output(p, name), n);
    const size_t count = tensor_count(t);
    float *got = download(p->queue, t);
    float *want = download(c->queue, tensor_head(plan_output(c->plan, name), n));
    const double error = check_error(got, want, count, OUTPUT_LEAST);
    const double tolerance = check_tolerance(p->precision, false);
    if (!(error <= tolerance)) {
        c->failed = true;
        snprintf(c->text, sizeof c->text,
                 "self-check: output \"%s\" of inference pass %lld (%d rows in %s%s%s) is not the CPU's: on "
                 "%s its error is %.2g, where %.2g is tolerated, most in row %d",
                 name, (long long)p->passes, n, precision_name(p->precision), p->queue->label ? ", " : "",
                 p->queue->label ? p->queue->label : "", p->queue->device->name, error, tolerance,
                 worst_row(got, want, n, count / (size_t)n));
    }
    mem_free(got);
    mem_free(want);
}

/* Whether a node is off in these plans of the two nets, where both kept it. */
static bool node_differs(struct plan *got, struct plan *want, int node, int n) {
    const size_t room = net_node_count(got->net, node) * (size_t)n;
    float *a = MEM_NEW(float, room), *b = MEM_NEW(float, room);
    const size_t each = plan_read_node(got, node, n, a);
    bool differs = each > 0 && plan_read_node(want, node, n, b) == each &&
                   !(check_error(a, b, each * (size_t)n, 0) <= check_tolerance(got->precision, false));
    mem_free(a);
    mem_free(b);
    return differs;
}

/* Runs p's pass again on both devices, layer by layer, and adds to the text which is the first that differs.
 */
static void layer_find(struct net_check *c, struct plan *p, int n) {
    struct plan *got = NULL, *want = NULL;
    char name[128] = "none does when it is run again";
    if (plan_create(p->net, p->queue, PLAN_INSPECT, p->precision, n, &got) == STATUS_OK &&
        plan_create(c->net, c->queue, PLAN_INSPECT, c->plan->precision, n, &want) == STATUS_OK) {
        copy_run(got, p, n);
        copy_run(want, p, n);
        int first = 0;
        while (first < p->net->node_count && !node_differs(got, want, first, n))
            first++;
        if (first < p->net->node_count) net_node_text(p->net, first, name, sizeof name);
    } else {
        snprintf(name, sizeof name, "unknown: %.100s", status_text());
    }
    plan_free(got);
    plan_free(want);
    const size_t used = strlen(c->text);
    snprintf(c->text + used, sizeof c->text - used, "; first layer that differs: %s", name);
}

static enum status pass_compare(struct net_check *c, struct plan *p, int n) {
    TRY(queue_wait(p->queue));
    TRY(copy_refresh(c, p));
    copy_run(c->plan, p, n);
    for (int i = 0; i < c->net->output_count && !c->failed; i++)
        output_compare(c, p, c->net->outputs[i].name, n);
    if (c->failed) layer_find(c, p, n);
    return queue_wait(p->queue);
}

void net_check_pass(struct plan *p, int n) {
    struct net_check *c = p->net->check;
    if (!c || ++p->passes % c->every) return;
    PHASE("check");
    pthread_mutex_lock(&c->lock);
    if (!c->failed && pass_compare(c, p, n) != STATUS_OK) {
        c->failed = true;
        snprintf(c->text, sizeof c->text, "self-check: %s", status_text());
    }
    pthread_mutex_unlock(&c->lock);
}
