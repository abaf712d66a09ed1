#include "tengen/rng.h"
#include "testing.h"

/* kat_vectors of Random123 1.14 (Salmon et al.), philox4x32 with 10 rounds. */
static void philox_gives_the_published_words(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        rng_philox(known[i].counter, known[i].key, out);
        for (int w = 0; w < 4; w++)
            assert_int_equal(out[w], known[i].out[w]);
    }
}

static void a_stream_is_taken_up_again_from_its_counter(void **state) {
    (void)state;
    struct rng whole = rng_make(11, RNG_TEST, 5), saved = whole;
    uint32_t drawn[37];
    for (int i = 0; i < 37; i++) {
        if (i == 13) saved = whole;
        drawn[i] = rng_u32(&whole);
    }
    assert_int_equal(saved.counter, 13);
    for (int i = 13; i < 37; i++)
        assert_int_equal(rng_u32(&saved), drawn[i]);
}

static void streams_differ_by_seed_purpose_and_index(void **state) {
    (void)state;
    struct rng streams[] = {rng_make(1, RNG_TEST, 0),          rng_make(2, RNG_TEST, 0),
                            rng_make(1, RNG_ENV, 0),           rng_make(1, RNG_TEST, 1),
                            rng_make(1ull << 32, RNG_TEST, 0), rng_make(1, RNG_TEST, 1ull << 32)};
    enum { N = sizeof streams / sizeof *streams };
    uint64_t first[N];
    for (int i = 0; i < N; i++) {
        first[i] = rng_u64(&streams[i]);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(first[i], first[j]);
    }
}

static void below_is_even_and_in_range(void **state) {
    (void)state;
    struct rng r = rng_make(3, RNG_TEST, 0);
    int seen[7] = {0}, draws = 70000;
    for (int i = 0; i < draws; i++) {
        uint32_t v = rng_below(&r, 7);
        assert_true(v < 7);
        seen[v]++;
    }
    double chi2 = 0;
    for (int i = 0; i < 7; i++)
        chi2 += pow(seen[i] - draws / 7.0, 2) / (draws / 7.0);
    assert_true(chi2 < 22.5); /* 6 degrees of freedom, p = 0.001 */
    assert_int_equal(rng_below(&r, 1), 0);
}

static void uniform_and_normal_have_their_moments(void **state) {
    (void)state;
    struct rng r = rng_make(4, RNG_TEST, 0);
    enum { N = 200000 };
    double sum = 0, squares = 0, lowest = 1, highest = 0;
    for (int i = 0; i < N; i++) {
        double u = (double)rng_uniform(&r);
        lowest = fmin(lowest, u);
        highest = fmax(highest, u);
        sum += u;
    }
    assert_true(lowest >= 0 && highest < 1);
    assert_near(sum / N, 0.5, 0, 0.004);
    sum = 0;
    for (int i = 0; i < N; i++) {
        double x = (double)rng_normal(&r);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
    }
    assert_near(sum / N, 0.0, 0, 0.01);
    assert_near(squares / N, 1.0, 0, 0.02);
}

static void gamma_has_its_moments_below_and_above_one(void **state) {
    (void)state;
    static const float alphas[] = {0.03f, 0.3f, 1.0f, 4.5f};
    for (size_t a = 0; a < sizeof alphas / sizeof *alphas; a++) {
        struct rng r = rng_make(5, RNG_TEST, a);
        enum { N = 200000 };
        double sum = 0, squares = 0, alpha = (double)alphas[a];
        for (int i = 0; i < N; i++) {
            double x = (double)rng_gamma(&r, alphas[a]);
            assert_true(isfinite(x) && x >= 0);
            sum += x;
            squares += x * x;
        }
        double mean = sum / N, variance = squares / N - mean * mean;
        assert_near(mean, alpha, 0.03, 0);
        assert_near(variance, alpha, 0.10, 0);
    }
}

static void four_words_at_once_are_those_of_four_calls(void **state) {
    (void)state;
    struct rng one = rng_make(5, RNG_TEST, 1), four = one;
    for (int skip = 0; skip < 5; skip++) {
        uint32_t words[4];
        rng_u32x4(&four, words);
        for (int i = 0; i < 4; i++)
            assert_int_equal(words[i], rng_u32(&one));
        assert_int_equal(rng_u32(&four), rng_u32(&one)); /* the next begins elsewhere in its block */
    }
    assert_int_equal(one.counter, four.counter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_words_at_once_are_those_of_four_calls),
        cmocka_unit_test(philox_gives_the_published_words),
        cmocka_unit_test(a_stream_is_taken_up_again_from_its_counter),
        cmocka_unit_test(streams_differ_by_seed_purpose_and_index),
        cmocka_unit_test(below_is_even_and_in_range),
        cmocka_unit_test(uniform_and_normal_have_their_moments),
        cmocka_unit_test(gamma_has_its_moments_below_and_above_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
