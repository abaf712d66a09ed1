/* GTP sessions in this process: what is asked and what is answered. */
#include "folder.h"
#include "tengen/file.h"
#include "tengen/gtp.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "testing.h"

static struct gtp *resigning_engine(double resign, bool random, int simulations, int size) {
    struct game_config config;
    struct gtp_options options = {.random = random,
                                  .resign = resign,
                                  .version = "1.2",
                                  .player = {.simulations = simulations, .threads = 1}};
    struct gtp *e;
    config_defaults(game_config_keys, &config);
    config_defaults(search_config_keys, &options.player.search);
    options.player.search.leaves = 8;
    config.size = size;
    config.komi = 9;
    assert_ok(gtp_create(&config, NULL, NULL, &options, &e));
    return e;
}

static struct gtp *engine(bool random, int simulations, int size) {
    return resigning_engine(0, random, simulations, size);
}

static char said[65536];

/* Executes a line and returns the answer. */
static const char *say(struct gtp *e, const char *line) {
    said[0] = 0;
    FILE *out = fmemopen(said, sizeof said, "w");
    assert_true(gtp_line(e, line, out));
    fclose(out);
    return said;
}

#define assert_answer(e, line, expected) assert_string_equal(say(e, line), expected)

static void assert_begins(struct gtp *e, const char *line, const char *expected) {
    const char *got = say(e, line);
    if (strncmp(got, expected, strlen(expected)) != 0)
        fail_msg("%s\nis answered by\n%snot by\n%s", line, got, expected);
}

static void assert_holds(struct gtp *e, const char *line, const char *part) {
    if (!strstr(say(e, line), part)) fail_msg("%s\nis answered by\n%swhich has no\n%s", line, said, part);
}

static void the_protocol_is_kept(void **state) {
    (void)state;
    struct gtp *e = engine(true, 0, 7);
    assert_answer(e, "protocol_version", "= 2\n\n");
    assert_answer(e, "name", "= Tengen\n\n");
    assert_answer(e, "17 version", "=17 1.2\n\n");
    assert_answer(e, "  12\tversion  # comment", "=12 1.2\n\n");
    assert_answer(e, "", "");
    assert_answer(e, "   ", "");
    assert_answer(e, "# only a comment", "");
    assert_answer(e, "na\x07me\r", "= Tengen\n\n");
    assert_answer(e, "nonsense", "? unknown command\n\n");
    assert_answer(e, "3 nonsense", "?3 unknown command\n\n");
    assert_answer(e, "known_command genmove", "= true\n\n");
    assert_answer(e, "known_command nonsense", "= false\n\n");
    assert_begins(e, "known_command", "? known_command needs 1 argument");
    assert_holds(e, "list_commands", "\ngenmove\n");
    assert_begins(e, "cputime", "= 0.");
    FILE *out = fmemopen(said, sizeof said, "w");
    assert_false(gtp_line(e, "quit", out));
    fclose(out);
    assert_string_equal(said, "= \n\n");
    gtp_free(e);
}

static void moves_are_played_and_taken_back(void **state) {
    (void)state;
    struct gtp *e = engine(true, 0, 5);
    assert_answer(e, "play b C3", "= \n\n");
    assert_answer(e, "play white d4", "= \n\n");
    assert_answer(e, "play B c3", "? illegal move\n\n");
    assert_answer(e, "play b i1", "? invalid vertex\n\n");
    assert_answer(e, "play b z", "? invalid vertex\n\n");
    assert_answer(e, "play red a1", "? invalid color\n\n");
    assert_begins(e, "play b", "? play needs 2 arguments");
    assert_answer(e, "list_stones b", "= C3\n\n");
    assert_answer(e, "list_stones w", "= D4\n\n");
    assert_holds(e, "showboard", "X");
    assert_answer(e, "undo", "= \n\n");
    assert_answer(e, "list_stones w", "= \n\n");
    assert_answer(e, "undo", "= \n\n");
    assert_answer(e, "undo", "? cannot undo\n\n");
    /* Either side may play twice, and after the end. */
    assert_answer(e, "play b A1", "= \n\n");
    assert_answer(e, "play b B2", "= \n\n");
    assert_answer(e, "play w pass", "= \n\n");
    assert_answer(e, "play b PASS", "= \n\n");
    assert_answer(e, "play b C1", "= \n\n");
    assert_answer(e, "play w B1", "? illegal move\n\n"); /* suicide between A1, B2, C1 */
    assert_answer(e, "list_stones b", "= B2 A1 C1\n\n");
    assert_answer(e, "undo", "= \n\n");
    assert_answer(e, "list_stones b", "= B2 A1\n\n");
    gtp_free(e);
}

