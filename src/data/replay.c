/* Replay memory: rings of slots, draws, and gathering. */
#include "tengen/replay.h"

#include <math.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/thread.h"

enum {
    SLOT_BEGINS = 1,     /* the episode's first */
    SLOT_TERMINATED = 2, /* the step from here ended it */
    SLOT_TRUNCATED = 4,  /* the same, and the next slot is the last observation */
    SLOT_LAST = 8,       /* that slot */
    SLOT_ORPHAN = 16,    /* its end was never seen */
    SLOT_UNUSABLE = SLOT_LAST | SLOT_ORPHAN,
};

enum { FRAMES_MOST = 16 };

#define PRIORITY_ONE ((float)(1 << 20)) /* weight of priority 1: room for 2^19 above, 2^-20 below */

/* ---- memory ----------------------------------------------------------------------------------------------
 */

static size_t frame_bytes(const struct replay_shape *s) {
    return (size_t)s->h * (size_t)s->w * (size_t)(s->c / s->frames) * (s->pixels ? 1 : sizeof(float));
}

size_t replay_bytes(const struct replay_shape *s) {
    size_t slots = (size_t)(s->capacity / s->count) * (size_t)s->count, leaves = 1;
    while (leaves < slots)
        leaves *= 2;
    size_t slot = frame_bytes(s) + sizeof(int32_t) + sizeof(float) + sizeof(uint8_t);
    return slots * slot + (s->prioritised ? 2 * leaves * sizeof(uint64_t) : 0);
}

static enum status check_room(const struct replay_shape *s) {
    size_t bytes = replay_bytes(s), room = mem_available();
    int64_t least = (int64_t)s->count * (s->steps + s->frames + 2);
    if (s->capacity < least)
        return status_fail(STATUS_USAGE,
                           "a replay of %lld steps is too short for %d environments: %lld are the least",
                           (long long)s->capacity, s->count, (long long)least);
    if (room == 0 || bytes <= room) return STATUS_OK;
    /* A tenth is left to others. */
    double fits = 0.9 * (double)room * (double)s->capacity / (double)bytes;
    return status_fail(STATUS_MEMORY,
                       "a replay of %lld steps takes %zu MB, but %zu MB are free: capacity = %lld would fit",
                       (long long)s->capacity, bytes >> 20, room >> 20, (long long)fits);
}

enum status replay_init(struct replay *r, const struct replay_shape *s) {
    ENSURE(s->count > 0 && s->frames > 0 && s->frames <= FRAMES_MOST && s->c % s->frames == 0 &&
               s->steps > 0 && s->capacity <= REPLAY_MOST,
           "replay of %lld steps, %d environments, %d frames of %d channels, %d steps",
           (long long)s->capacity, s->count, s->frames, s->c, s->steps);
    TRY(check_room(s));
    ACCOUNT("replay");
    size_t slots = (size_t)(s->capacity / s->count) * (size_t)s->count;
    *r = (struct replay){
        .shape = *s,
        .length = s->capacity / s->count,
        .frame_bytes = frame_bytes(s),
        .frames = mem_alloc(slots, frame_bytes(s)),
        .actions = MEM_NEW(int32_t, slots),
        .rewards = MEM_NEW(float, slots),
        .flags = MEM_NEW(uint8_t, slots),
        .written = MEM_NEW(int64_t, s->count),
        .ready = MEM_NEW(int64_t, s->count),
        .highest = (uint64_t)PRIORITY_ONE,
    };
    if (s->prioritised) sum_tree_init(&r->tree, (int64_t)slots);
    return STATUS_OK;
}

void replay_free(struct replay *r) {
    mem_free(r->frames);
    mem_free(r->actions);
    mem_free(r->rewards);
    mem_free(r->flags);
    mem_free(r->written);
    mem_free(r->ready);
    sum_tree_free(&r->tree);
    *r = (struct replay){0};
}

/* Where slot k of ring i lies. */
static int64_t place(const struct replay *r, int i, int64_t k) {
    return i * r->length + k % r->length;
}

/* The first slot of ring i that is there with all the frames that its observation shows. */
static int64_t oldest(const struct replay *r, int i) {
    int64_t first = r->written[i] - r->length + r->shape.frames - 1;
    return first > 0 ? first : 0;
}

/* ---- writing ---------------------------------------------------------------------------------------------
 */

