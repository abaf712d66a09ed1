/* Action values on a CPU: the dueling sum, and the targets and losses of Q learning, of plain values and of
 * categorical distributions. F32; a sample at a time. */
#include "ops/cpu.h"

struct value_context {
    struct queue *q;
    float *y, *dv, *stats, *dx;
    const float *x, *v, *choice, *r, *g, *target, *w;
    const int32_t *action;
    int actions, atoms; /* A, K */
    float low, high, delta, s;
    bool add_v, add_x;
    void (*sample)(const struct value_context *c, size_t n); /* works on sample n */
    int rows, grain;                                         /* N, samples a piece */
};

static void value_piece(void *context, int piece) {
    const struct value_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows;
    for (int n = piece * c->grain; n < end; n++)
        c->sample(c, (size_t)n);
}

static void value_run(struct value_context *c, int rows) {
    c->rows = rows;
    c->grain = 1 + 8192 / (c->actions * c->atoms + 1);
    pool_run(c->q->pool, (rows + c->grain - 1) / c->grain, value_piece, c);
}

/* ---- the dueling sum --------------------------------------------------------------------------------------
 */

static float mean_over_actions(const float *x, int actions, int atoms, int k) {
    float sum = 0.0f;
    for (int a = 0; a < actions; a++)
        sum += x[a * atoms + k];
    return sum / (float)actions;
}

static void dueling_forward_sample(const struct value_context *c, size_t n) {
    const int actions = c->actions, atoms = c->atoms;
    const float *v = c->v + n * (size_t)atoms, *d = c->x + n * (size_t)(actions * atoms);
    float *y = c->y + n * (size_t)(actions * atoms);
    for (int k = 0; k < atoms; k++) {
        float shift = v[k] - mean_over_actions(d, actions, atoms, k);
        for (int a = 0; a < actions; a++)
            y[a * atoms + k] = d[a * atoms + k] + shift;
    }
}

void cpu_dueling_forward(struct queue *q, struct tensor y, struct tensor v, struct tensor d) {
    const int atoms = v.dims[1], actions = check_actions("dueling_forward", d, atoms);
    check_vector("dueling_forward", v, d.dims[0] * atoms, d);
    check_same("dueling_forward", y, d);
    struct value_context c = {.q = q,
                              .y = y.data,
                              .x = d.data,
                              .v = v.data,
                              .actions = actions,
                              .atoms = atoms,
                              .sample = dueling_forward_sample};
    value_run(&c, d.dims[0]);
}

static void dueling_backward_sample(const struct value_context *c, size_t n) {
    const int actions = c->actions, atoms = c->atoms;
    const float *dy = c->x + n * (size_t)(actions * atoms);
    float *dv = c->dv + n * (size_t)atoms, *dd = c->dx + n * (size_t)(actions * atoms);
    for (int k = 0; k < atoms; k++) {
        float mean = mean_over_actions(dy, actions, atoms, k);
        dv[k] = (c->add_v ? dv[k] : 0.0f) + mean * (float)actions;
        for (int a = 0, i = k; a < actions; a++, i += atoms)
            dd[i] = (c->add_x ? dd[i] : 0.0f) + (dy[i] - mean);
    }
}

void cpu_dueling_backward(struct queue *q, struct tensor dv, struct tensor dd, struct tensor dy, bool add_v,
                          bool add_d) {
    const int atoms = dv.dims[1], actions = check_actions("dueling_backward", dy, atoms);
    check_vector("dueling_backward", dv, dy.dims[0] * atoms, dy);
    check_same("dueling_backward", dd, dy);
    struct value_context c = {.q = q,
                              .dv = dv.data,
                              .dx = dd.data,
                              .x = dy.data,
                              .actions = actions,
                              .atoms = atoms,
                              .add_v = add_v,
                              .add_x = add_d,
                              .sample = dueling_backward_sample};
    value_run(&c, dy.dims[0]);
}

/* ---- plain values -----------------------------------------------------------------------------------------
 */

static void q_target_sample(const struct value_context *c, size_t n) {
    const float *choice = c->choice + n * (size_t)c->actions;
    int best = 0;
    for (int a = 1; a < c->actions; a++)
        if (choice[a] > choice[best]) best = a;
    c->y[n] = c->r[n] + c->g[n] * c->x[n * (size_t)c->actions + (size_t)best];
}

void cpu_q_target(struct queue *q, struct tensor y, struct tensor r, struct tensor g, struct tensor next,
                  struct tensor choice) {
    check_value_target("q_target", y, r, g, next, choice, 1);
    struct value_context c = {.q = q,
                              .y = y.data,
                              .x = next.data,
                              .choice = tensor_is(choice) ? choice.data : next.data,
                              .r = r.data,
                              .g = g.data,
                              .actions = next.dims[1],
                              .atoms = 1,
                              .sample = q_target_sample};
    value_run(&c, next.dims[0]);
}

/* The action of sample n. */
static int value_action(const struct value_context *c, size_t n) {
    const int action = c->action[n];
    ENSURE(action >= 0 && action < c->actions, "action %d of sample %zu, where there are %d", action, n,
           c->actions);
    return action;
}

static void q_loss_sample(const struct value_context *c, size_t n) {
    const int action = value_action(c, n);
    const float *x = c->x + n * (size_t)c->actions;
    float *dx = c->dx + n * (size_t)c->actions, *stats = c->stats + 3 * n, value = x[action];
    float e = value - c->target[n], size = fabsf(e), delta = c->delta;
    bool linear = delta > 0.0f && size > delta;
    float slope = linear ? (e > 0.0f ? delta : -delta) : e;
    stats[0] = linear ? delta * (size - 0.5f * delta) : 0.5f * e * e;
    stats[1] = size;
    stats[2] = value;
    for (int a = 0; a < c->actions; a++)
        dx[a] = a == action ? c->s * (c->w ? c->w[n] : 1.0f) * slope : 0.0f;
}

