/* Action values, F32: the dueling sum, and the targets and losses of Q learning, of plain values and of
 * categorical distributions (the formulas are in ops.def). Bound by bytes: action values are read and their
 * gradients written once. Floor: those at a copy's bandwidth; the batches of training are so small that
 * launches bound all of them. The projection of a distribution computes K^2 exponentials a sample. */
#include "cuda/rows.cuh"

/* ---- the dueling sum --------------------------------------------------------------------------------------
 */

/* A row is the values of all actions of one sample, or of one atom of it, `atoms` apart. */
struct dueling_arguments {
    float *y, *dv;
    const float *v, *d;
    int rows, actions, atoms, lanes;
    bool add_v, add_y;
};

/* Lanes that share a row; where rows lie between each other, neighbours in memory are theirs. */
static struct dueling_arguments dueling_arguments_make(int samples, int actions, int atoms) {
    struct dueling_arguments a = {};
    a.rows = samples * atoms;
    a.actions = actions;
    a.atoms = atoms;
    a.lanes = atoms > 4 ? 1 : row_lanes(actions);
    return a;
}

/* Action 0 of a row. */
static __device__ __forceinline__ size_t dueling_first(struct row r, const struct dueling_arguments &a) {
    const int sample = r.index / a.atoms;
    return static_cast<size_t>(sample) * static_cast<size_t>(a.actions) * static_cast<size_t>(a.atoms) +
           static_cast<size_t>(r.index - sample * a.atoms);
}

static __device__ __forceinline__ float dueling_sum(struct row r, const struct dueling_arguments &a,
                                                    size_t first) {
    float sum = 0.0f;
    for (int i = r.first; i < r.width; i += r.lanes)
        sum += a.d[first + static_cast<size_t>(i) * static_cast<size_t>(a.atoms)];
    return lanes_sum(sum, r.lanes);
}

static __global__ void __launch_bounds__(BLOCK) dueling_forward_kernel(struct dueling_arguments a) {
    const struct row r = row_make(a.rows, a.actions, a.lanes);
    const size_t first = dueling_first(r, a);
    const float shift = a.v[r.index] - dueling_sum(r, a, first) / static_cast<float>(a.actions);
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = first + static_cast<size_t>(i) * static_cast<size_t>(a.atoms);
        a.y[at] = a.d[at] + shift;
    }
}

void cuda_dueling_forward(struct queue *q, struct tensor y, struct tensor v, struct tensor d) {
    const int atoms = v.dims[1], actions = check_actions("dueling_forward", d, atoms);
    check_vector("dueling_forward", v, d.dims[0] * atoms, d);
    check_same("dueling_forward", y, d);
    struct dueling_arguments a = dueling_arguments_make(d.dims[0], actions, atoms);
    a.y = data_of<float>(y);
    a.v = data_of<float>(v);
    a.d = data_of<float>(d);
    if (a.rows) LAUNCH(q, dueling_forward_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}

/* d is dy, y is dd. */
static __global__ void __launch_bounds__(BLOCK) dueling_backward_kernel(struct dueling_arguments a) {
    const struct row r = row_make(a.rows, a.actions, a.lanes);
    const size_t first = dueling_first(r, a);
    const float sum = dueling_sum(r, a, first), mean = sum / static_cast<float>(a.actions);
    if (r.leader) a.dv[r.index] = (a.add_v ? a.dv[r.index] : 0.0f) + sum;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const size_t at = first + static_cast<size_t>(i) * static_cast<size_t>(a.atoms);
        a.y[at] = (a.add_y ? a.y[at] : 0.0f) + (a.d[at] - mean);
    }
}

