/* Tic-tac-toe: three in a row on a 3 x 3 board. Squares are numbered row by row from the top. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "game/games.h"
#include "tengen/mem.h"

enum { SIDE = 3, SQUARES = 9, PLANES = 3, FULL = 0x1ff };

struct position {
    uint16_t stones[2]; /* bit sets of squares, by player */
    int16_t moves;
};

struct tables {
    int16_t map[8][SQUARES];
};

static bool has_line(unsigned stones) {
    static const uint16_t lines[8] = {0x007, 0x038, 0x1c0, 0x049, 0x092, 0x124, 0x111, 0x054};
    for (int i = 0; i < 8; i++)
        if ((stones & lines[i]) == lines[i]) return true;
    return false;
}

static void ttt_start(const struct game *g, void *position) {
    (void)g;
    memset(position, 0, sizeof(struct position));
}

static void ttt_copy(const struct game *g, void *to, const void *from) {
    (void)g;
    memcpy(to, from, sizeof(struct position));
}

static int ttt_moves(const struct game *g, const void *position) {
    (void)g;
    return ((const struct position *)position)->moves;
}

static int ttt_to_play(const struct game *g, const void *position) {
    return ttt_moves(g, position) & 1;
}

static bool ttt_ended(const struct game *g, const void *position) {
    (void)g;
    const struct position *p = position;
    return p->moves == SQUARES || has_line(p->stones[0]) || has_line(p->stones[1]);
}

static bool ttt_is_legal(const struct game *g, const void *position, int action) {
    const struct position *p = position;
    if (action < 0 || action >= SQUARES || ttt_ended(g, position)) return false;
    return !((p->stones[0] | p->stones[1]) >> action & 1);
}

static int ttt_legal(const struct game *g, const void *position, uint8_t *legal) {
    const struct position *p = position;
    unsigned empty = ttt_ended(g, position) ? 0 : FULL & ~(unsigned)(p->stones[0] | p->stones[1]);
    for (int a = 0; a < SQUARES; a++)
        legal[a] = empty >> a & 1;
    return __builtin_popcount(empty);
}

static void ttt_play(const struct game *g, void *position, int action) {
    struct position *p = position;
    ENSURE(ttt_is_legal(g, position, action), "tictactoe: illegal action %d at move %d", action, p->moves);
    p->stones[p->moves & 1] |= (uint16_t)(1u << action);
    p->moves++;
}

static float ttt_result(const struct game *g, const void *position) {
    (void)g;
    const struct position *p = position;
    return has_line(p->stones[0]) ? 1.0f : has_line(p->stones[1]) ? -1.0f : 0.0f;
}

/* Own stones, the opponent's, ones. */
static void ttt_encode(const struct game *g, const void *position, uint8_t *bits) {
    (void)g;
    const struct position *p = position;
    unsigned own = p->stones[p->moves & 1], other = p->stones[~p->moves & 1];
    uint32_t all = 0;
    for (int a = 0; a < SQUARES; a++)
        all |= ((own >> a & 1) | (other >> a & 1) << 1 | 4u) << (a * PLANES);
    memcpy(bits, &all, sizeof all);
}

static const int16_t *ttt_action_map(const struct game *g, int symmetry) {
    return ((const struct tables *)g->tables)->map[symmetry];
}

static uint64_t ttt_key(const struct game *g, const void *position) {
    (void)g;
    const struct position *p = position;
    return ((uint64_t)p->stones[0] << 9 | p->stones[1]) * 0x9E3779B97F4A7C15u + 1;
}

static void ttt_action_text(const struct game *g, int action, char *text, size_t size) {
    (void)g;
    snprintf(text, size, "%c%d", 'A' + action % SIDE, SIDE - action / SIDE);
}

static int ttt_action_parse(const struct game *g, const char *text) {
    (void)g;
    int column = toupper((unsigned char)text[0]) - 'A';
    if (column < 0 || column >= SIDE || text[1] < '1' || text[1] > '3' || text[2]) return -1;
    return (SIDE - (text[1] - '0')) * SIDE + column;
}

static void ttt_print(const struct game *g, const void *position, char *text, size_t size) {
    (void)g;
    const struct position *p = position;
    size_t used = 0;
    for (int row = 0; row < SIDE; row++) {
        game_append(text, size, &used, "%d", SIDE - row);
        for (int column = 0; column < SIDE; column++) {
            int a = row * SIDE + column;
            game_append(text, size, &used, " %c",
                        p->stones[0] >> a & 1   ? 'X'
                        : p->stones[1] >> a & 1 ? 'O'
                                                : '.');
        }
        game_append(text, size, &used, "\n");
    }
    game_append(text, size, &used, "  A B C\n");
}

enum status game_init_tictactoe(struct game *g) {
    struct tables *t = MEM_NEW(struct tables, 1);
    for (int s = 0; s < 8; s++)
        for (int a = 0; a < SQUARES; a++)
            t->map[s][a] = (int16_t)game_symmetry_point(s, SIDE, SIDE, a);
    g->tables = t;
    g->height = g->width = SIDE;
    g->planes = PLANES;
    g->actions = g->max_moves = SQUARES;
    g->symmetries = 8;
    g->position_bytes = sizeof(struct position);
    g->start = ttt_start;
    g->copy = ttt_copy;
    g->to_play = ttt_to_play;
    g->moves = ttt_moves;
    g->legal = ttt_legal;
    g->is_legal = ttt_is_legal;
    g->play = ttt_play;
    g->ended = ttt_ended;
    g->result = g->score = ttt_result;
    g->encode = ttt_encode;
    g->action_map = ttt_action_map;
    g->key = ttt_key;
    g->action_text = ttt_action_text;
    g->action_parse = ttt_action_parse;
    g->print = ttt_print;
    return STATUS_OK;
}
