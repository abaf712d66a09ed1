/* Exports: the weights of the networks in a checkpoint, and its config, in a file of their own.
 *
 * Every value goes through checkpoint_get and checkpoint_put, which believe nothing they have not looked at:
 * the library's own copying of objects crashes on damaged files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checksum.h"
#include "reader.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "writer.h"

struct export {
    struct checkpoint_reader *r;
    struct checkpoint_writer *w;
    const char *group; /* of the net that is copied */
    int weights;       /* of that net, so far */
    int nets;
    enum status status;
};

/* In the order they are stored in: for any other the library (1.10.8) makes a list of all links first, and
 * where it cannot read one of them it frees those it has not made. */
static herr_t each_link(hid_t group, H5L_iterate_t visit, struct export *e) {
    return H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit, e);
}

/* 1 if a name stands for an object of this type, 0 if for something else, negative where the file is damaged.
 */
static int is_object(hid_t group, const char *name, const H5L_info_t *link, H5O_type_t type) {
    H5O_info_t about;
    if (link->type != H5L_TYPE_HARD) return 0;
    if (H5Oget_info_by_name(group, name, &about, H5P_DEFAULT) < 0) return -1;
    return about.type == type;
}

static bool get_layout(struct checkpoint_reader *r, const char *name, char *layout, size_t size) {
    hid_t set = H5Dopen2(r->file, name, H5P_DEFAULT);
    if (set < 0) return false;
    bool good = hdf5_get_attribute_text(set, LAYOUT_ATTRIBUTE, layout, size);
    H5Dclose(set);
    return good;
}

static enum status copy_values(struct export *e, const char *name) {
    char layout[16];
    int rank;
    int64_t dims[CHECKPOINT_RANK];
    size_t count = 1;
    TRY(checkpoint_shape(e->r, name, &rank, dims));
    for (int i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    float *values = MEM_NEW(float, count);
    enum status s = checkpoint_get(e->r, name, DTYPE_F32, rank, dims, values);
    for (size_t i = 0; i < count && s == STATUS_OK; i++)
        if (!isfinite(values[i]))
            s = status_fail(STATUS_NUMERIC,
                            "data set %s holds %g: the run had diverged; export an earlier checkpoint", name,
                            (double)values[i]);
    bool has_layout = s == STATUS_OK && get_layout(e->r, name, layout, sizeof layout);
    if (s == STATUS_OK) checkpoint_put(e->w, name, DTYPE_F32, rank, dims, values, has_layout ? layout : NULL);
    mem_free(values);
    return s;
}

/* Copies one data set of a net; groups below (the optimiser's) stay behind. */
static herr_t copy_weight(hid_t group, const char *name, const H5L_info_t *link, void *context) {
    struct export *e = context;
    int is_weight = is_object(group, name, link, H5O_TYPE_DATASET);
    if (is_weight <= 0) return is_weight;
    char *path = mem_format("%s/%s", e->group, name);
    e->status = copy_values(e, path);
    mem_free(path);
    e->weights++;
    return e->status == STATUS_OK ? 0 : 1;
}

/* Copies one group, if it is that of a net. */
static herr_t copy_net(hid_t root, const char *name, const H5L_info_t *link, void *context) {
    struct export *e = context;
    char model[128];
    int is_group = is_object(root, name, link, H5O_TYPE_GROUP);
    if (is_group <= 0) return is_group;
    hid_t group = H5Gopen2(root, name, H5P_DEFAULT);
    if (group < 0) return -1;
    herr_t result = 0;
    e->group = name;
    e->weights = 0;
    if (hdf5_get_attribute_text(group, MODEL_ATTRIBUTE, model, sizeof model))
        result = each_link(group, copy_weight, e);
    H5Gclose(group);
    if (result == 0 && e->weights > 0) {
        writer_mark_net(e->w, name, model);
        e->nets++;
    }
    return result;
}

static enum status copy_nets(struct export *e) {
    herr_t result = each_link(e->r->file, copy_net, e);
    if (result < 0) {
        char reason[256];
        return hdf5_damaged(e->r->path, hdf5_reason(reason, sizeof reason));
    }
    if (e->status == STATUS_OK && e->nets == 0)
        return status_fail(STATUS_FORMAT, "%s: holds no network", e->r->path);
    return e->status;
}

/* To overwrite what is foreign is the caller's choice. What was ours and is damaged may be what is left of a
 * checkpoint. */
enum status checkpoint_export_check(const char *to) {
    if (!file_exists(to)) return STATUS_OK;
    struct checkpoint_reader *r;
    enum status s = checkpoint_open(to, &r);
    if (s == STATUS_FORMAT && !checksum_begins(to)) return STATUS_OK;
    if (s == STATUS_FORMAT)
        return status_fail(
            STATUS_USAGE,
            "%s: is damaged, and may have been a checkpoint; remove it yourself if nobody needs "
            "it, or choose another name for the export",
            to);
    if (s != STATUS_OK) return status_context(s, "an export cannot take the place of this");
    bool whole = strcmp(checkpoint_kind(r), "checkpoint") == 0;
    checkpoint_close(r);
    if (!whole) return STATUS_OK;
    return status_fail(STATUS_USAGE,
                       "%s: is a checkpoint, whose optimiser and state weights alone cannot replace; choose "
                       "another name for the export",
                       to);
}

enum status checkpoint_export_begin(const char *from, const char *to, struct checkpoint_writer **out) {
    *out = NULL;
    struct export e = {0};
    TRY(checkpoint_export_check(to));
    TRY(checkpoint_open(from, &e.r));
    enum status s = checkpoint_create(to, "weights", e.r->config, &e.w);
    if (s == STATUS_OK) s = copy_nets(&e);
    checkpoint_close(e.r);
    if (s == STATUS_OK)
        *out = e.w;
    else
        checkpoint_abandon(e.w);
    return s;
}

enum status checkpoint_export(const char *from, const char *to) {
    struct checkpoint_writer *w;
    TRY(checkpoint_export_begin(from, to, &w));
    return checkpoint_commit(w);
}
