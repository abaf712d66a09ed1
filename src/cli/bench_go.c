/* tengen bench go: random playouts a second, on the lean board and on the engine's, and what the engine's
 * functions cost. One thread, its own processor time, the same work in every repeat and the best repeat
 * counts, so that what else the machine does stays out. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "tengen/game.h"
#include "tengen/go.h"
#include "tengen/mem.h"
#include "tengen/playout.h"

enum { GAMES_RECORDED = 8, REPEATS_MIN = 3, ENCODED_BYTES_MAX = 625 * 4 };

static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Seconds of the fastest of many calls, within a budget. */
static double best_of(void (*work)(void *context), void *context, double budget) {
    double best = 1e30, spent = 0;
    for (int i = 0; i < REPEATS_MIN || spent < budget; i++) {
        double start = processor_seconds();
        work(context);
        double seconds = processor_seconds() - start;
        spent += seconds;
        if (seconds < best) best = seconds;
    }
    return best;
}

/* ---- lean playouts ---- */

struct playouts {
    struct playout start, board;
    int games;
    long moves;
};

static void run_playouts(void *context) {
    struct playouts *b = context;
    b->moves = 0;
    for (int i = 0; i < b->games; i++) {
        struct rng rng = rng_make(1, RNG_PLAYOUT, (uint64_t)i);
        playout_copy(&b->board, &b->start);
        playout_run(&b->board, &rng);
        b->moves += b->board.moves;
    }
}

static void bench_playouts(const struct report *report, int size, double budget) {
    struct playouts *b = MEM_NEW(struct playouts, 1);
    playout_start(&b->start, size);
    b->games = 400000 / (size * size);
    double seconds = best_of(run_playouts, b, budget);
    report_value(report, b->games / seconds, "games/s", "go.playouts.%dx%d", size, size);
    report_value(report, seconds / (double)b->moves * 1e9, "ns/move", "go.playouts.%dx%d.move", size, size);
    mem_free(b);
}

/* ---- the engine ---- */

struct engine {
    struct game *g;
    char *position; /* [positions] of recorded games, then one to work on */
    int *action;    /* [positions] played there; -1 where a game ended */
    int positions, games;
    uint8_t bits[ENCODED_BYTES_MAX];
    long sum; /* of results, so that no work is left out */
};

static void *position_at(const struct engine *b, int i) {
    return b->position + (size_t)i * b->g->position_bytes;
}

/* Whether all neighbours of an empty point are stones of the player to move. */
static bool is_surrounded(const struct game *g, const void *position, int point) {
    int n = g->width, row = point / n, column = point % n, own = g->to_play(g, position) + 1;
    return (row == 0 || (int)go_at(g, position, point - n) == own) &&
           (row == n - 1 || (int)go_at(g, position, point + n) == own) &&
           (column == 0 || (int)go_at(g, position, point - 1) == own) &&
           (column == n - 1 || (int)go_at(g, position, point + 1) == own);
}

/* A random legal move that fills no surrounded point, else a pass. */
static int random_action(const struct game *g, const void *position, struct rng *rng) {
    uint8_t legal[GAME_ACTIONS_MAX];
    uint16_t wanted[GAME_ACTIONS_MAX];
    int count = 0;
    g->legal(g, position, legal);
    for (int i = 0; i < g->actions - 1; i++) {
        wanted[count] = (uint16_t)i;
        count += legal[i];
    }
    while (count > 0) {
        uint32_t i = rng_below(rng, (uint32_t)count);
        if (!is_surrounded(g, position, wanted[i])) return wanted[i];
        wanted[i] = wanted[--count];
    }
    return g->actions - 1;
}

static void run_engine_playouts(void *context) {
    struct engine *b = context;
    void *position = position_at(b, b->positions);
    for (int i = 0; i < b->games; i++) {
        struct rng rng = rng_make(1, RNG_PLAYOUT, (uint64_t)i);
        b->g->start(b->g, position);
        while (!b->g->ended(b->g, position))
            b->g->play(b->g, position, random_action(b->g, position, &rng));
        b->sum += (long)b->g->score(b->g, position);
    }
}

