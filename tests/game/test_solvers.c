/* The solvers that other tests lean on: against plain minimax where that can be run, and against known
 * values. */
#include <time.h>

#include "connect4_solver.h"
#include "games.h"
#include "minimax.h"

/* A random position after `moves` moves of a game that has not ended; false if it did. */
static bool random_position(const struct game *g, void *position, int moves, struct rng *r) {
    uint8_t legal[GAME_ACTIONS_MAX];
    g->start(g, position);
    for (int i = 0; i < moves && !g->ended(g, position); i++)
        g->play(g, position, pick_legal(r, legal, g->legal(g, position, legal)));
    return !g->ended(g, position);
}

static void tictactoe_is_a_draw(void **state) {
    (void)state;
    struct game *g = named_game("tictactoe");
    void *position = position_create(g);
    uint8_t best[9];
    assert_int_equal(minimax_solve(g, position, best), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(best[i], 1);
    g->play(g, position, g->action_parse(g, "A1"));
    assert_int_equal(minimax_solve(g, position, best), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(best[i], i == g->action_parse(g, "B2")); /* a corner is answered in the middle */
    position_free(position);
    game_free(g);
}

static void connect4_agrees_with_minimax_late_in_games(void **state) {
    (void)state;
    struct game *g = named_game("connect4");
    struct connect4_solver *s = connect4_solver_create();
    void *position = position_create(g);
    uint8_t best[7], expected[7];
    struct rng r = rng_make(21, RNG_TEST, 0);
    int seen[3] = {0};
    for (int i = 0; i < 400;) {
        if (!random_position(g, position, 30 + i % 12, &r)) continue;
        int value = minimax_solve(g, position, expected);
        assert_int_equal(connect4_solve(s, g, position, best), value);
        assert_int_equal(connect4_solve(s, g, position, NULL), value);
        assert_memory_equal(best, expected, 7);
        seen[value + 1]++;
        i++;
    }
    assert_true(seen[0] > 20 && seen[1] > 20 && seen[2] > 20);
    position_free(position);
    connect4_solver_free(s);
    game_free(g);
}

/* Positions and signs of values from Pons' test sets. */
static void connect4_knows_published_values(void **state) {
    (void)state;
    static const struct {
        const char *moves;
        int value;
    } cases[] = {
        {"2252576253462244111563365343671351441", -1},
        {"7422341735647741166133573473242566", 1},
        {"23163416124767223154467471272416755633", 0},
    };
    struct game *g = named_game("connect4");
    struct connect4_solver *s = connect4_solver_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *position = position_create(g);
        for (const char *c = cases[i].moves; *c; c++)
            g->play(g, position, *c - '1');
        assert_int_equal(connect4_solve(s, g, position, NULL), cases[i].value);
        position_free(position);
    }
    connect4_solver_free(s);
    game_free(g);
}

/* Best replies keep the value, others lose some: holds the solver against itself one move on. */
static void a_thousand_connect4_positions_are_consistent(void **state) {
    (void)state;
    struct game *g = named_game("connect4");
    struct connect4_solver *s = connect4_solver_create();
    void *position = position_create(g), *next = position_create(g);
    struct rng r = rng_make(22, RNG_TEST, 0);
    clock_t start = clock();
    for (int i = 0; i < 1000;) {
        uint8_t best[7];
        if (!random_position(g, position, 14 + i % 14, &r)) continue;
        int value = connect4_solve(s, g, position, best), action = (int)rng_below(&r, 7), reply;
        i++;
        if (!g->is_legal(g, position, action)) continue;
        g->copy(g, next, position);
        g->play(g, next, action);
        if (g->ended(g, next))
            reply = (int)g->result(g, next) * (g->to_play(g, position) ? -1 : 1);
        else
            reply = -connect4_solve(s, g, next, NULL);
        assert_true(best[action] ? reply == value : reply < value);
    }
    print_message("%.0f positions a second, %lu nodes\n", 1000.0 * CLOCKS_PER_SEC / (double)(clock() - start),
                  (unsigned long)s->nodes);
    position_free(position);
    position_free(next);
    connect4_solver_free(s);
    game_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tictactoe_is_a_draw),
        cmocka_unit_test(connect4_agrees_with_minimax_late_in_games),
        cmocka_unit_test(connect4_knows_published_values),
        cmocka_unit_test(a_thousand_connect4_positions_are_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
