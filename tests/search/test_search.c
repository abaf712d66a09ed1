/* Search on small games, where what is right is known. */
#include "testing.h"

#include "tengen/mem.h"
#include "tengen/search.h"
#include "tengen/selfplay.h"

static struct game *open_game(const char *name) {
    struct game_config config;
    struct game *g;
    config_defaults(game_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", name);
    config.size = 5;
    config.komi = 0.5f;
    assert_ok(game_create(&config, &g));
    return g;
}

static struct search_config defaults(void) {
    struct search_config c;
    config_defaults(search_config_keys, &c);
    return c;
}

/* The position after some actions. */
static void *position_after(const struct game *g, const int *actions, int count) {
    void *p = position_create(g);
    g->start(g, p);
    for (int i = 0; i < count; i++)
        g->play(g, p, actions[i]);
    return p;
}

static void think(struct search *s, const struct game *g, int simulations, int leaves) {
    struct evaluator *e = evaluator_uniform(g, 1, leaves);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    search_begin(s, simulations, false, &rng);
    search_think(s, e, 0, leaves, NULL, NULL);
    evaluator_free_uniform(e);
}

/* Exact value for the player to move, by full minimax. */
static int minimax(const struct game *g, const void *position) {
    if (g->ended(g, position)) {
        int r = (int)g->result(g, position);
        return g->to_play(g, position) == 0 ? r : -r;
    }
    uint8_t legal[GAME_ACTIONS_MAX];
    void *next = position_create(g);
    int best = -1;
    g->legal(g, position, legal);
    for (int a = 0; a < g->actions && best < 1; a++) {
        if (!legal[a]) continue;
        g->copy(g, next, position);
        g->play(g, next, a);
        int value = -minimax(g, next);
        if (value > best) best = value;
    }
    position_free(next);
    return best;
}

static void a_win_in_one_is_found_and_proved(void **state) {
    (void)state;
    struct game *g = open_game("tictactoe");
    const int moves[] = {0, 3, 1, 4}; /* X has 0 1, O has 3 4: 2 wins */
    void *p = position_after(g, moves, 4);
    struct search_config c = defaults();
    struct search *s = search_create(g, &c);
    search_reset(s, p);
    think(s, g, 50, 1);
    struct rng rng = rng_make(2, RNG_TEST, 0);
    assert_int_equal(search_choose(s, 0, &rng), 2);
    assert_int_equal(search_proved(s), 1);
    search_free(s);
    position_free(p);
    game_free(g);
}

/* Random tic-tac-toe positions: what the solver proves is what minimax says, and with many simulations it
 * proves all. */
static void proved_values_are_those_of_minimax(void **state) {
    (void)state;
    struct game *g = open_game("tictactoe");
    struct search_config c = defaults();
    struct search *s = search_create(g, &c);
    void *p = position_create(g);
    struct rng rng = rng_make(3, RNG_TEST, 0);
    int proved = 0;
    for (int trial = 0; trial < 60; trial++) {
        uint8_t legal[GAME_ACTIONS_MAX];
        g->start(g, p);
        for (int i = 0; i < 4; i++) {
            int a;
            g->legal(g, p, legal);
            do
                a = (int)rng_below(&rng, (uint32_t)g->actions);
            while (!legal[a]);
            g->play(g, p, a);
        }
        if (g->ended(g, p)) continue;
        search_reset(s, p);
        think(s, g, 3000, 1);
        int found = search_proved(s), exact = minimax(g, p);
        if (found == 0) continue;
        proved++;
        assert_int_equal(found == 2 ? 0 : found, exact);
    }
    assert_true(proved > 30);
    search_free(s);
    position_free(p);
    game_free(g);
}

static void connect4_blocks_a_threat(void **state) {
    (void)state;
    struct game *g = open_game("connect4");
    const int moves[] = {3, 3, 4, 4,
                         2}; /* first player has 2 3 4 in the bottom row, open on both sides: lost */
    void *p = position_after(g, moves, 5);
    struct search_config c = defaults();
    struct search *s = search_create(g, &c);
    search_reset(s, p);
    think(s, g, 4000, 1);
    assert_int_equal(search_proved(s), -1);
    search_free(s);
    position_free(p);
    game_free(g);
}

static void visits_add_up_and_survive_a_move(void **state) {
    (void)state;
    struct game *g = open_game("go");
    struct search_config c = defaults();
    struct search *s = search_create(g, &c);
    void *p = position_after(g, NULL, 0);
    int visits[GAME_ACTIONS_MAX], after[GAME_ACTIONS_MAX];
    search_reset(s, p);
    think(s, g, 300, 8);
    int sum = search_visits(s, visits), best = 0;
    assert_in_range(sum, 290, 310);
    for (int a = 0; a < g->actions; a++)
        if (visits[a] > visits[best]) best = a;
    search_advance(s, best);
    int kept = search_visits(s, after);
    assert_in_range(kept, visits[best] - 1, visits[best]);
    think(s, g, 300, 8);
    assert_in_range(search_visits(s, after), 290, 310);
    search_free(s);
    position_free(p);
    game_free(g);
}

static void the_policy_is_a_distribution_over_legal_moves(void **state) {
    (void)state;
    struct game *g = open_game("go");
    struct search_config c = defaults();
    struct search *s = search_create(g, &c);
    const int moves[] = {12, 7, 11};
    void *p = position_after(g, moves, 3);
    float policy[GAME_ACTIONS_MAX], sum = 0;
    search_reset(s, p);
    think(s, g, 200, 1);
    search_policy(s, policy);
    for (int a = 0; a < g->actions; a++) {
        if (policy[a] > 0) assert_true(g->is_legal(g, p, a));
        sum += policy[a];
    }
    assert_true(fabsf(sum - 1) < 1e-4f);
    search_free(s);
    position_free(p);
    game_free(g);
}

static void memory_is_bounded_and_said_to_be_full(void **state) {
    (void)state;
    struct game *g = open_game("go");
    struct search_config c = defaults();
    c.memory = 1;
    struct search *s = search_create(g, &c);
    void *p = position_after(g, NULL, 0);
    search_reset(s, p);
    think(s, g, 30000, 16);
    assert_true(search_full(s));
    assert_true(search_memory(s) <= (size_t)3 << 20);
    search_free(s);
    position_free(p);
    game_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_win_in_one_is_found_and_proved),
        cmocka_unit_test(proved_values_are_those_of_minimax),
        cmocka_unit_test(connect4_blocks_a_threat),
        cmocka_unit_test(visits_add_up_and_survive_a_move),
        cmocka_unit_test(the_policy_is_a_distribution_over_legal_moves),
        cmocka_unit_test(memory_is_bounded_and_said_to_be_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
