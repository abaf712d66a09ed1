/* Acrobot-v1: swing the tip of a double pendulum above a line by a torque at the joint between its two links
 * (Sutton 1996; equations of motion and constants are those of Sutton and Barto's book, as Gymnasium's).
 *
 *   actions        torque at the joint: 0: -1, 1: none, 2: +1
 *   observation    cosine and sine of either angle, both angular velocities
 *   reward         -1 a step, 0 for the one that reaches the line
 *   terminated     -cos(a) - cos(a + b) > 1: the tip is a link's length above the pivot
 *   truncated      after 500 steps
 */
#ifndef ENV_ACROBOT_H
#define ENV_ACROBOT_H

#include "env/rules.h"
#include "env/trigonometry.h"

enum { ACROBOT_FEATURES = 6, ACROBOT_ACTIONS = 3, ACROBOT_MAX_STEPS = 500 };

struct acrobot {
    float a, b;         /* rad: the first link from hanging, the second from the first one's direction */
    float a_dot, b_dot; /* rad/s */
    int32_t steps;      /* of this episode */
};

/* Every quantity uniform in (-0.1, 0.1). */
HD static inline struct acrobot acrobot_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    uint32_t words[4];
    rng_u32x4(rng, words);
    struct acrobot s = {0.2f * rng_unit(words[0]) - 0.1f, 0.2f * rng_unit(words[1]) - 0.1f,
                        0.2f * rng_unit(words[2]) - 0.1f, 0.2f * rng_unit(words[3]) - 0.1f, 0};
    return s;
}

/* Angular accelerations (Sutton and Barto, "Reinforcement Learning", the Acrobot example): links of mass and
 * length 1, centres of mass at their middles, moments of inertia 1, g = 9.8. */
HD static inline void acrobot_accelerate(struct acrobot s, float torque, float *a_acc, float *b_acc) {
    const float g = 9.8f;
    float cos_b = env_cos(s.b), sin_b = env_sin(s.b);
    float d1 = 3.5f + cos_b; /* m l_c^2 + m (l^2 + l_c^2 + 2 l l_c cos b) + 2 I */
    float d2 = 1.25f + 0.5f * cos_b;
    float phi2 = 0.5f * g * env_sin(s.a + s.b);
    float phi1 =
        -0.5f * s.b_dot * s.b_dot * sin_b - s.b_dot * s.a_dot * sin_b + 1.5f * g * env_sin(s.a) + phi2;
    *b_acc = (torque + d2 / d1 * phi1 - 0.5f * s.a_dot * s.a_dot * sin_b - phi2) / (1.25f - d2 * d2 / d1);
    *a_acc = -(d2 * *b_acc + phi1) / d1;
}

/* s moved along the motion (velocities, accelerations) of another state for dt seconds. */
HD static inline struct acrobot acrobot_along(struct acrobot s, struct acrobot motion, float a_acc,
                                              float b_acc, float dt) {
    s.a += dt * motion.a_dot;
    s.b += dt * motion.b_dot;
    s.a_dot += dt * a_acc;
    s.b_dot += dt * b_acc;
    return s;
}

/* One step of the classical Runge-Kutta rule over 0.2 s. */
HD static inline struct acrobot acrobot_step(const struct env_rules *rules, struct acrobot s, struct rng *rng,
                                             int32_t action, float *reward, uint8_t *terminated,
                                             uint8_t *truncated) {
    (void)rules;
    (void)rng;
    const float dt = 0.2f, a_limit = 4.0f * ENV_PI, b_limit = 9.0f * ENV_PI;
    float torque = (float)(action - 1), a[4], b[4];
    struct acrobot s1 = s;
    acrobot_accelerate(s1, torque, &a[0], &b[0]);
    struct acrobot s2 = acrobot_along(s, s1, a[0], b[0], dt / 2);
    acrobot_accelerate(s2, torque, &a[1], &b[1]);
    struct acrobot s3 = acrobot_along(s, s2, a[1], b[1], dt / 2);
    acrobot_accelerate(s3, torque, &a[2], &b[2]);
    struct acrobot s4 = acrobot_along(s, s3, a[2], b[2], dt);
    acrobot_accelerate(s4, torque, &a[3], &b[3]);
    s.a += dt / 6 * (s1.a_dot + 2 * s2.a_dot + 2 * s3.a_dot + s4.a_dot);
    s.b += dt / 6 * (s1.b_dot + 2 * s2.b_dot + 2 * s3.b_dot + s4.b_dot);
    s.a_dot += dt / 6 * (a[0] + 2 * a[1] + 2 * a[2] + a[3]);
    s.b_dot += dt / 6 * (b[0] + 2 * b[1] + 2 * b[2] + b[3]);
    s.a = env_wrap_angle(s.a);
    s.b = env_wrap_angle(s.b);
    s.a_dot = env_clip(s.a_dot, -a_limit, a_limit);
    s.b_dot = env_clip(s.b_dot, -b_limit, b_limit);
    s.steps++;
    uint8_t above = (uint8_t)(-env_cos(s.a) - env_cos(s.a + s.b) > 1.0f);
    *reward = above ? 0.0f : -1.0f;
    *terminated = above;
    *truncated = (uint8_t)(s.steps >= ACROBOT_MAX_STEPS);
    return s;
}

/* observation: [6] */
HD static inline void acrobot_observe(const struct env_rules *rules, struct acrobot s, float *observation) {
    (void)rules;
    observation[0] = env_cos(s.a);
    observation[1] = env_sin(s.a);
    observation[2] = env_cos(s.b);
    observation[3] = env_sin(s.b);
    observation[4] = s.a_dot;
    observation[5] = s.b_dot;
}

#endif
