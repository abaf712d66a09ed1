/* Lean random playouts. After the ideas of libego (Łukasz Lew): a bordered board, pseudo-liberties, a list of
 * empty points; made so that the common case runs without a branch that could be guessed wrong.
 *
 * A cell is chain * 32 + colour, where a chain is named by one of its cells (an empty cell by itself) and the
 * colour is 0 empty, 4 black, 8 white or 12 border. So 1 << (cell & 31) is a one in the digit of that colour,
 * and the sum over four neighbours counts all colours at once, in four hexadecimal digits. Every cell names
 * an entry of chain[], also empty and border cells, so that liberties are counted down and up without asking
 * what stands there; what that leaves in the entries of empty and border cells is never read.
 */
#include "tengen/playout.h"

#include <string.h>

#include "game/go_board.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

enum { ROW = PLAYOUT_ROW, EMPTY = 0, BLACK = 4, WHITE = 8, BORDER = 12, COLOUR = 31, CHAIN_SHIFT = 5 };

static const int step[4] = {-ROW, -1, 1, ROW};

static int cells_used(int size) {
    return (size + 2) * ROW;
}
static int cell_of(int size, int point) {
    return (point / size + 1) * ROW + point % size + 1;
}
static int point_of(int size, int cell) {
    return (cell / ROW - 1) * size + cell % ROW - 1;
}

/* ---- setting up ---- */

void playout_start(struct playout *p, int size) {
    ENSURE(size >= 2 && size <= 25, "a board of size %d", size);
    memset(p, 0, offsetof(struct playout, cell));
    memset(p->bed, 0, sizeof p->bed);
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
    memcpy(to->asleep, from->asleep, (size_t)from->asleep_count * sizeof from->asleep[0]);
    memcpy(to->cell, from->cell, cells * sizeof from->cell[0]);
    memcpy(to->next, from->next, cells * sizeof from->next[0]);
    memcpy(to->bed, from->bed, cells * sizeof from->bed[0]);
    memcpy(to->chain, from->chain, cells * sizeof from->chain[0]);
}

/* ---- the board ---- */

static ALWAYS_INLINE uint32_t colour_digit(uint16_t cell) {
    return 1u << (cell & COLOUR);
}

/* How many of the four neighbours have each colour: a hexadecimal digit each, at the colour's number of bits.
 */
static ALWAYS_INLINE uint32_t count_colours(const uint16_t *cell, int v) {
    return colour_digit(cell[v - ROW]) + colour_digit(cell[v - 1]) + colour_digit(cell[v + 1]) +
           colour_digit(cell[v + ROW]);
}

static ALWAYS_INLINE uint32_t count_of(uint32_t counts, int colour) {
    return counts >> colour & 15;
}

static ALWAYS_INLINE void add_liberties(struct playout *p, int v, int change) {
    const uint16_t *cell = p->cell;
    struct playout_chain *chain = p->chain;
    chain[cell[v - ROW] >> CHAIN_SHIFT].liberties += (uint16_t)change;
    chain[cell[v - 1] >> CHAIN_SHIFT].liberties += (uint16_t)change;
    chain[cell[v + 1] >> CHAIN_SHIFT].liberties += (uint16_t)change;
    chain[cell[v + ROW] >> CHAIN_SHIFT].liberties += (uint16_t)change;
}

/* With all four neighbours own stones or border: whether it is an eye. */
static ALWAYS_INLINE bool is_eye(const uint16_t *cell, int v, int other, uint32_t counts) {
    uint32_t diagonal = colour_digit(cell[v - ROW - 1]) + colour_digit(cell[v - ROW + 1]) +
                        colour_digit(cell[v + ROW - 1]) + colour_digit(cell[v + ROW + 1]);
    return count_of(diagonal, other) + (count_of(counts, BORDER) > 0) < 2;
}

/* ---- sleep ---- */

