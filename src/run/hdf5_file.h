/* What the files of checkpoints share: HDF5 set up for us, types, and the library's errors as text.
 *
 * HDF5's serial library is not thread safe: one thread at a time reads or writes checkpoints.
 */
#ifndef RUN_HDF5_FILE_H
#define RUN_HDF5_FILE_H

#include <hdf5.h>
#include <stdbool.h>

#include "tengen/checkpoint.h"

enum { FORMAT_VERSION = 1, CHECKPOINT_RANK = 8 };

/* The optimiser's part of a net's group, which an export leaves out. */
#define OPTIMISER_GROUP "optimiser"
/* A group with this attribute holds the weights of a net. */
#define MODEL_ATTRIBUTE "model"
/* The order of a weight's dimensions. */
#define LAYOUT_ATTRIBUTE "layout"

/* Silences the library's own printing; to be called before anything else of it. */
void hdf5_begin(void);

/* Properties of files that are opened or made: no file locks, since many shared file systems have none and
 * nobody writes a file that another reads; closing closes everything in it. The caller closes the list. */
hid_t hdf5_access(void);

/* What the library says of its last error, its innermost cause; "unknown reason" where it says nothing. */
const char *hdf5_reason(char *text, size_t size);

/* The error of a file that was whole once. */
enum status hdf5_damaged(const char *path, const char *why) MUST_USE;

hid_t hdf5_file_type(enum dtype type);   /* as stored: little endian */
hid_t hdf5_memory_type(enum dtype type); /* of this machine */

/* "f32[64,3,3,17]"; "u8[]" for a single value. */
const char *hdf5_shape_text(const char *type, int rank, const int64_t *dims, char *text, size_t size);

/* Attributes of a file, group or data set that are texts or whole numbers. */
bool hdf5_put_attribute_text(hid_t object, const char *name, const char *value);
bool hdf5_put_attribute_long(hid_t object, const char *name, int64_t value);
bool hdf5_get_attribute_text(hid_t object, const char *name, char *value, size_t size);
bool hdf5_get_attribute_long(hid_t object, const char *name, int64_t *value);

#endif
