/* Parameters: slabs laid out at commit, initial weights, reading, writing and copying by name. */
#include <string.h>

#include "nn/nn.h"
#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/rng.h"

/* Gives every segment with exactly `flags` its place behind `*count` floats of its slab. */
static void segments_place(struct net *net, unsigned flags, size_t *count) {
    for (int i = 0; i < net->segment_count; i++) {
        struct segment *s = &net->segments[i];
        if (s->flags != flags) continue;
        s->offset = *count;
        *count += (s->count + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
    }
}

enum status net_room(const struct net *net, struct device *d, size_t bytes, const char *what,
                     const char *remedy) {
    size_t free_bytes, total;
    if (!device_room(d, &free_bytes, &total) || bytes <= free_bytes) return STATUS_OK;
    return status_fail(STATUS_MEMORY, "net %s: %s take %zu MB, but %zu MB are free: take %s", net->name, what,
                       bytes >> 20, free_bytes >> 20, remedy);
}

enum status net_commit(struct net *net, struct device *device) {
    ENSURE(!net->device, "net %s is committed twice", net->name);
    ENSURE(net->segment_count > 0 && net->output_count > 0, "net %s has no parameters or no output",
           net->name);
    ACCOUNT("weights, gradients");
    net->weight_count = net->state_count = 0;
    segments_place(net, SEGMENT_DECAY, &net->weight_count);
    segments_place(net, 0, &net->weight_count);
    net->trainable_count = net->weight_count;
    segments_place(net, SEGMENT_FROZEN | SEGMENT_DECAY, &net->weight_count);
    segments_place(net, SEGMENT_FROZEN, &net->weight_count);
    segments_place(net, SEGMENT_STATE, &net->state_count);
    if (net->weight_count >= INT32_MAX)
        return status_fail(
            STATUS_USAGE, "network %s has %zu parameters, and %d are the most; take fewer blocks or channels",
            net->name, net->weight_count, INT32_MAX);
    /* Weights, gradients, and the copy that batch norms are folded into. */
    TRY(net_room(net, device, (3 * net->weight_count + net->state_count) * sizeof(float), "parameters",
                 "fewer blocks or channels"));
    TRY(queue_open(device, 1, &net->queue));
    net->device = device;
    net->weights = device_alloc(device, net->weight_count * sizeof(float));
    net->gradients = device_alloc(device, net->weight_count * sizeof(float));
    net->state = device_alloc(device, (net->state_count + SEGMENT_ALIGN) * sizeof(float));
    fold_init(net);
    net_touch(net);
    return STATUS_OK;
}

void net_free(struct net *net) {
    if (!net) return;
    net_check_free(net->check);
    if (net->device) {
        fold_free(net);
        device_release(net->device, net->weights);
        device_release(net->device, net->gradients);
        device_release(net->device, net->state);
        queue_close(net->queue);
    }
    mem_free(net->nodes);
    mem_free(net->segments);
    mem_free(net->outputs);
    mem_free(net);
}

/* ---- initial weights ------------------------------------------------------------------------------------
 */

static float dot(const float *a, const float *b, int n) {
    float part[16] = {0}, sum = 0.0f;
    int i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++)
            part[k] += a[i + k] * b[i + k];
    for (; i < n; i++)
        part[0] += a[i] * b[i];
    for (int k = 0; k < 16; k++)
        sum += part[k];
    return sum;
}

/* Makes the rows of v [rows, n], rows <= n, orthonormal: Gram and Schmidt, each row twice against all before.
 */
static void rows_orthonormal(float *v, int rows, int n) {
    for (int i = 0; i < rows; i++) {
        float *row = v + (size_t)i * (size_t)n;
        for (int pass = 0; pass < 2; pass++) {
            for (int k = 0; k < i; k++) {
                const float *other = v + (size_t)k * (size_t)n;
                float along = dot(row, other, n);
                for (int c = 0; c < n; c++)
                    row[c] -= along * other[c];
            }
            float scale = 1.0f / sqrtf(dot(row, row, n));
            for (int c = 0; c < n; c++)
                row[c] *= scale;
        }
    }
}

