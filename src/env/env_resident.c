/* Environments in a device's memory: kernels step them, or on a CPU the loops of native.c, a piece of lanes
 * after the other. */
#include "tengen/env_resident.h"

#include <string.h>

#include "env/native.h"
#include "tengen/account.h"
#include "tengen/ops.h"
#include "tengen/phase.h"
#include "tengen/profile.h"
#include "tengen/thread.h"

enum { PIECE = 1024 /* lanes: some microseconds */ };

/* ---- opening ---------------------------------------------------------------------------------------------
 */

struct tensor env_observations(const struct env_spec *spec, struct device *d, int n) {
    return device_tensor(d, spec->pixels ? DTYPE_U8 : DTYPE_F32, n, env_spec_features(spec));
}

bool env_resident_possible(const struct env_batch *b, const struct device *d) {
    bool able = d->kind == DEVICE_CPU || device_counted(d)->backend->env_kernels;
    return able && b->provider == &env_provider_native;
}

enum status env_resident_open(struct env_resident *e, struct env_batch *b, struct queue *q, int horizon,
                              bool finals) {
    struct device *d = q->device;
    const size_t n = (size_t)b->count;
    *e = (struct env_resident){0};
    if (!env_resident_possible(b, d))
        return status_fail(STATUS_USAGE, "[env] name = %s: cannot live in the memory of %s", b->spec.name,
                           d->name);
    ENSURE(horizon > 0, "a rollout of %d steps", horizon);
    ACCOUNT("environments");
    const struct env_native_batch *native = b->self;
    *e = (struct env_resident){.batch = b, .queue = q, .horizon = horizon};
    if (d->backend->env_kernels) e->kernels = &d->backend->env_kernels[env_native_find(b->spec.name)];
    e->lanes = (struct env_lanes){
        .state = device_alloc(d, native->stride * native->kind->state_bytes),
        .stride = native->stride,
        .rngs = device_alloc(d, n * sizeof(struct rng)),
        .n = b->count,
        .returns = device_alloc(d, n * sizeof(float)),
        .lengths = device_alloc(d, n * sizeof(int32_t)),
    };
    if (!finals || !b->spec.max_steps) return STATUS_OK;
    /* Truncations of one environment lie max_steps apart, and the first step may bring one. */
    int slots = horizon / b->spec.max_steps + 1;
    e->finals = env_observations(&b->spec, d, slots * b->count);
    e->lanes.finals = e->finals.data;
    e->lanes.finals_used = device_alloc(d, n * sizeof(int32_t));
    return STATUS_OK;
}

void env_resident_close(struct env_resident *e) {
    struct env_lanes *l = &e->lanes;
    void *arrays[] = {l->state, l->rngs, l->returns, l->lengths, l->finals, l->finals_used};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i]) device_release(e->queue->device, arrays[i]);
    *e = (struct env_resident){0};
}

/* ---- between host and device -----------------------------------------------------------------------------
 */

/* What lives on the device, and where the batch has it. */
enum { MIRRORS = 4 };
struct mirror {
    struct tensor device;
    void *host;
};

static void mirrors(const struct env_resident *e, struct mirror m[MIRRORS]) {
    const struct env_native_batch *native = e->batch->self;
    const struct env_lanes *l = &e->lanes;
    int words = (int)(native->kind->state_bytes / sizeof(int32_t));
    m[0] = (struct mirror){tensor_2(l->state, DTYPE_I32, words, (int)l->stride), native->state};
    m[1] = (struct mirror){tensor_2(l->rngs, DTYPE_U8, l->n, (int)sizeof(struct rng)), native->rngs};
    m[2] = (struct mirror){tensor_1(l->returns, DTYPE_F32, l->n), e->batch->returns};
    m[3] = (struct mirror){tensor_1(l->lengths, DTYPE_I32, l->n), e->batch->lengths};
}

void env_resident_push(struct env_resident *e) {
    struct mirror m[MIRRORS];
    ENSURE(!e->batch->done_count, "%d environments of %s are done, but not reset", e->batch->done_count,
           e->batch->spec.name);
    mirrors(e, m);
    for (int i = 0; i < MIRRORS; i++)
        queue_upload(e->queue, m[i].device, m[i].host);
}

void env_resident_pull(struct env_resident *e) {
    struct mirror m[MIRRORS];
    if (device_counts(e->queue->device)) return; /* nothing was pushed, either */
    mirrors(e, m);
    for (int i = 0; i < MIRRORS; i++)
        queue_download(e->queue, m[i].host, m[i].device);
}

