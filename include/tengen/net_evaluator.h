/* A network as search's evaluator. Lanes share the net's weights and evaluate at the same time, each with a
 * queue and an inference plan of its own. */
#ifndef TENGEN_NET_EVALUATOR_H
#define TENGEN_NET_EVALUATOR_H

#include "tengen/net.h"
#include "tengen/search.h"

/* The net has an "observation" input of the game's planes and outputs "policy" and "value". threads: of each
 * lane's queue (1: it runs in its caller; 0: all of the device's, for a single lane). */
enum status net_evaluator_create(const struct game *g, struct net *net, struct device *device, int lanes,
                                 int threads, int batch, enum precision precision,
                                 struct evaluator **out) MUST_USE;
void net_evaluator_free(struct evaluator *e);
/* Waits for the lanes, up to one whose device has failed since the last call, which evaluations do not
 * report. */
enum status net_evaluator_wait(struct evaluator *e) MUST_USE;

/* A net rebuilt from a weights file or checkpoint (its [game] and [net] sections and its /net group), with
 * its game: what `tengen gtp --weights` and `tengen match` load. The caller frees both. overrides:
 * "game.komi=7" and so on; a board size that the network does not know is an error. */
enum status net_load(const char *path, struct device *device, const char *const *overrides,
                     int override_count, struct game **game, struct net **net) MUST_USE;

#endif
