/* The GTP engine (Go Text Protocol, version 2): what Go programs with a board talk to.
 *
 *     lines ─► gtp_line ─► command table ─► position, clock ─► thinker ─► answer
 *
 * One thread talks to an engine; thinking may use more. The network and the device stay the caller's. */
#ifndef TENGEN_GTP_H
#define TENGEN_GTP_H

#include <stdio.h>

#include "tengen/player.h"

struct gtp_options {
    struct player_options player; /* simulations, leaves, temperature, seed, threads */
    bool random;                  /* no search at all: gentle random moves */
    double seconds;               /* a move; 0: by simulations. A clock set by GTP may ask for less */
    double resign;                /* genmove resigns below this winrate, see gtp_resigns; 0: never */
    const char *version;          /* what `version` answers */
};

struct gtp;

/* An engine for `config`'s game, which must be Go. net NULL: a search that knows nothing (or random moves).
 * With a network other board sizes than config's are refused. */
enum status gtp_create(const struct game_config *config, struct net *net, struct device *device,
                       const struct gtp_options *options, struct gtp **out) MUST_USE;
void gtp_free(struct gtp *e);

/* Executes one line and writes its answer; false after `quit`. */
bool gtp_line(struct gtp *e, const char *line, FILE *out);
/* Reads lines from a descriptor until its end or `quit`. Analysis runs until the next line; "# interrupt"
 * ends the thinking of a genmove. */
enum status gtp_run(struct gtp *e, int input, FILE *out) MUST_USE;

#endif
