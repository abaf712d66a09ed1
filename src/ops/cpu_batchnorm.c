/* Batch norm on a CPU (Ioffe and Szegedy 2015). Bound by memory: training reads x twice (statistics, then
 * values); the backward pass reads dy, y and x twice.
 *
 * Variances are taken about the first row of x, which takes away what a large mean would cancel:
 * var = E[(x-k)^2] - E[x-k]^2. Outputs may be the inputs themselves. */
#include "ops/cpu.h"

enum { BATCHNORM_PIECES = 64 };

/* ---- y = act((x - mean) scale + beta + r), by channel -----------------------------------------------------
 */

struct affine_context {
    struct cpu_rows rows;
    struct tensor y, x, r;
    const float *mean, *scale, *beta; /* [wide] */
    enum activation act;
};

static void affine_block(void *context, size_t at, int column, int n) {
    const struct affine_context *c = context;
    float x_buffer[CPU_BLOCK], r_buffer[CPU_BLOCK], out[CPU_BLOCK];
    const float *x = cpu_read(c->x, at, (size_t)n, x_buffer);
    const float *mean = c->mean + column, *scale = c->scale + column, *beta = c->beta + column;
    float *y = cpu_target(c->y, at, out);
    if (tensor_is(c->r)) {
        const float *r = cpu_read(c->r, at, (size_t)n, r_buffer);
        IVDEP
        for (int i = 0; i < n; i++)
            y[i] = (x[i] - mean[i]) * scale[i] + (beta[i] + r[i]);
    } else {
        IVDEP
        for (int i = 0; i < n; i++)
            y[i] = (x[i] - mean[i]) * scale[i] + beta[i];
    }
    cpu_activate_block(y, (size_t)n, c->act);
    cpu_written(c->y, at, (size_t)n, y);
}

static void affine_piece(void *context, int i) {
    const struct affine_context *c = context;
    cpu_rows_piece(&c->rows, i, affine_block, context);
}

/* scale = gamma rstd, where rstd is given or made from the variance. */
static void affine(struct queue *q, struct tensor y, struct tensor x, struct tensor r, const float *mean,
                   const float *rstd, const float *var, float epsilon, const float *gamma, const float *beta,
                   enum activation act) {
    int channels = x.dims[x.rank - 1];
    struct affine_context c = {
        .rows = cpu_rows_cut(tensor_count(x), channels, 1 << 20), .y = y, .x = x, .r = r, .act = act};
    size_t wide = (size_t)c.rows.wide;
    float *wides = cpu_shared_scratch(q, SCRATCH_INPUTS, 3 * wide * sizeof(float)), *scale = wides + 2 * wide;
    cpu_rows_repeat(&c.rows, wides, mean);
    cpu_rows_repeat(&c.rows, wides + wide, beta);
    for (int j = 0; j < channels; j++)
        scale[j] = gamma[j] * (rstd ? rstd[j] : 1.0f / sqrtf(var[j] + epsilon));
    for (size_t j = (size_t)channels; j < wide; j++)
        scale[j] = scale[j - (size_t)channels];
    c.mean = wides;
    c.beta = wides + wide;
    c.scale = scale;
    pool_run(q->pool, c.rows.pieces, affine_piece, &c);
}

/* ---- training ---------------------------------------------------------------------------------------------
 */

struct statistics_context {
    struct tensor x;
    const float *about; /* [wide] */
    int wide;
};

static void statistics_block(const void *context, float *run, size_t at, int column, int n) {
    const struct statistics_context *c = context;
    float in[CPU_BLOCK];
    const float *x = cpu_read(c->x, at, (size_t)n, in), *about = c->about + column;
    float *sum = run + column, *squares = run + c->wide + column;
    IVDEP
    for (int i = 0; i < n; i++) {
        float d = x[i] - about[i];
        sum[i] += d;
        squares[i] += d * d;
    }
}

