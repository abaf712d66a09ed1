/* MinAtar's Seaquest: a submarine shoots fish and submarines, saves divers, and comes up for air.
 *
 *   channels       our bow, our stern, our bullet, trail (behind a thing that moves), their bullet, fish,
 * their submarine, oxygen, divers on board, diver actions        left, up, right, down; fire ahead (every
 * fifth step at most) reward         1 a fish or submarine shot; on surfacing with six divers 1 for each
 * twentieth of a tank of 200 terminated     a fish, submarine or bullet meets us; no air left; surfacing
 * without a diver
 *
 * Surfacing fills the tank and sets a diver down. After six it sets down one that is not there: the next
 * diver only makes up for it, as in the reference. With ramping, enemies come sooner and move faster after
 * each time.
 */
#ifndef ENV_SEAQUEST_H
#define ENV_SEAQUEST_H

#include "env/minatar.h"

enum {
    SEAQUEST_CHANNELS = 10,
    SEAQUEST_LOWEST = 8, /* row; things swim in rows 1 to 8 */
    SEAQUEST_OXYGEN = 200,
    SEAQUEST_OXYGEN_CELL = SEAQUEST_OXYGEN / MINATAR_SIDE,
    SEAQUEST_DIVERS = 6,       /* a full boat */
    SEAQUEST_SHOT = 5,         /* steps between our shots */
    SEAQUEST_ENEMY_SHOT = 10,  /* and those of a submarine */
    SEAQUEST_SPAWN_SPEED = 20, /* steps between enemies at first */
    SEAQUEST_MOVE_SPEED = 5,   /* and between their moves; divers keep to it */
    SEAQUEST_FASTEST = 2,
    SEAQUEST_DIVER_SPEED = 30, /* steps between divers */
    /* At most one enemy a step, and 10 cells of 3 steps each. */
    SEAQUEST_ENEMIES_MAX = 32,
    SEAQUEST_DIVERS_MAX = 4, /* 10 cells of 6 steps, one in 30 */
    SEAQUEST_SCREEN = (1 << MINATAR_SIDE) - 1,
};

/* A fish, submarine or diver. */
struct seaquest_thing {
    int8_t x, y, dx; /* dx: -1 or 1 */
    int8_t timer;    /* steps to the next move */
    int8_t armed;    /* a submarine */
    int8_t shot_timer;
    int8_t unused[2];
};

struct seaquest {
    int32_t last_action, steps;
    int32_t x, y, dx; /* our bow; dx: -1 or 1, where it points */
    int32_t oxygen, divers_on_board, at_surface, shot_timer;
    int32_t spawn_speed, spawn_timer, move_speed, diver_timer, ramps;
    int32_t enemies, divers; /* in the arrays */
    /* Bullets that fly to the left and to the right; rows have a bit a column. */
    uint32_t bullets[2][MINATAR_SIDE], enemy_bullets[2][MINATAR_SIDE];
    struct seaquest_thing enemy[SEAQUEST_ENEMIES_MAX], diver[SEAQUEST_DIVERS_MAX]; /* oldest first */
};

HD static inline struct seaquest seaquest_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    (void)rng;
    struct seaquest s = {.x = 5,
                         .dx = -1,
                         .oxygen = SEAQUEST_OXYGEN,
                         .at_surface = 1,
                         .spawn_speed = SEAQUEST_SPAWN_SPEED,
                         .spawn_timer = SEAQUEST_SPAWN_SPEED,
                         .move_speed = SEAQUEST_MOVE_SPEED,
                         .diver_timer = SEAQUEST_DIVER_SPEED};
    return s;
}

/* Something new at the left or right border. */
HD static inline struct seaquest_thing seaquest_thing_enter(bool from_left, int32_t y, int32_t timer,
                                                            bool armed) {
    struct seaquest_thing t = {.x = (int8_t)(from_left ? 0 : MINATAR_SIDE - 1),
                               .y = (int8_t)y,
                               .dx = (int8_t)(from_left ? 1 : -1),
                               .timer = (int8_t)timer,
                               .armed = (int8_t)armed,
                               .shot_timer = SEAQUEST_ENEMY_SHOT};
    return t;
}

HD static inline void seaquest_thing_remove(struct seaquest_thing *things, int32_t *count, int32_t i) {
    for (--*count; i < *count; i++)
        things[i] = things[i + 1];
}

/* Nothing comes towards what is in its row. */
HD static inline void seaquest_spawn_enemy(struct seaquest *s, struct rng *rng) {
    bool from_left = rng_uniform(rng) < 0.5f, armed = rng_uniform(rng) < 1.0f / 3;
    int32_t y = 1 + (int32_t)rng_below(rng, SEAQUEST_LOWEST);
    for (int32_t i = 0; i < s->enemies; i++)
        if (s->enemy[i].y == y && (s->enemy[i].dx > 0) != from_left) return;
    if (s->enemies == SEAQUEST_ENEMIES_MAX) return; /* cannot be */
    s->enemy[s->enemies++] = seaquest_thing_enter(from_left, y, s->move_speed, armed);
}

