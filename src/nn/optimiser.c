/* Optimisers: one pass over each range of parameters with equal flags. What changes from step to step lies in
 * device memory (`hyper`), one set for parameters that decay and one for the rest.
 *
 * A step never waits for the device: the sum of the squared gradient scales it there (see clip_scale), and
 * goes into a place of its own, which is looked at when the norm is asked for. */
#include <math.h>
#include <string.h>

#include "nn/nn.h"
#include "tengen/account.h"
#include "tengen/mem.h"

CONFIG_TABLE(optimiser_config, OPTIMISER_CONFIG)

enum optimiser_kind { OPTIMISER_SGD, OPTIMISER_ADAM, OPTIMISER_ADAMW, OPTIMISER_RMSPROP, OPTIMISERS };

/* A range of the slabs and the set of hyper-parameters it is stepped with. */
struct range {
    size_t offset, count;
    bool decays;
};

enum {
    HYPER_STRIDE = 16,
    SUMS = 1024, /* steps between two looks at their sums, at most */
};

struct optimiser {
    struct net *net;
    struct queue *queue;
    struct optimiser_config config;
    enum optimiser_kind kind;
    int64_t steps;
    float *slabs[2]; /* momentum, or m and v */
    int slab_count;
    struct range ranges[2];
    int range_count;
    float host[2][HYPER_STRIDE]; /* what goes into `hyper` next: without and with decay */
    float *hyper;                /* device: [2][HYPER_STRIDE], then [SUMS] sums of squares */
    int unread;                  /* steps, the last ones, whose sums have not been looked at */
    float norm;                  /* of the last step that was looked at */
    int64_t broken;              /* the first step whose gradient was not finite, until it is told; 0: none */
};

static struct tensor hyper_tensor(struct optimiser *o, bool decays) {
    return tensor_1(o->hyper + (decays ? HYPER_STRIDE : 0), DTYPE_F32, HYPER_COUNT);
}

/* The sums of `count` steps, of which the last one's comes last. */
static struct tensor sums_tensor(struct optimiser *o, int count) {
    return tensor_1(o->hyper + 2 * HYPER_STRIDE + o->unread - count, DTYPE_F32, count);
}

