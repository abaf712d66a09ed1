/* Learning from rollouts, as the policy-gradient algorithms share it: samples are gathered, the policy's and
 * the critic's loss goes back through the network, the optimiser steps. */
#ifndef ALGO_POLICY_LEARNER_H
#define ALGO_POLICY_LEARNER_H

#include "algo/actor.h"

/* Columns of a sample's statistics (policy_loss in ops.def). */
enum { STAT_POLICY, STAT_VALUE, STAT_ENTROPY, STAT_KL, STAT_CLIPPED, STATS };

struct policy_learner {
    struct optimiser_config config; /* bound to [optimiser] */
    const struct actor *actor;
    struct optimiser *optimiser;
    struct plan *plan; /* [M], training */
    bool normalise;    /* advantages to mean 0 and deviation 1, per gradient */
    int steps;         /* of a sequence, which a recurrent network learns from as a whole; else 1 */
    int rows;
    /* On the device. */
    struct tensor index;                                                  /* I32 [M]: which samples */
    struct tensor actions, masks, log_probs, advantages, returns, values; /* [M], gathered by it */
    struct tensor stats, means;                                           /* [rows, STATS], [STATS] */
};

/* Means of the statistics, and the gradient's norm in the last step before clipping. */
struct policy_figures {
    double stats[STATS];
    float norm;
};

void policy_learner_bind(struct policy_learner *l, struct config *c);
/* M: the largest number of samples of one gradient; rows: of statistics that are kept for one reading. Where
 * the network is recurrent, those of a whole rollout. */
enum status policy_learner_open(struct policy_learner *l, const struct actor *actor, struct run *run, int m,
                                int rows) MUST_USE;
void policy_learner_close(struct policy_learner *l); /* before the actor; legal on a zeroed one */

/* Adds the gradient of the loss of n <= M samples, times `scale` each; their statistics go to rows `row`
 * onwards. Where the network is recurrent, the samples are sequences (rollout_shuffle_sequences). */
void policy_learner_gradient(struct policy_learner *l, struct queue *q, const struct rollout *r,
                             const int32_t *order, int n, const struct policy_constants *k, float scale,
                             int row);
/* One optimiser step from the gradients so far; `at` is where its schedule is. */
void policy_learner_step(struct policy_learner *l, double at);
/* Waits. Means over the first n rows; STATUS_NUMERIC where a gradient or a loss is not finite. */
enum status policy_learner_read(struct policy_learner *l, struct queue *q, int n,
                                struct policy_figures *f) MUST_USE;
/* policy_loss, value_loss, entropy, kl, clip_fraction, gradient_norm, rate. */
void policy_learner_figures(const struct policy_learner *l, struct run *run, const struct policy_figures *f);

#endif
