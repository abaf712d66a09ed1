/* MinAtar's Space Invaders: a cannon shoots at aliens that come down and shoot back.
 *
 *   channels       cannon, alien, alien moving left, alien moving right, our bullet, their bullet
 *   actions        left and right move the cannon, fire shoots (every fifth step at most)
 *   reward         1 an alien
 *   terminated     a bullet or an alien meets the cannon, or aliens on the lowest row would go down
 *
 * Aliens step aside together, or at the border down and back; the fewer they are, the faster. Every tenth
 * step the lowest alien of the column nearest to the cannon shoots. When all are gone others come; with
 * ramping these are faster.
 */
#ifndef ENV_SPACE_INVADERS_H
#define ENV_SPACE_INVADERS_H

#include "env/minatar.h"

enum {
    SPACE_INVADERS_CHANNELS = 6,
    SPACE_INVADERS_SHOT = 5,        /* steps between shots of the cannon */
    SPACE_INVADERS_ALIEN_SHOT = 10, /* and of the aliens */
    SPACE_INVADERS_INTERVAL = 12,   /* steps between moves of the first aliens, at most */
    SPACE_INVADERS_LEAST = 6,       /* of the fastest */
    SPACE_INVADERS_ALIEN_ROWS = 4,
    SPACE_INVADERS_ALIEN_ROW = 0xFC, /* columns 2 to 7 */
};

/* Rows have a bit a column. */
struct space_invaders {
    int32_t last_action, steps;
    int32_t cannon; /* column, in the lowest row */
    uint32_t aliens[MINATAR_SIDE], bullets[MINATAR_SIDE], alien_bullets[MINATAR_SIDE];
    int32_t alien_dx; /* -1 or 1 */
    int32_t interval; /* between moves, at most */
    int32_t move_timer, alien_shot_timer, shot_timer;
};

HD static inline void space_invaders_line_up(struct space_invaders *s) {
    for (int y = 0; y < SPACE_INVADERS_ALIEN_ROWS; y++)
        s->aliens[y] = SPACE_INVADERS_ALIEN_ROW;
}

HD static inline struct space_invaders space_invaders_reset(const struct env_rules *rules, struct rng *rng) {
    (void)rules;
    (void)rng;
    struct space_invaders s = {.cannon = 5,
                               .alien_dx = -1,
                               .interval = SPACE_INVADERS_INTERVAL,
                               .move_timer = SPACE_INVADERS_INTERVAL,
                               .alien_shot_timer = SPACE_INVADERS_ALIEN_SHOT};
    space_invaders_line_up(&s);
    return s;
}

/* Returns whether the aliens have won. */
HD static inline bool space_invaders_move(struct space_invaders *s) {
    const uint32_t border = s->alien_dx < 0 ? 1 : 1 << (MINATAR_SIDE - 1);
    uint32_t columns = 0;
    int32_t count = 0;
    for (int y = 0; y < MINATAR_SIDE; y++) {
        columns |= s->aliens[y];
        for (int x = 0; x < MINATAR_SIDE; x++)
            count += s->aliens[y] >> x & 1;
    }
    s->move_timer = count < s->interval ? count : s->interval;
    if (!(columns & border)) {
        for (int y = 0; y < MINATAR_SIDE; y++)
            s->aliens[y] = s->alien_dx < 0 ? s->aliens[y] >> 1 : s->aliens[y] << 1;
        return false;
    }
    s->alien_dx = -s->alien_dx;
    uint32_t won = s->aliens[MINATAR_SIDE - 1];
    for (int y = MINATAR_SIDE - 1; y > 0; y--)
        s->aliens[y] = s->aliens[y - 1];
    s->aliens[0] = won; /* seen in the last observation */
    return won != 0;
}

