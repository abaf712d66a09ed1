/* tengen bench selfplay: how much of the time of self-play is the network's, and what a simulation costs
 * besides. */
#include <string.h>

#include "cli/cli.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/net_evaluator.h"
#include "tengen/player.h"
#include "tengen/selfplay.h"

struct selfplay_bench {
    long blocks, channels, size, games, group, threads, simulations;
    double seconds;
    enum precision precision;
};

static void play(const struct report *report, const struct selfplay_bench *b, struct selfplay *s) {
    struct game_record *finished;
    int count;
    double start = clock_now();
    do {
        selfplay_run(s, &finished, &count);
        for (int i = 0; i < count; i++)
            game_record_free(&finished[i]);
        mem_free(finished);
    } while (clock_now() - start < b->seconds);
    double wall = clock_now() - start;
    const struct selfplay_stats *t = selfplay_totals(s);
    report_value(report, t->network_seconds / t->total_seconds, "share", "selfplay.network_share");
    report_value(report, (double)t->evaluations / wall, "evaluations/s", "selfplay.evaluations");
    report_value(report, (double)t->moves / wall, "moves/s", "selfplay.moves");
    report_value(report, wall, "s", "selfplay.wall");
}

static enum status with_network(const struct report *report, const struct selfplay_bench *b,
                                struct device *device, const struct game *g, struct net *net) {
    struct selfplay_config config;
    struct search_config search;
    config_defaults(selfplay_config_keys, &config);
    config_defaults(search_config_keys, &search);
    config.games = (int)b->games;
    config.group = (int)b->group;
    config.full_probability = 1;
    config.moves = 2; /* short rounds: the clock is looked at between them */
    search.simulations = config.fast_simulations = (int)b->simulations;
    struct evaluator *e;
    TRY(net_evaluator_create(g, net, device, config.games / config.group, 1, config.group, b->precision, &e));
    struct pool *pool = pool_create((int)b->threads);
    struct selfplay *s = NULL;
    enum status status = selfplay_create(g, &config, &search, e, pool, 1, &s);
    report_note(report, "%ld x %ld on %ldx%ld, %d games in groups of %d, %d threads", b->blocks, b->channels,
                b->size, b->size, config.games, config.group, pool_threads(pool));
    if (status == STATUS_OK) play(report, b, s);
    selfplay_free(s);
    pool_free(pool);
    net_evaluator_free(e);
    return status;
}

/* Tree work alone: an evaluator that takes no time, on 7x7. */
static enum status search_overhead(const struct report *report) {
    struct game_config config;
    struct search_config search;
    struct game *g;
    config_defaults(game_config_keys, &config);
    config_defaults(search_config_keys, &search);
    TRY(game_create(&config, &g));
    struct evaluator *e = evaluator_uniform(g, 1, 1);
    struct search *s = search_create(g, &search);
    void *position = position_create(g);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    double best = 1e30;
    for (int i = 0; i < 10; i++) {
        g->start(g, position);
        search_reset(s, position);
        double start = clock_thread_cpu();
        search_begin(s, 2000, false, &rng);
        search_think(s, e, 0, 1, NULL, NULL);
        double spent = (clock_thread_cpu() - start) / 2000;
        if (spent < best) best = spent;
    }
    report_value(report, best * 1e6, "us/simulation", "selfplay.search_overhead_7x7");
    position_free(position);
    search_free(s);
    evaluator_free_uniform(e);
    game_free(g);
    return STATUS_OK;
}

static enum status bench_selfplay_run(const struct report *report, int argc, char **argv) {
    struct options o;
    options_init(&o, argc, argv);
    struct selfplay_bench b = {.blocks = 10,
                               .channels = 128,
                               .size = 19,
                               .games = 128,
                               .group = 64,
                               .simulations = 32,
                               .seconds = 20};
    const char *device_name = option_text(&o, "device", "auto");
    TRY(option_long(&o, "blocks", &b.blocks, 0, 200));
    TRY(option_long(&o, "channels", &b.channels, 1, 4096));
    TRY(option_long(&o, "size", &b.size, 2, 25));
    TRY(option_long(&o, "games", &b.games, 1, 65536));
    TRY(option_long(&o, "group", &b.group, 1, 4096));
    TRY(option_long(&o, "threads", &b.threads, 0, 4096));
    TRY(option_long(&o, "simulations", &b.simulations, 1, 1000000));
    TRY(option_double(&o, "seconds", &b.seconds, 0.1, 36000));
    TRY(precision_parse(option_text(&o, "precision", "auto"), &b.precision));
    TRY(option_end(&o));
    if (b.games % b.group)
        return status_fail(STATUS_USAGE, "--group %ld: must divide --games %ld", b.group, b.games);
    TRY(search_overhead(report));
    struct model_config config;
    struct game_config game_config;
    struct device *device;
    struct game *g;
    struct net *net = NULL;
    config_defaults(model_config_keys, &config);
    config_defaults(game_config_keys, &game_config);
    config.blocks = (int)b.blocks;
    config.channels = (int)b.channels;
    game_config.size = (int)b.size;
    TRY(game_create(&game_config, &g));
    TRY(device_open(device_name, 0, &device));
    enum status s = model_create(
        &config, (struct model_shape){g->height, g->width, g->planes, g->actions, false}, device, &net);
    if (s == STATUS_OK) s = net_initialise(net, 1);
    if (s == STATUS_OK) s = with_network(report, &b, device, g, net);
    net_free(net);
    device_close(device);
    game_free(g);
    return s;
}

const struct bench bench_selfplay = {
    .name = "selfplay",
    .summary = "share of the network in the time of self-play; cost of a simulation",
    .help =
        "  tengen bench selfplay [--blocks 10] [--channels 128] [--size 19] [--games 128] [--group 64]\n"
        "                        [--simulations 32] [--threads T] [--precision auto|f32|tf32|bf16] "
        "[--seconds "
        "20]\n"
        "                        [--device D]\n"
        "  A fresh network plays whole rounds for at least that many seconds. network_share is the time in\n"
        "  network calls over the time of all threads; the rest is tree work, rules and waiting.\n"
        "  search_overhead_7x7 is tree work and rules of one simulation on 7x7.\n",
    .run = bench_selfplay_run,
};
