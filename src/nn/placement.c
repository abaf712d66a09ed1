/* Where spans lie in memory: first fit at the lowest offset, which keeps the working set small and warm. */
#include "nn/nn.h"
#include "tengen/mem.h"

static bool overlap(size_t a, size_t a_bytes, size_t b, size_t b_bytes) {
    return a < b + b_bytes && b < a + a_bytes;
}

/* The span among the first `count` that is alive with `s` and in its way at `offset`, or NULL. */
static const struct span *span_blocking(const struct span *spans, int count, const struct span *s,
                                        size_t offset) {
    for (int i = 0; i < count; i++) {
        const struct span *o = &spans[i];
        bool together = o->begin <= s->end && s->begin <= o->end;
        if (together && overlap(offset, s->bytes, o->offset, o->bytes)) return o;
    }
    return NULL;
}

size_t placement_solve(struct span *spans, int count) {
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        struct span *s = &spans[i];
        ENSURE(i == 0 || spans[i - 1].begin <= s->begin, "spans are out of order");
        s->bytes = (s->bytes + 63) / 64 * 64;
        size_t best = SIZE_MAX;
        /* The lowest place is 0 or right behind another span. */
        for (int k = -1; k < i; k++) {
            size_t offset = k < 0 ? 0 : spans[k].offset + spans[k].bytes;
            if (offset < best && !span_blocking(spans, i, s, offset)) best = offset;
        }
        s->offset = best;
        if (best + s->bytes > total) total = best + s->bytes;
    }
    return total;
}
