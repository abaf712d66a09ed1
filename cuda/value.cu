/* Action values, F32: the dueling sum, and the targets and losses of Q learning, of plain values and of
 * categorical distributions (the formulas are in ops.def). Batches are small, so launches bound all of them;
 * the projection of a distribution computes K^2 exponentials a sample, which is little beside that. */
#include "cuda/rows.cuh"

/* ---- the dueling sum --------------------------------------------------------------------------------------
 */

static __device__ float mean_over_actions(const float *x, int actions, int atoms) {
    float sum = 0.0f;
    for (int a = 0; a < actions; a++)
        sum += x[a * atoms];
    return sum / static_cast<float>(actions);
}

/* A thread a sample and atom. */
struct dueling_forward_map {
    static constexpr int N = 1;
    float *y;
    const float *v, *d;
    int actions, atoms;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const size_t k = static_cast<size_t>(atoms), first = i / k * k * static_cast<size_t>(actions) + i % k;
        const float shift = v[i] - mean_over_actions(d + first, actions, atoms);
        for (int a = 0; a < actions; a++)
            y[first + static_cast<size_t>(a) * k] = d[first + static_cast<size_t>(a) * k] + shift;
    }
};

void cuda_dueling_forward(struct queue *q, struct tensor y, struct tensor v, struct tensor d) {
    const int atoms = v.dims[1], actions = check_actions("dueling_forward", d, atoms);
    check_vector("dueling_forward", v, d.dims[0] * atoms, d);
    check_same("dueling_forward", y, d);
    const struct dueling_forward_map f = {data_of<float>(y), data_of<float>(v), data_of<float>(d), actions,
                                          atoms};
    map_run(q, f, tensor_count(v), true);
}

struct dueling_backward_map {
    static constexpr int N = 1;
    float *dv, *dd;
    const float *dy;
    int actions, atoms;
    bool add_v, add_d;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const size_t k = static_cast<size_t>(atoms), first = i / k * k * static_cast<size_t>(actions) + i % k;
        const float mean = mean_over_actions(dy + first, actions, atoms);
        dv[i] = (add_v ? dv[i] : 0.0f) + mean * static_cast<float>(actions);
        for (int a = 0; a < actions; a++) {
            const size_t to = first + static_cast<size_t>(a) * k;
            dd[to] = (add_d ? dd[to] : 0.0f) + (dy[to] - mean);
        }
    }
};

void cuda_dueling_backward(struct queue *q, struct tensor dv, struct tensor dd, struct tensor dy, bool add_v,
                           bool add_d) {
    const int atoms = dv.dims[1], actions = check_actions("dueling_backward", dy, atoms);
    check_vector("dueling_backward", dv, dy.dims[0] * atoms, dy);
    check_same("dueling_backward", dd, dy);
    const struct dueling_backward_map f = {
        data_of<float>(dv), data_of<float>(dd), data_of<float>(dy), actions, atoms, add_v, add_d};
    map_run(q, f, tensor_count(dv), true);
}

/* ---- plain values: a thread a sample ----------------------------------------------------------------------
 */

struct q_target_map {
    static constexpr int N = 1;
    float *y;
    const float *r, *g, *next, *choice;
    int actions;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const size_t row = i * static_cast<size_t>(actions);
        int best = 0;
        for (int a = 1; a < actions; a++)
            if (choice[row + static_cast<size_t>(a)] > choice[row + static_cast<size_t>(best)]) best = a;
        y[i] = r[i] + g[i] * next[row + static_cast<size_t>(best)];
    }
};

void cuda_q_target(struct queue *q, struct tensor y, struct tensor r, struct tensor g, struct tensor next,
                   struct tensor choice) {
    check_value_target("q_target", y, r, g, next, choice, 1);
    const struct q_target_map f = {data_of<float>(y),
                                   data_of<float>(r),
                                   data_of<float>(g),
                                   data_of<float>(next),
                                   data_of<float>(tensor_is(choice) ? choice : next),
                                   next.dims[1]};
    map_run(q, f, tensor_count(y), true);
}

