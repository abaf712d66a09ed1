/* Frames of a replay (ops.def): new ones put into their slots, and stacks of them put together as a network
 * sees them. Bound by bytes: of the new frames twice; of y once, and a quarter of that of frames, if these
 * are bytes. A thread reads four neighbours of each frame of its stack, so that a warp reads 128 bytes or
 * more in a row, which is also what a bus wants where the frames are the host's; of four frames of one
 * channel it writes 64 bytes in a row. Floor: those bytes at a copy's bandwidth; frames of the host at the
 * bus's. */
#include "cuda/common.cuh"

template <class T> struct put_map {
    static constexpr int N = PACK<T>;
    T *frames;
    const T *x;
    const int32_t *slot;
    size_t frame; /* elements */

    __device__ bool begin() { return true; }

    template <int n> __device__ void at(size_t i) {
        const size_t row = i / frame, to = static_cast<size_t>(slot[row]) * frame + (i - row * frame);
        *reinterpret_cast<pack<T, n> *>(frames + to) = *reinterpret_cast<const pack<T, n> *>(x + i);
    }
};

template <class T>
static void frames_put(struct queue *q, struct tensor frames, struct tensor x, struct tensor slot,
                       size_t frame) {
    const put_map<T> f = {data_of<T>(frames), data_of<T>(x), data_of<int32_t>(slot), frame};
    map_run(q, f, tensor_count(x), frame % put_map<T>::N == 0 && aligned(frames, x));
}

void cuda_frames_put(struct queue *q, struct tensor frames, struct tensor x, struct tensor slot) {
    const size_t frame = check_frames_put(frames, x, slot);
    if (frames.dtype == DTYPE_U8)
        frames_put<uint8_t>(q, frames, x, slot, frame);
    else
        frames_put<float>(q, frames, x, slot, frame);
}

static __device__ __forceinline__ float seen(uint8_t x) {
    return static_cast<float>(x) * (1.0f / 255.0f);
}
static __device__ __forceinline__ float seen(float x) {
    return x;
}

/* Element i counts those of one frame a row; each goes with its like in the other frames. FOUR: of four
 * frames of one channel. */
template <class T, bool FOUR> struct gather_map {
    static constexpr int N = 4;
    float *y;
    const T *frames;
    const int32_t *slot;
    size_t frame; /* elements */
    unsigned stack, channels;

    __device__ bool begin() { return true; }

    /* n values of the frame in slot number k of all, from element e on. */
    template <int n> __device__ void read(float (&v)[n], size_t k, size_t e) const {
        const T *from = frames + static_cast<size_t>(slot[k]) * frame + e;
        const pack<T, n> part = *reinterpret_cast<const pack<T, n> *>(from);
#pragma unroll
        for (int j = 0; j < n; j++)
            v[j] = seen(part.value[j]);
    }

    template <int n> __device__ void at(size_t i) {
        const size_t row = i / frame;
        if (FOUR)
            four<n>(row, i - row * frame);
        else
            any<n>(row, i - row * frame);
    }

    template <int n> __device__ void four(size_t row, size_t e) {
        float v[4][n];
#pragma unroll
        for (int k = 0; k < 4; k++)
            read(v[k], row * 4 + static_cast<size_t>(k), e);
#pragma unroll
        for (int j = 0; j < n; j++) {
            const float point[4] = {v[0][j], v[1][j], v[2][j], v[3][j]};
            store(y + (row * frame + e + static_cast<size_t>(j)) * 4, point);
        }
    }

    template <int n> __device__ void any(size_t row, size_t e) {
        for (unsigned k = 0; k < stack; k++) {
            float v[n];
            size_t p = e / channels, c = e - p * channels;
            read(v, row * stack + k, e);
            float *to = y + row * frame * stack + k * channels;
            if (channels % n == 0) {
                store(to + p * stack * channels + c, v);
                continue;
            }
#pragma unroll
            for (int j = 0; j < n; j++) {
                to[p * stack * channels + c] = v[j];
                if (++c < channels) continue;
                c = 0;
                p++;
            }
        }
    }
};

template <class T>
static void frames_gather(struct queue *q, struct tensor y, struct tensor frames, struct tensor slot,
                          size_t frame) {
    const unsigned stack = static_cast<unsigned>(slot.dims[1]);
    /* One frame alone is as it lies there. */
    const unsigned channels = static_cast<unsigned>(stack == 1 ? frame : static_cast<size_t>(frames.dims[3]));
    const size_t count = static_cast<size_t>(slot.dims[0]) * frame;
    const bool vectors = frame % 4 == 0 && aligned(y, frames);
    float *to = data_of<float>(y);
    const T *from = data_of<T>(frames);
    const int32_t *places = data_of<int32_t>(slot);
    if (stack == 4 && channels == 1 && aligned(y))
        map_run(q, gather_map<T, true>{to, from, places, frame, stack, channels}, count, vectors);
    else
        map_run(q, gather_map<T, false>{to, from, places, frame, stack, channels}, count, vectors);
}

void cuda_frames_gather(struct queue *q, struct tensor y, struct tensor frames, struct tensor slot) {
    const size_t frame = check_frames_gather(y, frames, slot);
    if (frames.dtype == DTYPE_U8)
        frames_gather<uint8_t>(q, y, frames, slot, frame);
    else
        frames_gather<float>(q, y, frames, slot, frame);
}
