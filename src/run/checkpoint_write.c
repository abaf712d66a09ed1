/* Writing checkpoints. The file grows under a temporary name beside its own; commit syncs and renames it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checksum.h"
#include "hdf5_file.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "tengen/version.h"
#include "writer.h"

/* Beyond the data itself: headers, groups, and the log and metrics of the same disk. */
enum { SPACE_MARGIN = 1 << 20 };

static void fail(struct checkpoint_writer *w, enum status s) {
    if (w->status == STATUS_OK && s != STATUS_OK) {
        w->status = s;
        snprintf(w->error, sizeof w->error, "%s", status_text());
    }
}

/* Asks for room before the library finds there is none: a text of ours says more than its own would. */
static enum status check_space(const struct checkpoint_writer *w, size_t bytes) {
    size_t space = file_space(w->temporary);
    if (space == 0 || space >= bytes + SPACE_MARGIN) {
        /* 0 is "unknown" as well as "full"; a full disk then fails in the write. */
        return STATUS_OK;
    }
    return status_fail(STATUS_IO,
                       "%s: the disk is full: %.1f MB more are needed, %.1f MB are free; make room", w->path,
                       (double)(bytes + SPACE_MARGIN) * 1e-6, (double)space * 1e-6);
}

void writer_fail_status(struct checkpoint_writer *w, enum status s) {
    fail(w, s);
}

void writer_fail(struct checkpoint_writer *w, const char *name) {
    char reason[256];
    hdf5_reason(reason, sizeof reason);
    fail(w, status_fail(STATUS_IO, "%s: cannot write %s: %s", w->path, name, reason));
}

static void writer_free(struct checkpoint_writer *w) {
    if (w->file >= 0) H5Fclose(w->file);
    if (w->groups >= 0) H5Pclose(w->groups);
    mem_free(w->path);
    mem_free(w->temporary);
    mem_free(w);
}

enum status checkpoint_create(const char *path, const char *kind, const char *config_text,
                              struct checkpoint_writer **out) {
    hdf5_begin();
    *out = NULL;
    struct checkpoint_writer *w = MEM_NEW(struct checkpoint_writer, 1);
    w->path = mem_string(path);
    w->temporary = mem_format("%s.%ld.tmp", path, (long)getpid());
    w->groups = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(w->groups, false);
    w->file = H5I_INVALID_HID;
    enum status s = check_space(w, 0);
    if (s == STATUS_OK) {
        hid_t access = hdf5_access(), how = H5Pcreate(H5P_FILE_CREATE);
        H5Pset_obj_track_times(how, false);
        H5Pset_userblock(how, CHECKSUM_BLOCK);
        /* The format of HDF5 1.8 checks its own structures, so that other readers notice most damage too. */
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
        w->file = H5Fcreate(w->temporary, H5F_ACC_TRUNC, how, access);
        char reason[256];
        if (w->file < 0)
            s = status_fail(STATUS_IO, "%s: cannot be made: %s", path, hdf5_reason(reason, sizeof reason));
        H5Pclose(access);
        H5Pclose(how);
    }
    if (s != STATUS_OK) {
        unlink(w->temporary);
        writer_free(w);
        return s;
    }
    if (!hdf5_put_attribute_text(w->file, "format", "tengen") ||
        !hdf5_put_attribute_long(w->file, "format_version", FORMAT_VERSION) ||
        !hdf5_put_attribute_text(w->file, "kind", kind) ||
        !hdf5_put_attribute_text(w->file, "program_version", version_number()))
        writer_fail(w, "the attributes");
    checkpoint_put_text(w, "config", config_text);
    *out = w;
    return STATUS_OK;
}