HD static inline void seaquest_spawn_diver(struct seaquest *s, struct rng *rng) {
    bool from_left = rng_uniform(rng) < 0.5f;
    int32_t y = 1 + (int32_t)rng_below(rng, SEAQUEST_LOWEST);
    if (s->divers == SEAQUEST_DIVERS_MAX) return; /* cannot be */
    s->diver[s->divers++] = seaquest_thing_enter(from_left, y, SEAQUEST_MOVE_SPEED, false);
}

HD static inline void seaquest_steer(struct seaquest *s, int32_t action) {
    if (action == MINATAR_FIRE && s->shot_timer == 0) {
        s->bullets[s->dx > 0][s->y] |= 1u << s->x;
        s->shot_timer = SEAQUEST_SHOT;
    }
    s->x = minatar_aside(s->x, action);
    if (action == MINATAR_LEFT) s->dx = -1;
    if (action == MINATAR_RIGHT) s->dx = 1;
    s->y = minatar_clip(s->y + (action == MINATAR_DOWN) - (action == MINATAR_UP), 0, SEAQUEST_LOWEST);
}

HD static inline void seaquest_fly(uint32_t bullets[2][MINATAR_SIDE]) {
    for (int y = 0; y < MINATAR_SIDE; y++) {
        bullets[0][y] >>= 1;
        bullets[1][y] = bullets[1][y] << 1 & SEAQUEST_SCREEN;
    }
}

/* Takes a bullet away from a place; whether there was one. */
HD static inline bool seaquest_take_bullet(struct seaquest *s, int32_t y, int32_t x) {
    const uint32_t bit = 1u << x;
    for (int side = 0; side < 2; side++)
        if (s->bullets[side][y] & bit) {
            s->bullets[side][y] &= ~bit;
            return true;
        }
    return false;
}

/* Our bullets fly, and meet fish first, then submarines. */
HD static inline void seaquest_shoot(struct seaquest *s, float *reward) {
    seaquest_fly(s->bullets);
    for (int armed = 0; armed < 2; armed++)
        for (int32_t i = 0; i < s->enemies;) {
            const struct seaquest_thing *t = &s->enemy[i];
            if (t->armed != armed || !seaquest_take_bullet(s, t->y, t->x)) {
                i++;
                continue;
            }
            seaquest_thing_remove(s->enemy, &s->enemies, i);
            *reward += 1.0f;
        }
}

HD static inline bool seaquest_at(const struct seaquest *s, const struct seaquest_thing *t) {
    return t->x == s->x && t->y == s->y;
}

/* A step of a thing; whether it moved. */
HD static inline bool seaquest_swim(struct seaquest_thing *t, int32_t speed) {
    if (t->timer > 0) {
        t->timer--;
        return false;
    }
    t->timer = (int8_t)speed;
    t->x = (int8_t)(t->x + t->dx);
    return true;
}

HD static inline bool seaquest_is_outside(const struct seaquest_thing *t) {
    return t->x < 0 || t->x >= MINATAR_SIDE;
}

HD static inline void seaquest_move_divers(struct seaquest *s) {
    for (int32_t i = s->divers - 1; i >= 0; i--) {
        struct seaquest_thing *t = &s->diver[i];
        bool room = s->divers_on_board < SEAQUEST_DIVERS, saved = room && seaquest_at(s, t);
        if (!saved && seaquest_swim(t, SEAQUEST_MOVE_SPEED)) saved = room && seaquest_at(s, t);
        if (!saved && !seaquest_is_outside(t)) continue;
        s->divers_on_board += saved;
        seaquest_thing_remove(s->diver, &s->divers, i);
    }
}

/* The youngest first. */
HD static inline void seaquest_move_enemies(struct seaquest *s, int armed, float *reward,
                                            uint8_t *terminated) {
    for (int32_t i = s->enemies - 1; i >= 0; i--) {
        struct seaquest_thing *t = &s->enemy[i];
        if (t->armed != armed) continue;
        bool moved, gone = false;
        if (seaquest_at(s, t)) *terminated = 1;
        moved = seaquest_swim(t, s->move_speed);
        if (seaquest_is_outside(t)) {
            seaquest_thing_remove(s->enemy, &s->enemies, i);
            continue;
        }
        if (moved && seaquest_at(s, t)) {
            *terminated = 1;
        } else if (moved && seaquest_take_bullet(s, t->y, t->x)) {
            *reward += 1.0f;
            gone = true;
        }
        if (armed && t->shot_timer-- == 0) {
            t->shot_timer = SEAQUEST_ENEMY_SHOT;
            s->enemy_bullets[t->dx > 0][t->y] |= 1u << t->x;
        }
        if (gone) seaquest_thing_remove(s->enemy, &s->enemies, i);
    }
}

