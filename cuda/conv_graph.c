/* Plans of cuDNN's graph API. The heuristics name engines with their settings, best first, then those that
 * take nearly everything; the first that may be taken (conv_engine_fits), can be built and is content with
 * the workspace is the plan. That depends on shape, device and library alone. Engines built ahead of time
 * want the bias in the type of the activations; where none of them serves, it is asked for in F32, as it is
 * kept. */
#include <stdio.h>

#include "cuda/conv.h"
#include "tengen/mem.h"

enum { CONFIGS = 64 }; /* looked at of each list */
static const int64_t WORKSPACE_MOST = (int64_t)1 << 30;

/* ---- choosing ---------------------------------------------------------------------------------------------
 */

static bool attribute_get(cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t room, int64_t *count, void *values) {
    return cudnnBackendGetAttribute(of, name, type, room, count, values) == CUDNN_STATUS_SUCCESS;
}

static bool attribute_set(cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                          cudnnBackendAttributeType_t type, int64_t count, const void *values) {
    return cudnnBackendSetAttribute(of, name, type, count, values) == CUDNN_STATUS_SUCCESS;
}

static bool backend_create(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *out) {
    return cudnnBackendCreateDescriptor(type, out) == CUDNN_STATUS_SUCCESS;
}

static bool backend_finalise(cudnnBackendDescriptor_t d) {
    return cudnnBackendFinalize(d) == CUDNN_STATUS_SUCCESS;
}

static void backend_destroy(cudnnBackendDescriptor_t d) {
    if (d) cudnnBackendDestroyDescriptor(d);
}

static bool graph_finalise(const struct conv_target *target, struct conv_graph *g) {
    const struct conv_description *d = &g->description;
    return backend_create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &g->graph) &&
           attribute_set(g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                         d->operation_count, d->operations) &&
           (!target->cudnn || attribute_set(g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1,
                                            &target->cudnn)) &&
           backend_finalise(g->graph);
}

/* Whether the engine of a config may be taken. */
static bool engine_fits(struct conv_graph *g, const struct conv_shape *shape) {
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behaviours[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    cudnnBackendDescriptor_t engine = NULL;
    int64_t one = 0, count = 0, behaviour_count = 0;
    bool compiled = false;
    bool fits =
        backend_create(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) &&
        attribute_get(g->config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &one,
                      &engine) &&
        attribute_get(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &one, &g->engine) &&
        attribute_get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                      CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes) &&
        attribute_get(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                      CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &behaviour_count, behaviours);
    for (int64_t i = 0; fits && i < behaviour_count; i++)
        compiled |= behaviours[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    backend_destroy(engine);
    return fits && conv_engine_fits(shape, notes, count, compiled);
}

static bool graph_plan(const struct conv_target *target, struct conv_graph *g) {
    int64_t one = 0;
    bool built = backend_create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &g->plan) &&
                 attribute_set(g->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                               CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->config) &&
                 (target->cudnn ? attribute_set(g->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
                                                1, &target->cudnn)
                                : attribute_set(g->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                                CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &target->properties)) &&
                 backend_finalise(g->plan) &&
                 attribute_get(g->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one,
                               &g->workspace) &&
                 g->workspace <= WORKSPACE_MOST;
    if (built) return true;
    backend_destroy(g->plan);
    g->plan = NULL;
    return false;
}

/* How many configs a mode of the heuristics names, into `configs`, which the caller destroys: all CONFIGS. */
static int64_t graph_heuristics(const struct conv_target *target, const struct conv_graph *g,
                                cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t configs[CONFIGS]) {
    cudnnBackendDescriptor_t h = NULL;
    int64_t count = 0;
    bool ok = backend_create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &h) &&
              attribute_set(h, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                            &g->graph) &&
              attribute_set(h, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode) &&
              (target->cudnn || attribute_set(h, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &target->properties)) &&
              backend_finalise(h);
    for (int i = 0; ok && i < CONFIGS; i++)
        ok = backend_create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]);
    ok = ok && attribute_get(h, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS, &count,
                             configs);
    backend_destroy(h);
    return ok ? count : 0;
}

