#include "checksum.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "hdf5_file.h"

enum { PIECE = 1 << 16 };

static const char begin[] = "tengen crc32 ", signature[] = "\211HDF\r\n\032\n";

/* What the line tells: of the bytes behind the user block. */
struct content {
    uint32_t crc;
    uint64_t bytes;
};

/* The whole user block; it must be so to the last byte. */
static void block_text(const struct content *c, char block[CHECKSUM_BLOCK]) {
    memset(block, 0, CHECKSUM_BLOCK);
    snprintf(block, CHECKSUM_BLOCK, "%s%08x bytes %llu\n", begin, (unsigned)c->crc,
             (unsigned long long)c->bytes);
}

static bool read_block(const char block[CHECKSUM_BLOCK], struct content *c) {
    char text[CHECKSUM_BLOCK + 1] = {0}, again[CHECKSUM_BLOCK];
    unsigned crc;
    unsigned long long bytes;
    memcpy(text, block, CHECKSUM_BLOCK);
    if (sscanf(text, "tengen crc32 %8x bytes %19llu", &crc, &bytes) != 2) return false;
    *c = (struct content){crc, bytes};
    block_text(c, again);
    return memcmp(again, block, CHECKSUM_BLOCK) == 0;
}

static enum status file_error(const char *path) {
    return status_fail(STATUS_IO, "%s: %s", path, errno ? strerror(errno) : "cannot be read");
}

/* From where the file stands to its end. */
static enum status read_content(FILE *file, const char *path, struct content *c) {
    unsigned char piece[PIECE];
    size_t got;
    *c = (struct content){.crc = (uint32_t)crc32(0, NULL, 0)};
    while ((got = fread(piece, 1, PIECE, file)) > 0) {
        c->crc = (uint32_t)crc32(c->crc, piece, (uInt)got);
        c->bytes += got;
    }
    return ferror(file) ? file_error(path) : STATUS_OK;
}

enum status checksum_write(const char *path) {
    errno = 0;
    FILE *file = fopen(path, "r+be");
    if (!file) return file_error(path);
    struct content c;
    char block[CHECKSUM_BLOCK];
    enum status s = STATUS_OK;
    if (fseek(file, CHECKSUM_BLOCK, SEEK_SET) != 0) s = file_error(path);
    if (s == STATUS_OK) s = read_content(file, path, &c);
    if (s == STATUS_OK) {
        block_text(&c, block);
        if (fseek(file, 0, SEEK_SET) != 0 || fwrite(block, sizeof block, 1, file) != 1) s = file_error(path);
    }
    if (fclose(file) != 0 && s == STATUS_OK) s = file_error(path);
    return s;
}

static enum status compare(FILE *file, const char *path, const struct content *expected) {
    struct content c;
    char why[128];
    TRY(read_content(file, path, &c));
    if (c.bytes != expected->bytes)
        snprintf(why, sizeof why, "checksum: %llu bytes are there, %llu were written",
                 (unsigned long long)c.bytes, (unsigned long long)expected->bytes);
    else if (c.crc != expected->crc)
        snprintf(why, sizeof why, "checksum: it is %08x, %08x was written", (unsigned)c.crc,
                 (unsigned)expected->crc);
    else
        return STATUS_OK;
    return hdf5_damaged(path, why);
}

enum status checksum_check(const char *path) {
    errno = 0;
    FILE *file = fopen(path, "rbe");
    if (!file) return file_error(path);
    char block[CHECKSUM_BLOCK] = {0};
    struct content expected;
    size_t got = fread(block, 1, sizeof block, file);
    enum status s = STATUS_OK;
    if (ferror(file))
        s = file_error(path);
    else if (memcmp(block, signature, sizeof signature - 1) == 0)
        s = STATUS_OK;
    else if (got == sizeof block && read_block(block, &expected))
        s = compare(file, path, &expected);
    else if (strncmp(block, begin, sizeof begin - 1) == 0 || H5Fis_hdf5(path) > 0)
        s = hdf5_damaged(path, "checksum: its line at the beginning of the file is damaged");
    else
        s = status_fail(STATUS_FORMAT, "%s: is not an HDF5 file, or its beginning is missing", path);
    fclose(file);
    return s;
}

bool checksum_begins(const char *path) {
    char start[sizeof begin] = "";
    FILE *file = fopen(path, "rbe");
    if (!file) return false;
    size_t got = fread(start, 1, sizeof begin - 1, file);
    fclose(file);
    return got == sizeof begin - 1 && strcmp(start, begin) == 0;
}
