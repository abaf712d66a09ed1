/* tengen match: two players, many games, who is stronger. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "play/contestant.h"
#include "tengen/mem.h"
#include "tengen/run.h"

enum { WORKERS_MAX = 256 };

/* What the command line asks for. */
struct match_command {
    long games, opening_moves, seed, threads, leaves, size, memory;
    long simulations[2];
    double komi, seconds, start_seconds, temperature;
    const char *game_name, *device, *precision, *sgf;
    bool keep_dead, quiet;
    struct report report;
};

/* The match as it is set up: A and B, and a player of each for every worker. */
struct match_setup {
    struct contestant sides[2];
    struct device *device;
    struct game *made; /* the game, where no network brings it */
    const struct game *game;
    struct player *players[2]; /* [workers] */
    int workers;
};

static enum status read_numbers(struct options *o, struct match_command *m) {
    long simulations = 200;
    TRY(option_long(o, "games", &m->games, 1, 1000000));
    TRY(option_long(o, "opening-moves", &m->opening_moves, 0, 1000));
    TRY(option_long(o, "seed", &m->seed, 0, 9000000000000000));
    TRY(option_long(o, "threads", &m->threads, 0, WORKERS_MAX));
    TRY(option_long(o, "leaves", &m->leaves, 1, 256));
    TRY(option_long(o, "size", &m->size, 2, 25));
    TRY(option_long(o, "memory", &m->memory, 1, 1048576));
    TRY(option_long(o, "simulations", &simulations, 0, 10000000));
    m->simulations[0] = m->simulations[1] = simulations;
    TRY(option_long(o, "a-simulations", &m->simulations[0], 0, 10000000));
    TRY(option_long(o, "b-simulations", &m->simulations[1], 0, 10000000));
    TRY(option_double(o, "komi", &m->komi, -1000, 1000));
    TRY(option_double(o, "time", &m->seconds, 0.01, 86400));
    TRY(option_double(o, "start-time", &m->start_seconds, 0.01, 86400));
    return option_double(o, "temperature", &m->temperature, 0, 10);
}

static enum status read_options(struct options *o, struct match_command *m) {
    *m = (struct match_command){.games = 100,
                                .opening_moves = 2,
                                .seed = 1,
                                .leaves = 4,
                                .komi = NAN,
                                .seconds = 60,
                                .start_seconds = 60};
    TRY(read_numbers(o, m));
    m->game_name = option_text(o, "game", NULL);
    m->device = option_text(o, "device", "auto");
    m->precision = option_text(o, "precision", "auto");
    m->sgf = option_text(o, "sgf", NULL);
    m->keep_dead = option_flag(o, "keep-dead");
    m->quiet = option_flag(o, "quiet");
    m->report.json = option_flag(o, "json");
    return option_done(o);
}

/* ---- setting up -------------------------------------------------------------------------------------------
 */

static enum status load_sides(const struct match_command *m, struct match_setup *s) {
    char komi[64], size[64], name[300];
    const char *overrides[3];
    int count = 0;
    snprintf(komi, sizeof komi, "game.komi=%.9g", m->komi);
    snprintf(size, sizeof size, "game.size=%ld", m->size);
    snprintf(name, sizeof name, "game.name=%.255s", m->game_name ? m->game_name : "");
    if (!isnan(m->komi)) overrides[count++] = komi;
    if (m->size) overrides[count++] = size;
    if (m->game_name) overrides[count++] = name;
    bool network = s->sides[0].kind == CONTESTANT_NETWORK || s->sides[1].kind == CONTESTANT_NETWORK;
    if (network) TRY(device_open(m->device, 0, &s->device));
    for (int i = 0; i < 2; i++)
        TRY(contestant_load(&s->sides[i], s->device, (uint64_t)m->seed + (uint64_t)i, overrides, count));
    return STATUS_OK;
}

/* A network's own game, else the one that the options name. */
static enum status choose_game(const struct match_command *m, struct match_setup *s) {
    s->game = s->sides[0].game ? s->sides[0].game : s->sides[1].game;
    if (s->game) return STATUS_OK;
    struct game_config config;
    config_defaults(game_config_keys, &config);
    if (m->game_name) snprintf(config.name, sizeof config.name, "%s", m->game_name);
    if (m->size) config.size = (int)m->size;
    if (!isnan(m->komi)) config.komi = (float)m->komi;
    TRY(game_create(&config, &s->made));
    s->game = s->made;
    return STATUS_OK;
}

