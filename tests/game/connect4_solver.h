/* Perfect play of Connect Four, to hold searches and networks against: alpha-beta on bit sets with a
 * transposition table, after Pascal Pons, "Solving Connect 4" (blog.gamesolver.org). Values are win, draw or
 * loss only. Positions are those of a game named "connect4". One solver is used by one thread at a time. */
#ifndef TESTS_GAME_CONNECT4_SOLVER_H
#define TESTS_GAME_CONNECT4_SOLVER_H

#include "planes.h"

enum { SOLVER_TABLE = 8388593 }; /* a prime; 64 MiB */

struct connect4_solver {
    uint64_t nodes;
    uint64_t *table; /* [SOLVER_TABLE] key * 256 + bounds */
};

static inline struct connect4_solver *connect4_solver_create(void) {
    struct connect4_solver *s = MEM_NEW(struct connect4_solver, 1);
    s->table = MEM_NEW(uint64_t, SOLVER_TABLE);
    return s;
}

static inline void connect4_solver_free(struct connect4_solver *s) {
    if (!s) return;
    mem_free(s->table);
    mem_free(s);
}

/* Bit column * 7 + height; `own` holds the stones of the player to move, `all` both players'. */
#define SOLVER_BOTTOM 0x0040810204081ull
#define SOLVER_BOARD  (SOLVER_BOTTOM * 63)

/* Empty cells that would complete four of `stones`. */
static inline uint64_t solver_fours(uint64_t stones, uint64_t all) {
    static const int directions[3] = {7, 6, 8};
    uint64_t cells = stones << 1 & stones << 2 & stones << 3;
    for (int i = 0; i < 3; i++) {
        int d = directions[i];
        uint64_t above = stones << d & stones << 2 * d, below = stones >> d & stones >> 2 * d;
        cells |= above & (stones << 3 * d | stones >> d);
        cells |= below & (stones << d | stones >> 3 * d);
    }
    return cells & (SOLVER_BOARD ^ all);
}

/* Cells that can be played without losing at once. */
static inline uint64_t solver_safe_moves(uint64_t own, uint64_t all) {
    uint64_t possible = (all + SOLVER_BOTTOM) & SOLVER_BOARD;
    uint64_t threats = solver_fours(own ^ all, all), forced = possible & threats;
    if (forced & (forced - 1)) return 0;
    if (forced) possible = forced;
    return possible & ~(threats >> 1);
}

/* Safe moves, those that make most threats first, then those nearest to the middle; returns how many. */
static inline int solver_order(uint64_t own, uint64_t all, uint64_t safe, uint64_t moves[7]) {
    static const int columns[7] = {3, 2, 4, 1, 5, 0, 6};
    int threats[7], count = 0;
    for (int i = 0; i < 7; i++) {
        uint64_t move = safe & 63ull << columns[i] * 7;
        if (!move) continue;
        int made = __builtin_popcountll(solver_fours(own | move, all)), k = count++;
        for (; k > 0 && threats[k - 1] < made; k--) {
            moves[k] = moves[k - 1];
            threats[k] = threats[k - 1];
        }
        moves[k] = move;
        threats[k] = made;
    }
    return count;
}

/* Value within [alpha, beta] of a position whose player to move has no four at once. */
static inline int solver_search(struct connect4_solver *s, uint64_t own, uint64_t all, int alpha, int beta) {
    uint64_t safe = solver_safe_moves(own, all), moves[7], key = own + all + SOLVER_BOTTOM;
    s->nodes++;
    if (!safe) return all == SOLVER_BOARD ? 0 : -1;
    if (__builtin_popcountll(all) >= 40) return 0; /* two stones left, neither of which makes four */
    uint64_t *entry = &s->table[key % SOLVER_TABLE];
    int low = -1, high = 1, first_alpha = alpha;
    if (*entry >> 8 == key) {
        low = (int)(*entry & 3) - 1;
        high = (int)(*entry >> 2 & 3) - 1;
    }
    if (low > alpha) alpha = low;
    if (high < beta) beta = high;
    if (alpha >= beta) return alpha;
    int count = solver_order(own, all, safe, moves), best = -1;
    for (int i = 0; i < count && best < beta; i++) {
        int value = -solver_search(s, own ^ all, all | moves[i], -beta, -alpha);
        if (value > best) best = value;
        if (best > alpha) alpha = best;
    }
    if (best > first_alpha && best > low) low = best; /* it did not fail low, so it is at least that */
    if (best < beta && best < high) high = best;
    *entry = key << 8 | (uint64_t)(high + 1) << 2 | (uint64_t)(low + 1);
    return best;
}

static inline int solver_value(struct connect4_solver *s, uint64_t own, uint64_t all) {
    uint64_t possible = (all + SOLVER_BOTTOM) & SOLVER_BOARD;
    if (solver_fours(own, all) & possible) return 1;
    return solver_search(s, own, all, -1, 1);
}

/* Value for the player to move, 1, 0 or -1, of a position that has not ended. best[7], optional: 1 for every
 * legal action that keeps this value, else 0. */
static inline int connect4_solve(struct connect4_solver *s, const struct game *g, const void *position,
                                 uint8_t *best) {
    float planes[42 * 3];
    uint64_t own = 0, all = 0;
    int values[7], value = -2;
    planes_of(g, position, 0, planes);
    for (int i = 0; i < 42; i++) {
        uint64_t bit = 1ull << (i % 7 * 7 + 5 - i / 7);
        if (planes[i * 3] > 0) own |= bit;
        if (planes[i * 3] + planes[i * 3 + 1] > 0) all |= bit;
    }
    if (!best) return solver_value(s, own, all);
    for (int a = 0; a < 7; a++) {
        uint64_t move = (all + SOLVER_BOTTOM) & 63ull << a * 7;
        values[a] = -2;
        if (!move) continue;
        values[a] = move & solver_fours(own, all) ? 1 : -solver_value(s, own ^ all, all | move);
        if (values[a] > value) value = values[a];
    }
    for (int a = 0; a < 7; a++)
        best[a] = values[a] == value && value > -2;
    return value;
}

#endif
