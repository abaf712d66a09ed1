/* The uniform evaluator: every move equally good, every position even. */
#include "tengen/mem.h"
#include "tengen/search.h"

struct uniform {
    struct evaluator base; /* first: callers hold a pointer to it */
    size_t lane_floats;
    float *planes;          /* [lanes, batch, height, width, planes] */
    float *logits, *values; /* [batch, actions], [batch]: zeros, read by every lane */
};

static float *uniform_planes(void *context, int lane) {
    struct uniform *u = context;
    return u->planes + (size_t)lane * u->lane_floats;
}

static void uniform_evaluate(void *context, int lane, int n, const float **logits, const float **values) {
    struct uniform *u = context;
    (void)lane, (void)n;
    *logits = u->logits;
    *values = u->values;
}

struct evaluator *evaluator_uniform(const struct game *g, int lanes, int batch) {
    struct uniform *u = MEM_NEW(struct uniform, 1);
    u->base = (struct evaluator){u, lanes, batch, uniform_planes, uniform_evaluate};
    u->lane_floats = (size_t)batch * (size_t)(g->height * g->width * g->planes);
    u->planes = mem_alloc((size_t)lanes * u->lane_floats, sizeof(float));
    u->logits = mem_alloc((size_t)batch * (size_t)g->actions, sizeof(float));
    u->values = MEM_NEW(float, batch);
    return &u->base;
}

void evaluator_free_uniform(struct evaluator *e) {
    if (!e) return;
    struct uniform *u = e->context;
    mem_free(u->planes);
    mem_free(u->logits);
    mem_free(u->values);
    mem_free(u);
}
