/* A side of a match as the user names it:
 *
 *     FILE.h5            a network with tree search (a weights file, a checkpoint or a run directory)
 *     policy:FILE        the same network without search: its most likely move
 *     untrained:FILE     the same architecture with fresh weights, with search (policy:untrained:FILE:
 * without) uniform            tree search that knows nothing: every move equally likely, every position even
 *     random             any legal move; random:gentle does not fill its own eyes
 *     gtp:COMMAND        an outside engine
 *
 * Holds what all its players share (the network); each of a match's workers gets a player of its own. */
#ifndef PLAY_CONTESTANT_H
#define PLAY_CONTESTANT_H

#include "tengen/player.h"

enum contestant_kind { CONTESTANT_NETWORK, CONTESTANT_UNIFORM, CONTESTANT_RANDOM, CONTESTANT_GTP };

struct contestant {
    enum contestant_kind kind;
    bool policy, untrained, gentle;
    const char *argument; /* file or command, a part of the spec */
    char name[128];
    struct net *net;
    struct game *game; /* the network's */
    struct device *device;
};

/* Reads a spec, which must outlive the contestant; an unknown word is an error that lists the forms. */
enum status contestant_parse(struct contestant *c, const char *spec) MUST_USE;
/* Loads the network, if it is one. seed: of fresh weights. overrides: as for net_load. */
enum status contestant_load(struct contestant *c, struct device *device, uint64_t seed,
                            const char *const *overrides, int override_count) MUST_USE;
/* A player; `g` is the match's game, of the shape the network knows (else an error). */
enum status contestant_player(const struct contestant *c, const struct game *g,
                              const struct player_options *options, struct player *out) MUST_USE;
void contestant_free(struct contestant *c);

#endif
