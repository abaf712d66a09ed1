/* One game of self-play: openings, thinking, moves, resignation, the end. */
#include <math.h>
#include <string.h>

#include "selfplay_state.h"
#include "tengen/mem.h"

static void record_alloc(struct game_record *r, const struct game *g) {
    r->actions = MEM_NEW(int16_t, g->max_moves);
    r->learn = MEM_NEW(uint8_t, g->max_moves);
    r->values = MEM_NEW(float, g->max_moves);
}

void slot_init(struct slot *slot, const struct selfplay *s) {
    memset(slot, 0, sizeof *slot);
    slot->search = search_create(s->game, &s->search);
    record_alloc(&slot->record, s->game);
}

void slot_free(struct slot *slot) {
    search_free(slot->search);
    game_record_free(&slot->record);
}

void slot_reserve_policy(struct slot *slot, const struct selfplay *s) {
    struct game_record *r = &slot->record;
    if (r->policy_count < slot->policy_capacity) return;
    size_t actions = (size_t)s->game->actions, old = (size_t)slot->policy_capacity * actions;
    slot->policy_capacity = slot->policy_capacity ? 2 * slot->policy_capacity : 16;
    r->policies = mem_resize(r->policies, old, (size_t)slot->policy_capacity * actions, sizeof *r->policies);
}

/* ---- a game begins and ends -----------------------------------------------------------------------------
 */

void slot_start(struct slot *slot, const struct selfplay *s, uint64_t number) {
    struct game_record *r = &slot->record;
    struct rng rng = rng_make(s->seed, RNG_GAME, number);
    bool disabled = rng_uniform(&rng) < s->config.resign_disabled;
    slot->random_moves = (int)rng_below(&rng, (uint32_t)s->config.random_moves + 1);
    slot->lowest[0] = slot->lowest[1] = 1;
    slot->would_resign = -1;
    slot->thinking = false;
    r->number = number;
    r->move_count = r->policy_count = 0;
    r->result = r->score = 0;
    r->resigned = 0;
    r->played_out = disabled || s->threshold <= -1;
    void *position = position_create(s->game);
    s->game->start(s->game, position);
    search_reset(slot->search, position);
    position_free(position);
}

static void count_game(struct selfplay_stats *stats, const struct slot *slot) {
    const struct game_record *r = &slot->record;
    stats->games++;
    stats->resigned += r->resigned;
    stats->played_out += r->played_out;
    stats->length_sum += r->move_count;
    stats->draws += r->result == 0;
    stats->first_player_wins += r->result > 0;
    if (slot->would_resign < 0) return;
    stats->would_resign++;
    stats->false_positives += slot->would_resign == 0 ? r->result >= 0 : r->result <= 0;
}

/* What calibration needs to know of a game. */
static struct resign_game seen(const struct slot *slot) {
    float first = slot->lowest[0], second = slot->lowest[1];
    if (slot->record.result > 0) return (struct resign_game){.loser = second, .other = first};
    if (slot->record.result < 0) return (struct resign_game){.loser = first, .other = second};
    return (struct resign_game){.loser = 1, .other = first < second ? first : second};
}

/* Hands the record, cut to its size, to the group and begins the slot's next game. loser: who resigned, or
 * -1. */
static void slot_finish(struct slot *slot, const struct selfplay *s, struct group *group, int call,
                        int loser) {
    const struct game *g = s->game;
    struct game_record *r = &slot->record;
    const void *position = search_root(slot->search);
    r->resigned = loser >= 0;
    r->result = loser == 0 ? -1 : loser == 1 ? 1 : g->result(g, position);
    r->score = g->score(g, position);
    count_game(&group->stats, slot);
    if (group->finished_count == group->finished_capacity) {
        int capacity = group->finished_capacity ? 2 * group->finished_capacity : 16;
        group->finished = mem_resize(group->finished, (size_t)group->finished_count, (size_t)capacity,
                                     sizeof *group->finished);
        group->finished_capacity = capacity;
    }
    struct finished *f = &group->finished[group->finished_count++];
    *f = (struct finished){.record = *r, .call = call, .slot = (int)(slot - s->slots), .seen = seen(slot)};
    size_t moves = (size_t)r->move_count, policies = (size_t)r->policy_count * (size_t)g->actions;
    f->record.actions = mem_resize(r->actions, moves, moves, sizeof *r->actions);
    f->record.learn = mem_resize(r->learn, moves, moves, sizeof *r->learn);
    f->record.values = mem_resize(r->values, moves, moves, sizeof *r->values);
    f->record.policies = mem_resize(r->policies, policies, policies, sizeof *r->policies);

    uint64_t next = r->number + (uint64_t)s->config.games;
    memset(r, 0, sizeof *r);
    slot->policy_capacity = 0;
    record_alloc(r, g);
    slot_start(slot, s, next);
}

/* ---- a move ---------------------------------------------------------------------------------------------
 */

static int tree_visits(const struct slot *slot) {
    int visits[GAME_ACTIONS_MAX];
    return search_visits(slot->search, visits);
}

static bool in_opening(const struct slot *slot) {
    return slot->record.move_count < slot->random_moves;
}

