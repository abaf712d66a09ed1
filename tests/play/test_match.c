/* Matches: fair openings, honest counting, engines that misbehave. */
#include <unistd.h>

#include "folder.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/player.h"
#include "tengen/sgf.h"
#include "tengen/thread.h"
#include "testing.h"

static struct game *small_game(const char *name, int size, float komi) {
    struct game_config config;
    struct game *g;
    config_defaults(game_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", name);
    config.size = size;
    config.komi = komi;
    assert_ok(game_create(&config, &g));
    return g;
}

static struct player_options options_with(int simulations) {
    struct player_options o = {.simulations = simulations, .threads = 1, .seconds = 0.5, .start_seconds = 5};
    config_defaults(search_config_keys, &o.search);
    o.search.leaves = 4;
    return o;
}

/* Writes a GTP engine as a shell script whose answers are the cases of the body, and makes a player of it. */
static struct player scripted(const char *file, const char *cases) {
    char *text =
        mem_format("while read command a b; do\n  case $command in\n    name) printf '= %s\\n\\n';;\n"
                   "    list_commands) printf '= genmove\\nfinal_status_list\\n\\n';;\n%s\n"
                   "    quit) printf '=\\n\\n'; exit;;\n    *) printf '=\\n\\n';;\n  esac\ndone\n",
                   file, cases);
    char command[64];
    snprintf(command, sizeof command, "exec sh ./%s.sh", file);
    char path[64];
    snprintf(path, sizeof path, "%s.sh", file);
    assert_ok(file_write(path, text, strlen(text)));
    mem_free(text);
    struct player_options o = options_with(0);
    struct player p;
    assert_ok(player_gtp(command, &o, &p));
    return p;
}

static struct match_result play(const struct game *g, struct player *a, struct player *b, int games,
                                const char *sgf) {
    struct match_options o = {
        .games = games, .opening_moves = 2, .seed = 3, .sgf_folder = sgf, .cleanup = true};
    struct match_result r;
    assert_ok(match_play(g, a, b, &o, &r));
    assert_int_equal(r.games, games);
    assert_int_equal(r.wins + r.draws + r.losses, games);
    player_close(a);
    player_close(b);
    return r;
}

static struct player gentle(void) {
    struct player p;
    assert_ok(player_random(5, true, &p));
    return p;
}

static void intervals_are_wilson_s(void **state) {
    (void)state;
    double low, high;
    match_wilson(0.5, 100, &low, &high); /* 40.4% .. 59.6% */
    assert_near(low, 0.4038, 0, 1e-4);
    assert_near(high, 0.5962, 0, 1e-4);
    match_wilson(1, 20, &low, &high);
    assert_near(low, 0.8389, 0, 1e-4);
    assert_near(high, 1, 0, 1e-9);
    match_wilson(0, 0, &low, &high);
    assert_true(low == 0 && high == 1);
    assert_near(match_elo(0.5), 0, 0, 1e-9);
    assert_near(match_elo(0.75), 190.85, 0, 0.01);
    assert_near(match_elo(1), 1200, 0, 0);
    assert_near(match_elo(0), -1200, 0, 0);
}

static void openings_are_played_with_both_colours(void **state) {
    (void)state;
    struct game *g = small_game("go", 5, 0.5f);
    struct player a = gentle(), b = gentle();
    snprintf(a.name, sizeof a.name, "Anna");
    snprintf(b.name, sizeof b.name, "Bert");
    play(g, &a, &b, 6, "openings");
    struct sgf_reader *r;
    const struct sgf_game *game;
    assert_ok(sgf_open("openings", &r));
    int first[2] = {0, 0}, different = 0, before = -1;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sgf_next(r, &game), 1);
        assert_string_equal(i % 2 ? game->white : game->black, "Anna");
        if (i % 2 == 0) {
            first[0] = game->moves[0].action, first[1] = game->moves[1].action;
            different += first[0] != before;
            before = first[0];
        } else {
            assert_int_equal(game->moves[0].action, first[0]);
            assert_int_equal(game->moves[1].action, first[1]);
        }
    }
    assert_true(different > 1);
    sgf_close(r);
    game_free(g);
}