/* Late in a game most empty points are eyes, refused by one player out of wisdom and by the other as suicide.
 * A point goes to sleep, out of the draw, when it is found to be such an eye and each chain round it has more
 * liberties than this point could give it. It stays refused until a stone falls on a diagonal or one of these
 * chains is down to four liberties; then it is woken. So the draw stays uniform over all moves that are
 * wanted. */
enum { CALM = 4 };

static ALWAYS_INLINE bool all_calm(const struct playout *p, int v) {
    bool calm = true;
    for (int i = 0; i < 4; i++) {
        int c = p->cell[v + step[i]];
        calm &= (p->chain[c >> CHAIN_SHIFT].liberties > CALM) | ((c & COLOUR) == BORDER);
    }
    return calm;
}

static ALWAYS_INLINE void put_to_sleep(struct playout *p, int v) {
    for (int i = 0; i < 4; i++) {
        int c = p->cell[v + step[i]];
        p->chain[c >> CHAIN_SHIFT].sleepers |= (c & COLOUR) != BORDER;
    }
    p->asleep[p->asleep_count] = (uint16_t)v;
    p->bed[v] = (uint16_t)++p->asleep_count;
}

static void wake(struct playout *p, int v) {
    int bed = p->bed[v];
    if (!bed) return;
    uint16_t last = p->asleep[--p->asleep_count];
    p->asleep[bed - 1] = last;
    p->bed[last] = (uint16_t)bed;
    p->bed[v] = 0;
    p->empty[p->empty_count++] = (uint16_t)v;
}

static void wake_beside(struct playout *p, int chain) {
    int v = chain;
    do {
        for (int i = 0; i < 4; i++)
            wake(p, v + step[i]);
        v = p->next[v];
    } while (v != chain);
    p->chain[chain].sleepers = 0;
}

/* After a stone at v, whose neighbours have lost a liberty. */
static ALWAYS_INLINE void wake_around(struct playout *p, int v) {
    const uint16_t *bed = p->bed;
    if (bed[v - ROW - 1] | bed[v - ROW + 1] | bed[v + ROW - 1] | bed[v + ROW + 1]) {
        wake(p, v - ROW - 1);
        wake(p, v - ROW + 1);
        wake(p, v + ROW - 1);
        wake(p, v + ROW + 1);
    }
    unsigned uneasy = 0;
    for (int i = 0; i < 4; i++) {
        const struct playout_chain *c = &p->chain[p->cell[v + step[i]] >> CHAIN_SHIFT];
        uneasy |= (unsigned)(c->liberties <= CALM) & c->sleepers;
    }
    if (!uneasy) return;
    for (int i = 0; i < 4; i++) {
        int chain = p->cell[v + step[i]] >> CHAIN_SHIFT;
        if (p->chain[chain].sleepers && p->chain[chain].liberties <= CALM) wake_beside(p, chain);
    }
}

/* ---- moves ---- */

/* Whether a stone of `own` lives at a cell without empty neighbours, whose neighbours have lost this liberty
 * already: an own chain still has one, or an opponent's has none. */
static ALWAYS_INLINE bool lives(const struct playout *p, int v, int own) {
    unsigned alive = 0;
    for (int i = 0; i < 4; i++) {
        int c = p->cell[v + step[i]], colour = c & COLOUR;
        bool has = p->chain[c >> CHAIN_SHIFT].liberties != 0;
        alive |= (unsigned)(colour == own) & has;
        alive |= (unsigned)(colour == BLACK + WHITE - own) & !has;
    }
    return alive;
}

enum answer { ACCEPT, REFUSE, SLEEP };

/* Whether the player may and wants to play there; if so, the neighbours have lost this liberty. */
static ALWAYS_INLINE enum answer ask(struct playout *p, int v, int own, uint32_t counts) {
    int other = BLACK + WHITE - own;
    if (count_of(counts, EMPTY)) {
        add_liberties(p, v, -1);
        return ACCEPT;
    }
    uint32_t border = count_of(counts, BORDER);
    bool inside_own = count_of(counts, own) + border == 4,
         inside_other = count_of(counts, other) + border == 4;
    if (inside_own | inside_other) {
        bool eye = is_eye(p->cell, v, inside_own ? other : own, counts);
        if (eye & all_calm(p, v)) return SLEEP;
        if (eye & inside_own) return REFUSE;
    }
    add_liberties(p, v, -1);
    if (lives(p, v, own) && v != p->ko) return ACCEPT;
    add_liberties(p, v, 1);
    return REFUSE;
}

