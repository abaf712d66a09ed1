/* Environments of Gymnasium, in worker processes. */
#include <math.h>
#include <string.h>

#include "env/finite.h"
#include "env/workers.h"
#include "tengen/mem.h"

struct gym {
    struct workers workers; /* first: workers_batch_save */
};

static void set_spec(struct env_spec *spec, const struct worker_spec *from) {
    spec->summary = "an environment of Gymnasium";
    spec->h = from->h;
    spec->w = from->w;
    spec->c = from->c;
    spec->pixels = from->pixels;
    spec->frames = 1;
    spec->kind = (enum env_action_kind)from->kind;
    spec->components = from->components;
    memcpy(spec->choices, from->choices, sizeof spec->choices);
    memcpy(spec->low, from->low, sizeof spec->low);
    memcpy(spec->high, from->high, sizeof spec->high);
    spec->masked = from->mask_bytes > 0;
    spec->max_steps = from->max_steps;
    spec->solved = from->solved;
}

static enum status gym_open(struct env_batch *b, const struct env_config *config, uint64_t seed,
                            enum rng_purpose purpose, uint64_t first_index) {
    struct gym *self = b->self = MEM_NEW(struct gym, 1);
    TRY(workers_open(&self->workers, config, b->count, seed, purpose, first_index));
    set_spec(&b->spec, &self->workers.spec);
    return STATUS_OK;
}

static void gym_close(struct env_batch *b) {
    struct gym *self = b->self;
    if (!self) return;
    workers_close(&self->workers);
    mem_free(self);
}

static const uint8_t *mask_of(const struct gym *self, int i) {
    return workers_slot(&self->workers, i)->observation + self->workers.spec.observation_bytes;
}

/* Of environment i, whose episode goes on. */
static enum status check_mask(const struct env_batch *b, int i, int steps) {
    const struct gym *self = b->self;
    const int given = workers_slot(&self->workers, i)->mask_bytes, needed = self->workers.spec.mask_bytes;
    if (given != needed)
        return status_fail(
            STATUS_PEER,
            "environment %d of %s: info[\"action_mask\"] after %d steps of its episode tells of "
            "%d choices, not of %d (env.masks = false: it is not looked at)",
            i, b->spec.name, steps, given, needed);
    const uint8_t *mask = mask_of(self, i);
    for (int k = 0; needed && k < b->spec.components; mask += b->spec.choices[k++])
        if (!memchr(mask, 1, (size_t)b->spec.choices[k]))
            return status_fail(STATUS_PEER,
                               "environment %d of %s: info[\"action_mask\"] after %d steps of its episode "
                               "allows no choice (env.masks = false: it is not looked at)",
                               i, b->spec.name, steps);
    return STATUS_OK;
}

/* Of environment i after so many steps of its episode. What is learnt from one that is no number is none. */
static enum status check_observation(const struct env_batch *b, int i, int steps) {
    const struct gym *self = b->self;
    const float *seen = (const float *)workers_slot(&self->workers, i)->observation;
    int at = 0;
    if (b->spec.pixels || all_finite(seen, env_spec_features(&b->spec))) return STATUS_OK;
    while (isfinite(seen[at]))
        at++;
    return status_fail(STATUS_NUMERIC,
                       "environment %d of %s: number %d of its observation is %g after %d steps of its "
                       "episode; mend the environment, whose numbers must be finite",
                       i, b->spec.name, at, (double)seen[at], steps);
}

static enum status gym_reset(struct env_batch *b, const uint8_t *mask) {
    struct gym *self = b->self;
    for (int i = 0; i < b->count; i++)
        if (!mask || mask[i]) workers_command(&self->workers, i, WORKER_RESET);
    for (;;) {
        int i;
        bool lost;
        workers_start(&self->workers);
        TRY(workers_next(&self->workers, &i, &lost));
        if (i < 0) return STATUS_OK;
        if (lost) {
            workers_command(&self->workers, i, WORKER_RESET);
            continue;
        }
        TRY(check_observation(b, i, 0));
        TRY(check_mask(b, i, 0));
    }
}

static void gym_observe(struct env_batch *b, void *observations) {
    struct gym *self = b->self;
    size_t bytes = (size_t)self->workers.spec.observation_bytes;
    for (int i = 0; i < b->count; i++)
        memcpy((char *)observations + (size_t)i * bytes, workers_slot(&self->workers, i)->observation, bytes);
}

static void gym_masks(struct env_batch *b, uint8_t *masks) {
    const struct gym *self = b->self;
    const size_t bytes = (size_t)self->workers.spec.mask_bytes;
    for (int i = 0; i < b->count; i++)
        memcpy(masks + (size_t)i * bytes, mask_of(self, i), bytes);
}

static enum status gym_send(struct env_batch *b, const void *actions) {
    struct gym *self = b->self;
    int n = b->spec.components;
    for (int i = 0; i < b->count; i++) {
        struct worker_slot *slot = workers_slot(&self->workers, i);
        for (int k = 0; k < n; k++) {
            if (b->spec.kind == ENV_CONTINUOUS)
                slot->actions.continuous[k] =
                    fminf(fmaxf(((const float *)actions)[i * n + k], b->spec.low[k]), b->spec.high[k]);
            else
                slot->actions.discrete[k] = ((const int32_t *)actions)[i * n + k];
        }
        workers_command(&self->workers, i, WORKER_STEP);
    }
    workers_start(&self->workers);
    return STATUS_OK;
}

static enum status gym_receive(struct env_batch *b) {
    struct gym *self = b->self;
    ENSURE(self->workers.outstanding, "a step of %s is received that was not sent", b->spec.name);
    for (;;) {
        int i;
        bool lost;
        TRY(workers_next(&self->workers, &i, &lost));
        if (i < 0) return STATUS_OK;
        const struct worker_slot *slot = workers_slot(&self->workers, i);
        b->rewards[i] = lost ? 0 : slot->reward;
        b->terminated[i] = !lost && slot->terminated;
        b->truncated[i] = lost || slot->truncated;
        b->lost[i] = lost;
        TRY(check_observation(b, i, b->lengths[i] + 1));
        if (!b->terminated[i] && !b->truncated[i]) TRY(check_mask(b, i, b->lengths[i] + 1));
    }
}

const struct env_provider env_provider_gym = {
    .settings = WORKERS_SETTINGS " masks",
    .open = gym_open,
    .close = gym_close,
    .reset = gym_reset,
    .observe = gym_observe,
    .masks = gym_masks,
    .send = gym_send,
    .receive = gym_receive,
    .restarts = workers_batch_restarts,
    .save = workers_batch_save,
    .load = workers_batch_load,
};
