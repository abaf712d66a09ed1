/* Graphs of plans, on a device of the test's own: the CPU's operations behind a back end that records them as
 * closures between begin and end, and runs them at a launch. */
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

extern "C" {
#include "tengen/model.h"
#include "tengen/net.h"
#include "testing.h"
}

struct graph {
    std::vector<std::function<void()>> calls;
    unsigned generation;
};

namespace {

struct queue_of_test {
    graph *recording;
    unsigned generation;
} here;
/* What the plan asked for. */
int begun, ended, launched, stale, freed, direct_calls;
/* What the device answers. */
bool not_now, moved;
const char *refusal;

const struct ops *cpu;
struct ops recording_ops;
const struct backend *cpu_table;
struct backend table;

#define OP(name, parameters, names)                                                                          \
    void name##_call parameters {                                                                            \
        if (here.recording) {                                                                                \
            here.recording->calls.push_back([=] { cpu->name names; });                                       \
        } else {                                                                                             \
            direct_calls++;                                                                                  \
            cpu->name names;                                                                                 \
        }                                                                                                    \
    }
#include "tengen/ops.def"
#undef OP

bool begin(struct queue *) {
    if (not_now) return false;
    begun++;
    here.recording = new graph{{}, here.generation};
    return true;
}

graph *end(struct queue *, char *why, size_t size) {
    graph *g = here.recording;
    ended++;
    here.recording = nullptr;
    snprintf(why, size, "%s", refusal ? refusal : "");
    if (!refusal && !moved) return g;
    moved = false;
    delete g;
    return nullptr;
}

bool launch(struct queue *, graph *g) {
    stale += g->generation != here.generation;
    if (g->generation != here.generation) return false;
    launched++;
    for (auto &call : g->calls)
        call();
    return true;
}

void release(struct device *, graph *g) {
    freed++;
    delete g;
}

struct bed {
    struct device *device;
    struct queue *queue;
};

/* kind: DEVICE_CUDA runs a batch as a whole, DEVICE_CPU in chunks. */
struct bed bed_open(enum device_kind kind) {
    struct bed bed;
    assert_ok(device_open("cpu", 1, &bed.device));
    assert_ok(queue_open(bed.device, 1, &bed.queue));
    cpu_table = bed.device->backend;
    cpu = cpu_table->op;
    table = *cpu_table;
    table.kind = kind;
    table.graph_begin = begin;
    table.graph_end = end;
    table.graph_launch = launch;
    table.graph_free = release;
#define OP(name, parameters, names) recording_ops.name = name##_call;
#include "tengen/ops.def"
#undef OP
    table.op = &recording_ops;
    bed.device->backend = &table;
    bed.device->kind = kind;
    bed.queue->op = &recording_ops;
    begun = ended = launched = stale = freed = direct_calls = 0;
    not_now = moved = false;
    refusal = nullptr;
    here = {};
    return bed;
}

void bed_close(struct bed *bed) {
    bed->device->kind = DEVICE_CPU;
    bed->device->backend = cpu_table;
    queue_close(bed->queue);
    device_close(bed->device);
}

struct net *net_make(struct device *device, int blocks) {
    struct model_config config;
    struct net *net;
    config_defaults(model_config_keys, &config);
    config.blocks = blocks;
    config.channels = 8;
    config.value_hidden = 16;
    const struct model_shape shape = {5, 5, 3, 26, false};
    assert_ok(model_create(&config, shape, device, &net));
    assert_ok(net_initialise(net, 1));
    return net;
}

void fill(struct tensor t, int k) {
    float *data = static_cast<float *>(t.data);
    for (size_t i = 0; i < tensor_count(t); i++)
        data[i] = std::sin(static_cast<float>(k + 1) * static_cast<float>(i + 1));
}

std::vector<float> copy_of(struct tensor t) {
    const float *data = static_cast<const float *>(t.data);
    return std::vector<float>(data, data + tensor_count(t));
}

std::vector<float> infer(struct plan *plan, int n, int k) {
    fill(plan_input(plan, "observation"), k);
    plan_forward(plan, n);
    return copy_of(tensor_head(plan_output(plan, "policy"), n));
}

struct plan *plan_make(struct net *net, struct queue *q, enum plan_mode mode, int n) {
    struct plan *plan;
    assert_ok(plan_create(net, q, mode, PRECISION_F32, n, &plan));
    return plan;
}

/* ---- when ------------------------------------------------------------------------------------------------
 */

