/* The tree: the choice by PUCT, expansion, reuse, its bound. */
#include "doubles.h"
#include "search/tree.h"

static const int16_t actions[] = {2, 5, 7};

/* A root with priors 0.5, 0.3, 0.2, visits 3, 1, 0 and values 0.6, -0.2, 0: N = 5, V = 0.2. */
static struct tree small_tree(void) {
    struct tree t;
    const float logits[] = {logf(0.5f), logf(0.3f), logf(0.2f)};
    tree_init(&t, 1 << 20);
    assert_true(tree_expand(&t, actions, logits, 3, 0.6f));
    t.edge_visits[0] = 3;
    t.edge_value[0] = 0.6f;
    t.edge_visits[1] = 1;
    t.edge_value[1] = -0.2f;
    t.visits[0] = 5;
    t.value[0] = 1.0f;
    t.explored[0] = 0.8f;
    return t;
}

static struct puct small_puct(const struct tree *t, float reduction) {
    float c = logf((1 + 5 + 19652.0f) / 19652.0f) + 1.25f;
    return (struct puct){.prior = t->prior,
                         .scale = c * sqrtf(5),
                         .unvisited = 0.2f - reduction * sqrtf(0.8f),
                         .virtual_loss = 0,
                         .solve = true};
}

static void priors_are_a_softmax_over_the_legal_moves(void **state) {
    (void)state;
    struct tree t = small_tree();
    const float expected[] = {0.5f, 0.3f, 0.2f};
    assert_floats_near(t.prior, expected, 3, 1e-6, 0);
    assert_int_equal(tree_find(&t, 0, 7), 2);
    assert_int_equal(tree_find(&t, 0, 3), -1);
    assert_int_equal(tree_find(&t, 1, 7), -1);
    tree_free(&t);
}

static void the_choice_is_the_largest_sum_of_q_and_u(void **state) {
    (void)state;
    struct tree t = small_tree();
    float score[3 + 15];
    struct puct p = small_puct(&t, 0.25f);
    /* c(5) = 1.2503053, c sqrt(5) = 2.7957676:
     *   0.6/3 + 2.7957676 * 0.5/4 = 0.549471,  -0.2 + 2.7957676 * 0.3/2 = 0.219365,
     *   0.2 - 0.25 sqrt(0.8) + 2.7957676 * 0.2 = 0.535547 */
    const float expected[] = {0.549471f, 0.219365f, 0.535547f};
    assert_int_equal(tree_choose(&t, 0, &p, score), 0);
    assert_floats_near(score, expected, 3, 1e-5, 0);
    p = small_puct(&t, 0.2f); /* less reduction: 0.558268 for the move without visits */
    assert_int_equal(tree_choose(&t, 0, &p, score), 2);
    tree_free(&t);
}

static void a_pending_leaf_counts_as_lost_visits(void **state) {
    (void)state;
    struct tree t = small_tree();
    float score[3 + 15];
    struct puct p = small_puct(&t, 0.25f);
    p.virtual_loss = 2;
    t.pending[0] = 1;
    /* (0.6 - 2) / 5 + 2.7957676 * 0.5/6 = -0.047019 */
    assert_int_equal(tree_choose(&t, 0, &p, score), 2);
    assert_near(score[0], -0.047019, 0, 1e-5);
    t.pending[2] = 1; /* (0 - 2) / 2 + 2.7957676 * 0.2/3 = -0.813615 */
    assert_int_equal(tree_choose(&t, 0, &p, score), 1);
    assert_near(score[2], -0.813615, 0, 1e-5);
    tree_free(&t);
}

static void a_proved_loss_is_not_chosen(void **state) {
    (void)state;
    struct tree t = small_tree();
    float score[3 + 15];
    struct puct p = small_puct(&t, 0.25f);
    t.proof[0] = PROOF_LOSS;
    t.open[0]--;
    assert_int_equal(tree_choose(&t, 0, &p, score), 2);
    p.solve = false;
    assert_int_equal(tree_choose(&t, 0, &p, score), 0);
    tree_free(&t);
}