/* The action of a sample; a wrong one is the caller's bug: queue_wait() reports a fault. */
static __device__ int value_action(const int32_t *action, size_t sample, int actions) {
    const int a = action[sample];
    if (a < 0 || a >= actions) __trap();
    return a;
}

struct q_loss_map {
    static constexpr int N = 1;
    float *stats, *dx;
    const float *x, *y, *w;
    const int32_t *action;
    int actions;
    float delta, s;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        const int chosen = value_action(action, i, actions);
        const size_t row = i * static_cast<size_t>(actions);
        const float value = x[row + static_cast<size_t>(chosen)], e = value - y[i], size = fabsf(e);
        const bool linear = delta > 0.0f && size > delta;
        const float slope = linear ? (e > 0.0f ? delta : -delta) : e;
        stats[3 * i] = linear ? delta * (size - 0.5f * delta) : 0.5f * e * e;
        stats[3 * i + 1] = size;
        stats[3 * i + 2] = value;
        for (int a = 0; a < actions; a++)
            dx[row + static_cast<size_t>(a)] = a == chosen ? s * (w ? w[i] : 1.0f) * slope : 0.0f;
    }
};

void cuda_q_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor x,
                 struct tensor action, struct tensor y, struct tensor w, float delta, float s) {
    check_value_loss("q_loss", stats, dx, x, action, y, w, 1);
    const struct q_loss_map f = {data_of<float>(stats),
                                 data_of<float>(dx),
                                 data_of<float>(x),
                                 data_of<float>(y),
                                 data_of<float>(w),
                                 data_of<int32_t>(action),
                                 x.dims[1],
                                 delta,
                                 s};
    map_run(q, f, static_cast<size_t>(x.dims[0]), true);
}

/* ---- distributions: some lanes a sample -------------------------------------------------------------------
 */

/* K atoms from low on. */
struct atoms {
    int count;
    float low, high;
    __device__ float step() const { return (high - low) / static_cast<float>(count - 1); }
    __device__ float at(int k) const { return low + static_cast<float>(k) * step(); }
};

/* The atoms of one action of a sample that is there. */
static __device__ struct row action_row(struct row r, int actions, int action, int atoms) {
    r.at = (static_cast<size_t>(r.index) * static_cast<size_t>(actions) + static_cast<size_t>(action)) *
           static_cast<size_t>(atoms);
    return r;
}

static __device__ float distribution_mean(struct row r, struct row_norm norm, const float *x,
                                          struct atoms atoms) {
    float mean = 0.0f;
    for (int k = r.first; k < r.width; k += r.lanes)
        mean += expf(x[r.at + static_cast<size_t>(k)] - norm.max) / norm.sum * atoms.at(k);
    return lanes_sum(mean, r.lanes);
}

struct categorical_arguments {
    float *t, *stats, *dx;
    const float *r, *g, *x, *choice, *target, *w;
    const int32_t *action;
    int rows, actions, lanes;
    struct atoms atoms;
    float s;
};

static __global__ void __launch_bounds__(BLOCK) categorical_target_kernel(struct categorical_arguments a) {
    const struct row r = row_make(a.rows, a.atoms.count, a.lanes);
    int best = 0;
    float best_mean = 0.0f;
    for (int i = 0; i < a.actions; i++) {
        const struct row of = action_row(r, a.actions, i, a.atoms.count);
        const struct row_norm norm = row_norm_make(of, a.choice, NULL);
        const float mean = distribution_mean(of, norm, a.choice, a.atoms);
        if (i > 0 && !(mean > best_mean)) continue;
        best = i;
        best_mean = mean;
    }
    const struct row of = action_row(r, a.actions, best, a.atoms.count);
    const struct row_norm norm = row_norm_make(of, a.x, NULL);
    const float top = static_cast<float>(a.atoms.count - 1);
    for (int k = r.first; k < r.width; k += r.lanes) {
        float sum = 0.0f; /* of what falls to atom k */
        for (int j = 0; j < a.atoms.count; j++) {
            float place = (a.r[r.index] + a.g[r.index] * a.atoms.at(j) - a.atoms.low) / a.atoms.step();
            place = place > 0.0f ? place < top ? place : top : 0.0f;
            const float share = 1.0f - fabsf(place - static_cast<float>(k));
            if (share > 0.0f) sum += share * expf(a.x[of.at + static_cast<size_t>(j)] - norm.max);
        }
        a.t[r.at + static_cast<size_t>(k)] = sum / norm.sum;
    }
}

