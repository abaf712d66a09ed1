/* Search: PUCT with a network in place of playouts (Silver et al. 2017, Methods, "Search algorithm"; Silver
 * et al. 2018, pseudocode). One simulation goes down from the root by
 *
 *     argmax_a  Q(s,a) + c(s) P(s,a) sqrt(N(s)) / (1 + N(s,a)),
 *     c(s) = log((1 + N(s) + c_base) / c_base) + c_init,
 *
 * to a move that has no node yet, evaluates the position there, adds it to the tree and adds the value to
 * every edge on the way. N(s) counts the position's own evaluation, so N(s) = 1 + sum_a N(s,a). A move
 * without visits has Q = V(s) - fpu_reduction sqrt(sum of the priors of visited moves), V(s) the mean value
 * of s (first-play urgency).
 *
 * Terminal moves and, with `solve`, proved ones are exact (Winands et al. 2008, "Monte-Carlo tree search
 * solver"): a position is won if a move wins, and when all moves are proved it is a draw if one draws, else
 * lost. Backups that pass a proved edge carry its exact value; a proved loss is not selected again. The tree
 * has no transpositions, so that a proof may depend on the path to it, as it does under superko.
 *
 * With several leaves at a time each pending one counts as `virtual_loss` lost visits on its path (Silver et
 * al. 2016). They are kept beside the visits, so that nothing is left of them afterwards.
 */
#include <math.h>
#include <string.h>

#include "search_state.h"
#include "tengen/mem.h"
#include "tengen/phase.h"

CONFIG_TABLE(search_config, SEARCH_CONFIG)

/* ---- life -----------------------------------------------------------------------------------------------
 */

struct search *search_create(const struct game *g, const struct search_config *config) {
    struct search *s = MEM_NEW(struct search, 1);
    size_t actions = (size_t)g->actions;
    s->game = g;
    s->config = *config;
    tree_init(&s->tree, (size_t)config->memory << 20);
    tree_expect(&s->tree, (size_t)config->simulations + 1, actions);
    s->root = position_create(g);
    s->scratch = position_create(g);
    s->root_prior = MEM_NEW(float, actions);
    s->score = MEM_NEW(float, actions + 15);
    s->logits = MEM_NEW(float, actions);
    s->legal = MEM_NEW(uint8_t, actions);
    s->leaves = MEM_NEW(struct leaf, config->leaves);
    for (int i = 0; i < config->leaves; i++) {
        s->leaves[i].path = MEM_NEW(uint32_t, g->max_moves + 1);
        s->leaves[i].legal = MEM_NEW(int16_t, actions);
    }
    g->start(g, s->root);
    return s;
}

void search_free(struct search *s) {
    if (!s) return;
    for (int i = 0; i < s->config.leaves; i++) {
        mem_free(s->leaves[i].path);
        mem_free(s->leaves[i].legal);
    }
    mem_free(s->leaves);
    mem_free(s->legal);
    mem_free(s->logits);
    mem_free(s->score);
    mem_free(s->root_prior);
    position_free(s->scratch);
    position_free(s->root);
    tree_free(&s->tree);
    mem_free(s);
}

/* The result of an ended position for the player to move there. */
static enum proof ended_proof(const struct game *g, const void *position) {
    float result = g->result(g, position);
    if (g->to_play(g, position) == 1) result = -result;
    return result > 0 ? PROOF_WIN : result < 0 ? PROOF_LOSS : PROOF_DRAW;
}

void search_clear(struct search *s) {
    tree_clear(&s->tree);
    s->leaf_count = 0;
    s->noisy = false;
    s->root_ended = s->game->ended(s->game, s->root);
    s->root_proof = s->root_ended ? ended_proof(s->game, s->root) : PROOF_NONE;
}

void search_reset(struct search *s, const void *position) {
    s->game->copy(s->game, s->root, position);
    search_clear(s);
}

const void *search_root(const struct search *s) {
    return s->root;
}

/* Adds `by` to the pending counts on a leaf's path. */
static void count_pending(struct search *s, const struct leaf *leaf, int by) {
    for (int d = 0; d < leaf->length; d++)
        s->tree.pending[leaf->path[d]] = (uint16_t)(s->tree.pending[leaf->path[d]] + by);
}

static void cancel_pending(struct search *s) {
    for (int i = 0; i < s->leaf_count; i++)
        count_pending(s, &s->leaves[i], -1);
    s->leaf_count = 0;
}