/* Random moves do not depend on who plays which game when. */
static void the_result_does_not_depend_on_the_workers(void **state) {
    (void)state;
    struct game *g = small_game("go", 5, 0.5f);
    struct match_result results[2];
    for (int t = 0; t < 2; t++) {
        struct player a[3], b[3];
        int workers = t ? 3 : 1;
        struct player_options o = options_with(24);
        o.temperature = 1;
        for (int i = 0; i < workers; i++) {
            a[i] = gentle();
            assert_ok(player_network(g, NULL, NULL, &o, "uniform", &b[i]));
        }
        struct match_options options = {.games = 20, .opening_moves = 2, .seed = 3};
        assert_ok(match_play_many(g, a, b, workers, &options, &results[t]));
        for (int i = 0; i < workers; i++) {
            player_close(&a[i]);
            player_close(&b[i]);
        }
    }
    assert_memory_equal(&results[0], &results[1], sizeof results[0]);
    game_free(g);
}

static void other_games_are_played_too(void **state) {
    (void)state;
    static const char *const names[] = {"tictactoe", "connect4"};
    for (int i = 0; i < 2; i++) {
        struct game *g = small_game(names[i], 7, 0);
        struct player_options o = options_with(200);
        struct player a, b;
        assert_ok(player_network(g, NULL, NULL, &o, "uniform", &a));
        assert_ok(player_random(1, false, &b));
        struct match_result r = play(g, &a, &b, 20, "others");
        assert_true(r.score > 0.7);
        assert_true(file_exists("others/game-00020.txt"));
        game_free(g);
    }
}

static void a_network_plays_with_and_without_search(void **state) {
    (void)state;
    struct game *g = small_game("go", 5, 0.5f);
    struct device *device;
    struct model_config model;
    struct net *net;
    config_defaults(model_config_keys, &model);
    model.blocks = 1;
    model.channels = 8;
    assert_ok(device_open("cpu", 1, &device));
    assert_ok(model_create(&model, (struct model_shape){5, 5, g->planes, g->actions, false}, device, &net));
    assert_ok(net_initialise(net, 1));
    struct player_options o = options_with(16), raw = options_with(0);
    raw.temperature = 1;
    struct player a, b;
    assert_ok(player_network(g, net, device, &o, "search", &a));
    assert_ok(player_network(g, net, device, &raw, "policy", &b));
    play(g, &a, &b, 4, NULL);
    net_free(net);
    device_close(device);
    game_free(g);
}

static void engines_that_misbehave_lose_and_are_named(void **state) {
    (void)state;
    static const struct {
        const char *name, *cases, *text;
    } engines[] = {
        {"crasher", "genmove) echo 'assertion failed' >&2; exit 3;;",
         "crasher (exec sh ./crasher.sh): to \"genmove b\": ended with exit status 3; it said: assertion "
         "failed"},
        {"sleeper", "genmove) sleep 30;;",
         "sleeper (exec sh ./sleeper.sh): to \"genmove b\": did not answer in time"},
        {"babbler", "genmove) echo what; echo;;", "answered \"what\", which is not GTP"},
        {"stranger", "genmove) printf '= Z99\\n\\n';;", "answered \"Z99\" to genmove, which is no move"},
        {"repeater", "genmove) printf '= A1\\n\\n';;", "repeater plays A1 at move "},
        {"refuser", "play) printf '? no\\n\\n';;", "refused \"play "},
        {"halfway", "genmove) printf '= A1\\n'; sleep 30;;", "did not answer in time"},
        {"beginner", "boardsize) printf '? unacceptable size\\n\\n';;",
         "refused \"boardsize 5\": unacceptable size"},
    };
    struct game *g = small_game("go", 5, 0.5f);
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        struct player a = gentle(), b = scripted(engines[i].name, engines[i].cases);
        struct match_result r = play(g, &a, &b, 2, NULL);
        if (r.forfeits_b != 2 || r.wins != 2 || r.forfeits_a != 0 || !strstr(r.text, engines[i].text))
            fail_msg("%s: %d forfeits, %d wins; %s", engines[i].name, r.forfeits_b, r.wins, r.text);
    }
    game_free(g);
}

