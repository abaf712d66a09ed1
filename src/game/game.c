/* The list of games, and what is common to them. */
#include "tengen/game.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "game/games.h"
#include "tengen/mem.h"

CONFIG_TABLE(game_config, GAME_CONFIG)

static const struct {
    const char *name;
    enum status (*init)(struct game *g);
    const char *settings;
} games[] = {
#define GAME(name, settings) {#name, game_init_##name, settings},
#include "game/games.def"
#undef GAME
};

enum { GAMES = sizeof games / sizeof games[0] };

int game_count(void) {
    return GAMES;
}

const char *game_name_at(int i) {
    ENSURE(i >= 0 && i < GAMES, "game %d of %d", i, GAMES);
    return games[i].name;
}

bool game_config_uses(const struct game_config *config, const char *key) {
    for (int i = 0; i < GAMES; i++)
        if (strcmp(config->name, games[i].name) == 0)
            return strcmp(key, "name") == 0 || config_lists(games[i].settings, key);
    return true;
}

static enum status unknown_game(const char *name) {
    const char *names[GAMES];
    for (int i = 0; i < GAMES; i++)
        names[i] = games[i].name;
    const char *nearest = config_nearest(name, names, GAMES);
    if (nearest)
        return status_fail(STATUS_USAGE, "no game named \"%s\"; did you mean \"%s\"?", name, nearest);
    char list[128];
    size_t used = 0;
    for (int i = 0; i < GAMES; i++)
        game_append(list, sizeof list, &used, "%s%s", i ? ", " : "", names[i]);
    return status_fail(STATUS_USAGE, "no game named \"%s\"; there are: %s", name, list);
}

/* A symmetry moves the point source[s][p] to p. */
static void make_encoding(struct game *g) {
    const int points = g->height * g->width;
    g->encoded_bytes = ((size_t)(points * g->planes) + 31) / 32 * 4;
    g->source = MEM_NEW(int32_t, g->symmetries * points);
    for (int s = 0; s < g->symmetries; s++)
        for (int p = 0; p < points; p++)
            g->source[s * points + game_symmetry_point(s, g->height, g->width, p)] = p;
}

enum status game_create(const struct game_config *config, struct game **out) {
    *out = NULL;
    for (int i = 0; i < GAMES; i++) {
        if (strcmp(config->name, games[i].name) != 0) continue;
        struct game *g = MEM_NEW(struct game, 1);
        g->name = games[i].name;
        g->config = *config;
        enum status status = games[i].init(g);
        if (status != STATUS_OK) {
            game_free(g);
            return status;
        }
        make_encoding(g);
        *out = g;
        return STATUS_OK;
    }
    return unknown_game(config->name);
}

void game_free(struct game *g) {
    if (!g) return;
    mem_free(g->tables);
    mem_free(g->source);
    mem_free(g);
}

void *position_create(const struct game *g) {
    void *position = mem_alloc(1, g->position_bytes);
    g->start(g, position);
    return position;
}

void position_free(void *position) {
    mem_free(position);
}

void game_append(char *text, size_t size, size_t *used, const char *format, ...) {
    if (*used >= size) return;
    va_list list;
    va_start(list, format);
    int length = vsnprintf(text + *used, size - *used, format, list);
    va_end(list);
    if (length > 0) *used += (size_t)length;
}
