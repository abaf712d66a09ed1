/* Environments: rules only, no tensor and no network in sight.
 *
 * A batch of environments of one kind steps together. It is opened by name:
 *
 *     cartpole    one of src/env/envs.def: rules that are ours, written once as HD static inline functions
 *     gym:ID      any environment of Gymnasium, in worker processes; choices are masked where its info has
 *                 an "action_mask" (1: legal), as Gymnasium's own have it
 *     atari:GAME  a game of the Arcade Learning Environment, in worker processes; stacks of four frames
 *
 * What stands behind the name is a `struct env_provider`; what an environment shows and takes is its
 * `struct env_spec`. A step is sent and then received, so that a caller can work meanwhile; observe and reset
 * are calls of their own, so that the last observation of an episode is not lost:
 *
 *     observe -> choose -> send -> (something else) -> receive -> [observe the ends] -> reset_done -> observe
 *
 * Nothing is reset behind the caller's back: until env_batch_reset_done, environments that have ended show
 * their last observation. A batch is its caller's; one thread at a time.
 */
#ifndef TENGEN_ENV_H
#define TENGEN_ENV_H

#include <stdbool.h>

#include "tengen/config.h"
#include "tengen/rng.h"

#define ENV_CONFIG(F, S)                                                                                     \
    F(S, string, name, "cartpole", 0, 0, "a name in src/env/envs.def, gym:ID or atari:GAME")                 \
    F(S, int, count, 8, 1, 1000000, "environments stepped together")                                         \
    F(S, string, map, "S..M./.M.../..PM./M..../..M.E", 0, 0,                                                 \
      "gridworld: rows parted by `/` of S start, E end, M mines, P power, # walls and .")                    \
    F(S, float, sticky, -1, -1, 1,                                                                           \
      "MinAtar (a step), Atari (a frame): how likely the last action is taken again instead; -1: MinAtar "   \
      "0.1, Atari what the preset says")                                                                     \
    F(S, bool, ramping, true, 0, 0, "MinAtar: the games grow harder")                                        \
    F(S, choice, preset, "nature", 0, 0,                                                                     \
      "nature | gymnasium | sb3; Atari: DQN 2015 (life_loss, clip, maximum colour), ALE's v5 with "          \
      "AtariPreprocessing (sticky 0.25, maximum luminance), or Stable-Baselines3 (as nature, and fire, and " \
      "a "                                                                                                   \
      "step of no action after a lost life)")                                                                \
    F(S, choice, life_loss, "preset", 0, 0,                                                                  \
      "preset | yes | no; Atari: a lost life ends the learner's episode, though the game goes on")           \
    F(S, choice, fire, "preset", 0, 0,                                                                       \
      "preset | yes | no; Atari: FIRE and the action after it are played when a game begins and after a "    \
      "lost life, where there is FIRE")                                                                      \
    F(S, choice, clip, "preset", 0, 0, "preset | yes | no; Atari: rewards are learnt from by their sign")    \
    F(S, choice, maximum, "preset", 0, 0,                                                                    \
      "preset | colour | luminance; Atari: what the maximum of a step's last two screens is taken of")       \
    F(S, int, frame_skip, 4, 1, 16, "Atari: frames a step")                                                  \
    F(S, int, noops, 30, 0, 10000, "Atari: a game begins with 1 to so many frames of no action")             \
    F(S, int, max_frames, 108000, 1, 1000000000, "Atari: a game is truncated after so many frames")          \
    F(S, bool, all_actions, false, 0, 0, "Atari: all 18 actions, not only those that the game knows")        \
    F(S, bool, masks, true, 0, 0,                                                                            \
      "gym: the legal actions that info[\"action_mask\"] tells are kept to; false: they are not looked at")  \
    F(S, int, workers, 0, 0, 1024, "gym, Atari: worker processes; 0: one a core")                            \
    F(S, float, timeout, 60, 0.1, 1e6, "gym, Atari: seconds after which a silent worker is started again")   \
    F(S, float, start_timeout, 600, 0.1, 1e6,                                                                \
      "gym, Atari: seconds that a worker may take to start; on a busy machine Python takes long")            \
    F(S, string, python, "python3", 0, 0, "gym, Atari: the Python that has the modules")