/* Whether one of their bullets is where we are. */
HD static inline bool seaquest_is_hit(const struct seaquest *s) {
    return (s->enemy_bullets[0][s->y] | s->enemy_bullets[1][s->y]) >> s->x & 1;
}

HD static inline void seaquest_surface(const struct env_rules *rules, struct seaquest *s, float *reward,
                                       uint8_t *terminated) {
    if (s->divers_on_board == 0) {
        *terminated = 1;
        return;
    }
    s->at_surface = 1;
    if (s->divers_on_board == SEAQUEST_DIVERS) {
        s->divers_on_board = 0;
        *reward += (float)(s->oxygen / SEAQUEST_OXYGEN_CELL);
    }
    s->oxygen = SEAQUEST_OXYGEN;
    s->divers_on_board--;
    if (!rules->ramping || (s->spawn_speed == 1 && s->move_speed == SEAQUEST_FASTEST)) return;
    if (s->move_speed > SEAQUEST_FASTEST && s->ramps % 2) s->move_speed--;
    if (s->spawn_speed > 1) s->spawn_speed--;
    s->ramps++;
}

HD static inline struct seaquest seaquest_step(const struct env_rules *rules, struct seaquest s,
                                               struct rng *rng, int32_t action, float *reward,
                                               uint8_t *terminated, uint8_t *truncated) {
    action = s.last_action = minatar_action(rules, rng, s.last_action, action);
    *reward = 0.0f;
    *terminated = 0;
    *truncated = ++s.steps >= MINATAR_MAX_STEPS;
    if (s.spawn_timer == 0) {
        seaquest_spawn_enemy(&s, rng);
        s.spawn_timer = s.spawn_speed;
    }
    if (s.diver_timer == 0) {
        seaquest_spawn_diver(&s, rng);
        s.diver_timer = SEAQUEST_DIVER_SPEED;
    }
    seaquest_steer(&s, action);
    seaquest_shoot(&s, reward);
    seaquest_move_divers(&s);
    seaquest_move_enemies(&s, 1, reward, terminated);
    if (seaquest_is_hit(&s)) *terminated = 1;
    seaquest_fly(s.enemy_bullets);
    if (seaquest_is_hit(&s)) *terminated = 1;
    seaquest_move_enemies(&s, 0, reward, terminated);
    s.spawn_timer -= s.spawn_timer > 0;
    s.diver_timer -= s.diver_timer > 0;
    s.shot_timer -= s.shot_timer > 0;
    if (s.oxygen <= 0) *terminated = 1;
    if (s.y > 0) {
        s.oxygen--;
        s.at_surface = 0;
    } else if (!s.at_surface) {
        seaquest_surface(rules, &s, reward, terminated);
    }
    return s;
}

/* A thing and its trail. */
HD static inline void seaquest_paint(uint8_t *observation, const struct seaquest_thing *t, int32_t channel) {
    int32_t behind = t->x - t->dx;
    minatar_paint(observation, SEAQUEST_CHANNELS, t->y, t->x, channel);
    if (behind >= 0 && behind < MINATAR_SIDE) minatar_paint(observation, SEAQUEST_CHANNELS, t->y, behind, 3);
}

/* observation: [10, 10, 10] */
HD static inline void seaquest_observe(const struct env_rules *rules, struct seaquest s,
                                       uint8_t *observation) {
    (void)rules;
    const int32_t last = MINATAR_SIDE - 1;
    memset(observation, 0, MINATAR_CELLS * SEAQUEST_CHANNELS);
    minatar_paint(observation, SEAQUEST_CHANNELS, s.y, s.x, 0);
    minatar_paint(observation, SEAQUEST_CHANNELS, s.y, minatar_clip(s.x - s.dx, 0, last), 1);
    for (int32_t x = 0; x < s.oxygen / SEAQUEST_OXYGEN_CELL; x++)
        minatar_paint(observation, SEAQUEST_CHANNELS, last, x, 7);
    for (int32_t i = 0; i < s.divers_on_board; i++)
        minatar_paint(observation, SEAQUEST_CHANNELS, last, last - 1 - i, 8);
    for (int32_t y = 0; y < MINATAR_SIDE; y++)
        for (int32_t x = 0; x < MINATAR_SIDE; x++) {
            if ((s.bullets[0][y] | s.bullets[1][y]) >> x & 1)
                minatar_paint(observation, SEAQUEST_CHANNELS, y, x, 2);
            if ((s.enemy_bullets[0][y] | s.enemy_bullets[1][y]) >> x & 1)
                minatar_paint(observation, SEAQUEST_CHANNELS, y, x, 4);
        }
    for (int32_t i = 0; i < s.enemies; i++)
        seaquest_paint(observation, &s.enemy[i], s.enemy[i].armed ? 6 : 5);
    for (int32_t i = 0; i < s.divers; i++)
        seaquest_paint(observation, &s.diver[i], 9);
}

#endif
