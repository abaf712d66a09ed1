/* Cases of drawing actions: the same uniform and normal numbers, inverted in double precision. */
#ifndef TESTS_OPS_CHECK_DRAW_H
#define TESTS_OPS_CHECK_DRAW_H

#include "check_loss.h"
#include "harness.h"

/* Streams [rows] as they stand before the call, in buffer `i`. */
static inline void draw_streams(struct rng *rngs, int rows) {
    for (int row = 0; row < rows; row++) {
        rngs[row] = rng_make(3, RNG_ACTION, (uint64_t)row);
        rngs[row].counter = (uint64_t)(row % 7);
    }
}

static inline void draw_bytes(double *to, const struct rng *rngs, int rows) {
    for (size_t i = 0; i < (size_t)rows * sizeof *rngs; i++)
        to[i] = ((const uint8_t *)rngs)[i];
}

/* ---- choices ---------------------------------------------------------------------------------------------
 */

static inline void call_policy_draw(struct queue *q, const struct tensor *t, const void *parameters) {
    q->op->policy_draw(q, t[0], t[1], t[2], t[3], t[4], *(const struct choices *)parameters);
}

/* The first choice below which lie more than `u` of the probabilities; *log_prob is added to. */
static inline int draw_expected(const double *x, const double *mask, int n, double u, double *log_prob) {
    double *l = MEM_NEW(double, n), below = 0;
    int choice = -1, last = 0;
    row_log_softmax(l, x, mask, n);
    for (int i = 0; i < n; i++) {
        if (mask && mask[i] == 0) continue;
        last = i;
        below += exp(l[i]);
        if (choice < 0 && u < below) choice = i;
    }
    if (choice < 0) choice = last; /* by rounding */
    *log_prob += l[choice];
    mem_free(l);
    return choice;
}

static inline void draw_case(struct harness *h, int rows, struct choices choices, bool masked) {
    struct rng *rngs = MEM_NEW(struct rng, rows);
    int n = 0;
    for (int k = 0; k < choices.components; k++)
        n += choices.count[k];
    snprintf(h->what, sizeof h->what, "policy_draw [%d,%d] components %d%s", rows, n, choices.components,
             masked ? " masked" : "");
    buffer_add(h, DTYPE_I32, DIMS(rows, choices.components));
    buffer_add(h, DTYPE_F32, DIMS(rows));
    double *streams = buffer_add(h, DTYPE_U8, DIMS(rows, (int)sizeof *rngs)),
           *x = buffer_random(h, DTYPE_F32, 2.0, DIMS(rows, n)), *mask = NULL;
    if (masked)
        mask = buffer_mask(h, rows, n, -1);
    else
        buffer_none(h);
    draw_streams(rngs, rows);
    draw_bytes(streams, rngs, rows);
    double *action = expect(h, 0), *log_prob = expect(h, 1);
    streams = expect(h, 2);
    for (int row = 0; row < rows; row++)
        for (int k = 0, from = 0; k < choices.components; from += choices.count[k++]) {
            if (mask) mask[row * n + from + (row + k) % choices.count[k]] = 1; /* something is allowed */
            action[row * choices.components + k] =
                draw_expected(x + row * n + from, mask ? mask + row * n + from : NULL, choices.count[k],
                              (double)rng_uniform(&rngs[row]), &log_prob[row]);
        }
    draw_bytes(streams, rngs, rows);
    mem_free(rngs);
    harness_run(h, call_policy_draw, &choices);
}

static inline void check_policy_draw(struct harness *h) {
    for (int masked = 0; masked < 2; masked++) {
        draw_case(h, 1, (struct choices){1, {1}}, masked);
        draw_case(h, 700, (struct choices){1, {2}}, masked);
        draw_case(h, 257, (struct choices){1, {18}}, masked);
        draw_case(h, 33, (struct choices){3, {3, 1, 19}}, masked);
    }
}

/* ---- normal ----------------------------------------------------------------------------------------------
 */

static inline void call_gaussian_policy_draw(struct queue *q, const struct tensor *t,
                                             const void *parameters) {
    (void)parameters;
    q->op->gaussian_policy_draw(q, t[0], t[1], t[2], t[3], t[4]);
}

static inline void gaussian_draw_case(struct harness *h, int rows, int n) {
    struct rng *rngs = MEM_NEW(struct rng, rows);
    snprintf(h->what, sizeof h->what, "gaussian_policy_draw [%d,%d]", rows, n);
    buffer_add(h, DTYPE_F32, DIMS(rows, n));
    buffer_add(h, DTYPE_F32, DIMS(rows));
    double *streams = buffer_add(h, DTYPE_U8, DIMS(rows, (int)sizeof *rngs)),
           *x = buffer_random(h, DTYPE_F32, 2.0, DIMS(rows, n)),
           *log_std = buffer_random(h, DTYPE_F32, 0.5, DIMS(rows, n));
    draw_streams(rngs, rows);
    draw_bytes(streams, rngs, rows);
    double *action = expect(h, 0), *log_prob = expect(h, 1);
    streams = expect(h, 2);
    for (int i = 0; i < rows * n; i++) {
        const double z = (double)rng_normal(&rngs[i / n]);
        action[i] = x[i] + exp(log_std[i]) * z;
        log_prob[i / n] -= 0.5 * z * z + log_std[i] + 0.5 * log(2.0 * M_PI);
    }
    draw_bytes(streams, rngs, rows);
    mem_free(rngs);
    harness_run(h, call_gaussian_policy_draw, NULL);
}

static inline void check_gaussian_policy_draw(struct harness *h) {
    gaussian_draw_case(h, 1, 1);
    gaussian_draw_case(h, 300, 3);
    gaussian_draw_case(h, 17, 16);
}

#endif
