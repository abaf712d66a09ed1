/* SGF as it comes: what is read, what is skipped and why. */
#include <sys/stat.h>
#include <zlib.h>

#include "folder.h"
#include "games.h"
#include "tengen/file.h"
#include "tengen/sgf.h"

static struct sgf_reader *reader_of(const char *text) {
    struct sgf_reader *r;
    assert_ok(file_write("games.sgf", text, strlen(text)));
    assert_ok(sgf_open("games.sgf", &r));
    return r;
}

static const struct sgf_game *next_good(struct sgf_reader *r) {
    const struct sgf_game *game;
    int got = sgf_next(r, &game);
    if (got < 0) fail_msg("skipped: %s", sgf_skip_reason(r));
    assert_int_equal(got, 1);
    return game;
}

static void next_skipped(struct sgf_reader *r, const char *reason) {
    const struct sgf_game *game;
    assert_int_equal(sgf_next(r, &game), -1);
    if (!strstr(sgf_skip_reason(r), reason))
        fail_msg("the reason\n    %s\ndoes not hold\n    %s", sgf_skip_reason(r), reason);
}

static void at_end(struct sgf_reader *r) {
    const struct sgf_game *game;
    assert_int_equal(sgf_next(r, &game), 0);
    assert_int_equal(sgf_next(r, &game), 0);
    sgf_close(r);
}

/* The only game of a text must be skipped for this reason. */
static void is_skipped(const char *text, const char *reason) {
    struct sgf_reader *r = reader_of(text);
    next_skipped(r, reason);
    at_end(r);
}

static void check_move(const struct sgf_game *game, int i, int player, int column, int row) {
    assert_true(i < game->move_count);
    assert_int_equal(game->moves[i].player, player);
    assert_int_equal(game->moves[i].action, column < 0 ? game->size * game->size : row * game->size + column);
}

static void a_plain_game_is_read_whole(void **state) {
    (void)state;
    struct sgf_reader *r =
        reader_of("(;GM[1]FF[4]SZ[9]KM[6.5]PB[Honinbo]PW[Inoue]RE[W+R]RU[Japanese]DT[1670-10-17]"
                  ";B[ee];W[ge]\n;B[cc]C[a comment with (;brackets) and \\]; in it])");
    const struct sgf_game *g = next_good(r);
    assert_int_equal(g->size, 9);
    assert_true(g->has_komi);
    assert_near(g->komi, 6.5, 0, 0);
    assert_string_equal(g->black, "Honinbo");
    assert_string_equal(g->white, "Inoue");
    assert_string_equal(g->result, "W+R");
    assert_string_equal(g->rules, "Japanese");
    assert_string_equal(g->date, "1670-10-17");
    assert_int_equal(g->winner, 1);
    assert_int_equal(g->first_player, 0);
    assert_int_equal(g->move_count, 3);
    check_move(g, 0, 0, 4, 4);
    check_move(g, 1, 1, 6, 4);
    check_move(g, 2, 0, 2, 2);
    at_end(r);
}

static void passes_are_empty_or_tt_up_to_19(void **state) {
    (void)state;
    struct sgf_reader *r = reader_of("(;SZ[19];B[];W[tt];B[ ])\n(;SZ[21];B[tt];W[])");
    const struct sgf_game *g = next_good(r);
    for (int i = 0; i < 3; i++)
        check_move(g, i, i & 1, -1, -1);
    g = next_good(r);
    check_move(g, 0, 0, 19, 19);
    check_move(g, 1, 1, -1, -1);
    at_end(r);
}

static void the_main_line_is_the_first_variation(void **state) {
    (void)state;
    struct sgf_reader *r =
        reader_of("(;SZ[9];B[aa](;W[bb](;B[cc];W[dd])(;B[ee]))(;W[ff]C[)(])\n(;W[gg]))(;SZ[5];B[ab])");
    const struct sgf_game *g = next_good(r);
    assert_int_equal(g->move_count, 4);
    for (int i = 0; i < 4; i++)
        check_move(g, i, i & 1, i, i);
    g = next_good(r);
    assert_int_equal(g->size, 5);
    check_move(g, 0, 0, 0, 1);
    at_end(r);
}

