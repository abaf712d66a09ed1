/* The games of the data folder, where there is one: every one is read, and all but a few follow the rules. */
#include "games.h"
#include "tengen/file.h"
#include "tengen/sgf.h"

static const char folder[] = TENGEN_SOURCE_DIR "/../shared/data/go";

static void the_games_of_a_server_are_read_and_replayed(void **state) {
    (void)state;
    struct sgf_reader *r;
    const struct sgf_game *game;
    struct game_config config = named_config("go");
    struct game *rules;
    config.size = 19;
    config.max_moves = 10000;
    snprintf(config.ko, sizeof config.ko, "simple");
    assert_ok(game_create(&config, &rules));
    void *position = position_create(rules);
    int games = 0, skipped = 0, illegal = 0;
    assert_ok(sgf_open(folder, &r));
    for (int got; (got = sgf_next(r, &game)) != 0;) {
        games++;
        skipped += got < 0;
        if (got > 0 && games % 8 == 0) illegal += sgf_replay(rules, game, position) != STATUS_OK;
    }
    sgf_close(r);
    print_message("%d games, %d skipped, %d of every 8th illegal\n", games, skipped, illegal);
    assert_true(games > 1000);
    assert_int_equal(skipped, 0);
    assert_true(illegal <= games / 8 / 1000);
    position_free(position);
    game_free(rules);
}

int main(void) {
    if (!file_is_folder(folder)) {
        printf("skipped: %s is not there\n", folder);
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_games_of_a_server_are_read_and_replayed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