/* The newest frame of environment i's observation: its last channels. */
static void put_frame(struct replay *r, int i, const void *observations, uint8_t *to) {
    const size_t stack = (size_t)r->shape.frames, points = (size_t)r->shape.h * (size_t)r->shape.w;
    const size_t bytes = r->frame_bytes / points; /* of a point of a frame */
    const uint8_t *from = (const uint8_t *)observations + (size_t)i * stack * r->frame_bytes;
    if (stack == 1) {
        memcpy(to, from, r->frame_bytes);
        return;
    }
    from += (stack - 1) * bytes;
    for (size_t p = 0; p < points && bytes == 1; p++)
        to[p] = from[p * stack];
    for (size_t p = 0; p < points && bytes > 1; p++)
        memcpy(to + p * bytes, from + p * stack * bytes, bytes);
}

/* Opens the next slot of ring i, over the oldest. */
static void push(struct replay *r, int i, const void *observations, uint8_t flags) {
    int64_t first = oldest(r, i), k = r->written[i]++, at = place(r, i, k);
    if (oldest(r, i) > first && !(r->flags[place(r, i, first)] & SLOT_UNUSABLE)) {
        r->count--;
        if (r->shape.prioritised) sum_tree_set(&r->tree, place(r, i, first), 0);
    }
    put_frame(r, i, observations, r->frames + (size_t)at * r->frame_bytes);
    r->flags[at] = flags;
}

/* From now on the slots of ring i before `end` can be sampled. */
static void make_ready(struct replay *r, int i, int64_t end) {
    for (; r->ready[i] < end; r->ready[i]++) {
        int64_t at = place(r, i, r->ready[i]);
        if (r->flags[at] & SLOT_UNUSABLE) continue;
        r->count++;
        if (r->shape.prioritised) sum_tree_set(&r->tree, at, r->highest);
    }
}

static bool has_ended(const struct replay *r, int i) {
    int64_t k = r->written[i];
    return k == 0 || r->flags[place(r, i, k - 1)] & (SLOT_TERMINATED | SLOT_LAST);
}

void replay_observe(struct replay *r, const void *observations, const uint8_t *begins) {
    for (int i = 0; i < r->shape.count; i++) {
        int64_t k = r->written[i];
        bool ended = has_ended(r, i);
        if (begins[i] && !ended) {
            for (int64_t j = r->ready[i]; j < k; j++)
                r->flags[place(r, i, j)] |= SLOT_ORPHAN;
            make_ready(r, i, k);
        }
        push(r, i, observations, ended || begins[i] ? SLOT_BEGINS : 0);
        make_ready(r, i, k - r->shape.steps + 1);
    }
}

void replay_step(struct replay *r, const int32_t *actions, const float *rewards, const uint8_t *terminated,
                 const uint8_t *truncated, const void *last) {
    for (int i = 0; i < r->shape.count; i++) {
        int64_t k = r->written[i] - 1, at = place(r, i, k);
        ENSURE(k >= 0, "a step of environment %d before anything was observed", i);
        r->actions[at] = actions[i];
        r->rewards[at] = rewards[i];
        if (terminated[i]) {
            r->flags[at] |= SLOT_TERMINATED;
        } else if (truncated[i]) {
            r->flags[at] |= SLOT_TRUNCATED;
            push(r, i, last, SLOT_LAST);
        } else {
            continue;
        }
        make_ready(r, i, r->written[i]);
    }
}

/* ---- drawing ---------------------------------------------------------------------------------------------
 */

/* Any slot of any ring, again until it is one that can be sampled: rings are filled nearly alike. */
static struct replay_sample draw_uniform(const struct replay *r, int64_t most, struct rng *rng) {
    for (;;) {
        int i = (int)rng_below(rng, (uint32_t)r->shape.count);
        int64_t k = oldest(r, i) + rng_below(rng, (uint32_t)most);
        if (k < r->ready[i] && !(r->flags[place(r, i, k)] & SLOT_UNUSABLE))
            return (struct replay_sample){i, k, 1};
    }
}

static struct replay_sample draw_by_priority(const struct replay *r, uint64_t point) {
    int64_t at = sum_tree_find(&r->tree, point);
    int i = (int)(at / r->length);
    int64_t newest = r->written[i] - 1, back = (newest - at % r->length) % r->length;
    return (struct replay_sample){i, newest - back, sum_tree_get(&r->tree, at)};
}

/* Uniform below `part`. A product, not a remainder: where priorities differ by a rounding, as they do between
 * devices, the draws are neighbours. */
static uint64_t share_of(uint64_t part, struct rng *rng) {
    return (uint64_t)((unsigned __int128)rng_u64(rng) * part >> 64);
}

