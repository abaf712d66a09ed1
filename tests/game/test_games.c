/* What holds for every registered game, on random games. */
#include "games.h"
#include "planes.h"

enum { GAMES = 30 };

/* Every registered game once, and Go in a few more shapes. */
static int make_games(struct game *games[16]) {
    int count = 0;
    for (int i = 0; i < game_count(); i++)
        games[count++] = named_game(game_name_at(i));
    games[count++] = go_game(3, 0, "simple", false);
    games[count++] = go_game(9, 7.5f, "situational", true);
    games[count++] = go_game(13, -3, "positional", true);
    struct game_config config = named_config("go");
    config.size = 5;
    config.max_moves = 17;
    assert_ok(game_create(&config, &games[count++]));
    return count;
}

/* Calls `visit` on every registered game, with an array of positions, each at its start. */
static void for_all_games(void (*visit)(const struct game *g, void *position[GAME_SYMMETRIES_MAX])) {
    struct game *games[16];
    int count = make_games(games);
    for (int i = 0; i < count; i++) {
        void *position[GAME_SYMMETRIES_MAX];
        for (int k = 0; k < GAME_SYMMETRIES_MAX; k++)
            position[k] = position_create(games[i]);
        visit(games[i], position);
        for (int k = 0; k < GAME_SYMMETRIES_MAX; k++)
            position_free(position[k]);
        game_free(games[i]);
    }
}

static int random_legal(const struct game *g, const void *position, struct rng *r) {
    uint8_t legal[GAME_ACTIONS_MAX];
    return pick_legal(r, legal, g->legal(g, position, legal));
}

static void check_legality(const struct game *g, void *position[GAME_SYMMETRIES_MAX]) {
    uint8_t legal[GAME_ACTIONS_MAX + 1];
    for (int i = 0; i < GAMES; i++) {
        struct rng r = rng_make(1, RNG_TEST, (uint64_t)i);
        g->start(g, position[0]);
        for (int move = 0;; move++) {
            legal[g->actions] = 77;
            int count = g->legal(g, position[0], legal), sum = 0;
            assert_int_equal(legal[g->actions], 77); /* writes no further */
            for (int a = 0; a < g->actions; a++) {
                assert_true(legal[a] <= 1);
                assert_int_equal(legal[a], g->is_legal(g, position[0], a));
                sum += legal[a];
            }
            assert_false(g->is_legal(g, position[0], -1) || g->is_legal(g, position[0], g->actions));
            assert_int_equal(sum, count);
            assert_int_equal(count == 0, g->ended(g, position[0]));
            assert_int_equal(g->moves(g, position[0]), move);
            assert_true(move <= g->max_moves);
            if (count == 0) break;
            g->play(g, position[0], pick_legal(&r, legal, count));
        }
        float result = g->result(g, position[0]), score = g->score(g, position[0]);
        assert_true(result == 1 || result == 0 || result == -1);
        assert_true((score > 0) - (score < 0) == (int)result);
    }
}

static void legal_moves_exist_exactly_until_the_end(void **state) {
    (void)state;
    for_all_games(check_legality);
}

static void assert_same(const struct game *g, const void *a, const void *b) {
    static uint8_t bits[2][GAME_ACTIONS_MAX * 4];
    uint8_t legal[2][GAME_ACTIONS_MAX];
    assert_true(g->key(g, a) == g->key(g, b));
    assert_int_equal(g->to_play(g, a), g->to_play(g, b));
    assert_int_equal(g->moves(g, a), g->moves(g, b));
    g->encode(g, a, bits[0]);
    g->encode(g, b, bits[1]);
    assert_memory_equal(bits[0], bits[1], g->encoded_bytes);
    assert_int_equal(g->legal(g, a, legal[0]), g->legal(g, b, legal[1]));
    assert_memory_equal(legal[0], legal[1], (size_t)g->actions);
    assert_true(g->score(g, a) == g->score(g, b));
}

/* position[0] plays on, [1] is a copy that tries another move first and is then restored from [2], [3]
 * replays the game from its start at the end. */
