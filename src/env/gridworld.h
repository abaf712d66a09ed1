/* The grid world of the Q-learning lesson: a robot on a grid looks for the end. env.map draws the grid, rows
 * parted by `/`:
 *
 *     S the start, one of them   M mine    # wall
 *     E the end                  P power   . nothing
 *
 *   actions        0: up, 1: right, 2: down, 3: left; into a wall or the border: stay
 *   observation    one-hot over the cells
 *   reward         -1 a step; besides, on entering a mine -100, power +1 (each time), the end +100
 *   terminated     on a mine, at the end
 *   truncated      after 200 steps
 */
#ifndef ENV_GRIDWORLD_H
#define ENV_GRIDWORLD_H

#include <stdbool.h>

#include "env/rules.h"

enum { GRIDWORLD_ACTIONS = 4, GRIDWORLD_MAX_STEPS = 200 };

struct gridworld {
    int32_t cell;
    int32_t steps; /* of this episode */
};

HD static inline struct gridworld gridworld_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rng;
    struct gridworld s = {rules->start, 0};
    return s;
}

HD static inline struct gridworld gridworld_step(const struct env_rules *rules, struct gridworld s,
                                                 struct rng *rng, int32_t action, float *reward,
                                                 uint8_t *terminated, uint8_t *truncated) {
    (void)rng;
    int32_t row = s.cell / rules->columns + (action == 2) - (action == 0);
    int32_t column = s.cell % rules->columns + (action == 1) - (action == 3);
    bool inside = row >= 0 && row < rules->rows && column >= 0 && column < rules->columns;
    int32_t next = inside ? row * rules->columns + column : s.cell;
    if (rules->map[next] != '#') s.cell = next;
    s.steps++;
    uint8_t cell = rules->map[s.cell];
    *reward = -1.0f + (cell == 'M' ? -100.0f : cell == 'P' ? 1.0f : cell == 'E' ? 100.0f : 0.0f);
    *terminated = cell == 'M' || cell == 'E';
    *truncated = s.steps >= GRIDWORLD_MAX_STEPS;
    return s;
}

/* observation: [rows, columns] */
HD static inline void gridworld_observe(const struct env_rules *rules, struct gridworld s,
                                        float *observation) {
    for (int32_t cell = 0; cell < rules->rows * rules->columns; cell++)
        observation[cell] = cell == s.cell ? 1.0f : 0.0f;
}

#endif
