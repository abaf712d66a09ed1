/* One lane of a batch, whichever device steps it: its place in memory, and the account of its episode. */
#ifndef ENV_LANE_H
#define ENV_LANE_H

#include <stdbool.h>
#include <string.h>

#include "tengen/env_kernels.h"

/* An environment's state is a struct of words of four bytes. In a batch of n it is an array a word, [words,
 * n], so that neighbouring lanes fill a vector. Lane i into or out of the struct: */
HD static inline void env_lane_load(void *lane, size_t bytes, const void *state, size_t stride, size_t i) {
    for (size_t word = 0; word < bytes / 4; word++)
        memcpy((char *)lane + 4 * word, (const char *)state + 4 * (word * stride + i), 4);
}

HD static inline void env_lane_store(const void *lane, size_t bytes, void *state, size_t stride, size_t i) {
    for (size_t word = 0; word < bytes / 4; word++)
        memcpy((char *)state + 4 * (word * stride + i), (const char *)lane + 4 * word, 4);
}

/* Lane i got this reward, and its episode ended with it or goes on: account and columns are brought up to
 * date. */
HD static inline void env_lane_account(struct env_lanes lanes, struct env_step step, size_t i, float reward,
                                       bool ended) {
    float sum = lanes.returns[i] + reward;
    int32_t length = lanes.lengths[i] + 1;
    step.returns[i] = ended ? sum : 0.0f;
    step.lengths[i] = ended ? length : 0;
    lanes.returns[i] = ended ? 0.0f : sum;
    lanes.lengths[i] = ended ? 0 : length;
}

/* The row of finals for lane i's next one. */
HD static inline int32_t env_lane_final(struct env_lanes lanes, size_t i) {
    return lanes.finals_used[i]++ * lanes.n + (int32_t)i;
}

#endif
