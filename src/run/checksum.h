/* The checksum of a whole file. HDF5 leaves the first bytes of a file to the program that makes it (a "user
 * block"); ours hold one line, padded with zeros, about everything behind them:
 *
 *     tengen crc32 1a2b3c4d bytes 1279574
 *
 * It is looked at before the library sees the file: HDF5 1.10 can be led out of its buffers by damage, and
 * data sets have no checksum of their own.
 */
#ifndef RUN_CHECKSUM_H
#define RUN_CHECKSUM_H

#include <stdbool.h>

#include "tengen/status.h"

enum { CHECKSUM_BLOCK = 512 }; /* the smallest user block there is */

/* Fills the user block of a file that is otherwise complete and closed. */
enum status checksum_write(const char *path) MUST_USE;

/* Holds a file against its checksum. A file that begins with HDF5's own signature has none (earlier programs
 * made such files, and others do) and is not looked at further. */
enum status checksum_check(const char *path) MUST_USE;

/* Whether a file begins as those that we write, whatever became of the rest. */
bool checksum_begins(const char *path);

#endif
