/* Cases of what a rollout is made into. Advantages are sums over the rest of the episode, in double
 * precision. */
#ifndef TESTS_OPS_CHECK_ROLLOUT_H
#define TESTS_OPS_CHECK_ROLLOUT_H

#include "harness.h"

/* ---- rows -------------------------------------------------------------------------------------------------
 */

enum order { ORDER_NONE, ORDER_SHUFFLED, ORDER_HOLES, ORDER_NOTHING, ORDERS };

static inline void call_rows_gather(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->rows_gather(q, t[0], t[1], t[2]);
}

/* Any values that the type holds. */
static inline double *buffer_values(struct harness *h, enum dtype dtype, int rank, const int *dims) {
    if (dtype == DTYPE_F32) return buffer_random(h, dtype, 2.0, rank, dims);
    double *value = buffer_add(h, dtype, rank, dims);
    for (size_t i = 0; i < buffer_count(h, h->count - 1); i++)
        value[i] = dtype == DTYPE_U8 ? (double)rng_below(&h->rng, 256) : (double)(int32_t)rng_u32(&h->rng);
    return value;
}

/* M rows of N, some of them twice; with holes the first and others are none. */
static inline double *buffer_order(struct harness *h, int m, int n, enum order kind) {
    if (kind == ORDER_NONE) {
        buffer_none(h);
        return NULL;
    }
    double *order = buffer_add(h, DTYPE_I32, DIMS(m));
    for (int i = 0; i < m; i++) {
        const bool hole =
            kind == ORDER_NOTHING || (kind == ORDER_HOLES && (i == 0 || rng_below(&h->rng, 3) == 0));
        order[i] = hole ? -1.0 - i : (double)rng_below(&h->rng, (uint32_t)n);
    }
    return order;
}

static inline void check_rows_gather_case(struct harness *h, const int *shape, enum dtype to, enum dtype from,
                                          enum order kind) {
    const int m = shape[0], n = shape[1], wide = shape[2], high = shape[3], row = wide * high;
    snprintf(h->what, sizeof h->what, "rows_gather [%d,%d,1,%d] %s of [%d,%d] %s, order %d", m, high, wide,
             dtype_name(to), n, row, dtype_name(from), (int)kind);
    buffer_values(h, to, DIMS(m, high, 1, wide));
    const double *x = row == 1 ? buffer_values(h, from, DIMS(n)) : buffer_values(h, from, DIMS(n, row));
    const double *order = buffer_order(h, m, n, kind);
    double *y = expect(h, 0);
    for (int i = 0; i < m * row; i++) {
        const int at = order ? (int)order[i / row] : i / row;
        const double value = at < 0 ? 0.0 : x[at * row + i % row];
        y[i] = to == from ? value : (double)((float)value * (1.0f / 255.0f));
    }
    h->buffers[0].relative = 0.0;
    harness_run(h, call_rows_gather, NULL);
}

static inline void check_rows_gather(struct harness *h) {
    /* M, N, and a row as columns and lines of them: of one element, of no whole word, of words, of packs of 4
     * and 16 elements, of more than a piece */
    static const int shapes[][4] = {{1, 1, 1, 1},      {513, 700, 1, 1},   {37, 41, 3, 1},
                                    {300, 500, 33, 7}, {64, 64, 4, 5},     {41, 200, 16, 25},
                                    {5, 9, 6, 3001},   {3, 3, 84, 84 * 4}, {2, 7, 127, 131}};
    static const enum dtype types[][2] = {
        {DTYPE_F32, DTYPE_F32}, {DTYPE_I32, DTYPE_I32}, {DTYPE_U8, DTYPE_U8}, {DTYPE_F32, DTYPE_U8}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int k = 0; k < 4; k++)
            for (enum order kind = ORDER_NONE; kind < ORDERS; kind++)
                check_rows_gather_case(h, shapes[i], types[k][0], types[k][1], kind);
}

/* ---- advantages -------------------------------------------------------------------------------------------
 */

struct advantage_case {
    int steps, count;
    float gamma, lambda;
    /* Places in the harness, in the order of the operation's parameters. */
    double *reward, *value, *terminated, *truncated, *final_value, *last_value;
};

static inline void call_advantages(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct advantage_case *c = parameters;
    q->op->advantages(q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], c->gamma, c->lambda);
}

