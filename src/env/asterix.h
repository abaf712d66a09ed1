/* MinAtar's Asterix: collect the gold that comes along eight rows, and avoid the enemies.
 *
 *   channels       player, enemy, trail (behind a thing that moves), gold
 *   actions        left, up, right, down
 *   reward         1 a piece of gold
 *   terminated     an enemy meets the player
 *
 * Every now and then a thing enters a free row from the left or the right; one of three is gold. With ramping
 * things come sooner and move faster every hundred steps or so.
 */
#ifndef ENV_ASTERIX_H
#define ENV_ASTERIX_H

#include "env/minatar.h"

enum {
    ASTERIX_CHANNELS = 4,
    ASTERIX_ROWS = 8,         /* 1 to 8 */
    ASTERIX_SPAWN_SPEED = 10, /* steps between arrivals at first */
    ASTERIX_MOVE_SPEED = 5,   /* and between moves of the things */
    ASTERIX_RAMP = 100,
};

struct asterix {
    int32_t last_action, steps;
    int32_t x, y;                    /* the player */
    int32_t thing_x[ASTERIX_ROWS];   /* one a row */
    int32_t direction[ASTERIX_ROWS]; /* -1 or 1; 0: the row is free */
    int32_t gold;                    /* a bit a row */
    int32_t spawn_speed, spawn_timer;
    int32_t move_speed, move_timer;
    int32_t ramp_timer, ramps;
};

HD static inline struct asterix asterix_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    (void)rng;
    struct asterix s = {.x = 5,
                        .y = 5,
                        .spawn_speed = ASTERIX_SPAWN_SPEED,
                        .spawn_timer = ASTERIX_SPAWN_SPEED,
                        .move_speed = ASTERIX_MOVE_SPEED,
                        .move_timer = ASTERIX_MOVE_SPEED,
                        .ramp_timer = ASTERIX_RAMP};
    return s;
}

/* A thing enters one of the free rows, if there is any. */
HD static inline void asterix_spawn(struct asterix *s, struct rng *rng) {
    bool from_left = rng_uniform(rng) < 0.5f, gold = rng_uniform(rng) < 1.0f / 3;
    uint32_t free = 0;
    for (int i = 0; i < ASTERIX_ROWS; i++)
        free += s->direction[i] == 0;
    if (free == 0) return;
    uint32_t which = rng_below(rng, free);
    int row = 0;
    while (s->direction[row] != 0 || which-- > 0)
        row++;
    s->thing_x[row] = from_left ? 0 : MINATAR_SIDE - 1;
    s->direction[row] = from_left ? 1 : -1;
    s->gold = (s->gold & ~(1 << row)) | gold << row;
}

/* What happens where the thing of a row meets the player: it is collected, or an enemy. */
HD static inline void asterix_meet(struct asterix *s, int row, float *reward, uint8_t *terminated) {
    if (s->direction[row] == 0 || s->thing_x[row] != s->x || row + 1 != s->y) return;
    if (s->gold >> row & 1) {
        s->direction[row] = 0;
        *reward += 1.0f;
    } else {
        *terminated = 1;
    }
}

HD static inline void asterix_ramp(struct asterix *s) {
    if (s->spawn_speed == 1 && s->move_speed == 1) return;
    if (s->ramp_timer-- >= 0) return;
    if (s->move_speed > 1 && s->ramps % 2) s->move_speed--;
    if (s->spawn_speed > 1) s->spawn_speed--;
    s->ramps++;
    s->ramp_timer = ASTERIX_RAMP;
}

HD static inline struct asterix asterix_step(const struct env_rules *rules, struct asterix s, struct rng *rng,
                                             int32_t action, float *reward, uint8_t *terminated,
                                             uint8_t *truncated) {
    action = s.last_action = minatar_action(rules, rng, s.last_action, action);
    *reward = 0.0f;
    *terminated = 0;
    *truncated = ++s.steps >= MINATAR_MAX_STEPS;
    if (s.spawn_timer == 0) {
        asterix_spawn(&s, rng);
        s.spawn_timer = s.spawn_speed;
    }
    s.x = minatar_aside(s.x, action);
    s.y = minatar_clip(s.y + (action == MINATAR_DOWN) - (action == MINATAR_UP), 1, ASTERIX_ROWS);
    for (int row = 0; row < ASTERIX_ROWS; row++)
        asterix_meet(&s, row, reward, terminated);
    if (s.move_timer == 0) {
        s.move_timer = s.move_speed;
        for (int row = 0; row < ASTERIX_ROWS; row++) {
            s.thing_x[row] += s.direction[row];
            if (s.thing_x[row] < 0 || s.thing_x[row] >= MINATAR_SIDE) s.direction[row] = 0;
            asterix_meet(&s, row, reward, terminated);
        }
    }
    s.spawn_timer--;
    s.move_timer--;
    if (rules->ramping) asterix_ramp(&s);
    return s;
}

/* observation: [10, 10, 4] */
HD static inline void asterix_observe(const struct env_rules *rules, struct asterix s, uint8_t *observation) {
    (void)rules;
    memset(observation, 0, MINATAR_CELLS * ASTERIX_CHANNELS);
    minatar_paint(observation, ASTERIX_CHANNELS, s.y, s.x, 0);
    for (int32_t row = 0; row < ASTERIX_ROWS; row++) {
        int32_t behind = s.thing_x[row] - s.direction[row];
        if (s.direction[row] == 0) continue;
        minatar_paint(observation, ASTERIX_CHANNELS, row + 1, s.thing_x[row], s.gold >> row & 1 ? 3 : 1);
        if (behind >= 0 && behind < MINATAR_SIDE)
            minatar_paint(observation, ASTERIX_CHANNELS, row + 1, behind, 2);
    }
}

#endif
