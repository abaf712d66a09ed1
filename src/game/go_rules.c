/* The rules of Go: playing, captures, suicide, ko. The layout of a position is told in go_board.h. */
#include <string.h>

#include "game/go_board.h"

/* The key under which a position is remembered for superko: the stones, and who is to play if that matters.
 */
static uint64_t repetition_key(const struct go_tables *t, uint64_t stones, int to_play) {
    return t->ko == GO_KO_SITUATIONAL && to_play ? stones ^ t->white_to_play : stones;
}

static void remember(const struct go_tables *t, struct go_position *p) {
    if (t->ko != GO_KO_SIMPLE) go_keys(t, p)[p->key_count++] = repetition_key(t, p->hash, p->to_play);
}

static bool seen(const struct go_tables *t, const struct go_position *p, uint64_t key) {
    const uint64_t *keys = go_keys(t, p);
    int count = p->key_count;
    uint64_t found = 0;
    for (int i = 0; i < count; i++)
        found |= (uint64_t)(keys[i] == key);
    return found;
}

static void clear_board(const struct go_tables *t, struct go_position *p) {
    memset(p, 0, t->fixed_bytes);
    p->ko = p->last = GO_NONE;
    go_past(t, p)[t->points] = 0xffff; /* the sentinel reads GO_EDGE in all boards, and shifts to itself */
    uint64_t *empty = go_empty(t, p);
    for (int i = 0; i < t->points; i++)
        empty[i >> 6] |= 1ull << (i & 63);
}

void go_start(const struct game *g, void *position) {
    clear_board(g->tables, position);
    remember(g->tables, position);
}

/* ---- chains ---- */

/* Puts a stone on an empty point as a chain of its own, and takes its point from its neighbours' liberties.
 */
static void place(const struct go_tables *t, struct go_position *p, int point, int player) {
    uint16_t *past = go_past(t, p), *head = go_head(t, p), *libs = go_libs(t, p);
    uint64_t bit = 1ull << (point & 63);
    past[point] |= (uint16_t)(player + 1);
    head[point] = go_next(t, p)[point] = (uint16_t)point;
    go_stones(t, p)[point] = 1;
    go_empty(t, p)[point >> 6] &= ~bit;
    go_used(t, p)[point >> 6] |= bit;
    p->hash ^= t->zobrist[player][point];
    int own = 0;
    for (int i = 0; i < 4; i++) {
        int q = t->neighbour[point][i], colour = past[q] & 3;
        own += colour == GO_EMPTY;
        if (colour == GO_BLACK || colour == GO_WHITE) libs[head[q]]--;
    }
    libs[point] = (uint16_t)own;
}

/* Makes one chain of two; the smaller one takes the larger one's name. */
static void join(const struct go_tables *t, struct go_position *p, int a, int b) {
    uint16_t *head = go_head(t, p), *next = go_next(t, p), *libs = go_libs(t, p), *stones = go_stones(t, p);
    if (stones[a] < stones[b]) {
        int swap = a;
        a = b;
        b = swap;
    }
    int q = b;
    do {
        head[q] = (uint16_t)a;
        q = next[q];
    } while (q != b);
    uint16_t after = next[a];
    next[a] = next[b];
    next[b] = after;
    libs[a] = (uint16_t)(libs[a] + libs[b]);
    stones[a] = (uint16_t)(stones[a] + stones[b]);
}

static void join_neighbours(const struct go_tables *t, struct go_position *p, int point, int player) {
    const uint16_t *past = go_past(t, p), *head = go_head(t, p);
    for (int i = 0; i < 4; i++) {
        int q = t->neighbour[point][i];
        if ((past[q] & 3) == player + 1 && head[q] != head[point]) join(t, p, head[q], head[point]);
    }
}

/* Takes a chain of `player` off the board; returns its number of stones. */
static int take(const struct go_tables *t, struct go_position *p, int chain, int player) {
    uint16_t *past = go_past(t, p), *head = go_head(t, p), *next = go_next(t, p), *libs = go_libs(t, p);
    uint64_t *empty = go_empty(t, p);
    int point = chain;
    do {
        past[point] &= (uint16_t)~3u;
        empty[point >> 6] |= 1ull << (point & 63);
        p->hash ^= t->zobrist[player][point];
        for (int i = 0; i < 4; i++) {
            int q = t->neighbour[point][i];
            if ((past[q] & 3) == 2 - player) libs[head[q]]++;
        }
        point = next[point];
    } while (point != chain);
    return go_stones(t, p)[chain];
}

/* ---- playing ---- */

