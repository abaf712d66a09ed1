/* Drawing actions: a thread a row, since rows are short and a stream of random numbers goes on from component
 * to component (ops/policy_draw.h). Bound by bytes: a row's logits and 64 bytes of its stream. */
#include "cuda/common.cuh"

#include "ops/policy_draw.h"

static __global__ void __launch_bounds__(BLOCK) draw_kernel(struct draw_arguments a) {
    const int row = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (row < a.rows) draw_row(&a, row);
}

static void draw_run(struct queue *q, const struct draw_arguments &a) {
    const unsigned grid = (static_cast<unsigned>(a.rows) + BLOCK - 1) / BLOCK;
    if (a.rows) LAUNCH(q, draw_kernel, grid, BLOCK, 0, a);
}

void cuda_policy_draw(struct queue *q, struct tensor action, struct tensor log_prob, struct tensor rngs,
                      struct tensor x, struct tensor mask, struct choices choices) {
    draw_run(q, draw_choices(action, log_prob, rngs, x, mask, choices));
}

void cuda_gaussian_policy_draw(struct queue *q, struct tensor action, struct tensor log_prob,
                               struct tensor rngs, struct tensor x, struct tensor log_std) {
    draw_run(q, draw_normals(action, log_prob, rngs, x, log_std));
}
