/* A trained network before a judge that knows perfect play: trains a config (or takes a finished run), and
 * asks for the network's move in any position, with search or by the raw policy. */
#ifndef TESTS_ALGO_JUDGED_H
#define TESTS_ALGO_JUDGED_H

#include "../folder.h"
#include "../game/games.h"
#include "play/contestant.h"
#include "play/thinker.h"
#include "tengen/algo.h"

/* Trains configs/NAME.ini, with these settings, from nothing in the working folder; NAME is then a finished
 * run. */
static inline void judged_train(const char *name, const char *const *settings, int count) {
    folder_remove(name);
    const char *all[16] = {"run.device=cpu"};
    assert_true(count <= 14);
    for (int i = 0; i < count; i++)
        all[1 + i] = settings[i];
    char *config = mem_format(TENGEN_SOURCE_DIR "/configs/%s.ini", name),
         *dir = mem_format("run.dir=%s", name);
    all[1 + count] = dir;
    struct train_request q = {
        .config_path = config, .overrides = all, .override_count = count + 2, .quiet = true};
    assert_ok(algo_train(&q));
    mem_free(config);
    mem_free(dir);
}

/* Who is judged: `spec` as in a match ("RUN", "policy:RUN", "untrained:RUN"), so many simulations a move. */
struct judged {
    struct device *device;
    struct contestant contestant;
    struct thinker thinker;
};

static inline void judged_open(struct judged *j, const char *spec, int simulations) {
    memset(j, 0, sizeof *j);
    assert_ok(device_open("cpu", 0, &j->device));
    assert_ok(contestant_parse(&j->contestant, spec));
    assert_ok(contestant_load(&j->contestant, j->device, 1, NULL, 0));
    struct player_options o = {
        .simulations = j->contestant.policy ? 0 : simulations, .seed = 1, .threads = 1};
    config_defaults(search_config_keys, &o.search);
    assert_ok(thinker_init(&j->thinker, j->contestant.game, j->contestant.net, j->device, &o, false));
}

static inline void judged_close(struct judged *j) {
    thinker_free(&j->thinker);
    contestant_free(&j->contestant);
    device_close(j->device);
}

/* The move in a position that has not ended; the same for every call. */
static inline int judged_move(struct judged *j, const void *position) {
    struct rng rng = rng_make(1, RNG_TEST, 0);
    thinker_reset(&j->thinker, position);
    return thinker_choose(&j->thinker, position, &rng);
}

#endif