/* The boards kept for encoding move on by one. */
static void shift_past(const struct go_tables *t, struct go_position *p) {
    uint16_t *past = go_past(t, p);
    int stride = t->stride;
    for (int i = 0; i < stride; i++)
        past[i] = (uint16_t)(past[i] << 2 | (past[i] & 3));
}

static void play_stone(const struct go_tables *t, struct go_position *p, int point) {
    const uint16_t *past = go_past(t, p), *head = go_head(t, p), *libs = go_libs(t, p);
    int own = p->to_play, other = 1 - own, taken = 0, last_taken = GO_NONE;
    place(t, p, point, own);
    for (int i = 0; i < 4; i++) {
        int q = t->neighbour[point][i];
        if ((past[q] & 3) != other + 1 || libs[head[q]] != 0) continue;
        taken += take(t, p, head[q], other);
        last_taken = q;
    }
    p->captures[own] += taken;
    join_neighbours(t, p, point, own);
    int chain = head[point];
    if (taken == 1 && go_stones(t, p)[chain] == 1 && libs[chain] == 1) p->ko = (int16_t)last_taken;
    if (libs[chain] == 0) p->captures[other] += take(t, p, chain, own); /* suicide */
}

void go_play(const struct game *g, void *position, int action) {
    const struct go_tables *t = g->tables;
    struct go_position *p = position;
    ENSURE(go_is_legal(g, position, action), "go %dx%d: illegal action %d at move %d", t->size, t->size,
           action, p->moves);
    shift_past(t, p);
    p->ko = GO_NONE;
    if (action == t->points) {
        p->passes++;
    } else {
        p->passes = 0;
        play_stone(t, p, action);
    }
    p->to_play ^= 1;
    p->last = (int16_t)action;
    p->moves++;
    /* A pass leaves a board that is remembered already, unless it matters who is to play. */
    if (action != t->points || t->ko == GO_KO_SITUATIONAL) remember(t, p);
}

bool go_ended(const struct game *g, const void *position) {
    const struct go_position *p = position;
    return p->passes >= 2 || p->moves >= ((const struct go_tables *)g->tables)->max_moves;
}

/* ---- legality ---- */

/* What a stone of the player to move on an empty point would meet. */
struct contact {
    bool safe;        /* it has a liberty without taking anything */
    int taken, own;   /* opponent chains that it takes; own chains whose last liberty it fills */
    uint16_t take[4]; /* [taken] */
    uint16_t die[4];  /* [own], which die with it if it is a suicide */
};

/* Stones of a chain beside a point. */
static inline int chain_edges(const struct go_tables *t, const struct go_position *p, int point, int chain) {
    const uint16_t *past = go_past(t, p), *head = go_head(t, p);
    int edges = 0;
    for (int i = 0; i < 4; i++) {
        int q = t->neighbour[point][i], colour = past[q] & 3;
        edges += (colour == GO_BLACK || colour == GO_WHITE) && head[q] == chain;
    }
    return edges;
}

static void add_chain(uint16_t *chains, int *count, int chain) {
    for (int i = 0; i < *count; i++)
        if (chains[i] == chain) return;
    chains[(*count)++] = (uint16_t)chain;
}

static inline struct contact contact_at(const struct go_tables *t, const struct go_position *p, int point) {
    const uint16_t *past = go_past(t, p), *head = go_head(t, p), *libs = go_libs(t, p);
    struct contact c;
    c.safe = false;
    c.taken = c.own = 0;
    for (int i = 0; i < 4; i++) {
        int q = t->neighbour[point][i], colour = past[q] & 3;
        if (colour == GO_EMPTY) c.safe = true;
        if (colour == GO_EMPTY || colour == GO_EDGE) continue;
        int chain = head[q];
        bool last = libs[chain] <= 4 && libs[chain] == chain_edges(t, p, point, chain);
        if (colour == p->to_play + 1) {
            if (last)
                add_chain(c.die, &c.own, chain);
            else
                c.safe = true;
        } else if (last) {
            add_chain(c.take, &c.taken, chain);
        }
    }
    return c;
}

static uint64_t chain_hash(const struct go_tables *t, const struct go_position *p, int chain, int player) {
    const uint16_t *next = go_next(t, p);
    uint64_t hash = 0;
    int point = chain;
    do {
        hash ^= t->zobrist[player][point];
        point = next[point];
    } while (point != chain);
    return hash;
}

