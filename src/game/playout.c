/* Lean random playouts. After the ideas of libego (Łukasz Lew): a bordered board, pseudo-liberties, a list of empty
 * points; made so that the common case runs without a branch that could be guessed wrong.
 *
 * A cell is chain * 32 + colour, where a chain is named by one of its cells (an empty cell by itself) and the colour is
 * 0 empty, 4 black, 8 white or 12 border. So 1 << (cell & 31) is a one in the digit of that colour, and the sum over
 * four neighbours counts all colours at once, in four hexadecimal digits. Every cell names an entry of chain[], also
 * empty and border cells, so that liberties are counted down and up without asking what stands there; what that leaves
 * in the entries of empty and border cells is never read.
 */
#include "tengen/playout.h"

#include <string.h>

#include "game/go_board.h"

enum { ROW = PLAYOUT_ROW, EMPTY = 0, BLACK = 4, WHITE = 8, BORDER = 12, COLOUR = 31, CHAIN_SHIFT = 5 };

static int cells_used(int size) { return (size + 2) * ROW; }
static int cell_of(int size, int point) { return (point / size + 1) * ROW + point % size + 1; }
static int point_of(int size, int cell) { return (cell / ROW - 1) * size + cell % ROW - 1; }

/* ---- setting up ---- */

void playout_start(struct playout *p, int size) {
    ENSURE(size >= 2 && size <= 25, "a board of size %d", size);
    memset(p, 0, offsetof(struct playout, cell));
    memset(p->chain, 0, sizeof p->chain);
    p->size = size;
    for (int i = 0; i < PLAYOUT_CELLS; i++) {
        int row = i / ROW, column = i % ROW;
        bool inside = row >= 1 && row <= size && column >= 1 && column <= size;
        p->cell[i] = (uint16_t)(i << CHAIN_SHIFT | (inside ? EMPTY : BORDER));
        p->next[i] = (uint16_t)i;
        if (inside) p->empty[p->empty_count++] = (uint16_t)i;
    }
}

void playout_copy(struct playout *to, const struct playout *from) {
    size_t cells = (size_t)cells_used(from->size);
    memcpy(to, from, offsetof(struct playout, empty) + (size_t)from->empty_count * sizeof from->empty[0]);
    memcpy(to->cell, from->cell, cells * sizeof from->cell[0]);
    memcpy(to->next, from->next, cells * sizeof from->next[0]);
    memcpy(to->chain, from->chain, cells * sizeof from->chain[0]);
}

/* ---- the board ---- */

static inline uint32_t colour_digit(uint16_t cell) { return 1u << (cell & COLOUR); }

/* How many of the four neighbours have each colour: a hexadecimal digit each, at the colour's number of bits. */
static inline uint32_t count_colours(const uint16_t *cell, int v) {
    return colour_digit(cell[v - ROW]) + colour_digit(cell[v - 1]) + colour_digit(cell[v + 1]) +
           colour_digit(cell[v + ROW]);
}

static inline uint32_t count_of(uint32_t counts, int colour) { return counts >> colour & 15; }

static inline void add_liberties(struct playout *p, int v, int change) {
    const uint16_t *cell = p->cell;
    struct playout_chain *chain = p->chain;
    chain[cell[v - ROW] >> CHAIN_SHIFT].liberties += (uint16_t)change;
    chain[cell[v - 1] >> CHAIN_SHIFT].liberties += (uint16_t)change;
    chain[cell[v + 1] >> CHAIN_SHIFT].liberties += (uint16_t)change;
    chain[cell[v + ROW] >> CHAIN_SHIFT].liberties += (uint16_t)change;
}

/* With all four neighbours own stones or border: whether it is an eye. */
static inline bool is_eye(const uint16_t *cell, int v, int other, uint32_t counts) {
    uint32_t diagonal = colour_digit(cell[v - ROW - 1]) + colour_digit(cell[v - ROW + 1]) +
                        colour_digit(cell[v + ROW - 1]) + colour_digit(cell[v + ROW + 1]);
    return count_of(diagonal, other) + (count_of(counts, BORDER) > 0) < 2;
}

