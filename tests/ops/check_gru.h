/* Cases of gated recurrent units. Expected gradients are central differences of the step's definition. */
#ifndef TESTS_OPS_CHECK_GRU_H
#define TESTS_OPS_CHECK_GRU_H

#include "harness.h"

/* rows, units */
static const int gru_shapes[][2] = {{1, 1}, {3, 5}, {70, 33}, {130, 256}};
enum { GRU_SHAPES = sizeof gru_shapes / sizeof gru_shapes[0] };

/* Unit i of a row: its parts of x and g, and the state before, as the equations have it. */
struct gru_unit {
    double in[7]; /* x_r, x_z, x_c, g_r, g_z, g_c, h */
    bool start;
};

static inline double gru_value(void *context) {
    const struct gru_unit *u = context;
    const double *x = u->in, keep = u->start ? 0.0 : 1.0;
    const double r = act_value(x[0] + keep * x[3], ACTIVATION_SIGMOID);
    const double z = act_value(x[1] + keep * x[4], ACTIVATION_SIGMOID);
    const double c = tanh(x[2] + r * keep * x[5]);
    return (1.0 - z) * c + z * keep * x[6];
}

static inline struct gru_unit gru_unit_at(const double *x, const double *g, const double *h,
                                          const double *starts, int row, int units, int i) {
    const size_t at = (size_t)row * 3 * (size_t)units + (size_t)i, n = (size_t)units;
    return (struct gru_unit){
        {x[at], x[at + n], x[at + 2 * n], g[at], g[at + n], g[at + 2 * n], h[row * units + i]},
        starts[row] != 0.0};
}

/* x, g, h and starts, of which every third row begins an episode. */
static inline void buffers_gru(struct harness *h, int rows, int units, double **x, double **g, double **state,
                               double **starts) {
    *x = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 3 * units));
    *g = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 3 * units));
    *state = buffer_random(h, DTYPE_F32, 0.5, DIMS(rows, units));
    *starts = buffer_add(h, DTYPE_F32, DIMS(rows));
    for (int i = 0; i < rows; i++)
        (*starts)[i] = i % 3 == 2;
}

static inline void call_gru_forward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->gru_forward(q, t[0], t[1], t[2], t[3], t[4]);
}

static inline void check_gru_forward(struct harness *h) {
    for (int shape = 0; shape < GRU_SHAPES; shape++) {
        const int rows = gru_shapes[shape][0], units = gru_shapes[shape][1];
        snprintf(h->what, sizeof h->what, "gru_forward [%d,%d]", rows, units);
        double *x, *g, *state, *starts;
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, units));
        buffers_gru(h, rows, units, &x, &g, &state, &starts);
        x[0] = 200.0; /* gates that are shut, or open wide */
        g[3 * units - 1] = -200.0;
        double *y = expect(h, 0);
        for (int i = 0; i < rows * units; i++) {
            struct gru_unit u = gru_unit_at(x, g, state, starts, i / units, units, i % units);
            y[i] = gru_value(&u);
        }
        harness_run(h, call_gru_forward, NULL);
    }
}

static inline void call_gru_backward(struct queue *q, const struct tensor *t, const void *parameters) {
    (void)parameters;
    q->op->gru_backward(q, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]);
}

/* first: nobody wants dh. in_place: dg takes the place of g. */
static inline void check_gru_backward_case(struct harness *h, int rows, int units, bool first,
                                           bool in_place) {
    enum { DX, DG, DH, DY, X, G, H, STARTS };
    snprintf(h->what, sizeof h->what, "gru_backward [%d,%d] first %d in place %d", rows, units, first,
             in_place);
    double *x, *g, *state, *starts;
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 3 * units));
    buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, 3 * units));
    if (first)
        buffer_none(h);
    else
        buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, units));
    double *dy = buffer_random(h, DTYPE_F32, 1.0, DIMS(rows, units));
    buffers_gru(h, rows, units, &x, &g, &state, &starts);
    double *dx = expect(h, DX), *dg = expect(h, DG), *dh = first ? NULL : expect(h, DH);
    if (in_place) memcpy(h->buffers[DG].first, g, buffer_count(h, DG) * sizeof *g);
    for (int i = 0; i < rows * units; i++) {
        struct gru_unit u = gru_unit_at(x, g, state, starts, i / units, units, i % units);
        double slope[7];
        central_differences(slope, u.in, 7, gru_value, &u);
        for (int k = 0; k < 3; k++) {
            const size_t at = (size_t)(i / units * 3 + k) * (size_t)units + (size_t)(i % units);
            dx[at] = dy[i] * slope[k];
            dg[at] = dy[i] * slope[3 + k];
        }
        if (dh) dh[i] += dy[i] * slope[6];
    }
    harness_run_alias(h, call_gru_backward, NULL,
                      in_place ? (int[]){DX, DG, DH, DY, X, DG, H, STARTS} : NULL);
}

static inline void check_gru_backward(struct harness *h) {
    for (int variant = 0; variant < 4 * GRU_SHAPES; variant++)
        check_gru_backward_case(h, gru_shapes[variant / 4][0], gru_shapes[variant / 4][1], variant % 2,
                                variant / 2 % 2);
}

#endif
