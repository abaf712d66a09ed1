/* Weights of noisy layers and their gradients, F32:
 *     w = mu + sigma (out in^T)        dmu += dw,  dsigma += dw (out in^T)
 * Bound by bytes: forward reads mu and sigma and writes w; backward reads dw and reads and writes dmu and
 * dsigma. Floor: those at a copy's bandwidth. out and in come from the cache. */
#include "cuda/common.cuh"

/* A thread an element, neighbours beside each other. */
struct noisy_forward_map {
    static constexpr int N = 1;
    float *w;
    const float *mu, *sigma, *out, *in;
    size_t width;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        w[i] = mu[i] + sigma[i] * (out[i / width] * (in ? in[i % width] : 1.0f));
    }
};

void cuda_noisy_forward(struct queue *q, struct tensor w, struct tensor mu, struct tensor sigma,
                        struct tensor out, struct tensor in) {
    check_noisy("noisy_forward", w, mu, sigma, out, in);
    const size_t width = w.rank == 1 ? 1 : static_cast<size_t>(w.dims[1]);
    const struct noisy_forward_map f = {data_of<float>(w),   data_of<float>(mu), data_of<float>(sigma),
                                        data_of<float>(out), data_of<float>(in), width};
    map_run(q, f, tensor_count(w), true);
}

struct noisy_backward_map {
    static constexpr int N = 1;
    float *dmu, *dsigma;
    const float *dw, *out, *in;
    size_t width;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const float g = dw[i];
        dmu[i] += g;
        dsigma[i] += g * (out[i / width] * (in ? in[i % width] : 1.0f));
    }
};

void cuda_noisy_backward(struct queue *q, struct tensor dmu, struct tensor dsigma, struct tensor dw,
                         struct tensor out, struct tensor in) {
    check_noisy("noisy_backward", dw, dmu, dsigma, out, in);
    const size_t width = dw.rank == 1 ? 1 : static_cast<size_t>(dw.dims[1]);
    const struct noisy_backward_map f = {data_of<float>(dmu), data_of<float>(dsigma), data_of<float>(dw),
                                         data_of<float>(out), data_of<float>(in),     width};
    map_run(q, f, tensor_count(dw), true);
}
