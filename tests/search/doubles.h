/* Evaluators for tests of search: stand-ins for a network, whose answers depend on a position's planes alone.
 */
#ifndef TESTS_SEARCH_DOUBLES_H
#define TESTS_SEARCH_DOUBLES_H

#include "tengen/mem.h"
#include "tengen/rng.h"
#include "tengen/search.h"
#include "testing.h"

#include "../game/planes.h"

static inline struct game *small_game(const char *name, int size) {
    struct game_config config;
    struct game *g;
    config_defaults(game_config_keys, &config);
    snprintf(config.name, sizeof config.name, "%s", name);
    config.size = size;
    config.komi = 0.5f;
    assert_ok(game_create(&config, &g));
    return g;
}

static inline struct search_config search_defaults(void) {
    struct search_config c;
    config_defaults(search_config_keys, &c);
    return c;
}

/* A stand-in: answers one position, logits [actions]; returns its value. */
typedef float answer(const struct game *g, const float *planes, float *logits);

struct double_evaluator {
    struct evaluator base;
    const struct game *game;
    answer *answer;
    struct game_batch input;         /* [lanes, batch] */
    float *planes, *logits, *values; /* [lanes, batch, ...] */
};

static inline struct game_batch batch_create(const struct game *g, size_t n) {
    return (struct game_batch){mem_alloc(n, g->encoded_bytes), MEM_NEW(int32_t, n)};
}

static inline void batch_free(struct game_batch b) {
    mem_free(b.bits);
    mem_free(b.symmetry);
}

static inline struct game_batch double_input(void *context, int lane) {
    struct double_evaluator *d = context;
    return game_batch_from(d->game, d->input, lane * d->base.batch);
}

static inline void double_evaluate(void *context, int lane, int n, const float **logits,
                                   const float **values) {
    struct double_evaluator *d = context;
    size_t actions = (size_t)d->game->actions, row = (size_t)lane * (size_t)d->base.batch;
    for (size_t i = row; i < row + (size_t)n; i++) {
        struct game_batch at = game_batch_from(d->game, d->input, (int)i);
        float *planes = d->planes + i * board_floats(d->game);
        planes_of_bits(d->game, at.bits, *at.symmetry, planes);
        d->values[i] = d->answer(d->game, planes, d->logits + i * actions);
    }
    *logits = d->logits + row * actions;
    *values = d->values + row;
}

static inline struct evaluator *double_create(const struct game *g, int lanes, int batch, answer *fn) {
    struct double_evaluator *d = MEM_NEW(struct double_evaluator, 1);
    size_t rows = (size_t)lanes * (size_t)batch;
    d->base = (struct evaluator){d, lanes, batch, double_input, double_evaluate};
    d->game = g;
    d->answer = fn;
    d->input = batch_create(g, rows);
    d->planes = MEM_NEW(float, rows *board_floats(g));
    d->logits = MEM_NEW(float, rows *(size_t)g->actions);
    d->values = MEM_NEW(float, rows);
    return &d->base;
}

static inline void double_free(struct evaluator *e) {
    struct double_evaluator *d = e->context;
    batch_free(d->input);
    mem_free(d->planes);
    mem_free(d->logits);
    mem_free(d->values);
    mem_free(d);
}

/* A pseudo-network: logits in [-2, 2) and a value in [-0.8, 0.8) out of a hash of the planes. */
static inline float hash_answer(const struct game *g, const float *planes, float *logits) {
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < board_floats(g); i++) {
        uint32_t bits;
        memcpy(&bits, &planes[i], 4);
        hash = (hash ^ bits) * 1099511628211u;
    }
    struct rng rng = rng_make(hash, RNG_TEST, 0);
    for (int a = 0; a < g->actions; a++)
        logits[a] = rng_uniform(&rng) * 4 - 2;
    return rng_uniform(&rng) * 1.6f - 0.8f;
}

/* One thinking with an evaluator of its own. */
static inline void think(struct search *s, const struct game *g, answer *fn, int simulations, int leaves,
                         bool noise, uint64_t seed) {
    struct evaluator *e = double_create(g, 1, leaves, fn);
    struct rng rng = rng_make(seed, RNG_TEST, 0);
    search_begin(s, simulations, noise, &rng);
    search_think(s, e, 0, leaves, NULL, NULL);
    double_free(e);
}

#endif
