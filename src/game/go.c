/* Go as a game of the table: creation, copies, planes. The rules are in go_rules.c, the count in go_score.c.
 */
#include "tengen/go.h"

#include <string.h>

#include "game/games.h"
#include "game/go_board.h"
#include "tengen/mem.h"
#include "tengen/rng.h"

enum { PAST_BOARDS = 8, PLANES = 2 * PAST_BOARDS + 1 };

static void copy_position(const struct game *g, void *to, const void *from) {
    const struct go_tables *t = g->tables;
    const struct go_position *p = from;
    memcpy(to, from, t->fixed_bytes + (size_t)p->key_count * sizeof(uint64_t));
}

static int to_play(const struct game *g, const void *position) {
    (void)g;
    return ((const struct go_position *)position)->to_play;
}

static int moves(const struct game *g, const void *position) {
    (void)g;
    return ((const struct go_position *)position)->moves;
}

static float score(const struct game *g, const void *position) {
    return go_area(g, position, NULL);
}

static float result(const struct game *g, const void *position) {
    float points = go_area(g, position, NULL);
    return points > 0 ? 1.0f : points < 0 ? -1.0f : 0.0f;
}

enum { PACKED_POINTS = 8, PACKED_BYTES = 17 }; /* so many points' planes fill so many bytes */

/* The planes of `count` points, at most PACKED_POINTS, whose `past` the network is shown with pairs of bits
 * swapped where white is to move. */
static inline void pack_points(uint8_t *to, const uint16_t *past, int count, int white) {
    uint64_t v[PACKED_POINTS] = {0};
    for (int k = 0; k < count; k++)
        v[k] = (past[k] & 0x5555u) << white | (past[k] & 0xaaaau) >> white | (uint64_t)!white << 16;
    uint64_t low = v[0] | v[1] << 17 | v[2] << 34 | v[3] << 51;
    uint64_t high = v[3] >> 13 | v[4] << 4 | v[5] << 21 | v[6] << 38 | v[7] << 55;
    memcpy(to, &low, 8);
    memcpy(to + 8, &high, 8);
    to[16] = (uint8_t)(v[7] >> 9);
}

/* The 17 planes of AlphaGo Zero: own and opponent stones of the last eight boards, newest first, then 1 where
 * black is to move. `past` holds them point by point, black before white. */
static void encode(const struct game *g, const void *position, uint8_t *bits) {
    const struct go_tables *t = g->tables;
    const struct go_position *p = position;
    const uint16_t *past = go_past(t, p);
    const int whole = t->points / PACKED_POINTS, white = p->to_play;
    uint8_t rest[2 * PACKED_BYTES] = {0};
    for (int i = 0; i < whole; i++)
        pack_points(bits + i * PACKED_BYTES, past + i * PACKED_POINTS, PACKED_POINTS, white);
    pack_points(rest, past + whole * PACKED_POINTS, t->points % PACKED_POINTS, white);
    memcpy(bits + whole * PACKED_BYTES, rest, g->encoded_bytes - (size_t)(whole * PACKED_BYTES));
}

static const int16_t *action_map(const struct game *g, int symmetry) {
    return ((const struct go_tables *)g->tables)->map[symmetry];
}

static uint64_t key(const struct game *g, const void *position) {
    const struct go_tables *t = g->tables;
    const struct go_position *p = position;
    uint64_t k = p->hash;
    if (p->to_play) k ^= t->white_to_play;
    if (p->ko != GO_NONE) k ^= t->zobrist_ko[p->ko];
    if (p->passes) k ^= t->one_pass * p->passes;
    return k;
}

/* ---- creation ---- */

