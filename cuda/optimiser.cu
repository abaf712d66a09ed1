/* Optimiser steps over a whole slab in one launch, and clipping of gradients by their global norm, all on the
 * device: nothing waits for the host.
 *     out = sum g^2 (in double, fixed order)     hyper[SCALE] = min(1, max_norm / sqrt(sum))
 *     SGD with momentum, Adam and RMSProp, as in ops.def
 * Bound by bytes. Floors at a copy's bandwidth: the sum reads g; SGD reads w, m, g and writes w, m; Adam
 * reads w, m, v, g and writes w, m, v. Double precision adds of the sum, one an element, stay below that on
 * devices with few units for them too (2 a clock and multiprocessor against 0.8 elements read). */
#include "cuda/sums.cuh"

/* ---- gradient norm ----------------------------------------------------------------------------------------
 */

struct squares_sum {
    static constexpr int N = PACK<float>, SUMS = 1;
    const float *g;
    float *out;
    __device__ void begin() {}
    template <int n> __device__ void add(double (&sum)[SUMS], size_t i) const {
        float v[n];
        load(v, g + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            sum[0] += static_cast<double>(v[k]) * static_cast<double>(v[k]);
    }
    __device__ void finish(const double (&sum)[SUMS]) const {
        *out = static_cast<float>(sum[0]);
    }
};

void cuda_sum_squares(struct queue *q, struct tensor out, struct tensor g) {
    check_sum_squares(out, g);
    const squares_sum f = {data_of<float>(g), data_of<float>(out)};
    sum_run(q, f, tensor_count(g), aligned(g));
}

static __global__ void clip_scale_kernel(float *hyper, const float *sum, float max_norm) {
    const float squares = *sum;
    float scale = 1.0f;
    if (max_norm > 0.0f && squares > max_norm * max_norm) scale = max_norm / sqrtf(squares);
    hyper[HYPER_SCALE] = isfinite(squares) ? scale : NAN;
}

void cuda_clip_scale(struct queue *q, struct tensor hyper, struct tensor sum, float max_norm) {
    check_vector("clip_scale", hyper, HYPER_COUNT, sum);
    LAUNCH(q, clip_scale_kernel, 1, 1, 0, data_of<float>(hyper), data_of<float>(sum), max_norm);
}

/* ---- steps ------------------------------------------------------------------------------------------------
 */

/* All steps read w, g and the state, and write w and the state back. A rule says how many arrays of state it
 * has, reads its constants from `hyper`, and does one element: (w, state, scaled gradient). */
template <class Rule> struct step_map {
    static constexpr int N = PACK<float>, STATES = Rule::STATES;
    float *w, *state[STATES];
    const float *g, *hyper;
    Rule rule;
    float scale;
    /* False where the gradient holds NaN or Inf: weights and state stay. */
    __device__ bool begin() {
        rule.begin(hyper);
        scale = hyper[HYPER_SCALE];
        return isfinite(scale);
    }
    template <int n> __device__ void at(size_t i) {
        float wi[n], gi[n], si[STATES][n];
        load(wi, w + i);
        load(gi, g + i);
#pragma unroll
        for (int j = 0; j < STATES; j++)
            load(si[j], state[j] + i);
#pragma unroll
        for (int k = 0; k < n; k++) {
            float each[STATES];
            for (int j = 0; j < STATES; j++)
                each[j] = si[j][k];
            rule.at(wi[k], each, scale * gi[k]);
            for (int j = 0; j < STATES; j++)
                si[j][k] = each[j];
        }
#pragma unroll
        for (int j = 0; j < STATES; j++)
            store(state[j] + i, si[j]);
        store(w + i, wi);
    }
};

template <class Rule>
static void step_run(struct queue *q, const char *op, Rule rule, struct tensor w, struct tensor m,
                     struct tensor v, struct tensor g, struct tensor hyper) {
    check_step(op, w, m, v, g, hyper);
    struct step_map<Rule> f = {};
    f.w = data_of<float>(w);
    f.state[0] = data_of<float>(m);
    if (Rule::STATES > 1) f.state[Rule::STATES - 1] = data_of<float>(v);
    f.g = data_of<float>(g);
    f.hyper = data_of<float>(hyper);
    f.rule = rule;
    map_run(q, f, tensor_count(w), aligned(w, m, v, g));
}

struct sgd_rule {
    static constexpr int STATES = 1;
    float rate, decay, momentum;
    __device__ void begin(const float *h) {
        rate = h[HYPER_RATE];
        decay = h[HYPER_DECAY];
        momentum = h[HYPER_MOMENTUM];
    }
    __device__ void at(float &w, float (&m)[STATES], float g) const {
        m[0] = momentum * m[0] + (g + decay * w);
        w -= rate * m[0];
    }
};

void cuda_sgd_step(struct queue *q, struct tensor w, struct tensor m, struct tensor g, struct tensor hyper) {
    step_run(q, "sgd_step", sgd_rule(), w, m, tensor_none(), g, hyper);
}

struct adam_rule {
    static constexpr int STATES = 2;
    bool decoupled;
    float rate, decay, keep, beta1, beta2, epsilon, correction2;
    __device__ void begin(const float *h) {
        epsilon = h[HYPER_EPSILON];
        beta1 = h[HYPER_MOMENTUM];
        beta2 = h[HYPER_BETA2];
        decay = decoupled ? 0.0f : h[HYPER_DECAY];
        keep = decoupled ? 1.0f - h[HYPER_RATE] * h[HYPER_DECAY] : 1.0f;
        rate = h[HYPER_RATE] / h[HYPER_CORRECTION1];
        correction2 = 1.0f / h[HYPER_CORRECTION2];
    }
    __device__ void at(float &w, float (&moments)[STATES], float g) const {
        float &m = moments[0], &v = moments[1];
        g += decay * w;
        m = beta1 * m + (1.0f - beta1) * g;
        v = beta2 * v + (1.0f - beta2) * g * g;
        w = w * keep - rate * m / (sqrtf(v * correction2) + epsilon);
    }
};

void cuda_adam_step(struct queue *q, struct tensor w, struct tensor m, struct tensor v, struct tensor g,
                    struct tensor hyper, bool decoupled) {
    adam_rule rule = {};
    rule.decoupled = decoupled;
    step_run(q, "adam_step", rule, w, m, v, g, hyper);
}

struct rmsprop_rule {
    static constexpr int STATES = 2;
    float rate, decay, beta1, beta2, epsilon;
    __device__ void begin(const float *h) {
        rate = h[HYPER_RATE];
        decay = h[HYPER_DECAY];
        beta1 = h[HYPER_MOMENTUM];
        beta2 = h[HYPER_BETA2];
        epsilon = h[HYPER_EPSILON];
    }
    __device__ void at(float &w, float (&moments)[STATES], float g) const {
        float &m = moments[0], &v = moments[1];
        g += decay * w;
        m = beta1 * m + (1.0f - beta1) * g;
        v = beta2 * v + (1.0f - beta2) * g * g;
        const float spread = v - m * m;
        w -= rate * g / sqrtf((spread > 0.0f ? spread : 0.0f) + epsilon);
    }
};

void cuda_rmsprop_step(struct queue *q, struct tensor w, struct tensor m, struct tensor v, struct tensor g,
                       struct tensor hyper) {
    step_run(q, "rmsprop_step", rmsprop_rule(), w, m, v, g, hyper);
}
