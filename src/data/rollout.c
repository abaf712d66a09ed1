/* Rollouts: columns in a device's memory, and the order in which they are learnt from. */
#include "tengen/rollout.h"

#include "tengen/account.h"
#include "tengen/ops.h"
#include "tengen/status.h"

static size_t sample_count(const struct rollout_shape *s) {
    return (size_t)s->horizon * (size_t)s->count;
}

void rollout_init(struct rollout *r, struct rollout_shape s, struct device *d) {
    ENSURE(s.horizon > 0 && s.count > 0 && s.features > 0 && s.components > 0, "rollout of [%d, %d, %d]",
           s.horizon, s.count, s.features);
    ACCOUNT("rollout");
    const int t = s.horizon, n = s.count, samples = (int)sample_count(&s);
    *r = (struct rollout){
        .shape = s,
        .device = d,
        .rows = t,
        .observations = device_tensor(d, s.pixels ? DTYPE_U8 : DTYPE_F32, samples, s.features),
        .actions = device_tensor(d, s.continuous ? DTYPE_F32 : DTYPE_I32, samples, s.components),
        .log_probs = device_tensor(d, DTYPE_F32, t, n),
        .values = device_tensor(d, DTYPE_F32, t, n),
        .rewards = device_tensor(d, DTYPE_F32, t, n),
        .terminated = device_tensor(d, DTYPE_U8, t, n),
        .truncated = device_tensor(d, DTYPE_U8, t, n),
        .final_values = device_tensor(d, DTYPE_F32, t, n),
        .last_values = device_tensor(d, DTYPE_F32, n, 1),
        .advantages = device_tensor(d, DTYPE_F32, t, n),
        .returns = device_tensor(d, DTYPE_F32, t, n),
    };
    if (s.choices) r->masks = device_tensor(d, DTYPE_U8, samples, s.choices);
    if (s.units) {
        r->states = device_tensor(d, DTYPE_F32, n, s.units);
        r->starts = device_tensor(d, DTYPE_F32, t, n);
    }
}

void rollout_free(struct rollout *r) {
    struct tensor columns[] = {r->observations, r->actions,    r->masks,      r->log_probs,    r->values,
                               r->rewards,      r->terminated, r->truncated,  r->final_values, r->last_values,
                               r->states,       r->starts,     r->advantages, r->returns};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (tensor_is(columns[i])) device_release(r->device, columns[i].data);
    *r = (struct rollout){0};
}

struct tensor rollout_samples(const struct rollout *r, struct tensor column, size_t sample, int n) {
    const size_t each = tensor_count(column) / sample_count(&r->shape);
    char *data = (char *)column.data + sample * each * dtype_size(column.dtype);
    return tensor_2(data, column.dtype, n, (int)each);
}

struct tensor rollout_column(struct tensor column) {
    return tensor_1(column.data, column.dtype, (int)tensor_count(column));
}

void rollout_advantages(struct rollout *r, struct queue *q, float gamma, float lambda) {
    const int rows = r->rows;
    q->op->advantages(q, tensor_head(r->advantages, rows), tensor_head(r->returns, rows),
                      tensor_head(r->rewards, rows), tensor_head(r->values, rows),
                      tensor_head(r->terminated, rows), tensor_head(r->truncated, rows),
                      tensor_head(r->final_values, rows), rollout_column(r->last_values), gamma, lambda);
}

void rollout_shuffle(int32_t *order, int n, struct rng *rng) {
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        uint32_t j = rng_below(rng, (uint32_t)i + 1);
        int32_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* In place, from the end: no environment is overwritten before it is read. */
void rollout_shuffle_sequences(int32_t *order, int t, int n, int parts, struct rng *rng) {
    const int each = n / parts;
    ENSURE(each * parts == n, "%d parts of %d environments", parts, n);
    rollout_shuffle(order, n, rng);
    for (int part = parts - 1; part >= 0; part--)
        for (int row = t - 1; row >= 0; row--)
            for (int i = 0; i < each; i++)
                order[(part * t + row) * each + i] = row * n + order[part * each + i];
}