static void take_chain(struct playout *p, int chain) {
    int v = chain;
    do {
        p->cell[v] = (uint16_t)(v << CHAIN_SHIFT);
        p->empty[p->empty_count++] = (uint16_t)v;
        p->chain[v].sleepers = 0;
        add_liberties(p, v, 1);
        v = p->next[v];
    } while (v != chain);
}

/* Takes the opponent's chains beside v that have no liberty left. */
static ALWAYS_INLINE void take_dead(struct playout *p, int v, int own, uint32_t counts) {
    int other = BLACK + WHITE - own;
    unsigned dead = 0;
    for (int i = 0; i < 4; i++) {
        int c = p->cell[v + step[i]];
        dead |= (unsigned)((c & COLOUR) == other) & (p->chain[c >> CHAIN_SHIFT].liberties == 0);
    }
    if (!dead) return;
    for (int i = 0; i < 4; i++) {
        int c = p->cell[v + step[i]], chain = c >> CHAIN_SHIFT;
        if ((c & COLOUR) != other || p->chain[chain].liberties) continue;
        int taken = p->chain[chain].stones;
        p->stones[own == BLACK] -= taken;
        if (taken == 1 && count_of(counts, other) + count_of(counts, BORDER) == 4) p->ko = v + step[i];
        take_chain(p, chain);
    }
    if (p->chain[v].liberties != 1) p->ko = 0;
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
    chain[a].sleepers |= chain[b].sleepers;
}

/* Joins the stone at v, a chain of its own, with the own chains beside it. */
static ALWAYS_INLINE void join_own(struct playout *p, int v, int own) {
    uint16_t *cell = p->cell, *next = p->next;
    unsigned beside = 0;
    for (int i = 0; i < 4; i++)
        beside |= (unsigned)((cell[v + step[i]] & COLOUR) == own) << i;
    if (!beside) return;
    uint16_t name = cell[v + step[__builtin_ctz(beside)]];
    int chain = name >> CHAIN_SHIFT;
    cell[v] = name;
    next[v] = next[chain];
    next[chain] = (uint16_t)v;
    p->chain[chain].liberties = (uint16_t)(p->chain[chain].liberties + p->chain[v].liberties);
    p->chain[chain].stones++;
    for (beside &= beside - 1; beside; beside &= beside - 1) {
        int c = cell[v + step[__builtin_ctz(beside)]];
        if (c != cell[v]) join_chains(p, c >> CHAIN_SHIFT, cell[v] >> CHAIN_SHIFT, own);
    }
}

/* Puts a stone where ask() said yes, and takes what dies. */
static ALWAYS_INLINE void put_stone(struct playout *p, int v, int own, uint32_t counts) {
    p->cell[v] = (uint16_t)(v << CHAIN_SHIFT | own);
    p->next[v] = (uint16_t)v;
    p->chain[v] = (struct playout_chain){(uint16_t)count_of(counts, EMPTY), 1, 0};
    p->stones[own == WHITE]++;
    p->ko = 0;
    wake_around(p, v);
    take_dead(p, v, own, counts);
    join_own(p, v, own);
}

/* ---- playing ---- */

/* wyrand (Wang Yi): a multiply a number, of ample quality for choosing moves. */
static const uint64_t stride = 0xa0761d6478bd642fu;

static ALWAYS_INLINE uint32_t draw_word(uint64_t *state) {
    *state += stride;
    unsigned __int128 product = (unsigned __int128)*state * (*state ^ 0xe7037ed1a0b428dbu);
    return (uint32_t)(product >> 64 ^ product);
}

/* One move of a colour; returns the cell, or 0 for a pass. Refused points go to the end of the list, out of
 * this move's draw. The word for the next draw is made ahead, off the path that a wrong guess has to be paid
 * on. */