static void ko_is_kept_over_undo(void **state) {
    (void)state;
    struct gtp *e = engine(true, 0, 5);
    static const char *const moves[] = {"play b B1", "play w C1", "play b A2", "play w D2",
                                        "play b B3", "play w C3", "play b C2", "play w B2"};
    for (size_t i = 0; i < 8; i++)
        assert_answer(e, moves[i], "= \n\n");
    assert_answer(e, "play b C2", "? illegal move\n\n");
    assert_answer(e, "undo", "= \n\n");
    assert_answer(e, "play w B2", "= \n\n");
    assert_answer(e, "play b C2", "? illegal move\n\n");
    gtp_free(e);
}

static void sizes_komi_and_seeds_are_set(void **state) {
    (void)state;
    struct gtp *e = engine(false, 20, 7);
    assert_answer(e, "get_komi", "= 9\n\n");
    assert_answer(e, "play b A1", "= \n\n");
    assert_answer(e, "komi 5.5", "= \n\n");
    assert_answer(e, "get_komi", "= 5.5\n\n");
    assert_answer(e, "list_stones b", "= A1\n\n"); /* komi leaves the board */
    assert_begins(e, "komi lots", "? \"lots\" is no number");
    assert_answer(e, "boardsize 9", "= \n\n");
    assert_answer(e, "get_komi", "= 5.5\n\n");
    assert_answer(e, "list_stones b", "= \n\n");
    assert_answer(e, "play b J9", "= \n\n");
    assert_begins(e, "boardsize 26", "? unacceptable size");
    assert_begins(e, "boardsize 1", "? unacceptable size");
    assert_answer(e, "set_random_seed 7", "= \n\n");
    assert_answer(e, "get_random_seed", "= 7\n\n");
    assert_answer(e, "kgs-rules chinese", "= \n\n");
    assert_begins(e, "kgs-rules japanese", "? unsupported rules");
    gtp_free(e);
}

static void handicap_stones_are_placed(void **state) {
    (void)state;
    struct gtp *e = engine(true, 0, 9);
    assert_answer(e, "fixed_handicap 2", "= C3 G7\n\n");
    assert_answer(e, "fixed_handicap 2", "? board not empty\n\n");
    assert_begins(e, "clear_board", "=");
    assert_answer(e, "fixed_handicap 10", "? invalid number of stones\n\n");
    assert_answer(e, "place_free_handicap 20", "= C3 G7 C7 G3 C5 G5 E3 E7 E5\n\n");
    assert_begins(e, "clear_board", "=");
    assert_answer(e, "set_free_handicap A1 A1", "? bad vertex list\n\n");
    assert_answer(e, "set_free_handicap A1", "? bad vertex list\n\n");
    assert_answer(e, "set_free_handicap A1 pass", "? bad vertex list\n\n");
    assert_answer(e, "set_free_handicap A1 B2", "= \n\n");
    assert_answer(e, "play w C3", "= \n\n");
    assert_answer(e, "undo", "= \n\n");
    assert_answer(e, "list_stones b", "= B2 A1\n\n");
    gtp_free(e);
}

static void moves_are_generated_and_games_come_to_an_end(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct gtp *e = engine(kind == 0, kind == 1 ? 30 : 0, 5);
        int passes = 0, moves = 0;
        for (; moves < 60 && passes < 2; moves++) {
            assert_begins(e, moves & 1 ? "genmove w" : "genmove b", "= ");
            passes = strcmp(said, "= pass\n\n") == 0 ? passes + 1 : 0;
        }
        assert_true(moves > 4);
        assert_begins(e, "final_score", "= ");
        assert_begins(e, "reg_genmove b", "= ");
        assert_begins(e, "genmove b", "= "); /* also after the end */
        assert_begins(e, "genmove x", "? invalid color");
        gtp_free(e);
    }
}

static void equal_seeds_play_equal_games(void **state) {
    (void)state;
    char games[2][4096] = {"", ""};
    for (int g = 0; g < 2; g++) {
        struct gtp *e = engine(false, 40, 5);
        for (int i = 0; i < 20; i++) {
            assert_begins(e, i & 1 ? "genmove w" : "genmove b", "= ");
            strcat(games[g], said);
        }
        gtp_free(e);
    }
    assert_string_equal(games[0], games[1]);
}

