/* tengen sgf: what is in game records, and what is wrong with them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "tengen/file.h"
#include "tengen/mem.h"
#include "tengen/progress.h"
#include "tengen/sgf.h"
#include "tengen/thread.h"

enum { REASONS_MAX = 24, SIZE_MAX_BOARD = 25 };

/* Games skipped for one kind of reason: its text with the numbers and points taken out. */
struct reason {
    char text[160];
    long count;
    char example[400];
};

struct sgf_counts {
    long good, skipped, illegal, moves, passes, setups, handicaps;
    long by_size[SIZE_MAX_BOARD + 1];
    long winners[4]; /* black, white, draw, unknown */
    long shortest, longest;
    struct reason reasons[REASONS_MAX];
    int reason_count;
};

struct sgf_command {
    bool replay, verbose, quiet;
    struct game_config rules;
    struct game *games[SIZE_MAX_BOARD + 1]; /* made when needed */
    void *positions[SIZE_MAX_BOARD + 1];
    struct sgf_counts counts;
    struct progress progress;
};

/* Whether a digit belongs to a name, as in UTF-16 or FF4: digits that two letters, or a letter and '-', stand
 * before. */
static bool in_a_name(const char *begin, const char *at) {
    while (at > begin && isdigit((unsigned char)at[-1]))
        at--;
    return at - begin >= 2 && (isalpha((unsigned char)at[-1]) || at[-1] == '-') &&
           isalpha((unsigned char)at[-2]);
}

/* "move 17, black D4: it is ..." and "move 3, white pass: it is ..." are one kind: what stands behind the
 * last colon, or the text with its numbers as '#'. */
static void reason_kind(const char *text, char *kind, size_t size) {
    const char *colon = strncmp(text, "move ", 5) == 0 ? strrchr(text, ':') : NULL;
    if (colon) text = colon + 2;
    size_t used = 0;
    bool quoted = false;
    for (const char *begin = text; *text && used + 1 < size; text++) {
        quoted = (quoted || *text == '[') && *text != ']';
        bool digit = (isdigit((unsigned char)*text) && !in_a_name(begin, text)) || (quoted && *text != '[');
        if (digit && used > 0 && kind[used - 1] == '#') continue;
        kind[used++] = digit ? '#' : *text;
    }
    kind[used] = 0;
}

static void count_reason(struct sgf_counts *c, const char *why, const char *whole) {
    char kind[160];
    reason_kind(why, kind, sizeof kind);
    int i = 0;
    while (i < c->reason_count && strcmp(c->reasons[i].text, kind) != 0)
        i++;
    if (i == REASONS_MAX) { /* too many kinds: the last one stands for the rest */
        i--;
        snprintf(c->reasons[i].text, sizeof c->reasons[i].text, "other reasons");
    }
    if (i == c->reason_count) {
        snprintf(c->reasons[i].text, sizeof kind, "%s", kind);
        snprintf(c->reasons[i].example, sizeof c->reasons[i].example, "%s", whole);
        c->reason_count++;
    }
    c->reasons[i].count++;
}

static enum status replay(struct sgf_command *m, const struct sgf_game *game) {
    int size = game->size;
    if (!m->games[size]) {
        struct game_config config = m->rules;
        config.size = size;
        TRY(game_create(&config, &m->games[size]));
        m->positions[size] = position_create(m->games[size]);
    }
    return sgf_replay(m->games[size], game, m->positions[size]);
}

static void count_game(struct sgf_counts *c, const struct sgf_game *game) {
    c->good++;
    c->moves += game->move_count;
    for (int i = 0; i < game->move_count; i++)
        c->passes += game->moves[i].action == game->size * game->size;
    c->setups += game->setup_count > 0;
    c->handicaps += game->handicap > 1;
    c->by_size[game->size]++;
    c->winners[game->winner >= 0 ? game->winner : 3]++;
    if (c->good == 1 || game->move_count < c->shortest) c->shortest = game->move_count;
    if (game->move_count > c->longest) c->longest = game->move_count;
}

/* A game that was skipped, or one whose replay failed (`number` in its file). */
static void note_bad(struct sgf_command *m, const char *why, const char *whole) {
    count_reason(&m->counts, why, whole);
    if (m->verbose) fprintf(stderr, "%s\n", whole);
}

static enum status read_path(struct sgf_command *m, const char *path) {
    struct sgf_reader *r;
    TRY(sgf_open(path, &r));
    const struct sgf_game *game;
    long number = 0;
    for (int got; (got = sgf_next(r, &game)) != 0;) {
        number++;
        if (got < 0) {
            m->counts.skipped++;
            note_bad(m, sgf_skip_why(r), sgf_skip_reason(r));
            continue;
        }
        count_game(&m->counts, game);
        if (m->replay && replay(m, game) != STATUS_OK) {
            char whole[1500];
            m->counts.illegal++;
            snprintf(whole, sizeof whole, "%s: %s", sgf_where(r), status_text());
            note_bad(m, status_text(), whole);
        }
        if (!m->quiet && number % 256 == 0)
            progress_update(&m->progress, 0, 0, "%ld games, %s", m->counts.good + m->counts.skipped, path);
    }
    sgf_close(r);
    return STATUS_OK;
}