static void an_engine_is_started_again_for_the_next_game(void **state) {
    (void)state;
    struct game *g = small_game("go", 5, 0.5f);
    unlink("crashed");
    /* Crashes once, then passes for ever. */
    struct player a = scripted(
        "once", "genmove) [ -e crashed ] || { touch crashed; kill -9 $$; }; printf '= pass\\n\\n';;");
    struct player b = gentle();
    struct match_result r = play(g, &a, &b, 4, NULL);
    assert_int_equal(r.forfeits_a, 1);
    assert_int_equal(r.losses, 4);
    assert_non_null(strstr(r.text, "game 1: once"));
    assert_non_null(strstr(r.text, "killed by signal 9"));
    game_free(g);
}

static void an_engine_may_resign(void **state) {
    (void)state;
    struct game *g = small_game("go", 5, 0.5f);
    struct player a = scripted("quitter", "genmove) printf '= resign\\n\\n';;"), b = gentle();
    struct match_result r = play(g, &a, &b, 2, "resigned");
    assert_int_equal(r.losses, 2);
    assert_int_equal(r.forfeits_a, 0);
    struct sgf_reader *reader;
    const struct sgf_game *game;
    assert_ok(sgf_open("resigned", &reader));
    assert_int_equal(sgf_next(reader, &game), 1);
    assert_string_equal(game->result, "W+R");
    sgf_close(reader);
    game_free(g);
}

#define PASSES "genmove) printf '= pass\\n\\n';;\n"
#define ALL_DEAD                                                                                             \
    "    final_status_list) printf '= A1 B1 C1 D1 E1\\nA2 B2 C2 D2 E2 A3 B3 C3 D3 E3 "                       \
    "A4 B4 C4 D4 E4 A5 B5 C5 D5 E5\\n\\n';;"

/* Two engines that pass at once, over two random opening stones. Nothing is taken off unless an engine says
 * so. */
static void declared_dead_stones_are_taken_off_before_counting(void **state) {
    (void)state;
    struct game *g = small_game("go", 5, 0.5f);
    struct sgf_reader *reader;
    const struct sgf_game *game;
    struct player a = scripted("taker", PASSES ALL_DEAD), b = scripted("taker2", PASSES ALL_DEAD);
    play(g, &a, &b, 2, "both");
    assert_ok(sgf_open("both", &reader));
    assert_int_equal(sgf_next(reader, &game), 1);
    assert_string_equal(game->result, "W+0.5"); /* an empty board and komi */
    sgf_close(reader);
    a = scripted("taker", PASSES ALL_DEAD),
    b = scripted("keeper", PASSES); /* the second lists none: only what both list */
    struct match_result r = play(g, &a, &b, 2, "one");
    assert_int_equal(r.wins, 1); /* one stone each is neutral everywhere: white has komi */
    assert_int_equal(r.losses, 1);
    a = scripted("taker", PASSES "    final_status_list) printf '= Q9\\n\\n';;"), b = gentle();
    r = play(g, &a, &b, 2, NULL);
    assert_int_equal(r.forfeits_a, 2);
    assert_non_null(strstr(r.text, "lists \"Q9\" as dead, which is no point"));
    game_free(g);
}

/* It passes from the start and lists every point of the board. Against one that cannot tell, and as both
 * colours, it must not clear away the stones that it lost to. */
static void an_engine_that_calls_everything_dead_does_not_win_by_it(void **state) {
    (void)state;
    struct game *g = small_game("go", 5, 0.5f);
    struct player liar = scripted("liar", PASSES ALL_DEAD), b = gentle();
    struct match_result r = play(g, &liar, &b, 4, "liar");
    assert_int_equal(r.losses, 4);
    assert_int_equal(r.forfeits_a, 0);
    struct player keeper = scripted("keeper", PASSES);
    liar = scripted("liar", PASSES ALL_DEAD);
    r = play(g, &keeper, &liar, 2, "keeper");
    assert_int_equal(r.wins, 1); /* one stone each: nothing is anybody's, and white has komi */
    game_free(g);
}

