/* MinAtar's Breakout: a paddle bounces a ball into three rows of bricks.
 *
 *   channels       paddle, ball, trail (where the ball was), brick
 *   actions        left and right move the paddle
 *   reward         1 a brick
 *   terminated     the ball passes the paddle
 *
 * The ball moves along diagonals. It breaks one brick at a time: in the step after one it flies through
 * others. When all are broken they stand again once the ball comes down.
 */
#ifndef ENV_BREAKOUT_H
#define ENV_BREAKOUT_H

#include "env/minatar.h"

enum { BREAKOUT_CHANNELS = 4, BREAKOUT_FIRST_ROW = 1, BREAKOUT_ROWS = 3, BREAKOUT_FULL = (1 << 30) - 1 };

struct breakout {
    int32_t last_action, steps;
    int32_t paddle; /* column, in the lowest row */
    int32_t ball_x, ball_y, last_x, last_y;
    int32_t dx, dy; /* of the ball: -1 or 1 */
    int32_t bricks; /* a bit each, row by row from BREAKOUT_FIRST_ROW on */
    int32_t struck; /* the last step met a brick */
};

HD static inline struct breakout breakout_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    bool right = rng_below(rng, 2) != 0;
    struct breakout s = {.paddle = 4, .ball_y = 3, .last_y = 3, .dy = 1, .bricks = BREAKOUT_FULL};
    s.ball_x = s.last_x = right ? MINATAR_SIDE - 1 : 0;
    s.dx = right ? -1 : 1;
    return s;
}

/* The bit of the brick at a place; 0 where none can be. */
HD static inline int32_t breakout_brick(int32_t y, int32_t x) {
    int32_t row = y - BREAKOUT_FIRST_ROW;
    return row >= 0 && row < BREAKOUT_ROWS ? 1 << (row * MINATAR_SIDE + x) : 0;
}

HD static inline struct breakout breakout_step(const struct env_rules *rules, struct breakout s,
                                               struct rng *rng, int32_t action, float *reward,
                                               uint8_t *terminated, uint8_t *truncated) {
    action = s.last_action = minatar_action(rules, rng, s.last_action, action);
    *reward = 0.0f;
    *terminated = 0;
    *truncated = ++s.steps >= MINATAR_MAX_STEPS;
    s.paddle = minatar_aside(s.paddle, action);
    s.last_x = s.ball_x;
    s.last_y = s.ball_y;
    int32_t x = s.ball_x + s.dx, y = s.ball_y + s.dy, struck = 0;
    if (x < 0 || x >= MINATAR_SIDE) {
        x = s.ball_x;
        s.dx = -s.dx;
    }
    if (y < 0) {
        y = 0;
        s.dy = 1;
    } else if (s.bricks & breakout_brick(y, x)) {
        struck = 1;
        if (!s.struck) {
            *reward = 1.0f;
            s.bricks &= ~breakout_brick(y, x);
            y = s.ball_y;
            s.dy = -s.dy;
        }
    } else if (y == MINATAR_SIDE - 1) {
        if (s.bricks == 0) s.bricks = BREAKOUT_FULL;
        bool above = s.ball_x == s.paddle;
        if (above || x == s.paddle) { /* met beside its middle the ball returns where it came from */
            y = s.ball_y;
            s.dy = -s.dy;
            if (!above) s.dx = -s.dx;
        } else {
            *terminated = 1;
        }
    }
    s.struck = struck;
    s.ball_x = x;
    s.ball_y = y;
    return s;
}

/* observation: [10, 10, 4] */
HD static inline void breakout_observe(const struct env_rules *rules, struct breakout s,
                                       uint8_t *observation) {
    (void)rules;
    memset(observation, 0, MINATAR_CELLS * BREAKOUT_CHANNELS);
    minatar_paint(observation, BREAKOUT_CHANNELS, MINATAR_SIDE - 1, s.paddle, 0);
    minatar_paint(observation, BREAKOUT_CHANNELS, s.ball_y, s.ball_x, 1);
    minatar_paint(observation, BREAKOUT_CHANNELS, s.last_y, s.last_x, 2);
    for (int32_t i = 0; i < BREAKOUT_ROWS * MINATAR_SIDE; i++)
        if (s.bricks >> i & 1)
            minatar_paint(observation, BREAKOUT_CHANNELS, BREAKOUT_FIRST_ROW + i / MINATAR_SIDE,
                          i % MINATAR_SIDE, 3);
}

#endif
