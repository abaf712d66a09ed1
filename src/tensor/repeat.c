/* Work that is recorded as a graph the second time and launched from then on. */
#include <stdatomic.h>

#include "tengen/device.h"
#include "tengen/log.h"
#include "tengen/profile.h"

void repeat_free(struct repeat *r, struct device *d) {
    device_graph_free(d, r->graph);
    *r = (struct repeat){0};
}

/* One reason stands for all: many lanes would say the same. */
static void say_once(const char *what, const char *why) {
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&said))
        log_warn("%s runs without CUDA graphs, one call an operation: %s", what, why);
}

static void record(struct queue *q, struct repeat *r, const char *what, void (*run)(void *self), void *self) {
    char why[512] = "";
    if (!queue_graph_begin(q)) return;
    run(self);
    r->graph = queue_graph_end(q, why, sizeof why);
    r->off = !r->graph && why[0];
    if (r->off) say_once(what, why);
}

void queue_repeat(struct queue *q, struct repeat *r, const char *what, void (*run)(void *self), void *self) {
    if (q->device->backend->graph_begin && !r->off && !q->recording && !queue_profiled(q)) {
        if (r->warm && !r->graph) record(q, r, what, run, self);
        if (r->graph && queue_graph_launch(q, r->graph)) return;
        /* What has moved is made anew by running directly; the next call records again. */
        device_graph_free(q->device, r->graph);
        r->graph = NULL;
        r->warm = true;
    }
    run(self);
}