void a_size_runs_then_is_recorded_then_launched(void **) {
    struct bed bed = bed_open(DEVICE_CUDA);
    struct net *net = net_make(bed.device, 1);
    struct plan *plan = plan_make(net, bed.queue, PLAN_INFER, 16);
    std::vector<float> first = infer(plan, 16, 1);
    assert_int_equal(begun, 0);
    assert_true(infer(plan, 16, 1) == first);
    assert_int_equal(begun, 1);
    assert_int_equal(launched, 1);
    const int calls = direct_calls;
    assert_true(infer(plan, 16, 2) != first); /* the graph reads what the input holds now */
    assert_true(infer(plan, 16, 1) == first);
    assert_int_equal(begun, 1);
    assert_int_equal(launched, 3);
    assert_int_equal(direct_calls, calls); /* nothing beside the graph */
    infer(plan, 13, 1);                    /* rounded up: the same rows */
    assert_int_equal(launched, 4);
    infer(plan, 12, 1);
    assert_int_equal(launched, 4);
    infer(plan, 12, 1);
    assert_int_equal(begun, 2);
    plan_free(plan);
    assert_int_equal(freed, 2);
    net_free(net);
    bed_close(&bed);
}

void chunks_of_a_batch_are_one_graph(void **) {
    struct bed bed = bed_open(DEVICE_CPU);
    struct net *net = net_make(bed.device, 1);
    struct plan *plan = plan_make(net, bed.queue, PLAN_INFER, 150);
    std::vector<float> whole = infer(plan, 150, 1);
    for (int n : {1, 3, 63, 64, 65, 131, 147, 150}) {
        std::vector<float> expected(whole.begin(), whole.begin() + n * 26);
        for (int i = 0; i < 3; i++)
            assert_true(infer(plan, n, 1) == expected);
    }
    assert_true(begun > 4);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

void graphs_of_a_plan_are_bounded(void **) {
    struct bed bed = bed_open(DEVICE_CUDA);
    struct net *net = net_make(bed.device, 1);
    struct plan *plan = plan_make(net, bed.queue, PLAN_TRAIN, 80);
    for (int n = 1; n <= 80; n++)
        for (int i = 0; i < 2; i++)
            plan_forward(plan, n);
    assert_int_equal(begun, 80);
    assert_int_equal(freed, 80 - 32);
    for (int i = 0; i < 2; i++)
        plan_forward(plan, 80); /* the newest are kept */
    assert_int_equal(begun, 80);
    plan_free(plan);
    assert_int_equal(freed, 80);
    net_free(net);
    bed_close(&bed);
}

/* ---- what changes between launches -----------------------------------------------------------------------
 */

void a_launch_follows_the_weights(void **) {
    struct bed bed = bed_open(DEVICE_CUDA);
    struct net *net = net_make(bed.device, 2), *other = net_make(bed.device, 2);
    struct plan *plan = plan_make(net, bed.queue, PLAN_INFER, 4), *direct;
    std::vector<float> before;
    for (int i = 0; i < 3; i++)
        before = infer(plan, 4, 1);
    for (int round = 0; round < 3; round++) { /* folded weights are made anew outside of the graph */
        assert_ok(net_initialise(other, static_cast<uint64_t>(5 + round)));
        assert_ok(net_copy(net, other));
        const int launches = launched;
        std::vector<float> found = infer(plan, 4, 1);
        assert_int_equal(launched, launches + 1);
        assert_true(found != before);
        direct = plan_make(other, bed.queue, PLAN_INFER, 4);
        assert_true(infer(direct, 4, 1) == found);
        assert_int_equal(launched, launches + 1);
        plan_free(direct);
        before = found;
    }
    assert_int_equal(begun, 1);
    plan_free(plan);
    net_free(net);
    net_free(other);
    bed_close(&bed);
}

/* Steps of training; the weights at the end. */
std::vector<float> train(bool graphs, int steps) {
    struct bed bed = bed_open(DEVICE_CUDA);
    not_now = !graphs;
    struct net *net = net_make(bed.device, 2);
    struct plan *plan = plan_make(net, bed.queue, PLAN_TRAIN, 8);
    struct optimiser_config config;
    struct optimiser *o;
    config_defaults(optimiser_config_keys, &config);
    assert_ok(optimiser_create(net, bed.queue, &config, &o));
    for (int step = 0; step < steps; step++) {
        fill(plan_input(plan, "observation"), step);
        plan_forward(plan, 8);
        fill(plan_output_gradient(plan, "policy"), step + 100);
        fill(plan_output_gradient(plan, "value"), step + 200);
        plan_backward(plan, 8);
        optimiser_step(o, step);
    }
    assert_int_equal(begun, graphs ? 2 : 0);
    assert_int_equal(launched, graphs ? 2 * (steps - 1) : 0);
    std::vector<float> weights = copy_of(net_weights(net)), state = copy_of(net_state(net));
    weights.insert(weights.end(), state.begin(), state.end());
    optimiser_free(o);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
    return weights;
}

void training_by_graphs_gives_the_same_bits(void **) {
    assert_true(train(true, 6) == train(false, 6));
}

/* ---- work around passes ----------------------------------------------------------------------------------
 */

struct work {
    struct plan *first, *second;
    struct queue *queue;
};

/* The second network sees what the first says. */
void run_both(void *self) {
    const struct work *w = static_cast<struct work *>(self);
    plan_forward(w->first, 4);
    struct tensor policy = plan_output(w->first, "policy");
    struct tensor seen = tensor_1(plan_input(w->second, "observation").data, DTYPE_F32, 4 * 26);
    w->queue->op->scale(w->queue, seen, tensor_1(policy.data, DTYPE_F32, 4 * 26), 2, false);
    plan_forward(w->second, 4);
}

void passes_of_work_that_repeats_are_part_of_its_graph(void **) {
    struct bed bed = bed_open(DEVICE_CUDA);
    struct net *net = net_make(bed.device, 1), *other = net_make(bed.device, 2);
    struct work work = {plan_make(net, bed.queue, PLAN_INFER, 4), plan_make(net, bed.queue, PLAN_INFER, 4),
                        bed.queue};
    struct repeat repeat = {};
    std::vector<float> first;
    for (int i = 0; i < 4; i++) {
        fill(plan_input(work.first, "observation"), 1);
        const int calls = direct_calls;
        queue_repeat(bed.queue, &repeat, "both", run_both, &work);
        std::vector<float> found = copy_of(plan_output(work.second, "policy"));
        if (i == 0) first = found;
        assert_true(found == first);
        assert_int_equal(begun, i > 0);
        assert_int_equal(launched, i);
        assert_true((direct_calls == calls) == (i > 0));
    }
    /* Folded weights are made anew outside of the graph, by whom knows that there is one. */
    assert_ok(net_initialise(other, 7));
    assert_ok(net_copy(net, other));
    for (struct plan *plan : {work.first, work.second})
        plan_refresh(plan);
    queue_repeat(bed.queue, &repeat, "both", run_both, &work);
    assert_int_equal(begun, 1);
    std::vector<float> found = copy_of(plan_output(work.second, "policy"));
    assert_true(found != first);
    run_both(&work);
    assert_true(copy_of(plan_output(work.second, "policy")) == found);
    repeat_free(&repeat, bed.device);
    plan_free(work.first);
    plan_free(work.second);
    net_free(net);
    net_free(other);
    bed_close(&bed);
}

/* ---- what goes wrong --------------------------------------------------------------------------------------
 */

void a_stale_graph_runs_directly_and_is_recorded_anew(void **) {
    struct bed bed = bed_open(DEVICE_CUDA);
    struct net *net = net_make(bed.device, 1);
    struct plan *plan = plan_make(net, bed.queue, PLAN_INFER, 4);
    std::vector<float> first = infer(plan, 4, 1);
    infer(plan, 4, 1);
    here.generation++; /* a workspace has moved */
    const int calls = direct_calls;
    assert_true(infer(plan, 4, 1) == first);
    assert_true(direct_calls > calls);
    assert_int_equal(stale, 1);
    assert_int_equal(freed, 1);
    assert_true(infer(plan, 4, 1) == first);
    assert_int_equal(begun, 2);
    assert_int_equal(launched, 2);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

void a_recording_in_which_memory_moved_is_tried_again(void **) {
    struct bed bed = bed_open(DEVICE_CUDA);
    struct net *net = net_make(bed.device, 1);
    struct plan *plan = plan_make(net, bed.queue, PLAN_INFER, 4);
    std::vector<float> first = infer(plan, 4, 1);
    moved = true;
    assert_true(infer(plan, 4, 1) == first);
    assert_int_equal(launched, 0);
    not_now = true;
    assert_true(infer(plan, 4, 1) == first);
    assert_int_equal(begun, 1);
    not_now = false;
    assert_true(infer(plan, 4, 1) == first);
    assert_int_equal(begun, 2);
    assert_int_equal(launched, 1);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

void what_cannot_be_recorded_runs_directly_from_then_on(void **) {
    struct bed bed = bed_open(DEVICE_CUDA);
    struct net *net = net_make(bed.device, 1);
    struct plan *plan = plan_make(net, bed.queue, PLAN_INFER, 4);
    std::vector<float> first = infer(plan, 4, 1);
    refusal = "the library allocates";
    for (int i = 0; i < 3; i++)
        assert_true(infer(plan, 4, 1) == first);
    assert_int_equal(begun, 1);
    assert_int_equal(ended, 1);
    assert_int_equal(launched, 0);
    plan_free(plan);
    net_free(net);
    bed_close(&bed);
}

} // namespace

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_runs_then_is_recorded_then_launched),
        cmocka_unit_test(chunks_of_a_batch_are_one_graph),
        cmocka_unit_test(graphs_of_a_plan_are_bounded),
        cmocka_unit_test(a_launch_follows_the_weights),
        cmocka_unit_test(training_by_graphs_gives_the_same_bits),
        cmocka_unit_test(passes_of_work_that_repeats_are_part_of_its_graph),
        cmocka_unit_test(a_stale_graph_runs_directly_and_is_recorded_anew),
        cmocka_unit_test(a_recording_in_which_memory_moved_is_tried_again),
        cmocka_unit_test(what_cannot_be_recorded_runs_directly_from_then_on),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
