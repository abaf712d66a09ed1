#include "tengen/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cgroup.h"
#include "tengen/account.h"
#include "tengen/status.h"

enum { ALIGNMENT = 64, COUNTED_LARGE = 1 << 16 };

/* Stands right before what callers get. */
struct block {
    void *start; /* what the system gave */
    size_t bytes;
    size_t mapped; /* the size of a mapping of its own; 0: from calloc */
    struct account *account;
};

/* ---- limits -----------------------------------------------------------------------------------------------
 */

/* TENGEN_MEMORY: MiB that this process may hold; 0: no limit. */
static size_t limit_read(void) {
    static atomic_size_t limit = SIZE_MAX; /* not asked for yet */
    size_t bytes = limit;
    if (bytes == SIZE_MAX) {
        const char *text = getenv("TENGEN_MEMORY");
        bytes = text ? (size_t)strtoull(text, NULL, 10) << 20 : 0;
        limit = bytes;
    }
    return bytes;
}

/* What the limit leaves of `bytes`. */
static size_t within_limit(size_t bytes) {
    size_t limit = limit_read(), held = limit ? accounts_held(ACCOUNT_HOST) : 0;
    size_t left = limit > held ? limit - held : 0;
    return limit && left < bytes ? left : bytes;
}

static _Thread_local bool counting;

void mem_count_only(bool on) {
    counting = on;
}

bool mem_is_counting(void) {
    return counting;
}

bool mem_permits(size_t bytes) {
    return counting || within_limit(bytes) >= bytes;
}

/* ---- blocks -----------------------------------------------------------------------------------------------
 */

static struct block *block_of(void *memory) {
    return (struct block *)memory - 1;
}

/* Large memory comes as zero pages that are not there before they are touched, from calloc as from a mapping;
 * one that is only counted may be larger than any memory there is. */
static bool block_take(struct block *b, size_t bytes) {
    const size_t whole = bytes + sizeof *b + ALIGNMENT - 1;
    if (counting && bytes >= COUNTED_LARGE) {
        b->start =
            mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        b->mapped = whole;
        return b->start != MAP_FAILED;
    }
    b->start = counting || mem_permits(bytes) ? calloc(1, whole) : NULL;
    return b->start;
}

void *mem_alloc(size_t count, size_t size) {
    struct block b = {.account = account_current()};
    bool overflow = __builtin_mul_overflow(count, size, &b.bytes) || b.bytes > SIZE_MAX / 2;
    if (overflow || !block_take(&b, b.bytes))
        status_exit("out of memory: %zu x %zu bytes asked for, %.1f MiB held, %.1f MiB available; see "
                    "`tengen train CONFIG --plan` for what a run takes",
                    count, size, (double)accounts_held(ACCOUNT_HOST) / (1 << 20),
                    (double)mem_available() / (1 << 20));
    uintptr_t first = (uintptr_t)b.start + sizeof b;
    void *memory = (char *)b.start + sizeof b + (ALIGNMENT - first % ALIGNMENT) % ALIGNMENT;
    *block_of(memory) = b;
    account_add(b.account, ACCOUNT_HOST, b.bytes);
    return memory;
}

void *mem_expect(size_t bytes) {
    return counting ? mem_alloc(bytes, 1) : NULL;
}

void mem_free(void *memory) {
    if (!memory) return;
    struct block b = *block_of(memory);
    account_subtract(b.account, ACCOUNT_HOST, b.bytes);
    if (b.mapped)
        munmap(b.start, b.mapped);
    else
        free(b.start);
}

void *mem_resize(void *memory, size_t old_count, size_t count, size_t size) {
    void *fresh = mem_alloc(count, size);
    size_t kept = (old_count < count ? old_count : count) * size;
    if (kept) memcpy(fresh, memory, kept);
    mem_free(memory);
    return fresh;
}

/* ---- texts ------------------------------------------------------------------------------------------------
 */

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

/* ---- how much there is ------------------------------------------------------------------------------------
 */

size_t mem_total(void) {
    size_t bytes = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGE_SIZE), limit = limit_read();
    return limit && limit < bytes ? limit : bytes;
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
    if (counting) return 0;
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
    if (bytes == 0) return 0;
    bytes = within_limit(bytes);
    return bytes ? bytes : 1;
}
