/* One game of a match, and what a match keeps of its games. Inside of src/play. */
#ifndef PLAY_MATCH_H
#define PLAY_MATCH_H

#include "tengen/player.h"

/* What became of one game. */
struct match_game {
    bool played; /* to its end, or forfeited */
    bool a_first;
    float share; /* of A: 1, 0.5, 0 */
    int forfeit; /* 0 nobody, 1 A, 2 B */
    int *actions, count, room;
    int player_moves; /* where the players took over from the opening */
    char result[32];  /* "B+3.5", "W+R", "0", "B+F" */
    char *text;       /* why it was forfeited, or which stones were taken off; NULL: nothing to say */
};

/* Plays game number `number`; a non-zero *stop is looked at between moves and leaves `out` unplayed. Errors
 * of players that are STATUS_PEER become a forfeit; others are returned. */
enum status match_game_play(const struct game *g, struct player *a, struct player *b,
                            const struct match_options *options, int number, bool (*stop)(void *context),
                            void *context, struct match_game *out) MUST_USE;
void match_game_free(struct match_game *mg);

#endif
