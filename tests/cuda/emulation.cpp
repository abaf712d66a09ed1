/* How the emulated GPU runs: fibers, a block's scheduler, shared memory, and a back end around them. See
 * emulation.h. */
#include "emulation.h"

#include "emulated.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <sys/mman.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define EMULATION_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATION_ASAN 1
#endif
#endif
#ifdef EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace emulation {

/* ---- fibers -----------------------------------------------------------------------------------------------
 */

static const size_t STACK_BYTES = 64 << 10, GUARD_BYTES = 4 << 10;

/* A stack with its place of execution. A fiber runs one thread of a block after another and is never thrown
 * away, except where a kernel failed in the middle. */
struct fiber {
#ifdef __x86_64__
    void *stack_pointer;
#else
    ucontext_t context;
#endif
    char *stack;
    void *fake_stack; /* address sanitizer's, for locals that outlive their function */
};

static thread_local struct fiber scheduler; /* the caller of launch() */
static thread_local const void *scheduler_bottom;
static thread_local size_t scheduler_size;

#ifdef __x86_64__
/* Saves what a call preserves on the stack, changes stacks, and restores: all that a switch needs. */
extern "C" void emulation_switch(void **from, void *to);
asm(".text\n"
    ".globl emulation_switch\n"
    ".type emulation_switch,@function\n"
    "emulation_switch:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n"
    ".size emulation_switch,.-emulation_switch\n");

static void switch_raw(struct fiber *from, struct fiber *to) {
    emulation_switch(&from->stack_pointer, to->stack_pointer);
}

static void fiber_prepare(struct fiber *f, void (*entry)(void)) {
    void **top = reinterpret_cast<void **>(f->stack + GUARD_BYTES + STACK_BYTES);
    top[-1] = nullptr; /* where entry() would return to; keeps the stack aligned as after a call */
    top[-2] = reinterpret_cast<void *>(entry);
    for (int i = 3; i <= 8; i++)
        top[-i] = nullptr;
    f->stack_pointer = top - 8;
}
#else
static void switch_raw(struct fiber *from, struct fiber *to) {
    swapcontext(&from->context, &to->context);
}

static void fiber_prepare(struct fiber *f, void (*entry)(void)) {
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack + GUARD_BYTES;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = nullptr;
    makecontext(&f->context, entry, 0);
}
#endif

static void fiber_switch(struct fiber *from, struct fiber *to, const void *bottom, size_t size) {
#ifdef EMULATION_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, bottom, size);
    switch_raw(from, to);
    if (from == &scheduler)
        __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
    else
        __sanitizer_finish_switch_fiber(from->fake_stack, &scheduler_bottom, &scheduler_size);
#else
    (void)bottom;
    (void)size;
    switch_raw(from, to);
#endif
}

/* ---- a block and its threads ------------------------------------------------------------------------------
 */

enum thread_state { NEW, READY, AT_BARRIER, AT_COLLECTIVE, DONE };

struct thread {
    enum thread_state state;
    struct indices where;
    struct fiber *fiber;
    const char *site; /* where it waits */
    enum collective kind;
    unsigned lanes, source;
    uint64_t value; /* what it gives, then what it gets */
};

struct memory {
    std::string site;
    void *data;
    size_t bytes;
};

__thread struct indices *current;

static thread_local struct launch {
    void (*call)(const void *context);
    const void *context;
    const char *kernel;
    size_t shared_bytes;
} running;

static thread_local std::vector<struct thread> threads; /* of the block that runs */
static thread_local size_t thread_now, live;
static thread_local std::vector<struct memory> pieces;
static thread_local std::string failure; /* of the launch that runs; "" while all is well */
static std::mutex launched_lock;
static std::set<std::string> launched;

static void thread_leave(void) {
    struct fiber *f = threads[thread_now].fiber;
    fiber_switch(f, &scheduler, scheduler_bottom, scheduler_size);
    current = &threads[thread_now].where;
}

static void fiber_entry(void) {
#ifdef EMULATION_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
#endif
    for (;;) {
        running.call(running.context);
        threads[thread_now].state = DONE;
        thread_leave();
    }
}

/* A kernel that failed leaves its fibers in the middle of things. */
static void fiber_drop(struct fiber *f) {
#ifdef EMULATION_ASAN
    __asan_unpoison_memory_region(f->stack + GUARD_BYTES, STACK_BYTES);
#endif
    munmap(f->stack, GUARD_BYTES + STACK_BYTES);
    delete f;
}

