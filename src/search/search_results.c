/* What a thinking found: visits, policy, value, the move to play, candidates for analysis. */
#include <math.h>
#include <string.h>

#include "search_state.h"

int search_visits(const struct search *s, int *visits) {
    const struct tree *t = &s->tree;
    memset(visits, 0, (size_t)s->game->actions * sizeof *visits);
    if (t->nodes == 0) return 0;
    int sum = 0;
    for (uint32_t e = t->first[0], end = e + t->count[0]; e < end; e++) {
        visits[t->action[e]] = t->edge_visits[e];
        sum += t->edge_visits[e];
    }
    return sum;
}

/* Whether an edge of the root deserves to be played: a proved win if there is one, and no proved loss where
 * there is something else. */
static bool eligible(const struct search *s, uint32_t edge) {
    if (!s->config.solve || s->root_proof == PROOF_LOSS) return true;
    if (s->root_proof == PROOF_WIN) return s->tree.proof[edge] == PROOF_WIN;
    return s->tree.proof[edge] != PROOF_LOSS;
}

/* The root's eligible visits, and their priors where there is no visit: weight(e) for a share. */
static int eligible_visits(const struct search *s, int *most) {
    const struct tree *t = &s->tree;
    int sum = 0;
    *most = 0;
    for (uint32_t e = t->first[0], end = e + t->count[0]; e < end; e++) {
        if (!eligible(s, e)) continue;
        sum += t->edge_visits[e];
        if (t->edge_visits[e] > *most) *most = t->edge_visits[e];
    }
    return sum;
}

void search_policy(const struct search *s, float *policy) {
    const struct tree *t = &s->tree;
    memset(policy, 0, (size_t)s->game->actions * sizeof *policy);
    if (t->nodes == 0) return;
    int most, visits = eligible_visits(s, &most);
    float sum = 0;
    for (uint32_t e = t->first[0], end = e + t->count[0]; e < end; e++) {
        if (!eligible(s, e)) continue;
        float weight = visits > 0 ? (float)t->edge_visits[e] : t->prior[e];
        policy[t->action[e]] = weight;
        sum += weight;
    }
    for (int a = 0; a < s->game->actions; a++)
        policy[a] /= sum;
}

void search_prior(const struct search *s, float *policy) {
    const struct tree *t = &s->tree;
    memset(policy, 0, (size_t)s->game->actions * sizeof *policy);
    if (t->nodes == 0) return;
    for (uint32_t e = t->first[0], end = e + t->count[0]; e < end; e++)
        policy[t->action[e]] = t->prior[e];
}

float search_value(const struct search *s) {
    if (s->root_proof != PROOF_NONE) return proof_value(s->root_proof);
    return s->tree.nodes ? s->tree.value[0] / (float)s->tree.visits[0] : 0;
}

int search_proved(const struct search *s) {
    static const int codes[] = {[PROOF_NONE] = 0, [PROOF_WIN] = 1, [PROOF_DRAW] = 2, [PROOF_LOSS] = -1};
    return codes[s->root_proof];
}

/* By visits, then by prior. */
static uint32_t best_edge(const struct search *s) {
    const struct tree *t = &s->tree;
    uint32_t best = UINT32_MAX;
    for (uint32_t e = t->first[0], end = e + t->count[0]; e < end; e++) {
        if (!eligible(s, e)) continue;
        if (best == UINT32_MAX || t->edge_visits[e] > t->edge_visits[best] ||
            (t->edge_visits[e] == t->edge_visits[best] && t->prior[e] > t->prior[best]))
            best = e;
    }
    return best;
}

int search_choose(const struct search *s, float temperature, struct rng *rng) {
    const struct tree *t = &s->tree;
    if (t->nodes == 0) return -1;
    int most, visits = eligible_visits(s, &most);
    if (!(temperature > 0)) return t->action[best_edge(s)];
    float weights[GAME_ACTIONS_MAX];
    double sum = 0;
    uint32_t first = t->first[0];
    int count = t->count[0], last = 0;
    for (int i = 0; i < count; i++) {
        float share = visits > 0 ? (float)t->edge_visits[first + (uint32_t)i] / (float)most
                                 : t->prior[first + (uint32_t)i];
        weights[i] = eligible(s, first + (uint32_t)i) && share > 0 ? powf(share, 1 / temperature) : 0;
        sum += (double)weights[i];
    }
    double at = (double)rng_uniform(rng) * sum;
    for (int i = 0; i < count; i++) {
        if (weights[i] <= 0) continue;
        last = i;
        at -= (double)weights[i];
        if (at < 0) break;
    }
    return t->action[first + (uint32_t)last];
}

/* ---- candidates -----------------------------------------------------------------------------------------
 */

static float edge_mean(const struct tree *t, uint32_t edge) {
    if (t->proof[edge]) return proof_value(t->proof[edge]);
    return t->edge_visits[edge] ? t->edge_value[edge] / (float)t->edge_visits[edge] : 0;
}

/* The most visited line from an edge on; the edge's own action comes first. */
static void follow(const struct tree *t, uint32_t edge, struct search_candidate *c) {
    const int limit = (int)(sizeof c->variation / sizeof *c->variation);
    c->length = 0;
    for (;;) {
        c->variation[c->length++] = t->action[edge];
        uint32_t node = t->child[edge];
        if (node == 0 || c->length == limit) return;
        uint32_t best = t->first[node];
        for (uint32_t e = best, end = e + t->count[node]; e < end; e++)
            if (t->proof[best] != PROOF_WIN &&
                (t->proof[e] == PROOF_WIN || t->edge_visits[e] > t->edge_visits[best]))
                best = e;
        if (t->edge_visits[best] == 0) return;
        edge = best;
    }
}

/* Whether edge a stands before b in a list of candidates. */
static bool before(const struct search *s, uint32_t a, uint32_t b) {
    const struct tree *t = &s->tree;
    bool ea = eligible(s, a), eb = eligible(s, b);
    if (ea != eb) return ea;
    if (t->edge_visits[a] != t->edge_visits[b]) return t->edge_visits[a] > t->edge_visits[b];
    if (t->prior[a] != t->prior[b]) return t->prior[a] > t->prior[b];
    return a < b;
}

int search_candidates(const struct search *s, struct search_candidate *out, int max) {
    const struct tree *t = &s->tree;
    if (t->nodes == 0) return 0;
    uint32_t sorted[GAME_ACTIONS_MAX];
    int count = 0;
    if (max > GAME_ACTIONS_MAX) max = GAME_ACTIONS_MAX;
    for (uint32_t e = t->first[0], end = e + t->count[0]; e < end; e++) { /* insertion into the best `max` */
        int i = count < max ? count++ : max;
        for (; i > 0 && before(s, e, sorted[i - 1]); i--)
            if (i < max) sorted[i] = sorted[i - 1];
        if (i < max) sorted[i] = e;
    }
    for (int i = 0; i < count; i++) {
        uint32_t e = sorted[i];
        out[i].action = t->action[e];
        out[i].visits = t->edge_visits[e];
        out[i].value = edge_mean(t, e);
        out[i].prior = t->prior[e];
        follow(t, e, &out[i]);
    }
    return count;
}