/* Leaves the first config that does in g->config, and its plan in g->plan. */
static bool graph_choose(const struct conv_target *target, struct conv_graph *g,
                         const struct conv_shape *shape, cudnnBackendHeurMode_t mode, int *seen) {
    cudnnBackendDescriptor_t configs[CONFIGS] = {0};
    int64_t count = graph_heuristics(target, g, mode, configs);
    for (int64_t i = 0; i < count && !g->plan; i++) {
        g->config = configs[i];
        (*seen)++;
        if (engine_fits(g, shape) && graph_plan(target, g)) configs[i] = NULL;
    }
    if (!g->plan) g->config = NULL;
    for (int i = 0; i < CONFIGS; i++)
        backend_destroy(configs[i]);
    return g->plan;
}

void conv_graph_free(struct conv_graph *g) {
    if (!g) return;
    backend_destroy(g->plan);
    backend_destroy(g->config);
    backend_destroy(g->graph);
    conv_description_free(&g->description);
    mem_free(g);
}

static struct conv_graph *graph_make(const struct conv_target *target, const struct conv_shape *shape,
                                     enum dtype bias, char *why, size_t size) {
    struct conv_graph *g = MEM_NEW(struct conv_graph, 1);
    int seen = 0;
    g->bias = bias;
    if (!conv_describe(&g->description, shape, bias)) {
        snprintf(why, size, "%s: %s", g->description.failed, cudnnGetErrorString(g->description.status));
    } else if (!graph_finalise(target, g)) {
        int used = snprintf(why, size, "the graph: ");
        if (used >= 0 && (size_t)used < size) cudnnGetLastErrorString(why + used, size - (size_t)used);
    } else if (graph_choose(target, g, shape, CUDNN_HEUR_MODE_A, &seen) ||
               graph_choose(target, g, shape, CUDNN_HEUR_MODE_FALLBACK, &seen)) {
        return g;
    } else {
        snprintf(why, size, "no engine of %d may be taken", seen);
    }
    conv_graph_free(g);
    return NULL;
}

struct conv_graph *conv_graph_make(const struct conv_target *target, const struct conv_shape *shape,
                                   char *why, size_t size) {
    struct conv_graph *g = graph_make(target, shape, (enum dtype)shape->dtype, why, size);
    if (!g && shape->bias && shape->dtype != DTYPE_F32) g = graph_make(target, shape, DTYPE_F32, why, size);
    return g;
}

/* ---- running ----------------------------------------------------------------------------------------------
 */

cudnnStatus_t conv_graph_run(struct queue *q, const struct conv_graph *g, const struct conv_operands *o) {
    static const int64_t names[] = {UID_X, UID_W, UID_Y, UID_BIAS, UID_RESIDUAL};
    const void *given[] = {o->x, o->w, o->y, o->bias, o->residual}, *pointers[5];
    void *workspace = g->workspace ? cuda_scratch(q, PLACE_LIBRARY, (size_t)g->workspace) : NULL;
    int64_t uids[5], count = 0;
    for (int i = 0; i < 5; i++)
        if (given[i]) {
            uids[count] = names[i];
            pointers[count++] = given[i];
        }
    cuda_stream(q); /* binds the thread to the device */
    cudnnBackendDescriptor_t pack = NULL;
    cudnnStatus_t s = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uids);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count,
                                     pointers);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
                                     &workspace);
    if (s == CUDNN_STATUS_SUCCESS) s = cudnnBackendFinalize(pack);
    if (s == CUDNN_STATUS_SUCCESS) s = cudnnBackendExecute(cuda_state(q)->cudnn, g->plan, pack);
    backend_destroy(pack);
    return s;
}
