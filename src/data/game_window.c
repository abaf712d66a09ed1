#include "tengen/game_window.h"

#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"

enum { FIRST_ROOM = 64 };

static struct game_record *window_at(const struct game_window *w, int i) {
    return &w->records[(w->first + i) % w->room];
}

/* The ring unrolled into a larger one: memory follows the games that there are, not those that there may be.
 */
static void window_grow(struct game_window *w, int room) {
    ACCOUNT("game window");
    struct game_record *records = MEM_NEW(struct game_record, room);
    for (int i = 0; i < w->count; i++)
        records[i] = *window_at(w, i);
    mem_free(w->records);
    w->ends = mem_resize(w->ends, (size_t)w->room, (size_t)room, sizeof *w->ends);
    w->records = records;
    w->room = room;
    w->first = 0;
}

/* The place of one game more, of at most `capacity`. */
static struct game_record *window_push(struct game_window *w) {
    if (w->count == w->room) window_grow(w, w->room <= w->capacity / 2 ? 2 * w->room : w->capacity);
    return window_at(w, w->count++);
}

void window_init(struct game_window *w, const struct game *g, int capacity) {
    memset(w, 0, sizeof *w);
    w->game = g;
    w->capacity = capacity;
    window_grow(w, capacity < FIRST_ROOM ? capacity : FIRST_ROOM);
}

void window_free(struct game_window *w) {
    for (int i = 0; i < w->count; i++)
        game_record_free(window_at(w, i));
    mem_free(w->records);
    mem_free(w->ends);
    memset(w, 0, sizeof *w);
}

/* The running sum that draws search in. Rebuilt as games come; cheap beside the games themselves. */
static void window_index(struct game_window *w) {
    int64_t sum = 0;
    for (int i = 0; i < w->count; i++) {
        sum += window_at(w, i)->policy_count;
        w->ends[i] = sum;
    }
    w->positions = sum;
}

void window_add(struct game_window *w, struct game_record *record, int limit) {
    ENSURE(limit >= 1 && limit <= w->capacity, "limit %d, capacity %d", limit, w->capacity);
    w->total_games++;
    w->total_positions += record->policy_count;
    if (record->policy_count == 0) {
        game_record_free(record);
        return;
    }
    while (w->count >= limit) {
        game_record_free(window_at(w, 0));
        w->first = (w->first + 1) % w->room;
        w->count--;
    }
    *window_push(w) = *record;
    memset(record, 0, sizeof *record);
    w->positions = -1; /* the index is stale */
}

struct window_sample window_draw(struct game_window *w, struct rng *rng, bool symmetries) {
    if (w->positions < 0) window_index(w);
    ENSURE(w->positions > 0, "the window is empty");
    int64_t pick = (int64_t)(rng_u64(rng) % (uint64_t)w->positions);
    int low = 0, high = w->count - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (w->ends[middle] > pick) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    struct window_sample s = {.record = window_at(w, low)};
    s.policy = (int)(pick - (w->ends[low] - s.record->policy_count));
    for (int left = s.policy; !s.record->learn[s.move] || left-- > 0;)
        s.move++;
    s.symmetry = symmetries ? (int)rng_below(rng, (uint32_t)w->game->symmetries) : 0;
    return s;
}

void window_encode(const struct game_window *w, const struct window_sample *s, float search_share,
                   void *scratch, struct game_batch out, float *policy, float *value) {
    const struct game *g = w->game;
    const struct game_record *r = s->record;
    g->start(g, scratch);
    for (int m = 0; m < s->move; m++)
        g->play(g, scratch, r->actions[m]);
    g->encode(g, scratch, out.bits);
    *out.symmetry = s->symmetry;
    const int16_t *map = g->action_map(g, s->symmetry);
    const uint16_t *shares = r->policies + (size_t)s->policy * (size_t)g->actions;
    float sum = 0;
    for (int a = 0; a < g->actions; a++)
        sum += (float)shares[a];
    for (int a = 0; a < g->actions; a++)
        policy[map[a]] = (float)shares[a] / sum;
    float z = g->to_play(g, scratch) == 0 ? r->result : -r->result;
    *value = (1 - search_share) * z + search_share * r->values[s->move];
}

/* ---- bytes -----------------------------------------------------------------------------------------------
 */

