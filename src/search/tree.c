#include "tree.h"

#include <math.h>
#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"

enum { NODE_BYTES = 4 + 2 + 2 + 1 + 4 + 4 + 4 + 4, EDGE_BYTES = 2 + 4 + 4 + 4 + 4 + 1 + 2, FIRST_NODES = 64 };
enum { LANES = 16 };

void tree_init(struct tree *t, size_t budget) {
    memset(t, 0, sizeof *t);
    t->budget = budget;
}

void tree_expect(struct tree *t, size_t nodes, size_t edges) {
    ACCOUNT("search trees");
    if (nodes < FIRST_NODES) nodes = FIRST_NODES;
    size_t bytes = nodes * (NODE_BYTES + edges * EDGE_BYTES);
    t->expected = mem_expect(bytes < t->budget ? bytes : t->budget);
}

void tree_free(struct tree *t) {
    void *arrays[] = {t->first,    t->count, t->open,    t->has_draw, t->visits,      t->value,
                      t->explored, t->moved, t->action,  t->prior,    t->edge_visits, t->edge_value,
                      t->child,    t->proof, t->pending, t->expected};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        mem_free(arrays[i]);
    memset(t, 0, sizeof *t);
}

void tree_clear(struct tree *t) {
    t->nodes = t->edges = 0;
    t->full = false;
}

size_t tree_memory(const struct tree *t) {
    return (size_t)t->node_capacity * NODE_BYTES + (size_t)t->edge_capacity * EDGE_BYTES;
}

#define RESIZE(member, used, capacity) t->member = mem_resize(t->member, used, capacity, sizeof *t->member)

static void resize_nodes(struct tree *t, uint32_t capacity) {
    ACCOUNT("search trees");
    RESIZE(first, t->nodes, capacity);
    RESIZE(count, t->nodes, capacity);
    RESIZE(open, t->nodes, capacity);
    RESIZE(has_draw, t->nodes, capacity);
    RESIZE(visits, t->nodes, capacity);
    RESIZE(value, t->nodes, capacity);
    RESIZE(explored, t->nodes, capacity);
    RESIZE(moved, t->nodes, capacity);
    t->node_capacity = capacity;
}

static void resize_edges(struct tree *t, uint32_t capacity) {
    ACCOUNT("search trees");
    RESIZE(action, t->edges, capacity);
    RESIZE(prior, t->edges, capacity);
    RESIZE(edge_visits, t->edges, capacity);
    RESIZE(edge_value, t->edges, capacity);
    RESIZE(child, t->edges, capacity);
    RESIZE(proof, t->edges, capacity);
    RESIZE(pending, t->edges, capacity);
    t->edge_capacity = capacity;
}

/* The capacity to grow to for `needed` items of `bytes` each: twice the present one where the budget has
 * room, else what fits; 0 if `needed` does not fit. */
static uint32_t grown(const struct tree *t, uint32_t capacity, size_t needed, size_t bytes, size_t first) {
    size_t room = (t->budget - tree_memory(t)) / bytes + capacity;
    size_t wanted = capacity ? 2 * (size_t)capacity : first;
    if (wanted < needed) wanted = needed;
    if (wanted > room) wanted = room;
    if (wanted > UINT32_MAX / 2) wanted = UINT32_MAX / 2;
    return wanted < needed ? 0 : (uint32_t)wanted;
}

static bool make_room(struct tree *t, int count) {
    size_t nodes = (size_t)t->nodes + 1, edges = (size_t)t->edges + (size_t)count;
    if (nodes > t->node_capacity) {
        uint32_t capacity = grown(t, t->node_capacity, nodes, NODE_BYTES, FIRST_NODES);
        if (!capacity) return false;
        resize_nodes(t, capacity);
    }
    if (edges > t->edge_capacity) {
        uint32_t capacity =
            grown(t, t->edge_capacity, edges, EDGE_BYTES, (size_t)FIRST_NODES * (size_t)count);
        if (!capacity) return false;
        resize_edges(t, capacity);
    }
    return true;
}

static void softmax(float *p, const float *logits, int count) {
    float largest = logits[0], sum = 0;
    for (int i = 1; i < count; i++)
        if (logits[i] > largest) largest = logits[i];
    for (int i = 0; i < count; i++) {
        p[i] = expf(logits[i] - largest);
        sum += p[i];
    }
    for (int i = 0; i < count; i++)
        p[i] /= sum;
}

bool tree_expand(struct tree *t, const int16_t *actions, const float *logits, int count, float value) {
    if (!make_room(t, count)) {
        t->full = true;
        return false;
    }
    uint32_t node = t->nodes++, first = t->edges;
    size_t n = (size_t)count;
    t->edges += (uint32_t)count;
    t->first[node] = first;
    t->count[node] = t->open[node] = (uint16_t)count;
    t->has_draw[node] = 0;
    t->visits[node] = 1;
    t->value[node] = value;
    t->explored[node] = 0;
    memcpy(t->action + first, actions, n * sizeof *actions);
    softmax(t->prior + first, logits, count);
    memset(t->edge_visits + first, 0, n * sizeof *t->edge_visits);
    memset(t->edge_value + first, 0, n * sizeof *t->edge_value);
    memset(t->child + first, 0, n * sizeof *t->child);
    memset(t->proof + first, 0, n);
    memset(t->pending + first, 0, n * sizeof *t->pending);
    return true;
}

