/* The window of self-play games: what leaves, what is drawn, and that a draw shows the position it should. */
#include "../game/games.h"
#include "tengen/game_window.h"

enum { SIZE = 5, ACTIONS = SIZE * SIZE + 1, GAMES = 6, CAPACITY = 10 };

/* A game of random moves; every third position is learnt from, with shares that tell which it is. */
static struct game_record random_record(const struct game *g, uint64_t number) {
    struct game_record r = {.number = number, .result = number % 2 ? 1.0f : -1.0f, .score = 2.5f};
    struct rng rng = rng_make(31, RNG_TEST, number);
    void *position = position_create(g);
    size_t most = (size_t)g->max_moves;
    r.actions = MEM_NEW(int16_t, most);
    r.learn = MEM_NEW(uint8_t, most);
    r.values = MEM_NEW(float, most);
    r.policies = MEM_NEW(uint16_t, most * ACTIONS);
    g->start(g, position);
    for (int moves = 12 + (int)number; r.move_count < moves && !g->ended(g, position); r.move_count++) {
        uint8_t legal[GAME_ACTIONS_MAX];
        int action = pick_legal(&rng, legal, g->legal(g, position, legal));
        r.actions[r.move_count] = (int16_t)action;
        r.values[r.move_count] = 0.01f * (float)r.move_count;
        r.learn[r.move_count] = r.move_count % 3 == 0;
        if (r.learn[r.move_count]) {
            uint16_t *shares = r.policies + (size_t)r.policy_count++ * ACTIONS;
            shares[action] = 40000;
            shares[(action + 1) % ACTIONS] = 20000;
        }
        g->play(g, position, action);
    }
    position_free(position);
    return r;
}

static void fill(struct game_window *w, const struct game *g, int games, int limit) {
    window_init(w, g, CAPACITY);
    for (int i = 0; i < games; i++) {
        struct game_record r = random_record(g, (uint64_t)i);
        window_add(w, &r, limit);
    }
}

static void the_oldest_games_leave(void **state) {
    struct game *g = *state;
    struct game_window w;
    fill(&w, g, 25, 4);
    assert_int_equal(w.total_games, 25);
    assert_int_equal(w.count, 4);
    bool seen[25] = {false};
    struct rng rng = rng_make(1, RNG_TEST, 0);
    for (int i = 0; i < 1000; i++)
        seen[window_draw(&w, &rng, false).record->number] = true;
    for (int i = 0; i < 25; i++)
        assert_int_equal(seen[i], i >= 21);
    struct game_record more = random_record(g, 25); /* a larger limit keeps what is there */
    window_add(&w, &more, 8);
    assert_int_equal(w.count, 5);
    window_free(&w);
}

static void a_game_without_learnt_positions_is_counted_but_not_kept(void **state) {
    struct game *g = *state;
    struct game_window w;
    fill(&w, g, 2, 4);
    struct game_record none = random_record(g, 3);
    memset(none.learn, 0, (size_t)none.move_count);
    none.policy_count = 0;
    window_add(&w, &none, 4);
    assert_int_equal(w.total_games, 3);
    assert_int_equal(w.count, 2);
    window_free(&w);
}

static void draws_are_uniform_over_learnt_positions_and_symmetries(void **state) {
    struct game *g = *state;
    struct game_window w;
    fill(&w, g, GAMES, CAPACITY);
    enum { DRAWS = 40000, MOVES = 64 };
    static int count[GAMES][MOVES], by_symmetry[GAME_SYMMETRIES_MAX];
    memset(count, 0, sizeof count);
    memset(by_symmetry, 0, sizeof by_symmetry);
    struct rng rng = rng_make(2, RNG_TEST, 0);
    for (int i = 0; i < DRAWS; i++) {
        struct window_sample s = window_draw(&w, &rng, true);
        assert_true(s.record->learn[s.move]);
        assert_int_equal(s.policy, s.move / 3);
        count[s.record->number][s.move]++;
        by_symmetry[s.symmetry]++;
    }
    int positions = (int)w.total_positions;
    for (int n = 0; n < GAMES; n++)
        for (int m = 0; m < MOVES; m++)
            if (count[n][m]) assert_near(count[n][m], (double)DRAWS / positions, 0.25, 0);
    for (int s = 0; s < g->symmetries; s++)
        assert_near(by_symmetry[s], (double)DRAWS / g->symmetries, 0.06, 0);
    window_free(&w);
}

