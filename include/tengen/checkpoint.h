/* Checkpoints and exported weights: named tensors and values in HDF5. Knows no algorithm.
 *
 * A file is written under a temporary name, synced and renamed: it is whole or absent. Its first 512 bytes,
 * the HDF5 user block, hold a line "tengen crc32 XXXXXXXX bytes N" padded with zeros: zlib's CRC-32
 * (hexadecimal) and the number of the bytes behind the block. A file with another content is refused before
 * HDF5 reads it; one without a user block, made by an earlier tengen or by other programs, is read unchecked.
 *
 * Layout, also documented in README.md: root attributes "format" = "tengen", "format_version", "kind"
 * ("checkpoint" | "weights"), "program_version"; data set /config, the whole config as INI text; groups by
 * name with one data set a tensor. Tensors are contiguous and uncompressed; weights carry a "layout"
 * attribute ("OHWI", ...).
 */
#ifndef TENGEN_CHECKPOINT_H
#define TENGEN_CHECKPOINT_H

#include "tengen/config.h"
#include "tengen/net.h"
#include "tengen/rng.h"

struct checkpoint_writer;
struct checkpoint_reader;

/* ---- writing. Errors are remembered; commit reports the first one, and then leaves the old file as it was.
 * ---- */
enum status checkpoint_create(const char *path, const char *kind, const char *config_text,
                              struct checkpoint_writer **out) MUST_USE;
void checkpoint_put(struct checkpoint_writer *w, const char *name, enum dtype type, int rank,
                    const int64_t *dims, const void *data,
                    const char *layout); /* "net/block1.conv1.weight"; layout may be NULL */
void checkpoint_put_bytes(struct checkpoint_writer *w, const char *name, const void *data, size_t size);
void checkpoint_put_text(struct checkpoint_writer *w, const char *name, const char *text);
void checkpoint_put_long(struct checkpoint_writer *w, const char *name, int64_t value);
void checkpoint_put_double(struct checkpoint_writer *w, const char *name, double value);
void checkpoint_put_rng(struct checkpoint_writer *w, const char *name, const struct rng *rng);
/* All segments of a net under GROUP/, and the optimiser's slabs and counter under GROUP/ (optimiser may be
 * NULL). */
void checkpoint_put_net(struct checkpoint_writer *w, const char *group, struct net *net,
                        struct optimiser *optimiser);
enum status checkpoint_commit(struct checkpoint_writer *w) MUST_USE; /* frees w */
void checkpoint_abandon(struct checkpoint_writer *w);

/* ---- reading. A truncated, foreign or newer file is an error that says which it is and what to do. ---- */
enum status checkpoint_open(const char *path, struct checkpoint_reader **out) MUST_USE;
void checkpoint_close(struct checkpoint_reader *r);
const char *checkpoint_kind(const struct checkpoint_reader *r);
const char *checkpoint_config(const struct checkpoint_reader *r); /* INI text */
bool checkpoint_has(struct checkpoint_reader *r, const char *name);
/* Shape of a data set; rank up to 8. */
enum status checkpoint_shape(struct checkpoint_reader *r, const char *name, int *rank,
                             int64_t dims[8]) MUST_USE;
/* Reads a data set whose type and shape must be as given: an error names both shapes. */
enum status checkpoint_get(struct checkpoint_reader *r, const char *name, enum dtype type, int rank,
                           const int64_t *dims, void *data) MUST_USE;
enum status checkpoint_get_bytes(struct checkpoint_reader *r, const char *name, void **data,
                                 size_t *size) MUST_USE;
enum status checkpoint_get_text(struct checkpoint_reader *r, const char *name,
                                char **text) MUST_USE; /* mem_free */
enum status checkpoint_get_long(struct checkpoint_reader *r, const char *name, int64_t *value) MUST_USE;
enum status checkpoint_get_double(struct checkpoint_reader *r, const char *name, double *value) MUST_USE;
enum status checkpoint_get_rng(struct checkpoint_reader *r, const char *name, struct rng *rng) MUST_USE;
/* Every segment of the net must be there with its shape and with finite values (STATUS_NUMERIC otherwise);
 * the net is unchanged on failure. */
enum status checkpoint_get_net(struct checkpoint_reader *r, const char *group, struct net *net,
                               struct optimiser *optimiser) MUST_USE;

/* Whether an export may be written to TO: over nothing, weights, and what is foreign, but not over a
 * checkpoint or what may be left of one, nor over a folder, a pipe or a device. */
enum status checkpoint_export_check(const char *to) MUST_USE;
/* `tengen export`: copies the groups of weights ("net") and the config of a checkpoint, nothing else. */
enum status checkpoint_export(const char *from, const char *to) MUST_USE;
/* The same, but the file is left open for more to be put in before checkpoint_commit. */
enum status checkpoint_export_begin(const char *from, const char *to,
                                    struct checkpoint_writer **out) MUST_USE;

/* "1.10.8": of the HDF5 library, for `tengen info`. */
void checkpoint_library_version(char *text, size_t size);

#endif