/* What step i, of environment n, led to is worth. */
static inline double value_after(const struct advantage_case *c, int i, int n) {
    if (c->terminated[i] != 0.0) return 0.0;
    if (c->truncated[i] != 0.0) return c->final_value[i];
    return i / c->count == c->steps - 1 ? c->last_value[n] : c->value[i + c->count];
}

/* Schulman et al. 2016, eq. 16, read literally: discounted errors of values to the end of the episode. */
static inline double advantage_expected(const struct advantage_case *c, int t, int n) {
    double sum = 0.0, weight = 1.0;
    for (; t < c->steps; t++, weight *= (double)c->gamma * (double)c->lambda) {
        const int i = t * c->count + n;
        sum += weight * (c->reward[i] + (double)c->gamma * value_after(c, i, n) - c->value[i]);
        if (c->terminated[i] != 0.0 || c->truncated[i] != 0.0) break;
    }
    return sum;
}

/* Ends of both kinds, some at once, in the first and in the last step too; final values only where they
 * count.
 */
static inline void buffer_ends(struct harness *h, struct advantage_case *c, int every) {
    const int values = c->steps * c->count;
    c->terminated = buffer_add(h, DTYPE_U8, DIMS(c->steps, c->count));
    c->truncated = buffer_add(h, DTYPE_U8, DIMS(c->steps, c->count));
    c->final_value = buffer_random(h, DTYPE_F32, 1.0, DIMS(c->steps, c->count));
    for (int i = 0; i < values && every; i++) {
        c->terminated[i] = rng_below(&h->rng, (uint32_t)every) == 0;
        c->truncated[i] = rng_below(&h->rng, (uint32_t)every) == 0;
    }
    if (every) {
        c->terminated[0] = c->truncated[0] = 1.0;
        c->truncated[values - 1] = 1.0;
    }
    for (int i = 0; i < values; i++)
        if (c->truncated[i] == 0.0 || c->terminated[i] != 0.0) c->final_value[i] = NAN;
}

static inline void check_advantages(struct harness *h) {
    /* steps, environments, one step in so many ends; 0: none */
    static const int shapes[][3] = {{1, 1, 0}, {1, 1, 1},  {1, 7, 3},    {7, 1, 4},     {8, 2, 0},
                                    {9, 3, 1}, {24, 5, 6}, {17, 300, 5}, {131, 65, 40}, {40, 64, 2}};
    static const float constants[][2] = {{0.9f, 0.8f}, {0.99f, 1.0f}, {0.5f, 0.0f}};
    for (int variant = 0; variant < 3 * (int)(sizeof shapes / sizeof shapes[0]); variant++) {
        const int *s = shapes[variant / 3];
        struct advantage_case c = {
            s[0], s[1], constants[variant % 3][0], constants[variant % 3][1], NULL, NULL, NULL, NULL,
            NULL, NULL};
        snprintf(h->what, sizeof h->what, "advantages [%d,%d] gamma %g lambda %g, one in %d ends", c.steps,
                 c.count, (double)c.gamma, (double)c.lambda, s[2]);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(c.steps, c.count));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(c.steps, c.count));
        c.reward = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.steps, c.count));
        c.value = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.steps, c.count));
        buffer_ends(h, &c, s[2]);
        c.last_value = buffer_random(h, DTYPE_F32, 1.0, DIMS(c.count));
        double *advantage = expect(h, 0), *ret = expect(h, 1);
        for (int i = 0; i < c.steps * c.count; i++) {
            advantage[i] = advantage_expected(&c, i / c.count, i % c.count);
            ret[i] = advantage[i] + c.value[i];
        }
        harness_run(h, call_advantages, &c);
    }
}

/* ---- statistics -------------------------------------------------------------------------------------------
 */

static inline void call_standardise(struct queue *q, const struct tensor *t, const void *parameters) {
    const bool *in_place = parameters;
    q->op->standardise(q, t[0], *in_place ? t[0] : t[1]);
}
static inline void call_column_moments(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->column_moments(q, t[0], t[1], t[2]);
}