void cuda_dueling_backward(struct queue *q, struct tensor dv, struct tensor dd, struct tensor dy, bool add_v,
                           bool add_d) {
    const int atoms = dv.dims[1], actions = check_actions("dueling_backward", dy, atoms);
    check_vector("dueling_backward", dv, dy.dims[0] * atoms, dy);
    check_same("dueling_backward", dd, dy);
    struct dueling_arguments a = dueling_arguments_make(dy.dims[0], actions, atoms);
    a.y = data_of<float>(dd);
    a.dv = data_of<float>(dv);
    a.d = data_of<float>(dy);
    a.add_v = add_v;
    a.add_y = add_d;
    if (a.rows) LAUNCH(q, dueling_backward_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}

/* ---- plain values: some lanes a sample --------------------------------------------------------------------
 */

struct q_arguments {
    float *y, *stats, *dx;
    const float *r, *g, *x, *choice, *target, *w;
    const int32_t *action;
    int rows, actions, lanes;
    float delta, s;
};

/* The first best of a row, as the leader finds it; a first value that is no number stays the best. */
static __device__ __forceinline__ int row_best(struct row r, const float *x) {
    int best = r.first;
    float most = r.leader ? x[r.at] : -INFINITY;
    for (int i = r.first; i < r.width; i += r.lanes) {
        const float value = x[r.at + static_cast<size_t>(i)];
        if (value > most) {
            most = value;
            best = i;
        }
    }
    for (int step = r.lanes / 2; step > 0; step /= 2) {
        const float value = __shfl_xor_sync(0xffffffffu, most, step);
        const int other = __shfl_xor_sync(0xffffffffu, best, step);
        if (value > most || (value == most && other < best)) {
            most = value;
            best = other;
        }
    }
    return best;
}

static __global__ void __launch_bounds__(BLOCK) q_target_kernel(struct q_arguments a) {
    const struct row r = row_make(a.rows, a.actions, a.lanes);
    const int best = row_best(r, a.choice);
    if (r.leader) a.y[r.index] = a.r[r.index] + a.g[r.index] * a.x[r.at + static_cast<size_t>(best)];
}

void cuda_q_target(struct queue *q, struct tensor y, struct tensor r, struct tensor g, struct tensor next,
                   struct tensor choice) {
    check_value_target("q_target", y, r, g, next, choice, 1);
    struct q_arguments a = {};
    a.y = data_of<float>(y);
    a.r = data_of<float>(r);
    a.g = data_of<float>(g);
    a.x = data_of<float>(next);
    a.choice = data_of<float>(tensor_is(choice) ? choice : next);
    a.rows = next.dims[0];
    a.actions = next.dims[1];
    a.lanes = row_lanes(a.actions);
    if (a.rows) LAUNCH(q, q_target_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
}

/* The action of a sample; a wrong one is the caller's bug: queue_wait() reports a fault. */
static __device__ int value_action(const int32_t *action, size_t sample, int actions) {
    const int a = action[sample];
    if (a < 0 || a >= actions) __trap();
    return a;
}

static __global__ void __launch_bounds__(BLOCK) q_loss_kernel(struct q_arguments a) {
    const struct row r = row_make(a.rows, a.actions, a.lanes);
    if (r.width > 0) {
        const int chosen = value_action(a.action, static_cast<size_t>(r.index), a.actions);
        const float value = a.x[r.at + static_cast<size_t>(chosen)], e = value - a.target[r.index];
        const float size = fabsf(e);
        const bool linear = a.delta > 0.0f && size > a.delta;
        const float slope = linear ? (e > 0.0f ? a.delta : -a.delta) : e;
        const float g = a.s * (a.w ? a.w[r.index] : 1.0f) * slope;
        for (int i = r.first; i < r.width; i += r.lanes)
            a.dx[r.at + static_cast<size_t>(i)] = i == chosen ? g : 0.0f;
        if (r.leader) {
            float *stats = a.stats + 3 * static_cast<size_t>(r.index);
            stats[0] = linear ? a.delta * (size - 0.5f * a.delta) : 0.5f * e * e;
            stats[1] = size;
            stats[2] = value;
        }
    }
}

void cuda_q_loss(struct queue *q, struct tensor stats, struct tensor dx, struct tensor x,
                 struct tensor action, struct tensor y, struct tensor w, float delta, float s) {
    check_value_loss("q_loss", stats, dx, x, action, y, w, 1);
    ENSURE(dx.data != x.data, "q_loss does not work in place");
    struct q_arguments a = {};
    a.stats = data_of<float>(stats);
    a.dx = data_of<float>(dx);
    a.x = data_of<float>(x);
    a.target = data_of<float>(y);
    a.w = data_of<float>(w);
    a.action = data_of<int32_t>(action);
    a.rows = x.dims[0];
    a.actions = x.dims[1];
    a.lanes = row_lanes(a.actions);
    a.delta = delta;
    a.s = s;
    if (a.rows) LAUNCH(q, q_loss_kernel, row_grid(a.rows, a.lanes), BLOCK, 0, a);
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
