/* Search against a plain reference: nodes on the heap, no tricks, written from the definitions at the top of
 * search.c; and what must hold inside the tree whatever is searched. */
#include "doubles.h"
#include "search/search_state.h"

/* ---- the reference --------------------------------------------------------------------------------------
 */

struct plain_node {
    void *position;
    int visits;
    float value;
    uint8_t legal[GAME_ACTIONS_MAX];
    float prior[GAME_ACTIONS_MAX], edge_value[GAME_ACTIONS_MAX];
    int edge_visits[GAME_ACTIONS_MAX];
    struct plain_node *child[GAME_ACTIONS_MAX];
};

static struct plain_node *plain_create(const struct game *g, const void *position) {
    struct plain_node *n = MEM_NEW(struct plain_node, 1);
    n->position = position_create(g);
    g->copy(g, n->position, position);
    g->legal(g, position, n->legal);
    return n;
}

static void plain_free(const struct game *g, struct plain_node *n) {
    if (!n) return;
    for (int a = 0; a < g->actions; a++)
        plain_free(g, n->child[a]);
    position_free(n->position);
    mem_free(n);
}

static float plain_evaluate(const struct game *g, struct plain_node *n) {
    float *planes = MEM_NEW(float, board_floats(g)), logits[GAME_ACTIONS_MAX], largest = -1e30f, sum = 0;
    planes_of(g, n->position, 0, planes);
    float value = hash_answer(g, planes, logits);
    mem_free(planes);
    for (int a = 0; a < g->actions; a++)
        if (n->legal[a]) largest = fmaxf(largest, logits[a]);
    for (int a = 0; a < g->actions; a++)
        if (n->legal[a]) sum += n->prior[a] = expf(logits[a] - largest);
    for (int a = 0; a < g->actions; a++)
        n->prior[a] /= sum;
    return value;
}

static int plain_choose(const struct game *g, const struct plain_node *n, const struct search_config *c) {
    float explored = 0, count = (float)n->visits, top = -1e30f;
    int best = -1;
    for (int a = 0; a < g->actions; a++)
        if (n->edge_visits[a]) explored += n->prior[a];
    float u = (logf((1 + count + c->c_base) / c->c_base) + c->c_init) * sqrtf(count);
    for (int a = 0; a < g->actions; a++) {
        if (!n->legal[a]) continue;
        float q = n->edge_visits[a] ? n->edge_value[a] / (float)n->edge_visits[a]
                                    : n->value / count - c->fpu_reduction * sqrtf(explored);
        float score = q + u * n->prior[a] / (1 + (float)n->edge_visits[a]);
        if (score > top) {
            top = score;
            best = a;
        }
    }
    return best;
}

/* One simulation; returns the value for the player to move at n. */
static float plain_simulate(const struct game *g, struct plain_node *n, const struct search_config *c) {
    float value;
    if (g->ended(g, n->position)) {
        value = g->result(g, n->position);
        return g->to_play(g, n->position) == 0 ? value : -value;
    }
    if (n->visits == 0) {
        value = plain_evaluate(g, n);
    } else {
        int a = plain_choose(g, n, c);
        if (!n->child[a]) {
            n->child[a] = plain_create(g, n->position);
            g->play(g, n->child[a]->position, a);
            g->legal(g, n->child[a]->position, n->child[a]->legal);
        }
        value = -plain_simulate(g, n->child[a], c);
        n->edge_visits[a]++;
        n->edge_value[a] += value;
    }
    n->visits++;
    n->value += value;
    return value;
}

static void assert_same_visits(const struct search *s, const struct plain_node *n, int actions) {
    int visits[GAME_ACTIONS_MAX];
    search_visits(s, visits);
    for (int a = 0; a < actions; a++)
        assert_int_equal(visits[a], n->edge_visits[a]);
    assert_near(search_value(s), n->value / (float)n->visits, 0, 1e-5);
}

static void compare_with_reference(const char *name, int size, int simulations) {
    struct game *g = small_game(name, size);
    struct search_config c = search_defaults();
    c.solve = c.symmetry = false;
    struct search *s = search_create(g, &c);
    void *start = position_create(g);
    g->start(g, start);
    struct plain_node *root = plain_create(g, start), *node = root;
    search_reset(s, start);
    for (int move = 0; move < 4; move++) {
        think(s, g, hash_answer, simulations, 1, false, 1);
        while (node->visits < simulations + 1)
            plain_simulate(g, node, &c);
        assert_same_visits(s, node, g->actions);
        int best = 0;
        for (int a = 0; a < g->actions; a++)
            if (node->edge_visits[a] > node->edge_visits[best]) best = a;
        search_advance(s, best);
        node = node->child[best];
        assert_same_visits(s, node, g->actions); /* what a reused tree brings along */
    }
    plain_free(g, root);
    position_free(start);
    search_free(s);
    game_free(g);
}