static enum status make_players(const struct match_command *m, struct match_setup *s) {
    struct player_options o = {.temperature = (float)m->temperature,
                               .threads = 1,
                               .seconds = m->seconds,
                               .start_seconds = m->start_seconds};
    config_defaults(search_config_keys, &o.search);
    o.search.leaves = (int)m->leaves;
    if (m->memory) o.search.memory = (int)m->memory;
    TRY(precision_parse(m->precision, &o.precision));
    s->workers = m->threads ? (int)m->threads : thread_cores();
    if (s->workers > m->games) s->workers = (int)m->games;
    if (s->workers > WORKERS_MAX) s->workers = WORKERS_MAX;
    for (int side = 0; side < 2; side++) {
        s->players[side] = MEM_NEW(struct player, s->workers);
        o.simulations = (int)m->simulations[side];
        o.seed = (uint64_t)m->seed * 2 + (uint64_t)side;
        for (int i = 0; i < s->workers; i++)
            TRY(contestant_player(&s->sides[side], s->game, &o, &s->players[side][i]));
    }
    return STATUS_OK;
}

static void setup_free(struct match_setup *s) {
    for (int side = 0; side < 2; side++) {
        for (int i = 0; s->players[side] && i < s->workers; i++)
            player_close(&s->players[side][i]);
        mem_free(s->players[side]);
        contestant_free(&s->sides[side]);
    }
    game_free(s->made);
    if (s->device) device_close(s->device);
}

/* ---- the result -------------------------------------------------------------------------------------------
 */

static void print_result(const struct report *report, const struct match_setup *s,
                         const struct match_result *r) {
    const char *a = s->players[0][0].name, *b = s->players[1][0].name;
    report_note(report,
                "%s against %s: %d games, %d won, %d drawn, %d lost; share %.1f%% (%.1f .. %.1f), Elo %+.0f "
                "(%+.0f .. %+.0f)",
                a, b, r->games, r->wins, r->draws, r->losses, 100 * r->score, 100 * r->low, 100 * r->high,
                r->elo, r->elo_low, r->elo_high);
    if (r->forfeits_a) report_note(report, "%s forfeited %d games", a, r->forfeits_a);
    if (r->forfeits_b) report_note(report, "%s forfeited %d games", b, r->forfeits_b);
    if (r->text[0]) report_note(report, "last forfeit: %s", r->text);
    report_value(report, r->games, "games", "match.games");
    report_value(report, r->wins, "games", "match.wins");
    report_value(report, r->draws, "games", "match.draws");
    report_value(report, r->losses, "games", "match.losses");
    report_value(report, r->score, "share", "match.winrate");
    report_value(report, r->low, "share", "match.winrate.low");
    report_value(report, r->high, "share", "match.winrate.high");
    report_value(report, r->elo, "Elo", "match.elo");
    report_value(report, r->elo_low, "Elo", "match.elo.low");
    report_value(report, r->elo_high, "Elo", "match.elo.high");
    report_value(report, r->games_first, "games", "match.first.games");
    report_value(report, r->wins_first, "games", "match.first.wins");
    report_value(report, r->forfeits_a, "games", "match.forfeits.a");
    report_value(report, r->forfeits_b, "games", "match.forfeits.b");
    report_value(report, r->mean_length, "moves", "match.length");
}

static enum status play_match(const struct match_command *m, struct match_setup *s) {
    TRY(load_sides(m, s));
    TRY(choose_game(m, s));
    TRY(make_players(m, s));
    struct match_options options = {.games = (int)m->games,
                                    .opening_moves = (int)m->opening_moves,
                                    .seed = (uint64_t)m->seed,
                                    .sgf_folder = m->sgf,
                                    .cleanup = !m->keep_dead,
                                    .progress = !m->quiet};
    struct match_result result;
    run_catch_signals("stopping after the moves in progress (Ctrl-C again: stop at once)");
    enum status status =
        match_play_many(s->game, s->players[0], s->players[1], s->workers, &options, &result);
    if (status == STATUS_OK || (status == STATUS_INTERRUPTED && result.games > 0))
        print_result(&m->report, s, &result);
    return status;
}

