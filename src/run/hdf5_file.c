#include "hdf5_file.h"

#include <stdio.h>
#include <string.h>

void hdf5_begin(void) {
    static bool begun;
    if (begun) return;
    begun = true;
    /* After a write that failed (a full disk), the library's cleaning up at exit would try once more and
     * print. */
    H5dont_atexit();
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

hid_t hdf5_access(void) {
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(list, false, true);
#endif
    return list;
}

struct reason {
    char *text;
    size_t size;
};

/* The walk goes from the innermost call outwards; the first that says something is the cause. */
static herr_t first_error(unsigned n, const H5E_error2_t *error, void *context) {
    struct reason *r = context;
    if (n == 0 && error->desc) snprintf(r->text, r->size, "%s", error->desc);
    return 0;
}

/* Of a failed read or write the library tells offsets, buffers and times; errno's text is what matters. */
static void shorten(char *text) {
    static const char key[] = "error message = '";
    char *at = strstr(text, key);
    if (!at) return;
    at += sizeof key - 1;
    char *end = strchr(at, '\'');
    if (end) *end = 0;
    memmove(text, at, strlen(at) + 1);
}

const char *hdf5_reason(char *text, size_t size) {
    struct reason r = {text, size};
    text[0] = 0;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_error, &r);
    shorten(text);
    if (!text[0]) snprintf(text, size, "unknown reason");
    return text;
}

enum status hdf5_damaged(const char *path, const char *why) {
    return status_fail(STATUS_FORMAT,
                       "%s: truncated or damaged (%s); use an earlier checkpoint or another copy of the file",
                       path, why);
}

hid_t hdf5_file_type(enum dtype type) {
    switch (type) {
    case DTYPE_F32:
        return H5T_IEEE_F32LE;
    case DTYPE_BF16:
        return H5T_STD_U16LE; /* the bits; attribute "dtype" = "bf16" */
    case DTYPE_U8:
        return H5T_STD_U8LE;
    case DTYPE_I32:
        return H5T_STD_I32LE;
    }
    return H5I_INVALID_HID;
}

hid_t hdf5_memory_type(enum dtype type) {
    switch (type) {
    case DTYPE_F32:
        return H5T_NATIVE_FLOAT;
    case DTYPE_BF16:
        return H5T_NATIVE_UINT16;
    case DTYPE_U8:
        return H5T_NATIVE_UINT8;
    case DTYPE_I32:
        return H5T_NATIVE_INT32;
    }
    return H5I_INVALID_HID;
}

const char *hdf5_shape_text(const char *type, int rank, const int64_t *dims, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "%s[", type);
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "", (long long)dims[i]);
    if (used < size) snprintf(text + used, size - used, "]");
    return text;
}

static bool put_attribute(hid_t object, const char *name, hid_t file_type, hid_t memory_type,
                          const void *value) {
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool good = attribute >= 0 && H5Awrite(attribute, memory_type, value) >= 0;
    if (attribute >= 0) good = H5Aclose(attribute) >= 0 && good;
    H5Sclose(space);
    return good;
}

bool hdf5_put_attribute_text(hid_t object, const char *name, const char *value) {
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(value) + 1);
    bool good = put_attribute(object, name, type, type, value);
    H5Tclose(type);
    return good;
}

bool hdf5_put_attribute_long(hid_t object, const char *name, int64_t value) {
    return put_attribute(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

/* Opens an attribute that holds one value of the class; negative otherwise. */
static hid_t open_attribute(hid_t object, const char *name, H5T_class_t class, size_t *bytes) {
    if (H5Aexists(object, name) <= 0) return H5I_INVALID_HID;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return attribute;
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    bool good = H5Tget_class(type) == class && H5Sget_simple_extent_npoints(space) == 1 &&
                (class != H5T_STRING || H5Tis_variable_str(type) == 0);
    *bytes = good ? H5Tget_size(type) : 0;
    H5Tclose(type);
    H5Sclose(space);
    if (good) return attribute;
    H5Aclose(attribute);
    return H5I_INVALID_HID;
}

bool hdf5_get_attribute_text(hid_t object, const char *name, char *value, size_t size) {
    size_t bytes;
    hid_t attribute = open_attribute(object, name, H5T_STRING, &bytes);
    if (attribute < 0) return false;
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size); /* the library pads or cuts, and ends it with a zero byte */
    bool good = H5Aread(attribute, type, value) >= 0;
    value[size - 1] = 0;
    H5Tclose(type);
    H5Aclose(attribute);
    return good;
}

bool hdf5_get_attribute_long(hid_t object, const char *name, int64_t *value) {
    size_t bytes;
    hid_t attribute = open_attribute(object, name, H5T_INTEGER, &bytes);
    if (attribute < 0) return false;
    bool good = H5Aread(attribute, H5T_NATIVE_INT64, value) >= 0;
    H5Aclose(attribute);
    return good;
}

void checkpoint_library_version(char *text, size_t size) {
    unsigned major = 0, minor = 0, release = 0;
    H5get_libversion(&major, &minor, &release);
    snprintf(text, size, "%u.%u.%u", major, minor, release);
}
