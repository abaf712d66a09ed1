/* y = act(x + b) and db += sum dy on a CPU, b per channel or per position. Bound by memory. */
#include "ops/cpu.h"

enum {
    COLUMN_SUM_PIECES = 16,
    WIDE_BIAS = 2048, /* from here on sums are cut by columns, and need no partial sums */
};

/* ---- forward ----------------------------------------------------------------------------------------------
 */

struct bias_context {
    struct cpu_rows rows;
    struct tensor y, x;
    const float *bias; /* [wide] */
    enum activation act;
};

static void bias_forward_block(void *context, size_t at, int column, int n) {
    const struct bias_context *c = context;
    float in[CPU_BLOCK], out[CPU_BLOCK];
    const float *x = cpu_read(c->x, at, (size_t)n, in), *b = c->bias + column;
    float *y = cpu_target(c->y, at, out);
    IVDEP
    for (int i = 0; i < n; i++)
        y[i] = x[i] + b[i];
    cpu_activate_block(y, (size_t)n, c->act);
    cpu_written(c->y, at, (size_t)n, y);
}

static void bias_forward_piece(void *context, int i) {
    const struct bias_context *c = context;
    cpu_rows_piece(&c->rows, i, bias_forward_block, context);
}

void cpu_bias_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor b,
                      enum activation act) {
    int period = check_bias("bias_forward", y, x, b);
    struct bias_context c = {
        .rows = cpu_rows_cut(tensor_count(x), period, 1 << 20), .y = y, .x = x, .act = act};
    float *wide = cpu_shared_scratch(q, SCRATCH_INPUTS, (size_t)c.rows.wide * sizeof(float));
    cpu_rows_repeat(&c.rows, wide, b.data);
    c.bias = wide;
    pool_run(q->pool, c.rows.pieces, bias_forward_piece, &c);
}

/* ---- backward ---------------------------------------------------------------------------------------------
 */

struct bias_backward_context {
    struct tensor dy;
    float *db;
    size_t period, count;
};

static void bias_backward_block(const void *context, float *run, size_t at, int column, int n) {
    const struct bias_backward_context *c = context;
    float in[CPU_BLOCK];
    const float *dy = cpu_read(c->dy, at, (size_t)n, in);
    run += column;
    IVDEP
    for (int i = 0; i < n; i++)
        run[i] += dy[i];
}

/* Wide: a piece is CPU_BLOCK columns over all rows. */
static void bias_backward_columns(void *context, int i) {
    const struct bias_backward_context *c = context;
    size_t column = (size_t)i * CPU_BLOCK, period = c->period;
    size_t n = period - column < CPU_BLOCK ? period - column : CPU_BLOCK;
    float in[CPU_BLOCK];
    double sum[CPU_BLOCK] = {0};
    for (size_t at = column; at < c->count; at += period) {
        const float *dy = cpu_read(c->dy, at, n, in);
        for (size_t j = 0; j < n; j++)
            sum[j] += (double)dy[j];
    }
    for (size_t j = 0; j < n; j++)
        c->db[column + j] += (float)sum[j];
}

void cpu_bias_backward(struct queue *q, struct tensor db, struct tensor dy) {
    int period = check_bias("bias_backward", dy, dy, db);
    struct bias_backward_context c = {
        .dy = dy, .db = db.data, .period = (size_t)period, .count = tensor_count(dy)};
    if (period >= WIDE_BIAS) {
        pool_run(q->pool, (period + CPU_BLOCK - 1) / CPU_BLOCK, bias_backward_columns, &c);
        return;
    }
    struct cpu_rows rows = cpu_rows_cut(c.count, period, COLUMN_SUM_PIECES);
    const double *sum = cpu_rows_sum(q, &rows, 1, bias_backward_block, &c);
    for (int j = 0; j < period; j++)
        c.db[j] += (float)sum[j];
}