static void record_games(struct engine *b) {
    const struct game *g = b->g;
    int room = GAMES_RECORDED * (g->max_moves + 1);
    b->position = mem_alloc((size_t)room + 1, g->position_bytes);
    b->action = MEM_NEW(int, room);
    for (int i = 0; i < GAMES_RECORDED; i++) {
        struct rng rng = rng_make(2, RNG_PLAYOUT, (uint64_t)i);
        g->start(g, position_at(b, b->positions));
        for (;;) {
            void *position = position_at(b, b->positions), *next = position_at(b, b->positions + 1);
            bool ended = g->ended(g, position);
            int action = ended ? -1 : random_action(g, position, &rng);
            b->action[b->positions++] = action;
            if (ended) break;
            g->copy(g, next, position);
            g->play(g, next, action);
        }
    }
}

static void run_legal(void *context) {
    struct engine *b = context;
    uint8_t legal[GAME_ACTIONS_MAX];
    for (int i = 0; i < b->positions; i++)
        b->sum += b->g->legal(b->g, position_at(b, i), legal);
}

static void run_encode(void *context) {
    struct engine *b = context;
    for (int i = 0; i < b->positions; i++)
        b->g->encode(b->g, position_at(b, i), b->bits);
}

static void run_copy(void *context) {
    struct engine *b = context;
    for (int i = 0; i < b->positions; i++)
        b->g->copy(b->g, position_at(b, b->positions), position_at(b, i));
}

static void run_play(void *context) {
    struct engine *b = context;
    void *position = position_at(b, b->positions);
    b->g->start(b->g, position);
    for (int i = 0; i < b->positions; i++) {
        if (b->action[i] < 0)
            b->g->start(b->g, position);
        else
            b->g->play(b->g, position, b->action[i]);
    }
}

static enum status bench_engine(const struct report *report, int size, double budget) {
    static const struct {
        const char *name;
        void (*run)(void *context);
    } parts[] = {{"legal", run_legal}, {"play", run_play}, {"encode", run_encode}, {"copy", run_copy}};
    struct game_config config;
    struct engine *b = MEM_NEW(struct engine, 1);
    config_defaults(game_config_keys, &config);
    strcpy(config.name, "go");
    config.size = size;
    enum status status = game_create(&config, &b->g);
    if (status == STATUS_OK) {
        record_games(b);
        b->games = 40000 / (size * size);
        double seconds = best_of(run_engine_playouts, b, budget);
        report_value(report, b->games / seconds, "games/s", "go.engine_playouts.%dx%d", size, size);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            report_value(report, best_of(parts[i].run, b, budget / 4) / b->positions * 1e9, "ns",
                         "go.%s.%dx%d", parts[i].name, size, size);
    }
    mem_free(b->position);
    mem_free(b->action);
    game_free(b->g);
    mem_free(b);
    return status;
}

static enum status run(const struct report *report, int argc, char **argv) {
    static const int sizes[] = {7, 9, 19};
    struct options o;
    long only = 0;
    double seconds = 1;
    options_init(&o, argc, argv);
    TRY(option_long(&o, "size", &only, 2, 25));
    TRY(option_double(&o, "seconds", &seconds, 0, 3600));
    TRY(option_end(&o));
    report_note(report, "Go on one thread, by its processor time; random moves that fill no own eyes.");
    for (int i = 0; i < (only ? 1 : 3); i++) {
        int size = only ? (int)only : sizes[i];
        bench_playouts(report, size, seconds);
        TRY(bench_engine(report, size, seconds));
    }
    return STATUS_OK;
}

const struct bench bench_go = {
    .name = "go",
    .summary = "random playouts a second, and the rules' functions in nanoseconds",
    .help = "  --size N      one board size instead of 7, 9 and 19\n"
            "  --seconds S   how long each figure is measured (1)\n",
    .run = run,
};
