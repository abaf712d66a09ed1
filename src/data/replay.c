/* Replay memory: rings of slots, draws, and gathering. */
#include "tengen/replay.h"

#include <math.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/ops.h"

enum {
    SLOT_BEGINS = 1,     /* the episode's first */
    SLOT_TERMINATED = 2, /* the step from here ended it */
    SLOT_TRUNCATED = 4,  /* the same, and the next slot is the last observation */
    SLOT_LAST = 8,       /* that slot */
    SLOT_ORPHAN = 16,    /* its end was never seen */
    SLOT_UNUSABLE = SLOT_LAST | SLOT_ORPHAN,
};

#define PRIORITY_ONE ((float)(1 << 20)) /* weight of priority 1: room for 2^19 above, 2^-20 below */

/* ---- memory ----------------------------------------------------------------------------------------------
 */

/* Slots of all rings. */
static size_t slot_count(const struct replay_shape *s) {
    return (size_t)(s->capacity / s->count) * (size_t)s->count;
}

/* `n` frames, of no memory. */
static struct tensor frames_of(const struct replay_shape *s, size_t n) {
    return tensor_4(NULL, s->pixels ? DTYPE_U8 : DTYPE_F32, (int)n, s->h, s->w, s->c / s->frames);
}

static size_t all_frames_bytes(const struct replay_shape *s) {
    return tensor_bytes(frames_of(s, slot_count(s)));
}

size_t replay_bytes(const struct replay_shape *s) {
    size_t slots = slot_count(s), leaves = 1;
    while (leaves < slots)
        leaves *= 2;
    size_t slot = sizeof(int32_t) + sizeof(float) + sizeof(uint8_t);
    return all_frames_bytes(s) + slots * slot + (s->prioritised ? 2 * leaves * sizeof(uint64_t) : 0);
}

/* Of the memory that frames are to lie in. */
static enum status check_room(const struct replay_shape *s, struct device *d) {
    const bool apart = d->kind != DEVICE_CPU && !s->on_host; /* the host has the rest alone */
    size_t bytes = apart ? all_frames_bytes(s) : replay_bytes(s), room = mem_available(), total;
    if (apart && !device_room(d, &room, &total)) room = 0;
    int64_t least = (int64_t)s->count * (s->steps + s->frames + 2);
    if (s->capacity < least)
        return status_fail(STATUS_USAGE,
                           "a replay of %lld steps is too short for %d environments: %lld are the least",
                           (long long)s->capacity, s->count, (long long)least);
    if (room == 0 || bytes <= room) return STATUS_OK;
    /* A tenth is left to others. */
    double fits = 0.9 * (double)room * (double)s->capacity / (double)bytes;
    return status_fail(
        STATUS_MEMORY,
        "a replay of %lld steps takes %zu MB%s, but %zu MB are free: capacity = %lld would fit",
        (long long)s->capacity, bytes >> 20, apart ? " of the device" : "", room >> 20, (long long)fits);
}

enum status replay_init(struct replay *r, const struct replay_shape *s, struct queue *q) {
    ENSURE(s->count > 0 && s->frames > 0 && s->c % s->frames == 0 && s->steps > 0 &&
               s->capacity <= REPLAY_MOST,
           "replay of %lld steps, %d environments, %d frames of %d channels, %d steps",
           (long long)s->capacity, s->count, s->frames, s->c, s->steps);
    struct device *d = q->device;
    TRY(check_room(s, d));
    ACCOUNT("replay");
    size_t slots = slot_count(s);
    *r = (struct replay){
        .shape = *s,
        .length = s->capacity / s->count,
        .queue = q,
        .frames = frames_of(s, slots),
        .actions = MEM_NEW(int32_t, slots),
        .rewards = MEM_NEW(float, slots),
        .flags = MEM_NEW(uint8_t, slots),
        .written = MEM_NEW(int64_t, s->count),
        .ready = MEM_NEW(int64_t, s->count),
        .highest = (uint64_t)PRIORITY_ONE,
    };
    size_t bytes = tensor_bytes(r->frames);
    r->frames.data = s->on_host ? device_alloc_mapped(d, bytes) : device_alloc(d, bytes);
    if (s->prioritised) sum_tree_init(&r->tree, (int64_t)slots);
    struct replay_arrivals *a = &r->arrivals;
    a->frames_d = frames_of(s, (size_t)s->count);
    a->frames_d.data = device_alloc(d, tensor_bytes(a->frames_d));
    a->slots_d = device_tensor(d, DTYPE_I32, s->count, 1);
    a->frames = mem_alloc(tensor_bytes(a->frames_d), 1);
    a->slots = MEM_NEW(int32_t, s->count);
    return STATUS_OK;
}

