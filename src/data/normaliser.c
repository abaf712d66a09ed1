/* Running mean and variance. */
#include "tengen/normaliser.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tengen/mem.h"

#define VARIANCE_MIN 1e-8 /* added to it, so that a constant does not divide by 0 */

void normaliser_init(struct normaliser *n, int features) {
    *n = (struct normaliser){features, 0, MEM_NEW(double, features), MEM_NEW(double, features)};
}

void normaliser_free(struct normaliser *n) {
    mem_free(n->mean);
    mem_free(n->about);
    *n = (struct normaliser){0};
}

void normaliser_update(struct normaliser *n, const float *x, int rows) {
    double all = n->count + rows;
    for (int f = 0; f < n->features; f++) {
        double sum = 0, about = 0;
        for (int i = 0; i < rows; i++)
            sum += (double)x[(size_t)i * (size_t)n->features + (size_t)f];
        double mean = sum / rows, step = mean - n->mean[f];
        for (int i = 0; i < rows; i++) {
            double d = (double)x[(size_t)i * (size_t)n->features + (size_t)f] - mean;
            about += d * d;
        }
        n->mean[f] += step * rows / all;
        n->about[f] += about + step * step * n->count * rows / all;
    }
    n->count = all;
}

static float within_limit(double x) {
    return (float)fmin(fmax(x, -(double)NORMALISER_LIMIT), (double)NORMALISER_LIMIT);
}

static void apply(const struct normaliser *n, float *x, int rows, bool centre) {
    if (n->count == 0) return;
    for (int i = 0; i < rows; i++, x += n->features)
        for (int f = 0; f < n->features; f++) {
            double deviation = sqrt(n->about[f] / n->count + VARIANCE_MIN);
            x[f] = within_limit(((double)x[f] - (centre ? n->mean[f] : 0)) / deviation);
        }
}

void normaliser_apply(const struct normaliser *n, float *x, int rows) {
    apply(n, x, rows, true);
}

void normaliser_scale(const struct normaliser *n, float *x, int rows) {
    apply(n, x, rows, false);
}

size_t normaliser_numbers(const struct normaliser *n) {
    return 1 + 2 * (size_t)n->features;
}

void normaliser_save(const struct normaliser *n, double *to) {
    size_t features = (size_t)n->features;
    to[0] = n->count;
    memcpy(to + 1, n->mean, features * sizeof *to);
    memcpy(to + 1 + features, n->about, features * sizeof *to);
}

void normaliser_load(struct normaliser *n, const double *from) {
    size_t features = (size_t)n->features;
    n->count = from[0];
    memcpy(n->mean, from + 1, features * sizeof *from);
    memcpy(n->about, from + 1 + features, features * sizeof *from);
}