static void print_counts(const struct report *report, const struct sgf_command *m, double seconds) {
    const struct sgf_counts *c = &m->counts;
    report_value(report, (double)c->good, "games", "sgf.games");
    report_value(report, (double)c->skipped, "games", "sgf.skipped");
    if (m->replay) report_value(report, (double)c->illegal, "games", "sgf.illegal");
    report_value(report, (double)c->moves, "moves", "sgf.moves");
    report_value(report, (double)c->passes, "moves", "sgf.passes");
    report_value(report, (double)c->shortest, "moves", "sgf.moves.shortest");
    report_value(report, (double)c->longest, "moves", "sgf.moves.longest");
    report_value(report, (double)c->setups, "games", "sgf.setups");
    report_value(report, (double)c->handicaps, "games", "sgf.handicaps");
    static const char *const winners[] = {"black", "white", "draw", "unknown"};
    for (int i = 0; i < 4; i++)
        report_value(report, (double)c->winners[i], "games", "sgf.results.%s", winners[i]);
    for (int size = 0; size <= SIZE_MAX_BOARD; size++)
        if (c->by_size[size]) report_value(report, (double)c->by_size[size], "games", "sgf.sizes.%d", size);
    report_value(report, seconds > 0 ? (double)(c->good + c->skipped) / seconds : 0, "games/s", "sgf.rate");
    if (c->reason_count > 0) report_note(report, "\nGames that cannot be used, by reason:");
    for (int i = 0; i < c->reason_count; i++)
        report_note(report, "%8ld  %s\n          first: %s", c->reasons[i].count, c->reasons[i].text,
                    c->reasons[i].example);
}

static void command_free(struct sgf_command *m) {
    for (int i = 0; i <= SIZE_MAX_BOARD; i++) {
        position_free(m->positions[i]);
        game_free(m->games[i]);
    }
}

static enum status sgf_run(int argc, char **argv) {
    struct options o;
    struct sgf_command m = {0};
    options_init(&o, argc, argv);
    m.replay = option_flag(&o, "replay");
    m.verbose = option_flag(&o, "verbose");
    m.quiet = option_flag(&o, "quiet");
    struct report report = {.json = option_flag(&o, "json")};
    const char *ko = option_text(&o, "ko", "simple");
    TRY(option_done(&o));
    if (strcmp(ko, "simple") != 0 && strcmp(ko, "positional") != 0 && strcmp(ko, "situational") != 0)
        return status_fail(STATUS_USAGE, "--ko %s: not one of simple, positional, situational", ko);
    config_defaults(game_config_keys, &m.rules);
    snprintf(m.rules.ko, sizeof m.rules.ko, "%s", ko);
    m.rules.max_moves = 10000; /* people's games end where they end */
    const char *path = option_word(&o);
    if (!path) return status_fail(STATUS_USAGE, "which records? tengen sgf FILE|FOLDER ...");
    double start = clock_now();
    if (!m.quiet) progress_start(&m.progress, "sgf");
    enum status s = STATUS_OK;
    int unread = 0; /* paths; the others are read all the same */
    char first[1024] = "";
    for (; path; path = option_word(&o)) {
        enum status one = read_path(&m, path);
        if (one == STATUS_OK) continue;
        if (unread++ == 0) {
            s = one;
            snprintf(first, sizeof first, "%s", status_text());
        }
        if (m.verbose) fprintf(stderr, "%s\n", status_text());
    }
    if (!m.quiet) progress_end(&m.progress);
    if (m.counts.good + m.counts.skipped > 0) print_counts(&report, &m, clock_now() - start);
    command_free(&m);
    return s == STATUS_OK ? s
                          : status_fail(s, unread > 1 ? "%s (and %d more paths cannot be read)" : "%s", first,
                                        unread - 1);
}

const struct command command_sgf = {
    .name = "sgf",
    .summary = "check and count game records",
    .usage = "tengen sgf FILE|FOLDER ... [--replay] [--verbose] [--json]",
    .help = "Reads SGF files (FF[1] to FF[4], plain or gzip; of a folder: all *.sgf and *.sgf.gz in it and "
            "below) and counts "
            "games, moves,\n"
            "results and sizes. A game that cannot be used is skipped and counted by its reason.\n"
            "\n"
            "  --replay     also plays every game by the rules and counts illegal ones\n"
            "  --ko RULE    of the replay: simple, positional or situational (simple)\n"
            "  --verbose    names each game that cannot be used: file, number, line and reason\n"
            "  --json       figures as JSON, one a line; --quiet: no progress\n"
            "\n"
            "  tengen sgf games/ --replay --verbose\n",
    .run = sgf_run,
};
