/* Go by diagrams: a board before, moves, the board after. */
#include "games.h"

/* A diagram is rows from the top, divided by blanks: X black, O white, . empty. */
static int read_diagram(const char *diagram, uint8_t *board) {
    int size = (int)strcspn(diagram, " "), count = 0;
    for (const char *c = diagram; *c; c++)
        if (*c != ' ') board[count++] = *c == 'X' ? GO_BLACK : *c == 'O' ? GO_WHITE : GO_EMPTY;
    assert_int_equal(count, size * size);
    return size;
}

static void assert_board(const struct game *g, const void *position, const char *diagram) {
    uint8_t expected[GAME_ACTIONS_MAX], board[GAME_ACTIONS_MAX];
    char text[4096];
    int size = read_diagram(diagram, expected);
    go_board(g, position, board);
    g->print(g, position, text, sizeof text);
    if (memcmp(board, expected, (size_t)(size * size))) fail_msg("not the board %s:\n%s", diagram, text);
}

struct fixture {
    struct game *g;
    void *position;
};

static struct fixture begin(const char *diagram, int player, const char *ko, bool suicide) {
    uint8_t board[GAME_ACTIONS_MAX];
    struct fixture f = {go_game(read_diagram(diagram, board), 0, ko, suicide), NULL};
    f.position = position_create(f.g);
    assert_true(go_setup(f.g, f.position, board, player));
    assert_board(f.g, f.position, diagram);
    assert_int_equal(f.g->to_play(f.g, f.position), player);
    return f;
}

static void end(struct fixture *f) {
    position_free(f->position);
    game_free(f->g);
}

/* Moves divided by blanks, colours in turn: "D4" is played, "?D4" must be legal, "!D4" must be illegal. */
static void play(struct fixture *f, const char *moves) {
    char text[8];
    for (int length; *moves; moves += length) {
        while (*moves == ' ')
            moves++;
        length = (int)strcspn(moves, " ");
        int bare = *moves == '!' || *moves == '?';
        snprintf(text, sizeof text, "%.*s", length - bare, moves + bare);
        int action = f->g->action_parse(f->g, text);
        if (f->g->is_legal(f->g, f->position, action) == (*moves == '!'))
            fail_msg("%s should be %s", text, *moves == '!' ? "illegal" : "legal");
        if (!bare) f->g->play(f->g, f->position, action);
    }
}

static const char *const kos[] = {"simple", "positional", "situational"};

/* The same under all three ko rules. */
static void sequence(const char *before, int player, const char *moves, const char *after) {
    for (int i = 0; i < 3; i++) {
        struct fixture f = begin(before, player, kos[i], false);
        play(&f, moves);
        assert_board(f.g, f.position, after);
        end(&f);
    }
}

static void a_stone_without_liberties_is_taken(void **state) {
    (void)state;
    sequence("..... ..X.. .XOX. ..... .....", 0, "C2", "..... ..X.. .X.X. ..X.. .....");
    sequence("OX... ..... ..... ..... .....", 0, "A4", ".X... X.... ..... ..... .....");
    sequence(".OX.. XX... ..... ..... .....", 0, "A5", "X.X.. XX... ..... ..... .....");
}

static void several_chains_are_taken_at_once(void **state) {
    (void)state;
    sequence(".XOX. XO.OX .XOX. ..X.. .....", 0, "C4", ".X.X. X.X.X .X.X. ..X.. .....");
    struct fixture f = begin(".XOX. XO.OX .XOX. ..X.. .....", 0, "positional", false);
    play(&f, "C4");
    assert_int_equal(go_captures(f.g, f.position, 0), 4);
    assert_int_equal(go_captures(f.g, f.position, 1), 0);
    assert_int_equal(go_last_move(f.g, f.position), 7);
    end(&f);
}

static void a_capture_comes_before_suicide(void **state) {
    (void)state;
    sequence(".OX.. OX... X.... ..... .....", 0, "!C6 A5", "X.X.. .X... X.... ..... .....");
}

static void a_snapback_is_no_ko(void **state) {
    (void)state;
    sequence("..... ..... .XXX. XOOOX XO..X", 0, "C1 D1 C1", "..... ..... .XXX. X...X X.X.X");
}

static void a_ko_waits_for_a_move_elsewhere(void **state) {
    (void)state;
    const char *before = "..... .XO.. XO.O. .XO.. .....";
    sequence(before, 0, "C3 !B3 ?E5", "..... .XO.. X.XO. .XO.. .....");
    sequence(before, 0, "C3 E5 A5 B3 !C3", "X...O .XO.. XO.O. .XO.. .....");
    sequence(before, 0, "C3 pass A5 B3 !C3 ?E1", "X.... .XO.. XO.O. .XO.. .....");
}

/* Black sends two stones, white takes them, black takes one back: the board is as before, with white to move.
 */
