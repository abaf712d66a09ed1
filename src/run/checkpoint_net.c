/* Whole networks in checkpoints, and exports of their weights.
 *
 *     GROUP/                     attribute "model": the architecture's name
 *       block1.conv1.weight      one data set a segment, attribute "layout"
 *       optimiser/steps          steps done
 *       optimiser/momentum/...   one group a slab, one data set a segment
 *
 * Slabs are cut into segments, so that a file does not depend on how a build lays out its memory.
 */
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

static void mark_group(struct checkpoint_writer *w, const char *group, const char *model) {
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
    mark_group(w, group, net_name(net));
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
    return checkpoint_get(r, name, DTYPE_F32, segment->rank, dims, values);
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
        net_write(net, i, from);
        from += net_segment(net, i)->count;
    }
    mem_free(values);
    mem_free(slabs);
    return s;
}

/* ---- exports --------------------------------------------------------------------------------------------
 */

struct export {
    struct checkpoint_reader *r;
    struct checkpoint_writer *w;
    int nets;
};

/* Copies one data set of a net; groups below (the optimiser's) stay behind. */
static herr_t copy_weight(hid_t group, const char *name, const H5L_info_t *info, void *context) {
    const hid_t *to = context;
    (void)info;
    H5O_info_t about;
    if (H5Oget_info_by_name(group, name, &about, H5P_DEFAULT) < 0) return -1;
    if (about.type != H5O_TYPE_DATASET) return 0;
    return H5Ocopy(group, name, *to, name, H5P_DEFAULT, H5P_DEFAULT) < 0 ? -1 : 0;
}

static herr_t copy_net(hid_t root, const char *name, const H5L_info_t *info, void *context) {
    struct export *e = context;
    (void)info;
    H5O_info_t about;
    char model[128];
    if (H5Oget_info_by_name(root, name, &about, H5P_DEFAULT) < 0) return -1;
    if (about.type != H5O_TYPE_GROUP) return 0;
    hid_t from = H5Gopen2(root, name, H5P_DEFAULT);
    if (from < 0) return -1;
    herr_t result = 0;
    if (hdf5_get_attribute_text(from, MODEL_ATTRIBUTE, model, sizeof model)) {
        hid_t to = H5Gcreate2(e->w->file, name, H5P_DEFAULT, e->w->groups, H5P_DEFAULT);
        bool good = to >= 0 && hdf5_put_attribute_text(to, MODEL_ATTRIBUTE, model) &&
                    H5Literate(from, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_weight, &to) >= 0;
        if (to >= 0) H5Gclose(to);
        e->nets++;
        result = good ? 0 : -1;
    }
    H5Gclose(from);
    return result;
}

enum status checkpoint_export_begin(const char *from, const char *to, struct checkpoint_writer **out) {
    struct export e = {0};
    TRY(checkpoint_open(from, &e.r));
    enum status s = checkpoint_create(to, "weights", e.r->config, &e.w);
    if (s == STATUS_OK) {
        if (H5Literate(e.r->file, H5_INDEX_NAME, H5_ITER_INC, NULL, copy_net, &e) < 0)
            writer_fail(e.w, "the weights");
        else if (e.nets == 0)
            s = status_fail(STATUS_FORMAT, "%s: holds no network", from);
    }
    checkpoint_close(e.r);
    if (s != STATUS_OK) {
        checkpoint_abandon(e.w);
        e.w = NULL;
    }
    *out = e.w;
    return s;
}

enum status checkpoint_export(const char *from, const char *to) {
    struct checkpoint_writer *w;
    TRY(checkpoint_export_begin(from, to, &w));
    return checkpoint_commit(w);
}
