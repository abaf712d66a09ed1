/* The state of self-play between rounds as bytes: who plays what, the running games' records, the history
 * that resignation is calibrated on, counters. Positions are made anew by playing the moves. Numbers are
 * little-endian, as on every machine this runs on. Layout: head, counters, history, slots; see save_slot. */
#include <string.h>

#include "selfplay_state.h"
#include "tengen/mem.h"

static const uint32_t magic = 0x50535431; /* "1TSP" */

struct head {
    uint32_t magic, version;
    uint64_t seed;
    char game[24];
    int32_t games, actions, height, width, max_moves, history_count, history_next, slot_bytes;
    uint64_t counters[8];
    double sums[3];
};

struct slot_head {
    uint64_t number;
    int32_t move_count, policy_count, random_moves, would_resign;
    float lowest[2];
    uint32_t played_out, unused;
};

static struct head make_head(const struct selfplay *s) {
    struct head h = {
        .magic = magic,
        .version = 1,
        .seed = s->seed,
        .games = s->config.games,
        .actions = s->game->actions,
        .height = s->game->height,
        .width = s->game->width,
        .max_moves = s->game->max_moves,
        .history_count = s->history.count,
        .history_next = s->history.next,
        .slot_bytes = sizeof(struct slot_head),
        .counters = {s->stats.games, s->stats.moves, s->stats.simulations, s->stats.evaluations,
                     s->stats.resigned, s->stats.played_out, s->stats.would_resign, s->stats.false_positives},
        .sums = {s->stats.draws, s->stats.first_player_wins, s->stats.length_sum},
    };
    strncpy(h.game, s->game->name, sizeof h.game - 1);
    return h;
}

/* ---- writing --------------------------------------------------------------------------------------------
 */

static void put(uint8_t **at, const void *data, size_t size) {
    if (size) memcpy(*at, data, size);
    *at += size;
}

/* Bytes of a slot's arrays. */
static size_t slot_size(int actions, size_t moves, size_t policies) {
    return moves * (sizeof(int16_t) + sizeof(uint8_t) + sizeof(float)) +
           policies * (size_t)actions * sizeof(uint16_t);
}

static void save_slot(uint8_t **at, const struct selfplay *s, const struct slot *slot) {
    const struct game_record *r = &slot->record;
    size_t moves = (size_t)r->move_count, policies = (size_t)r->policy_count * (size_t)s->game->actions;
    struct slot_head h = {.number = r->number,
                          .move_count = r->move_count,
                          .policy_count = r->policy_count,
                          .random_moves = slot->random_moves,
                          .would_resign = slot->would_resign,
                          .lowest = {slot->lowest[0], slot->lowest[1]},
                          .played_out = r->played_out};
    put(at, &h, sizeof h);
    put(at, r->actions, moves * sizeof *r->actions);
    put(at, r->learn, moves * sizeof *r->learn);
    put(at, r->values, moves * sizeof *r->values);
    put(at, r->policies, policies * sizeof *r->policies);
}

void selfplay_save(const struct selfplay *s, void **data, size_t *size) {
    struct head h = make_head(s);
    size_t history = (size_t)s->history.count * sizeof *s->history.games;
    *size = sizeof h + history;
    for (int i = 0; i < s->config.games; i++) {
        const struct game_record *r = &s->slots[i].record;
        *size += sizeof(struct slot_head) +
                 slot_size(s->game->actions, (size_t)r->move_count, (size_t)r->policy_count);
    }
    uint8_t *at = *data = mem_alloc(*size, 1);
    put(&at, &h, sizeof h);
    put(&at, s->history.games, history);
    for (int i = 0; i < s->config.games; i++)
        save_slot(&at, s, &s->slots[i]);
    ENSURE(at == (uint8_t *)*data + *size, "self-play state: %zu bytes", *size);
}

/* ---- reading --------------------------------------------------------------------------------------------
 */

struct reader {
    const uint8_t *at, *end;
};

static bool get(struct reader *r, void *data, size_t size) {
    if ((size_t)(r->end - r->at) < size) return false;
    if (size) memcpy(data, r->at, size);
    r->at += size;
    return true;
}

