/* The sum tree against a plain array of weights. */
#include "tengen/sum_tree.h"

#include "tengen/rng.h"
#include "tengen/thread.h"
#include "testing.h"

enum { ITEMS = 1000, CHANGES = 20000 };

static int64_t find_naively(const uint64_t *weights, int64_t count, uint64_t point) {
    int64_t i = 0;
    while (i < count - 1 && point >= weights[i])
        point -= weights[i++];
    return i;
}

static uint64_t draw_weight(struct rng *rng) {
    return rng_below(rng, 4) == 0 ? 0 : rng_u64(rng) % SUM_TREE_MOST;
}

static void draws_and_sums_are_those_of_an_array(void **state) {
    (void)state;
    static const int64_t counts[] = {1, 2, 3, 64, 65, ITEMS};
    static uint64_t weights[ITEMS];
    struct rng rng = rng_make(1, RNG_TEST, 0);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct sum_tree t;
        uint64_t total = 0;
        sum_tree_init(&t, counts[c]);
        memset(weights, 0, sizeof weights);
        for (int change = 0; change < CHANGES; change++) {
            int64_t i = rng_below(&rng, (uint32_t)counts[c]);
            total -= weights[i];
            weights[i] = draw_weight(&rng);
            total += weights[i];
            sum_tree_set(&t, i, weights[i]);
            assert_true(sum_tree_total(&t) == total && sum_tree_get(&t, i) == weights[i]);
            if (total == 0 || change % 8) continue;
            uint64_t point = rng_u64(&rng) % total;
            assert_int_equal(sum_tree_find(&t, point), find_naively(weights, counts[c], point));
        }
        sum_tree_free(&t);
    }
}

static void points_at_the_borders_fall_to_the_right_items(void **state) {
    (void)state;
    struct sum_tree t;
    sum_tree_init(&t, 5);
    sum_tree_set(&t, 1, 3);
    sum_tree_set(&t, 3, 2);
    static const int expected[] = {1, 1, 1, 3, 3};
    for (uint64_t point = 0; point < 5; point++)
        assert_int_equal(sum_tree_find(&t, point), expected[point]);
    sum_tree_free(&t);
}

static void the_largest_weights_do_not_overflow(void **state) {
    (void)state;
    struct sum_tree t;
    int64_t count = 1 << 20;
    sum_tree_init(&t, count);
    for (int64_t i = 0; i < count; i++)
        sum_tree_set(&t, i, SUM_TREE_MOST);
    assert_true(sum_tree_total(&t) == SUM_TREE_MOST * (uint64_t)count);
    assert_int_equal(sum_tree_find(&t, sum_tree_total(&t) - 1), count - 1);
    sum_tree_free(&t);
}

enum { THREADS = 4, ROUNDS = 5000 };

struct crowd {
    struct sum_tree tree;
    uint64_t last[ITEMS]; /* what was set last; item i belongs to thread i mod THREADS */
    int outside[THREADS]; /* draws that left the tree */
};

static void change_many(void *context, int thread) {
    struct crowd *c = context;
    struct rng rng = rng_make(2, RNG_TEST, (uint64_t)thread);
    for (int round = 0; round < ROUNDS; round++) {
        int i = (int)rng_below(&rng, ITEMS / THREADS) * THREADS + thread;
        c->last[i] = draw_weight(&rng);
        sum_tree_set(&c->tree, i, c->last[i]);
        uint64_t total = sum_tree_total(&c->tree);
        if (total && round % 16 == 0)
            c->outside[thread] += sum_tree_find(&c->tree, rng_u64(&rng) % total) >= ITEMS;
    }
}

static void sums_are_exact_after_many_threads_have_changed_weights(void **state) {
    (void)state;
    static struct crowd crowd;
    struct pool *pool = pool_create(THREADS);
    sum_tree_init(&crowd.tree, ITEMS);
    pool_run(pool, THREADS, change_many, &crowd);
    pool_free(pool);
    uint64_t total = 0;
    for (int i = 0; i < ITEMS; i++) {
        assert_true(sum_tree_get(&crowd.tree, i) == crowd.last[i]);
        total += crowd.last[i];
    }
    assert_true(sum_tree_total(&crowd.tree) == total);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(crowd.outside[i], 0);
    for (int i = 1; i < crowd.tree.leaves; i++)
        assert_true(crowd.tree.sums[i] == crowd.tree.sums[2 * i] + crowd.tree.sums[2 * i + 1]);
    sum_tree_free(&crowd.tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_and_sums_are_those_of_an_array),
        cmocka_unit_test(points_at_the_borders_fall_to_the_right_items),
        cmocka_unit_test(the_largest_weights_do_not_overflow),
        cmocka_unit_test(sums_are_exact_after_many_threads_have_changed_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