static void check_copies(const struct game *g, void *position[GAME_SYMMETRIES_MAX]) {
    int *actions = MEM_NEW(int, g->max_moves);
    for (int i = 0; i < GAMES; i++) {
        struct rng r = rng_make(2, RNG_TEST, (uint64_t)i);
        int moves = 0;
        g->start(g, position[0]);
        while (!g->ended(g, position[0])) {
            g->copy(g, position[1], position[0]);
            g->copy(g, position[2], position[0]);
            g->play(g, position[1], random_legal(g, position[1], &r));
            g->copy(g, position[1], position[2]);
            assert_same(g, position[0], position[1]);
            actions[moves] = random_legal(g, position[0], &r);
            g->play(g, position[0], actions[moves]);
            g->play(g, position[1], actions[moves++]);
            assert_same(g, position[0], position[1]);
        }
        g->start(g, position[3]);
        for (int k = 0; k < moves; k++)
            g->play(g, position[3], actions[k]);
        assert_same(g, position[0], position[3]);
    }
    mem_free(actions);
}

static void copies_and_replays_are_the_same_position(void **state) {
    (void)state;
    for_all_games(check_copies);
}

/* Where a point of the board goes: as the action there; in Connect Four an action is a column. */
static int map_point(const struct game *g, int symmetry, int point) {
    const int16_t *map = g->action_map(g, symmetry);
    if (g->actions >= g->height * g->width) return map[point];
    return point / g->width * g->width + map[point % g->width];
}

/* The same game played in every symmetry at once: each position's planes are the first one's under that
 * symmetry. */
static void check_symmetries(const struct game *g, void *position[GAME_SYMMETRIES_MAX]) {
    static float seen[GAME_ACTIONS_MAX * 32], played[GAME_ACTIONS_MAX * 32], plain[GAME_ACTIONS_MAX * 32];
    uint8_t legal[GAME_ACTIONS_MAX], mapped[GAME_ACTIONS_MAX];
    int points = g->height * g->width;
    size_t row = (size_t)g->planes, bytes = (size_t)points * row * sizeof(float);
    assert_in_range(g->symmetries, 1, GAME_SYMMETRIES_MAX);
    struct rng r = rng_make(3, RNG_TEST, 0);
    for (;;) {
        planes_of(g, position[0], 0, plain);
        int count = g->legal(g, position[0], legal);
        for (int s = 0; s < g->symmetries; s++) {
            planes_of(g, position[0], s, seen);
            planes_of(g, position[s], 0, played);
            assert_memory_equal(seen, played, bytes);
            for (int i = 0; i < points; i++)
                assert_memory_equal(seen + (size_t)map_point(g, s, i) * row, plain + (size_t)i * row,
                                    row * sizeof(float));
            assert_int_equal(g->legal(g, position[s], mapped), count);
            for (int a = 0; a < g->actions; a++)
                assert_int_equal(mapped[g->action_map(g, s)[a]], legal[a]);
        }
        if (!count) break;
        int action = pick_legal(&r, legal, count);
        for (int s = 0; s < g->symmetries; s++)
            g->play(g, position[s], g->action_map(g, s)[action]);
    }
    for (int s = 0; s < g->symmetries; s++)
        assert_true(g->score(g, position[s]) == g->score(g, position[0]));
}

static void symmetries_map_planes_and_actions_alike(void **state) {
    (void)state;
    for_all_games(check_symmetries);
}

static void check_symmetry_tables(const struct game *g, void *position[GAME_SYMMETRIES_MAX]) {
    (void)position;
    for (int s = 0; s < g->symmetries; s++) {
        uint8_t hit[GAME_ACTIONS_MAX] = {0};
        for (int a = 0; a < g->actions; a++) {
            int to = g->action_map(g, s)[a];
            assert_in_range(to, 0, g->actions - 1);
            assert_false(hit[to]++);
            if (s == 0) assert_int_equal(to, a);
        }
        for (int k = 0; k < s; k++)
            assert_memory_not_equal(g->action_map(g, s), g->action_map(g, k),
                                    (size_t)g->actions * sizeof(int16_t));
    }
}

static void symmetries_are_different_permutations(void **state) {
    (void)state;
    for_all_games(check_symmetry_tables);
}

