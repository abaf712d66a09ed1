/* CUDA's vocabulary for a C++ compiler, so that the kernels of cuda/ run on a CPU as they are.
 *
 * Each thread of a block is a fiber. Blocks run one after the other; in a block a fiber runs until it meets a
 * barrier or a collective of its warp, in an order that the queue has: forward, reversed or shuffled, anew at
 * every round. A kernel that forgets a barrier gives other results in one order than in another. What is
 * found besides: a barrier or collective that not all threads reach, or at different places; deadlocks; a
 * read of shared or scratch memory that was never written (it holds NaN); and, under a sanitizer, every
 * access out of bounds or out of alignment, since shared memory, scratch and tensors are heap blocks of
 * exactly their size.
 *
 * Each thread of the host has a GPU of its own to launch on, so that queues of several run at the same time.
 *
 * Not seen: rounding of the GPU's own functions, what a lack of __syncwarp between lanes would do, streams.
 */
#ifndef TESTS_CUDA_EMULATION_H
#define TESTS_CUDA_EMULATION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cuda/queue.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};

namespace emulation {

struct indices {
    dim3 thread, block, block_size, grid_size;
};
extern __thread struct indices *current; /* of the thread that runs; __thread: read without a call */

/* Runs call(context) for every thread of every block. */
void launch(struct queue *q, const char *kernel, dim3 grid, dim3 block, size_t shared_bytes,
            void (*call)(const void *context), const void *context);

template <class F>
void launch(struct queue *q, const char *kernel, dim3 grid, dim3 block, size_t shared_bytes, const F &f) {
    launch(
        q, kernel, grid, block, shared_bytes,
        [](const void *context) { (*static_cast<const F *>(context))(); }, &f);
}

/* A block's shared memory: one piece a declaration, and the dynamic one. */
void *shared(const char *site, size_t bytes);
void *dynamic_shared(void);

void barrier(const char *site);

/* What a lane gets: lane `source`'s value; or, of a ballot, the lanes whose value is not 0. */
enum collective { SHUFFLE, BALLOT };
uint64_t collective(enum collective kind, unsigned lanes, uint64_t value, unsigned source, const char *site);

/* Ends the launch; queue_wait() reports the text. */
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

unsigned lane(void);

template <class T> T shuffle(unsigned lanes, T value, unsigned source, const char *site) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves eight bytes at most");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = collective(SHUFFLE, lanes, bits, source, site);
    memcpy(&value, &bits, sizeof value);
    return value;
}

} // namespace emulation

#define EMULATION_TEXT(line) #line
#define EMULATION_LINE(line) EMULATION_TEXT(line)
#define EMULATION_SITE       __FILE__ ":" EMULATION_LINE(__LINE__)

#define threadIdx (emulation::current->thread)
#define blockIdx  (emulation::current->block)
#define blockDim  (emulation::current->block_size)
#define gridDim   (emulation::current->grid_size)

#define LAUNCH(q, kernel, grid, block, shared, ...)                                                          \
    emulation::launch(q, #kernel, grid, block, shared, [=]() { kernel(__VA_ARGS__); })
#define SHARED(type, name, dims)                                                                             \
    using name##_shared = type dims;                                                                         \
    name##_shared &name =                                                                                    \
        *static_cast<name##_shared *>(emulation::shared(#name " " EMULATION_SITE, sizeof(name##_shared)))
#define SHARED_DYNAMIC(type, name) type *const name = static_cast<type *>(emulation::dynamic_shared())

#define __syncthreads()               emulation::barrier(EMULATION_SITE)
#define __trap()                      emulation::fail("trap at %s", EMULATION_SITE)
#define __shfl_sync(lanes, v, source) emulation::shuffle(lanes, v, source, EMULATION_SITE)
#define __shfl_xor_sync(lanes, v, bit)                                                                       \
    emulation::shuffle(lanes, v, emulation::lane() ^ static_cast<unsigned>(bit), EMULATION_SITE)
/* beyond the warp a lane keeps its own value */
#define __shfl_down_sync(lanes, v, step)                                                                     \
    emulation::shuffle(lanes, v,                                                                             \
                       emulation::lane() + (step) < 32 ? emulation::lane() + (step) : emulation::lane(),     \
                       EMULATION_SITE)
#define __ballot_sync(lanes, predicate)                                                                      \
    static_cast<unsigned>(                                                                                   \
        emulation::collective(emulation::BALLOT, lanes, (predicate) ? 1 : 0, 0, EMULATION_SITE))
#define __syncwarp() static_cast<void>(__ballot_sync(0xffffffffu, true))

/* One thread runs at a time, so a plain sum is atomic; for integers only, whose sums have no order. */
template <class T> T atomicAdd(T *to, T value) {
    static_assert(static_cast<T>(0.5f) == static_cast<T>(0), "sums of floats must be ordered");
    const T old = *to;
    *to = static_cast<T>(old + value);
    return old;
}

static inline uint16_t bf16_bits(float f) {
    return bf16_from_float(f);
}
static inline float bf16_value(uint16_t bits) {
    return bf16_to_float(bits);
}

#endif
