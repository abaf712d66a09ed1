/* The text of one SGF game tree into a struct sgf_game. Inside of src/game/sgf*.c. */
#ifndef GAME_SGF_PARSE_H
#define GAME_SGF_PARSE_H

#include "tengen/sgf.h"

enum sgf_verdict {
    SGF_GOOD,
    SGF_UNUSABLE, /* a whole game tree, but not one we can use: reading goes on behind it */
    SGF_BROKEN,   /* the brackets do not match: where the next game begins must be looked for */
};

/* A game under construction; the arrays are kept from game to game. */
struct sgf_builder {
    struct sgf_game game;
    int setup_room, move_room;
    int rows, columns; /* SZ */
    int first_player;  /* PL; -1: absent */
    bool wide;         /* CA names an encoding whose second bytes may look like brackets */
    char reason[200];  /* of a verdict that is not SGF_GOOD */
};

/* `*at` stands on the '(' of a game; it is moved behind it. */
enum sgf_verdict sgf_parse_game(const char **at, const char *end, struct sgf_builder *b);
void sgf_builder_free(struct sgf_builder *b);

/* Whether a game begins at `at`: '(' and ';', white space between. With `root`, the node must also begin with
 * a property that only the root of a game has. */
bool sgf_game_begins(const char *at, const char *end, bool root);

#endif
