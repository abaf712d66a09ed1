/* Running mean and variance, and numbers brought to mean 0 and deviation 1 by them: what policy-gradient
 * algorithms do with observations and rewards whose scale nobody knows beforehand.
 *
 * Batches are merged into the statistics by Chan et al. 1979, in double and in order, so that the same
 * numbers give the same bits. One thread at a time.
 */
#ifndef TENGEN_NORMALISER_H
#define TENGEN_NORMALISER_H

#include <stddef.h>

#define NORMALISER_LIMIT 10.0f /* normalised numbers stay within +- this */

struct normaliser {
    int features;
    double count;  /* samples seen */
    double *mean;  /* [features] */
    double *about; /* [features] sum of (x - mean)^2 */
};

void normaliser_init(struct normaliser *n, int features);
void normaliser_free(struct normaliser *n); /* legal on a zeroed one */
/* Takes in `rows` samples: x [rows, features]. */
void normaliser_update(struct normaliser *n, const float *x, int rows);
/* x = (x - mean) / deviation, cut to +- NORMALISER_LIMIT; before the first update x stays as it is. */
void normaliser_apply(const struct normaliser *n, float *x, int rows);
/* x = x / deviation, cut likewise: rewards keep their sign. */
void normaliser_scale(const struct normaliser *n, float *x, int rows);

/* The state as numbers for a checkpoint: count, means, sums. */
size_t normaliser_numbers(const struct normaliser *n);
void normaliser_save(const struct normaliser *n, double *to);
void normaliser_load(struct normaliser *n, const double *from);

#endif
