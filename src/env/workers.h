/* Worker processes (src/env/worker.py, a Python each) that step environments which are not ours.
 *
 * They share memory with us: for each environment a slot, with a command, what came of it and the
 * observation; for each worker a semaphore that we post after writing commands, and one of ours that is
 * posted for each command done. Nothing is sent, nothing is copied but by those who read and write
 * observations.
 *
 *     workers_command(w, i, ...) for some environments, workers_start(w), and then workers_next(w, ...) until
 * all have been done, in the order in which they are
 *
 * A worker that dies, or takes longer than env.timeout over a command, is named in a warning, counted, and
 * started again (which may take env.start_timeout) while the others go on. Its environments are lost: their
 * episodes end in the next step, truncated, and the observation stays what it was. Commands that are out for
 * them come back as lost. One that is started again and again without a finished step of all of its
 * environments in between is given up.
 *
 * Each environment has a stream of its own, and is given a seed from it at its first reset (and when its
 * worker was started again); from then on it draws as it likes.
 *
 * One thread at a time. The kernel ends workers with the thread that started them, so the thread that opens
 * and receives lives as long as they do. */
#ifndef ENV_WORKERS_H
#define ENV_WORKERS_H

#include <semaphore.h>
#include <stdatomic.h>

#include "tengen/child.h"
#include "tengen/env.h"

enum {
    WORKER_ERROR = 1024,
    WORKER_NO_SEED = -1,
};

/* The keys of [env] that they use themselves. */
#define WORKERS_SETTINGS "workers timeout start_timeout python"

enum worker_command { WORKER_IDLE, WORKER_RESET, WORKER_STEP };
extern const struct env_provider env_provider_gym, env_provider_atari;

/* What an environment is like, as its worker says. The two layouts are worker.py's, too. */
struct worker_spec {
    int32_t h, w, c, observation_bytes;
    int32_t mask_bytes; /* one a choice, 1: legal; 0: choices are not masked */
    int32_t pixels;
    int32_t kind, components, max_steps; /* kind: an env_action_kind */
    float solved;
    int32_t grey, fire; /* Atari: screens are luminances, no colour codes; action 1 is FIRE */
    int32_t choices[ENV_COMPONENTS];
    float low[ENV_COMPONENTS], high[ENV_COMPONENTS];
};

struct worker_slot {
    _Atomic int32_t command; /* an enum worker_command; the worker's to make WORKER_IDLE */
    int32_t seed;            /* of a reset; WORKER_NO_SEED: go on drawing */
    float reward;            /* of all its frames */
    int32_t terminated, truncated;
    int32_t lives; /* Atari */
    int32_t
        frames; /* Atari: how many of `actions` a step takes, one a frame, or how often a reset does nothing
                   before play begins; the worker's answer: how many it was until the game was over */
    int32_t mask_bytes; /* of the mask that it gave; where they are not the spec's, none was written */
    union {
        int32_t discrete[ENV_COMPONENTS];
        float continuous[ENV_COMPONENTS];
    } actions;
    _Alignas(64) uint8_t observation[]; /* observation_bytes, and behind them mask_bytes */
};

struct workers {
    char *name; /* of the environment, "gym:ID" */
    char python[CONFIG_TEXT];
    double timeout, start_timeout; /* seconds */
    bool all_actions, masks;       /* the config's */
    int count, envs;
    struct worker *workers; /* [count] */
    char *memory;           /* shared; memory_bytes */
    size_t memory_bytes, slot_bytes;
    int descriptor;
    struct worker_spec spec;
    struct rng *rngs; /* [envs] */
    uint8_t *seeded;  /* [envs] since its worker was started */
    uint8_t *out;     /* [envs] the enum worker_command that is out */
    uint8_t *lost;    /* [envs] died since its last reset */
    int outstanding;
    int restarts;
};

/* Starts workers for `envs` environments, as many as config->workers says, and waits for them. Environment i
 * draws from the stream (seed, purpose, first_index + i). Where memory is only counted none is there
 * afterwards, but the spec is. */
enum status workers_open(struct workers *w, const struct env_config *config, int envs, uint64_t seed,
                         enum rng_purpose purpose, uint64_t first_index) MUST_USE;
void workers_close(struct workers *w); /* legal on a zeroed struct */
struct worker_slot *workers_slot(const struct workers *w, int env);
/* The slot's other fields have been set. A reset begins anew also what was lost, and says the seed. */
void workers_command(struct workers *w, int env, enum worker_command command);
void workers_start(struct workers *w);
/* Waits for a command to be done: *env, or -1 when none is out. *lost: its worker has died instead. */
enum status workers_next(struct workers *w, int *env, bool *lost) MUST_USE;

/* A provider's restarts, save and load, where b->self begins with its struct workers: worker processes cannot
 * be saved, only the streams; a load begins episodes, with seeds that were not used before. */
int workers_batch_restarts(const struct env_batch *b);
size_t workers_batch_save(struct env_batch *b, void *to);
enum status workers_batch_load(struct env_batch *b, const void *from, size_t size) MUST_USE;

#endif
