/* What the five games of MinAtar (Young and Tian 2019, "MinAtar: An Atari-Inspired Testbed for Thorough and
 * Reproducible Reinforcement Learning Experiments") share. The rules are written from the paper and from what
 * the reference does when it is played; tests hold them to its trajectories, draw by draw.
 *
 *   actions        0: none, 1: left, 2: up, 3: right, 4: down, 5: fire; in all games
 *   observation    [10, 10, channels] bytes, 255 where a thing of that channel is
 *   sticky         with probability env.sticky the last action is taken again; an episode begins with none
 *   ramping        env.ramping: some games grow harder within an episode
 *   truncated      after 10,000 steps; never by the reference, but who stays at Seaquest's surface lives for
 * ever
 */
#ifndef ENV_MINATAR_H
#define ENV_MINATAR_H

#include <stdbool.h>
#include <string.h>

#include "env/rules.h"

enum {
    MINATAR_SIDE = 10,
    MINATAR_CELLS = MINATAR_SIDE * MINATAR_SIDE,
    MINATAR_ACTIONS = 6,
    MINATAR_MAX_STEPS = 10000,
};

enum {
    MINATAR_NONE,
    MINATAR_LEFT,
    MINATAR_UP,
    MINATAR_RIGHT,
    MINATAR_DOWN,
    MINATAR_FIRE,
};

/* The action that is taken where `chosen` was chosen after `last`. */
HD static inline int32_t minatar_action(const struct env_rules *rules, struct rng *rng, int32_t last,
                                        int32_t chosen) {
    return rng_uniform(rng) < rules->sticky ? last : chosen;
}

HD static inline int32_t minatar_clip(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

/* One step to the left or right within the screen. */
HD static inline int32_t minatar_aside(int32_t x, int32_t action) {
    return minatar_clip(x + (action == MINATAR_RIGHT) - (action == MINATAR_LEFT), 0, MINATAR_SIDE - 1);
}

HD static inline void minatar_paint(uint8_t *observation, int32_t channels, int32_t y, int32_t x,
                                    int32_t channel) {
    observation[(y * MINATAR_SIDE + x) * channels + channel] = 255;
}

#endif
