/* Element-wise operations:
 *     y = act(x)     dx (+)= dy act'(x) through y     y = act(a + b)     y (+)= s x     y = value
 * Bound by bytes: every array is read or written once, 16 bytes a thread at a time. Floor: the arrays' bytes
 * at a copy's bandwidth; tanh and the logistic function cost less than the bytes take. Outputs may be the
 * inputs themselves, so nothing is declared free of aliases. */
#include "cuda/common.cuh"

/* ---- y = act(x), y = act(a + b) ---------------------------------------------------------------------------
 */

template <class T> struct activation_map {
    static constexpr int N = PACK<T>;
    T *y;
    const T *x;
    enum activation act;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float v[n];
        load(v, x + i);
        activate(v, act);
        store(y + i, v);
    }
};

template <class T>
static void activation_forward(struct queue *q, struct tensor y, struct tensor x, enum activation act) {
    const activation_map<T> f = {data_of<T>(y), data_of<T>(x), act};
    map_run(q, f, tensor_count(y), aligned(y, x));
}

void cuda_activation_forward(struct queue *q, struct tensor y, struct tensor x, enum activation act) {
    check_like("activation_forward", y, x);
    BY_DTYPE(y.dtype, activation_forward, q, y, x, act);
}

template <class T> struct add_map {
    static constexpr int N = PACK<T>;
    T *y;
    const T *a, *b;
    enum activation act;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float v[n];
        load(v, a + i);
        load_add(v, b + i, true);
        activate(v, act);
        store(y + i, v);
    }
};

template <class T>
static void add_forward(struct queue *q, struct tensor y, struct tensor a, struct tensor b,
                        enum activation act) {
    const add_map<T> f = {data_of<T>(y), data_of<T>(a), data_of<T>(b), act};
    map_run(q, f, tensor_count(y), aligned(y, a, b));
}

void cuda_add_forward(struct queue *q, struct tensor y, struct tensor a, struct tensor b,
                      enum activation act) {
    check_like("add_forward", y, a);
    check_like("add_forward", b, a);
    BY_DTYPE(y.dtype, add_forward, q, y, a, b, act);
}

/* ---- dx (+)= dy act'(x), through y ------------------------------------------------------------------------
 */

template <class T> struct activation_backward_map {
    static constexpr int N = PACK<T>;
    T *dx;
    const T *dy, *y;
    enum activation act;
    bool add;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float g[n], value[n];
        load(g, dy + i);
        load(value, y + i);
        activate_backward(g, value, act);
        load_add(g, dx + i, add);
        store(dx + i, g);
    }
};

template <class T>
static void activation_backward(struct queue *q, struct tensor dx, struct tensor dy, struct tensor y,
                                enum activation act, bool add) {
    const activation_backward_map<T> f = {data_of<T>(dx), data_of<T>(dy), data_of<T>(y), act, add};
    map_run(q, f, tensor_count(dx), aligned(dx, dy, y));
}

void cuda_activation_backward(struct queue *q, struct tensor dx, struct tensor dy, struct tensor y,
                              enum activation act, bool add) {
    check_like("activation_backward", dx, dy);
    check_like("activation_backward", y, dy);
    BY_DTYPE(dx.dtype, activation_backward, q, dx, dy, y, act, add);
}

/* ---- y (+)= s x, between types too; y = value -------------------------------------------------------------
 */

template <class T, class From> struct scale_map {
    static constexpr int N = PACK<T> > PACK<From> ? PACK<T> : PACK<From>;
    T *y;
    const From *x;
    float s;
    bool add;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float v[n];
        load(v, x + i);
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] *= s;
        load_add(v, y + i, add);
        store(y + i, v);
    }
};

template <class T>
static void scale_to(struct queue *q, struct tensor y, struct tensor x, float s, bool add) {
    if (x.dtype == DTYPE_BF16) {
        const scale_map<T, bf16> f = {data_of<T>(y), data_of<bf16>(x), s, add};
        map_run(q, f, tensor_count(y), aligned(y, x));
    } else {
        const scale_map<T, float> f = {data_of<T>(y), data_of<float>(x), s, add};
        map_run(q, f, tensor_count(y), aligned(y, x));
    }
}

void cuda_scale(struct queue *q, struct tensor y, struct tensor x, float s, bool add) {
    check_count("scale", y, x);
    check_activation("scale", y, y);
    check_activation("scale", x, x);
    BY_DTYPE(y.dtype, scale_to, q, y, x, s, add);
}

template <class T> struct fill_map {
    static constexpr int N = PACK<T>;
    T *y;
    float value;
    __device__ bool begin() { return true; }
    template <int n> __device__ void at(size_t i) {
        float v[n];
#pragma unroll
        for (int k = 0; k < n; k++)
            v[k] = value;
        store(y + i, v);
    }
};

template <class T> static void fill_with(struct queue *q, struct tensor y, float value) {
    const fill_map<T> f = {data_of<T>(y), value};
    map_run(q, f, tensor_count(y), aligned(y));
}

void cuda_fill(struct queue *q, struct tensor y, float value) {
    check_activation("fill", y, y);
    BY_DTYPE(y.dtype, fill_with, q, y, value);
}