/* Idle ones. A fiber stays with its thread, whose scheduler it leaves to. */
static thread_local struct fiber_pool {
    std::vector<struct fiber *> idle;
    ~fiber_pool() {
        for (struct fiber *f : idle)
            fiber_drop(f);
    }
} fibers;

static struct fiber *fiber_get(void) {
    if (!fibers.idle.empty()) {
        struct fiber *f = fibers.idle.back();
        fibers.idle.pop_back();
        return f;
    }
    struct fiber *f = new struct fiber();
    void *stack = mmap(nullptr, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ENSURE(stack != MAP_FAILED && mprotect(stack, GUARD_BYTES, PROT_NONE) == 0, "no memory for a stack");
    f->stack = static_cast<char *>(stack);
    fiber_prepare(f, fiber_entry);
    return f;
}

static void note_failure(const char *format, va_list arguments) {
    char text[400];
    vsnprintf(text, sizeof text, format, arguments);
    if (failure.empty()) failure = std::string(running.kernel) + ": " + text;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    note_failure(format, arguments);
    va_end(arguments);
}

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    note_failure(format, arguments);
    va_end(arguments);
    for (;;)
        thread_leave(); /* the scheduler sees the failure and does not come back */
}

unsigned lane(void) {
    return static_cast<unsigned>(thread_now % 32);
}

/* ---- shared memory: 0xff bytes, which are NaN, before each block ------------------------------------------
 */

void *shared(const char *site, size_t bytes) {
    for (const struct memory &piece : pieces)
        if (piece.site == site && piece.bytes == bytes) return piece.data;
    void *data = malloc(bytes ? bytes : 1);
    memset(data, 0xff, bytes);
    pieces.push_back({site, data, bytes});
    return data;
}

void *dynamic_shared(void) {
    return shared("dynamic", running.shared_bytes);
}

static void shared_free(void) {
    for (const struct memory &piece : pieces)
        free(piece.data);
    pieces.clear();
}

/* ---- barriers and collectives -----------------------------------------------------------------------------
 */

void barrier(const char *site) {
    struct thread *t = &threads[thread_now];
    t->state = AT_BARRIER;
    t->site = site;
    thread_leave();
}

/* Every lane that the mask names and the block has must wait at the same place, with the same mask. */
static bool collective_complete(size_t first, const struct thread *t) {
    for (size_t l = 0; l < 32 && first + l < threads.size(); l++) {
        const struct thread *other = &threads[first + l];
        if (!(t->lanes >> l & 1)) continue;
        if (other->state == DONE)
            note("lane %zu has ended, and %s asks for it", l, t->site);
        else if (other->state != AT_COLLECTIVE)
            return false;
        else if (strcmp(other->site, t->site) != 0 || other->lanes != t->lanes)
            note("lanes of one warp meet at %s and at %s", t->site, other->site);
        if (!failure.empty()) return false;
    }
    return true;
}

static void collective_finish(size_t first, unsigned lanes) {
    uint64_t given[32], ballot = 0, got[32];
    unsigned there = 0;
    for (size_t l = 0; l < 32 && first + l < threads.size(); l++) {
        if (!(lanes >> l & 1)) continue;
        there |= 1u << l;
        given[l] = threads[first + l].value;
        if (given[l]) ballot |= 1u << l;
    }
    for (size_t l = 0; l < 32; l++) {
        if (!(there >> l & 1)) continue;
        const struct thread *t = &threads[first + l];
        const bool valid = t->source < 32 && (there >> t->source & 1);
        got[l] = t->kind == BALLOT ? ballot : valid ? given[t->source] : ~UINT64_C(0);
    }
    for (size_t l = 0; l < 32; l++)
        if (there >> l & 1) {
            threads[first + l].value = got[l];
            threads[first + l].state = READY;
        }
}

uint64_t collective(enum collective kind, unsigned lanes, uint64_t value, unsigned source, const char *site) {
    struct thread *t = &threads[thread_now];
    t->state = AT_COLLECTIVE;
    t->kind = kind;
    t->lanes = lanes;
    t->value = value;
    t->source = source;
    t->site = site;
    if (!(lanes >> lane() & 1)) fail("lane %u takes part at %s and is not in its mask", lane(), site);
    const size_t first = thread_now / 32 * 32;
    if (collective_complete(first, t)) collective_finish(first, lanes);
    if (t->state != READY) thread_leave();
    return t->value;
}