/* Whether a stone of `own` lives at a cell without empty neighbours, whose neighbours have lost this liberty already:
 * an own chain still has one, or an opponent's has none. */
static inline bool lives(const struct playout *p, int v, int own) {
    static const int step[4] = {-ROW, -1, 1, ROW};
    unsigned alive = 0;
    for (int i = 0; i < 4; i++) {
        int c = p->cell[v + step[i]], colour = c & COLOUR;
        bool has = p->chain[c >> CHAIN_SHIFT].liberties != 0;
        alive |= (unsigned)(colour == own) & has;
        alive |= (unsigned)(colour == BLACK + WHITE - own) & !has;
    }
    return alive;
}

/* Whether the player may and wants to play there; if so, the neighbours have lost this liberty. */
static inline bool accept(struct playout *p, int v, int own, uint32_t counts) {
    if (count_of(counts, EMPTY)) {
        add_liberties(p, v, -1);
        return true;
    }
    if (count_of(counts, own) + count_of(counts, BORDER) == 4 && is_eye(p->cell, v, BLACK + WHITE - own, counts))
        return false;
    add_liberties(p, v, -1);
    if (lives(p, v, own) && v != p->ko) return true;
    add_liberties(p, v, 1);
    return false;
}

static void take_chain(struct playout *p, int chain) {
    int v = chain;
    do {
        p->cell[v] = (uint16_t)(v << CHAIN_SHIFT);
        p->empty[p->empty_count++] = (uint16_t)v;
        add_liberties(p, v, 1);
        v = p->next[v];
    } while (v != chain);
}

static void join_chains(struct playout *p, int a, int b, int colour) {
    struct playout_chain *chain = p->chain;
    if (chain[a].stones < chain[b].stones) {
        int swap = a;
        a = b;
        b = swap;
    }
    uint16_t name = (uint16_t)(a << CHAIN_SHIFT | colour);
    int v = b;
    do {
        p->cell[v] = name;
        v = p->next[v];
    } while (v != b);
    uint16_t after = p->next[a];
    p->next[a] = p->next[b];
    p->next[b] = after;
    chain[a].liberties = (uint16_t)(chain[a].liberties + chain[b].liberties);
    chain[a].stones = (uint16_t)(chain[a].stones + chain[b].stones);
}

/* Puts a stone where accept() said yes, and takes what dies. */
static inline void put_stone(struct playout *p, int v, int own, uint32_t counts) {
    static const int step[4] = {-ROW, -1, 1, ROW};
    int player = own == WHITE, other = BLACK + WHITE - own;
    uint16_t *cell = p->cell;
    cell[v] = (uint16_t)(v << CHAIN_SHIFT | own);
    p->next[v] = (uint16_t)v;
    p->chain[v] = (struct playout_chain){(uint16_t)count_of(counts, EMPTY), 1};
    p->stones[player]++;
    p->ko = 0;
    if (count_of(counts, other)) {
        for (int i = 0; i < 4; i++) {
            int c = cell[v + step[i]], chain = c >> CHAIN_SHIFT;
            if ((c & COLOUR) != other || p->chain[chain].liberties) continue;
            int taken = p->chain[chain].stones;
            p->stones[1 - player] -= taken;
            if (taken == 1 && count_of(counts, other) + count_of(counts, BORDER) == 4) p->ko = v + step[i];
            take_chain(p, chain);
        }
        if (p->ko && p->chain[v].liberties != 1) p->ko = 0;
    }
    if (count_of(counts, own)) {
        for (int i = 0; i < 4; i++) {
            int c = cell[v + step[i]];
            if ((c & COLOUR) == own && c != cell[v]) join_chains(p, c >> CHAIN_SHIFT, cell[v] >> CHAIN_SHIFT, own);
        }
    }
}

/* ---- playing ---- */

/* wyrand (Wang Yi): a multiply a number, of ample quality for choosing moves. */
static inline uint32_t draw_below(uint64_t *state, uint32_t n) {
    *state += 0xa0761d6478bd642fu;
    unsigned __int128 product = (unsigned __int128)*state * (*state ^ 0xe7037ed1a0b428dbu);
    uint32_t word = (uint32_t)(product >> 64 ^ product);
    return (uint32_t)((uint64_t)word * n >> 32);
}