/* The move's draws begin at a place of their own in the game's streams. */
static struct rng move_rng(const struct slot *slot, const struct selfplay *s, enum rng_purpose purpose) {
    struct rng rng = rng_make(s->seed, purpose, slot->record.number);
    rng.counter = (uint64_t)(slot->record.move_count + 1) << 32;
    return rng;
}

/* Network calls that the thinking begun takes at most, while every call has all its leaves. */
static int calls_needed(const struct slot *slot, const struct selfplay *s, int simulations) {
    if (search_done(slot->search)) return 0;
    int evaluations = simulations - slot->reused + (search_nodes(slot->search) == 0);
    return (evaluations + s->leaves - 1) / s->leaves;
}

/* Begins to think, unless that would come to nothing because the round ends before it: then the slot waits.
 */
static void begin_move(struct slot *slot, const struct selfplay *s, int call) {
    slot->game_rng = move_rng(slot, s, RNG_GAME);
    slot->search_rng = move_rng(slot, s, RNG_SEARCH);
    slot->full = !in_opening(slot) && rng_uniform(&slot->game_rng) < s->config.full_probability;
    int simulations = in_opening(slot) ? 0 : slot->full ? s->search.simulations : s->config.fast_simulations;
    search_begin(slot->search, simulations, slot->full, &slot->search_rng);
    slot->reused = tree_visits(slot);
    slot->thinking = true;
    slot->waiting = calls_needed(slot, s, simulations) > s->calls - call;
}

/* A move of the opening: by policy^(1 / temperature). */
static int sample_prior(struct slot *slot, const struct selfplay *s) {
    float prior[GAME_ACTIONS_MAX], sum = 1;
    int action = -1;
    search_prior(slot->search, prior);
    if (s->config.opening_temperature != 1) {
        sum = 0;
        for (int a = 0; a < s->game->actions; a++)
            sum += prior[a] = prior[a] > 0 ? powf(prior[a], 1 / s->config.opening_temperature) : 0;
    }
    float at = rng_uniform(&slot->game_rng) * sum;
    for (int a = 0; a < s->game->actions; a++) {
        if (prior[a] <= 0) continue;
        action = a;
        at -= prior[a];
        if (at < 0) break;
    }
    return action;
}

/* Notes how bad things look for the player to move; true if that is a reason to resign. */
static bool resigns(struct slot *slot, const struct selfplay *s, int player) {
    struct search_candidate best;
    float value = search_value(slot->search);
    if (search_candidates(slot->search, &best, 1) == 1 && best.value > value) value = best.value;
    if (value < slot->lowest[player]) slot->lowest[player] = value;
    if (!(value < s->threshold)) return false;
    if (!slot->record.played_out) return true;
    if (slot->would_resign < 0) slot->would_resign = player;
    return false;
}

static void record_policy(struct slot *slot, const struct selfplay *s) {
    struct game_record *r = &slot->record;
    float policy[GAME_ACTIONS_MAX];
    search_policy(slot->search, policy);
    slot_reserve_policy(slot, s);
    uint16_t *out = r->policies + (size_t)r->policy_count++ * (size_t)s->game->actions;
    for (int a = 0; a < s->game->actions; a++)
        out[a] = (uint16_t)lrintf(policy[a] * 65535);
}

/* The thinking is complete: resigns or plays. */
static void finish_move(struct slot *slot, const struct selfplay *s, struct group *group, int call) {
    const struct game *g = s->game;
    const struct search_config *c = &s->search;
    struct game_record *r = &slot->record;
    const void *position = search_root(slot->search);
    int player = g->to_play(g, position), action;
    slot->thinking = false;
    group->tree_full |= search_full(slot->search);
    group->stats.simulations += (uint64_t)(tree_visits(slot) - slot->reused);
    if (in_opening(slot)) {
        action = sample_prior(slot, s);
    } else {
        if (resigns(slot, s, player)) {
            slot_finish(slot, s, group, call, player);
            return;
        }
        float temperature = r->move_count < c->temperature_moves ? c->temperature : c->temperature_final;
        action = search_choose(slot->search, temperature, &slot->game_rng);
        if (slot->full) record_policy(slot, s);
    }
    ENSURE(r->move_count < g->max_moves, "a game of %s is longer than %d moves", g->name, g->max_moves);
    r->actions[r->move_count] = (int16_t)action;
    r->learn[r->move_count] = slot->full;
    r->values[r->move_count] = search_value(slot->search);
    r->move_count++;
    group->stats.moves++;
    search_advance(slot->search, action);
    if (g->ended(g, position)) slot_finish(slot, s, group, call, -1);
}

int slot_select(struct slot *slot, const struct selfplay *s, struct group *group, int call,
                struct game_batch out) {
    for (;;) {
        if (!slot->thinking) begin_move(slot, s, call);
        if (slot->waiting) return 0;
        int n = search_select(slot->search, s->leaves, out);
        if (n > 0) return n;
        finish_move(slot, s, group, call);
    }
}

void slot_interrupt(struct slot *slot) {
    search_clear(slot->search);
    slot->thinking = slot->waiting = false;
}
