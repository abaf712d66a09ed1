/* `tengen eval` of algorithms that act in environments: fresh episodes, each environment's first whole one,
 * by the real episodes' returns (unclipped, lives and all). One that dies with its worker is played again. */
#ifndef ALGO_EPISODES_H
#define ALGO_EPISODES_H

#include "tengen/env.h"
#include "tengen/report.h"
#include "tengen/run.h"

/* Who plays. */
struct episode_player {
    void *self;
    /* Chooses for n environments: observations as env_batch_observe gives them; masks [n, choices] or NULL;
     * begun[i]: environment i shows its episode's first observation; actions as env_batch_send takes them. */
    enum status (*choose)(void *self, const void *observations, const uint8_t *masks, const uint8_t *begun,
                          int n, void *actions);
};

enum {
    EPISODE_LANES = 256 /* environments of ours at once */,
    EPISODES_DEFAULT = 100,
    EPISODE_TRIES = 10 /* at an episode that is lost each time */
};

/* How many environments play that many episodes (0: the default) at once, [env] count at most: what choose()
 * must cope with. */
int episode_lanes(const struct env_config *env, int episodes);

/* Episode i is that of environment i: the stream (run's seed, RNG_EVAL, i), so that the figures do not depend
 * on how many play at once. Reports eval.return.{mean,min,std}, eval.length.mean, eval.episodes, and for
 * environments with scores of people eval.human_normalised = (mean - random) / (human - random). */
enum status episodes_evaluate(const struct env_config *env, struct run *run, struct episode_player player,
                              int episodes, const struct report *report) MUST_USE;

/* The last real episodes of training, for its figures. */
enum { EPISODES_RECENT = 100 };
struct episode_record {
    int64_t episodes;
    float returns[EPISODES_RECENT]; /* of episode e at e mod EPISODES_RECENT */
    int32_t lengths[EPISODES_RECENT];
};
void episode_record_add(struct episode_record *r, float episode_return, int32_t length);
/* Notes those that ended in the batch's last step, but not those that were lost. */
void episode_record_note(struct episode_record *r, const struct env_batch *b);
/* Sets "episodes", "return_mean", "length_mean" and, where the n batches are in worker processes,
 * "env_restarts": how many of them have been started again since the run began or was resumed. Returns the
 * mean return, NAN before the first end. */
double episode_record_figures(const struct episode_record *r, const struct env_batch *envs, int n,
                              struct run *run);
void episode_record_save(const struct episode_record *r, struct checkpoint_writer *w);
enum status episode_record_load(struct episode_record *r, struct checkpoint_reader *reader) MUST_USE;

/* The environments' own state under a name of the checkpoint. */
void episode_envs_save(struct env_batch *b, struct checkpoint_writer *w, const char *name);
enum status episode_envs_load(struct env_batch *b, struct checkpoint_reader *r, const char *name) MUST_USE;

#endif