void cuda_categorical_target(struct queue *q, struct tensor t, struct tensor r, struct tensor g,
                             struct tensor next, struct tensor choice, float low, float high) {
    const int atoms = t.dims[1];
    check_value_target("categorical_target", t, r, g, next, choice, atoms);
    struct categorical_arguments a = {};
    a.t = data_of<float>(t);
    a.r = data_of<float>(r);
    a.g = data_of<float>(g);
    a.x = data_of<float>(next);
    a.choice = data_of<float>(tensor_is(choice) ? choice : next);
    a.rows = next.dims[0];
    a.actions = next.dims[1] / atoms;
    a.lanes = row_lanes(atoms);
    a.atoms = {atoms, low, high};
    if (a.rows) LAUNCH(q, categorical_target_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}

static __global__ void __launch_bounds__(BLOCK) categorical_loss_kernel(struct categorical_arguments a) {
    const struct row r = row_make(a.rows, a.atoms.count, a.lanes);
    const int action = r.width > 0 ? value_action(a.action, static_cast<size_t>(r.index), a.actions) : 0;
    const struct row of = action_row(r, a.actions, action, a.atoms.count);
    const struct row_norm norm = row_norm_make(of, a.x, NULL);
    const float log_sum = norm.max + logf(norm.sum);
    const float scale = r.width > 0 ? a.s * (a.w ? a.w[r.index] : 1.0f) : 0.0f;
    float loss = 0.0f, entropy = 0.0f;
    const float mean = distribution_mean(of, norm, a.x, a.atoms);
    for (int k = r.first; k < r.width; k += r.lanes) {
        const float x = a.x[of.at + static_cast<size_t>(k)], t = a.target[r.at + static_cast<size_t>(k)];
        loss += t * (log_sum - x);
        if (t > 0.0f) entropy -= t * logf(t);
        for (int i = 0; i < a.actions; i++) {
            const size_t to = action_row(r, a.actions, i, a.atoms.count).at + static_cast<size_t>(k);
            a.dx[to] = i == action ? scale * (expf(x - norm.max) / norm.sum - t) : 0.0f;
        }
    }
    loss = lanes_sum(loss, r.lanes);
    entropy = lanes_sum(entropy, r.lanes);
    if (r.leader) {
        float *stats = a.stats + 3 * static_cast<size_t>(r.index);
        stats[0] = loss;
        stats[1] = loss - entropy;
        stats[2] = mean;
    }
}

void cuda_categorical_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor x,
                           struct tensor action, struct tensor t, struct tensor w, float low, float high,
                           float s) {
    const int atoms = t.dims[1];
    check_value_loss("categorical_loss", stats, dx, x, action, t, w, atoms);
    struct categorical_arguments a = {};
    a.stats = data_of<float>(stats);
    a.dx = data_of<float>(dx);
    a.x = data_of<float>(x);
    a.target = data_of<float>(t);
    a.w = data_of<float>(w);
    a.action = data_of<int32_t>(action);
    a.rows = x.dims[0];
    a.actions = x.dims[1] / atoms;
    a.lanes = row_lanes(atoms);
    a.atoms = {atoms, low, high};
    a.s = s;
    if (a.rows) LAUNCH(q, categorical_loss_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}