static void setup_stones_and_rectangles_are_read(void **state) {
    (void)state;
    struct sgf_reader *r = reader_of("(;AB[aa:cb][dd]AW[ee]AE[ba]AW[]HA[3]SZ[5];W[ec])");
    const struct sgf_game *g = next_good(r);
    assert_int_equal(g->handicap, 3);
    assert_int_equal(g->first_player, 1);
    assert_int_equal(g->setup_count, 9);
    struct game *rules = go_game(5, 0, "simple", false);
    void *position = position_create(rules);
    assert_ok(sgf_replay(rules, g, position));
    uint8_t board[25];
    const char expected[] = "X.X.."
                            "XXX.."
                            "....O"
                            "...X."
                            "....O";
    go_board(rules, position, board);
    for (int i = 0; i < 25; i++)
        assert_int_equal(".XO"[board[i]], expected[i]);
    position_free(position);
    game_free(rules);
    at_end(r);
}

static void who_begins_is_said_by_pl_or_by_the_first_move(void **state) {
    (void)state;
    struct sgf_reader *r =
        reader_of("(;SZ[9]PL[W])(;SZ[9];W[aa])(;SZ[9]HA[2]AB[aa][bb])(;SZ[9])(;SZ[9]PL[black];W[aa])");
    const int expected[] = {1, 1, 1, 0, 0};
    for (int i = 0; i < 5; i++)
        assert_int_equal(next_good(r)->first_player, expected[i]);
    at_end(r);
}

static void texts_are_unescaped_and_cut_between_characters(void **state) {
    (void)state;
    struct sgf_reader *r =
        reader_of("(;PB[a\\]b\\\\c\\:d\ne\\\nf]PW[\xe6\x9c\xac\xe5\x9b\xa0\xe5\x9d\x8a\xe6\x9c\xac\xe5"
                  "\x9b\xa0\xe5\x9d\x8a\xe6\x9c\xac\xe5\x9b\xa0\xe5\x9d\x8a\xe6\x9c\xac\xe5\x9b\xa0\xe5"
                  "\x9d\x8a\xe6\x9c\xac\xe5\x9b\xa0\xe5\x9d\x8a\xe6\x9c\xac\xe5\x9b\xa0\xe5\x9d\x8a"
                  "\xe6\x9c\xac\xe5\x9b\xa0\xe5\x9d\x8a\xe6\x9c\xac]RE[12345678901234567890123456789012345]"
                  ";B[aa])");
    const struct sgf_game *g = next_good(r);
    assert_string_equal(g->black, "a]b\\c:d ef");
    assert_int_equal(strlen(g->white), 63); /* 21 characters of three bytes */
    assert_int_equal((unsigned char)g->white[62], 0x8a);
    assert_int_equal(strlen(g->result), 31);
    assert_int_equal(g->winner, -1);
    at_end(r);
}

static void old_and_small_property_names_are_understood(void **state) {
    (void)state;
    struct sgf_reader *r = reader_of(
        "(;\nGaMe[1] SiZe[9] KoMi[5,5] AddBlack[aa][bb] ;\nWhite[cc] ;Black[dd])(;sz[9]pb[x];b[aa];w[bb])");
    const struct sgf_game *g = next_good(r);
    assert_int_equal(g->size, 9);
    assert_near(g->komi, 5.5, 0, 0);
    assert_int_equal(g->setup_count, 2);
    assert_int_equal(g->first_player, 1);
    check_move(g, 0, 1, 2, 2);
    check_move(g, 1, 0, 3, 3);
    g = next_good(r);
    assert_string_equal(g->black, "x");
    assert_int_equal(g->move_count, 2);
    at_end(r);
}

static void results_are_understood(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int winner;
    } cases[] = {{"B+3.5", 0}, {"W+R", 1}, {"b+time", 0}, {"0", 2},          {"Draw", 2}, {"jigo", 2},
                 {"Void", -1}, {"?", -1},  {"", -1},      {"White wins", 1}, {"X+2", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        snprintf(text, sizeof text, "(;SZ[9]RE[%s])", cases[i].text);
        struct sgf_reader *r = reader_of(text);
        int winner = next_good(r)->winner;
        if (winner != cases[i].winner) fail_msg("RE[%s]: %d", cases[i].text, winner);
        at_end(r);
    }
}