/* All widths, so that every remainder of the vector loop is met; the first of equals wins. */
static void the_choice_is_the_first_largest_at_any_width(void **state) {
    (void)state;
    enum { WIDTH = 70 };
    int16_t wide[WIDTH] = {0};
    float logits[WIDTH] = {0}, prior[WIDTH], score[WIDTH + 15];
    for (int count = 1; count <= WIDTH; count++) {
        struct tree t;
        tree_init(&t, 1 << 20);
        assert_true(tree_expand(&t, wide, logits, count, 0));
        for (int best = 0; best < count; best++) {
            for (int i = 0; i < count; i++)
                prior[i] = i == best || i == count - 1 ? 0.5f : 0.1f;
            struct puct p = {.prior = prior, .scale = 1};
            assert_int_equal(tree_choose(&t, 0, &p, score), best);
        }
        tree_free(&t);
    }
}

/* root -> (a: edge 0, b: edge 1), a -> (c: edge 2, d: edge 3), d's node has one edge. Keeping a keeps d. */
static void rerooting_keeps_the_subtree_and_nothing_else(void **state) {
    (void)state;
    struct tree t;
    const float logits[] = {0.0f, 0.5f};
    const int16_t moves[][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}};
    tree_init(&t, 1 << 20);
    for (int i = 0; i < 5; i++)
        assert_true(tree_expand(&t, moves[i], logits, i == 4 ? 1 : 2, 0.1f * (float)i));
    t.child[0] = 2; /* node 1 is under edge 1: it goes */
    t.child[1] = 1;
    t.child[3] = 3;
    t.child[5] = 4;
    for (uint32_t e = 0; e < t.edges; e++) {
        t.edge_visits[e] = 10 + (int)e;
        t.edge_value[e] = (float)e;
    }
    t.proof[4] = PROOF_DRAW;
    tree_reroot(&t, 2); /* node 2 has edges 4 and 5, edge 5 leads to node 4 with edge 8 */
    assert_int_equal(t.nodes, 2);
    assert_int_equal(t.edges, 3);
    const int expected[][4] = {{4, 14, 0, PROOF_DRAW}, {5, 15, 1, 0}, {8, 18, 0, 0}};
    for (int e = 0; e < 3; e++) {
        assert_int_equal(t.action[e], expected[e][0]);
        assert_int_equal(t.edge_visits[e], expected[e][1]);
        assert_int_equal(t.child[e], expected[e][2]);
        assert_int_equal(t.proof[e], expected[e][3]);
    }
    assert_int_equal(t.first[1], 2);
    assert_int_equal(t.count[1], 1);
    assert_near(t.value[0], 0.2, 1e-6, 0);
    assert_near(t.value[1], 0.4, 1e-6, 0);
    tree_free(&t);
}

static void growth_ends_at_the_budget(void **state) {
    (void)state;
    struct tree t;
    const float logits[3] = {0};
    const size_t budget = 100000;
    int count = 0;
    tree_init(&t, budget);
    while (tree_expand(&t, actions, logits, 3, 0)) {
        assert_true(tree_memory(&t) <= budget);
        assert_true(++count < 100000);
    }
    assert_true(t.full);
    assert_true(tree_memory(&t) <= budget);
    assert_true(count > 800); /* 88 bytes each */
    tree_clear(&t);
    assert_false(t.full);
    assert_true(tree_expand(&t, actions, logits, 3, 0));
    tree_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priors_are_a_softmax_over_the_legal_moves),
        cmocka_unit_test(the_choice_is_the_largest_sum_of_q_and_u),
        cmocka_unit_test(a_pending_leaf_counts_as_lost_visits),
        cmocka_unit_test(a_proved_loss_is_not_chosen),
        cmocka_unit_test(the_choice_is_the_first_largest_at_any_width),
        cmocka_unit_test(rerooting_keeps_the_subtree_and_nothing_else),
        cmocka_unit_test(growth_ends_at_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
