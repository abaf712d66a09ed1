/* Environments: the rules of src/env, a thread a lane.
 *     reset where the mask says so     step     observe
 * Bound by bytes for classic control: a lane's words are read and written once, neighbouring lanes beside
 * each other (floor: their bytes at a copy's bandwidth); MinAtar's games are bound by the branches of their
 * rules. No multiply-add is contracted in this file, so that lanes equal the host's bit for bit. */
#include "cuda/common.cuh"

#include "env/rules.h"

static dim3 lanes_grid(int n) {
    return dim3((static_cast<unsigned>(n) + BLOCK - 1) / BLOCK);
}

static __device__ __forceinline__ int lane_index() {
    return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

#define ENV(name_, observation, features, action, ...)                                                       \
    static __global__ void name_##_reset_kernel(env_rules rules, env_lanes lanes, const uint8_t *terminated, \
                                                const uint8_t *truncated) {                                  \
        const int i = lane_index();                                                                          \
        if (i >= lanes.n || (terminated != nullptr && (terminated[i] | truncated[i]) == 0)) return;          \
        const struct name_ s = name_##_reset(&rules, &lanes.rngs[i]);                                        \
        env_lane_store(&s, sizeof s, lanes.state, lanes.stride, static_cast<size_t>(i));                     \
    }                                                                                                        \
    static __global__ void name_##_step_kernel(env_rules rules, env_lanes lanes, const action *actions,      \
                                               float *rewards, uint8_t *terminated, uint8_t *truncated) {    \
        const int i = lane_index();                                                                          \
        if (i >= lanes.n) return;                                                                            \
        struct name_ s;                                                                                      \
        env_lane_load(&s, sizeof s, lanes.state, lanes.stride, static_cast<size_t>(i));                      \
        s = name_##_step(&rules, s, &lanes.rngs[i], actions[i], &rewards[i], &terminated[i], &truncated[i]); \
        env_lane_store(&s, sizeof s, lanes.state, lanes.stride, static_cast<size_t>(i));                     \
    }                                                                                                        \
    static __global__ void name_##_observe_kernel(env_rules settings, env_lanes lanes,                       \
                                                  observation *observations) {                               \
        const env_rules *rules = &settings;                                                                  \
        const int i = lane_index();                                                                          \
        if (i >= lanes.n) return;                                                                            \
        struct name_ s;                                                                                      \
        env_lane_load(&s, sizeof s, lanes.state, lanes.stride, static_cast<size_t>(i));                      \
        name_##_observe(rules, s, observations + static_cast<size_t>(i) * static_cast<size_t>(features));    \
    }                                                                                                        \
    static void name_##_reset_lanes(struct queue *q, const env_rules *rules, env_lanes lanes,                \
                                    const uint8_t *terminated, const uint8_t *truncated) {                   \
        LAUNCH(q, name_##_reset_kernel, lanes_grid(lanes.n), dim3(BLOCK), 0, *rules, lanes, terminated,      \
               truncated);                                                                                   \
    }                                                                                                        \
    static void name_##_step_lanes(struct queue *q, const env_rules *rules, env_lanes lanes,                 \
                                   const void *actions, float *rewards, uint8_t *terminated,                 \
                                   uint8_t *truncated) {                                                     \
        LAUNCH(q, name_##_step_kernel, lanes_grid(lanes.n), dim3(BLOCK), 0, *rules, lanes,                   \
               static_cast<const action *>(actions), rewards, terminated, truncated);                        \
    }                                                                                                        \
    static void name_##_observe_lanes(struct queue *q, const env_rules *rules, env_lanes lanes,              \
                                      void *observations) {                                                  \
        LAUNCH(q, name_##_observe_kernel, lanes_grid(lanes.n), dim3(BLOCK), 0, *rules, lanes,                \
               static_cast<observation *>(observations));                                                    \
    }
#include "env/envs.def"
#undef ENV

const struct env_kernels cuda_env_kernels[] = {
#define ENV(name, ...) {name##_reset_lanes, name##_step_lanes, name##_observe_lanes},
#include "env/envs.def"
#undef ENV
};
