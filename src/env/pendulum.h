/* Pendulum-v1: swing a pendulum up and hold it there by a torque that is too weak to lift it at once (the
 * constants are Gymnasium's).
 *
 *   action         torque in -2 .. 2
 *   observation    cosine and sine of the angle, angular velocity
 *   reward         -(angle^2 + 0.1 velocity^2 + 0.001 torque^2) before the step, angle in [-pi, pi] from
 *                  upright
 *   truncated      after 200 steps; never terminated
 */
#ifndef ENV_PENDULUM_H
#define ENV_PENDULUM_H

#include "env/rules.h"
#include "env/trigonometry.h"

enum { PENDULUM_FEATURES = 3, PENDULUM_MAX_STEPS = 200 };

#define PENDULUM_TORQUE 2.0f

struct pendulum {
    float angle, velocity; /* rad from upright, in [-pi, pi]; rad/s */
    int32_t steps;         /* of this episode */
};

/* The angle uniform all around, the velocity in (-1, 1). */
HD static inline struct pendulum pendulum_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    struct pendulum s = {0.0f, 0.0f, 0};
    s.angle = ENV_PI * (2.0f * rng_uniform(rng) - 1.0f);
    s.velocity = 2.0f * rng_uniform(rng) - 1.0f;
    return s;
}

/* A rod of mass and length 1 under g = 10: acceleration 3 g / (2 l) sin(angle) + 3 / (m l^2) torque. */
HD static inline struct pendulum pendulum_step(const struct env_rules *rules, struct pendulum s,
                                               struct rng *rng, float action, float *reward,
                                               uint8_t *terminated, uint8_t *truncated) {
    (void)rules;
    (void)rng;
    const float dt = 0.05f;
    float torque = env_clip(action, -PENDULUM_TORQUE, PENDULUM_TORQUE);
    *reward = -(s.angle * s.angle + 0.1f * s.velocity * s.velocity + 0.001f * torque * torque);
    s.velocity = env_clip(s.velocity + dt * (15.0f * env_sin(s.angle) + 3.0f * torque), -8.0f, 8.0f);
    s.angle = env_wrap_angle(s.angle + dt * s.velocity);
    s.steps++;
    *terminated = 0;
    *truncated = (uint8_t)(s.steps >= PENDULUM_MAX_STEPS);
    return s;
}

/* observation: [3] */
HD static inline void pendulum_observe(const struct env_rules *rules, struct pendulum s, float *observation) {
    (void)rules;
    observation[0] = env_cos(s.angle);
    observation[1] = env_sin(s.angle);
    observation[2] = s.velocity;
}

#endif