/* ---- the scheduler ----------------------------------------------------------------------------------------
 */

enum order { FORWARD, REVERSED, SHUFFLED };

static thread_local uint64_t shuffle_state = 88172645463325252u;

static unsigned shuffle_below(size_t n) { /* xorshift64 */
    shuffle_state ^= shuffle_state << 13;
    shuffle_state ^= shuffle_state >> 7;
    shuffle_state ^= shuffle_state << 17;
    return static_cast<unsigned>((shuffle_state >> 11) % n);
}

static void put_in_order(std::vector<unsigned> *list, size_t n, enum order order) {
    list->resize(n);
    for (size_t i = 0; i < n; i++)
        (*list)[i] = static_cast<unsigned>(order == REVERSED ? n - 1 - i : i);
    for (size_t i = n; order == SHUFFLED && i > 1; i--)
        std::swap((*list)[i - 1], (*list)[shuffle_below(i)]);
}

static void thread_run(size_t index) {
    struct thread *t = &threads[index];
    if (t->state == NEW) t->fiber = fiber_get();
    t->state = READY;
    thread_now = index;
    current = &t->where;
    fiber_switch(&scheduler, t->fiber, t->fiber->stack + GUARD_BYTES, STACK_BYTES);
    if (t->state != DONE) return;
    fibers.idle.push_back(t->fiber); /* the next thread takes its stack */
    t->fiber = nullptr;
    live--;
}

/* When nobody can go on: all wait at one barrier, and pass it, or something is wrong. */
static void barrier_pass(void) {
    const char *site = nullptr;
    bool warps = false;
    for (const struct thread &t : threads) {
        if (t.state == AT_COLLECTIVE) {
            warps = true;
            note("deadlock: a lane waits at %s for lanes that are elsewhere", t.site);
        }
        if (t.state == AT_BARRIER && !site) site = t.site;
        if (t.state == AT_BARRIER && strcmp(site, t.site) != 0)
            note("divergent barrier: threads wait at %s and at %s", site, t.site);
    }
    if (!warps && live != threads.size())
        note("%zu of %zu threads have ended, the others wait at %s", threads.size() - live, threads.size(),
             site ? site : "no barrier");
    for (struct thread &t : threads)
        if (t.state == AT_BARRIER) t.state = READY;
}

static void block_run(dim3 block, dim3 grid, dim3 block_size, enum order order) {
    static thread_local std::vector<unsigned> turn;
    const size_t count = static_cast<size_t>(block_size.x) * block_size.y * block_size.z;
    threads.assign(count, {});
    for (size_t i = 0; i < count; i++) {
        const unsigned at = static_cast<unsigned>(i);
        threads[i].where = {
            {at % block_size.x, at / block_size.x % block_size.y, at / block_size.x / block_size.y},
            block,
            block_size,
            grid};
    }
    live = count;
    while (live > 0 && failure.empty()) {
        bool progress = false;
        put_in_order(&turn, count, order);
        for (unsigned i : turn)
            if (failure.empty() && (threads[i].state == NEW || threads[i].state == READY)) {
                progress = true;
                thread_run(i);
            }
        if (!progress) barrier_pass();
    }
    for (struct thread &t : threads)
        if (t.fiber) fiber_drop(t.fiber);
    shared_free();
}

static void keep_failure(struct queue *q);

void launch(struct queue *q, const char *kernel, dim3 grid, dim3 block, size_t shared_bytes,
            void (*call)(const void *context), const void *context) {
    std::string name = kernel + (kernel[0] == '(');
    name.resize(std::min(name.find_first_of("<)"), name.size()));
    {
        std::lock_guard<std::mutex> hold(launched_lock);
        launched.insert(name);
    }
    running = {call, context, kernel, shared_bytes};
    failure.clear();
    if (static_cast<size_t>(block.x) * block.y * block.z > 1024 || grid.y > 65535 || grid.z > 65535 ||
        grid.x == 0 || block.x == 0 || shared_bytes > 48 << 10)
        note("no GPU takes a launch of %u x %u x %u blocks of %u x %u x %u threads with %zu bytes", grid.x,
             grid.y, grid.z, block.x, block.y, block.z, shared_bytes);
    static thread_local std::vector<unsigned> turn;
    const enum order order = static_cast<enum order>(*static_cast<int *>(q->state));
    put_in_order(&turn, static_cast<size_t>(grid.x) * grid.y * grid.z, order);
    for (unsigned i : turn)
        if (failure.empty())
            block_run(dim3(i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y), grid, block, order);
    if (!failure.empty()) keep_failure(q);
}

} // namespace emulation

