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
 * replay_step, while environments step, a replay can be sampled.
 *
 * Frames lie where the learner's queue works: each crosses to the device once, when it is new, and of a
 * sample only the places of its frames do. All else is memory of the host, since it drives the draws. What
 * is written and read of frames is ordered by the queue. One thread at a time.
 */
#ifndef TENGEN_REPLAY_H
#define TENGEN_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tengen/device.h"
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
    bool on_host; /* frames are the host's memory, which the device reads over the bus */
};

struct replay {
    struct replay_shape shape;
    int64_t length;       /* L slots a ring; number k of a ring lies at k mod L */
    struct queue *queue;  /* the learner's */
    struct tensor frames; /* [N L, h, w, c / frames], U8 or F32 */
    struct replay_arrivals {
        int count;                       /* n <= N frames that are new */
        void *frames;                    /* [n, h, w, c / frames] on the host, ... */
        int32_t *slots;                  /* [n] ... where they go, ... */
        struct tensor frames_d, slots_d; /* ... and both, of N, on the device */
    } arrivals;
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
enum status replay_init(struct replay *r, const struct replay_shape *shape, struct queue *q) MUST_USE;
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

/* M samples: views of one block on the host, and of its like on the device, so that they cross in one copy.
 */
struct replay_batch {
    int count;
    int32_t *now, *next; /* [M, frames] where the frames of s_t and of s_{t+n} lie */
    int32_t *actions;    /* [M] */
    float *rewards;      /* [M] r_t + gamma r_{t+1} + ... */
    float *discounts;    /* [M] what the value of s_{t+n} counts: gamma^n, 0 after termination */
    float *weights;      /* [M] the caller's, who fills them before replay_gather, or does not use them */
    struct tensor now_d, next_d, actions_d, rewards_d, discounts_d, weights_d;
};
void replay_batch_init(struct replay_batch *b, const struct replay *r, int count);
void replay_batch_free(struct replay_batch *b, const struct replay *r); /* legal on a zeroed batch */

/* Fills a batch with as many samples, and uploads it. */
void replay_gather(const struct replay *r, const struct replay_sample *samples, struct replay_batch *batch);
/* Observations as a network sees them, into y [M, h, w, c], of what a batch's now_d or next_d names. */
void replay_show(const struct replay *r, struct tensor y, struct tensor slots);

/* Importance weights (N P)^-beta over the largest among the samples (Schaul et al. 2016, 3.4). */
void replay_weights(const struct replay_sample *samples, int count, float beta, float *weights);
/* New priorities (|error| + epsilon)^alpha, of samples that are still there. */
void replay_prioritise(struct replay *r, const struct replay_sample *samples, int count, const float *errors,
                       float alpha, float epsilon);

/* The content as bytes, deflated; freed by mem_free. Frames cross in pieces. */
void *replay_save(const struct replay *r, struct pool *pool, size_t *size);
/* STATUS_FORMAT if they are damaged, or not of this shape. */
enum status replay_load(struct replay *r, struct pool *pool, const void *data, size_t size) MUST_USE;

#endif
