/* Host memory. Allocations are 64-byte aligned and zeroed; the program ends with a clear text when memory
 * runs out, since no caller can do anything useful then. Large requests that depend on a config ask
 * mem_available() first and refuse with a remedy. */
#ifndef TENGEN_MEM_H
#define TENGEN_MEM_H

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

/* Bytes of memory this process may still take (MemAvailable and cgroup limit), 0 if unknown. */
size_t mem_available(void);

#define MEM_NEW(type, count) ((type *)mem_alloc((size_t)(count), sizeof(type)))

#endif
