/* MountainCar-v0: an engine too weak to climb the hill must swing out of the valley (Moore 1990; the
 * constants are Gymnasium's).
 *
 *   actions        0: push left, 1: coast, 2: push right
 *   observation    position, velocity
 *   reward         -1 a step
 *   terminated     position >= 0.5, moving right
 *   truncated      after 200 steps
 */
#ifndef ENV_MOUNTAINCAR_H
#define ENV_MOUNTAINCAR_H

#include "env/rules.h"
#include "env/trigonometry.h"

enum { MOUNTAINCAR_FEATURES = 2, MOUNTAINCAR_ACTIONS = 3, MOUNTAINCAR_MAX_STEPS = 200 };

struct mountaincar {
    float x, x_dot;
    int32_t steps; /* of this episode */
};

/* At rest, the position uniform in (-0.6, -0.4). */
HD static inline struct mountaincar mountaincar_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    struct mountaincar s = {-0.6f + 0.2f * rng_uniform(rng), 0.0f, 0};
    return s;
}

HD static inline struct mountaincar mountaincar_step(const struct env_rules *rules, struct mountaincar s,
                                                     struct rng *rng, int32_t action, float *reward,
                                                     uint8_t *terminated, uint8_t *truncated) {
    (void)rules;
    (void)rng;
    float push = 0.001f * (float)(action - 1), slope = 0.0025f * env_cos(3.0f * s.x);
    s.x_dot = env_clip(s.x_dot + push - slope, -0.07f, 0.07f);
    s.x = env_clip(s.x + s.x_dot, -1.2f, 0.6f);
    float least = s.x <= -1.2f ? 0.0f : -0.07f; /* the wall on the left */
    s.x_dot = s.x_dot < least ? least : s.x_dot;
    s.steps++;
    *reward = -1.0f;
    *terminated = (uint8_t)((s.x >= 0.5f) & (s.x_dot >= 0.0f));
    *truncated = (uint8_t)(s.steps >= MOUNTAINCAR_MAX_STEPS);
    return s;
}

/* observation: [2] */
HD static inline void mountaincar_observe(const struct env_rules *rules, struct mountaincar s,
                                          float *observation) {
    (void)rules;
    observation[0] = s.x;
    observation[1] = s.x_dot;
}

#endif
