/* tengen gtp: play Go with other programs. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "tengen/file.h"
#include "tengen/gtp.h"
#include "tengen/mem.h"
#include "tengen/net_evaluator.h"
#include "tengen/run.h"
#include "tengen/version.h"

struct gtp_command_line {
    const char *weights, *player, *device, *precision;
    long simulations, threads, leaves, seed, size, memory;
    double seconds, temperature, komi, resign;
};

static enum status read_options(struct options *o, struct gtp_command_line *c) {
    *c = (struct gtp_command_line){.simulations = 400, .leaves = 8, .seed = 1, .komi = NAN, .resign = 0.05};
    TRY(option_long(o, "simulations", &c->simulations, 0, 10000000));
    TRY(option_long(o, "threads", &c->threads, 0, 4096));
    TRY(option_long(o, "leaves", &c->leaves, 1, 256));
    TRY(option_long(o, "seed", &c->seed, 0, 9000000000000000));
    TRY(option_long(o, "size", &c->size, 2, 25));
    TRY(option_long(o, "memory", &c->memory, 1, 1048576));
    TRY(option_double(o, "resign", &c->resign, 0, 1));
    TRY(option_double(o, "time", &c->seconds, 0, 86400));
    TRY(option_double(o, "temperature", &c->temperature, 0, 10));
    TRY(option_double(o, "komi", &c->komi, -1000, 1000));
    c->weights = option_text(o, "weights", NULL);
    c->player = option_text(o, "player", NULL);
    c->device = option_text(o, "device", "auto");
    c->precision = option_text(o, "precision", "auto");
    TRY(option_done(o));
    if (!c->player) c->player = "network";
    if (strcmp(c->player, "network") != 0 && strcmp(c->player, "random") != 0 &&
        strcmp(c->player, "uniform") != 0)
        return status_fail(STATUS_USAGE, "--player %s: not one of network, uniform, random", c->player);
    bool network = strcmp(c->player, "network") == 0;
    if (network && !c->weights) c->weights = option_word(o);
    const char *more = option_word(o);
    if (more)
        return status_fail(STATUS_USAGE, "what is \"%s\"? A session takes options and at most one network",
                           more);
    if (network && !c->weights)
        return status_fail(STATUS_USAGE, "which network? give --weights FILE, or --player random");
    if (!network && c->weights)
        return status_fail(STATUS_USAGE, "--player %s uses no network: leave out --weights %s", c->player,
                           c->weights);
    return STATUS_OK;
}

static enum status load(const struct gtp_command_line *c, struct device **device, struct game **game,
                        struct net **net) {
    char path[1024], komi[64], size[64];
    const char *overrides[2];
    int count = 0;
    snprintf(path, sizeof path, "%s", c->weights);
    if (file_is_folder(c->weights)) TRY(run_find_checkpoint(c->weights, path, sizeof path));
    snprintf(komi, sizeof komi, "game.komi=%.9g", c->komi);
    snprintf(size, sizeof size, "game.size=%ld", c->size);
    if (!isnan(c->komi)) overrides[count++] = komi;
    if (c->size) overrides[count++] = size;
    TRY(device_open(c->device, (int)c->threads, device));
    return net_load(path, *device, overrides, count, game, net);
}

static enum status serve(const struct gtp_command_line *c, struct device **device, struct game **game,
                         struct net **net) {
    struct gtp_options options = {.random = strcmp(c->player, "random") == 0,
                                  .seconds = c->seconds,
                                  .resign = c->resign,
                                  .version = version_number(),
                                  .player = {.simulations = (int)c->simulations,
                                             .temperature = (float)c->temperature,
                                             .seed = (uint64_t)c->seed,
                                             .threads = (int)c->threads}};
    config_defaults(search_config_keys, &options.player.search);
    options.player.search.leaves = (int)c->leaves;
    if (c->memory) options.player.search.memory = (int)c->memory;
    TRY(precision_parse(c->precision, &options.player.precision));
    struct game_config config;
    config_defaults(game_config_keys, &config);
    if (c->weights) {
        TRY(load(c, device, game, net));
        config = (*game)->config;
    } else {
        if (!isnan(c->komi)) config.komi = (float)c->komi;
        if (c->size) config.size = (int)c->size;
    }
    struct gtp *engine;
    TRY(gtp_create(&config, *net, *device, &options, &engine));
    enum status s = gtp_run(engine, STDIN_FILENO, stdout);
    gtp_free(engine);
    return s;
}

static enum status gtp_command_run(int argc, char **argv) {
    struct options o;
    struct gtp_command_line c;
    struct device *device = NULL;
    struct game *game = NULL;
    struct net *net = NULL;
    options_init(&o, argc, argv);
    TRY(read_options(&o, &c));
    enum status s = serve(&c, &device, &game, &net);
    net_free(net);
    game_free(game);
    device_close(device);
    return s;
}

const struct command command_gtp = {
    .name = "gtp",
    .summary = "play Go as a GTP engine, for GoGui, Sabaki, Lizzie and match programs",
    .usage = "tengen gtp --weights FILE [--simulations N] [--time S] [--threads T] ...",
    .help =
        "Speaks the Go Text Protocol, version 2, on stdin and stdout: all that GoGui, gogui-twogtp and KGS "
        "ask\n"
        "for, and lz-analyze and kata-analyze with their genmove forms.\n"
        "\n"
        "  --weights FILE     a weights file, a checkpoint or a run directory\n"
        "  --player WHO       network; uniform: a search that knows nothing; random: gentle random moves\n"
        "  --simulations N    a move, where no clock is set (400; 0: the network's policy without search)\n"
        "  --time S           seconds a move instead. A clock set over GTP is obeyed in any case\n"
        "  --leaves N         positions evaluated at a time (8); --threads T: for the network (all cores)\n"
        "  --memory MIB       largest search tree (256); a full one is told of on stderr\n"
        "  --resign T         genmove resigns when the winrate of the search was below T at three own moves "
        "in a "
        "row\n"
        "                     (0.05; 0: never), each with 50 visits or more, or by proof\n"
        "  --temperature T    of the choice by visits or by the policy (0: the best)\n"
        "  --komi K           until the other side sets it; --size N: of the board, without a network (7)\n"
        "  --device D --precision P   auto, cpu, cuda, cuda:N; auto, f32, tf32, bf16\n"
        "  --seed S           of what is random (1)\n"
        "\n"
        "A network plays on the board size it was trained on; boardsize with another is refused. Its rules "
        "are\n"
        "area counting with positional superko, where no stone is dead until it is taken. final_status_list "
        "and\n"
        "final_score, which others ask for, estimate dead stones by random games from the final position.\n"
        "loadsgf takes what `tengen sgf --replay --ko positional` calls legal; what it refuses leaves the "
        "game "
        "as it is.\n"
        "\n"
        "Analysis lines have KataGo's and Leela Zero's form. The network knows who wins, not by how much: "
        "there "
        "is no\n"
        "scoreLead, scoreMean, scoreStdev or ownership in them, and options that ask for such (ownership "
        "true) "
        "add\n"
        "nothing. kgs-genmove_cleanup and reg_genmove never resign.\n"
        "\n"
        "  gogui -program 'tengen gtp --weights run.h5'\n"
        "  gogui-twogtp -black 'gnugo --mode gtp' -white 'tengen gtp --weights run.h5' -size 7 -komi 9 "
        "-auto\n",
    .run = gtp_command_run,
};
