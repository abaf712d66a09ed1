/* oneDNN behind the CPU's convolutions and matrix products.
 *
 * The library always runs on one thread, inside a piece of our own pool's work. A device keeps the primitives
 * (compiled kernels, shared by all queues); a queue keeps the library's memory objects and scratch memory of
 * each of its workers. All entries return false where the
 * library cannot do it (or is not built in); the caller then runs the plain loops. Any thread may call, each
 * with a queue of its own.
 */
#ifndef OPS_ONEDNN_H
#define OPS_ONEDNN_H

#include <stddef.h>

#include "tengen/ops.h"

struct onednn;
struct onednn_queue;

/* Behind a device; NULL without the library. */
struct onednn *onednn_open(void);
void onednn_close(struct onednn *library);
/* "oneDNN 2.6.3, AVX-512 with AMX", or that there is none. */
void onednn_describe(char *text, size_t size);

/* Visits the kernels made so far with a text such as "conv_forward bf16 n8 7x7x64 -> 64 3x3" and the name of
 * the implementation that the library has chosen; `used` is false where it was turned down. For tests and
 * benchmarks. */
void onednn_kernels(struct onednn *library,
                    void (*visit)(void *context, const char *what, const char *implementation, bool used),
                    void *context);

struct onednn_queue *onednn_queue_open(struct onednn *library, int workers);
void onednn_queue_close(struct onednn_queue *q);

bool onednn_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                         struct tensor r, struct conv conv, enum activation act);
bool onednn_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                               struct conv conv, bool add);
bool onednn_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                  struct conv conv);
bool onednn_linear_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                           struct tensor b, enum activation act);
bool onednn_linear_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                 bool add);
bool onednn_linear_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy);

#endif
