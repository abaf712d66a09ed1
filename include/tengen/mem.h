/* Host memory. Allocations are 64-byte aligned and zeroed, and charged to the account that the caller is in
 * (account.h); large ones take no memory before they are touched. The program ends with a clear text when
 * memory runs out, since no caller can do anything useful then: what depends on a config is planned first,
 * and refused with a remedy. The environment variable TENGEN_MEMORY limits what a process holds, in MiB. */
#ifndef TENGEN_MEM_H
#define TENGEN_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* count * size zeroed bytes, aligned to 64; never NULL (count or size of 0 gives a valid pointer).
 * Freed by mem_free (NULL is legal). */
void *mem_alloc(size_t count, size_t size);
void mem_free(void *memory);

/* Grows or shrinks; new bytes are zero. `old_count` items are kept. */
void *mem_resize(void *memory, size_t old_count, size_t count, size_t size);

/* A copy of a string; of printf's result. Freed by mem_free. */
char *mem_string(const char *text);
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes of memory this process may still take (MemAvailable, cgroup limit, TENGEN_MEMORY), 0 if unknown or
 * nothing is taken (mem_count_only); and those of the machine. */
size_t mem_available(void);
size_t mem_total(void);
/* Whether TENGEN_MEMORY leaves room for so many. */
bool mem_permits(size_t bytes);

/* From now on what the calling thread takes is counted, and large requests get addresses whose memory is
 * there only where it is touched: for finding out what something would take. */
void mem_count_only(bool on);
bool mem_is_counting(void);
/* What will be taken later, where it is only counted: as mem_alloc; else NULL. For mem_free. */
void *mem_expect(size_t bytes);

#define MEM_NEW(type, count) ((type *)mem_alloc((size_t)(count), sizeof(type)))

#endif