/* One move; returns the cell, or 0 for a pass. Refused points go to the end of the list, out of this move's draw. */
static inline int play_one(struct playout *p) {
    int own = p->to_play ? WHITE : BLACK, left = p->empty_count;
    p->to_play ^= 1;
    p->moves++;
    while (left > 0) {
        uint32_t i = draw_below(&p->random, (uint32_t)left--);
        int v = p->empty[i];
        uint32_t counts = count_colours(p->cell, v);
        p->empty[i] = p->empty[left];
        if (accept(p, v, own, counts)) {
            p->empty[left] = p->empty[--p->empty_count];
            p->passes = 0;
            put_stone(p, v, own, counts);
            return v;
        }
        p->empty[left] = (uint16_t)v;
    }
    p->ko = 0;
    p->passes++;
    return 0;
}

static bool ended(const struct playout *p) { return p->passes >= 2 || p->moves >= 3 * p->size * p->size; }

void playout_seed(struct playout *p, struct rng *rng) { p->random = rng_u64(rng); }

int playout_step(struct playout *p) {
    if (ended(p)) return -1;
    int v = play_one(p);
    return v ? point_of(p->size, v) : p->size * p->size;
}

int playout_run(struct playout *p, struct rng *rng) {
    playout_seed(p, rng);
    while (!ended(p))
        play_one(p);
    return playout_area(p);
}

/* ---- counting ---- */

/* Area by flood fill, for a board with larger empty regions. */
static int fill_area(const struct playout *p) {
    bool seen[PLAYOUT_CELLS] = {false};
    uint16_t region[PLAYOUT_EMPTY_MAX];
    static const int step[4] = {-ROW, -1, 1, ROW};
    int area = p->stones[0] - p->stones[1];
    for (int i = 0; i < p->empty_count; i++) {
        int count = 0;
        uint32_t counts = 0;
        if (seen[p->empty[i]]) continue;
        seen[p->empty[i]] = true;
        region[count++] = p->empty[i];
        for (int k = 0; k < count; k++) {
            for (int s = 0; s < 4; s++) {
                int v = region[k] + step[s], colour = p->cell[v] & COLOUR;
                counts |= 1u << colour;
                if (colour != EMPTY || seen[v]) continue;
                seen[v] = true;
                region[count++] = (uint16_t)v;
            }
        }
        area += (count_of(counts, BLACK) && !count_of(counts, WHITE)) ? count : 0;
        area -= (count_of(counts, WHITE) && !count_of(counts, BLACK)) ? count : 0;
    }
    return area;
}

int playout_area(const struct playout *p) {
    int area = p->stones[0] - p->stones[1];
    for (int i = 0; i < p->empty_count; i++) {
        uint32_t counts = count_colours(p->cell, p->empty[i]);
        if (count_of(counts, EMPTY)) return fill_area(p);
        area += (count_of(counts, WHITE) == 0) - (count_of(counts, BLACK) == 0);
    }
    return area;
}

/* ---- from the engine ---- */

void playout_load(struct playout *p, const struct game *g, const void *position) {
    const struct go_position *from = position;
    playout_start(p, g->width);
    p->empty_count = 0;
    for (int i = 0; i < g->width * g->width; i++) {
        int v = cell_of(p->size, i), stone = go_at(g, position, i);
        if (stone == GO_EMPTY) {
            p->empty[p->empty_count++] = (uint16_t)v;
            continue;
        }
        uint32_t counts = count_colours(p->cell, v);
        /* Neighbours still to come count as empty now and take their liberty when they are put. */
        add_liberties(p, v, -1);
        put_stone(p, v, stone == GO_BLACK ? BLACK : WHITE, counts);
    }
    p->ko = from->ko == GO_NONE ? 0 : cell_of(p->size, from->ko);
    p->to_play = from->to_play;
    p->passes = from->passes;
}
