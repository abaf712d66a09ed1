/* The device behind recorder.h. */
#include "tests/cuda/recorder.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <sys/mman.h>
#include <utility>
#include <vector>

#include "env/rules.h"
#include "tengen/env_kernels.h"
#include "tengen/ops.h"
#include "tests/cuda/emulated.h"
extern "C" {
#include "tengen/mem.h"
}

/* A call and its arguments as they were then. */
struct graph {
    std::vector<std::function<void()>> calls;
};

namespace {

[[noreturn]] void fault(const char *what) {
    fprintf(stderr, "recorder: %s\n", what);
    abort();
}

/* ---- memory
 * ------------------------------------------------------------------------------------------------
 */

constexpr size_t ARENA = size_t{1} << 30; /* of addresses; only what is touched takes memory */

std::mutex lock;
char *arena;
size_t used;
int turns; /* operations and copies that run */

class turn {
    static void change(int by) {
        std::lock_guard<std::mutex> hold(lock);
        const bool before = turns > 0, after = (turns += by) > 0;
        if (before != after && mprotect(arena, ARENA, after ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
            fault("mprotect");
    }

  public:
    turn() { change(1); }
    ~turn() { change(-1); }
};

void *arena_alloc(struct device *, size_t bytes) {
    std::lock_guard<std::mutex> hold(lock);
    void *data = arena + used;
    used += (bytes + 63) / 64 * 64;
    return used <= ARENA ? data : nullptr;
}

/* The arena goes back as a whole. */
void arena_release(struct device *, void *, size_t) {}

/* ---- recording
 * ---------------------------------------------------------------------------------------------
 */

thread_local struct {
    struct queue *queue;
    struct graph *graph;
} recording;
int launches;

template <class Call> void work(struct queue *q, Call call) {
    if (recording.graph && recording.queue == q) {
        recording.graph->calls.emplace_back(call);
        return;
    }
    turn mine;
    call();
}

void not_recorded(struct queue *q, const char *what) {
    if (recording.graph && recording.queue == q) fault(what);
}

bool graph_begin(struct queue *q) {
    not_recorded(q, "a recording in a recording");
    recording = {q, new graph};
    return true;
}

struct graph *graph_end(struct queue *, char *, size_t) {
    struct graph *g = recording.graph;
    recording = {};
    return g;
}

bool graph_launch(struct queue *q, struct graph *g) {
    not_recorded(q, "a launch in a recording");
    turn mine;
    for (auto &call : g->calls)
        call();
    launches++;
    return true;
}

void graph_free(struct device *, struct graph *g) {
    delete g;
}

void upload(struct queue *q, void *to, const void *from, size_t bytes) {
    not_recorded(q, "an upload in a recording, which would repeat what the host had then");
    work(q, [=] { emulated_backend.upload(q, to, from, bytes); });
}

void download(struct queue *q, void *to, const void *from, size_t bytes) {
    not_recorded(q, "a download in a recording, which would wait");
    work(q, [=] { emulated_backend.download(q, to, from, bytes); });
}

/* ---- operations
 * --------------------------------------------------------------------------------------------
 */

struct queue *library; /* of the CPU */
std::mutex library_lock;
struct backend table;

#define OP(name, parameters, names)                                                                          \
    void run_##name parameters {                                                                             \
        if (emulated_backend.op->name) {                                                                     \
            emulated_backend.op->name names;                                                                 \
        } else {                                                                                             \
            std::lock_guard<std::mutex> hold(library_lock);                                                  \
            q = library;                                                                                     \
            q->op->name names;                                                                               \
        }                                                                                                    \
    }                                                                                                        \
    void work_##name parameters {                                                                            \
        work(q, [=] { run_##name names; });                                                                  \
    }
#include "tengen/ops.def"
#undef OP

const struct ops operations = {
#define OP(name, parameters, names) work_##name,
#include "tengen/ops.def"
#undef OP
};

template <size_t kind>
void observe(struct queue *q, const struct env_rules *rules, struct env_lanes lanes, void *observations) {
    const struct env_rules copy = *rules;
    work(q, [=] { emulated_backend.env_kernels[kind].observe(q, &copy, lanes, observations); });
}

template <size_t kind>
void step(struct queue *q, const struct env_rules *rules, struct env_lanes lanes, struct env_step columns) {
    const struct env_rules copy = *rules;
    work(q, [=] { emulated_backend.env_kernels[kind].step(q, &copy, lanes, columns); });
}

/* As many as there may ever be. */
template <size_t... kinds> const struct env_kernels *kernel_table(std::index_sequence<kinds...>) {
    static const struct env_kernels kernels[] = {{observe<kinds>, step<kinds>}...};
    return kernels;
}

struct device *cpu;

void close_all(struct device *) {
    if (turns) fault("closed while it works");
    munmap(arena, ARENA);
    queue_close(library);
    device_close(cpu);
}

} // namespace

struct device *recorder_open(void) {
    if (device_open("cpu", 1, &cpu) != STATUS_OK || queue_open(cpu, 1, &library) != STATUS_OK)
        fault(status_text());
    arena = static_cast<char *>(
        mmap(nullptr, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (arena == MAP_FAILED) fault("mmap");
    used = 0;
    table = emulated_backend;
    table.device_close = close_all;
    table.alloc = arena_alloc;
    table.release = arena_release;
    table.upload = upload;
    table.download = download;
    table.graph_begin = graph_begin;
    table.graph_end = graph_end;
    table.graph_launch = graph_launch;
    table.graph_free = graph_free;
    table.op = &operations;
    table.env_kernels = kernel_table(std::make_index_sequence<64>());
    struct device *d = MEM_NEW(struct device, 1);
    d->backend = &table;
    d->kind = DEVICE_CUDA;
    d->threads = 1;
    if (table.device_open(d) != STATUS_OK) fault(status_text());
    return d;
}

int recorder_launches(void) {
    return launches;
}
