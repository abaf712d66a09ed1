/* Replay memory (Lin 1992; Mnih et al. 2015): the last steps of N environments, sampled again and again.
 *
 * Every environment has a ring of slots. A slot is a moment: the frame that was new then (kept once, though
 * observations may show the last few), the action taken, the reward that followed, and whether the episode
 * ended with it. An episode that a limit cut off has one slot more, of its last frame, without an action.
 * What an observation showed is put together when it is sampled, and never reaches into the episode before:
 * in front of an episode's first frame there are copies of it.
 *
 *     observe -> replay_observe -> act -> replay_step -> reset what is done -> observe ...
 *
 * A sample is a slot with the n steps from it on, or fewer where the episode ended: after termination there
 * is no future, after truncation the last observation has one. A slot can be sampled once all this is there.
 * Draws are uniform, or by priority (Schaul et al. 2016, proportional). Between replay_observe and
 * replay_step, while environments step, a replay can be sampled. Host memory of its own; one thread at a
 * time.
 */
#ifndef TENGEN_REPLAY_H
#define TENGEN_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tengen/rng.h"
#include "tengen/status.h"
#include "tengen/sum_tree.h"

struct pool;

enum { REPLAY_MOST = 1 << 24 /* slots: what a sum tree holds */ };

struct replay_shape {
    int64_t capacity; /* slots of all environments together, in rings of equal length */
    int count;        /* N environments */
    int h, w, c;      /* an observation, NHWC */
    int frames;       /* c holds so many frames, the oldest first */
    bool pixels;      /* bytes, of which networks see value / 255; else floats */
    int steps;        /* n of the return */
    float gamma;      /* discount a step */
    bool prioritised;
};

struct replay {
    struct replay_shape shape;
    int64_t length;       /* L slots a ring; number k of a ring lies at k mod L */
    size_t frame_bytes;   /* B */
    uint8_t *frames;      /* [N, L, B] */
    int32_t *actions;     /* [N, L] */
    float *rewards;       /* [N, L] */
    uint8_t *flags;       /* [N, L] */
    int64_t *written;     /* [N] slots ever written */
    int64_t *ready;       /* [N] the number of the first slot whose n steps are not there yet */
    int64_t count;        /* slots that can be sampled */
    struct sum_tree tree; /* [N L] their priorities, where prioritised */
    uint64_t highest;     /* priority given so far: that of new slots */
};

/* Bytes that a replay of this shape takes. */
size_t replay_bytes(const struct replay_shape *shape);
/* STATUS_USAGE for rings too short for n steps; STATUS_MEMORY if it does not fit, with the capacity that
 * would. */
enum status replay_init(struct replay *r, const struct replay_shape *shape) MUST_USE;
void replay_free(struct replay *r); /* legal on a zeroed replay */

/* What is observed now [N, h, w, c], of uint8_t or float. begins[i]: an episode begins with it, as it does
 * after an end; steps before it that have not seen their end will not be sampled. */
void replay_observe(struct replay *r, const void *observations, const uint8_t *begins);
/* What came of acting on it, N each. Where truncated and not terminated, last [N, h, w, c] holds the
 * episode's last observation; it may be NULL where there is none such. */
void replay_step(struct replay *r, const int32_t *actions, const float *rewards, const uint8_t *terminated,
                 const uint8_t *truncated, const void *last);

struct replay_sample {
    int ring;        /* environment */
    int64_t slot;    /* its number */
    uint64_t weight; /* priority it was drawn by; 1 where draws are uniform */
};

/* `count` draws out of r->count > 0 slots: uniform, or one from each of `count` equal parts of the sum of
 * priorities. */
void replay_draw(const struct replay *r, struct rng *rng, struct replay_sample *samples, int count);

/* M samples, gathered; the caller's memory. */
struct replay_batch {
    float *observations, *next; /* [M, h, w, c] as a network sees them: s_t, and s_{t+n} */
    int32_t *actions;           /* [M] */
    float *rewards;             /* [M] r_t + gamma r_{t+1} + ... */
    float *discounts;           /* [M] what the value of `next` counts: gamma^n, 0 after termination */
};
void replay_gather(const struct replay *r, struct pool *pool, const struct replay_sample *samples, int count,
                   struct replay_batch *batch);

/* Importance weights (N P)^-beta over the largest among the samples (Schaul et al. 2016, 3.4). */
void replay_weights(const struct replay_sample *samples, int count, float beta, float *weights);
/* New priorities (|error| + epsilon)^alpha, of samples that are still there. */
void replay_prioritise(struct replay *r, const struct replay_sample *samples, int count, const float *errors,
                       float alpha, float epsilon);

/* The content as bytes, deflated; freed by mem_free. */
void *replay_save(const struct replay *r, struct pool *pool, size_t *size);
/* STATUS_FORMAT if they are damaged, or not of this shape. */
enum status replay_load(struct replay *r, struct pool *pool, const void *data, size_t size) MUST_USE;

#endif