void replay_free(struct replay *r) {
    if (!r->queue) return;
    struct device *d = r->queue->device;
    device_release(d, r->frames.data);
    device_release(d, r->arrivals.frames_d.data);
    device_release(d, r->arrivals.slots_d.data);
    mem_free(r->arrivals.frames);
    mem_free(r->arrivals.slots);
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
static void put_frame(const struct replay *r, int i, const void *observations, uint8_t *to) {
    const size_t stack = (size_t)r->shape.frames, points = (size_t)r->shape.h * (size_t)r->shape.w;
    const size_t frame = tensor_bytes(tensor_head(r->frames, 1)), bytes = frame / points; /* of a point */
    const uint8_t *from = (const uint8_t *)observations + (size_t)i * stack * frame;
    if (stack == 1) {
        memcpy(to, from, frame);
        return;
    }
    from += (stack - 1) * bytes;
    for (size_t p = 0; p < points && bytes == 1; p++)
        to[p] = from[p * stack];
    for (size_t p = 0; p < points && bytes > 1; p++)
        memcpy(to + p * bytes, from + p * stack * bytes, bytes);
}

/* Opens the next slot of ring i, over the oldest. Its frame arrives with the others. */
static void push(struct replay *r, int i, const void *observations, uint8_t flags) {
    struct replay_arrivals *a = &r->arrivals;
    int64_t first = oldest(r, i), k = r->written[i]++, at = place(r, i, k);
    if (oldest(r, i) > first && !(r->flags[place(r, i, first)] & SLOT_UNUSABLE)) {
        r->count--;
        if (r->shape.prioritised) sum_tree_set(&r->tree, place(r, i, first), 0);
    }
    const size_t before = tensor_bytes(tensor_head(a->frames_d, a->count));
    put_frame(r, i, observations, (uint8_t *)a->frames + before);
    a->slots[a->count++] = (int32_t)at;
    r->flags[at] = flags;
}

/* What was pushed, one frame a ring at most, crosses. */
static void arrive(struct replay *r) {
    struct replay_arrivals *a = &r->arrivals;
    if (a->count == 0) return;
    struct tensor frames = tensor_head(a->frames_d, a->count), slots = tensor_head(a->slots_d, a->count);
    queue_upload(r->queue, frames, a->frames);
    queue_upload(r->queue, slots, a->slots);
    r->queue->op->frames_put(r->queue, r->frames, frames, slots);
    a->count = 0;
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
    arrive(r);
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
    arrive(r);
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

/* The next `width` words a sample of the batch's block at word *at: on the host, and in *d on the device. */
static void *view(const struct replay_batch *b, void *host, void *device, size_t *at, enum dtype dtype,
                  int width, struct tensor *d) {
    const size_t from = *at;
    *at += (size_t)b->count * (size_t)width;
    *d = tensor_2((int32_t *)device + from, dtype, b->count, width);
    return (int32_t *)host + from;
}

static int batch_words(const struct replay *r) {
    return 2 * r->shape.frames + 4;
}

void replay_batch_init(struct replay_batch *b, const struct replay *r, int count) {
    ACCOUNT("batches");
    const int words = batch_words(r), stack = r->shape.frames;
    void *host = MEM_NEW(int32_t, (size_t)count * (size_t)words);
    void *device = device_tensor(r->queue->device, DTYPE_I32, count, words).data;
    size_t at = 0;
    *b = (struct replay_batch){.count = count};
    b->now = view(b, host, device, &at, DTYPE_I32, stack, &b->now_d);
    b->next = view(b, host, device, &at, DTYPE_I32, stack, &b->next_d);
    b->actions = view(b, host, device, &at, DTYPE_I32, 1, &b->actions_d);
    b->rewards = view(b, host, device, &at, DTYPE_F32, 1, &b->rewards_d);
    b->discounts = view(b, host, device, &at, DTYPE_F32, 1, &b->discounts_d);
    b->weights = view(b, host, device, &at, DTYPE_F32, 1, &b->weights_d);
}

void replay_batch_free(struct replay_batch *b, const struct replay *r) {
    if (!b->now) return;
    mem_free(b->now);
    device_release(r->queue->device, b->now_d.data);
    *b = (struct replay_batch){0};
}

/* Where the frames lie that the network saw in slot k of ring i. */
static void find_frames(const struct replay *r, int i, int64_t k, int32_t *slots) {
    for (int f = r->shape.frames; f-- > 0;) {
        int64_t at = place(r, i, k);
        slots[f] = (int32_t)at;
        if (!(r->flags[at] & SLOT_BEGINS)) k--;
    }
}

static void gather_sample(const struct replay *r, const struct replay_sample *s, struct replay_batch *b,
                          int m) {
    float sum = 0, discount = 1;
    int64_t next = s->slot;
    uint8_t flags = 0;
    while (next < s->slot + r->shape.steps && !(flags & (SLOT_TERMINATED | SLOT_TRUNCATED))) {
        int64_t at = place(r, s->ring, next++);
        flags = r->flags[at];
        sum += discount * r->rewards[at];
        discount *= r->shape.gamma;
    }
    bool over = flags & SLOT_TERMINATED; /* what comes next does not matter then */
    find_frames(r, s->ring, s->slot, b->now + m * r->shape.frames);
    find_frames(r, s->ring, over ? s->slot : next, b->next + m * r->shape.frames);
    b->actions[m] = r->actions[place(r, s->ring, s->slot)];
    b->rewards[m] = sum;
    b->discounts[m] = over ? 0 : discount;
}

void replay_gather(const struct replay *r, const struct replay_sample *samples, struct replay_batch *b) {
    for (int m = 0; m < b->count; m++)
        gather_sample(r, &samples[m], b, m);
    queue_upload(r->queue, tensor_2(b->now_d.data, DTYPE_I32, b->count, batch_words(r)), b->now);
}

void replay_show(const struct replay *r, struct tensor y, struct tensor slots) {
    r->queue->op->frames_gather(r->queue, y, r->frames, slots);
}