/* The slabs' trainable front is what decays, then what does not (see net_commit). */
static void ranges_find(struct optimiser *o) {
    const struct net *net = o->net;
    size_t decaying = 0;
    for (int i = 0; i < net->segment_count; i++) {
        const struct segment *s = &net->segments[i];
        size_t end = (s->offset + s->count + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
        if (s->flags == SEGMENT_DECAY && end > decaying) decaying = end;
    }
    if (decaying > 0) o->ranges[o->range_count++] = (struct range){0, decaying, true};
    if (net->trainable_count > decaying)
        o->ranges[o->range_count++] = (struct range){decaying, net->trainable_count - decaying, false};
}

/* By enum optimiser_kind; the keys of [optimiser] besides `kind` that each uses. */
static const struct {
    const char *name, *settings;
} kinds[OPTIMISERS] = {{"sgd", "rate momentum decay clip"},
                       {"adam", "rate beta1 beta2 epsilon decay clip"},
                       {"adamw", "rate beta1 beta2 epsilon decay clip"},
                       {"rmsprop", "rate beta1 beta2 epsilon decay clip"}};

/* OPTIMISERS: there is none. */
static int kind_find(const char *name) {
    int kind = 0;
    while (kind < OPTIMISERS && strcmp(name, kinds[kind].name) != 0)
        kind++;
    return kind;
}

bool optimiser_config_uses(const struct optimiser_config *config, const char *key) {
    const int kind = kind_find(config->kind);
    return kind == OPTIMISERS || strcmp(key, "kind") == 0 || config_lists(kinds[kind].settings, key);
}

enum status optimiser_create(struct net *net, struct queue *q, const struct optimiser_config *config,
                             struct optimiser **out) {
    const int kind = kind_find(config->kind);
    if (kind == OPTIMISERS)
        return status_fail(STATUS_USAGE, "optimiser kind %s: sgd, adam, adamw or rmsprop", config->kind);
    TRY(net_room(net, net->device, (kind == OPTIMISER_SGD ? 1 : 2) * net->weight_count * sizeof(float),
                 "the optimiser's averages", "fewer blocks or channels"));
    ACCOUNT("optimiser");
    struct optimiser *o = *out = MEM_NEW(struct optimiser, 1);
    o->net = net;
    o->queue = q;
    o->config = *config;
    o->kind = (enum optimiser_kind)kind;
    o->slab_count = kind == OPTIMISER_SGD ? 1 : 2;
    for (int i = 0; i < o->slab_count; i++)
        o->slabs[i] = device_alloc(net->device, net->weight_count * sizeof(float));
    o->hyper = device_alloc(net->device, (2 * HYPER_STRIDE + SUMS) * sizeof(float));
    ranges_find(o);
    return STATUS_OK;
}

void optimiser_free(struct optimiser *o) {
    if (!o) return;
    for (int i = 0; i < o->slab_count; i++)
        device_release(o->net->device, o->slabs[i]);
    device_release(o->net->device, o->hyper);
    mem_free(o);
}

static void hyper_upload(struct optimiser *o, double at) {
    const struct optimiser_config *c = &o->config;
    bool sgd = o->kind == OPTIMISER_SGD;
    for (int decays = 0; decays < 2; decays++) {
        float *h = o->host[decays];
        h[HYPER_RATE] = schedule_value(&c->rate, at);
        h[HYPER_DECAY] = decays ? c->decay : 0.0f;
        h[HYPER_MOMENTUM] = sgd ? c->momentum : c->beta1;
        h[HYPER_BETA2] = c->beta2;
        h[HYPER_EPSILON] = c->epsilon;
        h[HYPER_CORRECTION1] = (float)(1.0 - pow((double)c->beta1, (double)o->steps));
        h[HYPER_CORRECTION2] = (float)(1.0 - pow((double)c->beta2, (double)o->steps));
    }
    queue_upload(o->queue, tensor_2(o->hyper, DTYPE_F32, 2, HYPER_STRIDE), o->host);
}

static struct tensor range_of(float *slab, struct range r) {
    return tensor_1(slab + r.offset, DTYPE_F32, (int)r.count);
}

static void range_step(struct optimiser *o, struct range r) {
    struct queue *q = o->queue;
    struct net *net = o->net;
    struct tensor hyper = hyper_tensor(o, r.decays);
    q->op->clip_scale(q, hyper, sums_tensor(o, 1), o->config.clip);
    if (o->kind == OPTIMISER_SGD)
        q->op->sgd_step(q, range_of(net->weights, r), range_of(o->slabs[0], r), range_of(net->gradients, r),
                        hyper);
    else if (o->kind == OPTIMISER_RMSPROP)
        q->op->rmsprop_step(q, range_of(net->weights, r), range_of(o->slabs[0], r), range_of(o->slabs[1], r),
                            range_of(net->gradients, r), hyper);
    else
        q->op->adam_step(q, range_of(net->weights, r), range_of(o->slabs[0], r), range_of(o->slabs[1], r),
                         range_of(net->gradients, r), hyper, o->kind == OPTIMISER_ADAMW);
}

/* Looks at the sums of the steps since the last look (waits). Steps that were not finite changed nothing, and
 * count no more from here on. */
static void sums_read(struct optimiser *o) {
    float sums[SUMS];
    int64_t first = o->steps - o->unread + 1;
    if (o->unread == 0) return;
    queue_download(o->queue, sums, sums_tensor(o, o->unread));
    for (int i = 0; i < o->unread; i++) {
        o->norm = sqrtf(sums[i]);
        if (isfinite(o->norm)) continue;
        if (!o->broken) o->broken = first + i;
        o->steps--;
    }
    o->unread = 0;
}

void optimiser_step(struct optimiser *o, double at) {
    struct net *net = o->net;
    struct queue *q = o->queue;
    if (o->unread == SUMS) sums_read(o);
    o->unread++;
    o->steps++;
    hyper_upload(o, at);
    q->op->sum_squares(q, sums_tensor(o, 1), tensor_1(net->gradients, DTYPE_F32, (int)net->trainable_count));
    for (int i = 0; i < o->range_count; i++)
        range_step(o, o->ranges[i]);
    net->weights_version = version_new();
    net_zero_gradients(net, q);
}

enum status optimiser_norm(struct optimiser *o, float *norm) {
    TRY(queue_wait(o->queue));
    sums_read(o);
    *norm = o->norm;
    int64_t broken = o->broken;
    o->broken = 0;
    if (!broken) return STATUS_OK;
    return status_fail(STATUS_NUMERIC,
                       "net %s: the gradient is not finite at optimiser step %lld: lower optimiser.rate, or "
                       "set optimiser.clip",
                       o->net->name, (long long)broken);
}

int optimiser_slabs(const struct optimiser *o) {
    return o->slab_count;
}

const char *optimiser_slab_name(const struct optimiser *o, int i) {
    ENSURE(i >= 0 && i < o->slab_count, "optimiser slab %d of %d", i, o->slab_count);
    if (o->kind == OPTIMISER_SGD) return "momentum";
    return i == 0 ? "m" : "v";
}

struct tensor optimiser_slab(struct optimiser *o, int i) {
    ENSURE(i >= 0 && i < o->slab_count, "optimiser slab %d of %d", i, o->slab_count);
    return tensor_1(o->slabs[i], DTYPE_F32, (int)o->net->weight_count);
}

int64_t optimiser_steps(const struct optimiser *o) {
    return o->steps;
}
void optimiser_set_steps(struct optimiser *o, int64_t steps) {
    o->steps = steps;
}
