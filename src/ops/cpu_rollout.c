/* What a rollout is made into, on a CPU: minibatches gathered out of it, advantages, and statistics.
 * Gathering is cut into pieces of rows, bound by the bytes of y; the rest is little, and goes in order. */
#include "ops/advantage.h"
#include "ops/cpu.h"

/* ---- y[i] = x[index[i]] -----------------------------------------------------------------------------------
 */

struct gather_context {
    struct tensor y, x;
    const int32_t *index; /* or NULL */
    size_t row;           /* elements */
    int rows;             /* of a piece */
};

/* `rows` rows of y from row `to` on: those of x from row `from` on, or zeros. */
static void gather_rows(const struct gather_context *c, int to, int from, int rows) {
    const size_t n = (size_t)rows * c->row, size = dtype_size(c->y.dtype);
    char *y = (char *)c->y.data + (size_t)to * c->row * size;
    if (from < 0) {
        memset(y, 0, n * size);
    } else if (c->y.dtype == c->x.dtype) {
        memcpy(y, (const char *)c->x.data + (size_t)from * c->row * size, n * size);
    } else {
        const uint8_t *pixels = (const uint8_t *)c->x.data + (size_t)from * c->row;
        float *values = (float *)(void *)y;
        IVDEP
        for (size_t i = 0; i < n; i++)
            values[i] = (float)pixels[i] * (1.0f / 255.0f);
    }
}

static void gather_piece(void *context, int piece) {
    const struct gather_context *c = context;
    const int first = piece * c->rows, left = c->y.dims[0] - first, rows = left < c->rows ? left : c->rows;
    if (!c->index) {
        gather_rows(c, first, first, rows);
        return;
    }
    for (int i = first; i < first + rows; i++) {
        ENSURE(c->index[i] < c->x.dims[0], "rows_gather: row %d of %d", c->index[i], c->x.dims[0]);
        gather_rows(c, i, c->index[i], 1);
    }
}

void cpu_rows_gather(struct queue *q, struct tensor y, struct tensor x, struct tensor index) {
    struct gather_context c = {y, x, index.data, check_rows_gather(y, x, index), 1};
    if (c.row == 0) return;
    if (c.row < CPU_GRAIN) c.rows = (int)(CPU_GRAIN / c.row);
    pool_run(q->pool, (y.dims[0] + c.rows - 1) / c.rows, gather_piece, &c);
}

/* ---- advantages -------------------------------------------------------------------------------------------
 */

void cpu_advantages(struct queue *q, struct tensor advantage, struct tensor ret, struct tensor reward,
                    struct tensor value, struct tensor terminated, struct tensor truncated,
                    struct tensor final_value, struct tensor last_value, float gamma, float lambda) {
    const struct advantage_arguments a = advantage_arguments_make(
        advantage, ret, reward, value, terminated, truncated, final_value, last_value, gamma, lambda);
    const size_t count = (size_t)a.count;
    (void)q;
    for (int t = a.steps - 1; t >= 0; t--) {
        const bool last = t == a.steps - 1;
        const size_t row = (size_t)t * count;
        const float *next_value = last ? a.last_value : a.value + row + count;
        const float *next_advantage = last ? NULL : a.advantage + row + count;
        for (size_t n = 0; n < count; n++) {
            const size_t i = row + n;
            a.advantage[i] =
                advantage_step(&a, a.reward[i], a.value[i], a.terminated[i], a.truncated[i], a.final_value[i],
                               next_value[n], next_advantage ? next_advantage[n] : 0.0f);
            a.ret[i] = a.advantage[i] + a.value[i];
        }
    }
}

/* ---- statistics -------------------------------------------------------------------------------------------
 */

/* Sum of (x - mean)^2 over n numbers that stand `stride` apart, in double and in order. */
static double squares_about_mean(const float *x, size_t n, size_t stride, double *mean) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i * stride];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i * stride] - *mean) * ((double)x[i * stride] - *mean);
    return squares;
}

void cpu_standardise(struct queue *q, struct tensor y, struct tensor x) {
    check_standardise(y, x);
    const float *from = x.data;
    float *to = y.data;
    const size_t n = tensor_count(x);
    double mean, squares = squares_about_mean(from, n, 1, &mean);
    const double deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    (void)q;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(((double)from[i] - mean) / (deviation + 1e-8));
}

void cpu_column_moments(struct queue *q, struct tensor mean, struct tensor squares, struct tensor x) {
    check_column_moments(mean, squares, x);
    const size_t columns = (size_t)x.dims[1];
    (void)q;
    for (size_t c = 0; c < columns; c++) {
        double m, sum = squares_about_mean((const float *)x.data + c, (size_t)x.dims[0], columns, &m);
        ((float *)mean.data)[c] = (float)m;
        if (tensor_is(squares)) ((float *)squares.data)[c] = (float)sum;
    }
}

/* ---- starts of episodes -----------------------------------------------------------------------------------
 */

void cpu_episode_starts(struct queue *q, struct tensor starts, struct tensor terminated,
                        struct tensor truncated) {
    check_episode_starts(starts, terminated, truncated);
    const uint8_t *died = terminated.data, *cut = truncated.data;
    float *to = starts.data;
    (void)q;
    IVDEP
    for (size_t i = 0; i < tensor_count(starts); i++)
        to[i] = died[i] || cut[i] ? 1.0f : 0.0f;
}
