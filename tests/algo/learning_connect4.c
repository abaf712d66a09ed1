/* Connect Four before an exact solver: 1,000 positions of 8 to 31 random moves, in which some moves keep the
 * value (win, draw or loss) and some do not.
 *
 *     learning_connect4          the test: a short run's policy must keep the value clearly more often than
 * an untrained one's learning_connect4 SPEC     judges a finished run or weights file, as `tengen match`
 * names it: 95% is the bar
 */
#include "../game/connect4_solver.h"
#include "judged.h"

#define BAR 0.95 /* share of moves that keep the value */
enum { POSITIONS = 1000, SIMULATIONS = 200, SMOKE_POSITIONS = 200 };

/* At least so many stones on the board and at most 31, drawn anew until the choice of a move matters. */
static void draw_position(const struct game *g, struct connect4_solver *s, struct rng *r, int stones,
                          void *position, uint8_t best[7]) {
    for (;;) {
        uint8_t legal[GAME_ACTIONS_MAX];
        int moves = stones + (int)rng_below(r, (uint32_t)(32 - stones)), good = 0, count;
        g->start(g, position);
        for (int i = 0; i < moves && !g->ended(g, position); i++)
            g->play(g, position, pick_legal(r, legal, g->legal(g, position, legal)));
        count = g->legal(g, position, legal);
        if (!count) continue;
        connect4_solve(s, g, position, best);
        for (int a = 0; a < 7; a++)
            good += best[a];
        if (good < count) return;
    }
}

/* Share of positions in which the move keeps the value. */
static double judge(const char *spec, int positions, int stones) {
    struct judged j;
    judged_open(&j, spec, SIMULATIONS);
    const struct game *g = j.contestant.game;
    if (strcmp(g->name, "connect4") != 0) fail_msg("%s plays %s, not connect4", spec, g->name);
    struct connect4_solver *s = connect4_solver_create();
    struct rng r = rng_make(4, RNG_TEST, 0);
    void *position = position_create(g);
    int kept = 0;
    for (int i = 0; i < positions; i++) {
        uint8_t best[7];
        draw_position(g, s, &r, stones, position, best);
        kept += best[judged_move(&j, position)];
    }
    print_message("%s, %d simulations: %d of %d moves keep the value\n", spec, j.thinker.options.simulations,
                  kept, positions);
    position_free(position);
    connect4_solver_free(s);
    judged_close(&j);
    return (double)kept / positions;
}

static void a_short_run_keeps_the_value_more_often(void **state) {
    (void)state;
    const char *small[] = {"run.iterations=25", "net.blocks=2",          "net.channels=32",
                           "selfplay.games=64", "search.simulations=60", "alphazero.start_games=64"};
    judged_train("alphazero_connect4", small, 6);
    double before = judge("policy:untrained:alphazero_connect4", SMOKE_POSITIONS, 16),
           after = judge("policy:alphazero_connect4", SMOKE_POSITIONS, 16);
    assert_true(after > before + 0.1);
}

static void the_player_keeps_the_value(void **state) {
    assert_true(judge(*state, POSITIONS, 8) >= BAR);
}

int main(int argc, char **argv) {
    const struct CMUnitTest test[] = {cmocka_unit_test(a_short_run_keeps_the_value_more_often)},
                            asked[] = {cmocka_unit_test_prestate(the_player_keeps_the_value, argv[1])};
    return argc > 1 ? cmocka_run_group_tests(asked, NULL, NULL) : cmocka_run_group_tests(test, NULL, NULL);
}
