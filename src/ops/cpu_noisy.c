/* Noisy weights and their gradients on a CPU. Bound by memory: each matrix is read and written once. */
#include "ops/cpu.h"

struct noisy_context {
    float *w, *dmu, *dsigma;
    const float *mu, *sigma, *dw, *out, *in;
    int rows, width, grain;
};

static void noisy_run(struct queue *q, struct noisy_context *c, struct tensor w, struct tensor out,
                      struct tensor in, void (*piece)(void *, int)) {
    c->rows = w.dims[0];
    c->width = w.rank == 1 ? 1 : w.dims[1];
    c->out = out.data;
    c->in = in.data;
    c->grain = 1 + CPU_GRAIN / c->width;
    pool_run(q->pool, (c->rows + c->grain - 1) / c->grain, piece, c);
}

static void noisy_forward_piece(void *context, int piece) {
    const struct noisy_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows;
    for (int o = piece * c->grain; o < end; o++) {
        const size_t at = (size_t)o * (size_t)c->width;
        for (int i = 0; i < c->width; i++)
            c->w[at + (size_t)i] =
                c->mu[at + (size_t)i] + c->sigma[at + (size_t)i] * (c->out[o] * (c->in ? c->in[i] : 1.0f));
    }
}

void cpu_noisy_forward(struct queue *q, struct tensor w, struct tensor mu, struct tensor sigma,
                       struct tensor out, struct tensor in) {
    check_noisy("noisy_forward", w, mu, sigma, out, in);
    struct noisy_context c = {.w = w.data, .mu = mu.data, .sigma = sigma.data};
    noisy_run(q, &c, w, out, in, noisy_forward_piece);
}

static void noisy_backward_piece(void *context, int piece) {
    const struct noisy_context *c = context;
    const int end = (piece + 1) * c->grain < c->rows ? (piece + 1) * c->grain : c->rows;
    for (int o = piece * c->grain; o < end; o++) {
        const size_t at = (size_t)o * (size_t)c->width;
        for (int i = 0; i < c->width; i++) {
            const float g = c->dw[at + (size_t)i];
            c->dmu[at + (size_t)i] += g;
            c->dsigma[at + (size_t)i] += g * (c->out[o] * (c->in ? c->in[i] : 1.0f));
        }
    }
}

void cpu_noisy_backward(struct queue *q, struct tensor dmu, struct tensor dsigma, struct tensor dw,
                        struct tensor out, struct tensor in) {
    check_noisy("noisy_backward", dw, dmu, dsigma, out, in);
    struct noisy_context c = {.dmu = dmu.data, .dsigma = dsigma.data, .dw = dw.data};
    noisy_run(q, &c, dw, out, in, noisy_backward_piece);
}
