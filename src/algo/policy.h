/* What PPO, A2C and REINFORCE are made of: an actor, a learner, and the rollout between them. Their structs
 * begin with it, so that the entries of `struct algo` in which they do not differ are the ones here. */
#ifndef ALGO_POLICY_H
#define ALGO_POLICY_H

#include "algo/policy_learner.h"
#include "tengen/algo.h"

struct policy {
    struct actor actor;
    struct policy_learner learner;
    struct rollout rollout; /* [T, N], where the network is */
    int32_t *order;         /* [T N] of samples, 0 .. T N - 1 at first */
    struct tensor moments;  /* F32 [2] on the device, for figures */
};

/* The sections [env], [net], [actor], the algorithm's own, [optimiser]. */
void policy_bind(struct policy *p, struct config *c, const char *section, const struct config_key *keys,
                 void *values, const char *about);
/* Whether T N samples can be numbered; `section` names the horizon's. */
enum status policy_check_horizon(const struct policy *p, const char *section, int horizon) MUST_USE;
/* batch: the largest number of samples of one gradient. */
enum status policy_open(struct policy *p, struct run *run, struct acting acting, int batch) MUST_USE;
/* A new order, to be cut into so many minibatches: of samples, or of environments with all their steps where
 * the network is recurrent. */
void policy_shuffle(struct policy *p, int minibatches, struct rng *rng);
/* 1 - Var[R - V] / Var[R] of the rollout: what share of the returns the critic foresaw; 0 where they do not
 * vary. */
double policy_explained_variance(const struct policy *p, struct queue *q);
/* The figures of actor and learner; returns the mean return of late, 0 before the first episode's end. */
double policy_figures_report(const struct policy *p, struct run *run, const struct policy_figures *f);

/* Entries of `struct algo`; self begins with a struct policy. */
void policy_save(void *self, struct checkpoint_writer *w);
enum status policy_load(void *self, struct checkpoint_reader *r) MUST_USE;
enum status policy_init_weights(void *self, struct checkpoint_reader *r) MUST_USE;
enum status policy_evaluate(void *self, struct run *run, int episodes, const struct report *report) MUST_USE;
void policy_close(void *self);
double policy_count(const void *self);
struct net *policy_net(void *self);
/* Of a `struct algo_size`: whether groups of actors can share so many environments evenly. */
bool policy_allows_count(const void *self, int count);

#endif