void replay_draw(const struct replay *r, struct rng *rng, struct replay_sample *samples, int count) {
    ENSURE(r->count > 0, "nothing can be sampled yet");
    if (r->shape.prioritised) {
        uint64_t total = sum_tree_total(&r->tree), part = total / (uint64_t)count + 1;
        for (int m = 0; m < count; m++)
            samples[m] = draw_by_priority(r, (part * (uint64_t)m + share_of(part, rng)) % total);
        return;
    }
    int64_t most = 0;
    for (int i = 0; i < r->shape.count; i++)
        if (r->ready[i] - oldest(r, i) > most) most = r->ready[i] - oldest(r, i);
    for (int m = 0; m < count; m++)
        samples[m] = draw_uniform(r, most, rng);
}

void replay_weights(const struct replay_sample *samples, int count, float beta, float *weights) {
    uint64_t least = samples[0].weight;
    for (int m = 1; m < count; m++)
        if (samples[m].weight < least) least = samples[m].weight;
    for (int m = 0; m < count; m++)
        weights[m] = powf((float)least / (float)samples[m].weight, beta);
}

void replay_prioritise(struct replay *r, const struct replay_sample *samples, int count, const float *errors,
                       float alpha, float epsilon) {
    for (int m = 0; m < count; m++) {
        const struct replay_sample *s = &samples[m];
        if (s->slot < oldest(r, s->ring)) continue;
        float scaled = PRIORITY_ONE * powf(fabsf(errors[m]) + epsilon, alpha), most = (float)SUM_TREE_MOST;
        uint64_t weight = scaled >= 1 ? (uint64_t)fminf(scaled, most) : 1; /* NaN: 1 */
        sum_tree_set(&r->tree, place(r, s->ring, s->slot), weight);
        if (weight > r->highest) r->highest = weight;
    }
}

/* ---- gathering -------------------------------------------------------------------------------------------
 */

/* Frames of bytes side by side at each point, as shares of 255. */
static inline void interleave_pixels(float *restrict to, const uint8_t *const *frames, size_t stack,
                                     size_t points, size_t channels) {
    for (size_t p = 0; p < points; p++)
        for (size_t f = 0; f < stack; f++)
            for (size_t c = 0; c < channels; c++)
                *to++ = (float)frames[f][p * channels + c] * (1.0f / 255.0f);
}

/* What the network saw in slot k of ring i. */
static void gather_observation(const struct replay *r, int i, int64_t k, float *to) {
    const size_t stack = (size_t)r->shape.frames, points = (size_t)r->shape.h * (size_t)r->shape.w;
    const size_t channels = (size_t)(r->shape.c / r->shape.frames);
    const uint8_t *frames[FRAMES_MOST];
    for (size_t f = stack; f-- > 0;) {
        int64_t at = place(r, i, k);
        frames[f] = r->frames + (size_t)at * r->frame_bytes;
        if (!(r->flags[at] & SLOT_BEGINS)) k--;
    }
    if (!r->shape.pixels) {
        for (size_t p = 0; p < points; p++)
            for (size_t f = 0; f < stack; f++, to += channels)
                memcpy(to, frames[f] + p * channels * sizeof *to, channels * sizeof *to);
    } else if (stack == 1) { /* constants make loops that are vectors */
        interleave_pixels(to, frames, 1, 1, points * channels);
    } else if (stack == 4 && channels == 1) {
        interleave_pixels(to, frames, 4, points, 1);
    } else {
        interleave_pixels(to, frames, stack, points, channels);
    }
}

struct gathering {
    const struct replay *replay;
    const struct replay_sample *samples;
    struct replay_batch *batch;
};

static void gather_sample(void *context, int m) {
    const struct gathering *g = context;
    const struct replay *r = g->replay;
    const struct replay_sample *s = &g->samples[m];
    const size_t features = (size_t)r->shape.h * (size_t)r->shape.w * (size_t)r->shape.c;
    float sum = 0, discount = 1;
    int64_t next = s->slot;
    uint8_t flags = 0;
    while (next < s->slot + r->shape.steps && !(flags & (SLOT_TERMINATED | SLOT_TRUNCATED))) {
        int64_t at = place(r, s->ring, next++);
        flags = r->flags[at];
        sum += discount * r->rewards[at];
        discount *= r->shape.gamma;
    }
    bool over = flags & SLOT_TERMINATED; /* what `next` shows then does not matter */
    gather_observation(r, s->ring, s->slot, g->batch->observations + (size_t)m * features);
    gather_observation(r, s->ring, over ? s->slot : next, g->batch->next + (size_t)m * features);
    g->batch->actions[m] = r->actions[place(r, s->ring, s->slot)];
    g->batch->rewards[m] = sum;
    g->batch->discounts[m] = over ? 0 : discount;
}

void replay_gather(const struct replay *r, struct pool *pool, const struct replay_sample *samples, int count,
                   struct replay_batch *batch) {
    struct gathering g = {r, samples, batch};
    pool_run(pool, count, gather_sample, &g);
}
