/* The random player: what everything must beat, and what tests play with. */
#include <stdio.h>

#include "gentle.h"
#include "tengen/mem.h"
#include "tengen/player.h"

struct random_player {
    const struct game *game;
    uint64_t seed;
    bool gentle;
    struct rng rng;
};

static enum status random_start(struct player *p, const struct game *g) {
    struct random_player *rp = p->state;
    rp->game = g;
    rp->rng = rng_make(rp->seed, RNG_EVAL, p->game);
    return STATUS_OK;
}

static int any_legal(const struct game *g, const void *position, struct rng *rng) {
    uint8_t legal[GAME_ACTIONS_MAX];
    int count = g->legal(g, position, legal);
    ENSURE(count > 0, "no move to choose: the game has ended");
    int left = (int)rng_below(rng, (uint32_t)count), a = 0;
    while (!legal[a] || left-- > 0)
        a++;
    return a;
}

static enum status random_choose(struct player *p, const void *position, int *action) {
    struct random_player *rp = p->state;
    *action = rp->gentle ? gentle_move(rp->game, position, true, &rp->rng)
                         : any_legal(rp->game, position, &rp->rng);
    return STATUS_OK;
}

static enum status random_played(struct player *p, int action) {
    (void)p, (void)action;
    return STATUS_OK;
}

static void random_close(struct player *p) {
    mem_free(p->state);
    p->state = NULL;
}

enum status player_random(uint64_t seed, bool gentle, struct player *out) {
    struct random_player *rp = MEM_NEW(struct random_player, 1);
    rp->seed = seed;
    rp->gentle = gentle;
    *out = (struct player){.state = rp,
                           .start = random_start,
                           .choose = random_choose,
                           .played = random_played,
                           .close = random_close};
    snprintf(out->name, sizeof out->name, "%s", gentle ? "random:gentle" : "random");
    return STATUS_OK;
}
