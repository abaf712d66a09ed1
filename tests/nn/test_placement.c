#include "nn/nn.h"
#include "testing.h"

static void spans_that_live_together_lie_apart(void **state) {
    (void)state;
    struct span spans[] = {{100, 0, 3, 0}, {64, 1, 1, 0}, {300, 1, 4, 0}, {64, 2, 6, 0}, {128, 4, 5, 0}};
    enum { N = sizeof spans / sizeof *spans };
    size_t bytes = placement_solve(spans, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(spans[i].offset % 64, 0);
        assert_true(spans[i].offset + spans[i].bytes <= bytes);
        for (int k = 0; k < i; k++) {
            const struct span *a = &spans[i], *b = &spans[k];
            if (a->begin > b->end || b->begin > a->end) continue;
            assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
}

static void a_chain_takes_two_places(void **state) {
    (void)state;
    struct span spans[10];
    for (int i = 0; i < 10; i++)
        spans[i] = (struct span){1024, i, i + 1, 0};
    assert_int_equal(placement_solve(spans, 10), 2048);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_that_live_together_lie_apart),
        cmocka_unit_test(a_chain_takes_two_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