/* Black owns the left of a 5x5 board with a dead white stone in it, white the right. */
static void draw_borders(struct gtp *e) {
    static const char *const moves[] = {"C1", "D1", "C2", "D2", "C3", "D3", "C4", "D4", "C5", "D5"};
    char line[32];
    for (int i = 0; i < 10; i++) {
        snprintf(line, sizeof line, "play %c %s", i & 1 ? 'w' : 'b', moves[i]);
        assert_answer(e, line, "= \n\n");
    }
    assert_answer(e, "play b B2", "= \n\n");
    assert_answer(e, "play w A4", "= \n\n");
    assert_answer(e, "play b B4", "= \n\n");
}

static void dead_stones_are_found_and_not_counted(void **state) {
    (void)state;
    struct gtp *e = engine(true, 0, 5);
    assert_answer(e, "komi 0.5", "= \n\n");
    draw_borders(e);
    assert_answer(e, "final_status_list dead", "= A4\n\n");
    assert_answer(e, "final_status_list alive", "= C5 D5 B4 C4 D4 C3 D3 B2 C2 D2 C1 D1\n\n");
    assert_answer(e, "final_status_list seki", "= \n\n");
    assert_begins(e, "final_status_list odd", "? the status is one of");
    assert_answer(e, "final_score", "= B+4.5\n\n");
    assert_answer(e, "komi 5", "= \n\n");
    assert_answer(e, "final_score", "= 0\n\n");
    gtp_free(e);
}

static void a_clock_is_obeyed(void **state) {
    (void)state;
    struct gtp *e = engine(false, 1000000, 7);
    assert_answer(e, "time_settings 0 0.4 2", "= \n\n");
    assert_begins(e, "genmove b", "= "); /* 1000000 simulations would take very long */
    assert_answer(e, "time_left w 0.3 1", "= \n\n");
    assert_begins(e, "genmove w", "= ");
    assert_answer(e, "kgs-time_settings byoyomi 0 0.3 5", "= \n\n");
    assert_begins(e, "genmove b", "= ");
    assert_answer(e, "kgs-time_settings none", "= \n\n");
    assert_begins(e, "kgs-time_settings egg 3", "? unknown time system egg");
    assert_begins(e, "time_settings 1 2", "? time_settings needs 3 arguments");
    assert_begins(e, "time_left b -1 0", "= ");
    assert_begins(e, "genmove b", "= ");
    gtp_free(e);
}

static void analysis_lines_name_moves_visits_and_lines_of_play(void **state) {
    (void)state;
    struct gtp *e = engine(false, 60, 5);
    /* Without an input that could end it, analysis stops after one interval. */
    assert_begins(e, "5 lz-analyze b 5", "=5\ninfo move ");
    assert_non_null(strstr(said, " visits "));
    assert_non_null(strstr(said, " order 0 pv "));
    assert_non_null(strstr(said, " info move "));
    assert_int_equal(strcmp(said + strlen(said) - 2, "\n\n"), 0);
    assert_holds(e, "kata-analyze interval 5 maxmoves 1 ownership true", " utility ");
    assert_null(strstr(said, "order 1"));
    assert_begins(e, "kata-analyze avoid b D4 1", "? avoid is not supported");
    assert_begins(e, "lz-genmove_analyze b 5", "=\ninfo move ");
    assert_non_null(strstr(said, "\nplay "));
    assert_holds(e, "kata-genmove_analyze w 5", "\nplay ");
    assert_begins(e, "kata-analyze 5 minmoves 26", "=\ninfo move ");
    int shown = 0;
    for (const char *at = said; (at = strstr(at, "info move ")); at++)
        shown++;
    assert_int_equal(shown, 24); /* 23 empty points and pass */
    gtp_free(e);
    e = engine(true, 0, 5);
    assert_begins(e, "8 lz-analyze", "?8 there is no search to show");
    gtp_free(e);
}

static void analysis_refuses_what_it_does_not_know(void **state) {
    (void)state;
    static const char *const refused[][2] = {
        {"lz-analyze foo 10", "? unknown argument foo"},
        {"lz-analyze b 10 foo", "? unknown argument foo"},
        {"kata-genmove_analyze b foo 10", "? unknown argument foo"},
        {"lz-analyze interval", "? interval needs a value"},
        {"lz-analyze interval soon", "? \"soon\" is no number"},
        {"lz-analyze 5x", "? \"5x\" is no number"},
        {"lz-analyze -5", "? interval: -5 is too small"},
        {"kata-analyze maxmoves 0", "? maxmoves: 0 is too small"},
        {"kata-analyze ownership 5", "? ownership is true or false, not 5"},
    };
    struct gtp *e = engine(false, 60, 5);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_begins(e, refused[i][0], refused[i][1]);
    assert_answer(e, "list_stones b", "= \n\n"); /* nothing was played */
    gtp_free(e);
}