void cpu_batchnorm_train(struct queue *q, struct tensor y, struct tensor mean, struct tensor rstd,
                         struct tensor running_mean, struct tensor running_var, struct tensor x,
                         struct tensor gamma, struct tensor beta, struct tensor r, enum activation act,
                         float momentum, float epsilon) {
    check_batchnorm("batchnorm_train", y, x, r, gamma, beta, mean, rstd);
    const int channels = x.dims[x.rank - 1];
    struct cpu_rows rows = cpu_rows_cut(tensor_count(x), channels, BATCHNORM_PIECES);
    if (rows.count == 0) return;
    float *about = cpu_shared_scratch(q, SCRATCH_INPUTS, (size_t)rows.wide * sizeof(float));
    for (int at = 0; at < channels; at += CPU_BLOCK) {
        int n = channels - at < CPU_BLOCK ? channels - at : CPU_BLOCK;
        float in[CPU_BLOCK];
        memcpy(about + at, cpu_read(x, (size_t)at, (size_t)n, in), (size_t)n * sizeof(float));
    }
    for (int j = channels; j < rows.wide; j++)
        about[j] = about[j - channels];
    struct statistics_context c = {.x = x, .about = about, .wide = rows.wide};
    const double *sum = cpu_rows_sum(q, &rows, 2, statistics_block, &c), *squares = sum + channels;
    const double n = (double)rows.count / channels;
    float *means = mean.data, *rstds = rstd.data;
    for (int j = 0; j < channels; j++) {
        double m = sum[j] / n, var = squares[j] / n - m * m;
        if (var < 0.0) var = 0.0;
        means[j] = (float)(m + (double)about[j]);
        rstds[j] = (float)(1.0 / sqrt(var + (double)epsilon));
        float *running_m = running_mean.data, *running_v = running_var.data;
        if (running_m) running_m[j] = (1.0f - momentum) * running_m[j] + momentum * means[j];
        if (running_v) /* unbiased; a single row has no such thing and leaves the biased one */
            running_v[j] =
                (1.0f - momentum) * running_v[j] + momentum * (float)(n > 1.0 ? var * n / (n - 1.0) : var);
    }
    affine(q, y, x, r, means, rstds, NULL, 0.0f, gamma.data, beta.data, act);
}

/* ---- inference --------------------------------------------------------------------------------------------
 */

void cpu_batchnorm_infer(struct queue *q, struct tensor y, struct tensor x, struct tensor gamma,
                         struct tensor beta, struct tensor running_mean, struct tensor running_var,
                         struct tensor r, enum activation act, float epsilon) {
    check_batchnorm("batchnorm_infer", y, x, r, gamma, beta, running_mean, running_var);
    affine(q, y, x, r, running_mean.data, NULL, running_var.data, epsilon, gamma.data, beta.data, act);
}

void cpu_batchnorm_fold(struct queue *q, struct tensor wf, struct tensor bf, struct tensor w, struct tensor b,
                        struct tensor gamma, struct tensor beta, struct tensor mean, struct tensor var,
                        float epsilon) {
    (void)q;
    const int outputs = w.dims[0];
    check_batchnorm_fold(wf, bf, w, b, gamma, beta, mean, var);
    const float *bias = b.data;
    const size_t each = outputs ? tensor_count(w) / (size_t)outputs : 0;
    for (int o = 0; o < outputs; o++) {
        float scale = ((float *)gamma.data)[o] / sqrtf(((float *)var.data)[o] + epsilon);
        const float *from = (float *)w.data + (size_t)o * each;
        float *to = (float *)wf.data + (size_t)o * each;
        for (size_t i = 0; i < each; i++)
            to[i] = from[i] * scale;
        ((float *)bf.data)[o] =
            ((bias ? bias[o] : 0.0f) - ((float *)mean.data)[o]) * scale + ((float *)beta.data)[o];
    }
}

/* ---- backward ---------------------------------------------------------------------------------------------
 */

/* With z = (x - mean) rstd gamma + beta + r, y = act(z), dz = dy act'(z), xh = (x - mean) rstd, means over
 * rows: dbeta = sum dz,  dgamma = sum dz xh,  dr = dz,  dx = gamma rstd (dz - mean(dz) - xh mean(dz xh)). */
struct backward_context {
    struct cpu_rows rows;
    struct tensor dx, dr, dy, y, x;
    const float *mean, *rstd;                  /* [wide] */
    const float *scale, *mean_dz, *mean_dz_xh; /* [wide]; scale = gamma rstd */
    enum activation act;
    bool add_r;
};

/* dz of a block: dy itself, or in `buffer`. */
static const float *backward_dz(const struct backward_context *c, size_t at, size_t n, float *buffer) {
    const float *dy = cpu_read(c->dy, at, n, buffer);
    if (c->act == ACTIVATION_NONE) return dy;
    float y_buffer[CPU_BLOCK];
    const float *y = cpu_read(c->y, at, n, y_buffer);
    IVDEP
    for (size_t i = 0; i < n; i++)
        buffer[i] = y[i] > 0.0f ? dy[i] : 0.0f;
    return buffer;
}

