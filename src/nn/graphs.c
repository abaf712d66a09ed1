/* Graphs of a plan: a pass for a number of rows is a piece of work that repeats (queue_repeat). */
#include "nn/nn.h"

static void size_free(struct plan *p, struct graph_size *s) {
    for (int i = 0; i < PASSES; i++)
        repeat_free(&s->passes[i], p->net->device);
    *s = (struct graph_size){0};
}

void graphs_free(struct plan *p) {
    for (int i = 0; i < GRAPH_SIZES; i++)
        size_free(p, &p->graphs.sizes[i]);
}

/* The place of a number of rows; a new one takes that of the number not seen for longest. */
static struct graph_size *size_find(struct plan *p, int rows) {
    struct graphs *g = &p->graphs;
    struct graph_size *oldest = &g->sizes[0], *found = NULL;
    for (int i = 0; i < GRAPH_SIZES && !found; i++) {
        if (g->sizes[i].rows == rows) found = &g->sizes[i];
        if (g->sizes[i].used < oldest->used) oldest = &g->sizes[i];
    }
    if (!found) {
        found = oldest;
        size_free(p, found);
        found->rows = rows;
    }
    found->used = ++g->clock;
    return found;
}

/* A pass of a plan. */
struct rows {
    const struct plan *plan;
    int rows;
    void (*run)(const struct plan *p, int rows);
};

static void run_rows(void *self) {
    const struct rows *r = self;
    r->run(r->plan, r->rows);
}

void graphs_run(struct plan *p, int direction, int rows, void (*run)(const struct plan *p, int rows)) {
    struct rows work = {p, rows, run};
    if (!p->queue->device->backend->graph_begin || p->graphs.off || p->queue->recording) {
        run(p, rows);
        return;
    }
    struct repeat *pass = &size_find(p, rows)->passes[direction];
    queue_repeat(p->queue, pass, p->net->name, run_rows, &work);
    p->graphs.off = pass->off;
}
