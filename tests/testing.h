/* What every test includes: cmocka with the headers it wants before it, and comparisons that name the place.
 */
#ifndef TENGEN_TESTING_H
#define TENGEN_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tengen/status.h"

/* The status that a test exits with when what it needs (a GPU, a program) is not there. */
enum { TEST_SKIPPED = 77 };

/* A call that must succeed; on failure the error text is shown. */
#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        enum status ok_status_ = (call);                                                                     \
        if (ok_status_ != STATUS_OK) fail_msg("%s: status %d: %s", #call, (int)ok_status_, status_text());   \
    } while (0)

/* A call that must fail with this status and an error text that holds `part`. */
#define assert_fails(call, expected, part)                                                                   \
    do {                                                                                                     \
        enum status fails_status_ = (call);                                                                  \
        if (fails_status_ != (expected))                                                                     \
            fail_msg("%s: status %d instead of %d", #call, (int)fails_status_, (int)(expected));             \
        if (!strstr(status_text(), (part)))                                                                  \
            fail_msg("%s: the text\n    %s\ndoes not hold\n    %s", #call, status_text(), (part));           \
    } while (0)

/* |actual - expected| <= absolute + relative * |expected|; NaN is near nothing. */
static inline bool is_near(double actual, double expected, double relative, double absolute) {
    if (isinf(expected)) return actual == expected;
    return fabs(actual - expected) <= absolute + relative * fabs(expected);
}

#define assert_near(actual, expected, relative, absolute)                                                    \
    do {                                                                                                     \
        double near_a_ = (double)(actual), near_e_ = (double)(expected);                                     \
        if (!is_near(near_a_, near_e_, relative, absolute))                                                  \
            fail_msg("%s is %.9g, expected %.9g", #actual, near_a_, near_e_);                                \
    } while (0)

/* Arrays of n floats, element by element; the first that differs is named. */
#define assert_floats_near(actual, expected, n, relative, absolute)                                          \
    do {                                                                                                     \
        const float *near_a_ = (actual), *near_e_ = (expected);                                              \
        for (size_t near_i_ = 0; near_i_ < (size_t)(n); near_i_++)                                           \
            if (!is_near((double)near_a_[near_i_], (double)near_e_[near_i_], relative, absolute))            \
                fail_msg("%s[%zu] is %.9g, expected %.9g", #actual, near_i_, (double)near_a_[near_i_],       \
                         (double)near_e_[near_i_]);                                                          \
    } while (0)

#endif