static enum status load_head(struct selfplay *s, struct reader *r) {
    struct head h, own = make_head(s);
    if (!get(r, &h, sizeof h) || h.magic != magic)
        return status_fail(STATUS_FORMAT, "self-play state: these bytes are something else");
    if (h.version != own.version || h.slot_bytes != own.slot_bytes)
        return status_fail(STATUS_FORMAT, "self-play state: version %u, this program reads version %u",
                           h.version, own.version);
    h.game[sizeof h.game - 1] = 0;
    if (strcmp(h.game, own.game) != 0 || h.actions != own.actions || h.height != own.height ||
        h.width != own.width || h.max_moves != own.max_moves)
        return status_fail(
            STATUS_FORMAT, "self-play state: of %s %dx%d with at most %d moves, not of %s %dx%d with %d",
            h.game, h.height, h.width, h.max_moves, own.game, own.height, own.width, own.max_moves);
    if (h.games != own.games || h.seed != own.seed)
        return status_fail(STATUS_FORMAT,
                           "self-play state: of %d games at once with seed %llu, not %d with %llu", h.games,
                           (unsigned long long)h.seed, own.games, (unsigned long long)own.seed);
    if (h.history_count < 0 || h.history_count > RESIGN_HISTORY || h.history_next < 0 ||
        h.history_next >= RESIGN_HISTORY ||
        !get(r, s->history.games, (size_t)h.history_count * sizeof *s->history.games))
        return status_fail(STATUS_FORMAT, "self-play state: the resignation history is damaged");
    s->history.count = h.history_count;
    s->history.next = h.history_next;
    s->stats = (struct selfplay_stats){.games = h.counters[0],
                                       .moves = h.counters[1],
                                       .simulations = h.counters[2],
                                       .evaluations = h.counters[3],
                                       .resigned = h.counters[4],
                                       .played_out = h.counters[5],
                                       .would_resign = h.counters[6],
                                       .false_positives = h.counters[7],
                                       .draws = h.sums[0],
                                       .first_player_wins = h.sums[1],
                                       .length_sum = h.sums[2]};
    return STATUS_OK;
}

/* Plays the record's moves in the slot's search; false if one is illegal or the game has ended. */
static bool replay(struct slot *slot, const struct selfplay *s, void *position) {
    const struct game *g = s->game;
    const struct game_record *r = &slot->record;
    int learnt = 0;
    g->start(g, position);
    for (int m = 0; m < r->move_count; m++) {
        int action = r->actions[m];
        if (action < 0 || action >= g->actions || g->ended(g, position) || !g->is_legal(g, position, action))
            return false;
        g->play(g, position, action);
        learnt += r->learn[m] != 0;
    }
    search_reset(slot->search, position);
    return learnt == r->policy_count && !g->ended(g, position);
}

static bool load_slot(struct slot *slot, const struct selfplay *s, struct reader *in, void *position) {
    struct slot_head h;
    struct game_record *r = &slot->record;
    if (!get(in, &h, sizeof h)) return false;
    if (h.move_count < 0 || h.move_count > s->game->max_moves || h.policy_count < 0 ||
        h.policy_count > h.move_count)
        return false;
    slot_start(slot, s, h.number);
    slot->random_moves = h.random_moves;
    slot->would_resign = h.would_resign;
    slot->lowest[0] = h.lowest[0];
    slot->lowest[1] = h.lowest[1];
    r->played_out = (uint8_t)h.played_out;
    r->move_count = h.move_count;
    size_t moves = (size_t)h.move_count;
    if (!get(in, r->actions, moves * sizeof *r->actions) || !get(in, r->learn, moves * sizeof *r->learn) ||
        !get(in, r->values, moves * sizeof *r->values))
        return false;
    for (; r->policy_count < h.policy_count; r->policy_count++) {
        slot_reserve_policy(slot, s);
        size_t actions = (size_t)s->game->actions;
        if (!get(in, r->policies + (size_t)r->policy_count * actions, actions * sizeof *r->policies))
            return false;
    }
    return replay(slot, s, position);
}

/* On an error the object is as new. */
static void start_over(struct selfplay *s) {
    memset(&s->history, 0, sizeof s->history);
    memset(&s->stats, 0, sizeof s->stats);
    s->threshold = -1;
    for (int i = 0; i < s->config.games; i++)
        slot_start(&s->slots[i], s, (uint64_t)i);
}

enum status selfplay_load(struct selfplay *s, const void *data, size_t size) {
    struct reader in = {data, (const uint8_t *)data + size};
    void *position = position_create(s->game);
    enum status status = load_head(s, &in);
    for (int i = 0; status == STATUS_OK && i < s->config.games; i++)
        if (!load_slot(&s->slots[i], s, &in, position))
            status = status_fail(STATUS_FORMAT, "self-play state: damaged in game %d of %d", i + 1,
                                 s->config.games);
    if (status == STATUS_OK && in.at != in.end)
        status = status_fail(STATUS_FORMAT, "self-play state: %zu bytes too many", (size_t)(in.end - in.at));
    position_free(position);
    if (status != STATUS_OK) {
        start_over(s);
        return status;
    }
    s->threshold =
        resign_threshold(&s->history, s->config.resign_threshold, s->config.resign_false_positives);
    return STATUS_OK;
}