/* A random matrix [outputs, inputs] whose rows (or columns, where they are fewer) are orthonormal times gain.
 */
static void fill_orthogonal(float *w, int outputs, int inputs, float gain, struct rng *r) {
    size_t count = (size_t)outputs * (size_t)inputs;
    int rows = outputs < inputs ? outputs : inputs, n = outputs < inputs ? inputs : outputs;
    float *v = MEM_NEW(float, count);
    for (size_t i = 0; i < count; i++)
        v[i] = rng_normal(r);
    rows_orthonormal(v, rows, n);
    for (int o = 0; o < outputs; o++)
        for (int i = 0; i < inputs; i++) {
            size_t from =
                outputs < inputs ? (size_t)o * (size_t)n + (size_t)i : (size_t)i * (size_t)n + (size_t)o;
            w[(size_t)o * (size_t)inputs + (size_t)i] = gain * v[from];
        }
    mem_free(v);
}

enum status net_initialise(struct net *net, uint64_t seed) {
    if (device_counts(net->device)) return STATUS_OK; /* there is nothing to hold them */
    for (int i = 0; i < net->segment_count; i++) {
        const struct segment *s = &net->segments[i];
        float *w = MEM_NEW(float, s->count);
        struct rng r = rng_make(seed, RNG_INIT, (uint64_t)i);
        if (s->fan_in == 0) {
            for (size_t k = 0; k < s->count; k++)
                w[k] = s->fill;
        } else if (s->orthogonal) {
            fill_orthogonal(w, s->dims[0], (int)(s->count / (size_t)s->dims[0]), s->gain, &r);
        } else { /* He et al. 2015, eq. 10 */
            float deviation = s->gain * sqrtf(2.0f / (float)s->fan_in);
            for (size_t k = 0; k < s->count; k++)
                w[k] = deviation * rng_normal(&r);
        }
        enum status status = net_write(net, i, w);
        mem_free(w);
        TRY(status);
    }
    return STATUS_OK;
}

/* ---- access ---------------------------------------------------------------------------------------------
 */

struct device *net_device(const struct net *net) {
    return net->device;
}
int net_segments(const struct net *net) {
    return net->segment_count;
}

const struct segment *net_segment(const struct net *net, int i) {
    ENSURE(i >= 0 && i < net->segment_count, "net %s has no segment %d", net->name, i);
    return &net->segments[i];
}

int net_find_segment(const struct net *net, const char *name) {
    for (int i = 0; i < net->segment_count; i++)
        if (strcmp(net->segments[i].name, name) == 0) return i;
    return NONE;
}

struct tensor net_weights(struct net *net) {
    struct tensor t = tensor_1(net->weights, DTYPE_F32, (int)net->weight_count);
    t.version = &net->weights_version;
    return t;
}

struct tensor net_gradients(struct net *net) {
    return tensor_1(net->gradients, DTYPE_F32, (int)net->weight_count);
}

struct tensor net_state(struct net *net) {
    struct tensor t = tensor_1(net->state, DTYPE_F32, (int)net->state_count);
    t.version = &net->state_version;
    return t;
}

struct tensor segment_weights(struct net *net, int i) {
    if (i == NONE) return tensor_none();
    const struct segment *s = net_segment(net, i);
    bool state = s->flags & SEGMENT_STATE;
    struct tensor t =
        tensor_make((state ? net->state : net->weights) + s->offset, DTYPE_F32, s->rank, s->dims);
    t.version = state ? &net->state_version : &net->weights_version;
    return t;
}

struct tensor segment_gradients(struct net *net, int i) {
    if (i == NONE) return tensor_none();
    const struct segment *s = net_segment(net, i);
    return tensor_make(net->gradients + s->offset, DTYPE_F32, s->rank, s->dims);
}

