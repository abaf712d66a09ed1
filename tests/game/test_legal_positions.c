/* How many positions are legal, by the engine's own liberties: of all colourings of a board go_setup accepts
 * exactly those in which every chain has one. The numbers are those of Tromp and Farnebäck, "Combinatorics of
 * Go" (2007), OEIS A094777: 1, 57, 12675, 24318165. */
#include "games.h"

/* The next colouring, as a number with the digits 0, 1, 2; false after the last. */
static bool next_colouring(uint8_t *board, int points) {
    for (int i = points - 1; i >= 0; i--) {
        if (++board[i] <= GO_WHITE) return true;
        board[i] = GO_EMPTY;
    }
    return false;
}

static long count_all(int size) {
    struct game *g = go_game(size, 0, "positional", false);
    void *position = position_create(g);
    uint8_t board[16] = {0};
    long count = 0;
    do
        count += go_setup(g, position, board, 0);
    while (next_colouring(board, size * size));
    position_free(position);
    game_free(g);
    return count;
}

/* Orbits under the eight symmetries and the exchange of colours: the size of the orbit if `board` is its
 * smallest member, else 0. */
static int orbit_if_smallest(const struct game *g, const uint8_t *board, int points) {
    static const uint8_t exchanged[3] = {GO_EMPTY, GO_WHITE, GO_BLACK};
    int same = 0;
    for (int s = 0; s < 16; s++) {
        const int16_t *map = g->action_map(g, s & 7);
        int order = 0;
        for (int i = 0; i < points && !order; i++) {
            int image = board[map[i]];
            order = (s & 8 ? exchanged[image] : image) - board[i];
        }
        if (order < 0) return 0;
        same += order == 0;
    }
    return 16 / same;
}

static void two_and_three_squared_by_all_colourings(void **state) {
    (void)state;
    assert_int_equal(count_all(2), 57);
    assert_int_equal(count_all(3), 12675);
}

static void four_squared_by_one_colouring_an_orbit(void **state) {
    (void)state;
    struct game *g = go_game(4, 0, "positional", false);
    void *position = position_create(g);
    uint8_t board[16] = {0};
    long count = 0, seen = 0;
    do {
        int orbit = orbit_if_smallest(g, board, 16);
        if (!orbit) continue;
        seen += orbit;
        if (go_setup(g, position, board, 0)) count += orbit;
    } while (next_colouring(board, 16));
    assert_int_equal(seen, 43046721); /* 3^16: the orbits cover everything */
    assert_int_equal(count, 24318165);
    position_free(position);
    game_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_and_three_squared_by_all_colourings),
        cmocka_unit_test(four_squared_by_one_colouring_an_orbit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
