/* MinAtar's Freeway: a chicken crosses eight lanes of cars.
 *
 *   channels       chicken, car, and where a car was, by its speed: one step in 1, 2, 3, 4, 5
 *   actions        up and down, once in three steps
 *   reward         1 on the other side; the chicken then starts again, and the cars change their speeds
 *   terminated     after 2500 steps and one
 *
 * A car that meets the chicken sends it back to the start.
 */
#ifndef ENV_FREEWAY_H
#define ENV_FREEWAY_H

#include "env/minatar.h"

enum {
    FREEWAY_CHANNELS = 7,
    FREEWAY_CARS = 8, /* in rows 1 to 8 */
    FREEWAY_SPEEDS = 5,
    FREEWAY_COLUMN = 4, /* of the chicken */
    FREEWAY_MOVE = 3,   /* steps between moves of the chicken */
    FREEWAY_TIME = 2500,
};

struct freeway {
    int32_t last_action, steps;
    int32_t chicken; /* row */
    int32_t move_timer, time;
    int32_t x[FREEWAY_CARS], period[FREEWAY_CARS] /* steps a move; its sign is the direction */,
        timer[FREEWAY_CARS];
};

HD static inline void freeway_change_speeds(struct freeway *s, struct rng *rng) {
    for (int i = 0; i < FREEWAY_CARS; i++)
        s->timer[i] = 1 + (int32_t)rng_below(rng, FREEWAY_SPEEDS);
    for (int i = 0; i < FREEWAY_CARS; i++)
        s->period[i] = rng_uniform(rng) < 0.5f ? -s->timer[i] : s->timer[i];
}

HD static inline struct freeway freeway_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    struct freeway s = {.chicken = MINATAR_SIDE - 1, .move_timer = FREEWAY_MOVE, .time = FREEWAY_TIME};
    freeway_change_speeds(&s, rng);
    return s;
}

/* The column ahead of x (`by` 1) or behind it (-1) for a car of that period. */
HD static inline int32_t freeway_column(int32_t x, int32_t period, int32_t by) {
    return (x + (period > 0 ? by : -by) + MINATAR_SIDE) % MINATAR_SIDE;
}

/* The car drives; whether it meets the chicken, before or after. */
HD static inline bool freeway_drive(struct freeway *s, int i) {
    bool beside = s->chicken == i + 1, met = beside && s->x[i] == FREEWAY_COLUMN;
    if (s->timer[i] > 0) {
        s->timer[i]--;
        return met;
    }
    s->timer[i] = s->period[i] > 0 ? s->period[i] : -s->period[i];
    s->x[i] = freeway_column(s->x[i], s->period[i], 1);
    return met || (beside && s->x[i] == FREEWAY_COLUMN);
}

HD static inline struct freeway freeway_step(const struct env_rules *rules, struct freeway s, struct rng *rng,
                                             int32_t action, float *reward, uint8_t *terminated,
                                             uint8_t *truncated) {
    action = s.last_action = minatar_action(rules, rng, s.last_action, action);
    *reward = 0.0f;
    *truncated = ++s.steps >= MINATAR_MAX_STEPS;
    if ((action == MINATAR_UP || action == MINATAR_DOWN) && s.move_timer == 0) {
        s.move_timer = FREEWAY_MOVE;
        s.chicken =
            minatar_clip(s.chicken + (action == MINATAR_DOWN) - (action == MINATAR_UP), 0, MINATAR_SIDE - 1);
    }
    if (s.chicken == 0) {
        *reward = 1.0f;
        freeway_change_speeds(&s, rng);
        s.chicken = MINATAR_SIDE - 1;
    }
    for (int i = 0; i < FREEWAY_CARS; i++)
        if (freeway_drive(&s, i)) s.chicken = MINATAR_SIDE - 1;
    s.move_timer -= s.move_timer > 0;
    s.time--;
    *terminated = s.time < 0;
    return s;
}

/* observation: [10, 10, 7] */
HD static inline void freeway_observe(const struct env_rules *rules, struct freeway s, uint8_t *observation) {
    (void)rules;
    memset(observation, 0, MINATAR_CELLS * FREEWAY_CHANNELS);
    minatar_paint(observation, FREEWAY_CHANNELS, s.chicken, FREEWAY_COLUMN, 0);
    for (int32_t i = 0; i < FREEWAY_CARS; i++) {
        int32_t speed = s.period[i] > 0 ? s.period[i] : -s.period[i];
        minatar_paint(observation, FREEWAY_CHANNELS, i + 1, s.x[i], 1);
        minatar_paint(observation, FREEWAY_CHANNELS, i + 1, freeway_column(s.x[i], s.period[i], -1),
                      1 + speed);
    }
}

#endif
