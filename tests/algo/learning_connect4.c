/* Connect Four before an exact solver: 1,000 positions of 8 to 31 random moves. Counted are the moves that
 * keep the value (win, draw or loss), in all positions and in those in which some legal moves keep it and
 * some do not.
 *
 * Without an argument, the test: a short run's policy must keep the value clearly more often than an
 * untrained one's. With one, the judgement of that run or weights file: with 400 simulations 95% is the bar.
 */
#include "../game/connect4_solver.h"
#include "judged.h"

#define BAR 0.95 /* share of moves that keep the value */
enum { POSITIONS = 1000, SIMULATIONS = 400 /* as tengen gtp by default */, SMOKE_POSITIONS = 200 };

/* A position of at least so many stones and at most 31; whether the choice of a move matters in it. */
static bool draw_position(const struct game *g, struct connect4_solver *s, struct rng *r, int stones,
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
        return good < count;
    }
}

/* Shares of positions in which the move keeps the value: of all, and of those in which the choice matters. */
struct shares {
    double all, matters;
};

/* For each number of simulations (0: the policy's move). */
static void judge(const char *spec, int positions, int stones, int counts, const int *simulations,
                  struct shares *shares) {
    struct judged j;
    judged_open(&j, spec, simulations[counts - 1]);
    const struct game *g = j.contestant.game;
    if (strcmp(g->name, "connect4") != 0) fail_msg("%s plays %s, not connect4", spec, g->name);
    struct connect4_solver *s = connect4_solver_create();
    struct rng r = rng_make(4, RNG_TEST, 0);
    void *position = position_create(g);
    int kept[2][8] = {{0}}, matter = 0;
    assert_true(counts <= 8);
    for (int i = 0; i < positions; i++) {
        uint8_t best[7];
        bool matters = draw_position(g, s, &r, stones, position, best);
        matter += matters;
        for (int k = 0; k < counts; k++) {
            j.thinker.options.simulations = simulations[k];
            kept[matters][k] += matters ? best[judged_move(&j, position)] : 1;
        }
    }
    for (int k = 0; k < counts; k++) {
        shares[k].all = (double)(kept[0][k] + kept[1][k]) / positions;
        shares[k].matters = (double)kept[1][k] / matter;
        print_message("%s, %d simulations: %.1f%% of the moves keep the value in %d positions, %.1f%% in the "
                      "%d in which "
                      "the choice matters\n",
                      spec, simulations[k], 100 * shares[k].all, positions, 100 * shares[k].matters, matter);
    }
    position_free(position);
    connect4_solver_free(s);
    judged_close(&j);
}

static void a_short_run_keeps_the_value_more_often(void **state) {
    (void)state;
    const char *small[] = {"run.iterations=100", "net.blocks=2",          "net.channels=32",
                           "selfplay.games=64",  "search.simulations=60", "alphazero.start_games=64"};
    judged_train("alphazero_connect4", small, 6);
    struct shares before, after;
    judge("untrained:alphazero_connect4", SMOKE_POSITIONS, 16, 1, &(int){0}, &before);
    judge("alphazero_connect4", SMOKE_POSITIONS, 16, 1, &(int){0}, &after);
    assert_true(after.matters > before.matters + 0.1);
}

static void the_player_keeps_the_value(void **state) {
    static const int simulations[] = {0, 100, 200, SIMULATIONS};
    struct shares shares[4];
    judge(*state, POSITIONS, 8, 4, simulations, shares);
    assert_true(shares[3].all >= BAR);
}

int main(int argc, char **argv) {
    const struct CMUnitTest test[] = {cmocka_unit_test(a_short_run_keeps_the_value_more_often)},
                            asked[] = {cmocka_unit_test_prestate(the_player_keeps_the_value, argv[1])};
    return argc > 1 ? cmocka_run_group_tests(asked, NULL, NULL) : cmocka_run_group_tests(test, NULL, NULL);
}