CONFIG_STRUCT(env_config, ENV_CONFIG)

/* Whether the environment that is named there uses a setting. */
bool env_config_uses(const struct env_config *config, const char *key);

enum env_action_kind { ENV_DISCRETE, ENV_MULTI_DISCRETE, ENV_CONTINUOUS };

enum { ENV_COMPONENTS = 16 /* of an action, at most */, ENV_NAME = 64, ENV_SIGNS = 4 };

/* What an environment shows and takes; constant over its life. */
struct env_spec {
    char name[ENV_NAME];
    const char *summary;
    const char *settings; /* of our own: keys of [env] besides name and count that it uses; NULL: none */
    /* Observations, NHWC; a vector of n is 1, 1, n. */
    int h, w, c;
    bool pixels; /* bytes, of which a network sees value / 255; else floats */
    int frames;  /* c holds so many frames, the oldest first; before an episode's first one: copies of it */
    int states;  /* > 0: the observation is one-hot, and says all: which of so many states this is */
    /* Actions. */
    enum env_action_kind kind;
    int components;                                  /* numbers in an action; 1 for ENV_DISCRETE */
    int choices[ENV_COMPONENTS];                     /* discrete: how many there are, a component */
    float low[ENV_COMPONENTS], high[ENV_COMPONENTS]; /* continuous: bounds, a component */
    bool masked;                                     /* env_batch_masks says which choices are legal */
    /* For pictures of a policy over states. */
    const char *signs[ENV_SIGNS]; /* what an action looks like; NULL: its number */
    char map[CONFIG_TEXT];        /* of h rows of w letters, parted by `/`; empty: none */
    /* Episodes. */
    int max_steps;                     /* truncated after so many; 0: never */
    float solved;                      /* customary return of a solved task; NAN: there is none */
    float random_return, human_return; /* for human-normalised scores; equal: there are none */
};

/* Numbers of an observation: h w c. */
int env_spec_features(const struct env_spec *spec);
/* All choices of all components together: width of a mask, and of a policy's logits. */
int env_spec_choices(const struct env_spec *spec);
/* STATUS_USAGE if the actions are of another kind: `algorithm` needs `kind`. */
enum status env_spec_require(const struct env_spec *spec, enum env_action_kind kind,
                             const char *algorithm) MUST_USE;
/* Which state a one-hot observation [states] names. */
int env_spec_state(const struct env_spec *spec, const float *observation);

struct env_provider;

/* N environments with the accounts of their episodes.
 *
 * What is learnt from and what is reported may differ: an Atari provider clips rewards, and calls a lost life
 * an end. `rewards`, `terminated`, `truncated` and `done` are for the learner; `scores`, `ended`, `returns`
 * and `lengths` are of the real episode. Otherwise both are the same, and share their memory. */
struct env_batch {
    struct env_spec spec;
    int count; /* N */
    /* Of the last step; N each. */
    float *rewards;
    uint8_t *terminated; /* the task ended: there is no future */
    uint8_t *truncated;  /* a limit ended it: the future is worth what the last observation is worth */
    uint8_t *done;       /* one or both, and not reset since */
    int done_count;
    float *scores;
    uint8_t *ended; /* the real episode ended; done, too */
    uint8_t *lost; /* ended and truncated by the death of its worker: not a whole episode, so of no account */
    /* Of the real episode; stand until env_batch_reset_done. */
    float *returns;
    int32_t *lengths; /* steps of the caller */
    /* The provider's. */
    const struct env_provider *provider;
    void *self;
    bool planned; /* opened where memory is only counted */
};

