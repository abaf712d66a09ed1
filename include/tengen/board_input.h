/* The way of positions to a network's input: callers encode them, the device makes planes of their bits, so
 * that a position crosses the bus as some hundred bytes. Used by one thread at a time. */
#ifndef TENGEN_BOARD_INPUT_H
#define TENGEN_BOARD_INPUT_H

#include "tengen/device.h"
#include "tengen/game.h"

struct board_input {
    struct game_batch batch; /* [batch] where callers write, free again when board_input_run returns */
    struct device *device;
    struct tensor bits, symmetry, source; /* on the device */
    bool staged;                          /* batch is memory of its own, not the device's */
};

/* On q's device, for at most `batch` positions at once. The game may go. */
void board_input_init(struct board_input *b, const struct game *g, struct queue *q, int batch);
void board_input_free(struct board_input *b);

/* Planes of the first n positions, under their symmetries, into planes [n or more, height, width, planes]. */
void board_input_run(struct board_input *b, struct queue *q, struct tensor planes, int n);

#endif