static void visits_are_those_of_a_plain_implementation(void **state) {
    (void)state;
    compare_with_reference("tictactoe", 3, 150);
    compare_with_reference("connect4", 7, 400);
    compare_with_reference("go", 5, 400);
}

/* ---- what holds inside a tree ---------------------------------------------------------------------------
 */

static void check_tree(const struct search *s) {
    const struct tree *t = &s->tree;
    for (uint32_t n = 0; n < t->nodes; n++) {
        int sum = 1;
        float explored = 0;
        for (uint32_t e = t->first[n], end = e + t->count[n]; e < end; e++) {
            assert_int_equal(t->pending[e], 0);
            assert_true(fabsf(t->edge_value[e]) <= (float)t->edge_visits[e] * 1.0001f);
            sum += t->edge_visits[e];
            if (t->edge_visits[e]) explored += t->prior[e];
            if (!t->child[e]) continue;
            assert_true(t->child[e] > n && t->child[e] < t->nodes);
            if (t->proof[e]) continue; /* visits of a proved edge end there */
            assert_int_equal(t->edge_visits[e], t->visits[t->child[e]]);
            if (!s->config.solve) assert_true(t->edge_value[e] == -t->value[t->child[e]]);
        }
        assert_int_equal(t->visits[n], sum);
        assert_near(t->explored[n], explored, 1e-5, 1e-5);
    }
}

static void virtual_loss_leaves_nothing_behind(void **state) {
    (void)state;
    const char *names[] = {"go", "connect4", "tictactoe"};
    for (int i = 0; i < 6; i++) {
        struct game *g = small_game(names[i % 3], 5);
        struct search_config c = search_defaults();
        c.leaves = 16;
        c.virtual_loss = 1.7f;
        c.solve = i < 3;
        struct search *s = search_create(g, &c);
        for (int move = 0; move < 4 && !g->ended(g, search_root(s)); move++) {
            int visits[GAME_ACTIONS_MAX];
            think(s, g, hash_answer, 500, 16, true, (uint64_t)move);
            check_tree(s);
            int sum = search_visits(s, visits);
            if (search_proved(s) == 0) assert_int_equal(sum, 500);
            struct rng rng = rng_make(5, RNG_TEST, 0);
            search_advance(s, search_choose(s, 1, &rng));
            check_tree(s);
        }
        search_free(s);
        game_free(g);
    }
}

/* Leaves that nobody evaluates are taken back by whatever comes next. */
static void abandoned_leaves_are_taken_back(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    c.leaves = 8;
    struct search *s = search_create(g, &c);
    struct game_batch input = batch_create(g, 8);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    assert_int_equal((search_begin(s, 100, false, &rng), search_select(s, 8, input)), 1);
    assert_int_equal(search_select(s, 8, input), 0); /* the root is pending */
    assert_false(search_done(s));
    think(s, g, hash_answer, 100, 8, false, 1);
    search_begin(s, 200, false, &rng);
    assert_true(search_select(s, 8, input) > 1);
    search_advance(s, 12);
    check_tree(s);
    batch_free(input);
    search_free(s);
    game_free(g);
}

/* With no virtual loss every simulation wants the same leaf: one is given, and nothing is lost. */
static void leaves_that_collide_are_given_once(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    c.leaves = 8;
    c.virtual_loss = 0;
    c.symmetry = false;
    struct search *s = search_create(g, &c), *single = search_create(g, &c);
    int visits[GAME_ACTIONS_MAX], expected[GAME_ACTIONS_MAX];
    think(s, g, hash_answer, 200, 8, false, 1);
    think(single, g, hash_answer, 200, 1, false, 1);
    search_visits(s, visits);
    search_visits(single, expected);
    assert_memory_equal(visits, expected, (size_t)g->actions * sizeof *visits);
    search_free(s);
    search_free(single);
    game_free(g);
}

static void a_full_tree_still_counts_every_simulation(void **state) {
    (void)state;
    struct game *g = small_game("go", 5);
    struct search_config c = search_defaults();
    c.memory = 1;
    struct search *s = search_create(g, &c);
    int visits[GAME_ACTIONS_MAX];
    think(s, g, hash_answer, 5000, 1, false, 1);
    assert_true(search_full(s));
    assert_true(search_memory(s) <= 1 << 20);
    assert_int_equal(search_visits(s, visits), 5000);
    struct rng rng = rng_make(1, RNG_TEST, 0);
    search_advance(s, search_choose(s, 0, &rng));
    assert_false(search_full(s)); /* room again */
    search_free(s);
    game_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(visits_are_those_of_a_plain_implementation),
        cmocka_unit_test(virtual_loss_leaves_nothing_behind),
        cmocka_unit_test(abandoned_leaves_are_taken_back),
        cmocka_unit_test(leaves_that_collide_are_given_once),
        cmocka_unit_test(a_full_tree_still_counts_every_simulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