/* Plays its moves one after the other, then passes. */
#define PLAYS(moves)                                                                                         \
    "genmove) n=$((n + 1)); move=$(echo '" moves "' | cut -d' ' -f$n)\n"                                     \
    "      printf '= %s\\n\\n' \"${move:-pass}\";;\n"

/* Black owns the left of the board with the white stone A4 in it, which only one side admits to be dead. */
static void a_dead_stone_is_taken_off_though_one_side_denies_it(void **state) {
    (void)state;
    static const char black_plays[] = PLAYS("C1 C2 C3 C4 C5 B2 B4"),
                      white_plays[] = PLAYS("D1 D2 D3 D4 D5 A4"),
                      black_tells[] =
                          PLAYS("C1 C2 C3 C4 C5 B2 B4") "    final_status_list) printf '= A4\\n\\n';;",
                      white_tells[] =
                          PLAYS("D1 D2 D3 D4 D5 A4") "    final_status_list) printf '= A4\\n\\n';;";
    static const struct {
        const char *black, *white, *result;
    } games[] = {
        {black_tells, white_plays, "B+4.5"}, /* 15 : 10 and komi */
        {black_plays, white_tells, "B+4.5"},
        {black_plays, white_plays, "W+4.5"}, /* nobody calls it dead: 7 : 11, the empty points are no one's */
    };
    struct game *g = small_game("go", 5, 0.5f);
    for (size_t i = 0; i < sizeof games / sizeof *games; i++) {
        struct player black = scripted("black", games[i].black), white = scripted("white", games[i].white);
        struct match_options o = {.games = 1, .sgf_folder = "denied", .cleanup = true};
        struct match_result r;
        assert_ok(match_play(g, &black, &white, &o, &r));
        player_close(&black);
        player_close(&white);
        struct sgf_reader *reader;
        const struct sgf_game *game;
        assert_ok(sgf_open("denied", &reader));
        assert_int_equal(sgf_next(reader, &game), 1);
        assert_string_equal(game->result, games[i].result);
        sgf_close(reader);
    }
    game_free(g);
}

static void what_cannot_start_is_an_error(void **state) {
    (void)state;
    struct player_options o = options_with(0);
    struct player p;
    assert_fails(player_gtp("./no-such-engine", &o, &p), STATUS_PEER, "no-such-engine");
    assert_fails(player_gtp("cat", &o, &p), STATUS_PEER, "answered \"name\", which is not GTP");
    assert_fails(player_gtp("true", &o, &p), STATUS_PEER, "ended with exit status 0");
    o.start_seconds = 0.2;
    assert_fails(player_gtp("sleep 30", &o, &p), STATUS_PEER, "did not answer in time");
    struct game *g = small_game("connect4", 7, 0);
    struct player a = scripted("gtp", ""), b = gentle();
    struct match_options options = {.games = 2};
    struct match_result r;
    assert_fails(match_play(g, &a, &b, &options, &r), STATUS_USAGE, "plays Go, not connect4");
    player_close(&a);
    player_close(&b);
    game_free(g);
}

int main(void) {
    folder_enter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_wilson_s),
        cmocka_unit_test(openings_are_played_with_both_colours),
        cmocka_unit_test(the_result_does_not_depend_on_the_workers),
        cmocka_unit_test(other_games_are_played_too),
        cmocka_unit_test(a_network_plays_with_and_without_search),
        cmocka_unit_test(engines_that_misbehave_lose_and_are_named),
        cmocka_unit_test(an_engine_is_started_again_for_the_next_game),
        cmocka_unit_test(an_engine_may_resign),
        cmocka_unit_test(declared_dead_stones_are_taken_off_before_counting),
        cmocka_unit_test(an_engine_that_calls_everything_dead_does_not_win_by_it),
        cmocka_unit_test(a_dead_stone_is_taken_off_though_one_side_denies_it),
        cmocka_unit_test(what_cannot_start_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
