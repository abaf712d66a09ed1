/* Sine and cosine by polynomials: library calls would keep lanes from a vector and differ between devices.
 * The error is below 2e-7 for |x| < 100: x is brought within an eighth of a turn of a multiple k of a quarter
 * turn (Cody and Waite 1980: pi / 2 in three parts,
 * the first two of few bits, so that their products with k are exact), where Taylor's polynomials suffice. */
#ifndef ENV_TRIGONOMETRY_H
#define ENV_TRIGONOMETRY_H

#include <math.h>
#include <stdint.h>

#include "tengen/rng.h"

#define ENV_PI 3.14159265358979323846f

/* sin(x + quarter pi / 2) */
HD static inline float env_turned_sine(float x, int32_t quarter) {
    float turns = rintf(x * 0.636619772367581343f);
    float r = ((x - turns * 1.5703125f) - turns * 4.837512969970703e-4f) - turns * 7.549789948768648e-8f;
    float r2 = r * r;
    float sine = r * (1.0f + r2 * (-1.0f / 6 + r2 * (1.0f / 120 + r2 * (-1.0f / 5040 + r2 / 362880))));
    float cosine = 1.0f + r2 * (-0.5f + r2 * (1.0f / 24 + r2 * (-1.0f / 720 + r2 / 40320)));
    int32_t k = (int32_t)turns + quarter;
    float value = k & 1 ? cosine : sine;
    return k & 2 ? -value : value;
}

HD static inline float env_sin(float x) {
    return env_turned_sine(x, 0);
}

HD static inline float env_cos(float x) {
    return env_turned_sine(x, 1);
}

/* The same angle in [-pi, pi]. */
HD static inline float env_wrap_angle(float x) {
    float turns = rintf(x * 0.159154943091895336f);
    return ((x - turns * 6.28125f) - turns * 1.9350051879882812e-3f) - turns * 3.019915979507459e-7f;
}

HD static inline float env_clip(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

#endif