void cpu_q_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor x, struct tensor action,
                struct tensor y, struct tensor w, float delta, float s) {
    check_value_loss("q_loss", stats, dx, x, action, y, w, 1);
    struct value_context c = {.q = q,
                              .stats = stats.data,
                              .dx = dx.data,
                              .x = x.data,
                              .action = action.data,
                              .target = y.data,
                              .w = w.data,
                              .actions = x.dims[1],
                              .atoms = 1,
                              .delta = delta,
                              .s = s,
                              .sample = q_loss_sample};
    value_run(&c, x.dims[0]);
}

/* ---- distributions ----------------------------------------------------------------------------------------
 */

/* p = softmax(x) of one action's atoms; returns log sum exp, and the distribution's mean in *mean. */
static float distribution(const struct value_context *c, float *p, const float *x, float *mean) {
    const float step = (c->high - c->low) / (float)(c->atoms - 1), max = cpu_max(x, c->atoms);
    for (int k = 0; k < c->atoms; k++)
        p[k] = cpu_exp(x[k] - max);
    const float sum = cpu_sum(p, c->atoms), factor = 1.0f / sum;
    *mean = 0.0f;
    for (int k = 0; k < c->atoms; k++) {
        p[k] *= factor;
        *mean += p[k] * (c->low + (float)k * step);
    }
    return max + logf(sum);
}

/* Each atom moves to r + g z, kept within low .. high, and is shared out to the two atoms it lies between. */
static void project(const struct value_context *c, float *t, const float *p, float r, float g) {
    const float step = (c->high - c->low) / (float)(c->atoms - 1), top = (float)(c->atoms - 1);
    memset(t, 0, (size_t)c->atoms * sizeof *t);
    for (int k = 0; k < c->atoms; k++) {
        float place = (r + g * (c->low + (float)k * step) - c->low) / step;
        place = place > 0.0f ? place < top ? place : top : 0.0f; /* NaN: 0; the loss's x shows it */
        int below = (int)place, above = below + 1 < c->atoms ? below + 1 : below;
        float share = place - (float)below;
        t[below] += p[k] * (1.0f - share);
        t[above] += p[k] * share;
    }
}

static void categorical_target_sample(const struct value_context *c, size_t n) {
    const size_t row = n * (size_t)(c->actions * c->atoms);
    float *p = cpu_scratch(c->q, pool_worker(), (size_t)c->atoms * sizeof *p), best_mean = 0.0f, mean;
    int best = 0;
    for (int a = 0; a < c->actions; a++) {
        distribution(c, p, c->choice + row + (size_t)(a * c->atoms), &mean);
        if (a > 0 && !(mean > best_mean)) continue;
        best = a;
        best_mean = mean;
    }
    distribution(c, p, c->x + row + (size_t)(best * c->atoms), &mean);
    project(c, c->y + n * (size_t)c->atoms, p, c->r[n], c->g[n]);
}

void cpu_categorical_target(struct queue *q, struct tensor t, struct tensor r, struct tensor g,
                            struct tensor next, struct tensor choice, float low, float high) {
    const int atoms = t.dims[1];
    check_value_target("categorical_target", t, r, g, next, choice, atoms);
    struct value_context c = {.q = q,
                              .y = t.data,
                              .x = next.data,
                              .choice = tensor_is(choice) ? choice.data : next.data,
                              .r = r.data,
                              .g = g.data,
                              .actions = next.dims[1] / atoms,
                              .atoms = atoms,
                              .low = low,
                              .high = high,
                              .sample = categorical_target_sample};
    value_run(&c, next.dims[0]);
}

static void categorical_loss_sample(const struct value_context *c, size_t n) {
    const int action = value_action(c, n), atoms = c->atoms;
    const size_t row = n * (size_t)(c->actions * atoms);
    const float *x = c->x + row + (size_t)(action * atoms), *t = c->target + n * (size_t)atoms;
    float *dx = c->dx + row + (size_t)(action * atoms), *stats = c->stats + 3 * n;
    float *p = cpu_scratch(c->q, pool_worker(), (size_t)atoms * sizeof *p);
    const float log_sum = distribution(c, p, x, &stats[2]), scale = c->s * (c->w ? c->w[n] : 1.0f);
    float loss = 0.0f, entropy = 0.0f;
    memset(c->dx + row, 0, (size_t)(c->actions * atoms) * sizeof *dx);
    for (int k = 0; k < atoms; k++) {
        loss += t[k] * (log_sum - x[k]);
        if (t[k] > 0.0f) entropy -= t[k] * logf(t[k]);
        dx[k] = scale * (p[k] - t[k]);
    }
    stats[0] = loss;
    stats[1] = loss - entropy;
}

void cpu_categorical_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor x,
                          struct tensor action, struct tensor t, struct tensor w, float low, float high,
                          float s) {
    const int atoms = t.dims[1];
    check_value_loss("categorical_loss", stats, dx, x, action, t, w, atoms);
    struct value_context c = {.q = q,
                              .stats = stats.data,
                              .dx = dx.data,
                              .x = x.data,
                              .action = action.data,
                              .target = t.data,
                              .w = w.data,
                              .actions = x.dims[1] / atoms,
                              .atoms = atoms,
                              .low = low,
                              .high = high,
                              .s = s,
                              .sample = categorical_loss_sample};
    value_run(&c, x.dims[0]);
}
