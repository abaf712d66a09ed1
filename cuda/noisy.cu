/* Weights of noisy layers and their gradients, F32:
 *     w = mu + sigma (out in^T)        dmu += dw,  dsigma += dw (out in^T)
 * Bound by bytes: forward reads mu and sigma and writes w; backward reads dw and reads and writes dmu and
 * dsigma, 16 bytes an array and thread. Floor: those at a copy's bandwidth. out and in come from the cache.
 */
#include "cuda/common.cuh"

/* f = out in^T of n elements from i on; elements are counted in 32 bits, one division a pack. */
template <int n>
static __device__ __forceinline__ void noise_at(float (&f)[n], size_t i, const float *out, const float *in,
                                                uint32_t width) {
    uint32_t row = static_cast<uint32_t>(i) / width, column = static_cast<uint32_t>(i) - row * width;
#pragma unroll
    for (int k = 0; k < n; k++) {
        f[k] = out[row] * (in ? in[column] : 1.0f);
        if (++column == width) {
            column = 0;
            row++;
        }
    }
}

struct noisy_forward_map {
    static constexpr int N = PACK<float>;
    float *w;
    const float *mu, *sigma, *out, *in;
    uint32_t width;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float v[n], s[n], f[n];
        noise_at(f, i, out, in, width);
        load(v, mu + i);
        load(s, sigma + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] += s[k] * f[k];
        store(w + i, v);
    }
};

static uint32_t noise_width(struct tensor w) {
    return w.rank == 1 ? 1 : static_cast<uint32_t>(w.dims[1]);
}

void cuda_noisy_forward(struct queue *q, struct tensor w, struct tensor mu, struct tensor sigma,
                        struct tensor out, struct tensor in) {
    check_noisy("noisy_forward", w, mu, sigma, out, in);
    const struct noisy_forward_map f = {data_of<float>(w),   data_of<float>(mu), data_of<float>(sigma),
                                        data_of<float>(out), data_of<float>(in), noise_width(w)};
    map_run(q, f, tensor_count(w), aligned(w, mu, sigma));
}

struct noisy_backward_map {
    static constexpr int N = PACK<float>;
    float *dmu, *dsigma;
    const float *dw, *out, *in;
    uint32_t width;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float g[n], v[n], f[n];
        noise_at(f, i, out, in, width);
        load(g, dw + i);
        load(v, dsigma + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] += g[k] * f[k];
        store(dsigma + i, v);
        load_add(g, dmu + i, true);
        store(dmu + i, g);
    }
};

void cuda_noisy_backward(struct queue *q, struct tensor dmu, struct tensor dsigma, struct tensor dw,
                         struct tensor out, struct tensor in) {
    check_noisy("noisy_backward", dw, dmu, dsigma, out, in);
    const struct noisy_backward_map f = {data_of<float>(dmu), data_of<float>(dsigma), data_of<float>(dw),
                                         data_of<float>(out), data_of<float>(in),     noise_width(dw)};
    map_run(q, f, tensor_count(dw), aligned(dmu, dsigma, dw));
}