/* ---- on a CPU --------------------------------------------------------------------------------------------
 */

struct piece_context {
    const struct env_resident *resident;
    const struct env_step *step; /* NULL: only observe */
    void *observations;
};

/* Word 0 of lane i: what the loops take for lane 0 of lanes from there on. */
static void *lane_state(const struct env_lanes *l, size_t i) {
    return (int32_t *)l->state + i;
}

static size_t row_bytes(const struct env_spec *spec) {
    return (size_t)env_spec_features(spec) * (spec->pixels ? 1 : sizeof(float));
}

static void observe_lanes(const struct env_resident *e, size_t first, int n, void *row) {
    const struct env_native_batch *native = e->batch->self;
    native->kind->observe(&native->rules, lane_state(&e->lanes, first), e->lanes.stride, n, row);
}

/* Of n lanes that have stepped and were not reset yet. */
static void keep_finals(const struct env_resident *e, const struct env_step *s, size_t first, int n) {
    const uint8_t *at = s->truncated + first, *end = at + n;
    memset(s->final_slots + first, 0xFF, (size_t)n * sizeof *s->final_slots); /* -1 */
    if (!e->lanes.finals) return;
    for (; (at = memchr(at, 1, (size_t)(end - at))); at++) {
        size_t i = (size_t)(at - s->truncated);
        if (s->terminated[i]) continue;
        int32_t slot = s->final_slots[i] = env_lane_final(e->lanes, i);
        observe_lanes(e, i, 1, (char *)e->finals.data + (size_t)slot * row_bytes(&e->batch->spec));
    }
}

static void step_lanes(const struct env_resident *e, const struct env_step *s, size_t first, int n) {
    const struct env_native_batch *native = e->batch->self;
    const struct env_lanes l = e->lanes;
    const struct env_step columns = *s;
    uint8_t ended[PIECE];
    native->kind->step(&native->rules, lane_state(&l, first), l.stride, l.rngs + first, n,
                       (const int32_t *)s->actions + first, s->rewards + first, s->terminated + first,
                       s->truncated + first);
    ENV_LANES for (int i = 0; i < n; i++) {
        size_t lane = first + (size_t)i;
        ended[i] = columns.terminated[lane] | columns.truncated[lane];
        env_lane_account(l, columns, lane, columns.rewards[lane], ended[i]);
    }
    keep_finals(e, s, first, n);
    native->kind->reset(&native->rules, lane_state(&l, first), l.stride, l.rngs + first, n, ended);
}

static void run_piece(void *context, int piece) {
    const struct piece_context *c = context;
    const struct env_resident *e = c->resident;
    size_t first = (size_t)piece * PIECE, rest = (size_t)e->lanes.n - first;
    int n = rest < PIECE ? (int)rest : PIECE;
    if (c->step) step_lanes(e, c->step, first, n);
    observe_lanes(e, first, n, (char *)c->observations + first * row_bytes(&e->batch->spec));
}

static void run_pieces(const struct env_resident *e, const struct env_step *step, void *observations) {
    struct piece_context c = {e, step, observations};
    if (!device_counts(e->queue->device))
        pool_run(e->queue->pool, (e->lanes.n + PIECE - 1) / PIECE, run_piece, &c);
}

/* ---- stepping --------------------------------------------------------------------------------------------
 */

static void observe_or_step(struct env_resident *e, const struct env_step *step, void *observations) {
    const struct env_native_batch *native = e->batch->self;
    PHASE("environments");
    profile_work_begin(e->queue, PROFILE_ENVIRONMENTS, 0);
    if (!e->kernels)
        run_pieces(e, step, observations);
    else if (step)
        e->kernels->step(e->queue, &native->rules, e->lanes, *step);
    else
        e->kernels->observe(e->queue, &native->rules, e->lanes, observations);
    profile_work_end(e->queue);
}

void env_resident_observe(struct env_resident *e, void *observations) {
    observe_or_step(e, NULL, observations);
}

void env_resident_begin(struct env_resident *e) {
    e->steps = 0;
    /* Zero has the same bits in both types. */
    if (tensor_is(e->finals))
        e->queue->op->fill(e->queue, tensor_1(e->lanes.finals_used, DTYPE_F32, e->lanes.n), 0);
}

void env_resident_step(struct env_resident *e, const struct env_step *step) {
    e->steps++;
    ENSURE(e->steps <= e->horizon, "step %d of a rollout of %d", e->steps, e->horizon);
    observe_or_step(e, step, step->observations);
}