/* Without a network winrates are near 1/2 while nothing is proved, which is below 0.9. */
static void a_lost_game_is_resigned_after_three_moves_without_hope(void **state) {
    (void)state;
    struct gtp *e = resigning_engine(0.9, false, 60, 7);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) {
            assert_begins(e, "genmove b", "= ");
            assert_string_not_equal(said, "= resign\n\n");
        }
        assert_begins(e, "reg_genmove b", "= "); /* looks, but neither counts nor resigns */
        assert_string_not_equal(said, "= resign\n\n");
        if (round == 0) assert_answer(e, "undo", "= \n\n"); /* another course: it counts anew */
    }
    assert_answer(e, "genmove b", "= resign\n\n");
    assert_holds(e, "lz-genmove_analyze b 5", "\nplay resign\n");
    assert_begins(e, "kgs-genmove_cleanup b", "= ");
    assert_string_not_equal(said, "= resign\n\n");
    assert_begins(e, "genmove w", "= "); /* each side counts its own moves */
    assert_string_not_equal(said, "= resign\n\n");
    assert_answer(e, "clear_board", "= \n\n");
    assert_begins(e, "genmove b", "= ");
    assert_string_not_equal(said, "= resign\n\n");
    gtp_free(e);
}

static void a_game_is_not_resigned_by_a_short_look_or_without_leave(void **state) {
    (void)state;
    static const struct {
        double resign;
        int simulations;
    } engines[] = {{0, 60}, {0.9, 20}, {0.9, 0}, {0.2, 60}};
    for (size_t k = 0; k < sizeof engines / sizeof *engines; k++) {
        struct gtp *e = resigning_engine(engines[k].resign, false, engines[k].simulations, 7);
        for (int i = 0; i < 5; i++) {
            assert_begins(e, "genmove b", "= ");
            assert_string_not_equal(said, "= resign\n\n");
        }
        gtp_free(e);
    }
}

/* Komi decides whatever is played on two lines; the search proves it. */
static void a_game_that_is_proved_to_be_lost_is_resigned(void **state) {
    (void)state;
    struct gtp *e = resigning_engine(0.05, false, 20000, 2);
    assert_answer(e, "komi 100", "= \n\n");
    for (int i = 0; i < 2; i++) {
        assert_begins(e, "genmove b", "= ");
        assert_string_not_equal(said, "= resign\n\n");
    }
    assert_answer(e, "genmove b", "= resign\n\n");
    for (int i = 0; i < 4; i++) {
        assert_begins(e, "genmove w", "= ");
        assert_string_not_equal(said, "= resign\n\n");
    }
    gtp_free(e);
}

static void a_record_is_loaded_up_to_a_move(void **state) {
    (void)state;
    static const char text[] = "(;SZ[5]KM[3.5]AB[aa]AW[ee];B[ab];W[ed];B[ac])";
    struct gtp *e = engine(true, 0, 7);
    assert_ok(file_write("load.sgf", text, strlen(text)));
    assert_answer(e, "loadsgf load.sgf", "= \n\n");
    assert_answer(e, "list_stones b", "= A5 A4 A3\n\n");
    assert_answer(e, "get_komi", "= 3.5\n\n");
    assert_answer(e, "loadsgf load.sgf 3", "= \n\n");
    assert_answer(e, "list_stones b", "= A5 A4\n\n");
    assert_answer(e, "list_stones w", "= E2 E1\n\n");
    assert_begins(e, "loadsgf nowhere.sgf", "? cannot load file: nowhere.sgf");
    assert_ok(file_write("bad.sgf", "(;SZ[5];B[aa];W[aa])", 20));
    assert_begins(e, "loadsgf bad.sgf", "? cannot load file: move 2, white A5: the point is taken");
    assert_answer(e, "loadsgf bad.sgf 2", "= \n\n"); /* its beginning is good */
    assert_answer(e, "list_stones b", "= A5\n\n");
    assert_answer(e, "loadsgf load.sgf -1e18", "= \n\n");
    assert_answer(e, "list_stones b", "= A5\n\n");
    gtp_free(e);
}

/* What cannot be loaded leaves board, komi and the moves to take back. The reasons are those that `tengen sgf
 * --replay` gives: sgf_replay's. */
