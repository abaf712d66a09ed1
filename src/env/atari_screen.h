/* From two screens of an Atari 2600 to the 84 x 84 bytes that a network sees: maximum, luminance, shrinking,
 * stacking. Pure functions of their arguments; a struct is made once and then only read, by any thread.
 *
 * A screen comes as the console's colour codes [h, 160] (128 colours, codes are even), which ALE hands over
 * at the price of a copy, or, of consoles with another palette (PAL games), as luminance. What comes of it is
 * what Gymnasium's AtariPreprocessing shows, bit for bit. */
#ifndef ENV_ATARI_SCREEN_H
#define ENV_ATARI_SCREEN_H

#include <stddef.h>
#include <stdint.h>

enum { SCREEN_SIZE = 84, SCREEN_PIXELS = SCREEN_SIZE * SCREEN_SIZE, SCREEN_WIDTH = 160, SCREEN_TAPS = 4 };

/* What the maximum of two screens is taken of. */
enum screen_maximum {
    SCREEN_LUMINANCE, /* of the luminances of their codes (Gymnasium) */
    SCREEN_COLOUR,    /* of red, green and blue, each; then its luminance (DQN 2015, Stable-Baselines3) */
    SCREEN_GREY,      /* the screens are luminances already */
};

/* Where each of the 84 outputs of an axis comes from: up to four neighbours with whole-number weights that
 * add up to `total`. */
struct screen_axis {
    int total;
    uint8_t first[SCREEN_SIZE];
    uint8_t weights[SCREEN_SIZE][SCREEN_TAPS];
};

/* Seven outputs of a row at once: which of 16 inputs from `first` on go where, and their weights, as the
 * instruction that adds products of neighbouring bytes wants them: taps 0 and 1, then taps 2 and 3. */
struct screen_group {
    int first;
    int8_t pick[2][16];
    int8_t weights[2][16];
};

struct screen {
    int height;
    enum screen_maximum maximum;
    uint8_t channels[3][128]; /* red, green and blue by code / 2 */
    uint8_t luminance[128];   /* 0.299 R + 0.587 G + 0.114 B, rounded, as ALE and OpenCV have it */
    struct screen_axis rows, columns;
    struct screen_group groups[SCREEN_SIZE / 7];
};

/* For screens [h, 160], 84 < h < 252. */
void screen_init(struct screen *s, int h, enum screen_maximum maximum);

/* out [84, 84]: the maximum of two screens [h, 160], shrunk: the mean over the rectangle that an output
 * covers, rounded as OpenCV's INTER_AREA does. */
void screen_shrink(uint8_t *out, const uint8_t *before, const uint8_t *last, const struct screen *s);

/* Stacks of four: [84, 84, 4] bytes, the newest picture last. push: the oldest leaves. fill: all four. */
void screen_push(uint8_t *stack, const uint8_t *picture);
void screen_fill(uint8_t *stack, const uint8_t *picture);

#endif