/* Bits are those of the position, to be seen under the symmetry; what the policy gives an action stands where
 * the symmetry shows it; the value is the player to move's. */
/* Also where it has grown in the middle of its ring. */
static void memory_follows_the_games_that_there_are(void **state) {
    struct game *g = *state;
    struct game_window w;
    window_init(&w, g, 100000000);
    assert_true(w.room < 1000);
    for (int i = 0; i < 300; i++) {
        struct game_record r = random_record(g, (uint64_t)i);
        window_add(&w, &r, i < 90 ? 40 : 150);
    }
    assert_int_equal(w.count, 150);
    assert_true(w.room < 1000);
    bool seen[300] = {false};
    struct rng rng = rng_make(5, RNG_TEST, 0);
    for (int i = 0; i < 20000; i++)
        seen[window_draw(&w, &rng, false).record->number] = true;
    for (int i = 0; i < 300; i++)
        assert_int_equal(seen[i], i >= 150);
    window_free(&w);
}

static void a_sample_shows_its_position_under_its_symmetry(void **state) {
    struct game *g = *state;
    struct game_window w;
    fill(&w, g, GAMES, CAPACITY);
    uint8_t *bits = MEM_NEW(uint8_t, g->encoded_bytes), *expected = MEM_NEW(uint8_t, g->encoded_bytes);
    int32_t symmetry;
    float policy[ACTIONS], value;
    void *scratch = position_create(g), *position = position_create(g);
    struct rng rng = rng_make(3, RNG_TEST, 0);
    for (int i = 0; i < 300; i++) {
        struct window_sample s = window_draw(&w, &rng, true);
        const struct game_record *r = s.record;
        window_encode(&w, &s, 0.25f, scratch, (struct game_batch){bits, &symmetry}, policy, &value);
        g->start(g, position);
        for (int m = 0; m < s.move; m++)
            g->play(g, position, r->actions[m]);
        g->encode(g, position, expected);
        assert_memory_equal(bits, expected, g->encoded_bytes);
        assert_int_equal(symmetry, s.symmetry);
        int action = r->actions[s.move];
        const int16_t *map = g->action_map(g, s.symmetry);
        float sum = 0;
        for (int a = 0; a < ACTIONS; a++)
            sum += policy[a];
        assert_near(sum, 1, 0, 1e-6);
        assert_near(policy[map[action]], 2.0 / 3, 0, 1e-6);
        assert_near(policy[map[(action + 1) % ACTIONS]], 1.0 / 3, 0, 1e-6);
        float z = g->to_play(g, position) == 0 ? r->result : -r->result;
        assert_near(value, 0.75f * z + 0.25f * r->values[s.move], 0, 1e-6);
    }
    position_free(position);
    position_free(scratch);
    mem_free(bits);
    mem_free(expected);
    window_free(&w);
}

static void a_window_comes_back_from_its_bytes(void **state) {
    struct game *g = *state;
    struct game_window w, back;
    void *data, *again;
    size_t size, size_again;
    fill(&w, g, 25, 7);
    window_save(&w, &data, &size);
    window_init(&back, g, CAPACITY);
    assert_ok(window_load(&back, data, size));
    window_save(&back, &again, &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(data, again, size);
    struct rng one = rng_make(4, RNG_TEST, 0), two = one;
    for (int i = 0; i < 50; i++) {
        struct window_sample a = window_draw(&w, &one, true), b = window_draw(&back, &two, true);
        assert_true(a.record->number == b.record->number && a.move == b.move && a.symmetry == b.symmetry);
    }
    for (size_t cut = 0; cut < size; cut += size / 40)
        assert_fails(window_load(&back, data, cut), STATUS_FORMAT, "game window");
    assert_int_equal(back.count, 7); /* what was there stays */
    mem_free(data);
    mem_free(again);
    window_free(&w);
    window_free(&back);
}

static int setup(void **state) {
    *state = go_game(SIZE, 0.5f, "positional", false);
    return 0;
}

static int teardown(void **state) {
    game_free(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_games_leave),
        cmocka_unit_test(a_game_without_learnt_positions_is_counted_but_not_kept),
        cmocka_unit_test(draws_are_uniform_over_learnt_positions_and_symmetries),
        cmocka_unit_test(memory_follows_the_games_that_there_are),
        cmocka_unit_test(a_sample_shows_its_position_under_its_symmetry),
        cmocka_unit_test(a_window_comes_back_from_its_bytes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
