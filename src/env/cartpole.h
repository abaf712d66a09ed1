/* CartPole-v1: keep a pole upright on a cart by pushing it left or right (Barto, Sutton and Anderson 1983;
 * the constants, the reward and the ends of an episode are Gymnasium's). The rules, and nothing else: every
 * device compiles this text.
 *
 *   actions        0: push left, 1: push right
 *   observation    position, velocity, angle, angular velocity
 *   reward         1 a step, the last one included
 *   terminated     |position| > 2.4 or |angle| > 12 degrees
 *   truncated      after 500 steps
 */
#ifndef ENV_CARTPOLE_H
#define ENV_CARTPOLE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "env/rules.h"

enum { CARTPOLE_FEATURES = 4, CARTPOLE_ACTIONS = 2, CARTPOLE_MAX_STEPS = 500 };

#define CARTPOLE_X_LIMIT     2.4f
#define CARTPOLE_THETA_LIMIT 0.20943951023931953f /* 12 degrees */

struct cartpole {
    float x, x_dot;         /* m, m/s */
    float theta, theta_dot; /* rad from upright, rad/s */
    int32_t steps;          /* of this episode */
};

/* Every quantity uniform in (-0.05, 0.05). */
HD static inline struct cartpole cartpole_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    uint32_t words[4];
    rng_u32x4(rng, words);
    struct cartpole s = {fmaf(0.1f, rng_unit(words[0]), -0.05f), fmaf(0.1f, rng_unit(words[1]), -0.05f),
                         fmaf(0.1f, rng_unit(words[2]), -0.05f), fmaf(0.1f, rng_unit(words[3]), -0.05f), 0};
    return s;
}

/* Euler's rule over 20 ms. Sine and cosine are Taylor polynomials: a library call would keep lanes from a
 * vector and differ between devices, and an episode's angles stay far within 1 rad, where these err by less
 * than 3e-7. Multiply-adds are written out, since here the compiler may not choose them (rooms.cmake). */
HD static inline struct cartpole cartpole_step(const struct env_rules *rules, struct cartpole s,
                                               struct rng *rng, int32_t action, float *reward,
                                               uint8_t *terminated, uint8_t *truncated) {
    const float gravity = 9.8f, pole_mass = 0.1f, total_mass = 1.1f, half_length = 0.5f, tau = 0.02f;
    const float push = 10.0f;
    (void)rules;
    (void)rng;

    float t2 = s.theta * s.theta, half_mass = pole_mass * half_length;
    float odd =
        fmaf(t2, fmaf(t2, fmaf(t2, fmaf(t2, 1.0f / 362880, -1.0f / 5040), 1.0f / 120), -1.0f / 6), 1.0f);
    float sine = s.theta * odd;
    float cosine = fmaf(t2, fmaf(t2, fmaf(t2, fmaf(t2, 1.0f / 40320, -1.0f / 720), 1.0f / 24), -0.5f), 1.0f);

    float force = action == 1 ? push : -push;
    float shared = fmaf(half_mass * s.theta_dot * s.theta_dot, sine, force) / total_mass;
    float theta_acc = fmaf(gravity, sine, -(cosine * shared)) /
                      (half_length * (4.0f / 3.0f - pole_mass * cosine * cosine / total_mass));
    float x_acc = shared - half_mass * theta_acc * cosine / total_mass;

    s.x = fmaf(tau, s.x_dot, s.x);
    s.x_dot = fmaf(tau, x_acc, s.x_dot);
    s.theta = fmaf(tau, s.theta_dot, s.theta);
    s.theta_dot = fmaf(tau, theta_acc, s.theta_dot);
    s.steps++;

    *reward = 1.0f;
    *terminated = (uint8_t)((fabsf(s.x) > CARTPOLE_X_LIMIT) | (fabsf(s.theta) > CARTPOLE_THETA_LIMIT));
    *truncated = (uint8_t)(s.steps >= CARTPOLE_MAX_STEPS);
    return s;
}

/* observation: [4] */
HD static inline void cartpole_observe(const struct env_rules *rules, struct cartpole s, float *observation) {
    (void)rules;
    observation[0] = s.x;
    observation[1] = s.x_dot;
    observation[2] = s.theta;
    observation[3] = s.theta_dot;
}

#endif
