/* The rollout buffer of on-policy algorithms, and generalised advantage estimation. */
#include "tengen/rollout.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/status.h"

static size_t observation_bytes(const struct rollout_shape *s) {
    return (size_t)s->features * (s->pixels ? sizeof(uint8_t) : sizeof(float));
}

static size_t action_bytes(const struct rollout_shape *s) {
    return (size_t)s->components * sizeof(int32_t);
}

void rollout_init(struct rollout *r, struct rollout_shape s) {
    ENSURE(s.horizon > 0 && s.count > 0 && s.features > 0 && s.components > 0, "rollout of [%d, %d, %d]",
           s.horizon, s.count, s.features);
    ACCOUNT("rollout");
    size_t n = (size_t)s.horizon * (size_t)s.count;
    *r = (struct rollout){
        .shape = s,
        .rows = s.horizon,
        .observations = mem_alloc(n, observation_bytes(&s)),
        .actions = mem_alloc(n, action_bytes(&s)),
        .masks = s.choices ? MEM_NEW(uint8_t, n * (size_t)s.choices) : NULL,
        .log_probs = MEM_NEW(float, n),
        .values = MEM_NEW(float, n),
        .rewards = MEM_NEW(float, n),
        .terminated = MEM_NEW(uint8_t, n),
        .truncated = MEM_NEW(uint8_t, n),
        .final_values = MEM_NEW(float, n),
        .last_values = MEM_NEW(float, s.count),
        .states = s.units ? MEM_NEW(float, (size_t)s.count *(size_t)s.units) : NULL,
        .advantages = MEM_NEW(float, n),
        .returns = MEM_NEW(float, n),
    };
}

void rollout_free(struct rollout *r) {
    mem_free(r->observations);
    mem_free(r->actions);
    mem_free(r->masks);
    mem_free(r->log_probs);
    mem_free(r->values);
    mem_free(r->rewards);
    mem_free(r->terminated);
    mem_free(r->truncated);
    mem_free(r->final_values);
    mem_free(r->last_values);
    mem_free(r->states);
    mem_free(r->advantages);
    mem_free(r->returns);
    *r = (struct rollout){0};
}

void *rollout_observation(const struct rollout *r, size_t i) {
    return (char *)r->observations + i * observation_bytes(&r->shape);
}

void *rollout_action(const struct rollout *r, size_t i) {
    return (char *)r->actions + i * action_bytes(&r->shape);
}

void rollout_floats(const struct rollout_shape *shape, const void *observations, size_t n, float *to) {
    size_t count = n * (size_t)shape->features;
    if (!shape->pixels) {
        memcpy(to, observations, count * sizeof *to);
        return;
    }
    const uint8_t *from = observations;
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i] * (1.0f / 255.0f);
}

void rollout_advantages(struct rollout *r, float gamma, float lambda) {
    for (int t = r->rows - 1; t >= 0; t--) {
        size_t row = (size_t)t * (size_t)r->shape.count, next = row + (size_t)r->shape.count;
        bool last = t == r->rows - 1;
        for (size_t n = 0; n < (size_t)r->shape.count; n++) {
            bool terminated = r->terminated[row + n], truncated = r->truncated[row + n];
            float next_value = last ? r->last_values[n] : r->values[next + n];
            float next_advantage = last ? 0.0f : r->advantages[next + n];
            if (truncated) next_value = r->final_values[row + n];
            if (terminated) next_value = 0.0f;
            if (terminated || truncated) next_advantage = 0.0f;
            float delta = r->rewards[row + n] + gamma * next_value - r->values[row + n];
            r->advantages[row + n] = delta + gamma * lambda * next_advantage;
            r->returns[row + n] = r->advantages[row + n] + r->values[row + n];
        }
    }
}

/* Sum of (x - mean)^2, in double and in order: the result depends on nothing but the numbers. */
static double squares_about_mean(const float *x, size_t n, double *mean) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    return squares;
}

double rollout_explained_variance(const struct rollout *r) {
    size_t n = (size_t)r->rows * (size_t)r->shape.count;
    /* R - V is the advantage. */
    double mean, unexplained = squares_about_mean(r->advantages, n, &mean);
    double all = squares_about_mean(r->returns, n, &mean);
    return all > 0 ? 1 - unexplained / all : 0;
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

void rollout_batch_init(struct rollout_batch *b, const struct rollout_shape *s, int capacity) {
    ACCOUNT("batches");
    size_t n = (size_t)capacity;
    *b = (struct rollout_batch){
        .capacity = capacity,
        .observations = MEM_NEW(float, n *(size_t)s->features),
        .actions = mem_alloc(n, action_bytes(s)),
        .masks = s->choices ? MEM_NEW(uint8_t, n * (size_t)s->choices) : NULL,
        .log_probs = MEM_NEW(float, n),
        .values = MEM_NEW(float, n),
        .advantages = MEM_NEW(float, n),
        .returns = MEM_NEW(float, n),
        .starts = s->units ? MEM_NEW(float, n) : NULL,
        .states = s->units ? MEM_NEW(float, n *(size_t)s->units) : NULL,
    };
}

void rollout_batch_free(struct rollout_batch *b) {
    mem_free(b->observations);
    mem_free(b->actions);
    mem_free(b->masks);
    mem_free(b->log_probs);
    mem_free(b->values);
    mem_free(b->advantages);
    mem_free(b->returns);
    mem_free(b->starts);
    mem_free(b->states);
    *b = (struct rollout_batch){0};
}

static void gather_states(struct rollout_batch *b, const struct rollout *r, const int32_t *order) {
    const size_t count = (size_t)r->shape.count, units = (size_t)r->shape.units;
    for (size_t i = 0; i < (size_t)b->count; i++) {
        const size_t from = (size_t)order[i];
        if (from < count) memcpy(b->states + i * units, r->states + from * units, units * sizeof *b->states);
        b->starts[i] = from >= count && (r->terminated[from - count] || r->truncated[from - count]);
    }
}

void rollout_gather(struct rollout_batch *b, const struct rollout *r, const int32_t *order, int n) {
    ENSURE(n <= b->capacity, "%d samples for a batch of %d", n, b->capacity);
    size_t features = (size_t)r->shape.features, bytes = action_bytes(&r->shape),
           choices = (size_t)r->shape.choices;
    b->count = n;
    for (size_t i = 0; i < (size_t)n; i++) {
        size_t from = (size_t)order[i];
        rollout_floats(&r->shape, rollout_observation(r, from), 1, b->observations + i * features);
        memcpy((char *)b->actions + i * bytes, rollout_action(r, from), bytes);
        if (choices) memcpy(b->masks + i * choices, r->masks + from * choices, choices);
        b->log_probs[i] = r->log_probs[from];
        b->values[i] = r->values[from];
        b->advantages[i] = r->advantages[from];
        b->returns[i] = r->returns[from];
    }
    if (r->shape.units) gather_states(b, r, order);
}

void rollout_batch_normalise(struct rollout_batch *b) {
    double mean, squares = squares_about_mean(b->advantages, (size_t)b->count, &mean);
    double deviation = b->count > 1 ? sqrt(squares / (b->count - 1)) : 0;
    for (int i = 0; i < b->count; i++)
        b->advantages[i] = (float)((b->advantages[i] - mean) / (deviation + 1e-8));
}
