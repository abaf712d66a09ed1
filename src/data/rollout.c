/* The rollout buffer of on-policy algorithms, and generalised advantage estimation. */
#include "tengen/rollout.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tengen/mem.h"
#include "tengen/status.h"

void rollout_init(struct rollout *r, int horizon, int count, int features) {
    ENSURE(horizon > 0 && count > 0 && features > 0, "rollout of [%d, %d, %d]", horizon, count, features);
    size_t n = (size_t)horizon * (size_t)count;
    *r = (struct rollout){
        .horizon = horizon,
        .count = count,
        .features = features,
        .observations = MEM_NEW(float, n *(size_t)features),
        .actions = MEM_NEW(int32_t, n),
        .log_probs = MEM_NEW(float, n),
        .values = MEM_NEW(float, n),
        .rewards = MEM_NEW(float, n),
        .terminated = MEM_NEW(uint8_t, n),
        .truncated = MEM_NEW(uint8_t, n),
        .final_values = MEM_NEW(float, n),
        .last_values = MEM_NEW(float, count),
        .advantages = MEM_NEW(float, n),
        .returns = MEM_NEW(float, n),
    };
}

void rollout_free(struct rollout *r) {
    mem_free(r->observations);
    mem_free(r->actions);
    mem_free(r->log_probs);
    mem_free(r->values);
    mem_free(r->rewards);
    mem_free(r->terminated);
    mem_free(r->truncated);
    mem_free(r->final_values);
    mem_free(r->last_values);
    mem_free(r->advantages);
    mem_free(r->returns);
    *r = (struct rollout){0};
}

void rollout_advantages(struct rollout *r, float gamma, float lambda) {
    for (int t = r->horizon - 1; t >= 0; t--) {
        size_t row = (size_t)t * (size_t)r->count, next = row + (size_t)r->count;
        bool last = t == r->horizon - 1;
        for (size_t n = 0; n < (size_t)r->count; n++) {
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
    size_t n = (size_t)r->horizon * (size_t)r->count;
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

void rollout_batch_init(struct rollout_batch *b, int count, int features) {
    *b = (struct rollout_batch){
        .count = count,
        .features = features,
        .observations = MEM_NEW(float, (size_t)count *(size_t)features),
        .actions = MEM_NEW(int32_t, count),
        .log_probs = MEM_NEW(float, count),
        .values = MEM_NEW(float, count),
        .advantages = MEM_NEW(float, count),
        .returns = MEM_NEW(float, count),
    };
}

void rollout_batch_free(struct rollout_batch *b) {
    mem_free(b->observations);
    mem_free(b->actions);
    mem_free(b->log_probs);
    mem_free(b->values);
    mem_free(b->advantages);
    mem_free(b->returns);
    *b = (struct rollout_batch){0};
}

void rollout_gather(struct rollout_batch *b, const struct rollout *r, const int32_t *order) {
    ENSURE(b->features == r->features, "a batch of %d features from a rollout of %d", b->features,
           r->features);
    size_t features = (size_t)b->features;
    for (size_t i = 0; i < (size_t)b->count; i++) {
        size_t from = (size_t)order[i];
        memcpy(b->observations + i * features, r->observations + from * features, features * sizeof(float));
        b->actions[i] = r->actions[from];
        b->log_probs[i] = r->log_probs[from];
        b->values[i] = r->values[from];
        b->advantages[i] = r->advantages[from];
        b->returns[i] = r->returns[from];
    }
}

void rollout_batch_normalise(struct rollout_batch *b) {
    double mean, squares = squares_about_mean(b->advantages, (size_t)b->count, &mean);
    double deviation = b->count > 1 ? sqrt(squares / (b->count - 1)) : 0;
    for (int i = 0; i < b->count; i++)
        b->advantages[i] = (float)((b->advantages[i] - mean) / (deviation + 1e-8));
}