/* Whether the position after a stone at `point` has been before. */
static bool repeats(const struct go_tables *t, const struct go_position *p, int point,
                    const struct contact *c) {
    if (t->ko == GO_KO_SIMPLE) return false;
    int own = p->to_play, other = 1 - own;
    uint64_t hash = p->hash;
    if (!c->safe && !c->taken) {
        for (int i = 0; i < c->own; i++)
            hash ^= chain_hash(t, p, c->die[i], own);
    } else {
        hash ^= t->zobrist[own][point];
        for (int i = 0; i < c->taken; i++)
            hash ^= chain_hash(t, p, c->take[i], other);
    }
    return seen(t, p, repetition_key(t, hash, other));
}

/* Whether the player to move may put a stone on an empty point. A suicide of a single stone leaves the board
 * as it was; it is never allowed, whatever the ko rule. A stone that stays where none has ever been makes a
 * new board. */
static bool stone_is_legal(const struct go_tables *t, const struct go_position *p, int point) {
    if (point == p->ko) return false;
    struct contact c = contact_at(t, p, point);
    if (c.safe || c.taken) return !go_bit(go_used(t, p), point) || !repeats(t, p, point, &c);
    return t->suicide && c.own > 0 && !repeats(t, p, point, &c);
}

bool go_is_legal(const struct game *g, const void *position, int action) {
    const struct go_tables *t = g->tables;
    const struct go_position *p = position;
    if (action < 0 || action > t->points || go_ended(g, position)) return false;
    return action == t->points || (go_bit(go_empty(t, p), action) && stone_is_legal(t, p, action));
}

/* Empty points beside an empty point, as a bit set: the stone there has a liberty, whatever else. */
static void open_points(const struct go_tables *t, const uint64_t *empty, uint64_t *open) {
    int words = t->words, up = t->size & 63; /* size < 64 */
    for (int i = 0; i < words; i++) {
        uint64_t below = i ? empty[i - 1] : 0, above = i + 1 < words ? empty[i + 1] : 0, e = empty[i];
        uint64_t right = (e << 1 | below >> 63) & t->not_first_column[i];
        uint64_t left = (e >> 1 | above << 63) & t->not_last_column[i];
        uint64_t rows = (e << up | below >> (64 - up)) | (e >> up | above << (64 - up));
        open[i] = e & (right | left | rows);
    }
}

/* Eight bits into eight bytes of 0 or 1, the lowest bit first. */
static inline uint64_t spread_bits(uint64_t byte) {
    uint64_t bits = byte * 0x0101010101010101u & 0x8040201008040201u;
    return (bits + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
}

int go_legal(const struct game *g, const void *position, uint8_t *legal) {
    const struct go_tables *t = g->tables;
    const struct go_position *p = position;
    uint64_t open[GO_WORDS_MAX];
    int count = 0;
    if (go_ended(g, position)) {
        memset(legal, 0, (size_t)g->actions);
        return 0;
    }
    const uint64_t *empty = go_empty(t, p), *used = go_used(t, p);
    open_points(t, empty, open);
    for (int i = 0; i < t->words; i++) {
        uint64_t set = open[i] & ~used[i]; /* legal without a further look */
        for (uint64_t rest = empty[i] & ~set; rest; rest &= rest - 1) {
            int point = i * 64 + __builtin_ctzll(rest);
            if (stone_is_legal(t, p, point)) set |= rest & -rest;
        }
        count += __builtin_popcountll(set);
        for (int first = i * 64, k = 0; k < 64 && first + k < t->points; k += 8) {
            uint64_t bytes = spread_bits(set >> k & 255);
            int left = t->points - first - k;
            memcpy(legal + first + k, &bytes, left < 8 ? (size_t)left : 8);
        }
    }
    legal[t->points] = 1;
    return count + 1;
}

/* ---- setup ---- */

bool go_setup(const struct game *g, void *position, const uint8_t *board, int player_to_move) {
    const struct go_tables *t = g->tables;
    union {
        struct go_position position;
        unsigned char bytes[sizeof(struct go_position) + 5 * 2 * GO_STRIDE_MAX + 2 * 8 * GO_WORDS_MAX];
    } scratch;
    struct go_position *p = &scratch.position;
    clear_board(t, p);
    for (int i = 0; i < t->points; i++) {
        if (board[i] == GO_EMPTY) continue;
        place(t, p, i, board[i] - 1);
        join_neighbours(t, p, i, board[i] - 1);
    }
    for (int i = 0; i < t->points; i++)
        if (board[i] != GO_EMPTY && go_libs(t, p)[go_head(t, p)[i]] == 0) return false;
    p->to_play = (uint8_t)player_to_move;
    memcpy(position, p, t->fixed_bytes);
    remember(t, position);
    return true;
}