static void a_record_that_cannot_be_loaded_leaves_the_game_in_progress(void **state) {
    (void)state;
    static const char *const records[][2] = {
        {"(;SZ[9]KM[3.5];B[aa];W[aa])", "move 2, white A9: the point is taken"},
        {"(;SZ[5]KM[3.5];B[aa];W[];B[];W[bb])", "move 4, white B4: the game has ended"},
        {"(;SZ[5]KM[3.5];B[aa];B[bb])", "move 2, black B4: it is the other player's turn"},
        {"(;SZ[3]KM[3.5]AB[aa][bb][cc][ab][ba][bc][cb][ac][ca];W[bb])",
         "the setup has stones without liberties"},
        {"(;SZ[99]KM[3.5];B[aa])", ""},
        {"no game", ""},
    };
    struct gtp *e = engine(false, 20, 7);
    assert_answer(e, "komi 5", "= \n\n");
    assert_answer(e, "play b D4", "= \n\n");
    assert_answer(e, "play w E5", "= \n\n");
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        assert_ok(file_write("wrong.sgf", records[i][0], strlen(records[i][0])));
        assert_begins(e, "loadsgf wrong.sgf", "? cannot load file: ");
        if (!strstr(said, records[i][1])) fail_msg("%s: %s", records[i][0], said);
        assert_answer(e, "list_stones b", "= D4\n\n");
        assert_answer(e, "get_komi", "= 5\n\n");
    }
    assert_answer(e, "play b G7", "= \n\n"); /* the board has its size */
    assert_answer(e, "undo", "= \n\n");
    assert_answer(e, "undo", "= \n\n");
    assert_answer(e, "list_stones w", "= \n\n");
    gtp_free(e);
}

static void cleanup_takes_dead_stones_before_passing(void **state) {
    (void)state;
    struct gtp *e = engine(true, 0, 5);
    draw_borders(e);
    for (int i = 0; i < 20; i++) {
        assert_begins(e, "kgs-genmove_cleanup b", "= ");
        if (strcmp(said, "= pass\n\n") == 0) break;
        assert_answer(e, "play w pass", "= \n\n");
    }
    say(e, "list_stones w");
    assert_null(strstr(said, "A4"));
    gtp_free(e);
}

static void a_network_refuses_boards_it_does_not_know(void **state) {
    (void)state;
    struct device *device;
    struct model_config model;
    struct game_config config;
    struct game *g;
    struct net *net;
    struct gtp *e;
    struct gtp_options options = {.player = {.simulations = 16, .threads = 1}};
    config_defaults(model_config_keys, &model);
    config_defaults(game_config_keys, &config);
    config_defaults(search_config_keys, &options.player.search);
    options.player.search.leaves = 4;
    model.blocks = 1;
    model.channels = 8;
    config.size = 5;
    assert_ok(device_open("cpu", 1, &device));
    assert_ok(game_create(&config, &g));
    assert_ok(model_create(&model, (struct model_shape){5, 5, g->planes, g->actions, false}, device, &net));
    assert_ok(net_initialise(net, 1));
    assert_ok(gtp_create(&config, net, device, &options, &e));
    assert_begins(e, "boardsize 9", "? unacceptable size: this network knows 5x5 only");
    assert_begins(e, "boardsize 5", "= ");
    assert_begins(e, "komi 7", "= ");
    assert_begins(e, "genmove b", "= ");
    assert_begins(e, "genmove w", "= ");
    assert_begins(e, "tengen-policy", "= 0.");
    assert_begins(e, "tengen-value", "= ");
    assert_holds(e, "lz-analyze 5", "info move ");
    gtp_free(e);
    net_free(net);
    game_free(g);
    device_close(device);
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_protocol_is_kept),
        cmocka_unit_test(moves_are_played_and_taken_back),
        cmocka_unit_test(ko_is_kept_over_undo),
        cmocka_unit_test(sizes_komi_and_seeds_are_set),
        cmocka_unit_test(handicap_stones_are_placed),
        cmocka_unit_test(moves_are_generated_and_games_come_to_an_end),
        cmocka_unit_test(equal_seeds_play_equal_games),
        cmocka_unit_test(dead_stones_are_found_and_not_counted),
        cmocka_unit_test(a_clock_is_obeyed),
        cmocka_unit_test(analysis_lines_name_moves_visits_and_lines_of_play),
        cmocka_unit_test(analysis_refuses_what_it_does_not_know),
        cmocka_unit_test(a_lost_game_is_resigned_after_three_moves_without_hope),
        cmocka_unit_test(a_game_is_not_resigned_by_a_short_look_or_without_leave),
        cmocka_unit_test(a_game_that_is_proved_to_be_lost_is_resigned),
        cmocka_unit_test(a_record_is_loaded_up_to_a_move),
        cmocka_unit_test(a_record_that_cannot_be_loaded_leaves_the_game_in_progress),
        cmocka_unit_test(cleanup_takes_dead_stones_before_passing),
        cmocka_unit_test(a_network_refuses_boards_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
