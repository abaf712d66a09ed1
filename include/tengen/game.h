/* Games: rules only. No tensor, no network, no search in sight; they write into plain arrays.
 *
 * A `struct game` is one game with its parameters fixed (7x7 Go with komi 9). A position is a small plain
 * struct of game->position_bytes bytes, history included, that allocates nothing: copied by position_copy, so
 * that an undo is a copy kept from before. Players are 0 (moves first: black) and 1. Actions are 0 ..
 * actions-1. All functions are thread safe: a game is read-only after game_create.
 */
#ifndef TENGEN_GAME_H
#define TENGEN_GAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tengen/config.h"

enum { GAME_ACTIONS_MAX = 626, GAME_SYMMETRIES_MAX = 8 }; /* 25 x 25 and pass */

#define GAME_CONFIG(F, S)                                                                                    \
    F(S, string, name, "go", 0, 0, "a name in src/game/games.def: go, tictactoe, connect4")                  \
    F(S, int, size, 7, 2, 25, "go: points a side")                                                           \
    F(S, float, komi, 9, -1000, 1000, "go: added to white's score")                                          \
    F(S, bool, suicide, false, 0, 0,                                                                         \
      "go: whether suicide of several stones is allowed (never of one under superko)")                       \
    F(S, choice, ko, "positional", 0, 0,                                                                     \
      "simple | positional | situational; go: which repetitions are forbidden")                              \
    F(S, int, max_moves, 0, 0, 10000, "go: a game is scored as it stands after this many moves; 0: 2 size^2")
CONFIG_STRUCT(game_config, GAME_CONFIG)

/* Whether the game that is named there uses a setting. */
bool game_config_uses(const struct game_config *config, const char *key);

struct game {
    const char *name;
    struct game_config config;
    int height, width; /* of the board */
    int planes;        /* of the encoding, each 0 or 1 at every point */
    int actions;       /* Go: size^2 + 1, the last is pass; row by row from the top, columns from A */
    int max_moves;     /* no game is longer */
    int symmetries;    /* 8 for Go, 2 for Connect Four; symmetry 0 is the identity */
    size_t position_bytes;
    size_t encoded_bytes; /* of an encoding: a bit a point and plane, in whole 32-bit words */
    /* [symmetries, height * width] Where a point's planes come from: under symmetry s point p shows what the
     * encoding has at source[s][p]. What planes_forward (ops.def) takes. */
    int32_t *source;

    void (*start)(const struct game *g, void *position);
    void (*copy)(const struct game *g, void *to, const void *from); /* copies only the part in use */
    int (*to_play)(const struct game *g, const void *position);     /* 0 or 1 */
    int (*moves)(const struct game *g, const void *position);       /* played so far */
    /* legal[a] = 1 or 0 for every action; returns how many are legal: 0 exactly when the game has ended. */
    int (*legal)(const struct game *g, const void *position, uint8_t *legal);
    bool (*is_legal)(const struct game *g, const void *position, int action);
    void (*play)(const struct game *g, void *position, int action); /* a legal one: ENSUREd */
    bool (*ended)(const struct game *g, const void *position);
    /* Result for player 0 of an ended game: 1 win, 0 draw, -1 loss. For Go also of a game that has not ended,
     * scored as it stands (Tromp-Taylor). */
    float (*result)(const struct game *g, const void *position);
    /* Points by which player 0 wins (Go: area less komi); other games: the result. */
    float (*score)(const struct game *g, const void *position);
    /* The planes the network sees, relative to the player to move: plane c of point p is bit p * planes + c,
     * the lowest of a byte first; what is left of encoded_bytes is 0. Devices make numbers of them, under a
     * symmetry. What is no yes or no becomes several planes: one for each value (AlphaGo's 48 are such), or
     * one for each threshold it reaches. */
    void (*encode)(const struct game *g, const void *position, uint8_t *bits);
    /* Where an action goes under a symmetry: planes show under s at action_map(s, a) what they show at a
     * under none. */
    const int16_t *(*action_map)(const struct game *g, int symmetry);
    /* A number that is equal for positions with equal futures (as far as search cares): board, player, ko
     * state. */
    uint64_t (*key)(const struct game *g, const void *position);

    /* Text. Actions: "D4", "pass"; column letters without I for Go, "3" for a column of Connect Four. */
    void (*action_text)(const struct game *g, int action, char *text, size_t size);
    int (*action_parse)(const struct game *g, const char *text); /* -1 if it is none */
    void (*print)(const struct game *g, const void *position, char *text, size_t size);

    void *tables; /* the game's own, made by game_create: neighbours, symmetries */
};

/* An unknown name is an error that offers the nearest. */
enum status game_create(const struct game_config *config, struct game **out) MUST_USE;
void game_free(struct game *g);

/* Registered games, for help and for tests that hold for all of them. */
int game_count(void);
const char *game_name_at(int i);

/* Encoded positions for a network, each to be seen under a symmetry of its own. Owns nothing. */
struct game_batch {
    uint8_t *bits;     /* [n, encoded_bytes] */
    int32_t *symmetry; /* [n] */
};

/* The batch from position i on. */
static inline struct game_batch game_batch_from(const struct game *g, struct game_batch batch, int i) {
    return (struct game_batch){batch.bits + (size_t)i * g->encoded_bytes, batch.symmetry + i};
}

/* A position on the heap. */
void *position_create(const struct game *g);
void position_free(void *position);

#endif