static void garbage_a_mark_and_missing_ends_do_no_harm(void **state) {
    (void)state;
    struct sgf_reader *r = reader_of("\xef\xbb\xbfmail header (not a game)\n\n ( ;GM[1]SZ[9];B[aa])\r\n"
                                     "junk\n(;GM[1]SZ[9];B[bb];W[cc]\n(;GM[1]SZ[9];B[dd](;W[ee]\n");
    assert_int_equal(next_good(r)->move_count, 1);
    assert_int_equal(next_good(r)->move_count, 2);
    const struct sgf_game *g = next_good(r);
    check_move(g, 1, 1, 4, 4);
    at_end(r);
}

static void a_broken_game_is_skipped_and_the_next_is_found(void **state) {
    (void)state;
    struct sgf_reader *r = reader_of("(;GM[1]SZ[9];B[aa])\n(;GM[1]SZ[9];B[bb];W[\n(;GM[1]SZ[9];B[cc])\n"
                                     "(;GM[1]SZ[9]};B[dd])\n(;GM[1]SZ[9];B[ee])\n");
    check_move(next_good(r), 0, 0, 0, 0);
    /* The second's open bracket reaches into the third, which begins at a line of its own. */
    next_skipped(r, "games.sgf: game 2 (line 2): move 2: [(;GM[1] is no point");
    check_move(next_good(r), 0, 0, 2, 2);
    next_skipped(r, "(line 4): '}' (byte 125) where a node or property should be");
    check_move(next_good(r), 0, 0, 4, 4);
    at_end(r);
}

static void games_that_cannot_be_used_say_why(void **state) {
    (void)state;
    is_skipped("(;GM[2]SZ[8])", "GM[2] is not the game of Go");
    is_skipped("(;SZ[19:13];B[aa])", "19 columns and 13 rows");
    is_skipped("(;SZ[1])", "size 1");
    is_skipped("(;SZ[37])", "size 37");
    is_skipped("(;SZ[x])", "SZ[x] is no size");
    is_skipped("(;SZ[9];B[jj])", "move 1 is outside of the 9x9 board");
    is_skipped("(;SZ[9]AB[jj])", "set up outside of the 9x9 board");
    is_skipped("(;SZ[9];B[aa];AW[bb])", "stones are set up after move 1");
    is_skipped("(;SZ[9];B[a])", "move 1: [a] is no point");
    is_skipped("(;SZ[9];B)", "move 1 has no value");
    is_skipped("(;SZ[9];B[aa];C[never ends", "the text ends inside of C[");
    is_skipped("no game at all", "no game found");
    is_skipped("", "no game found");
    struct sgf_reader *r;
    assert_ok(file_write("wide.sgf", "\xff\xfe(\0;\0", 6));
    assert_fails(sgf_open("wide.sgf", &r), STATUS_FORMAT, "UTF-16");
}

static void bytes_that_look_like_brackets_are_known_by_the_encoding(void **state) {
    (void)state;
    /* 0x5D is ']' and 0x5C '\': the second bytes of these characters in GBK and Big5. */
    struct sgf_reader *r = reader_of("(;CA[GBK]SZ[9]PB[\x81\x5d];B[aa])(;CA[Big5]SZ[9]PB[\xa5\x5c];B[aa])");
    assert_string_equal(next_good(r)->black, "\x81\x5d");
    assert_int_equal(next_good(r)->move_count, 1);
    at_end(r);
}

static void a_folder_and_gzip_are_read(void **state) {
    (void)state;
    struct sgf_reader *r;
    mkdir("folder", 0777);
    assert_ok(file_write("folder/b.sgf", "(;SZ[7])", 8));
    assert_ok(file_write("folder/c.sgf", "nothing", 7));
    assert_ok(file_write("folder/other.txt", "(;SZ[3])", 8));
    gzFile out = gzopen("folder/a.sgf.gz", "wb");
    gzputs(out, "(;SZ[5])(;SZ[6])");
    gzclose(out);
    assert_ok(file_write("folder/d.sgf.gz", "\x1f\x8b\x08 damaged", 11));
    assert_ok(sgf_open("folder", &r));
    for (int size = 5; size <= 7; size++)
        assert_int_equal(next_good(r)->size, size);
    next_skipped(r, "folder/c.sgf: no game found");
    next_skipped(r, "folder/d.sgf.gz");
    at_end(r);
    assert_fails(sgf_open("nowhere.sgf", &r), STATUS_IO, "nowhere.sgf");
    mkdir("hollow", 0777);
    assert_fails(sgf_open("hollow", &r), STATUS_IO, "holds no file");
}

