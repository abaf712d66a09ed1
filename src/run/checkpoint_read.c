/* Reading checkpoints. Nothing in a file is believed before it has been looked at: each error says what the
 * file holds and what was needed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checksum.h"
#include "reader.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "tengen/version.h"

static enum status damaged(const char *path, const char *what) {
    char reason[256], why[400];
    snprintf(why, sizeof why, "%.120s: %s", what, hdf5_reason(reason, sizeof reason));
    return hdf5_damaged(path, why);
}

static enum status open_file(struct checkpoint_reader *r) {
    const char *path = r->path;
    struct stat about;
    if (file_is_folder(path)) return status_fail(STATUS_IO, "%s: is a folder, not a checkpoint", path);
    if (access(path, R_OK) != 0) return status_fail(STATUS_IO, "%s: %s", path, strerror(errno));
    /* Opening a pipe would wait for a writer. */
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
        return status_fail(STATUS_IO, "%s: is a pipe or a device, not a file", path);
    TRY(checksum_check(path));
    hid_t properties = hdf5_access();
    r->file = H5Fopen(path, H5F_ACC_RDONLY, properties);
    H5Pclose(properties);
    if (r->file < 0) return damaged(path, "HDF5 cannot open it");
    if (H5Fget_filesize(r->file, &r->bytes) < 0) return damaged(path, "size");
    return STATUS_OK;
}

static enum status read_header(struct checkpoint_reader *r) {
    char format[32];
    int64_t version;
    if (!hdf5_get_attribute_text(r->file, "format", format, sizeof format) || strcmp(format, "tengen") != 0)
        return status_fail(STATUS_FORMAT, "%s: is an HDF5 file, but not one that tengen wrote", r->path);
    if (!hdf5_get_attribute_text(r->file, "program_version", r->version, sizeof r->version) ||
        !hdf5_get_attribute_long(r->file, "format_version", &version))
        return damaged(r->path, "attributes");
    if (version > FORMAT_VERSION)
        return status_fail(
            STATUS_USAGE,
            "%s: is in the newer format %lld, written by tengen %s; this is tengen %s, which reads up to "
            "format %d: use the newer program",
            r->path, (long long)version, r->version, version_number(), FORMAT_VERSION);
    if (!hdf5_get_attribute_text(r->file, "kind", r->kind, sizeof r->kind))
        return damaged(r->path, "attributes");
    return checkpoint_get_text(r, "config", &r->config);
}

enum status checkpoint_open(const char *path, struct checkpoint_reader **out) {
    hdf5_begin();
    struct checkpoint_reader *r = MEM_NEW(struct checkpoint_reader, 1);
    r->path = mem_string(path);
    r->file = H5I_INVALID_HID;
    enum status s = open_file(r);
    if (s == STATUS_OK) s = read_header(r);
    if (s != STATUS_OK) {
        checkpoint_close(r);
        r = NULL;
    }
    *out = r;
    return s;
}

void checkpoint_close(struct checkpoint_reader *r) {
    if (!r) return;
    if (r->file >= 0) H5Fclose(r->file);
    mem_free(r->config);
    mem_free(r->path);
    mem_free(r);
}

const char *checkpoint_kind(const struct checkpoint_reader *r) {
    return r->kind;
}
const char *checkpoint_config(const struct checkpoint_reader *r) {
    return r->config;
}

