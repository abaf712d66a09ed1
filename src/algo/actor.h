/* Acting, as the policy-gradient algorithms share it: one network chooses for N environments, and a rollout
 * keeps what they lived through.
 *
 * Environments live on the host, or, our own ones (`struct env_resident`), where the network lives: then
 * nothing crosses to the host until a rollout is full. On the host are those in worker processes, and our own
 * where the running statistics, recurrent units or whole episodes are wanted, or two groups.
 *
 * On the host they may be two groups that alternate (`groups = 2`): while one steps (in worker processes,
 * say), the network chooses for the other. Environment i draws from its own streams, so that neither changes
 * anything. What an action is follows from the environment: one choice, several choices side by side, or
 * normal numbers whose logarithm of the deviation is learnt and depends on no observation; illegal choices
 * are masked. Recurrent units of the network are carried from step to step, and are zeros where an episode
 * begins.
 */
#ifndef ALGO_ACTOR_H
#define ALGO_ACTOR_H

#include "algo/episodes.h"
#include "tengen/env_resident.h"
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

/* What an algorithm wants of acting. */
struct acting {
    int horizon;   /* steps of a rollout */
    float gamma;   /* of the discounted sum that rewards are normalised by */
    bool critic;   /* values are wanted, of a network that has them */
    bool episodes; /* in every rollout each environment first begins an episode, and the rows end (r->rows)
                      where each has ended one */
};

struct actor {
    /* Bound to the config's sections [env], [net] and [actor]. */
    struct env_config env_config;
    struct model_config net_config;
    struct actor_config config;

    struct acting acting;
    struct env_spec spec;
    struct rollout_shape shape; /* of its rollouts */
    int outputs;                /* width of the policy: logits of all choices, or means */
    int units;                  /* U, recurrent units of the network; 0: it remembers nothing */
    struct net *net;
    struct plan *plan; /* [G], inference; G: environments that are acted for at once */
    struct env_batch envs[ACTOR_GROUPS];

    /* What goes on from iteration to iteration, besides network and environments. */
    struct tensor rngs; /* U8 [N, 32] on the device: a struct rng each, which actions are drawn from */
    struct normaliser observations, rewards;
    float *discounted;    /* [N] */
    struct tensor states; /* F32 [N, U] on the device, before the next observation, or none; zeros ... */
    struct tensor starts; /* ... where F32 [N] is 1: an episode begins with it */
    struct episode_record record;
    int64_t steps;

    struct queue *queue;
    struct tensor shown; /* [G, F] on the device: observations that no rollout keeps */

    /* Environments on the host: of one group what it shows [G, F], its masks and rewards, and the actions [N,
     * K] of all. */
    void *raw, *taken;
    uint8_t *masks;
    float *gained;

    /* Environments on the device (G = N): what ended when, and what is known of the ends by truncation. */
    bool resident;
    struct env_resident lanes;
    struct repeat collecting;                   /* of a rollout */
    struct tensor ended_returns, ended_lengths; /* F32, I32 [T, N]; a length of 0: none ended */
    struct tensor final_slots, slot_values;     /* I32 [T N]; F32 [slots, 1] */
    float *host_returns;                        /* [T N] */
    int32_t *host_lengths;
};

void actor_bind(struct actor *a, struct config *c);
/* Environments, network (weights from the seed), plan. A network without a value output is an error where
 * there is to be a critic. */
enum status actor_open(struct actor *a, struct run *run, struct acting acting) MUST_USE;
void actor_close(struct actor *a); /* legal on a zeroed one */

/* Fills r: T steps in each environment. */
enum status actor_collect(struct actor *a, struct queue *q, struct rollout *r) MUST_USE;

/* The choices of the environment's discrete actions, for policy_loss. */
struct choices actor_choices(const struct actor *a);

void actor_save(struct actor *a, struct checkpoint_writer *w);
enum status actor_load(struct actor *a, struct checkpoint_reader *r) MUST_USE;
/* The likeliest actions in fresh episodes. */
enum status actor_evaluate(struct actor *a, struct run *run, int episodes,
                           const struct report *report) MUST_USE;
/* steps, and what episode_record_figures says; returns the mean return. */
double actor_figures(const struct actor *a, struct run *run);

#endif
