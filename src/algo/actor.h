/* Acting, as the policy-gradient algorithms share it: one network chooses for N environments, and a rollout
 * keeps what they lived through.
 *
 * The environments may be two groups that alternate (`groups = 2`): while one steps (in worker processes,
 * say), the network chooses for the other. Environment i draws from its own streams, so that the order
 * changes nothing. What an action is follows from the environment: one choice, several choices side by side,
 * or normal numbers whose logarithm of the deviation is learnt and depends on no observation; illegal choices
 * are masked. Recurrent units of the network are carried from step to step, and are zeros where an episode
 * begins.
 */
#ifndef ALGO_ACTOR_H
#define ALGO_ACTOR_H

#include "algo/episodes.h"
#include "tengen/model.h"
#include "tengen/normaliser.h"
#include "tengen/rollout.h"

#define ACTOR_CONFIG(F, S)                                                                                   \
    F(S, int, groups, 1, 1, 2,                                                                               \
      "2: two groups of environments alternate, so that one steps while the other thinks")                   \
    F(S, bool, normalise_observations, false, 0, 0,                                                          \
      "observations to mean 0 and deviation 1 by running statistics, cut to +-10")                           \
    F(S, bool, normalise_rewards, false, 0, 0,                                                               \
      "rewards by the deviation of their running discounted sum, cut to +-10")
CONFIG_STRUCT(actor_config, ACTOR_CONFIG)

enum { ACTOR_GROUPS = 2 };

struct actor {
    /* Bound to the config's sections [env], [net] and [actor]. */
    struct env_config env_config;
    struct model_config net_config;
    struct actor_config config;

    struct env_spec spec;
    struct rollout_shape shape; /* of observations and actions; horizon and count are the caller's */
    int outputs;                /* width of the policy: logits of all choices, or means */
    bool critic;                /* the network has a value output */
    int units;                  /* U, recurrent units of the network; 0: it remembers nothing */
    struct net *net;
    struct plan *plan; /* [N / groups], inference */
    struct env_batch envs[ACTOR_GROUPS];
    float gamma; /* of the discounted sum that rewards are normalised by */

    /* What goes on from iteration to iteration, besides network and environments. */
    struct tensor rngs; /* U8 [N, 32] on the device: a struct rng each, which actions are drawn from */
    struct normaliser observations, rewards;
    float *discounted; /* [N] */
    float *states;     /* [N, U] before the next observation, or NULL */
    struct episode_record record;
    int64_t steps;

    /* Of one group. */
    void *raw;   /* [N / groups, F] as the environment shows it */
    float *seen; /* [N / groups, F] */

    /* On the device: of one group actions [N / groups, K] and masks [N / groups, A], or none; and what stays
     * there until a rollout is full, [T, N]. */
    struct queue *queue;
    struct tensor actions, masks, log_probs, values;
};

void actor_bind(struct actor *a, struct config *c);
/* Environments, network (weights from the seed), plan, for rollouts of `horizon` steps. A network without a
 * value output is an error where `critic`. */
enum status actor_open(struct actor *a, struct run *run, int horizon, float gamma, bool critic) MUST_USE;
void actor_close(struct actor *a); /* legal on a zeroed one */
/* The shape of a rollout of so many steps. */
struct rollout_shape actor_rollout_shape(const struct actor *a, int horizon);

/* Fills r: T steps in each environment. With `episodes`, every environment first begins an episode, and the
 * rows end (r->rows) where each has ended one. */
enum status actor_collect(struct actor *a, struct queue *q, struct rollout *r, bool episodes) MUST_USE;

/* The choices of the environment's discrete actions, for policy_loss. */
struct choices actor_choices(const struct actor *a);

void actor_save(struct actor *a, struct checkpoint_writer *w);
enum status actor_load(struct actor *a, struct checkpoint_reader *r) MUST_USE;
/* The likeliest actions in fresh episodes. */
enum status actor_evaluate(struct actor *a, struct run *run, int episodes,
                           const struct report *report) MUST_USE;
/* steps, episodes, return_mean, length_mean; returns the mean return. */
double actor_figures(const struct actor *a, struct run *run);

#endif