static void sending_two_to_return_one(void **state) {
    (void)state;
    const char *before = "..... ..... ..X.. OOX.. .X.X.";
    static const char *const moves[] = {"A1 C1 B1", "A1 C1 !B1", "A1 C1 B1 pass !A1"};
    for (int i = 0; i < 3; i++) {
        struct fixture f = begin(before, 0, kos[i], false);
        play(&f, moves[i]);
        end(&f);
    }
}

/* Three kos taken in turn bring the board back after six moves, with the same player to move. */
static void a_triple_ko(void **state) {
    (void)state;
    const char *before =
        "XO.O..... .XO...... ......... ......... ......... ......... ......... .XO...XO. XO.O.X.XO";
    for (int i = 0; i < 3; i++) {
        struct fixture f = begin(before, 0, kos[i], false);
        play(&f, "C1 G1 C9 B1 H1");
        play(&f, i ? "!B9 ?J9" : "B9 C1");
        end(&f);
    }
}

static void suicide_is_an_option_for_several_stones(void **state) {
    (void)state;
    const char *single = "..... ..... ..... O.... .O...", *chain = "..... ..... O.... XO... .O...";
    for (int i = 0; i < 3; i++) {
        struct fixture f = begin(single, 0, kos[i], true);
        play(&f, "!A1");
        end(&f);
        f = begin(chain, 0, kos[i], false);
        play(&f, "!A1");
        end(&f);
        f = begin(chain, 0, kos[i], true);
        play(&f, "A1 ?A1 ?A2");
        assert_board(f.g, f.position, "..... ..... O.... .O... .O...");
        assert_int_equal(go_captures(f.g, f.position, 1), 2);
        end(&f);
    }
}

static void assert_area(const char *diagram, float expected, const char *owners) {
    uint8_t owner[GAME_ACTIONS_MAX], wanted[GAME_ACTIONS_MAX], exchanged[GAME_ACTIONS_MAX];
    struct fixture f = begin(diagram, 0, "positional", false);
    int size = read_diagram(owners, wanted);
    assert_true(go_area(f.g, f.position, owner) == expected);
    assert_memory_equal(owner, wanted, (size_t)(size * size));
    assert_true(f.g->score(f.g, f.position) == expected);
    read_diagram(diagram, exchanged);
    for (int i = 0; i < size * size; i++)
        exchanged[i] = "\0\2\1"[exchanged[i]];
    assert_true(go_setup(f.g, f.position, exchanged, 0));
    assert_true(go_area(f.g, f.position, NULL) == -expected);
    end(&f);
}

static void area_counts_stones_and_what_only_one_colour_reaches(void **state) {
    (void)state;
    assert_area("..... ..... ..... ..... .....", 0, "..... ..... ..... ..... .....");
    assert_area("..... ..... ..X.. ..... .....", 25, "XXXXX XXXXX XXXXX XXXXX XXXXX");
    assert_area(".X.O. .X.O. .X.O. .X.O. .X.O.", 0, "XX.OO XX.OO XX.OO XX.OO XX.OO");
    /* a seki of the four black stones below: two shared liberties belong to nobody */
    assert_area(".XX.X XXXXX OOOOO XX.OO XX.OO", 5, "XXXXX XXXXX OOOOO XX.OO XX.OO");
    /* dead stones count as long as they stand */
    assert_area(".X... XX.O. XXXX. XXXX. ..XX.", 15, "XX... XX.O. XXXX. XXXX. XXXX.");
}

