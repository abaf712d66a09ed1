#include "thinker.h"

#include <math.h>
#include <stdatomic.h>

#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/net_evaluator.h"

enum status thinker_init(struct thinker *t, const struct game *g, struct net *net, struct device *device,
                         const struct player_options *options, bool tree) {
    *t = (struct thinker){.game = g, .options = *options, .uniform = net == NULL};
    int batch = options->search.leaves > 1 ? options->search.leaves : 1;
    if (net)
        TRY(net_evaluator_create(g, net, device, 1, options->threads, batch, options->precision,
                                 &t->evaluator));
    else
        t->evaluator = evaluator_uniform(g, 1, batch);
    if (tree || options->simulations > 0) t->search = search_create(g, &options->search);
    t->legal = MEM_NEW(uint8_t, g->actions);
    return STATUS_OK;
}

void thinker_free(struct thinker *t) {
    search_free(t->search);
    if (t->evaluator && t->uniform) evaluator_free_uniform(t->evaluator);
    if (t->evaluator && !t->uniform) net_evaluator_free(t->evaluator);
    mem_free(t->legal);
    *t = (struct thinker){0};
}

void thinker_set_game(struct thinker *t, const struct game *g) {
    ENSURE(g->actions == t->game->actions && g->planes == t->game->planes,
           "a thinker's game keeps its shape");
    t->game = g;
    if (t->search) {
        search_free(t->search);
        t->search = search_create(g, &t->options.search);
    }
    if (t->uniform) {
        int batch = t->evaluator->batch;
        evaluator_free_uniform(t->evaluator);
        t->evaluator = evaluator_uniform(g, 1, batch);
    }
}

void thinker_reset(struct thinker *t, const void *position) {
    if (t->search) search_reset(t->search, position);
}

void thinker_advance(struct thinker *t, int action) {
    if (t->search) search_advance(t->search, action);
}

int thinker_choose(struct thinker *t, const void *position, struct rng *rng) {
    if (t->options.simulations == 0) return thinker_policy_move(t, position, t->options.temperature, rng);
    search_begin(t->search, t->options.simulations, false, rng);
    search_think(t->search, t->evaluator, 0, t->evaluator->batch, NULL, NULL);
    thinker_warn_if_full(t);
    return search_choose(t->search, t->options.temperature, rng);
}

void thinker_warn_if_full(const struct thinker *t) {
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!search_full(t->search) || atomic_flag_test_and_set(&said)) return;
    log_warn(
        "a search tree is full: %.1f of %d MiB hold %zu positions; what is found from here on is not kept. "
        "Give it more with --memory MIB, or fewer simulations or seconds a move",
        (double)search_memory(t->search) / (1 << 20), t->options.search.memory, search_nodes(t->search));
}

float thinker_evaluate(struct thinker *t, const void *position, float *probabilities) {
    const struct game *g = t->game;
    struct evaluator *e = t->evaluator;
    const float *logits, *values;
    struct game_batch input = e->input(e->context, 0);
    g->encode(g, position, input.bits);
    *input.symmetry = 0;
    e->evaluate(e->context, 0, 1, &logits, &values);
    ENSURE(g->legal(g, position, t->legal) > 0, "nothing to evaluate: the game has ended");
    float most = -INFINITY, sum = 0;
    for (int a = 0; a < g->actions; a++)
        if (t->legal[a]) most = fmaxf(most, logits[a]);
    for (int a = 0; a < g->actions; a++)
        sum += probabilities[a] = t->legal[a] ? expf(logits[a] - most) : 0;
    for (int a = 0; a < g->actions; a++)
        probabilities[a] /= sum;
    return values[0];
}

int thinker_policy_move(struct thinker *t, const void *position, float temperature, struct rng *rng) {
    const struct game *g = t->game;
    float p[GAME_ACTIONS_MAX], sum = 0;
    int best = -1;
    thinker_evaluate(t, position, p);
    for (int a = 0; a < g->actions; a++)
        if (t->legal[a] && (best < 0 || p[a] > p[best])) best = a;
    if (temperature <= 0) return best;

    float most = p[best];
    for (int a = 0; a < g->actions; a++)
        sum += p[a] = powf(p[a] / most, 1 / temperature);
    float left = rng_uniform(rng) * sum;
    for (int a = 0; a < g->actions; a++) {
        left -= p[a];
        if (t->legal[a] && left < 0) return a;
    }
    return best; /* only by rounding */
}