/* ---- the back end -----------------------------------------------------------------------------------------
 */

/* Behind queue.state. */
struct emulated_queue {
    int order; /* first: launch() reads it */
    void *scratch[PLACE_COUNT];
    int marks;
    char failure[512];
};

static struct emulated_queue *emulated_state(struct queue *q) {
    return static_cast<struct emulated_queue *>(q->state);
}

static void emulation::keep_failure(struct queue *q) {
    snprintf(emulated_state(q)->failure, sizeof emulated_state(q)->failure, "%.511s", failure.c_str());
}

bool emulated_launched(const char *kernel) {
    std::lock_guard<std::mutex> hold(emulation::launched_lock);
    return emulation::launched.count(kernel) > 0;
}

/* Exactly as large as asked for, and full of NaN: what one request wrote the next does not see. */
void *cuda_scratch(struct queue *q, enum cuda_place place, size_t bytes) {
    void **scratch = &emulated_state(q)->scratch[place];
    free(*scratch);
    *scratch = malloc(bytes ? bytes : 1);
    memset(*scratch, 0xff, bytes);
    return *scratch;
}

static int emulated_count(char *, size_t) {
    return 1;
}
static enum status emulated_device_open(struct device *d) {
    snprintf(d->name, sizeof d->name, "emulated GPU");
    return STATUS_OK;
}
static void emulated_device_close(struct device *) {}

static void *emulated_alloc(struct device *, size_t bytes) {
    void *data = nullptr;
    if (posix_memalign(&data, 64, bytes) != 0) return nullptr;
    memset(data, 0, bytes);
    return data;
}
static void emulated_release(struct device *, void *memory, size_t) {
    free(memory);
}

static enum status emulated_queue_open(struct queue *q, int order) {
    struct emulated_queue *state = static_cast<struct emulated_queue *>(calloc(1, sizeof *state));
    state->order = order - 1;
    q->state = state;
    return STATUS_OK;
}
static void emulated_queue_close(struct queue *q) {
    for (void *scratch : emulated_state(q)->scratch)
        free(scratch);
    free(q->state);
}

static void emulated_upload(struct queue *, void *device_memory, const void *host, size_t bytes) {
    memcpy(device_memory, host, bytes);
}
static void emulated_download(struct queue *, void *host, const void *device_memory, size_t bytes) {
    memcpy(host, device_memory, bytes);
}

static enum status emulated_wait(struct queue *q) {
    char *failure = emulated_state(q)->failure;
    if (!failure[0]) return STATUS_OK;
    const enum status s = status_fail(STATUS_DEVICE, "%s", failure);
    failure[0] = '\0';
    return s;
}

static void emulated_mark(struct queue *q) {
    emulated_state(q)->marks++;
}
static void emulated_marks_read(struct queue *q, double *gaps) {
    for (int i = 1; i < emulated_state(q)->marks; i++)
        gaps[i - 1] = 0;
    emulated_state(q)->marks = 0;
}

static void emulated_describe(char *text, size_t size) {
    snprintf(text, size, "cuda: emulated on the CPU\n");
}

/* cuDNN and cuBLASLt do these, and they run on a GPU only. */
#define cuda_conv_forward            nullptr
#define cuda_conv_backward_data      nullptr
#define cuda_conv_backward_weights   nullptr
#define cuda_linear_forward          nullptr
#define cuda_linear_backward_data    nullptr
#define cuda_linear_backward_weights nullptr

static const struct ops emulated_ops = {
#define OP(name, parameters, names) cuda_##name,
#include "tengen/ops.def"
#undef OP
};

const struct backend emulated_backend = {BACKEND_LAYOUT,
                                         DEVICE_CUDA,
                                         "emulated",
                                         emulated_count,
                                         emulated_device_open,
                                         emulated_device_close,
                                         emulated_alloc,
                                         emulated_release,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         emulated_queue_open,
                                         emulated_queue_close,
                                         emulated_upload,
                                         emulated_download,
                                         emulated_wait,
                                         emulated_mark,
                                         emulated_marks_read,
                                         nullptr,
                                         nullptr,
                                         emulated_describe,
                                         &emulated_ops,
                                         cuda_env_kernels,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr};