static void check_text(const struct game *g, void *position[GAME_SYMMETRIES_MAX]) {
    char text[64], board[4096];
    for (int a = 0; a < g->actions; a++) {
        g->action_text(g, a, text, sizeof text);
        assert_int_equal(g->action_parse(g, text), a);
        for (char *c = text; *c; c++)
            if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
        assert_int_equal(g->action_parse(g, text), a);
    }
    const char *wrong[] = {"", "Z99", "A0", "resign", "D", "4D", "A1x", "-1", "99"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(g->action_parse(g, wrong[i]), -1);
    g->print(g, position[0], board, sizeof board);
    assert_true(strlen(board) > (size_t)(g->height * g->width) && strlen(board) < sizeof board - 1);
    memset(board, 'z', sizeof board);
    g->print(g, position[0], board, 10); /* cut, not overrun */
    assert_true(strlen(board) < 10 && board[10] == 'z');
}

static void actions_are_written_and_read(void **state) {
    (void)state;
    for_all_games(check_text);
}

static void an_unknown_game_is_refused_with_the_nearest(void **state) {
    (void)state;
    struct game *g;
    struct game_config config = named_config("conect4");
    assert_fails(game_create(&config, &g), STATUS_USAGE, "\"connect4\"");
    config = named_config("backgammon");
    assert_fails(game_create(&config, &g), STATUS_USAGE, "go, tictactoe, connect4");
    assert_null(g);
    config = named_config("go");
    config.size = 26;
    assert_fails(game_create(&config, &g), STATUS_USAGE, "26");
    config.size = 9;
    strcpy(config.ko, "none");
    assert_fails(game_create(&config, &g), STATUS_USAGE, "positional");
}

/* Plays a game given in text, from the start; returns the position for position_free. */
static void *play_text(const struct game *g, const char *const *actions, int count) {
    void *position = position_create(g);
    for (int i = 0; i < count; i++)
        g->play(g, position, g->action_parse(g, actions[i]));
    return position;
}

static void three_in_a_row_wins(void **state) {
    (void)state;
    struct game *g = named_game("tictactoe");
    const char *win[] = {"A1", "B1", "A2", "B2", "A3"}, *taken[] = {"A1", "C3", "B1", "B2"};
    void *position = play_text(g, win, 5);
    assert_true(g->ended(g, position) && g->result(g, position) == 1);
    position_free(position);
    position = play_text(g, taken, 4);
    assert_false(g->ended(g, position) || g->is_legal(g, position, g->action_parse(g, "A1")));
    position_free(position);
    const char *draw[] = {"A1", "B2", "C3", "B1", "B3", "A3", "C1", "C2", "A2"};
    position = play_text(g, draw, 9);
    assert_true(g->ended(g, position) && g->result(g, position) == 0);
    position_free(position);
    const char *second[] = {"A1", "C1", "B1", "C2", "A3", "C3"};
    position = play_text(g, second, 6);
    assert_true(g->ended(g, position) && g->result(g, position) == -1);
    position_free(position);
    game_free(g);
}

static void four_in_a_row_wins_in_every_direction(void **state) {
    (void)state;
    struct game *g = named_game("connect4");
    static const char *const games[][12] = {
        {"1", "2", "1", "2", "1", "2", "1"},                     /* upright */
        {"1", "1", "2", "2", "3", "3", "4"},                     /* level */
        {"1", "2", "2", "3", "3", "4", "3", "4", "4", "6", "4"}, /* rising */
        {"7", "6", "6", "5", "5", "4", "5", "4", "4", "2", "4"}, /* falling */
    };
    for (size_t i = 0; i < sizeof games / sizeof games[0]; i++) {
        int count = 0;
        while (count < 12 && games[i][count])
            count++;
        void *before = play_text(g, games[i], count - 1), *after = play_text(g, games[i], count);
        assert_false(g->ended(g, before));
        assert_true(g->ended(g, after) && g->result(g, after) == 1);
        position_free(before);
        position_free(after);
    }
    /* Four that run over the top of one column into the next are none; a full column takes no more. */
    const char *wrap[] = {"2", "1", "2", "1", "2", "1", "1", "2", "1", "2", "1"};
    void *position = play_text(g, wrap, 11);
    assert_false(g->ended(g, position) || g->is_legal(g, position, 0));
    position_free(position);
    game_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_moves_exist_exactly_until_the_end),
        cmocka_unit_test(copies_and_replays_are_the_same_position),
        cmocka_unit_test(symmetries_map_planes_and_actions_alike),
        cmocka_unit_test(symmetries_are_different_permutations),
        cmocka_unit_test(actions_are_written_and_read),
        cmocka_unit_test(an_unknown_game_is_refused_with_the_nearest),
        cmocka_unit_test(three_in_a_row_wins),
        cmocka_unit_test(four_in_a_row_wins_in_every_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