/* Makes the groups on the way to a data set. */
static void make_groups(struct checkpoint_writer *w, const char *name) {
    char *part = mem_string(name);
    for (char *slash = part; w->status == STATUS_OK && (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        if (H5Lexists(w->file, part, H5P_DEFAULT) <= 0) {
            hid_t group = H5Gcreate2(w->file, part, H5P_DEFAULT, w->groups, H5P_DEFAULT);
            if (group < 0)
                writer_fail(w, part);
            else
                H5Gclose(group);
        }
        *slash = '/';
    }
    mem_free(part);
}

/* Makes and fills one data set. Times are left out, so that equal content makes equal files; space is not
 * filled with zeros first, since all of it is written. */
static void put(struct checkpoint_writer *w, const char *name, hid_t file_type, hid_t memory_type,
                size_t item_bytes, int rank, const int64_t *dims, const void *data, const char *attribute,
                const char *attribute_text) {
    if (w->status != STATUS_OK) return;
    ENSURE(rank >= 0 && rank <= CHECKPOINT_RANK, "data set %s has rank %d", name, rank);
    hsize_t extent[CHECKPOINT_RANK] = {0};
    size_t count = 1;
    for (int i = 0; i < rank; i++) {
        ENSURE(dims[i] >= 0, "data set %s has a dimension of %lld", name, (long long)dims[i]);
        extent[i] = (hsize_t)dims[i];
        count *= (size_t)dims[i];
    }
    fail(w, check_space(w, count * item_bytes));
    make_groups(w, name);
    if (w->status != STATUS_OK) return;
    hid_t space = rank ? H5Screate_simple(rank, extent, NULL) : H5Screate(H5S_SCALAR);
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(how, false);
    H5Pset_fill_time(how, H5D_FILL_TIME_NEVER);
    hid_t set = H5Dcreate2(w->file, name, file_type, space, H5P_DEFAULT, how, H5P_DEFAULT);
    bool good = set >= 0;
    if (good && count) good = H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    if (good && attribute_text) good = hdf5_put_attribute_text(set, attribute, attribute_text);
    if (!good) writer_fail(w, name);
    if (set >= 0) H5Dclose(set);
    H5Pclose(how);
    H5Sclose(space);
}

void checkpoint_put(struct checkpoint_writer *w, const char *name, enum dtype type, int rank,
                    const int64_t *dims, const void *data, const char *layout) {
    /* A bf16 is stored as its bits, and says so. */
    bool bits = type == DTYPE_BF16;
    put(w, name, hdf5_file_type(type), hdf5_memory_type(type), dtype_size(type), rank, dims, data,
        bits ? "dtype" : LAYOUT_ATTRIBUTE, bits ? "bf16" : layout);
}

void checkpoint_put_bytes(struct checkpoint_writer *w, const char *name, const void *data, size_t size) {
    int64_t count = (int64_t)size;
    checkpoint_put(w, name, DTYPE_U8, 1, &count, data, NULL);
}

void checkpoint_put_text(struct checkpoint_writer *w, const char *name, const char *text) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(text) + 1);
    put(w, name, type, type, strlen(text) + 1, 0, NULL, text, NULL, NULL);
    H5Tclose(type);
}

void checkpoint_put_long(struct checkpoint_writer *w, const char *name, int64_t value) {
    put(w, name, H5T_STD_I64LE, H5T_NATIVE_INT64, 8, 0, NULL, &value, NULL, NULL);
}

void checkpoint_put_double(struct checkpoint_writer *w, const char *name, double value) {
    put(w, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 8, 0, NULL, &value, NULL, NULL);
}

void checkpoint_put_rng(struct checkpoint_writer *w, const char *name, const struct rng *rng) {
    const uint64_t words[4] = {rng->seed, rng->index, rng->counter, rng->purpose};
    int64_t count = 4;
    put(w, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, 8, 1, &count, words, NULL, NULL);
}

enum status checkpoint_commit(struct checkpoint_writer *w) {
    if (w->status == STATUS_OK && H5Fflush(w->file, H5F_SCOPE_LOCAL) < 0) writer_fail(w, "the file");
    if (w->status == STATUS_OK) {
        hid_t file = w->file;
        w->file = H5I_INVALID_HID;
        if (H5Fclose(file) < 0) writer_fail(w, "the end of the file");
    }
    if (w->status == STATUS_OK) fail(w, checksum_write(w->temporary));
    if (w->status == STATUS_OK) fail(w, file_commit(w->temporary, w->path));
    enum status s = w->status;
    if (s != STATUS_OK) {
        char error[sizeof w->error];
        memcpy(error, w->error, sizeof error);
        checkpoint_abandon(w);
        return status_fail(s, "%s", error);
    }
    writer_free(w);
    return STATUS_OK;
}

void checkpoint_abandon(struct checkpoint_writer *w) {
    if (!w) return;
    unlink(w->temporary); /* first: closing would write what is left to a disk that may be full */
    writer_free(w);
}
