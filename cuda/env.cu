/* Environments: the rules of src/env, a thread a lane.
 *     observe     step: the rules, the account, a last observation that is kept, a new episode, what is seen
 * Bound by bytes for classic control: a lane's words are read and written once a step, neighbouring lanes
 * beside each other (floor: their bytes at a copy's bandwidth); MinAtar's games are bound by the branches of
 * their rules. No multiply-add is contracted in this file, so that lanes equal the host's bit for bit. */
#include "cuda/common.cuh"

#include "env/lane.h"
#include "env/rules.h"

/* What a step says of lane i, written out. */
static __device__ __forceinline__ void put_ends(env_step step, size_t i, float reward, uint8_t terminated,
                                                uint8_t truncated, int32_t final_slot) {
    step.rewards[i] = reward;
    step.terminated[i] = terminated;
    step.truncated[i] = truncated;
    step.final_slots[i] = final_slot;
}

static dim3 lanes_grid(int n) {
    return dim3((static_cast<unsigned>(n) + BLOCK - 1) / BLOCK);
}

static __device__ __forceinline__ int lane_index() {
    return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

#define ENV(name_, observation, features, action, ...)                                                       \
    static __global__ void name_##_observe_kernel(env_rules settings, env_lanes lanes,                       \
                                                  observation *observations) {                               \
        const env_rules *rules = &settings;                                                                  \
        const int i = lane_index();                                                                          \
        if (i >= lanes.n) return;                                                                            \
        struct name_ s;                                                                                      \
        env_lane_load(&s, sizeof s, lanes.state, lanes.stride, static_cast<size_t>(i));                      \
        name_##_observe(rules, s, observations + static_cast<size_t>(i) * static_cast<size_t>(features));    \
    }                                                                                                        \
    static __global__ void name_##_step_kernel(env_rules settings, env_lanes lanes, env_step step) {         \
        const env_rules *rules = &settings;                                                                  \
        if (lane_index() >= lanes.n) return;                                                                 \
        const size_t i = static_cast<size_t>(lane_index()), width = static_cast<size_t>(features);           \
        struct name_ s;                                                                                      \
        float reward;                                                                                        \
        uint8_t terminated, truncated;                                                                       \
        int32_t slot = -1;                                                                                   \
        env_lane_load(&s, sizeof s, lanes.state, lanes.stride, i);                                           \
        s = name_##_step(rules, s, &lanes.rngs[i], static_cast<const action *>(step.actions)[i], &reward,    \
                         &terminated, &truncated);                                                           \
        if (truncated && !terminated && lanes.finals != nullptr) {                                           \
            slot = env_lane_final(lanes, i);                                                                 \
            name_##_observe(rules, s,                                                                        \
                            static_cast<observation *>(lanes.finals) + static_cast<size_t>(slot) * width);   \
        }                                                                                                    \
        put_ends(step, i, reward, terminated, truncated, slot);                                              \
        env_lane_account(lanes, step, i, reward, terminated || truncated);                                   \
        if (terminated || truncated) s = name_##_reset(rules, &lanes.rngs[i]);                               \
        name_##_observe(rules, s, static_cast<observation *>(step.observations) + i * width);                \
        env_lane_store(&s, sizeof s, lanes.state, lanes.stride, i);                                          \
    }                                                                                                        \
    static void name_##_observe_lanes(struct queue *q, const env_rules *rules, env_lanes lanes,              \
                                      void *observations) {                                                  \
        LAUNCH(q, name_##_observe_kernel, lanes_grid(lanes.n), dim3(BLOCK), 0, *rules, lanes,                \
               static_cast<observation *>(observations));                                                    \
    }                                                                                                        \
    static void name_##_step_lanes(struct queue *q, const env_rules *rules, env_lanes lanes,                 \
                                   env_step step) {                                                          \
        LAUNCH(q, name_##_step_kernel, lanes_grid(lanes.n), dim3(BLOCK), 0, *rules, lanes, step);            \
    }
#include "env/envs.def"
#undef ENV

const struct env_kernels cuda_env_kernels[] = {
#define ENV(name, ...) {name##_observe_lanes, name##_step_lanes},
#include "env/envs.def"
#undef ENV
};
