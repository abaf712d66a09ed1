/* Connect Four on the standard board: 7 columns, 6 rows, four in a row. An action is a column, 0 at the left.
 *
 * A player's stones are a bit set, seven bits a column: bit column * 7 + height from the bottom; the seventh
 * bit of a column stays empty, so that shifts do not run from one column into the next. */
#include <stdio.h>
#include <string.h>

#include "game/games.h"
#include "tengen/mem.h"

enum { WIDTH = 7, HEIGHT = 6, STRIDE = HEIGHT + 1, PLANES = 3, CELLS = WIDTH * HEIGHT };

struct position {
    uint64_t stones[2]; /* by player */
    int moves;
    int winner; /* 1 or -1 for player 0, 0 while nobody has four */
};

struct tables {
    int16_t map[2][WIDTH];
};

static bool has_four(uint64_t stones) {
    static const int directions[4] = {1, STRIDE - 1, STRIDE, STRIDE + 1};
    for (int i = 0; i < 4; i++) {
        uint64_t pairs = stones & stones >> directions[i];
        if (pairs & pairs >> 2 * directions[i]) return true;
    }
    return false;
}

static uint64_t top_cell(int column) {
    return 1ull << (column * STRIDE + HEIGHT - 1);
}

static void c4_start(const struct game *g, void *position) {
    (void)g;
    memset(position, 0, sizeof(struct position));
}

static void c4_copy(const struct game *g, void *to, const void *from) {
    (void)g;
    memcpy(to, from, sizeof(struct position));
}

static int c4_moves(const struct game *g, const void *position) {
    (void)g;
    return ((const struct position *)position)->moves;
}

static int c4_to_play(const struct game *g, const void *position) {
    return c4_moves(g, position) & 1;
}

static bool c4_ended(const struct game *g, const void *position) {
    (void)g;
    const struct position *p = position;
    return p->winner || p->moves == CELLS;
}

static bool c4_is_legal(const struct game *g, const void *position, int action) {
    const struct position *p = position;
    if (action < 0 || action >= WIDTH || c4_ended(g, position)) return false;
    return !((p->stones[0] | p->stones[1]) & top_cell(action));
}

static int c4_legal(const struct game *g, const void *position, uint8_t *legal) {
    int count = 0;
    for (int a = 0; a < WIDTH; a++)
        count += legal[a] = c4_is_legal(g, position, a);
    return count;
}

static void c4_play(const struct game *g, void *position, int action) {
    struct position *p = position;
    ENSURE(c4_is_legal(g, position, action), "connect4: illegal action %d at move %d", action, p->moves);
    uint64_t all = p->stones[0] | p->stones[1];
    uint64_t column = ((1ull << HEIGHT) - 1) << (action * STRIDE);
    uint64_t *own = &p->stones[p->moves & 1];
    *own |= ((all & column) + (1ull << (action * STRIDE))) & column & ~all;
    if (has_four(*own)) p->winner = p->moves & 1 ? -1 : 1;
    p->moves++;
}

static float c4_result(const struct game *g, const void *position) {
    (void)g;
    return (float)((const struct position *)position)->winner;
}

/* Own stones, the opponent's, ones; row 0 is the top one. */
static void c4_encode(const struct game *g, const void *position, uint8_t *bits) {
    (void)g;
    const struct position *p = position;
    uint64_t own = p->stones[p->moves & 1], other = p->stones[~p->moves & 1], words[2] = {0};
    for (int row = 0; row < HEIGHT; row++) {
        uint64_t line = 0;
        for (int column = 0; column < WIDTH; column++) {
            int bit = column * STRIDE + HEIGHT - 1 - row;
            line |= ((own >> bit & 1) | (other >> bit & 1) << 1 | 4) << (column * PLANES);
        }
        int at = row * WIDTH * PLANES;
        words[at / 64] |= line << at % 64;
        if (at % 64 + WIDTH * PLANES > 64) words[at / 64 + 1] |= line >> (64 - at % 64);
    }
    memcpy(bits, words, sizeof words);
}

static const int16_t *c4_action_map(const struct game *g, int symmetry) {
    return ((const struct tables *)g->tables)->map[symmetry];
}

static uint64_t c4_key(const struct game *g, const void *position) {
    (void)g;
    const struct position *p = position;
    uint64_t key =
        p->stones[0] * 0x9E3779B97F4A7C15u ^ (p->stones[1] + 0x632BE59BD9B4E019u) * 0xD6E8FEB86659FD93u;
    key ^= key >> 32;
    return key * 0x9E3779B97F4A7C15u;
}

static void c4_action_text(const struct game *g, int action, char *text, size_t size) {
    (void)g;
    snprintf(text, size, "%d", action + 1);
}

static int c4_action_parse(const struct game *g, const char *text) {
    (void)g;
    if (text[0] < '1' || text[0] > '7' || text[1]) return -1;
    return text[0] - '1';
}

static void c4_print(const struct game *g, const void *position, char *text, size_t size) {
    (void)g;
    const struct position *p = position;
    size_t used = 0;
    for (int row = HEIGHT - 1; row >= 0; row--) {
        for (int column = 0; column < WIDTH; column++) {
            int bit = column * STRIDE + row;
            char c = p->stones[0] >> bit & 1 ? 'X' : p->stones[1] >> bit & 1 ? 'O' : '.';
            game_append(text, size, &used, "%s%c", column ? " " : "", c);
        }
        game_append(text, size, &used, "\n");
    }
    game_append(text, size, &used, "1 2 3 4 5 6 7\n");
}

enum status game_init_connect4(struct game *g) {
    struct tables *t = MEM_NEW(struct tables, 1);
    for (int a = 0; a < WIDTH; a++) {
        t->map[0][a] = (int16_t)a;
        t->map[1][a] = (int16_t)(WIDTH - 1 - a);
    }
    g->tables = t;
    g->height = HEIGHT;
    g->width = WIDTH;
    g->planes = PLANES;
    g->actions = WIDTH;
    g->max_moves = CELLS;
    g->symmetries = 2;
    g->position_bytes = sizeof(struct position);
    g->start = c4_start;
    g->copy = c4_copy;
    g->to_play = c4_to_play;
    g->moves = c4_moves;
    g->legal = c4_legal;
    g->is_legal = c4_is_legal;
    g->play = c4_play;
    g->ended = c4_ended;
    g->result = g->score = c4_result;
    g->encode = c4_encode;
    g->action_map = c4_action_map;
    g->key = c4_key;
    g->action_text = c4_action_text;
    g->action_parse = c4_action_parse;
    g->print = c4_print;
    return STATUS_OK;
}
