/* Whether numbers are numbers. */
#ifndef ENV_FINITE_H
#define ENV_FINITE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Exponent bits all set: Inf or NaN. Whole words, so that it is a vector's work. */
static inline bool all_finite(const float *values, int n) {
    const uint32_t exponent = 0x7F800000;
    uint32_t bad = 0;
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

#endif