static enum status match_run(int argc, char **argv) {
    struct options o;
    struct match_command m;
    options_init(&o, argc, argv);
    TRY(read_options(&o, &m));
    const char *a = option_word(&o), *b = option_word(&o), *more = option_word(&o);
    if (!a || !b) return status_fail(STATUS_USAGE, "a match needs two players: tengen match A B");
    if (more) return status_fail(STATUS_USAGE, "a match has two players; what is \"%s\"?", more);
    struct match_setup s = {0};
    TRY(contestant_parse(&s.sides[0], a));
    TRY(contestant_parse(&s.sides[1], b));
    enum status status = play_match(&m, &s);
    setup_free(&s);
    return status;
}

const struct command command_match = {
    .name = "match",
    .summary = "play games between two players and compute Elo",
    .usage = "tengen match A B [--games N] [--simulations N] [--sgf DIR] [--json] ...",
    .help =
        "Plays A against B and prints the share of points of A (a draw counts half) with its 95% interval, "
        "and the\n"
        "Elo difference. Each opening is played twice, colours swapped; A begins in games 1, 3, 5, ...\n"
        "\n"
        "A and B are each one of:\n"
        "  FILE               a network with tree search: a weights file, a checkpoint or a run directory\n"
        "  policy:FILE        its most likely move, without search\n"
        "  untrained:FILE     the same architecture with fresh weights, with search; policy:untrained:FILE: "
        "without\n"
        "  uniform            tree search that knows nothing\n"
        "  random             any legal move; random:gentle does not fill its own eyes\n"
        "  gtp:COMMAND        an outside engine of Go, one process for each game in progress\n"
        "\n"
        "  --games N          how many (100)\n"
        "  --opening-moves K  random moves at the beginning, the same for both games of a pair (2)\n"
        "  --simulations N    a move, of both (200; 0: no search); --a-simulations N, --b-simulations N of "
        "one\n"
        "  --leaves N         positions evaluated at a time within one search (4)\n"
        "  --memory MIB       largest search tree (256), one for each side of a game in progress\n"
        "  --temperature T    of the choice by visits or by the policy (0: the best)\n"
        "  --game NAME --size N --komi K   the game, where no network brings it; komi also overrides a "
        "network's\n"
        "  --threads T        games at a time (all cores); the result does not depend on it\n"
        "  --device D --precision P        for networks: auto, cpu, cuda, cuda:N; auto, f32, tf32, bf16\n"
        "  --time S           limit for an answer of an outside engine (60); --start-time S: while it starts "
        "(60)\n"
        "  --seed S           of openings, players and fresh weights (1)\n"
        "  --sgf DIR          writes a record of each game\n"
        "  --keep-dead        counts every stone as alive, whatever an outside engine says (see below)\n"
        "  --json             figures as JSON, one a line; --quiet: no progress\n"
        "\n"
        "An outside engine that crashes, does not answer in time or plays an illegal move loses that game; "
        "it is\n"
        "named, and started anew for the next one.\n"
        "\n"
        "Counting: the referee counts area by Tromp-Taylor rules, every stone on the board alive. So that "
        "engines\n"
        "which pass with dead stones on the board do not lose by it, one that knows kgs-genmove_cleanup (GNU "
        "Go) is\n"
        "asked with it before each of its passes, and passes only when it has taken what is dead. One that "
        "does\n"
        "not is asked for final_status_list dead after both have passed, and those stones are taken off "
        "first\n"
        "which the other side, or Tengen's own estimate by random games, calls dead too.\n"
        "The rules forbid positional repetition; tell the engine so where it can know:\n"
        "\n"
        "  tengen match run.h5 'gtp:gnugo --mode gtp --chinese-rules --positional-superko --level 1' "
        "--simulations 100\n"
        "  tengen match run.h5 untrained:run.h5 --games 200 --json\n"
        "  tengen match policy:run.h5 random:gentle\n",
    .run = match_run,
};
