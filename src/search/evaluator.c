/* The uniform evaluator: every move equally good, every position even. */
#include "tengen/mem.h"
#include "tengen/search.h"

struct uniform {
    struct evaluator base; /* first: callers hold a pointer to it */
    const struct game *game;
    struct game_batch input; /* [lanes, batch] */
    float *logits, *values;  /* [batch, actions], [batch]: zeros, read by every lane */
};

static struct game_batch uniform_input(void *context, int lane) {
    struct uniform *u = context;
    return game_batch_from(u->game, u->input, lane * u->base.batch);
}

static void uniform_evaluate(void *context, int lane, int n, const float **logits, const float **values) {
    struct uniform *u = context;
    (void)lane, (void)n;
    *logits = u->logits;
    *values = u->values;
}

struct evaluator *evaluator_uniform(const struct game *g, int lanes, int batch) {
    struct uniform *u = MEM_NEW(struct uniform, 1);
    u->base = (struct evaluator){u, lanes, batch, uniform_input, uniform_evaluate};
    u->game = g;
    u->input.bits = mem_alloc((size_t)lanes * (size_t)batch, g->encoded_bytes);
    u->input.symmetry = MEM_NEW(int32_t, lanes * batch);
    u->logits = mem_alloc((size_t)batch * (size_t)g->actions, sizeof(float));
    u->values = MEM_NEW(float, batch);
    return &u->base;
}

void evaluator_free_uniform(struct evaluator *e) {
    if (!e) return;
    struct uniform *u = e->context;
    mem_free(u->input.bits);
    mem_free(u->input.symmetry);
    mem_free(u->logits);
    mem_free(u->values);
    mem_free(u);
}