static ALWAYS_INLINE int play_one(struct playout *p, int own, uint64_t *random, uint32_t *word) {
    uint32_t left = (uint32_t)p->empty_count;
    p->moves++;
    while (left > 0) {
        uint32_t i = (uint32_t)((uint64_t)*word * left-- >> 32);
        *word = draw_word(random);
        int v = p->empty[i];
        uint32_t counts = count_colours(p->cell, v);
        p->empty[i] = p->empty[left];
        enum answer answer = ask(p, v, own, counts);
        if (answer == REFUSE) {
            p->empty[left] = (uint16_t)v;
            continue;
        }
        p->empty[left] = p->empty[--p->empty_count];
        if (answer == SLEEP) {
            put_to_sleep(p, v);
            continue;
        }
        p->passes = 0;
        put_stone(p, v, own, counts);
        return v;
    }
    p->ko = 0;
    p->passes++;
    return 0;
}

static bool ended(const struct playout *p) {
    return p->passes >= 2 || p->moves >= 3 * p->size * p->size;
}

void playout_seed(struct playout *p, struct rng *rng) {
    p->random = rng_u64(rng);
}

int playout_step(struct playout *p) {
    if (ended(p)) return -1;
    uint32_t word = draw_word(&p->random);
    int v = play_one(p, p->to_play ? WHITE : BLACK, &p->random, &word);
    p->random -= stride; /* the word made ahead is drawn again */
    p->to_play ^= 1;
    return v ? point_of(p->size, v) : p->size * p->size;
}

int playout_run(struct playout *p, struct rng *rng) {
    playout_seed(p, rng);
    uint64_t random = p->random;
    uint32_t word = draw_word(&random);
    if (p->to_play && !ended(p)) {
        play_one(p, WHITE, &random, &word);
        p->to_play = 0;
    }
    while (!ended(p)) {
        play_one(p, BLACK, &random, &word);
        p->to_play = 1;
        if (ended(p)) break;
        play_one(p, WHITE, &random, &word);
        p->to_play = 0;
    }
    return playout_area(p);
}

/* ---- counting ---- */

/* Area of the region of empty cells from `seed`, by flood fill. */
static int region_area(const struct playout *p, int seed, bool *seen) {
    uint16_t region[PLAYOUT_EMPTY_MAX];
    uint32_t colours = 0;
    int count = 0;
    seen[seed] = true;
    region[count++] = (uint16_t)seed;
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < 4; i++) {
            int v = region[k] + step[i], colour = p->cell[v] & COLOUR;
            colours |= 1u << colour;
            if (colour != EMPTY || seen[v]) continue;
            seen[v] = true;
            region[count++] = (uint16_t)v;
        }
    }
    bool black = count_of(colours, BLACK), white = count_of(colours, WHITE);
    return (black - white) * count;
}

int playout_area(const struct playout *p) {
    int area = p->stones[0] - p->stones[1];
    bool seen[PLAYOUT_CELLS], filling = false;
    for (int i = 0; i < p->asleep_count; i++)
        area += count_of(count_colours(p->cell, p->asleep[i]), BLACK) ? 1 : -1;
    for (int i = 0; i < p->empty_count; i++) {
        int v = p->empty[i];
        uint32_t counts = count_colours(p->cell, v);
        if (!count_of(counts, EMPTY)) {
            area += (count_of(counts, BLACK) > 0) - (count_of(counts, WHITE) > 0);
            continue;
        }
        if (!filling) memset(seen, 0, sizeof seen); /* only where a playout stopped early */
        filling = true;
        if (!seen[v]) area += region_area(p, v, seen);
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
        /* Neighbours still to come count as empty now and take this liberty back when they are put. */
        add_liberties(p, v, -1);
        put_stone(p, v, stone == GO_BLACK ? BLACK : WHITE, counts);
    }
    p->ko = from->ko == GO_NONE ? 0 : cell_of(p->size, from->ko);
    p->to_play = from->to_play;
    p->passes = from->passes;
}
