/* One thinking: symmetries, noise, solving, the choice of a move, candidates, repetition. */
#include "doubles.h"

static struct search *open_search(const struct game *g, const struct search_config *c, const int *moves,
                                  int count) {
    struct search *s = search_create(g, c);
    for (int i = 0; i < count; i++)
        search_advance(s, moves[i]);
    return s;
}

/* ---- symmetries -----------------------------------------------------------------------------------------
 */

/* A policy that turns with the board: near own stones, far from the opponent's. */
static float turning_answer(const struct game *g, const float *planes, float *logits) {
    int points = g->height * g->width;
    for (int p = 0; p < points; p++) {
        logits[p] = 0;
        for (int q = 0; q < points; q++) {
            int distance = abs(p / g->width - q / g->width) + abs(p % g->width - q % g->width);
            const float *at = planes + q * g->planes;
            logits[p] += (at[0] - 2 * at[1]) / (float)(1 + distance);
        }
    }
    logits[points] = 0.25f; /* pass */
    return 0.5f;
}

static void policies_are_mapped_back_from_any_symmetry(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    const int moves[] = {1, 7, 23};
    float expected[GAME_ACTIONS_MAX], policy[GAME_ACTIONS_MAX];
    c.symmetry = false;
    struct search *s = open_search(g, &c, moves, 3);
    think(s, g, turning_answer, 0, 1, false, 1);
    search_prior(s, expected);
    search_free(s);
    c.symmetry = true;
    for (uint64_t seed = 0; seed < 40; seed++) {
        s = open_search(g, &c, moves, 3);
        think(s, g, turning_answer, 0, 1, false, seed);
        search_prior(s, policy);
        assert_floats_near(policy, expected, g->actions, 1e-5, 1e-6);
        search_free(s);
    }
    game_free(g);
}

/* ---- noise ----------------------------------------------------------------------------------------------
 */

static void noise_changes_the_root_and_not_its_priors(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    c.symmetry = false;
    int quiet[GAME_ACTIONS_MAX], noisy[GAME_ACTIONS_MAX], again[GAME_ACTIONS_MAX];
    float before[GAME_ACTIONS_MAX], after[GAME_ACTIONS_MAX];
    size_t bytes = (size_t)g->actions * sizeof(int);
    struct search *s = open_search(g, &c, NULL, 0);
    think(s, g, hash_answer, 300, 1, false, 1);
    search_visits(s, quiet);
    search_prior(s, before);
    search_clear(s);
    think(s, g, hash_answer, 300, 1, true, 1);
    search_visits(s, noisy);
    search_prior(s, after);
    search_clear(s);
    think(s, g, hash_answer, 300, 1, true, 1);
    search_visits(s, again);
    assert_memory_equal(noisy, again, bytes); /* the same draws, the same bits */
    assert_true(memcmp(noisy, quiet, bytes) != 0);
    assert_memory_equal(before, after, (size_t)g->actions * sizeof(float));
    search_free(s);
    game_free(g);
}

static void a_tiny_alpha_does_no_harm(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    c.dirichlet_alpha = 1e-6f; /* every draw underflows */
    struct search *s = open_search(g, &c, NULL, 0);
    float policy[GAME_ACTIONS_MAX], sum = 0;
    think(s, g, hash_answer, 100, 1, true, 1);
    search_policy(s, policy);
    for (int a = 0; a < g->actions; a++)
        sum += policy[a];
    assert_near(sum, 1, 0, 1e-5);
    search_free(s);
    game_free(g);
}

/* ---- solving --------------------------------------------------------------------------------------------
 */

/* Proving a draw needs every other move proved; six squares are left. */
static void a_draw_is_proved(void **state) {
    (void)state;
    struct game *g = small_game("tictactoe", 3);
    struct search_config c = search_defaults();
    const int moves[] = {4, 0, 8};
    struct search *s = open_search(g, &c, moves, 3);
    int visits[GAME_ACTIONS_MAX];
    think(s, g, hash_answer, 100000, 1, false, 1);
    assert_int_equal(search_proved(s), 2);
    assert_true(search_value(s) == 0);
    assert_true(search_visits(s, visits) < 50000);
    assert_true(search_done(s));
    search_free(s);
    game_free(g);
}

