#include "tengen/selfplay.h"

#include <stdlib.h>
#include <string.h>

#include "selfplay_state.h"
#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

CONFIG_TABLE(selfplay_config, SELFPLAY_CONFIG)

void game_record_free(struct game_record *r) {
    mem_free(r->actions);
    mem_free(r->learn);
    mem_free(r->values);
    mem_free(r->policies);
    memset(r, 0, sizeof *r);
}

static enum status check(const struct selfplay_config *c, const struct evaluator *e) {
    if (c->games % c->group)
        return status_fail(STATUS_USAGE, "[selfplay] group = %d: must divide games = %d", c->group, c->games);
    if (e->lanes < c->games / c->group)
        return status_fail(STATUS_USAGE,
                           "self-play: %d groups need as many lanes of the evaluator, which has %d",
                           c->games / c->group, e->lanes);
    if (e->batch < c->group)
        return status_fail(STATUS_USAGE,
                           "self-play: groups of %d games need as large a batch, the evaluator's is %d",
                           c->group, e->batch);
    return STATUS_OK;
}

/* Network calls of a group in a round: `moves` moves of average cost, and enough for any search to come to
 * its end in a round, however few leaves it finds at a time. */
static int round_calls(const struct selfplay_config *c, int simulations, int leaves) {
    double full = (double)c->full_probability;
    double mean = full * simulations + (1 - full) * c->fast_simulations;
    double calls = mean * c->moves / leaves;
    int longest = (simulations > c->fast_simulations ? simulations : c->fast_simulations) + 1;
    return calls < longest ? longest : calls > 1e9 ? 1000000000 : (int)calls;
}

enum status selfplay_create(const struct game *g, const struct selfplay_config *config,
                            const struct search_config *search, struct evaluator *e, struct pool *pool,
                            uint64_t seed, struct selfplay **out) {
    *out = NULL;
    TRY(check(config, e));
    ACCOUNT("self-play");
    struct selfplay *s = MEM_NEW(struct selfplay, 1);
    int per_slot = e->batch / config->group;
    s->game = g;
    s->config = *config;
    s->search = *search;
    s->leaves = search->leaves < per_slot ? search->leaves : per_slot;
    s->search.leaves = s->leaves;
    s->evaluator = e;
    s->pool = pool;
    s->seed = seed;
    s->calls = round_calls(config, search->simulations, s->leaves);
    s->threshold = -1;
    s->slots = MEM_NEW(struct slot, config->games);
    for (int i = 0; i < config->games; i++) {
        slot_init(&s->slots[i], s);
        slot_start(&s->slots[i], s, (uint64_t)i);
    }
    s->groups = MEM_NEW(struct group, config->games / config->group);
    for (int i = 0; i < config->games / config->group; i++) {
        s->groups[i].first = i * config->group;
        s->groups[i].leaves = MEM_NEW(int, config->group);
    }
    *out = s;
    return STATUS_OK;
}

void selfplay_free(struct selfplay *s) {
    if (!s) return;
    for (int i = 0; i < s->config.games; i++)
        slot_free(&s->slots[i]);
    for (int i = 0; i < s->config.games / s->config.group; i++)
        mem_free(s->groups[i].leaves);
    mem_free(s->groups);
    mem_free(s->slots);
    mem_free(s);
}

/* ---- a round --------------------------------------------------------------------------------------------
 */

static void run_group(void *context, int index) {
    const struct selfplay *s = context;
    struct group *group = &((struct selfplay *)context)->groups[index];
    struct evaluator *e = s->evaluator;
    struct slot *slots = s->slots + group->first;
    size_t actions = (size_t)s->game->actions;
    struct game_batch input = e->input(e->context, index);
    for (int call = 0; call < s->calls; call++) {
        PHASE("search");
        int n = 0;
        for (int i = 0; i < s->config.group; i++) {
            group->leaves[i] = slot_select(&slots[i], s, group, call, game_batch_from(s->game, input, n));
            n += group->leaves[i];
        }
        if (n == 0) break; /* every slot waits for the next round */
        const float *logits, *values;
        double start = clock_now();
        e->evaluate(e->context, index, n, &logits, &values);
        group->stats.network_seconds += clock_now() - start;
        group->stats.evaluations += (uint64_t)n;
        for (int i = 0, at = 0; i < s->config.group; at += group->leaves[i++])
            search_update(slots[i].search, logits + (size_t)at * actions, actions, values + at);
    }
    for (int i = 0; i < s->config.group; i++)
        slot_interrupt(&slots[i]);
}

static void add_stats(struct selfplay_stats *to, const struct selfplay_stats *from) {
    to->games += from->games;
    to->moves += from->moves;
    to->simulations += from->simulations;
    to->evaluations += from->evaluations;
    to->network_seconds += from->network_seconds;
    to->resigned += from->resigned;
    to->played_out += from->played_out;
    to->would_resign += from->would_resign;
    to->false_positives += from->false_positives;
    to->draws += from->draws;
    to->first_player_wins += from->first_player_wins;
    to->length_sum += from->length_sum;
}

/* In the order in which games ended: by network call, then by slot. No slot ends two in one call. */
static int compare_finished(const void *a, const void *b) {
    const struct finished *x = a, *y = b;
    if (x->call != y->call) return x->call < y->call ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* The groups' finished games in order; empties the groups. */
static struct finished *gather(struct selfplay *s, int *count) {
    int groups = s->config.games / s->config.group, total = 0;
    for (int i = 0; i < groups; i++)
        total += s->groups[i].finished_count;
    struct finished *all = MEM_NEW(struct finished, total);
    *count = 0;
    for (int i = 0; i < groups; i++) {
        struct group *group = &s->groups[i];
        for (int j = 0; j < group->finished_count; j++)
            all[(*count)++] = group->finished[j];
        mem_free(group->finished);
        group->finished = NULL;
        group->finished_count = group->finished_capacity = 0;
        add_stats(&s->stats, &group->stats);
        memset(&group->stats, 0, sizeof group->stats);
    }
    qsort(all, (size_t)total, sizeof *all, compare_finished);
    return all;
}

void selfplay_run(struct selfplay *s, struct game_record **finished, int *count) {
    PHASE("self-play");
    double start = clock_now();
    pool_run(s->pool, s->config.games / s->config.group, run_group, s);
    s->stats.total_seconds += (clock_now() - start) * pool_threads(s->pool);
    struct finished *all = gather(s, count);
    *finished = MEM_NEW(struct game_record, *count);
    for (int i = 0; i < *count; i++) {
        (*finished)[i] = all[i].record;
        if (all[i].record.played_out) resign_add(&s->history, all[i].seen);
    }
    mem_free(all);
    s->threshold =
        resign_threshold(&s->history, s->config.resign_threshold, s->config.resign_false_positives);
}

const struct selfplay_stats *selfplay_totals(const struct selfplay *s) {
    return &s->stats;
}

bool selfplay_tree_full(const struct selfplay *s) {
    bool full = false;
    for (int i = 0; i < s->config.games / s->config.group; i++)
        full |= s->groups[i].tree_full;
    return full;
}

float selfplay_resign_threshold(const struct selfplay *s) {
    return s->threshold;
}
