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
        IVDEP
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

/* Of n numbers that stand `stride` apart, in double and in order: the mean, and the sum of (x - mean)^2. */
static double mean_of(const float *x, size_t n, size_t stride) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i * stride];
    return sum / (double)n;
}
static double squares_about(double mean, const float *x, size_t n, size_t stride) {
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i * stride] - mean) * ((double)x[i * stride] - mean);
    return squares;
}

void cpu_standardise(struct queue *q, struct tensor y, struct tensor x) {
    check_standardise(y, x);
    const float *from = x.data;
    float *to = y.data;
    const size_t n = tensor_count(x);
    const double mean = mean_of(from, n, 1);
    const double deviation = n > 1 ? sqrt(squares_about(mean, from, n, 1) / (double)(n - 1)) : 0;
    (void)q;
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(((double)from[i] - mean) / (deviation + 1e-8));
}

void cpu_column_moments(struct queue *q, struct tensor mean, struct tensor squares, struct tensor x) {
    check_column_moments(mean, squares, x);
    const size_t rows = (size_t)x.dims[0], columns = (size_t)x.dims[1];
    (void)q;
    for (size_t c = 0; c < columns; c++) {
        const float *column = (const float *)x.data + c;
        const double m = mean_of(column, rows, columns);
        ((float *)mean.data)[c] = (float)m;
        if (tensor_is(squares)) ((float *)squares.data)[c] = (float)squares_about(m, column, rows, columns);
    }
}

/* ---- starts of episodes -----------------------------------------------------------------------------------
 */

void cpu_episode_starts(struct queue *q, struct tensor starts, struct tensor terminated,
                        struct tensor truncated) {
    check_episode_starts(starts, terminated, truncated);
    const uint8_t *died = terminated.data, *cut = truncated.data;
    float *to = starts.data;
    const size_t n = tensor_count(starts);
    (void)q;
    IVDEP
    for (size_t i = 0; i < n; i++)
        to[i] = (died[i] | cut[i]) != 0 ? 1.0f : 0.0f;
}