/* The lowest alien of the nearest column shoots; of two columns as near, the left one's. */
HD static inline void space_invaders_shoot(struct space_invaders *s) {
    int32_t best_y = -1, best_x = 0, best_distance = MINATAR_SIDE;
    for (int32_t x = 0; x < MINATAR_SIDE; x++) {
        int32_t distance = x < s->cannon ? s->cannon - x : x - s->cannon, y = MINATAR_SIDE - 1;
        while (y >= 0 && !(s->aliens[y] >> x & 1))
            y--;
        if (y < 0 || distance >= best_distance) continue;
        best_y = y;
        best_x = x;
        best_distance = distance;
    }
    if (best_y >= 0) s->alien_bullets[best_y] |= 1u << best_x;
}

/* Bullets and aliens in one place are gone; how many aliens that are. */
HD static inline int32_t space_invaders_hits(struct space_invaders *s) {
    int32_t hits = 0;
    for (int y = 0; y < MINATAR_SIDE; y++) {
        uint32_t both = s->aliens[y] & s->bullets[y];
        s->aliens[y] ^= both;
        s->bullets[y] ^= both;
        for (; both; both &= both - 1)
            hits++;
    }
    return hits;
}

HD static inline struct space_invaders space_invaders_step(const struct env_rules *rules,
                                                           struct space_invaders s, struct rng *rng,
                                                           int32_t action, float *reward, uint8_t *terminated,
                                                           uint8_t *truncated) {
    const int lowest = MINATAR_SIDE - 1;
    action = s.last_action = minatar_action(rules, rng, s.last_action, action);
    *truncated = ++s.steps >= MINATAR_MAX_STEPS;
    s.cannon = minatar_aside(s.cannon, action);
    if (action == MINATAR_FIRE && s.shot_timer == 0) {
        s.bullets[lowest] |= 1u << s.cannon;
        s.shot_timer = SPACE_INVADERS_SHOT;
    }
    for (int y = 0; y < lowest; y++) {
        s.bullets[y] = s.bullets[y + 1];
        s.alien_bullets[lowest - y] = s.alien_bullets[lowest - y - 1];
    }
    s.bullets[lowest] = s.alien_bullets[0] = 0;
    bool lost = (s.alien_bullets[lowest] | s.aliens[lowest]) >> s.cannon & 1;
    if (s.move_timer == 0) lost |= space_invaders_move(&s);
    lost |= s.aliens[lowest] >> s.cannon & 1;
    if (s.alien_shot_timer == 0) {
        s.alien_shot_timer = SPACE_INVADERS_ALIEN_SHOT;
        space_invaders_shoot(&s);
    }
    *reward = (float)space_invaders_hits(&s);
    *terminated = lost;
    s.shot_timer -= s.shot_timer > 0;
    s.move_timer--;
    s.alien_shot_timer--;
    uint32_t any = 0;
    for (int y = 0; y < MINATAR_SIDE; y++)
        any |= s.aliens[y];
    if (!any) {
        if (rules->ramping && s.interval > SPACE_INVADERS_LEAST) s.interval--;
        space_invaders_line_up(&s);
    }
    return s;
}

/* observation: [10, 10, 6] */
HD static inline void space_invaders_observe(const struct env_rules *rules, struct space_invaders s,
                                             uint8_t *observation) {
    (void)rules;
    for (int32_t y = 0; y < MINATAR_SIDE; y++)
        for (int32_t x = 0; x < MINATAR_SIDE; x++, observation += SPACE_INVADERS_CHANNELS) {
            uint8_t alien = s.aliens[y] >> x & 1 ? 255 : 0;
            observation[0] = y == MINATAR_SIDE - 1 && x == s.cannon ? 255 : 0;
            observation[1] = alien;
            observation[2] = s.alien_dx < 0 ? alien : 0;
            observation[3] = s.alien_dx < 0 ? 0 : alien;
            observation[4] = s.bullets[y] >> x & 1 ? 255 : 0;
            observation[5] = s.alien_bullets[y] >> x & 1 ? 255 : 0;
        }
}

#endif
