/* What game.c and the games share. game_init_NAME fills the table of a zeroed struct game whose config is set
 * and checked against its ranges; `tables`, if any, is one mem_alloc that game_free releases. What
 * game_create makes of the rest, encoded_bytes and source, init leaves alone. */
#ifndef GAME_GAMES_H
#define GAME_GAMES_H

#include "tengen/game.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "encoders copy words of bits as bytes");

#define GAME(name, settings) enum status game_init_##name(struct game *g) MUST_USE;
#include "game/games.def"
#undef GAME

/* A symmetry is a number of three bits: 1 mirrors columns, 2 mirrors rows, 4 (square boards) swaps rows and
 * columns first. Returns the point where symmetry `s` takes `point`. */
static inline int game_symmetry_point(int s, int height, int width, int point) {
    int row = point / width, column = point % width;
    if (s & 4) {
        int swap = row;
        row = column;
        column = swap;
    }
    if (s & 2) row = height - 1 - row;
    if (s & 1) column = width - 1 - column;
    return row * width + column;
}

/* Appends formatted text at *used of a buffer of `size` bytes, as much as there is room for. */
void game_append(char *text, size_t size, size_t *used, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
