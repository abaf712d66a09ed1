/* A network as a player: tree search that keeps the useful part of its tree from move to move, or the raw
 * policy. */
#include <stdio.h>

#include "tengen/mem.h"
#include "thinker.h"

struct network_player {
    struct thinker thinker;
    struct rng rng;
    void *position; /* the game's start */
};

static enum status network_start(struct player *p, const struct game *g) {
    struct network_player *np = p->state;
    if (g != np->thinker.game) return status_fail(STATUS_USAGE, "%s was made for another game", p->name);
    np->rng = rng_make(np->thinker.options.seed, RNG_EVAL, p->game);
    g->start(g, np->position);
    thinker_reset(&np->thinker, np->position);
    return STATUS_OK;
}

static enum status network_choose(struct player *p, const void *position, int *action) {
    struct network_player *np = p->state;
    *action = thinker_choose(&np->thinker, position, &np->rng);
    return STATUS_OK;
}

static enum status network_played(struct player *p, int action) {
    struct network_player *np = p->state;
    thinker_advance(&np->thinker, action);
    return STATUS_OK;
}

static void network_close(struct player *p) {
    struct network_player *np = p->state;
    if (!np) return;
    thinker_free(&np->thinker);
    position_free(np->position);
    mem_free(np);
    p->state = NULL;
}

enum status player_network(const struct game *g, struct net *net, struct device *device,
                           const struct player_options *options, const char *name, struct player *out) {
    struct network_player *np = MEM_NEW(struct network_player, 1);
    *out = (struct player){.state = np,
                           .start = network_start,
                           .choose = network_choose,
                           .played = network_played,
                           .close = network_close};
    snprintf(out->name, sizeof out->name, "%s", name);
    np->position = position_create(g);
    enum status s = thinker_init(&np->thinker, g, net, device, options, false);
    if (s != STATUS_OK) network_close(out);
    return s;
}
