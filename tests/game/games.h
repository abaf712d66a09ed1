/* Games for tests, out of a few words. */
#ifndef TESTS_GAME_GAMES_H
#define TESTS_GAME_GAMES_H

#include "tengen/game.h"
#include "tengen/go.h"
#include "tengen/mem.h"
#include "tengen/rng.h"
#include "testing.h"

static inline struct game_config named_config(const char *name) {
    struct game_config config;
    config_defaults(game_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", name);
    return config;
}

static inline struct game *named_game(const char *name) {
    struct game_config config = named_config(name);
    struct game *g;
    assert_ok(game_create(&config, &g));
    return g;
}

static inline struct game *go_game(int size, float komi, const char *ko, bool suicide) {
    struct game_config config = named_config("go");
    struct game *g;
    config.size = size;
    config.komi = komi;
    config.suicide = suicide;
    snprintf(config.ko, sizeof config.ko, "%s", ko);
    assert_ok(game_create(&config, &g));
    return g;
}

/* One of the `count` legal actions marked in `legal`. */
static inline int pick_legal(struct rng *r, const uint8_t *legal, int count) {
    int left = (int)rng_below(r, (uint32_t)count), action = 0;
    for (;; action++)
        if (legal[action] && left-- == 0) return action;
}

#endif