static void make_neighbours(struct go_tables *t) {
    int n = t->size, edge = t->points;
    for (int i = 0; i < t->points; i++) {
        int row = i / n, column = i % n;
        t->neighbour[i][0] = (int16_t)(row > 0 ? i - n : edge);
        t->neighbour[i][1] = (int16_t)(column > 0 ? i - 1 : edge);
        t->neighbour[i][2] = (int16_t)(column < n - 1 ? i + 1 : edge);
        t->neighbour[i][3] = (int16_t)(row < n - 1 ? i + n : edge);
        if (column > 0) t->not_first_column[i >> 6] |= 1ull << (i & 63);
        if (column < n - 1) t->not_last_column[i >> 6] |= 1ull << (i & 63);
    }
    for (int i = 0; i < 4; i++)
        t->neighbour[edge][i] = (int16_t)edge;
}

static void make_symmetries(struct go_tables *t) {
    for (int s = 0; s < GAME_SYMMETRIES_MAX; s++) {
        for (int i = 0; i < t->points; i++)
            t->map[s][i] = (int16_t)game_symmetry_point(s, t->size, t->size, i);
        t->map[s][t->points] = (int16_t)t->points;
    }
}

/* The numbers are the same in every run: keys may be written down. */
static void make_zobrist(struct go_tables *t) {
    struct rng r = rng_make(0x676f, 0, 0);
    for (int i = 0; i < t->points; i++) {
        t->zobrist[0][i] = rng_u64(&r);
        t->zobrist[1][i] = rng_u64(&r);
        t->zobrist_ko[i] = rng_u64(&r);
    }
    t->white_to_play = rng_u64(&r);
    t->one_pass = rng_u64(&r);
}

static enum status make_tables(struct game *g) {
    const struct game_config *c = &g->config;
    if (c->size < 2 || c->size > GO_SIZE_MAX)
        return status_fail(STATUS_USAGE, "go: size %d; it is 2 to %d", c->size, GO_SIZE_MAX);
    struct go_tables *t = MEM_NEW(struct go_tables, 1);
    g->tables = t;
    t->size = c->size;
    t->points = c->size * c->size;
    t->stride = (t->points + GO_ROUND) / GO_ROUND * GO_ROUND; /* room for the sentinel */
    t->words = (t->points + 63) / 64;
    t->max_moves = c->max_moves > 0 ? c->max_moves : 2 * t->points;
    t->komi = c->komi;
    t->suicide = c->suicide;
    if (!strcmp(c->ko, "simple")) {
        t->ko = GO_KO_SIMPLE;
    } else if (!strcmp(c->ko, "positional")) {
        t->ko = GO_KO_POSITIONAL;
    } else if (!strcmp(c->ko, "situational")) {
        t->ko = GO_KO_SITUATIONAL;
    } else {
        return status_fail(STATUS_USAGE, "go: ko \"%s\"; it is simple, positional or situational", c->ko);
    }
    t->fixed_bytes = sizeof(struct go_position) + (size_t)t->stride * 5 * sizeof(uint16_t) +
                     (size_t)t->words * 2 * sizeof(uint64_t);
    make_neighbours(t);
    make_symmetries(t);
    make_zobrist(t);
    return STATUS_OK;
}

enum status game_init_go(struct game *g) {
    TRY(make_tables(g));
    const struct go_tables *t = g->tables;
    size_t keys = t->ko == GO_KO_SIMPLE ? 0 : (size_t)t->max_moves + 1;
    g->height = g->width = t->size;
    g->planes = PLANES;
    g->actions = t->points + 1;
    g->max_moves = t->max_moves;
    g->symmetries = GAME_SYMMETRIES_MAX;
    g->position_bytes = (t->fixed_bytes + keys * sizeof(uint64_t) + 63) / 64 * 64;
    g->start = go_start;
    g->copy = copy_position;
    g->to_play = to_play;
    g->moves = moves;
    g->legal = go_legal;
    g->is_legal = go_is_legal;
    g->play = go_play;
    g->ended = go_ended;
    g->result = result;
    g->score = score;
    g->encode = encode;
    g->action_map = action_map;
    g->key = key;
    g->action_text = go_action_text;
    g->action_parse = go_action_parse;
    g->print = go_print;
    return STATUS_OK;
}
