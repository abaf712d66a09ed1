/* Whole networks in checkpoints.
 *
 *     GROUP/                     attribute "model": the architecture's name
 *       block1.conv1.weight      one data set a segment, attribute "layout"
 *       optimiser/steps          steps done
 *       optimiser/momentum/...   one group a slab, one data set a segment
 *
 * Slabs are cut into segments, so that a file does not depend on how a build lays out its memory.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reader.h"
#include "tengen/mem.h"
#include "writer.h"

enum { PATH_LENGTH = 320 };

static size_t largest_segment(const struct net *net) {
    size_t most = 0;
    for (int i = 0; i < net_segments(net); i++)
        if (net_segment(net, i)->count > most) most = net_segment(net, i)->count;
    return most;
}

static void segment_dims(const struct segment *segment, int64_t dims[TENSOR_RANK]) {
    for (int i = 0; i < segment->rank; i++)
        dims[i] = segment->dims[i];
}

static void put_segment(struct checkpoint_writer *w, const char *group, const struct segment *segment,
                        const float *values) {
    char name[PATH_LENGTH];
    int64_t dims[TENSOR_RANK];
    snprintf(name, sizeof name, "%s/%s", group, segment->name);
    segment_dims(segment, dims);
    checkpoint_put(w, name, DTYPE_F32, segment->rank, dims, values, segment->layout);
}

/* Slabs travel over a queue of their own; the caller has waited for the one that learns. */
static void put_optimiser(struct checkpoint_writer *w, const char *group, struct net *net,
                          struct optimiser *o) {
    struct queue *q;
    char name[PATH_LENGTH];
    if (queue_open(net_device(net), 1, &q) != STATUS_OK) {
        writer_fail_status(w, STATUS_DEVICE);
        return;
    }
    snprintf(name, sizeof name, "%s/" OPTIMISER_GROUP "/steps", group);
    checkpoint_put_long(w, name, optimiser_steps(o));
    for (int k = 0; k < optimiser_slabs(o); k++) {
        struct tensor slab = optimiser_slab(o, k);
        float *host = MEM_NEW(float, tensor_count(slab));
        queue_download(q, host, slab);
        snprintf(name, sizeof name, "%s/" OPTIMISER_GROUP "/%s", group, optimiser_slab_name(o, k));
        for (int i = 0; i < net_segments(net); i++) {
            const struct segment *segment = net_segment(net, i);
            if (!(segment->flags & SEGMENT_STATE)) put_segment(w, name, segment, host + segment->offset);
        }
        mem_free(host);
    }
    queue_close(q);
}

void writer_mark_net(struct checkpoint_writer *w, const char *group, const char *model) {
    if (w->status != STATUS_OK) return;
    hid_t id = H5Gopen2(w->file, group, H5P_DEFAULT);
    if (id < 0 || !hdf5_put_attribute_text(id, MODEL_ATTRIBUTE, model)) writer_fail(w, group);
    if (id >= 0) H5Gclose(id);
}

void checkpoint_put_net(struct checkpoint_writer *w, const char *group, struct net *net,
                        struct optimiser *optimiser) {
    float *host = MEM_NEW(float, largest_segment(net));
    for (int i = 0; i < net_segments(net) && w->status == STATUS_OK; i++) {
        net_read(net, i, host);
        put_segment(w, group, net_segment(net, i), host);
    }
    mem_free(host);
    writer_mark_net(w, group, net_name(net));
    if (optimiser) put_optimiser(w, group, net, optimiser);
}

/* ---- reading --------------------------------------------------------------------------------------------
 */

static enum status get_segment(struct checkpoint_reader *r, const char *group, const struct segment *segment,
                               float *values) {
    char name[PATH_LENGTH];
    int64_t dims[TENSOR_RANK];
    snprintf(name, sizeof name, "%s/%s", group, segment->name);
    segment_dims(segment, dims);
    TRY(checkpoint_get(r, name, DTYPE_F32, segment->rank, dims, values));
    for (size_t i = 0; i < segment->count; i++)
        if (!isfinite(values[i]))
            return status_fail(STATUS_NUMERIC,
                               "%s: data set %s is not finite (value %zu of %zu is %g); use an earlier "
                               "checkpoint, or train again with a smaller optimiser.rate",
                               r->path, name, i + 1, segment->count, (double)values[i]);
    return STATUS_OK;
}

/* All slabs of the optimiser into host memory, one after the other, each as long as the weights. */
static enum status read_optimiser(struct checkpoint_reader *r, const char *group, struct net *net,
                                  struct optimiser *o, float *slabs, int64_t *steps) {
    char name[PATH_LENGTH];
    size_t length = tensor_count(net_weights(net));
    snprintf(name, sizeof name, "%s/" OPTIMISER_GROUP "/steps", group);
    TRY(checkpoint_get_long(r, name, steps));
    for (int k = 0; k < optimiser_slabs(o); k++) {
        snprintf(name, sizeof name, "%s/" OPTIMISER_GROUP "/%s", group, optimiser_slab_name(o, k));
        for (int i = 0; i < net_segments(net); i++) {
            const struct segment *segment = net_segment(net, i);
            if (segment->flags & SEGMENT_STATE) continue;
            TRY(get_segment(r, name, segment, slabs + (size_t)k * length + segment->offset));
        }
    }
    return STATUS_OK;
}

static enum status read_segments(struct checkpoint_reader *r, const char *group, struct net *net,
                                 float *values) {
    for (int i = 0; i < net_segments(net); i++) {
        TRY(get_segment(r, group, net_segment(net, i), values));
        values += net_segment(net, i)->count;
    }
    return STATUS_OK;
}

static enum status write_optimiser(struct net *net, struct optimiser *o, const float *slabs, int64_t steps) {
    struct queue *q;
    TRY(queue_open(net_device(net), 1, &q));
    size_t length = tensor_count(net_weights(net));
    for (int k = 0; k < optimiser_slabs(o); k++)
        queue_upload(q, optimiser_slab(o, k), slabs + (size_t)k * length);
    enum status s = queue_wait(q);
    queue_close(q);
    if (s == STATUS_OK) optimiser_set_steps(o, steps);
    return s;
}

/* Everything is read before anything is changed. */
enum status checkpoint_get_net(struct checkpoint_reader *r, const char *group, struct net *net,
                               struct optimiser *optimiser) {
    if (!checkpoint_has(r, group))
        return status_fail(STATUS_FORMAT, "%s: holds no network \"%s\"", r->path, group);
    size_t count = 0,
           slab_count = optimiser ? (size_t)optimiser_slabs(optimiser) * tensor_count(net_weights(net)) : 0;
    for (int i = 0; i < net_segments(net); i++)
        count += net_segment(net, i)->count;
    float *values = MEM_NEW(float, count), *slabs = MEM_NEW(float, slab_count);
    int64_t steps = 0;
    enum status s = read_segments(r, group, net, values);
    if (s == STATUS_OK && optimiser) s = read_optimiser(r, group, net, optimiser, slabs, &steps);
    if (s == STATUS_OK && optimiser) s = write_optimiser(net, optimiser, slabs, steps);
    const float *from = values;
    for (int i = 0; s == STATUS_OK && i < net_segments(net); i++) {
        s = net_write(net, i, from);
        from += net_segment(net, i)->count;
    }
    mem_free(values);
    mem_free(slabs);
    return s;
}
