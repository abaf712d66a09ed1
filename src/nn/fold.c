/* Weights that inference uses in place of a layer's own: with the batch norm after them folded in, or with
 * noise (see batchnorm_fold and noisy_forward in ops.def). */
#include "nn/nn.h"
#include "tengen/account.h"

void fold_init(struct net *net) {
    pthread_mutex_init(&net->fold.lock, NULL);
    size_t count = 0;
    for (int i = 0; i < net->node_count; i++) {
        struct node *n = &net->nodes[i];
        if (!node_derived(net, i)) continue;
        n->fold_weight = count;
        count += (net->segments[n->weight].count + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
        n->fold_bias = count;
        count += ((size_t)n->c + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
    }
    net->fold.count = count;
    net->fold.version = version_new();
}

void fold_create(struct net *net) {
    struct fold *f = &net->fold;
    ACCOUNT("weights, gradients");
    pthread_mutex_lock(&f->lock);
    if (!f->slab && f->count) f->slab = device_alloc(net->device, f->count * sizeof(float));
    pthread_mutex_unlock(&f->lock);
}

void fold_free(struct net *net) {
    if (net->fold.slab) device_release(net->device, net->fold.slab);
    pthread_mutex_destroy(&net->fold.lock);
}

struct tensor fold_weights(struct net *net, int layer) {
    const struct segment *s = &net->segments[net->nodes[layer].weight];
    float *data = net->fold.slab + net->nodes[layer].fold_weight;
    struct tensor t = tensor_make(data, DTYPE_F32, s->rank, s->dims);
    t.version = &net->fold.version;
    return t;
}

struct tensor fold_bias(struct net *net, int layer) {
    struct tensor t = tensor_1(net->fold.slab + net->nodes[layer].fold_bias, DTYPE_F32, net->nodes[layer].c);
    t.version = &net->fold.version;
    return t;
}

void node_add_noise(struct net *net, struct queue *q, const struct node *n, struct tensor w,
                    struct tensor b) {
    struct tensor out = segment_weights(net, n->noise_out), in = segment_weights(net, n->noise_in);
    q->op->noisy_forward(q, w, segment_weights(net, n->weight), segment_weights(net, n->sigma_weight), out,
                         in);
    q->op->noisy_forward(q, b, segment_weights(net, n->bias), segment_weights(net, n->sigma_bias), out,
                         tensor_none());
}

static void fold_all(struct net *net, struct queue *q) {
    for (int i = 0; i < net->node_count; i++) {
        if (!node_derived(net, i)) continue;
        const struct node *layer = &net->nodes[i];
        if (node_is_noisy(layer)) {
            node_add_noise(net, q, layer, fold_weights(net, i), fold_bias(net, i));
            continue;
        }
        const struct node *norm = &net->nodes[node_fold(net, i)];
        q->op->batchnorm_fold(q, fold_weights(net, i), fold_bias(net, i), segment_weights(net, layer->weight),
                              segment_weights(net, layer->bias), segment_weights(net, norm->weight),
                              segment_weights(net, norm->bias), segment_weights(net, norm->mean),
                              segment_weights(net, norm->var), BATCHNORM_EPSILON);
    }
}

void fold_refresh(struct net *net, struct queue *q) {
    struct fold *f = &net->fold;
    if (!f->slab) return;
    pthread_mutex_lock(&f->lock);
    if (f->weights_seen != net->weights_version || f->state_seen != net->state_version) {
        fold_all(net, q);
        /* Other plans' queues may read the folded weights as soon as the lock is open. */
        if (queue_settle(q)) {
            f->weights_seen = net->weights_version;
            f->state_seen = net->state_version;
        }
        f->version = version_new();
    }
    pthread_mutex_unlock(&f->lock);
}