/* ---- choice ---------------------------------------------------------------------------------------------
 */

/* score[i] = Q_i + scale P_i / (1 + n_i); Q of edges without visits is p->unvisited. Plain loops that
 * vectorise. */
static void score_edges(const struct tree *t, uint32_t first, int count, const struct puct *p, float *score) {
    const int32_t *restrict visits = t->edge_visits + first;
    const float *restrict value = t->edge_value + first, *restrict prior = p->prior;
    float scale = p->scale, unvisited = p->unvisited;
    for (int i = 0; i < count; i++) {
        float n = (float)visits[i];
        float q = value[i] / (n > 0 ? n : 1);
        score[i] = (n > 0 ? q : unvisited) + scale * prior[i] / (1 + n);
    }
}

/* The same with pending leaves as visits of a loss. */
static void score_pending(const struct tree *t, uint32_t first, int count, const struct puct *p,
                          float *score) {
    for (int i = 0; i < count; i++) {
        float loss = p->virtual_loss * (float)t->pending[first + (uint32_t)i];
        float n = (float)t->edge_visits[first + (uint32_t)i] + loss;
        float q = (t->edge_value[first + (uint32_t)i] - loss) / (n > 0 ? n : 1);
        score[i] = (n > 0 ? q : p->unvisited) + p->scale * p->prior[i] / (1 + n);
    }
}

/* Index of the largest; the first of equals. score has room for count + LANES - 1. */
static int largest(float *score, int count) {
    float best[LANES];
    for (int j = 0; j < LANES; j++)
        best[j] = -INFINITY;
    for (int i = count; i % LANES; i++)
        score[i] = -INFINITY;
    for (int i = 0; i < count; i += LANES)
        for (int j = 0; j < LANES; j++)
            best[j] = score[i + j] > best[j] ? score[i + j] : best[j];
    float top = best[0];
    for (int j = 1; j < LANES; j++)
        top = best[j] > top ? best[j] : top;
    for (int i = 0; i < count; i++)
        if (score[i] == top) return i;
    return 0;
}

uint32_t tree_choose(const struct tree *t, uint32_t node, const struct puct *p, float *score) {
    uint32_t first = t->first[node];
    int count = t->count[node];
    if (p->virtual_loss > 0) {
        score_pending(t, first, count, p, score);
    } else {
        score_edges(t, first, count, p, score);
    }
    if (p->solve && t->open[node] < count)
        for (int i = 0; i < count; i++)
            if (t->proof[first + (uint32_t)i] == PROOF_LOSS) score[i] = -INFINITY;
    return first + (uint32_t)largest(score, count);
}

/* ---- reuse ----------------------------------------------------------------------------------------------
 */

static const uint32_t gone = UINT32_MAX, kept = UINT32_MAX - 1;

/* Gives every node of the subtree its new index in t->moved, in order; the others are `gone`. */
static void number_subtree(struct tree *t, uint32_t root) {
    uint32_t next = 0;
    for (uint32_t i = root; i < t->nodes; i++)
        t->moved[i] = gone;
    t->moved[root] = kept;
    for (uint32_t i = root; i < t->nodes; i++) {
        if (t->moved[i] == gone) continue;
        t->moved[i] = next++;
        for (uint32_t e = t->first[i], end = e + t->count[i]; e < end; e++)
            if (t->child[e]) t->moved[t->child[e]] = kept;
    }
}

static void move_edges(struct tree *t, uint32_t to, uint32_t from, size_t n) {
    memmove(t->action + to, t->action + from, n * sizeof *t->action);
    memmove(t->prior + to, t->prior + from, n * sizeof *t->prior);
    memmove(t->edge_visits + to, t->edge_visits + from, n * sizeof *t->edge_visits);
    memmove(t->edge_value + to, t->edge_value + from, n * sizeof *t->edge_value);
    memmove(t->proof + to, t->proof + from, n);
    memmove(t->pending + to, t->pending + from, n * sizeof *t->pending);
    for (size_t i = 0; i < n; i++)
        t->child[to + i] = t->child[from + i] ? t->moved[t->child[from + i]] : 0;
}

void tree_reroot(struct tree *t, uint32_t root) {
    number_subtree(t, root);
    uint32_t edges = 0, nodes = 0;
    for (uint32_t i = root; i < t->nodes; i++) {
        if (t->moved[i] == gone) continue;
        uint32_t to = t->moved[i], count = t->count[i];
        move_edges(t, edges, t->first[i], count);
        t->first[to] = edges;
        t->count[to] = t->count[i];
        t->open[to] = t->open[i];
        t->has_draw[to] = t->has_draw[i];
        t->visits[to] = t->visits[i];
        t->value[to] = t->value[i];
        t->explored[to] = t->explored[i];
        edges += count;
        nodes++;
    }
    t->nodes = nodes;
    t->edges = edges;
    t->full = false;
}

int64_t tree_find(const struct tree *t, uint32_t node, int action) {
    if (node >= t->nodes) return -1;
    for (uint32_t e = t->first[node], end = e + t->count[node]; e < end; e++)
        if (t->action[e] == action) return e;
    return -1;
}
