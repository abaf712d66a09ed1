/* Go written a second time, as plainly as can be, for the tests to hold the engine against: a board, all
 * boards before it, and a flood fill for every question. It shares nothing with src/game. */
#ifndef TESTS_GAME_GO_REFERENCE_H
#define TESTS_GAME_GO_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { REFERENCE_POINTS = 625, REFERENCE_MOVES = 1300 };
enum reference_ko { REFERENCE_SIMPLE, REFERENCE_POSITIONAL, REFERENCE_SITUATIONAL };

struct reference {
    int size, moves, max_moves, to_play, passes, captures[2];
    enum reference_ko ko;
    bool suicide;
    uint8_t board[REFERENCE_POINTS];                   /* 0 empty, 1 black, 2 white */
    uint8_t boards[REFERENCE_MOVES][REFERENCE_POINTS]; /* before each move */
    uint8_t players[REFERENCE_MOVES];                  /* who was to play there */
};

static inline int reference_neighbours(int size, int point, int out[4]) {
    int row = point / size, column = point % size, count = 0;
    if (row > 0) out[count++] = point - size;
    if (row < size - 1) out[count++] = point + size;
    if (column > 0) out[count++] = point - 1;
    if (column < size - 1) out[count++] = point + 1;
    return count;
}

/* Marks the points of one colour connected with `point`; returns how many. `touched` gets the colours beside
 * them as a set, `liberties` the number of empty points beside them. */
static inline int reference_fill(const uint8_t *board, int size, int point, bool *marked, int *touched,
                                 int *liberties) {
    int stack[REFERENCE_POINTS], depth = 0, count = 0;
    bool counted[REFERENCE_POINTS] = {false};
    *touched = *liberties = 0;
    memset(marked, 0, REFERENCE_POINTS * sizeof *marked);
    stack[depth++] = point;
    marked[point] = true;
    while (depth) {
        int at = stack[--depth], beside[4], n = reference_neighbours(size, at, beside);
        count++;
        for (int i = 0; i < n; i++) {
            int q = beside[i];
            *touched |= 1 << board[q];
            if (board[q] == 0 && !counted[q]) {
                counted[q] = true;
                ++*liberties;
            }
            if (board[q] == board[point] && !marked[q]) {
                marked[q] = true;
                stack[depth++] = q;
            }
        }
    }
    return count;
}

/* Takes the chain at `point` off if it has no liberty; returns its stones, or 0. */
static inline int reference_take(uint8_t *board, int size, int point) {
    bool marked[REFERENCE_POINTS];
    int touched, liberties, count = reference_fill(board, size, point, marked, &touched, &liberties);
    if (liberties) return 0;
    for (int i = 0; i < size * size; i++)
        if (marked[i]) board[i] = 0;
    return count;
}

/* Puts a stone and takes what dies; captures[0] by the player, captures[1] own stones in a suicide. */
static inline void reference_put(uint8_t *board, int size, int point, int player, int captures[2]) {
    int beside[4], n = reference_neighbours(size, point, beside);
    captures[0] = 0;
    board[point] = (uint8_t)(player + 1);
    for (int i = 0; i < n; i++)
        if (board[beside[i]] == 2 - player) captures[0] += reference_take(board, size, beside[i]);
    captures[1] = reference_take(board, size, point);
}

static inline bool reference_ended(const struct reference *r) {
    return r->passes >= 2 || r->moves >= r->max_moves;
}

/* A board may not come back: under positional superko any earlier one, under situational superko any with the
 * same player to move, under simple ko the one before the opponent's move. */
static inline bool reference_repeats(const struct reference *r, const uint8_t *board) {
    size_t bytes = (size_t)(r->size * r->size);
    if (r->ko == REFERENCE_SIMPLE) return r->moves > 0 && !memcmp(board, r->boards[r->moves - 1], bytes);
    for (int i = 0; i < r->moves; i++) {
        if (r->ko == REFERENCE_SITUATIONAL && r->players[i] == r->to_play) continue;
        if (!memcmp(board, r->boards[i], bytes)) return true;
    }
    return false;
}

static inline bool reference_is_legal(const struct reference *r, int action) {
    int points = r->size * r->size, captures[2];
    if (reference_ended(r)) return false;
    if (action == points) return true;
    if (r->board[action]) return false;
    uint8_t board[REFERENCE_POINTS];
    memcpy(board, r->board, sizeof board);
    reference_put(board, r->size, action, r->to_play, captures);
    if (captures[1] && (!r->suicide || captures[1] == 1)) return false;
    return !reference_repeats(r, board);
}

static inline void reference_play(struct reference *r, int action) {
    int captures[2];
    memcpy(r->boards[r->moves], r->board, sizeof r->board);
    r->players[r->moves++] = (uint8_t)r->to_play;
    if (action == r->size * r->size) {
        r->passes++;
    } else {
        reference_put(r->board, r->size, action, r->to_play, captures);
        r->captures[r->to_play] += captures[0];
        r->captures[1 - r->to_play] += captures[1];
        r->passes = 0;
    }
    r->to_play = 1 - r->to_play;
}

/* Black's area less white's. */
static inline int reference_area(const uint8_t *board, int size) {
    int area = 0, touched, liberties;
    bool marked[REFERENCE_POINTS];
    for (int i = 0; i < size * size; i++) {
        int owner = board[i];
        if (!owner) {
            reference_fill(board, size, i, marked, &touched, &liberties);
            touched &= 6; /* black 2, white 4 */
            owner = touched == 2 ? 1 : touched == 4 ? 2 : 0;
        }
        area += (owner == 1) - (owner == 2);
    }
    return area;
}

#endif