static void replay_follows_the_rules(void **state) {
    (void)state;
    struct game *rules = go_game(5, 0, "simple", false);
    void *position = position_create(rules);
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"(;SZ[5];B[aa];W[aa])", "move 2, white A5: the point is taken"},
        {"(;SZ[5];B[aa];B[bb])", "move 2, black B4: it is the other player's turn"},
        {"(;SZ[5];B[];W[];B[aa])", "move 3, black A5: the game has ended"},
        {"(;SZ[5];B[ba];W[cc];B[ab];W[aa])", "move 4, white A5: it repeats a position (ko) or is suicide"},
        {"(;SZ[5]AB[ba][ab]AW[aa])", "the setup has stones without liberties"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sgf_reader *r = reader_of(cases[i].text);
        assert_fails(sgf_replay(rules, next_good(r), position), STATUS_FORMAT, cases[i].reason);
        at_end(r);
    }
    struct sgf_reader *r = reader_of("(;SZ[9];B[aa])");
    assert_fails(sgf_replay(rules, next_good(r), position), STATUS_FORMAT, "9x9");
    at_end(r);
    position_free(position);
    game_free(rules);
}

static void what_is_written_is_read_again(void **state) {
    (void)state;
    struct game *rules = go_game(7, 9, "positional", false);
    const int actions[] = {24, 10, 49, 48};
    const char *comments[] = {NULL, "good ] \\ move", "", "last"};
    struct sgf_info info = {.black = "A [1]", .white = "B\\C", .result = "B+2", .comment = "x", .date = ""};
    char *text = sgf_text(rules, actions, 4, &info, comments);
    assert_non_null(strstr(text, "C[good \\] \\\\ move]"));
    struct sgf_reader *r = reader_of(text);
    const struct sgf_game *g = next_good(r);
    assert_int_equal(g->size, 7);
    assert_near(g->komi, 9, 0, 0);
    assert_string_equal(g->black, "A [1]");
    assert_string_equal(g->white, "B\\C");
    assert_int_equal(g->winner, 0);
    assert_int_equal(g->move_count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(g->moves[i].action, actions[i]);
    mem_free(text);
    at_end(r);
    text = sgf_text(rules, NULL, 0, NULL, NULL);
    r = reader_of(text);
    assert_int_equal(next_good(r)->move_count, 0);
    mem_free(text);
    at_end(r);
    game_free(rules);
}

/* Any damage to a text ends in games and reasons, never in a crash or an endless loop. */
static void damaged_texts_are_survived(void **state) {
    (void)state;
    static const char good[] =
        "(;GM[1]SZ[9]PB[a\\]b]AB[aa:cc](;B[dd];W[ee](;B[ff])(;B[gg]))(;B[hh]))\n(;SZ[9];B[aa])\n";
    struct rng rng = rng_make(1, RNG_TEST, 0);
    for (int trial = 0; trial < 3000; trial++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int i = 0; i < 3; i++)
            text[rng_below(&rng, sizeof good - 1)] = "()[];:\\AaBW9 \n\xff"[rng_below(&rng, 15)];
        struct sgf_reader *r = reader_of(text);
        const struct sgf_game *game;
        int count = 0;
        while (sgf_next(r, &game) != 0)
            assert_true(count++ < 50);
        sgf_close(r);
    }
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_game_is_read_whole),
        cmocka_unit_test(passes_are_empty_or_tt_up_to_19),
        cmocka_unit_test(the_main_line_is_the_first_variation),
        cmocka_unit_test(setup_stones_and_rectangles_are_read),
        cmocka_unit_test(who_begins_is_said_by_pl_or_by_the_first_move),
        cmocka_unit_test(texts_are_unescaped_and_cut_between_characters),
        cmocka_unit_test(old_and_small_property_names_are_understood),
        cmocka_unit_test(results_are_understood),
        cmocka_unit_test(garbage_a_mark_and_missing_ends_do_no_harm),
        cmocka_unit_test(a_broken_game_is_skipped_and_the_next_is_found),
        cmocka_unit_test(games_that_cannot_be_used_say_why),
        cmocka_unit_test(bytes_that_look_like_brackets_are_known_by_the_encoding),
        cmocka_unit_test(a_folder_and_gzip_are_read),
        cmocka_unit_test(replay_follows_the_rules),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(damaged_texts_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
