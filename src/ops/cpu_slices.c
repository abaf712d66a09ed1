/* How the CPU's operations cut their work, and their scratch memory. See ops/cpu.h. */
#include "ops/cpu.h"
#include "tengen/account.h"

static void *scratch_get(struct cpu_scratch *s, size_t bytes) {
    if (s->size < bytes) {
        ACCOUNT("workspaces");
        mem_free(s->memory);
        s->size = bytes + bytes / 4;
        s->memory = mem_alloc(1, s->size);
    }
    return s->memory;
}

void *cpu_scratch(struct queue *q, int worker, size_t bytes) {
    struct cpu_queue *state = q->state;
    return scratch_get(&state->scratch[worker], bytes);
}

void *cpu_shared_scratch(struct queue *q, enum cpu_shared which, size_t bytes) {
    struct cpu_queue *state = q->state;
    return scratch_get(&state->scratch[state->workers + (int)which], bytes);
}

static void map_piece(void *context, int i) {
    const struct cpu_map *m = context;
    size_t at = (size_t)i * CPU_GRAIN, end = at + CPU_GRAIN < m->count ? at + CPU_GRAIN : m->count;
    for (; at < end; at += CPU_BLOCK)
        m->block(m, at, end - at < CPU_BLOCK ? end - at : CPU_BLOCK);
}

void cpu_map(struct queue *q, struct cpu_map *m) {
    m->count = tensor_count(m->y);
    pool_run(q->pool, (int)((m->count + CPU_GRAIN - 1) / CPU_GRAIN), map_piece, m);
}

struct cpu_rows cpu_rows_cut(size_t count, int channels, int max_pieces) {
    struct cpu_rows rows = {.count = count, .channels = channels};
    int repeats = channels < 256 ? (255 + channels) / channels : 1;
    rows.wide = repeats * channels;
    size_t wides = (count + (size_t)rows.wide - 1) / (size_t)rows.wide;
    size_t pieces = (count + CPU_GRAIN - 1) / CPU_GRAIN;
    if (pieces > (size_t)max_pieces) pieces = (size_t)max_pieces;
    if (pieces > wides) pieces = wides;
    if (pieces == 0) return rows;
    size_t each = (wides + pieces - 1) / pieces;
    rows.grain = each * (size_t)rows.wide;
    rows.pieces = (int)((wides + each - 1) / each);
    return rows;
}

void cpu_rows_repeat(const struct cpu_rows *rows, float *wide, const float *channels) {
    for (int at = 0; at < rows->wide; at += rows->channels)
        memcpy(wide + at, channels, (size_t)rows->channels * sizeof *wide);
}

void cpu_rows_piece(const struct cpu_rows *rows, int piece,
                    void (*block)(void *context, size_t at, int column, int n), void *context) {
    size_t at = (size_t)piece * rows->grain;
    size_t end = at + rows->grain < rows->count ? at + rows->grain : rows->count;
    for (; at < end; at += (size_t)rows->wide) {
        int length = end - at < (size_t)rows->wide ? (int)(end - at) : rows->wide;
        for (int column = 0; column < length; column += CPU_BLOCK)
            block(context, at + (size_t)column, column,
                  length - column < CPU_BLOCK ? length - column : CPU_BLOCK);
    }
}

enum { SUM_RUN = 32 }; /* wide rows summed in float before they go into the double sum */

struct sum_context {
    struct queue *q;
    struct cpu_rows rows;
    int sums;
    void (*block)(const void *context, float *run, size_t at, int column, int n);
    const void *context;
    double *partial; /* [pieces, sums, wide] */
};

static void sum_piece(void *context, int piece) {
    const struct sum_context *c = context;
    const size_t wide = (size_t)c->rows.wide, values = (size_t)c->sums * wide, n = c->rows.count;
    double *partial = c->partial + (size_t)piece * values;
    float *run = cpu_scratch(c->q, pool_worker(), values * sizeof *run);
    memset(partial, 0, values * sizeof *partial);
    size_t at = (size_t)piece * c->rows.grain, end = at + c->rows.grain < n ? at + c->rows.grain : n;
    while (at < end) {
        size_t stop = at + SUM_RUN * wide < end ? at + SUM_RUN * wide : end;
        memset(run, 0, values * sizeof *run);
        for (; at < stop; at += wide) {
            size_t length = stop - at < wide ? stop - at : wide;
            for (size_t column = 0; column < length; column += CPU_BLOCK)
                c->block(c->context, run, at + column, (int)column,
                         (int)(length - column < CPU_BLOCK ? length - column : CPU_BLOCK));
        }
        for (size_t j = 0; j < values; j++)
            partial[j] += (double)run[j];
    }
}

double *cpu_rows_sum(struct queue *q, const struct cpu_rows *rows, int sums,
                     void (*block)(const void *context, float *run, size_t at, int column, int n),
                     const void *context) {
    struct sum_context c = {.q = q, .rows = *rows, .sums = sums, .block = block, .context = context};
    const size_t wide = (size_t)rows->wide, channels = (size_t)rows->channels, values = (size_t)sums * wide;
    double *result = cpu_shared_scratch(
        q, SCRATCH_PARTIALS, ((size_t)sums * channels + (size_t)rows->pieces * values) * sizeof(double));
    c.partial = result + (size_t)sums * channels;
    pool_run(q->pool, rows->pieces, sum_piece, &c);
    memset(result, 0, (size_t)sums * channels * sizeof *result);
    for (int piece = 0; piece < rows->pieces; piece++)
        for (int s = 0; s < sums; s++) {
            const double *from = c.partial + ((size_t)piece * (size_t)sums + (size_t)s) * wide;
            for (size_t k = 0; k < wide; k += channels)
                for (size_t j = 0; j < channels; j++)
                    result[(size_t)s * channels + j] += from[k + j];
        }
    return result;
}