static void a_proved_root_puts_the_policy_on_winning_moves(void **state) {
    (void)state;
    struct game *g = small_game("tictactoe", 3);
    struct search_config c = search_defaults();
    const int moves[] = {0, 3, 1, 4};
    struct search *s = open_search(g, &c, moves, 4);
    float policy[GAME_ACTIONS_MAX];
    struct rng rng = rng_make(1, RNG_TEST, 0);
    think(s, g, hash_answer, 1000, 1, true, 1);
    search_policy(s, policy);
    assert_true(policy[2] == 1.0f);
    assert_true(search_value(s) == 1.0f);
    for (int i = 0; i < 20; i++)
        assert_int_equal(search_choose(s, 1, &rng), 2);
    search_begin(s, 1000, true, &rng); /* nothing left to think about */
    assert_true(search_done(s));
    search_free(s);
    game_free(g);
}

/* X threatens 2; O to move must play 2, everything else is a proved loss. */
static void proved_losses_are_avoided(void **state) {
    (void)state;
    struct game *g = small_game("tictactoe", 3);
    struct search_config c = search_defaults();
    const int moves[] = {0, 4, 1};
    struct search *s = open_search(g, &c, moves, 3);
    float policy[GAME_ACTIONS_MAX];
    struct rng rng = rng_make(1, RNG_TEST, 0);
    think(s, g, hash_answer, 1000, 1, true, 1);
    search_policy(s, policy);
    assert_true(policy[2] == 1.0f);
    for (int i = 0; i < 20; i++)
        assert_int_equal(search_choose(s, 1, &rng), 2);
    search_free(s);
    game_free(g);
}

/* Two passes end a game of Go: the player who is ahead after the other's pass proves a win. */
static void passing_wins_a_won_game_of_go(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    const int moves[] = {12, 25}; /* black takes the middle, white passes: black is ahead by 24.5 */
    struct search *s = open_search(g, &c, moves, 2);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    think(s, g, hash_answer, 400, 1, false, 1);
    assert_int_equal(search_proved(s), 1);
    assert_int_equal(search_choose(s, 0, &rng), 25);
    search_advance(s, 25);
    search_begin(s, 10, false, &rng);
    assert_true(search_done(s));
    assert_int_equal(search_proved(s), -1); /* the end, seen by the one who lost */
    assert_int_equal(search_choose(s, 0, &rng), -1);
    search_free(s);
    game_free(g);
}

static void without_solving_results_are_exact_but_nothing_is_proved(void **state) {
    (void)state;
    struct game *g = small_game("tictactoe", 3);
    struct search_config c = search_defaults();
    c.solve = false;
    const int moves[] = {0, 3, 1, 4};
    struct search *s = open_search(g, &c, moves, 4);
    struct search_candidate best;
    int visits[GAME_ACTIONS_MAX];
    think(s, g, hash_answer, 500, 1, false, 1);
    assert_int_equal(search_proved(s), 0);
    assert_int_equal(search_visits(s, visits), 500);
    assert_int_equal(search_candidates(s, &best, 1), 1);
    assert_int_equal(best.action, 2);
    assert_true(best.value == 1.0f);
    search_free(s);
    game_free(g);
}

/* ---- results --------------------------------------------------------------------------------------------
 */