void net_read(struct net *net, int segment, float *host) {
    queue_download(net->queue, host, segment_weights(net, segment));
}

static enum status net_wait(struct net *net) {
    enum status status = queue_wait(net->queue);
    return status == STATUS_OK ? status : status_context(status, "net %s", net->name);
}

enum status net_write(struct net *net, int segment, const float *host) {
    queue_upload(net->queue, segment_weights(net, segment), host);
    net_touch(net);
    return net_wait(net);
}

/* f(x) = sign(x) sqrt(|x|) of normal numbers (Fortunato et al. 2018, eq. 10 and 11), or zeros. */
static enum status noise_draw(struct net *net, int segment, struct rng *rng) {
    struct tensor t = segment_weights(net, segment);
    size_t count = tensor_count(t);
    float *noise = MEM_NEW(float, count);
    for (size_t i = 0; rng && i < count; i++) {
        float x = rng_normal(rng);
        noise[i] = copysignf(sqrtf(fabsf(x)), x);
    }
    queue_upload(net->queue, t, noise);
    enum status status = net_wait(net);
    mem_free(noise);
    return status;
}

enum status net_noise(struct net *net, struct rng *rng) {
    bool noisy = false;
    for (int i = 0; i < net->node_count; i++) {
        const struct node *n = &net->nodes[i];
        if (!node_is_noisy(n)) continue;
        TRY(noise_draw(net, n->noise_in, rng));
        TRY(noise_draw(net, n->noise_out, rng));
        noisy = true;
    }
    if (noisy) net->state_version = version_new(); /* the weights stay packed */
    return STATUS_OK;
}

void net_touch(struct net *net) {
    net->weights_version = version_new();
    net->state_version = version_new();
}

void net_zero_gradients(struct net *net, struct queue *q) {
    q->op->fill(q, net_gradients(net), 0.0f);
}

/* ---- copying --------------------------------------------------------------------------------------------
 */

static bool segment_alike(const struct segment *a, const struct segment *b) {
    return strcmp(a->name, b->name) == 0 && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0 &&
           (a->flags & SEGMENT_STATE) == (b->flags & SEGMENT_STATE);
}

/* Whether both nets have the same slabs on the same device. */
static bool net_alike(const struct net *a, const struct net *b) {
    if (a->device != b->device || a->segment_count != b->segment_count) return false;
    for (int i = 0; i < a->segment_count; i++)
        if (!segment_alike(&a->segments[i], &b->segments[i]) ||
            a->segments[i].offset != b->segments[i].offset)
            return false;
    return a->weight_count == b->weight_count && a->state_count == b->state_count;
}

static enum status copy_segments(struct net *to, struct net *from, int *copied) {
    enum status status = STATUS_OK;
    *copied = 0;
    for (int i = 0; i < to->segment_count && status == STATUS_OK; i++) {
        int k = net_find_segment(from, to->segments[i].name);
        if (k == NONE || !segment_alike(&to->segments[i], &from->segments[k])) continue;
        float *host = MEM_NEW(float, to->segments[i].count);
        net_read(from, k, host);
        status = net_write(to, i, host);
        mem_free(host);
        ++*copied;
    }
    return status;
}

enum status net_copy(struct net *to, const struct net *source) {
    struct net *from = (struct net *)source; /* reading needs its queue, no more */
    ENSURE(to->device && from->device && to != from, "net_copy from %s to %s", from->name, to->name);
    if (net_alike(to, from)) {
        to->queue->op->scale(to->queue, net_weights(to), net_weights(from), 1.0f, false);
        if (to->state_count) to->queue->op->scale(to->queue, net_state(to), net_state(from), 1.0f, false);
        net_touch(to);
        return net_wait(to);
    }
    int copied;
    TRY(copy_segments(to, from, &copied));
    if (copied > 0) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "net %s has no parameters of the names and shapes of net %s",
                       from->name, to->name);
}