static void backward_sums_block(const void *context, float *run, size_t at, int column, int n) {
    const struct backward_context *c = context;
    float dz_buffer[CPU_BLOCK], x_buffer[CPU_BLOCK];
    const float *dz = backward_dz(c, at, (size_t)n, dz_buffer), *x = cpu_read(c->x, at, (size_t)n, x_buffer);
    const float *mean = c->mean + column, *rstd = c->rstd + column;
    float *sum = run + column, *sum_xh = run + c->rows.wide + column;
    IVDEP
    for (int i = 0; i < n; i++) {
        sum[i] += dz[i];
        sum_xh[i] += dz[i] * ((x[i] - mean[i]) * rstd[i]);
    }
}

static void backward_dx_block(void *context, size_t at, int column, int n) {
    const struct backward_context *c = context;
    float dz_buffer[CPU_BLOCK], x_buffer[CPU_BLOCK], old_buffer[CPU_BLOCK], out[CPU_BLOCK], r_out[CPU_BLOCK];
    const float *dz = backward_dz(c, at, (size_t)n, dz_buffer), *x = cpu_read(c->x, at, (size_t)n, x_buffer);
    if (tensor_is(c->dr)) { /* before dx, which may lie where dy lies */
        float *dr = cpu_target(c->dr, at, r_out);
        if (c->add_r) {
            const float *old = cpu_read(c->dr, at, (size_t)n, old_buffer);
            IVDEP
            for (int i = 0; i < n; i++)
                dr[i] = old[i] + dz[i];
        } else if (dr != dz) {
            memcpy(dr, dz, (size_t)n * sizeof *dr);
        }
        cpu_written(c->dr, at, (size_t)n, dr);
    }
    float *dx = cpu_target(c->dx, at, out);
    const float *mean = c->mean + column, *rstd = c->rstd + column, *scale = c->scale + column;
    const float *mean_dz = c->mean_dz + column, *mean_dz_xh = c->mean_dz_xh + column;
    IVDEP
    for (int i = 0; i < n; i++) {
        float xh = (x[i] - mean[i]) * rstd[i];
        dx[i] = scale[i] * (dz[i] - mean_dz[i] - xh * mean_dz_xh[i]);
    }
    cpu_written(c->dx, at, (size_t)n, dx);
}

static void backward_dx_piece(void *context, int i) {
    const struct backward_context *c = context;
    cpu_rows_piece(&c->rows, i, backward_dx_block, context);
}

void cpu_batchnorm_backward(struct queue *q, struct tensor dx, struct tensor dr, struct tensor dgamma,
                            struct tensor dbeta, struct tensor dy, struct tensor y, struct tensor x,
                            struct tensor gamma, struct tensor mean, struct tensor rstd, enum activation act,
                            bool add_r) {
    const int channels = x.dims[x.rank - 1];
    check_batchnorm_backward(dx, dr, dgamma, dbeta, dy, y, x, gamma, mean, rstd, act);
    struct backward_context c = {.rows = cpu_rows_cut(tensor_count(x), channels, BATCHNORM_PIECES),
                                 .dx = dx,
                                 .dr = dr,
                                 .dy = dy,
                                 .y = y,
                                 .x = x,
                                 .act = act,
                                 .add_r = add_r};
    if (c.rows.count == 0) return;
    const size_t wide = (size_t)c.rows.wide;
    float *wides = cpu_shared_scratch(q, SCRATCH_INPUTS, 5 * wide * sizeof(float));
    cpu_rows_repeat(&c.rows, wides, mean.data);
    cpu_rows_repeat(&c.rows, wides + wide, rstd.data);
    c.mean = wides;
    c.rstd = wides + wide;
    const double *sum = cpu_rows_sum(q, &c.rows, 2, backward_sums_block, &c), *sum_xh = sum + channels;
    const double n = (double)c.rows.count / channels;
    float *scale = wides + 2 * wide, *mean_dz = scale + wide, *mean_dz_xh = mean_dz + wide;
    for (size_t j = 0; j < wide; j++) {
        size_t channel = j % (size_t)channels;
        scale[j] = ((float *)gamma.data)[channel] * ((float *)rstd.data)[channel];
        mean_dz[j] = (float)(sum[channel] / n);
        mean_dz_xh[j] = (float)(sum_xh[channel] / n);
    }
    for (int j = 0; j < channels; j++) {
        ((float *)dbeta.data)[j] += (float)sum[j];
        ((float *)dgamma.data)[j] += (float)sum_xh[j];
    }
    c.scale = scale;
    c.mean_dz = mean_dz;
    c.mean_dz_xh = mean_dz_xh;
    pool_run(q->pool, c.rows.pieces, backward_dx_piece, &c);
}