static void komi_is_whites(void **state) {
    (void)state;
    static const struct {
        float komi, result;
    } cases[] = {{0, 0}, {0.5f, -1}, {-0.5f, 1}, {7, -1}, {-300, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct game *g = go_game(5, cases[i].komi, "positional", false);
        void *position = position_create(g);
        assert_true(g->score(g, position) == -cases[i].komi);
        g->play(g, position, 25);
        assert_false(g->ended(g, position));
        g->play(g, position, 25);
        assert_true(g->ended(g, position));
        assert_true(g->result(g, position) == cases[i].result);
        position_free(position);
        game_free(g);
    }
}

static void two_passes_in_a_row_end_the_game(void **state) {
    (void)state;
    struct fixture f = begin("... ... ...", 0, "positional", false);
    play(&f, "pass B2 pass");
    assert_false(f.g->ended(f.g, f.position));
    play(&f, "pass !A1 !pass");
    assert_true(f.g->ended(f.g, f.position));
    end(&f);
}

static void setup_refuses_chains_without_liberties(void **state) {
    (void)state;
    uint8_t board[25], before[25];
    struct fixture f = begin("..... ..X.. ..... ..... .....", 1, "positional", false);
    go_board(f.g, f.position, before);
    read_diagram("OX... X.... ..... ..... .....", board);
    assert_false(go_setup(f.g, f.position, board, 0));
    assert_board(f.g, f.position, "..... ..X.. ..... ..... .....");
    assert_int_equal(f.g->to_play(f.g, f.position), 1);
    read_diagram("XXXXX XXXXX XXXXX XXXXX XXXXX", board);
    assert_false(go_setup(f.g, f.position, board, 0));
    play(&f, "C3"); /* the position still works */
    end(&f);
}

static void setup_forgets_what_was_before(void **state) {
    (void)state;
    struct fixture f = begin("..... .XO.. XO.O. .XO.. .....", 0, "positional", false);
    uint8_t board[25];
    play(&f, "C3 !B3");
    go_board(f.g, f.position, board);
    assert_true(go_setup(f.g, f.position, board, 1));
    assert_int_equal(f.g->moves(f.g, f.position), 0);
    assert_int_equal(go_last_move(f.g, f.position), -1);
    play(&f, "?B3");
    end(&f);
}

static void keys_tell_player_and_ko_apart(void **state) {
    (void)state;
    struct fixture a = begin("..... .XO.. XO.O. .XO.. .....", 0, "simple", false);
    uint64_t start = a.g->key(a.g, a.position), stones = go_hash(a.g, a.position);
    play(&a, "pass");
    assert_true(a.g->key(a.g, a.position) != start && go_hash(a.g, a.position) == stones);
    play(&a, "E5 C3");
    uint64_t with_ko = a.g->key(a.g, a.position);
    uint8_t board[25];
    go_board(a.g, a.position, board);
    assert_true(go_setup(a.g, a.position, board, 1));
    assert_true(a.g->key(a.g, a.position) != with_ko);
    end(&a);
    /* the order of moves does not matter */
    struct fixture b = begin("..... ..... ..... ..... .....", 0, "positional", false), c = b;
    c.position = position_create(c.g);
    play(&b, "A1 B2 C3 D4");
    play(&c, "C3 D4 A1 B2");
    assert_true(b.g->key(b.g, b.position) == c.g->key(c.g, c.position));
    position_free(c.position);
    end(&b);
}

/* As GTP 2, section 4.1.1, has them. */
static void handicap_stones_stand_where_gtp_says(void **state) {
    (void)state;
    static const struct {
        int size, count;
        const char *points;
    } cases[] = {
        {19, 2, "D4 Q16"},
        {19, 3, "D4 Q16 D16"},
        {19, 5, "D4 Q16 D16 Q4 K10"},
        {19, 9, "D4 Q16 D16 Q4 D10 Q10 K4 K16 K10"},
        {13, 7, "D4 K10 D10 K4 D7 K7 G7"},
        {9, 8, "C3 G7 C7 G3 C5 G5 E3 E7"},
        {9, 6, "C3 G7 C7 G3 C5 G5"},
        {7, 4, "C3 E5 C5 E3"},
        {8, 4, "C3 F6 C6 F3"},
        {7, 5, ""},
        {8, 5, ""},
        {6, 2, ""},
        {9, 10, ""},
        {9, 1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct game *g = go_game(cases[i].size, 0, "simple", false);
        int points[9], count = go_fixed_handicap(cases[i].size, cases[i].count, points);
        char text[64] = "", vertex[8];
        for (int k = 0; k < count; k++) {
            g->action_text(g, points[k], vertex, sizeof vertex);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", k ? " " : "", vertex);
        }
        assert_string_equal(text, cases[i].points);
        game_free(g);
    }
}

static void diagrams_are_printed_with_the_last_move(void **state) {
    (void)state;
    struct fixture f = begin("... ... ...", 0, "positional", false);
    char text[512];
    play(&f, "B2 C2");
    f.g->print(f.g, f.position, text, sizeof text);
    assert_string_equal(text, "    A B C\n"
                              "  3 . . . 3\n"
                              "  2 . X(O)2\n"
                              "  1 . . . 1\n"
                              "    A B C\n"
                              "black to play, move 3, captures: black 0, white 0\n");
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stone_without_liberties_is_taken),
        cmocka_unit_test(several_chains_are_taken_at_once),
        cmocka_unit_test(a_capture_comes_before_suicide),
        cmocka_unit_test(a_snapback_is_no_ko),
        cmocka_unit_test(a_ko_waits_for_a_move_elsewhere),
        cmocka_unit_test(sending_two_to_return_one),
        cmocka_unit_test(a_triple_ko),
        cmocka_unit_test(suicide_is_an_option_for_several_stones),
        cmocka_unit_test(area_counts_stones_and_what_only_one_colour_reaches),
        cmocka_unit_test(komi_is_whites),
        cmocka_unit_test(two_passes_in_a_row_end_the_game),
        cmocka_unit_test(setup_refuses_chains_without_liberties),
        cmocka_unit_test(setup_forgets_what_was_before),
        cmocka_unit_test(keys_tell_player_and_ko_apart),
        cmocka_unit_test(handicap_stones_stand_where_gtp_says),
        cmocka_unit_test(diagrams_are_printed_with_the_last_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
