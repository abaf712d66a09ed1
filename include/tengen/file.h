/* Files and folders. Paths are plain strings. */
#ifndef TENGEN_FILE_H
#define TENGEN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tengen/status.h"

/* The whole of a file, plain or gzip (zlib), with a zero byte after it; freed by mem_free. */
enum status file_read(const char *path, char **text, size_t *size) MUST_USE;

/* Writes through a temporary file beside it, fsync, rename, fsync of the folder: `path` holds the old content
 * or the new, never half of it. */
enum status file_write(const char *path, const void *data, size_t size) MUST_USE;

/* The last steps of an atomic write whose temporary file a library has written and closed. */
enum status file_commit(const char *temporary, const char *path) MUST_USE;

/* mkdir -p. */
enum status file_make_folder(const char *path) MUST_USE;

bool file_exists(const char *path);
bool file_is_folder(const char *path);

/* Bytes free for writing where `path` (or its nearest existing parent) lies; 0 if unknown. */
size_t file_space(const char *path);

/* Names in a folder that end in `suffix` ("" for all), sorted; freed by file_list_free. */
enum status file_list(const char *folder, const char *suffix, char ***names, int *count) MUST_USE;
void file_list_free(char **names, int count);

#endif