/* Every group on the way is asked for, since asking below a missing one is an error to the library. */
bool checkpoint_has(struct checkpoint_reader *r, const char *name) {
    char part[512];
    snprintf(part, sizeof part, "%s", name);
    for (char *slash = part; (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        bool there = H5Lexists(r->file, part, H5P_DEFAULT) > 0;
        *slash = '/';
        if (!there) return false;
    }
    return H5Lexists(r->file, part, H5P_DEFAULT) > 0;
}

/* An open data set with what is to know about it. */
struct set {
    hid_t id, type;
    int rank;
    int64_t dims[CHECKPOINT_RANK];
    size_t count;
};

static void set_close(struct set *d) {
    if (d->type >= 0) H5Tclose(d->type);
    if (d->id >= 0) H5Dclose(d->id);
}

static enum status set_open(struct checkpoint_reader *r, const char *name, struct set *d) {
    *d = (struct set){.id = H5I_INVALID_HID, .type = H5I_INVALID_HID, .count = 1};
    if (!checkpoint_has(r, name))
        return status_fail(STATUS_FORMAT, "%s: data set %s is missing (the file is of kind \"%s\")", r->path,
                           name, r->kind);
    d->id = H5Dopen2(r->file, name, H5P_DEFAULT);
    if (d->id < 0) return damaged(r->path, name);
    d->type = H5Dget_type(d->id);
    hid_t space = H5Dget_space(d->id);
    int rank = H5Sget_simple_extent_ndims(space);
    hsize_t extent[H5S_MAX_RANK] = {0};
    bool good = d->type >= 0 && rank >= 0 && H5Sget_simple_extent_dims(space, extent, NULL) >= 0;
    if (space >= 0) H5Sclose(space);
    if (good && rank > CHECKPOINT_RANK) {
        set_close(d);
        return status_fail(STATUS_FORMAT, "%s: data set %s has %d dimensions", r->path, name, rank);
    }
    d->rank = rank;
    for (int i = 0; good && i < rank; i++) {
        d->dims[i] = (int64_t)extent[i];
        good = !__builtin_mul_overflow(d->count, (size_t)extent[i], &d->count);
    }
    size_t bytes;
    good = good && !__builtin_mul_overflow(d->count, H5Tget_size(d->type), &bytes) && bytes <= r->bytes;
    if (good) return STATUS_OK;
    set_close(d);
    return damaged(r->path, name);
}

/* "f32", "u8", "text": how errors speak of a type. */
static const char *type_text(hid_t type, char text[16]) {
    size_t bits = 8 * H5Tget_size(type);
    char letter = 0;
    if (H5Tget_class(type) == H5T_FLOAT) letter = 'f';
    if (H5Tget_class(type) == H5T_INTEGER) letter = H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i';
    if (letter)
        snprintf(text, 16, "%c%zu", letter, bits);
    else
        snprintf(text, 16, "%s", H5Tget_class(type) == H5T_STRING ? "text" : "other");
    return text;
}

/* Reads a data set of exactly this type and shape. */
static enum status get(struct checkpoint_reader *r, const char *name, hid_t file_type, hid_t memory_type,
                       int rank, const int64_t *dims, void *data) {
    struct set d;
    TRY(set_open(r, name, &d));
    bool same = H5Tequal(d.type, file_type) > 0 && d.rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = d.dims[i] == dims[i];
    enum status s = STATUS_OK;
    if (!same) {
        char has[160], needed[160], type[16];
        hdf5_shape_text(type_text(d.type, type), d.rank, d.dims, has, sizeof has);
        hdf5_shape_text(type_text(file_type, type), rank, dims, needed, sizeof needed);
        s = status_fail(STATUS_FORMAT, "%s: data set %s is %s, but the config asks for %s", r->path, name,
                        has, needed);
    } else if (d.count && H5Dread(d.id, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        s = damaged(r->path, name);
    }
    set_close(&d);
    return s;
}

enum status checkpoint_shape(struct checkpoint_reader *r, const char *name, int *rank, int64_t dims[8]) {
    struct set d;
    TRY(set_open(r, name, &d));
    *rank = d.rank;
    memcpy(dims, d.dims, sizeof d.dims);
    set_close(&d);
    return STATUS_OK;
}

enum status checkpoint_get(struct checkpoint_reader *r, const char *name, enum dtype type, int rank,
                           const int64_t *dims, void *data) {
    return get(r, name, hdf5_file_type(type), hdf5_memory_type(type), rank, dims, data);
}

enum status checkpoint_get_bytes(struct checkpoint_reader *r, const char *name, void **data, size_t *size) {
    *data = NULL;
    *size = 0;
    int rank;
    int64_t dims[CHECKPOINT_RANK] = {0};
    TRY(checkpoint_shape(r, name, &rank, dims));
    void *bytes = mem_alloc((size_t)dims[0], rank == 1 ? 1 : 0);
    enum status s = checkpoint_get(r, name, DTYPE_U8, 1, dims, bytes);
    if (s != STATUS_OK) {
        mem_free(bytes);
        return s;
    }
    *data = bytes;
    *size = (size_t)dims[0];
    return STATUS_OK;
}

enum status checkpoint_get_text(struct checkpoint_reader *r, const char *name, char **text) {
    *text = NULL;
    struct set d;
    TRY(set_open(r, name, &d));
    enum status s = STATUS_OK;
    if (H5Tget_class(d.type) != H5T_STRING || H5Tis_variable_str(d.type) > 0 || d.rank != 0) {
        s = status_fail(STATUS_FORMAT, "%s: data set %s is not a text", r->path, name);
    } else {
        size_t size = H5Tget_size(d.type);
        char *copy = mem_alloc(size + 1, 1);
        if (H5Dread(d.id, d.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, copy) < 0) {
            s = damaged(r->path, name);
            mem_free(copy);
        } else {
            *text = copy;
        }
    }
    set_close(&d);
    return s;
}

enum status checkpoint_get_long(struct checkpoint_reader *r, const char *name, int64_t *value) {
    return get(r, name, H5T_STD_I64LE, H5T_NATIVE_INT64, 0, NULL, value);
}

enum status checkpoint_get_double(struct checkpoint_reader *r, const char *name, double *value) {
    return get(r, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 0, NULL, value);
}

enum status checkpoint_get_rng(struct checkpoint_reader *r, const char *name, struct rng *rng) {
    const int64_t count = 4;
    uint64_t words[4];
    TRY(get(r, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, 1, &count, words));
    *rng = rng_make(words[0], (uint32_t)words[3], words[1]);
    rng->counter = words[2];
    return STATUS_OK;
}
