/* Cases of action values and of noisy layers. Gradients are central differences of plain loops in double
 * precision. */
#ifndef TESTS_OPS_CHECK_VALUE_H
#define TESTS_OPS_CHECK_VALUE_H

#include "check_loss.h"

/* samples, actions, values an action */
static const int value_shapes[][3] = {{1, 1, 1},  {3, 2, 1}, {32, 18, 1}, {300, 6, 1},
                                      {5, 3, 51}, {9, 4, 2}, {3, 150, 1}, {7, 37, 3}};
enum { VALUE_SHAPES = sizeof value_shapes / sizeof value_shapes[0] };

struct value_case {
    float low, high, delta, s;
    bool add_v, add_d;
};

/* ---- the dueling sum --------------------------------------------------------------------------------------
 */

static inline void call_dueling_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->dueling_forward(q, t[0], t[1], t[2]);
}
static inline void call_dueling_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct value_case *c = parameters;
    q->op->dueling_backward(q, t[0], t[1], t[2], c->add_v, c->add_d);
}

static inline void check_dueling_forward(struct harness *h) {
    for (int shape = 0; shape < VALUE_SHAPES; shape++) {
        const int rows = value_shapes[shape][0], actions = value_shapes[shape][1],
                  atoms = value_shapes[shape][2];
        snprintf(h->what, sizeof h->what, "dueling_forward [%d,%d,%d]", rows, actions, atoms);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, actions * atoms));
        double *v = buffer_random(h, DTYPE_F32, 2.0, DIMS(rows, atoms)),
               *d = buffer_random(h, DTYPE_F32, 2.0, DIMS(rows, actions * atoms)), *y = expect(h, 0);
        for (int i = 0; i < rows * actions * atoms; i++) {
            const int row = i / (actions * atoms), k = i % atoms;
            y[i] = v[row * atoms + k] + d[i];
            for (int a = 0; a < actions; a++)
                y[i] -= d[(row * actions + a) * atoms + k] / actions;
        }
        harness_run(h, call_dueling_forward, NULL);
    }
}

static inline void check_dueling_backward(struct harness *h) {
    for (int variant = 0; variant < 4 * VALUE_SHAPES; variant++) {
        const int *shape = value_shapes[variant / 4], rows = shape[0], actions = shape[1], atoms = shape[2];
        struct value_case c = {.add_v = variant % 2, .add_d = variant / 2 % 2};
        snprintf(h->what, sizeof h->what, "dueling_backward [%d,%d,%d] add %d %d", rows, actions, atoms,
                 c.add_v, c.add_d);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, atoms));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, actions * atoms));
        double *dy = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, actions * atoms));
        double *dv = expect(h, 0), *dd = expect(h, 1);
        for (int i = 0; i < rows * atoms; i++) {
            const int row = i / atoms, k = i % atoms;
            double sum = 0.0;
            for (int a = 0; a < actions; a++)
                sum += dy[(row * actions + a) * atoms + k];
            dv[i] = (c.add_v ? dv[i] : 0.0) + sum;
            for (int a = 0; a < actions; a++) {
                const int at = (row * actions + a) * atoms + k;
                dd[at] = (c.add_d ? dd[at] : 0.0) + dy[at] - sum / actions;
            }
        }
        harness_run(h, call_dueling_backward, &c);
    }
}

/* ---- plain values -----------------------------------------------------------------------------------------
 */

static inline void call_q_target(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->q_target(q, t[0], t[1], t[2], t[3], t[4]);
}
static inline void call_q_loss(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct value_case *c = parameters;
    q->op->q_loss(q, t[0], t[1], t[2], t[3], t[4], t[5], c->delta, c->s);
}

static inline void check_q_target(struct harness *h) {
    for (int variant = 0; variant < 2 * VALUE_SHAPES; variant++) {
        const int rows = value_shapes[variant / 2][0], n = value_shapes[variant / 2][1];
        const bool chosen = variant % 2;
        snprintf(h->what, sizeof h->what, "q_target [%d,%d] double %d", rows, n, chosen);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows));
        double *r = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows)),
               *g = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows)),
               *next = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n)), *choice = next;
        if (chosen)
            choice = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
        else
            buffer_none(h);
        choice[n - 1] = choice[0]; /* the first of equals */
        double *y = expect(h, 0);
        for (int row = 0; row < rows; row++) {
            int best = 0;
            for (int a = 1; a < n; a++)
                if (choice[row * n + a] > choice[row * n + best]) best = a;
            y[row] = r[row] + g[row] * next[row * n + best];
        }
        harness_run(h, call_q_target, NULL);
    }
}

/* Random actions, and weights or none. */
static inline double *buffer_actions(struct harness *h, int rows, int actions) {
    double *action = buffer_add(h, DTYPE_I32, DIMS(rows));
    for (int i = 0; i < rows; i++)
        action[i] = rng_below(&h->rng, (uint32_t)actions);
    return action;
}

static inline double *buffer_weights(struct harness *h, int rows, bool weighted) {
    if (weighted) return buffer_random(h, DTYPE_F32, 1.0, DIMS(rows));
    buffer_none(h);
    return NULL;
}

