/* CartPole with its velocities hidden: an agent must remember to balance the pole. The rules are CartPole's.
 *
 *   observation    position, angle
 */
#ifndef ENV_CARTPOLE_HIDDEN_H
#define ENV_CARTPOLE_HIDDEN_H

#include "env/cartpole.h"

enum { CARTPOLE_HIDDEN_FEATURES = 2 };

#define cartpole_hidden       cartpole
#define cartpole_hidden_reset cartpole_reset
#define cartpole_hidden_step  cartpole_step

/* observation: [2] */
HD static inline void cartpole_hidden_observe(const struct env_rules *rules, struct cartpole s,
                                              float *observation) {
    (void)rules;
    observation[0] = s.x;
    observation[1] = s.theta;
}

#endif