void search_advance(struct search *s, int action) {
    struct tree *t = &s->tree;
    cancel_pending(s);
    int64_t edge = tree_find(t, 0, action);
    s->game->play(s->game, s->root, action);
    if (edge < 0 || t->child[edge] == 0) {
        search_clear(s);
        return;
    }
    enum proof proof = proof_negate(t->proof[edge]);
    tree_reroot(t, t->child[edge]);
    s->root_proof = proof;
    s->root_ended = false; /* an ended position has no node */
    s->noisy = false;
}

/* ---- one thinking ---------------------------------------------------------------------------------------
 */

/* The root's priors of this thinking: (1 - epsilon) P + epsilon Dirichlet(alpha). */
static void mix_noise(struct search *s) {
    const struct tree *t = &s->tree;
    int count = t->count[0];
    const float *prior = t->prior + t->first[0];
    float alpha = s->config.dirichlet_alpha > 0 ? s->config.dirichlet_alpha : 10.0f / (float)count;
    float sum = 0, epsilon = s->config.dirichlet_epsilon;
    for (int i = 0; i < count; i++) {
        s->root_prior[i] = rng_gamma(s->rng, alpha);
        sum += s->root_prior[i];
    }
    /* With a tiny alpha every draw can underflow to 0: then there is no noise. */
    if (!(sum > 0)) epsilon = 0, sum = 1;
    for (int i = 0; i < count; i++)
        s->root_prior[i] = (1 - epsilon) * prior[i] + epsilon * s->root_prior[i] / sum;
    s->noisy = true;
}

void search_begin(struct search *s, int simulations, bool noise, struct rng *rng) {
    cancel_pending(s);
    s->simulations = simulations;
    s->noise = noise;
    s->noisy = false;
    s->rng = rng;
    if (noise && s->tree.nodes > 0) mix_noise(s);
}

/* Whether no further leaf is to be selected. */
static bool complete(const struct search *s) {
    if (s->root_ended) return true;
    if (s->tree.nodes == 0) return s->leaf_count > 0;
    if (s->root_proof != PROOF_NONE && s->config.solve) return true;
    return s->tree.visits[0] - 1 + s->leaf_count >= s->simulations;
}

bool search_done(const struct search *s) {
    return s->leaf_count == 0 && complete(s);
}

/* Says that path[depth], an unproved edge, is proved, and what follows from it up the path. */
static void prove(struct search *s, const uint32_t *path, int depth, enum proof proof) {
    struct tree *t = &s->tree;
    for (;;) {
        uint32_t edge = path[depth], node = depth ? t->child[path[depth - 1]] : 0;
        t->proof[edge] = (uint8_t)proof;
        t->edge_value[edge] = proof_value(proof) * (float)t->edge_visits[edge];
        t->open[node]--;
        if (proof == PROOF_DRAW) t->has_draw[node] = 1;
        if (!s->config.solve) return;
        if (proof != PROOF_WIN) {
            if (t->open[node] > 0) return;
            proof = t->has_draw[node] ? PROOF_DRAW : PROOF_LOSS;
        }
        if (depth == 0) {
            if (s->root_proof == PROOF_NONE) s->root_proof = proof;
            return;
        }
        if (t->proof[path[--depth]] != PROOF_NONE) return;
        proof = proof_negate(proof);
    }
}

/* Adds one visit of `value`, for the player to move where the path ends, to every edge and node on it. */
static void back_up(struct search *s, const uint32_t *path, int length, float value) {
    struct tree *t = &s->tree;
    for (int d = length - 1; d >= 0; d--) {
        uint32_t edge = path[d], node = d ? t->child[path[d - 1]] : 0;
        value = t->proof[edge] ? proof_value(t->proof[edge]) : -value;
        if (t->edge_visits[edge]++ == 0) t->explored[node] += t->prior[edge];
        t->edge_value[edge] += value;
        t->visits[node]++;
        t->value[node] += value;
    }
}

/* ---- select ---------------------------------------------------------------------------------------------
 */

static uint32_t choose_edge(struct search *s, uint32_t node, int pending) {
    struct tree *t = &s->tree;
    const struct search_config *c = &s->config;
    bool noisy = node == 0 && s->noisy;
    float loss = pending ? c->virtual_loss : 0;
    float n = (float)t->visits[node] + loss * (float)pending;
    float reduction = noisy ? c->fpu_reduction_root : c->fpu_reduction;
    struct puct p = {
        .prior = noisy ? s->root_prior : t->prior + t->first[node],
        .scale = (logf((1 + n + c->c_base) / c->c_base) + c->c_init) * sqrtf(n),
        .unvisited = t->value[node] / (float)t->visits[node] - reduction * sqrtf(t->explored[node]),
        .virtual_loss = loss,
        .solve = c->solve,
    };
    return tree_choose(t, node, &p, s->score);
}

enum end { END_LEAF, END_PROVED, END_PENDING };

