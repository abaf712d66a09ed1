/* Drawing actions on a CPU. */
#include "ops/cpu.h"
#include "ops/policy_draw.h"

enum { DRAW_GRAIN = 256 /* rows a piece */ };

static void draw_piece(void *context, int piece) {
    const struct draw_arguments *a = context;
    for (int row = piece * DRAW_GRAIN; row < (piece + 1) * DRAW_GRAIN && row < a->rows; row++)
        draw_row(a, row);
}

static void draw_run(struct queue *q, struct draw_arguments a) {
    pool_run(q->pool, (a.rows + DRAW_GRAIN - 1) / DRAW_GRAIN, draw_piece, &a);
}

void cpu_policy_draw(struct queue *q, struct tensor action, struct tensor log_prob, struct tensor rngs,
                     struct tensor x, struct tensor mask, struct choices choices) {
    draw_run(q, draw_choices(action, log_prob, rngs, x, mask, choices));
}

void cpu_gaussian_policy_draw(struct queue *q, struct tensor action, struct tensor log_prob,
                              struct tensor rngs, struct tensor x, struct tensor log_std) {
    draw_run(q, draw_normals(action, log_prob, rngs, x, log_std));
}
