/* Lean playouts against the engine: every move is one that the engine allows under simple ko and that fills
 * no eye, a pass is played where no such move is left, and the count at the end is the engine's. */
#include "games.h"
#include "tengen/playout.h"

static int stone_beside(const struct game *g, const void *position, int row, int column) {
    if (row < 0 || column < 0 || row >= g->height || column >= g->width) return -1;
    return go_at(g, position, row * g->width + column);
}

/* The eye of design/alphago.md: neighbours all own, opponents on one diagonal at most, on none at the edge.
 */
static bool is_own_eye(const struct game *g, const void *position, int point) {
    int row = point / g->width, column = point % g->width, own = g->to_play(g, position) + 1, edge = 0,
        bad = 0;
    for (int i = 0; i < 4; i++) {
        int stone = stone_beside(g, position, row + (i == 0) - (i == 1), column + (i == 2) - (i == 3));
        if (stone != -1 && stone != own) return false;
        edge |= stone == -1;
    }
    for (int i = 0; i < 4; i++)
        bad += stone_beside(g, position, row + (i & 1 ? 1 : -1), column + (i & 2 ? 1 : -1)) == 3 - own;
    return bad + edge < 2;
}

static int wanted_moves(const struct game *g, const void *position, uint8_t *wanted) {
    int count = 0;
    wanted[g->actions - 1] = 0;
    for (int i = 0; i < g->actions - 1; i++)
        count += wanted[i] = g->is_legal(g, position, i) && !is_own_eye(g, position, i);
    return count;
}

/* A game of Go without superko and with the length of a playout. */
static struct game *playout_game(int size) {
    struct game_config config = named_config("go");
    config.size = size;
    config.komi = 0;
    config.max_moves = 3 * size * size;
    strcpy(config.ko, "simple");
    struct game *g;
    assert_ok(game_create(&config, &g));
    return g;
}

/* Follows a playout to its end with the engine. */
static void follow(const struct game *g, void *position, struct playout *p) {
    uint8_t wanted[GAME_ACTIONS_MAX];
    int action;
    for (;;) {
        int count = wanted_moves(g, position, wanted);
        /* what sleeps is not wanted */
        for (int i = 0; i < p->asleep_count; i++)
            assert_false(
                wanted[(p->asleep[i] / PLAYOUT_ROW - 1) * g->width + p->asleep[i] % PLAYOUT_ROW - 1]);
        action = playout_step(p);
        if (action < 0) break;
        assert_true(action == g->actions - 1 ? count == 0 : wanted[action] == 1);
        g->play(g, position, action);
        assert_true(playout_area(p) == (int)g->score(g, position));
    }
    assert_true(g->ended(g, position));
}

static void every_move_and_count_is_the_engines(void **state) {
    (void)state;
    struct playout *p = MEM_NEW(struct playout, 1);
    for (int size = 2; size <= 25; size++) {
        struct game *g = playout_game(size);
        void *position = position_create(g);
        for (int i = 0; i < (size < 10 ? 60 : 5); i++) {
            struct rng r = rng_make(5, RNG_TEST, (uint64_t)(100 * size + i));
            g->start(g, position);
            playout_start(p, size);
            playout_seed(p, &r);
            follow(g, position, p);
        }
        position_free(position);
        game_free(g);
    }
    mem_free(p);
}

static void playouts_start_from_any_position(void **state) {
    (void)state;
    struct playout *p = MEM_NEW(struct playout, 2);
    for (int size = 5; size <= 19; size += 2) {
        struct game *g = playout_game(size);
        void *position = position_create(g);
        uint8_t legal[GAME_ACTIONS_MAX];
        for (int i = 0; i < 20; i++) {
            struct rng r = rng_make(6, RNG_TEST, (uint64_t)(100 * size + i));
            g->start(g, position);
            for (int k = (int)rng_below(&r, (uint32_t)(2 * size * size)); k > 0 && !g->ended(g, position);
                 k--)
                g->play(g, position, pick_legal(&r, legal, g->legal(g, position, legal)));
            if (g->ended(g, position)) continue;
            playout_load(&p[0], g, position);
            playout_copy(&p[1], &p[0]);
            assert_int_equal(playout_area(&p[1]), (int)g->score(g, position));
            p[1].moves = g->moves(g, position); /* so that both end together */
            playout_seed(&p[1], &r);
            follow(g, position, &p[1]);
        }
        position_free(position);
        game_free(g);
    }
    mem_free(p);
}

static void a_run_is_the_same_game_as_its_steps(void **state) {
    (void)state;
    struct playout *p = MEM_NEW(struct playout, 2);
    for (int i = 0; i < 50; i++) {
        struct rng a = rng_make(7, RNG_TEST, (uint64_t)i), b = a;
        playout_start(&p[0], 3 + i % 17);
        if (i & 1) p[0].to_play = 1;
        playout_copy(&p[1], &p[0]);
        int area = playout_run(&p[0], &a);
        playout_seed(&p[1], &b);
        while (playout_step(&p[1]) >= 0) {
        }
        assert_int_equal(area, playout_area(&p[1]));
        assert_int_equal(p[0].moves, p[1].moves);
        assert_int_equal(p[0].to_play, p[1].to_play);
        assert_true(a.counter == b.counter);
    }
    mem_free(p);
}

/* Chi-squared over the moves of a position with several kinds of refused points: all wanted ones come up
 * alike. */
static void wanted_moves_are_equally_likely(void **state) {
    (void)state;
    enum { DRAWS = 60000 };
    struct game *g = playout_game(9);
    void *position = position_create(g);
    struct playout *p = MEM_NEW(struct playout, 2);
    uint8_t wanted[GAME_ACTIONS_MAX];
    int hits[GAME_ACTIONS_MAX] = {0};
    struct rng r = rng_make(8, RNG_TEST, 0);
    playout_start(&p[0], 9);
    playout_seed(&p[0], &r);
    while (p[0].asleep_count < 3)
        g->play(g, position, playout_step(&p[0]));
    int count = wanted_moves(g, position, wanted);
    assert_in_range(count, 5, 40);
    for (int i = 0; i < DRAWS; i++) {
        playout_copy(&p[1], &p[0]);
        playout_seed(&p[1], &r);
        hits[playout_step(&p[1])]++;
    }
    double expected = (double)DRAWS / count, chi = 0;
    for (int i = 0; i < g->actions; i++) {
        if (!wanted[i]) assert_int_equal(hits[i], 0);
        if (wanted[i]) chi += (hits[i] - expected) * (hits[i] - expected) / expected;
    }
    assert_true(chi < count - 1 + 4 * sqrt(2.0 * (count - 1)));
    position_free(position);
    game_free(g);
    mem_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_move_and_count_is_the_engines),
        cmocka_unit_test(playouts_start_from_any_position),
        cmocka_unit_test(a_run_is_the_same_game_as_its_steps),
        cmocka_unit_test(wanted_moves_are_equally_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
