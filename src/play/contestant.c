#include "contestant.h"

#include <stdio.h>
#include <string.h>

#include "tengen/file.h"
#include "tengen/net_evaluator.h"
#include "tengen/run.h"

/* Steps over `prefix` if `*text` begins with it. */
static bool take(const char **text, const char *prefix) {
    size_t length = strlen(prefix);
    if (strncmp(*text, prefix, length) != 0) return false;
    *text += length;
    return true;
}

enum status contestant_parse(struct contestant *c, const char *spec) {
    *c = (struct contestant){.argument = spec};
    snprintf(c->name, sizeof c->name, "%s", spec);
    if (strcmp(spec, "random") == 0 || strcmp(spec, "random:gentle") == 0) {
        c->kind = CONTESTANT_RANDOM;
        c->gentle = strcmp(spec, "random") != 0;
        return STATUS_OK;
    }
    if (strcmp(spec, "uniform") == 0) {
        c->kind = CONTESTANT_UNIFORM;
        return STATUS_OK;
    }
    if (take(&c->argument, "gtp:")) {
        c->kind = CONTESTANT_GTP;
        if (!*c->argument)
            return status_fail(STATUS_USAGE, "gtp: needs a command, as in gtp:\"gnugo --mode gtp\"");
        return STATUS_OK;
    }
    c->kind = CONTESTANT_NETWORK;
    c->policy = take(&c->argument, "policy:");
    c->untrained = take(&c->argument, "untrained:");
    if (file_exists(c->argument)) return STATUS_OK;
    return status_fail(
        STATUS_USAGE,
        "%s: no such file, nor one of random, random:gentle, uniform, policy:FILE, untrained:FILE, "
        "gtp:COMMAND",
        c->argument);
}

enum status contestant_load(struct contestant *c, struct device *device, uint64_t seed,
                            const char *const *overrides, int override_count) {
    if (c->kind != CONTESTANT_NETWORK) return STATUS_OK;
    char path[1024];
    snprintf(path, sizeof path, "%s", c->argument);
    if (file_is_folder(c->argument)) TRY(run_find_checkpoint(c->argument, path, sizeof path));
    c->device = device;
    TRY(net_load(path, device, overrides, override_count, &c->game, &c->net));
    return c->untrained ? net_initialise(c->net, seed) : STATUS_OK;
}

static enum status check_shape(const struct contestant *c, const struct game *g) {
    const struct game *own = c->game;
    if (strcmp(own->name, g->name) == 0 && own->height == g->height && own->width == g->width &&
        own->planes == g->planes && own->actions == g->actions)
        return STATUS_OK;
    return status_fail(STATUS_USAGE, "%s plays %s on %dx%d, but this match is %s on %dx%d", c->argument,
                       own->name, own->width, own->height, g->name, g->width, g->height);
}

enum status contestant_player(const struct contestant *c, const struct game *g,
                              const struct player_options *options, struct player *out) {
    struct player_options o = *options;
    switch (c->kind) {
    case CONTESTANT_RANDOM:
        return player_random(o.seed, c->gentle, out);
    case CONTESTANT_GTP:
        return player_gtp(c->argument, &o, out);
    case CONTESTANT_UNIFORM:
        return player_network(g, NULL, NULL, &o, c->name, out);
    case CONTESTANT_NETWORK:
        break;
    }
    TRY(check_shape(c, g));
    if (c->policy) o.simulations = 0;
    return player_network(g, c->net, c->device, &o, c->name, out);
}

void contestant_free(struct contestant *c) {
    net_free(c->net);
    game_free(c->game);
    *c = (struct contestant){0};
}