/* Sum of (x - mean)^2 over n numbers that stand `stride` apart. */
static inline double moments_expected(const double *x, int n, int stride, double *mean) {
    double squares = 0.0;
    *mean = 0.0;
    for (int i = 0; i < n; i++)
        *mean += x[i * stride] / n;
    for (int i = 0; i < n; i++)
        squares += (x[i * stride] - *mean) * (x[i * stride] - *mean);
    return squares;
}

/* Numbers of a deviation of 1 about `middle`; the first is far off, or all are equal. */
static inline double *buffer_about(struct harness *h, double middle, bool equal, int rank, const int *dims) {
    double *x = buffer_random(h, DTYPE_F32, 1.0, rank, dims);
    for (size_t i = 0; i < buffer_count(h, h->count - 1); i++)
        x[i] = (double)(float)(equal ? middle : middle + (i == 0 ? 50.0 : x[i]));
    return x;
}

static inline void check_standardise(struct harness *h) {
    static const int sizes[] = {1, 2, 3, 17, 4096, 16385, 70001};
    static const double middles[] = {0.0, -1000.0, 0.1};
    for (int variant = 0; variant < 6 * (int)(sizeof sizes / sizeof sizes[0]); variant++) {
        const int n = sizes[variant / 6];
        const bool in_place = variant % 2, equal = variant / 2 % 3 == 2;
        const double middle = middles[variant / 2 % 3];
        snprintf(h->what, sizeof h->what, "standardise [%d] about %g, equal %d, in place %d", n, middle,
                 equal, in_place);
        if (!in_place) buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
        const double *x = buffer_about(h, middle, equal, 1, &n);
        double *y = expect(h, 0), mean;
        const double squares = moments_expected(x, n, 1, &mean);
        const double deviation = n > 1 ? sqrt(squares / (n - 1)) : 0.0;
        for (int i = 0; i < n; i++)
            y[i] = equal || n == 1 ? 0.0 : (x[i] - mean) / (deviation + 1e-8);
        harness_run(h, call_standardise, &in_place);
    }
}

static inline void check_column_moments(struct harness *h) {
    static const int shapes[][2] = {{1, 1},    {1, 5},    {2, 3},     {37, 5}, {4099, 5},
                                    {1000, 1}, {300, 33}, {20001, 4}, {7, 700}};
    static const double middles[] = {0.0, -1000.0, 0.1};
    for (int variant = 0; variant < 6 * (int)(sizeof shapes / sizeof shapes[0]); variant++) {
        const int n = shapes[variant / 6][0], columns = shapes[variant / 6][1];
        const bool alone = variant % 2, equal = variant / 2 % 3 == 2;
        const double middle = middles[variant / 2 % 3];
        snprintf(h->what, sizeof h->what, "column_moments [%d,%d] about %g, equal %d%s", n, columns, middle,
                 equal, alone ? ", the mean alone" : "");
        buffer_random(h, DTYPE_F32, 1.0, DIMS(columns));
        if (alone)
            buffer_none(h);
        else
            buffer_random(h, DTYPE_F32, 1.0, DIMS(columns));
        const double *x = buffer_about(h, middle, equal, DIMS(n, columns));
        double *mean = expect(h, 0), *squares = alone ? NULL : expect(h, 1), unused;
        for (int c = 0; c < columns; c++) {
            double *to = squares ? squares + c : &unused;
            *to = moments_expected(x + c, n, columns, &mean[c]);
            if (equal) *to = 0.0;
        }
        harness_run(h, call_column_moments, NULL);
    }
}

/* ---- starts of episodes -----------------------------------------------------------------------------------
 */

static inline void call_episode_starts(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->episode_starts(q, t[0], t[1], t[2]);
}

static inline void check_episode_starts(struct harness *h) {
    static const int sizes[] = {1, 3, 16, 37, 16385};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const int n = sizes[k];
        snprintf(h->what, sizeof h->what, "episode_starts [%d]", n);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(n));
        double *terminated = buffer_mask(h, 1, n, -1), *truncated = buffer_mask(h, 1, n, 0),
               *y = expect(h, 0);
        for (int i = 0; i < n; i++) {
            terminated[i] = i % 4 == 1 || i % 4 == 3;
            truncated[i] = i % 4 >= 2;
            y[i] = i % 4 != 0;
        }
        h->buffers[0].relative = 0.0;
        harness_run(h, call_episode_starts, NULL);
    }
}

#endif
