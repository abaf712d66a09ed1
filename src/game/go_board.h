/* A position of Go in memory, shared by the go_*.c files.
 *
 * Points are row * size + column; index size^2 is a sentinel that stands for everything off the board, so
 * that every point has four neighbours. The arrays of a position depend on the size and follow the struct,
 * each `stride` entries long; the keys of earlier positions come last, so that a copy takes only those there
 * are.
 *
 * Liberties are pseudo-liberties: pairs of (stone of the chain, empty neighbour), so an empty point counts
 * once for each stone it touches. A chain has no liberty exactly when it has no pseudo-liberty, and its only
 * liberty is p exactly when it has as many pseudo-liberties as stones beside p; that is all the rules ask,
 * and it is kept up to date by additions alone, also when chains merge.
 */
#ifndef GAME_GO_BOARD_H
#define GAME_GO_BOARD_H

#include "tengen/go.h"

enum {
    GO_SIZE_MAX = 25,
    GO_POINTS_MAX = GO_SIZE_MAX * GO_SIZE_MAX,
    GO_EDGE = 3,
    GO_NONE = -1,
    GO_ROUND = 16
};
enum {
    GO_STRIDE_MAX = (GO_POINTS_MAX + GO_ROUND) / GO_ROUND * GO_ROUND,
    GO_WORDS_MAX = (GO_POINTS_MAX + 63) / 64
};

enum go_ko { GO_KO_SIMPLE, GO_KO_POSITIONAL, GO_KO_SITUATIONAL };

struct go_tables {
    int size, points, stride, words;
    int max_moves;
    float komi;
    bool suicide;
    enum go_ko ko;
    size_t fixed_bytes;                      /* of a position without keys */
    int16_t neighbour[GO_POINTS_MAX + 1][4]; /* the sentinel where the board ends */
    uint64_t zobrist[2][GO_POINTS_MAX + 1];  /* by player; the sentinel's entry is 0 */
    uint64_t zobrist_ko[GO_POINTS_MAX];
    uint64_t white_to_play, one_pass;
    uint64_t not_first_column[GO_WORDS_MAX], not_last_column[GO_WORDS_MAX];
    int16_t map[GAME_SYMMETRIES_MAX][GO_POINTS_MAX + 1]; /* where a point goes; pass stays */
};

struct go_position {
    uint64_t hash; /* Zobrist key of the stones */
    int32_t moves;
    int32_t key_count;
    int32_t captures[2]; /* stones taken by each player */
    int16_t ko;   /* the point where the single stone just taken stood, if it could be retaken; or GO_NONE */
    int16_t last; /* last action, or GO_NONE */
    uint8_t to_play; /* 0 or 1 */
    uint8_t passes;  /* in a row, at the end */
    uint8_t unused[2];
    /* then, see the accessors:
     * uint16_t past[stride]   the last eight boards, two bits each: enum go_stone now in bits 0-1, one move
     * ago in 2-3, ... uint16_t head[stride]   of a stone: the point that names its chain uint16_t
     * next[stride]   of a stone: the next one of its chain, in a circle uint16_t liberties[stride],
     * stones[stride]   of a chain's head uint64_t empty[words], used[words]   bit sets: empty points; points
     * that have ever been occupied uint64_t keys[key_count]   of all positions so far, for superko */
};

static inline uint16_t *go_array(const struct go_tables *t, const struct go_position *p, int i) {
    return (uint16_t *)(p + 1) + i * t->stride;
}
static inline uint16_t *go_past(const struct go_tables *t, const struct go_position *p) {
    return go_array(t, p, 0);
}
static inline uint16_t *go_head(const struct go_tables *t, const struct go_position *p) {
    return go_array(t, p, 1);
}
static inline uint16_t *go_next(const struct go_tables *t, const struct go_position *p) {
    return go_array(t, p, 2);
}
static inline uint16_t *go_libs(const struct go_tables *t, const struct go_position *p) {
    return go_array(t, p, 3);
}
static inline uint16_t *go_stones(const struct go_tables *t, const struct go_position *p) {
    return go_array(t, p, 4);
}
static inline uint64_t *go_empty(const struct go_tables *t, const struct go_position *p) {
    return (uint64_t *)go_array(t, p, 5);
}
static inline uint64_t *go_used(const struct go_tables *t, const struct go_position *p) {
    return go_empty(t, p) + t->words;
}
static inline uint64_t *go_keys(const struct go_tables *t, const struct go_position *p) {
    return go_used(t, p) + t->words;
}

static inline bool go_bit(const uint64_t *set, int point) {
    return set[point >> 6] >> (point & 63) & 1;
}

/* The four functions of the table that go_rules.c holds, and the start of a game. */
void go_start(const struct game *g, void *position);
int go_legal(const struct game *g, const void *position, uint8_t *legal);
bool go_is_legal(const struct game *g, const void *position, int action);
void go_play(const struct game *g, void *position, int action);
bool go_ended(const struct game *g, const void *position);

/* go_text.c */
void go_action_text(const struct game *g, int action, char *text, size_t size);
int go_action_parse(const struct game *g, const char *text);
void go_print(const struct game *g, const void *position, char *text, size_t size);

#endif
