/* Random games agree with GNU Go after every move: stones, captures and legal moves under positional superko,
 * and the area at the end against the flood fill of go_reference.h.
 *
 * Usage: test_gnugo [GAMES A SIZE]; 200 by default. Skipped without gnugo. */
#include <unistd.h>

#include "games.h"
#include "go_reference.h"

enum { DEFAULT_GAMES = 200, SUPERKO_MEMORY = 500 }; /* GNU Go forgets boards beyond so many moves */

static int games = DEFAULT_GAMES;
static const char *gnugo;

static const char *find_gnugo(void) {
    static char path[512];
    const char *folders = getenv("PATH");
    snprintf(path, sizeof path, "/usr/games/gnugo");
    if (access(path, X_OK) == 0) return path;
    while (folders && *folders) {
        int length = (int)strcspn(folders, ":");
        snprintf(path, sizeof path, "%.*s/gnugo", length, folders);
        if (access(path, X_OK) == 0) return path;
        folders += length + (folders[length] == ':');
    }
    return NULL;
}

/* A game that anyone can play again from its number: uniformly random moves, few passes. */
struct source {
    struct game *g;
    void *position;
    struct rng rng;
};

static void start_game(struct source *s, int number) {
    s->g->start(s->g, s->position);
    s->rng = rng_make(11, RNG_TEST, (uint64_t)(s->g->width * 100000 + number));
}

static int next_action(struct source *s) {
    uint8_t legal[GAME_ACTIONS_MAX];
    int count = s->g->legal(s->g, s->position, legal);
    if (!count) return -1;
    if (count > 1 && rng_below(&s->rng, 16)) legal[s->g->actions - 1] = 0, count--;
    return pick_legal(&s->rng, legal, count);
}

/* All games are written as commands first and compared with the answers as they come: nobody waits for
 * anybody. */
static void write_commands(struct source *s, FILE *out) {
    char text[8];
    for (int i = 0; i < games; i++) {
        int action;
        start_game(s, i);
        fprintf(out, "boardsize %d\nclear_board\n", s->g->width);
        while ((action = next_action(s)) >= 0) {
            int player = s->g->to_play(s->g, s->position);
            s->g->action_text(s->g, action, text, sizeof text);
            s->g->play(s->g, s->position, action);
            fprintf(out, "play %s %s\nlist_stones black\nlist_stones white\ncaptures %s\n",
                    player ? "white" : "black", text, player ? "white" : "black");
            if (!s->g->ended(s->g, s->position) && s->g->moves(s->g, s->position) < SUPERKO_MEMORY)
                fprintf(out, "all_legal %s\n", player ? "black" : "white");
        }
    }
    fprintf(out, "quit\n");
}

/* The answer to one command, without "= ". */
static char *read_answer(FILE *in) {
    static char line[8192];
    char blank[16];
    if (!fgets(line, sizeof line, in)) fail_msg("GNU Go has gone");
    if (line[0] != '=') fail_msg("GNU Go says: %s", line);
    if (!fgets(blank, sizeof blank, in) || blank[0] != '\n') fail_msg("more than a line: %s", line);
    line[strcspn(line, "\n")] = 0;
    return line + 1;
}

/* Sets a value at every vertex listed. */
static void mark_vertices(const struct game *g, char *list, uint8_t *marks, uint8_t value) {
    for (char *vertex = strtok(list, " "); vertex; vertex = strtok(NULL, " "))
        marks[g->action_parse(g, vertex)] = value;
}

static void fail_at(const struct source *s, const char *what) {
    char text[4096];
    s->g->print(s->g, s->position, text, sizeof text);
    fail_msg("GNU Go has other %s than\n%s", what, text);
}

static void compare_position(struct source *s, FILE *in, int player) {
    const struct game *g = s->g;
    uint8_t theirs[GAME_ACTIONS_MAX] = {0}, ours[GAME_ACTIONS_MAX];
    int points = g->width * g->width;
    read_answer(in); /* play */
    mark_vertices(g, read_answer(in), theirs, GO_BLACK);
    mark_vertices(g, read_answer(in), theirs, GO_WHITE);
    go_board(g, s->position, ours);
    if (memcmp(theirs, ours, (size_t)points)) fail_at(s, "stones");
    assert_int_equal(atoi(read_answer(in)), go_captures(g, s->position, player));
    if (g->ended(g, s->position)) {
        assert_true(g->score(g, s->position) == (float)reference_area(theirs, g->width));
    } else if (g->moves(g, s->position) < SUPERKO_MEMORY) {
        memset(theirs, 0, sizeof theirs);
        theirs[points] = 1;
        mark_vertices(g, read_answer(in), theirs, 1);
        g->legal(g, s->position, ours);
        if (memcmp(theirs, ours, (size_t)g->actions)) fail_at(s, "legal moves");
    }
}

static void play_against_gnugo(int size) {
    struct source s = {go_game(size, 0, "positional", false), NULL, {0}};
    char path[] = "/tmp/tengen_gnugo_XXXXXX", command[1024];
    int file = mkstemp(path), action;
    assert_true(file >= 0);
    FILE *commands = fdopen(file, "w");
    s.position = position_create(s.g);
    write_commands(&s, commands);
    fclose(commands);
    snprintf(command, sizeof command,
             "'%s' --mode gtp --chinese-rules --forbid-suicide --positional-superko < %s", gnugo, path);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    for (int i = 0; i < games; i++) {
        start_game(&s, i);
        read_answer(in);
        read_answer(in);
        while ((action = next_action(&s)) >= 0) {
            int player = s.g->to_play(s.g, s.position);
            s.g->play(s.g, s.position, action);
            compare_position(&s, in, player);
        }
    }
    read_answer(in); /* quit */
    assert_int_equal(pclose(in), 0);
    unlink(path);
    position_free(s.position);
    game_free(s.g);
}

#define GAMES_OF_SIZE(n)                                                                                     \
    static void games_of_size_##n##_agree(void **state) {                                                    \
        (void)state;                                                                                         \
        play_against_gnugo(n);                                                                               \
    }
GAMES_OF_SIZE(5)
GAMES_OF_SIZE(7)
GAMES_OF_SIZE(9)
GAMES_OF_SIZE(13)
GAMES_OF_SIZE(19)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(games_of_size_5_agree),  cmocka_unit_test(games_of_size_7_agree),
        cmocka_unit_test(games_of_size_9_agree),  cmocka_unit_test(games_of_size_13_agree),
        cmocka_unit_test(games_of_size_19_agree),
    };
    gnugo = find_gnugo();
    if (!gnugo) {
        puts("gnugo is not installed");
        return TEST_SKIPPED;
    }
    if (argc > 1) games = atoi(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
