/* Element-wise operations on a CPU: activation, addition, scaling, filling. Bound by memory; one pass each.
 * Outputs may be the inputs themselves. */
#include "ops/cpu.h"

/* ---- y = act(x) -------------------------------------------------------------------------------------------
 */

static void activation_forward_block(const struct cpu_map *m, size_t at, size_t n) {
    float in[CPU_BLOCK], out[CPU_BLOCK];
    const float *x = cpu_read(m->a, at, n, in);
    float *y = cpu_target(m->y, at, out);
    if (y != x) memmove(y, x, n * sizeof *y);
    cpu_activate_block(y, n, m->act);
    cpu_written(m->y, at, n, y);
}

void cpu_activation_forward(struct queue *q, struct tensor y, struct tensor x, enum activation act) {
    check_like("activation_forward", y, x);
    cpu_map(q, &(struct cpu_map){.y = y, .a = x, .act = act, .block = activation_forward_block});
}

/* ---- dx (+)= dy act'(x), through y ------------------------------------------------------------------------
 */

static void activation_backward_block(const struct cpu_map *m, size_t at, size_t n) {
    float dy_buffer[CPU_BLOCK], y_buffer[CPU_BLOCK], old_buffer[CPU_BLOCK], out[CPU_BLOCK], g[CPU_BLOCK];
    const float *dy = cpu_read(m->a, at, n, dy_buffer), *y = cpu_read(m->b, at, n, y_buffer);
    switch (m->act) {
    case ACTIVATION_RELU:
        for (size_t i = 0; i < n; i++)
            g[i] = y[i] > 0.0f ? dy[i] : 0.0f;
        break;
    case ACTIVATION_TANH:
        for (size_t i = 0; i < n; i++)
            g[i] = dy[i] * (1.0f - y[i] * y[i]);
        break;
    case ACTIVATION_SIGMOID:
        for (size_t i = 0; i < n; i++)
            g[i] = dy[i] * y[i] * (1.0f - y[i]);
        break;
    default:
        memcpy(g, dy, n * sizeof *g);
    }
    float *dx = cpu_target(m->y, at, out);
    if (m->add) {
        const float *old = cpu_read(m->y, at, n, old_buffer);
        IVDEP
        for (size_t i = 0; i < n; i++)
            dx[i] = old[i] + g[i];
    } else {
        memcpy(dx, g, n * sizeof *dx);
    }
    cpu_written(m->y, at, n, dx);
}

void cpu_activation_backward(struct queue *q, struct tensor dx, struct tensor dy, struct tensor y,
                             enum activation act, bool add) {
    check_like("activation_backward", dx, dy);
    check_like("activation_backward", y, dy);
    cpu_map(q, &(struct cpu_map){
                   .y = dx, .a = dy, .b = y, .act = act, .add = add, .block = activation_backward_block});
}

/* ---- y = act(a + b) ---------------------------------------------------------------------------------------
 */

static void add_block(const struct cpu_map *m, size_t at, size_t n) {
    float a_buffer[CPU_BLOCK], b_buffer[CPU_BLOCK], out[CPU_BLOCK];
    const float *a = cpu_read(m->a, at, n, a_buffer), *b = cpu_read(m->b, at, n, b_buffer);
    float *y = cpu_target(m->y, at, out);
    IVDEP
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
    cpu_activate_block(y, n, m->act);
    cpu_written(m->y, at, n, y);
}

void cpu_add_forward(struct queue *q, struct tensor y, struct tensor a, struct tensor b,
                     enum activation act) {
    check_like("add_forward", y, a);
    check_like("add_forward", b, a);
    cpu_map(q, &(struct cpu_map){.y = y, .a = a, .b = b, .act = act, .block = add_block});
}

/* ---- y (+)= s x, between types too; y = value -------------------------------------------------------------
 */

static void scale_block(const struct cpu_map *m, size_t at, size_t n) {
    float in[CPU_BLOCK], old_buffer[CPU_BLOCK], out[CPU_BLOCK];
    const float *x = cpu_read(m->a, at, n, in);
    float *y = cpu_target(m->y, at, out), s = m->s;
    if (m->add) {
        const float *old = cpu_read(m->y, at, n, old_buffer);
        IVDEP
        for (size_t i = 0; i < n; i++)
            y[i] = old[i] + s * x[i];
    } else {
        IVDEP
        for (size_t i = 0; i < n; i++)
            y[i] = s * x[i];
    }
    cpu_written(m->y, at, n, y);
}

void cpu_scale(struct queue *q, struct tensor y, struct tensor x, float s, bool add) {
    check_count("scale", y, x);
    check_activation("scale", y, y);
    check_activation("scale", x, x);
    cpu_map(q, &(struct cpu_map){.y = y, .a = x, .s = s, .add = add, .block = scale_block});
}

static void fill_block(const struct cpu_map *m, size_t at, size_t n) {
    float out[CPU_BLOCK];
    float *y = cpu_target(m->y, at, out), value = m->s;
    for (size_t i = 0; i < n; i++)
        y[i] = value;
    cpu_written(m->y, at, n, y);
}

void cpu_fill(struct queue *q, struct tensor y, float value) {
    check_activation("fill", y, y);
    cpu_map(q, &(struct cpu_map){.y = y, .s = value, .block = fill_block});
}
