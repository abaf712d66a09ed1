/* A run with its algorithm, and the config that both read: what training, evaluation and export begin with.
 */
#ifndef ALGO_SESSION_H
#define ALGO_SESSION_H

#include "tengen/algo.h"

struct session {
    const struct algo *algo;
    void *self;
    struct run run;
    struct config *config;
};

/* Finds the algorithm that the text names, binds its config and reads it: text from `where`, then overrides.
 */
enum status session_configure(struct session *s, const char *where, const char *text,
                              const char *const *overrides, int count) MUST_USE;
/* The same from a checkpoint or weights file. */
enum status session_configure_from(struct session *s, const char *path, const char *const *overrides,
                                   int count) MUST_USE;
/* Warns, in a line each, of settings that what was chosen (environment, game, network, optimiser) does not
 * use, or that others put out of use (struct algo_idle): of those in the text that was read from `where` and
 * of the overrides; `where` NULL: of overrides alone, since the text of a checkpoint holds every key. Returns
 * how many. */
int session_warn_unused(const struct session *s, const char *where);
/* Begins the self-check that the opened algorithm's [run] check_every asks for. */
enum status session_check_start(struct session *s) MUST_USE;
/* One iteration; fails also where the self-check has found a difference. */
enum status session_iterate(struct session *s) MUST_USE;
/* The state of a checkpoint (of a weights file: the weights) into an opened algorithm. */
enum status session_restore(struct session *s, const char *path) MUST_USE;
void session_close(struct session *s);

#endif
