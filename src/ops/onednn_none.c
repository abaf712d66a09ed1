/* What stands in for oneDNN where it is not built in. */
#ifndef TENGEN_ONEDNN
#include <stdio.h>

#include "ops/onednn.h"

struct onednn *onednn_open(void) {
    return NULL;
}
void onednn_close(struct onednn *library) {
    (void)library;
}
void onednn_describe(char *text, size_t size) {
    snprintf(text, size, "none (plain loops, many times slower)");
}
void onednn_kernels(struct onednn *library,
                    void (*visit)(void *context, const char *what, const char *implementation, bool used),
                    void *context) {
    (void)library, (void)visit, (void)context;
}
struct onednn_queue *onednn_queue_open(struct onednn *library, int workers) {
    (void)library, (void)workers;
    return NULL;
}
void onednn_queue_close(struct onednn_queue *q) {
    (void)q;
}

bool onednn_conv_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w, struct tensor b,
                         struct tensor r, struct conv conv, enum activation act) {
    (void)q, (void)y, (void)x, (void)w, (void)b, (void)r, (void)conv, (void)act;
    return false;
}
bool onednn_conv_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                               struct conv conv, bool add) {
    (void)q, (void)dx, (void)dy, (void)w, (void)conv, (void)add;
    return false;
}
bool onednn_conv_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy,
                                  struct conv conv) {
    (void)q, (void)dw, (void)x, (void)dy, (void)conv;
    return false;
}
bool onednn_linear_forward(struct queue *q, struct tensor y, struct tensor x, struct tensor w,
                           struct tensor b, enum activation act) {
    (void)q, (void)y, (void)x, (void)w, (void)b, (void)act;
    return false;
}
bool onednn_linear_backward_data(struct queue *q, struct tensor dx, struct tensor dy, struct tensor w,
                                 bool add) {
    (void)q, (void)dx, (void)dy, (void)w, (void)add;
    return false;
}
bool onednn_linear_backward_weights(struct queue *q, struct tensor dw, struct tensor x, struct tensor dy) {
    (void)q, (void)dw, (void)x, (void)dy;
    return false;
}
#endif
typedef int onednn_none_is_not_empty; /* ISO C wants something in every file */