struct huber_probe {
    double x, y, delta;
};

static inline double huber(void *context) {
    const struct huber_probe *p = context;
    double e = fabs(p->x - p->y);
    return p->delta == 0.0 || e <= p->delta ? 0.5 * e * e : p->delta * (e - 0.5 * p->delta);
}

static inline void check_q_loss(struct harness *h) {
    for (int variant = 0; variant < 4 * VALUE_SHAPES; variant++) {
        const int rows = value_shapes[variant / 4][0], n = value_shapes[variant / 4][1];
        const bool weighted = variant % 2;
        struct value_case c = {.delta = variant / 2 % 2 ? 0.75f : 0.0f, .s = 0.25f};
        snprintf(h->what, sizeof h->what, "q_loss [%d,%d] weighted %d delta %g", rows, n, weighted,
                 (double)c.delta);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 3));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, n));
        double *x = buffer_random(h, DTYPE_F32, 2.0, DIMS(rows, n)), *action = buffer_actions(h, rows, n),
               *y = buffer_random(h, DTYPE_F32, 2.0, DIMS(rows)), *w = buffer_weights(h, rows, weighted);
        double *stats = expect(h, 0), *dx = expect(h, 1);
        memset(dx, 0, buffer_count(h, 1) * sizeof *dx);
        for (int row = 0; row < rows; row++) {
            const int at = row * n + (int)action[row];
            struct huber_probe p = {x[at], y[row], (double)c.delta};
            stats[3 * row] = huber(&p);
            stats[3 * row + 1] = fabs(x[at] - y[row]);
            stats[3 * row + 2] = x[at];
            central_differences(&dx[at], &p.x, 1, huber, &p);
            dx[at] *= (double)c.s * (w ? w[row] : 1.0);
        }
        h->buffers[1].relative = 1e-4;
        harness_run(h, call_q_loss, &c);
    }
}

/* ---- distributions ----------------------------------------------------------------------------------------
 */

static inline void call_categorical_target(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct value_case *c = parameters;
    q->op->categorical_target(q, t[0], t[1], t[2], t[3], t[4], c->low, c->high);
}
static inline void call_categorical_loss(struct queue *q, const struct tensor *t, const void *parameters) {
    const struct value_case *c = parameters;
    q->op->categorical_loss(q, t[0], t[1], t[2], t[3], t[4], t[5], c->low, c->high, c->s);
}

static inline double atom(const struct value_case *c, int k, int atoms) {
    return (double)c->low + k * ((double)c->high - (double)c->low) / (atoms - 1);
}

/* The mean of softmax(x) over the atoms. */
static inline double categorical_mean(const struct value_case *c, const double *x, int atoms) {
    double *l = MEM_NEW(double, atoms), mean = 0.0;
    row_log_softmax(l, x, NULL, atoms);
    for (int k = 0; k < atoms; k++)
        mean += exp(l[k]) * atom(c, k, atoms);
    mem_free(l);
    return mean;
}

/* Bellemare et al. 2017, eq. 7, atom by atom. */
static inline void categorical_expect(const struct value_case *c, double *t, double r, double g,
                                      const double *next, int atoms) {
    const double step = ((double)c->high - (double)c->low) / (atoms - 1);
    double *l = MEM_NEW(double, atoms);
    row_log_softmax(l, next, NULL, atoms);
    for (int i = 0; i < atoms; i++) {
        t[i] = 0.0;
        for (int j = 0; j < atoms; j++) {
            double moved = fmin(fmax(r + g * atom(c, j, atoms), (double)c->low), (double)c->high);
            t[i] += fmin(fmax(1.0 - fabs(moved - atom(c, i, atoms)) / step, 0.0), 1.0) * exp(l[j]);
        }
    }
    mem_free(l);
}

static inline void check_categorical_target(struct harness *h) {
    for (int variant = 0; variant < 2 * VALUE_SHAPES; variant++) {
        const int *shape = value_shapes[variant / 2], rows = shape[0], actions = shape[1], atoms = shape[2];
        const bool chosen = variant % 2;
        struct value_case c = {.low = -1.5f, .high = 2.5f};
        if (atoms == 1) continue;
        snprintf(h->what, sizeof h->what, "categorical_target [%d,%d,%d] double %d", rows, actions, atoms,
                 chosen);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, atoms));
        double *r = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows)),
               *g = buffer_random(h, DTYPE_F32, 0.5, DIMS(rows));
        double *next = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, actions * atoms)), *choice = next;
        if (chosen)
            choice = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, actions * atoms));
        else
            buffer_none(h);
        g[0] = 0.0; /* the end of an episode: all falls to the reward */
        double *t = expect(h, 0);
        for (int row = 0; row < rows; row++) {
            int best = 0;
            const double *x = choice + row * actions * atoms;
            for (int a = 1; a < actions; a++)
                if (categorical_mean(&c, x + a * atoms, atoms) >
                    categorical_mean(&c, x + best * atoms, atoms))
                    best = a;
            categorical_expect(&c, t + row * atoms, r[row], g[row], next + (row * actions + best) * atoms,
                               atoms);
        }
        harness_run(h, call_categorical_target, &c);
    }
}

