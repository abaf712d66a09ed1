/* When to resign: a threshold calibrated on games that were played out (AlphaGo Zero, Methods, "Self-play":
 * fewer than 5% false positives, measured on the 10% of games in which nobody may resign). */
#ifndef SEARCH_RESIGN_H
#define SEARCH_RESIGN_H

enum { RESIGN_HISTORY = 1000, RESIGN_FIRST = 20 }; /* games remembered; games needed before anybody resigns */

/* Of one played-out game: the lowest values that a player saw who lost in the end, and that one saw who did
 * not (of a draw: the lower of both, and 1 for the loser, whom there is not). */
struct resign_game {
    float loser, other;
};

struct resign_history {
    int count, next; /* ring: games[0 .. count), `next` is overwritten next */
    struct resign_game games[RESIGN_HISTORY];
};

void resign_add(struct resign_history *h, struct resign_game game);

/* The highest threshold of at most `ceiling` at which no more than `share` of the resignations in the history
 * would have been false: by a player who did not lose. A player resigns below it. -1, never, while the
 * history is short. */
float resign_threshold(const struct resign_history *h, float ceiling, float share);

#endif
