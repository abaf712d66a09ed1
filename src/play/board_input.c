#include "tengen/board_input.h"

#include <string.h>

#include "tengen/account.h"
#include "tengen/mem.h"
#include "tengen/ops.h"

/* Symmetries and bits lie behind one another, so that they cross in one copy. */
static size_t symmetry_bytes(const struct board_input *b) {
    return (size_t)b->symmetry.dims[0] * sizeof(int32_t);
}

void board_input_init(struct board_input *b, const struct game *g, struct queue *q, int batch) {
    ACCOUNT("batches");
    struct device *d = q->device;
    *b = (struct board_input){.device = d, .staged = d->kind != DEVICE_CPU};
    const int points = g->height * g->width, row = (int)g->encoded_bytes;
    b->symmetry = tensor_1(NULL, DTYPE_I32, batch);
    const size_t head = symmetry_bytes(b), bytes = head + (size_t)batch * g->encoded_bytes;
    uint8_t *memory = device_alloc(d, bytes);
    b->symmetry.data = memory;
    b->bits = tensor_2(memory + head, DTYPE_U8, batch, row);
    b->source = tensor_2(NULL, DTYPE_I32, g->symmetries, points);
    b->source.data = device_alloc(d, tensor_bytes(b->source));
    queue_upload(q, b->source, g->source);
    if (b->staged) memory = MEM_NEW(uint8_t, bytes);
    b->batch = (struct game_batch){.bits = memory + head, .symmetry = (int32_t *)memory};
}

void board_input_free(struct board_input *b) {
    if (!b->device) return;
    if (b->staged) mem_free(b->batch.symmetry);
    device_release(b->device, b->symmetry.data);
    device_release(b->device, b->source.data);
    memset(b, 0, sizeof *b);
}

void board_input_run(struct board_input *b, struct queue *q, struct tensor planes, int n) {
    if (b->staged) {
        size_t bytes = symmetry_bytes(b) + (size_t)n * (size_t)b->bits.dims[1];
        queue_upload(q, tensor_1(b->symmetry.data, DTYPE_U8, (int)bytes), b->batch.symmetry);
    }
    q->op->planes_forward(q, tensor_head(planes, n), tensor_head(b->bits, n), tensor_head(b->symmetry, n),
                          b->source);
}