static inline void check_categorical_loss(struct harness *h) {
    for (int variant = 0; variant < 2 * VALUE_SHAPES; variant++) {
        const int *shape = value_shapes[variant / 2], rows = shape[0], actions = shape[1], atoms = shape[2];
        const bool weighted = variant % 2;
        struct value_case c = {.low = -1.0f, .high = 3.0f, .s = 0.5f};
        if (atoms == 1) continue;
        snprintf(h->what, sizeof h->what, "categorical_loss [%d,%d,%d] weighted %d", rows, actions, atoms,
                 weighted);
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 3));
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, actions * atoms));
        double *x = buffer_random(h, DTYPE_F32, 2.0, DIMS(rows, actions * atoms)),
               *action = buffer_actions(h, rows, actions),
               *t = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, atoms)),
               *w = buffer_weights(h, rows, weighted);
        double *stats = expect(h, 0), *dx = expect(h, 1);
        memset(dx, 0, buffer_count(h, 1) * sizeof *dx);
        for (int row = 0; row < rows; row++) {
            const int at = (row * actions + (int)action[row]) * atoms;
            double sum = 0.0, entropy = 0.0;
            for (int k = 0; k < atoms; k++) /* some atoms without any share */
                sum += t[row * atoms + k] = k % 3 == 1 ? 0.0 : 0.01 + fabs(t[row * atoms + k]);
            for (int k = 0; k < atoms; k++) {
                double share = t[row * atoms + k] = (double)(float)(t[row * atoms + k] / sum);
                if (share > 0.0) entropy -= share * log(share);
            }
            struct row_probe p = {x + at, NULL, t + row * atoms, atoms, true};
            stats[3 * row] = -softmax_loss(&p);
            stats[3 * row + 1] = stats[3 * row] - entropy;
            stats[3 * row + 2] = categorical_mean(&c, x + at, atoms);
            central_differences(dx + at, p.x, (size_t)atoms, softmax_loss, &p);
            for (int k = 0; k < atoms; k++)
                dx[at + k] *= -(double)c.s * (w ? w[row] : 1.0);
        }
        h->buffers[1].relative = 1e-4;
        harness_run(h, call_categorical_loss, &c);
    }
}

/* ---- noisy layers -----------------------------------------------------------------------------------------
 */

static const int noisy_shapes[][2] = {{1, 1}, {7, 5}, {130, 257}, {65, 0}}; /* outputs, inputs; 0: a bias */
enum { NOISY_SHAPES = sizeof noisy_shapes / sizeof noisy_shapes[0] };

static inline void call_noisy_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->noisy_forward(q, t[0], t[1], t[2], t[3], t[4]);
}
static inline void call_noisy_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->noisy_backward(q, t[0], t[1], t[2], t[3], t[4]);
}

/* Three matrices or biases, and the noise of outputs and inputs. */
static inline void noisy_buffers(struct harness *h, const char *op, const int *shape, double **noise_out,
                                 double **noise_in) {
    snprintf(h->what, sizeof h->what, "%s [%d,%d]", op, shape[0], shape[1]);
    for (int i = 0; i < 3; i++)
        buffer_random(h, DTYPE_F32, 1.0, shape[1] ? 2 : 1, shape);
    *noise_out = buffer_random(h, DTYPE_F32, 1.0, 1, shape);
    *noise_in = NULL;
    if (shape[1])
        *noise_in = buffer_random(h, DTYPE_F32, 1.0, 1, shape + 1);
    else
        buffer_none(h);
}

static inline void check_noisy_forward(struct harness *h) {
    for (int s = 0; s < NOISY_SHAPES; s++) {
        const int width = noisy_shapes[s][1] ? noisy_shapes[s][1] : 1;
        double *out, *in;
        noisy_buffers(h, "noisy_forward", noisy_shapes[s], &out, &in);
        const double *mu = h->buffers[1].value, *sigma = h->buffers[2].value;
        double *w = expect(h, 0);
        for (int i = 0; i < noisy_shapes[s][0] * width; i++)
            w[i] = mu[i] + sigma[i] * out[i / width] * (in ? in[i % width] : 1.0);
        harness_run(h, call_noisy_forward, NULL);
    }
}

static inline void check_noisy_backward(struct harness *h) {
    for (int s = 0; s < NOISY_SHAPES; s++) {
        const int width = noisy_shapes[s][1] ? noisy_shapes[s][1] : 1;
        double *out, *in;
        noisy_buffers(h, "noisy_backward", noisy_shapes[s], &out, &in);
        const double *dw = h->buffers[2].value;
        double *dmu = expect(h, 0), *dsigma = expect(h, 1);
        for (int i = 0; i < noisy_shapes[s][0] * width; i++) {
            dmu[i] += dw[i];
            dsigma[i] += dw[i] * out[i / width] * (in ? in[i % width] : 1.0);
        }
        harness_run(h, call_noisy_backward, NULL);
    }
}

#endif