static void temperature_shares_the_choice_by_visits(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    struct search *s = open_search(g, &c, NULL, 0);
    float policy[GAME_ACTIONS_MAX];
    int chosen[GAME_ACTIONS_MAX] = {0}, best = 0;
    enum { DRAWS = 20000 };
    struct rng rng = rng_make(1, RNG_TEST, 0);
    think(s, g, hash_answer, 200, 1, false, 1);
    search_policy(s, policy);
    for (int i = 0; i < DRAWS; i++)
        chosen[search_choose(s, 1, &rng)]++;
    for (int a = 0; a < g->actions; a++) {
        assert_near((double)chosen[a] / DRAWS, policy[a], 0, 0.02);
        if (policy[a] > policy[best]) best = a;
    }
    for (int i = 0; i < 20; i++)
        assert_int_equal(search_choose(s, 0, &rng), best);
    search_free(s);
    game_free(g);
}

static void candidates_are_sorted_and_their_lines_legal(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    struct search *s = open_search(g, &c, NULL, 0);
    struct search_candidate all[GAME_ACTIONS_MAX], five[5];
    void *p = position_create(g);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    think(s, g, hash_answer, 500, 1, false, 1);
    int count = search_candidates(s, all, GAME_ACTIONS_MAX), visits = 0;
    assert_int_equal(count, g->actions);
    assert_int_equal(search_candidates(s, five, 5), 5);
    assert_int_equal(all[0].action, search_choose(s, 0, &rng));
    for (int i = 0; i < count; i++) {
        visits += all[i].visits;
        if (i > 0) assert_true(all[i].visits <= all[i - 1].visits);
        if (i < 5) assert_int_equal(five[i].action, all[i].action);
        assert_true(all[i].length >= 1 && all[i].variation[0] == all[i].action);
        g->copy(g, p, search_root(s));
        for (int d = 0; d < all[i].length; d++)
            g->play(g, p, all[i].variation[d]); /* ENSUREs that it is legal */
    }
    assert_int_equal(visits, 500);
    assert_true(all[0].length > 2);
    position_free(p);
    search_free(s);
    game_free(g);
}

static void the_raw_policy_costs_one_evaluation(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    struct search *s = open_search(g, &c, NULL, 0);
    float policy[GAME_ACTIONS_MAX], sum = 0;
    struct rng rng = rng_make(1, RNG_TEST, 0);
    search_prior(s, policy);
    assert_true(policy[0] == 0);
    assert_int_equal(search_choose(s, 1, &rng), -1);
    think(s, g, hash_answer, 0, 1, false, 1);
    assert_int_equal(search_nodes(s), 1);
    search_prior(s, policy);
    for (int a = 0; a < g->actions; a++)
        sum += policy[a];
    assert_near(sum, 1, 0, 1e-5);
    assert_true(search_choose(s, 1, &rng) >= 0); /* by the priors */
    search_free(s);
    game_free(g);
}

static bool stop_at_once(void *context) {
    ++*(int *)context;
    return true;
}

static void thinking_stops_when_told(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    struct search *s = open_search(g, &c, NULL, 0);
    struct evaluator *e = evaluator_uniform(g, 1, 4);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    int asked = 0;
    search_begin(s, 1000, false, &rng);
    search_think(s, e, 0, 4, stop_at_once, &asked);
    assert_int_equal(asked, 1);
    assert_false(search_done(s));
    evaluator_free_uniform(e);
    search_free(s);
    game_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_are_mapped_back_from_any_symmetry),
        cmocka_unit_test(noise_changes_the_root_and_not_its_priors),
        cmocka_unit_test(a_tiny_alpha_does_no_harm),
        cmocka_unit_test(a_draw_is_proved),
        cmocka_unit_test(a_proved_root_puts_the_policy_on_winning_moves),
        cmocka_unit_test(proved_losses_are_avoided),
        cmocka_unit_test(passing_wins_a_won_game_of_go),
        cmocka_unit_test(without_solving_results_are_exact_but_nothing_is_proved),
        cmocka_unit_test(temperature_shares_the_choice_by_visits),
        cmocka_unit_test(candidates_are_sorted_and_their_lines_legal),
        cmocka_unit_test(the_raw_policy_costs_one_evaluation),
        cmocka_unit_test(thinking_stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
