#include "tengen/mem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "tengen/status.h"

enum { ALIGNMENT = 64 };

static void *allocate(size_t count, size_t size) {
    size_t bytes;
    void *memory = NULL;
    bool overflow = __builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2;
    if (!overflow) {
        bytes = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
        memory = aligned_alloc(ALIGNMENT, bytes);
    }
    if (!memory)
        status_exit("out of memory: %zu x %zu bytes asked for, %.1f GiB available", count, size,
                    (double)mem_available() / (1 << 30));
    return memory;
}

void *mem_alloc(size_t count, size_t size) {
    void *memory = allocate(count, size);
    return memset(memory, 0, count * size);
}

void mem_free(void *memory) {
    free(memory);
}

void *mem_resize(void *memory, size_t old_count, size_t count, size_t size) {
    void *fresh = allocate(count, size);
    size_t kept = (old_count < count ? old_count : count) * size;
    if (kept) memcpy(fresh, memory, kept);
    memset((char *)fresh + kept, 0, count * size - kept);
    free(memory);
    return fresh;
}

char *mem_string(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size, 1), text, size);
}

char *mem_format(const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    size_t size = (size_t)(length < 0 ? 0 : length) + 1;
    char *text = mem_alloc(size, 1);
    vsnprintf(text, size, format, again);
    va_end(again);
    return text;
}

/* Lowers *bytes to what the groups that this process is in leave. */
static void cgroup_limit(const char *controller, const char *limit_name, const char *usage_name,
                         size_t *bytes) {
    char path[CGROUP_PATH];
    if (!cgroup_first(controller, path)) return;
    do {
        long long limit, usage;
        if (cgroup_numbers(path, limit_name, 1, &limit) != 1) continue;
        if (cgroup_numbers(path, usage_name, 1, &usage) != 1) continue;
        size_t left = limit > usage ? (size_t)(limit - usage) : 1;
        if (*bytes == 0 || left < *bytes) *bytes = left;
    } while (cgroup_parent(path));
}

size_t mem_available(void) {
    size_t bytes = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    if (file) {
        char line[256];
        unsigned long long kib;
        while (fgets(line, sizeof line, file))
            if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) bytes = (size_t)kib * 1024;
        fclose(file);
    }
    cgroup_limit("", "memory.max", "memory.current", &bytes);
    cgroup_limit("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", &bytes);
    return bytes;
}
