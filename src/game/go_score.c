/* Looking at a position of Go: stones, chains, and the area count. */
#include <string.h>

#include "game/go_board.h"

enum go_stone go_at(const struct game *g, const void *position, int point) {
    return (enum go_stone)(go_past(g->tables, position)[point] & 3);
}

void go_board(const struct game *g, const void *position, uint8_t *board) {
    const struct go_tables *t = g->tables;
    const uint16_t *past = go_past(t, position);
    for (int i = 0; i < t->points; i++)
        board[i] = (uint8_t)(past[i] & 3);
}

int go_chain_stones(const struct game *g, const void *position, int point) {
    const struct go_tables *t = g->tables;
    if (go_at(g, position, point) == GO_EMPTY) return 0;
    return go_stones(t, position)[go_head(t, position)[point]];
}

/* True liberties: the chain is walked and each empty point counted once. */
int go_liberties(const struct game *g, const void *position, int point) {
    const struct go_tables *t = g->tables;
    const uint16_t *past = go_past(t, position), *next = go_next(t, position);
    if (go_at(g, position, point) == GO_EMPTY) return 0;
    uint64_t counted[GO_WORDS_MAX] = {0};
    int count = 0, stone = point;
    do {
        for (int i = 0; i < 4; i++) {
            int q = t->neighbour[stone][i];
            if ((past[q] & 3) != GO_EMPTY || go_bit(counted, q)) continue;
            counted[q >> 6] |= 1ull << (q & 63);
            count++;
        }
        stone = next[stone];
    } while (stone != point);
    return count;
}

int go_captures(const struct game *g, const void *position, int player) {
    (void)g;
    return ((const struct go_position *)position)->captures[player];
}

int go_last_move(const struct game *g, const void *position) {
    (void)g;
    return ((const struct go_position *)position)->last;
}

uint64_t go_hash(const struct game *g, const void *position) {
    (void)g;
    return ((const struct go_position *)position)->hash;
}

/* ---- area ---- */

/* One connected region of empty points from `seed`: fills `region` with its points and tells whom it reaches,
 * as a set of 1 << enum go_stone. Its points are taken out of `open`. */
static int fill_region(const struct go_tables *t, const uint16_t *past, uint64_t *open, int seed,
                       int16_t *region, int *reached) {
    int count = 0, colours = 0;
    open[seed >> 6] &= ~(1ull << (seed & 63));
    region[count++] = (int16_t)seed;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 4; k++) {
            int q = t->neighbour[region[i]][k], colour = past[q] & 3;
            colours |= 1 << colour;
            if (colour != GO_EMPTY || !go_bit(open, q)) continue;
            open[q >> 6] &= ~(1ull << (q & 63));
            region[count++] = (int16_t)q;
        }
    }
    *reached = colours;
    return count;
}

float go_area(const struct game *g, const void *position, uint8_t *owner) {
    const struct go_tables *t = g->tables;
    const uint16_t *past = go_past(t, position);
    uint64_t open[GO_WORDS_MAX];
    int16_t region[GO_POINTS_MAX];
    int points = 0;
    memcpy(open, go_empty(t, position), (size_t)t->words * sizeof(uint64_t));
    for (int i = 0; i < t->points; i++) {
        int colour = past[i] & 3;
        points += (colour == GO_BLACK) - (colour == GO_WHITE);
        if (owner) owner[i] = (uint8_t)colour;
    }
    for (int i = 0; i < t->words; i++) {
        while (open[i]) {
            int reached,
                count = fill_region(t, past, open, i * 64 + __builtin_ctzll(open[i]), region, &reached);
            bool black = reached & 1 << GO_BLACK, white = reached & 1 << GO_WHITE;
            if (black == white) continue; /* reaches both, or the board is empty */
            points += black ? count : -count;
            for (int k = 0; owner && k < count; k++)
                owner[region[k]] = black ? GO_BLACK : GO_WHITE;
        }
    }
    return (float)points - t->komi;
}
