/* Graphs of a plan: a pass for a number of rows runs directly once, which makes what the back end keeps for
 * it (library plans, workspaces, copies of weights, kernels loaded), is recorded the second time, and from
 * then on launched as one, which costs the host a call instead of one an operation. A profile wants to see
 * each operation: then all run directly. */
#include <stdatomic.h>

#include "nn/nn.h"
#include "tengen/log.h"
#include "tengen/profile.h"

static void size_free(struct plan *p, struct graph_size *s) {
    for (int i = 0; i < PASSES; i++)
        device_graph_free(p->net->device, s->passes[i].graph);
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

/* One plan's reason stands for all: many lanes would say the same. */
static void say_once(const struct plan *p, const char *why) {
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&said))
        log_warn("net %s runs without CUDA graphs, one call an operation: %s", p->net->name, why);
}

static struct graph *record(struct plan *p, int rows, void (*run)(const struct plan *p, int rows)) {
    char why[512] = "";
    if (!queue_graph_begin(p->queue)) return NULL;
    run(p, rows);
    struct graph *graph = queue_graph_end(p->queue, why, sizeof why);
    p->graphs.off = !graph && why[0];
    if (p->graphs.off) say_once(p, why);
    return graph;
}

void graphs_run(struct plan *p, int direction, int rows, void (*run)(const struct plan *p, int rows)) {
    if (p->queue->device->backend->graph_begin && !p->graphs.off && !queue_profiled(p->queue)) {
        struct pass *pass = &size_find(p, rows)->passes[direction];
        if (pass->warm && !pass->graph) pass->graph = record(p, rows, run);
        if (pass->graph && queue_graph_launch(p->queue, pass->graph)) return;
        /* What has moved is made anew by running directly; the next call records again. */
        device_graph_free(p->net->device, pass->graph);
        pass->graph = NULL;
        pass->warm = true;
    }
    run(p, rows);
}