/* Opens `count` environments of the kind that the config names, in their first episode's beginning only after
 * env_batch_reset. Environment i draws from the stream (seed, purpose, first_index + i). Under RNG_EVAL a
 * provider shows whole episodes, unclipped. On failure the batch may be closed, but need not be.
 *
 * Where memory is only counted (mem_count_only) the batch takes what it would take and has its spec, but no
 * environment comes to life: resets do nothing, and nothing is observed. One worker process is started to be
 * asked for the spec, once for all plans of an environment. */
enum status env_batch_open(struct env_batch *b, const struct env_config *config, int count, uint64_t seed,
                           enum rng_purpose purpose, uint64_t first_index) MUST_USE;
void env_batch_close(struct env_batch *b); /* legal on a zeroed batch */

/* All environments begin an episode. */
enum status env_batch_reset(struct env_batch *b) MUST_USE;
/* observations: [N, h, w, c] of uint8_t where spec.pixels, else of float */
void env_batch_observe(struct env_batch *b, void *observations);
/* masks: [N, env_spec_choices], 1: legal in what is observed; of ended episodes they say nothing. Only where
 * spec.masked. */
void env_batch_masks(struct env_batch *b, uint8_t *masks);
/* actions: [N, components] of float for ENV_CONTINUOUS (clipped to the bounds), else of int32_t; they must
 * stay until the step is received. */
enum status env_batch_send(struct env_batch *b, const void *actions) MUST_USE;
/* Waits for the step that was sent. A reward that is no finite number is STATUS_NUMERIC, and so is such an
 * observation of an outside environment (of a reset, too). */
enum status env_batch_receive(struct env_batch *b) MUST_USE;
/* Sends and receives. */
enum status env_batch_step(struct env_batch *b, const void *actions) MUST_USE;
/* Begins a new episode where done. */
enum status env_batch_reset_done(struct env_batch *b) MUST_USE;

/* How many worker processes have been started again; -1: it has none. */
int env_batch_restarts(const struct env_batch *b);

/* The state as bytes (freed by mem_free), between a reset and a step: what is ours goes on to the bit;
 * environments in worker processes cannot be saved, and begin an episode when a state is loaded. */
void *env_batch_save(struct env_batch *b, size_t *size);
enum status env_batch_load(struct env_batch *b, const void *data, size_t size) MUST_USE;

/* What is behind a batch. A provider finds spec.name, count and arrays in the batch, and keeps its own in
 * b->self. */
struct env_provider {
    /* Keys of [env] besides name and count that its environments use; NULL: their specs say. */
    const char *settings;
    /* Sets spec and self. May set `scores` and `ended` to arrays of its own; else they are shared with
     * `rewards` and `done`. */
    enum status (*open)(struct env_batch *b, const struct env_config *config, uint64_t seed,
                        enum rng_purpose purpose, uint64_t first_index);
    void (*close)(struct env_batch *b);                             /* also after a failed open */
    enum status (*reset)(struct env_batch *b, const uint8_t *mask); /* mask NULL: all */
    void (*observe)(struct env_batch *b, void *observations);
    void (*masks)(struct env_batch *b, uint8_t *masks); /* NULL: never masked */
    enum status (*send)(struct env_batch *b, const void *actions);
    /* Sets rewards, terminated, truncated, where there are workers lost, and scores and ended if they are its
     * own. */
    enum status (*receive)(struct env_batch *b);
    int (*restarts)(const struct env_batch *b); /* env_batch_restarts; NULL: no workers */
    /* Bytes written; to NULL: only counted. A load begins episodes where they cannot be gone on with. */
    size_t (*save)(struct env_batch *b, void *to);
    enum status (*load)(struct env_batch *b, const void *from, size_t size);
};

/* The environments of envs.def, with their settings' defaults. */
int env_native_count(void);
struct env_spec env_native_spec(int i);

#endif