/* A record is a fixed head and then its four arrays. */
struct record_head {
    uint64_t number;
    int32_t move_count, policy_count;
    float result, score;
    uint8_t resigned, played_out, unused[6];
};

struct window_head {
    uint64_t magic; /* "window01" */
    int64_t total_games, total_positions;
    int32_t count, actions;
};

static const uint64_t window_magic = 0x3130776f646e6977u;

static size_t record_bytes(const struct window_head *h, const struct record_head *r) {
    return (size_t)r->move_count * (sizeof(int16_t) + 1 + sizeof(float)) +
           (size_t)r->policy_count * (size_t)h->actions * sizeof(uint16_t);
}

static void put(uint8_t **at, const void *data, size_t size) {
    memcpy(*at, data, size);
    *at += size;
}

void window_save(const struct game_window *w, void **data, size_t *size) {
    struct window_head head = {window_magic, w->total_games, w->total_positions, w->count, w->game->actions};
    struct record_head *heads = MEM_NEW(struct record_head, w->count);
    *size = sizeof head;
    for (int i = 0; i < w->count; i++) {
        const struct game_record *r = window_at(w, i);
        heads[i] = (struct record_head){.number = r->number,
                                        .move_count = r->move_count,
                                        .policy_count = r->policy_count,
                                        .result = r->result,
                                        .score = r->score,
                                        .resigned = r->resigned,
                                        .played_out = r->played_out};
        *size += sizeof heads[i] + record_bytes(&head, &heads[i]);
    }
    uint8_t *at = mem_alloc(*size, 1);
    *data = at;
    put(&at, &head, sizeof head);
    for (int i = 0; i < w->count; i++) {
        const struct game_record *r = window_at(w, i);
        size_t moves = (size_t)r->move_count;
        put(&at, &heads[i], sizeof heads[i]);
        put(&at, r->actions, moves * sizeof *r->actions);
        put(&at, r->learn, moves);
        put(&at, r->values, moves * sizeof *r->values);
        put(&at, r->policies, (size_t)r->policy_count * (size_t)head.actions * sizeof *r->policies);
    }
    mem_free(heads);
}

static void *take(const uint8_t **at, size_t count, size_t size) {
    void *copy = mem_alloc(count, size);
    memcpy(copy, *at, count * size);
    *at += count * size;
    return copy;
}

enum status window_load(struct game_window *w, const void *data, size_t size) {
    const uint8_t *at = data, *end = at + size;
    struct window_head head;
    if (size < sizeof head) return status_fail(STATUS_FORMAT, "game window: %zu bytes are no window", size);
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    if (head.magic != window_magic || head.actions != w->game->actions || head.count < 0)
        return status_fail(STATUS_FORMAT, "game window: not one of a game with %d actions", w->game->actions);
    if (head.count > w->capacity)
        return status_fail(STATUS_FORMAT,
                           "game window: holds %d games, more than the %d of this config; set the window"
                           " to at least as many",
                           head.count, w->capacity);
    struct game_window loaded;
    window_init(&loaded, w->game, w->capacity);
    loaded.total_games = head.total_games;
    loaded.total_positions = head.total_positions;
    for (int i = 0; i < head.count; i++) {
        struct record_head h;
        bool whole = (size_t)(end - at) >= sizeof h;
        if (whole) {
            memcpy(&h, at, sizeof h);
            at += sizeof h;
            whole = h.move_count >= 0 && h.policy_count >= 0 && (size_t)(end - at) >= record_bytes(&head, &h);
        }
        if (!whole) {
            window_free(&loaded);
            return status_fail(STATUS_FORMAT, "game window: cut off in game %d of %d", i + 1, head.count);
        }
        struct game_record *r = window_push(&loaded);
        size_t moves = (size_t)h.move_count;
        r->number = h.number;
        r->move_count = h.move_count;
        r->policy_count = h.policy_count;
        r->result = h.result;
        r->score = h.score;
        r->resigned = h.resigned;
        r->played_out = h.played_out;
        r->actions = take(&at, moves, sizeof *r->actions);
        r->learn = take(&at, moves, 1);
        r->values = take(&at, moves, sizeof *r->values);
        r->policies = take(&at, (size_t)h.policy_count * (size_t)head.actions, sizeof *r->policies);
    }
    loaded.positions = -1;
    window_free(w);
    *w = loaded;
    return STATUS_OK;
}