/* Goes down from the root to a move without a node (END_LEAF), a proved one, or one whose leaf is pending. */
static enum end descend(struct search *s, uint32_t *path, int *length) {
    const struct tree *t = &s->tree;
    int pending = s->leaf_count;
    *length = 0;
    if (t->nodes == 0) return pending ? END_PENDING : END_LEAF;
    for (uint32_t node = 0;;) {
        uint32_t edge = choose_edge(s, node, pending);
        path[(*length)++] = edge;
        if (t->proof[edge]) return END_PROVED;
        pending = t->pending[edge];
        if (t->child[edge] == 0) return pending ? END_PENDING : END_LEAF;
        node = t->child[edge];
    }
}

/* Plays the path and fills the leaf; false if the game ends there, which proves its last edge. */
static bool open_leaf(struct search *s, struct leaf *leaf, struct game_batch out) {
    const struct game *g = s->game;
    g->copy(g, s->scratch, s->root);
    for (int d = 0; d < leaf->length; d++)
        g->play(g, s->scratch, s->tree.action[leaf->path[d]]);
    int count = g->legal(g, s->scratch, s->legal);
    if (count == 0) {
        prove(s, leaf->path, leaf->length - 1, proof_negate(ended_proof(g, s->scratch)));
        return false;
    }
    leaf->count = 0;
    for (int a = 0; a < g->actions; a++) {
        leaf->legal[leaf->count] = (int16_t)a;
        leaf->count += s->legal[a] != 0;
        if (leaf->count == count) break;
    }
    leaf->symmetry = s->config.symmetry ? (int)rng_below(s->rng, (uint32_t)g->symmetries) : 0;
    PHASE("encode");
    g->encode(g, s->scratch, out.bits);
    *out.symmetry = leaf->symmetry;
    return true;
}

int search_select(struct search *s, int max, struct game_batch out) {
    if (s->leaf_count > 0) return 0;
    if (max > s->config.leaves) max = s->config.leaves;
    while (s->leaf_count < max && !complete(s)) {
        struct leaf *leaf = &s->leaves[s->leaf_count];
        enum end end = descend(s, leaf->path, &leaf->length);
        if (end == END_PENDING) break;
        if (end == END_PROVED || !open_leaf(s, leaf, game_batch_from(s->game, out, s->leaf_count))) {
            back_up(s, leaf->path, leaf->length, 0); /* the value is the proved edge's */
            continue;
        }
        count_pending(s, leaf, 1);
        s->leaf_count++;
    }
    return s->leaf_count;
}

/* ---- update ---------------------------------------------------------------------------------------------
 */

/* Makes the leaf a node. Its logits are taken back from the frame it was seen in. */
static void expand(struct search *s, const struct leaf *leaf, const float *logits, float value) {
    const int16_t *map = s->game->action_map(s->game, leaf->symmetry);
    float scale = 1 / s->config.policy_temperature;
    for (int i = 0; i < leaf->count; i++)
        s->logits[i] = logits[map[leaf->legal[i]]] * scale;
    if (!tree_expand(&s->tree, leaf->legal, s->logits, leaf->count, value)) return;
    if (leaf->length > 0) {
        s->tree.child[leaf->path[leaf->length - 1]] = s->tree.nodes - 1;
    } else if (s->noise) {
        mix_noise(s);
    }
}

void search_update(struct search *s, const float *logits, size_t logit_stride, const float *values) {
    int count = s->leaf_count;
    cancel_pending(s);
    for (int i = 0; i < count; i++) {
        const struct leaf *leaf = &s->leaves[i];
        float value = values[i];
        ENSURE(isfinite(value), "search: the evaluator's value is %g", (double)value);
        value = value > 1 ? 1 : value < -1 ? -1 : value;
        expand(s, leaf, logits + (size_t)i * logit_stride, value);
        back_up(s, leaf->path, leaf->length, value);
    }
}

size_t search_nodes(const struct search *s) {
    return s->tree.nodes;
}
size_t search_memory(const struct search *s) {
    return tree_memory(&s->tree);
}
bool search_full(const struct search *s) {
    return s->tree.full;
}

void search_think(struct search *s, struct evaluator *e, int lane, int leaves, bool (*stop)(void *context),
                  void *context) {
    struct game_batch input = e->input(e->context, lane);
    if (leaves > e->batch) leaves = e->batch;
    while (!search_done(s) && !(stop && stop(context))) {
        int n = search_select(s, leaves, input);
        if (n == 0) continue; /* what was left needed no network */
        const float *logits, *values;
        e->evaluate(e->context, lane, n, &logits, &values);
        search_update(s, logits, (size_t)s->game->actions, values);
    }
}
