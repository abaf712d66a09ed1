/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). The same bits on every device. A stream is keyed by (seed, purpose, index), where index is the
 * global index of the environment or game, never a rank or a thread: a run can be split over threads, or
 * taken up again from its counter, without changing what it draws. A `struct rng` is 32 plain bytes and is
 * saved as is.
 */
#ifndef TENGEN_RNG_H
#define TENGEN_RNG_H

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define HD __host__ __device__
#else
#define HD
#endif

/* What a stream is for. Values are part of checkpoints: append, never renumber. */
enum rng_purpose {
    RNG_INIT = 1,     /* initial weights; index: parameter segment */
    RNG_ENV = 2,      /* environment dynamics and resets; index: environment */
    RNG_ACTION = 3,   /* sampling actions from a policy; index: environment */
    RNG_SEARCH = 4,   /* search: noise, temperature, symmetry; index: game */
    RNG_GAME = 5,     /* per-game decisions of self-play; index: game */
    RNG_SAMPLE = 6,   /* minibatch sampling; index: 0 */
    RNG_SHUFFLE = 7,  /* epoch shuffles */
    RNG_EVAL = 8,     /* evaluation episodes and matches; index: episode or game */
    RNG_OPENING = 9,  /* match openings; index: opening */
    RNG_PLAYOUT = 10, /* random playouts; index: playout */
    RNG_NOISE = 11,   /* noisy layers; index: 0 */
    RNG_TEST = 99,
};

struct rng {
    uint64_t seed;    /* key, with purpose */
    uint64_t index;   /* which environment, game, ... */
    uint64_t counter; /* 32-bit words drawn so far */
    uint32_t purpose;
    uint32_t unused;
};

/* Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key. */
HD static inline void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

HD static inline struct rng rng_make(uint64_t seed, uint32_t purpose, uint64_t index) {
    struct rng r = {seed, index, 0, purpose, 0};
    return r;
}

/* The block of four words that the counter stands in. */
HD static inline void rng_block(const struct rng *r, uint32_t out[4]) {
    uint64_t block = r->counter >> 2;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32) ^ r->purpose * 0x85EBCA6Bu,
                           (uint32_t)r->index, (uint32_t)(r->index >> 32)};
    uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    rng_philox(counter, key, out);
}

/* The next 32 bits. Words are taken from blocks of four; recomputing a block is cheaper than keeping it. */
HD static inline uint32_t rng_u32(struct rng *r) {
    uint32_t out[4];
    rng_block(r, out);
    return out[r->counter++ & 3];
}

HD static inline uint64_t rng_u64(struct rng *r) {
    uint64_t high = rng_u32(r);
    return high << 32 | rng_u32(r);
}

/* The next four words, as four calls would draw them; from one block where the counter allows it. */
HD static inline void rng_u32x4(struct rng *r, uint32_t out[4]) {
    if (r->counter & 3) {
        for (int i = 0; i < 4; i++)
            out[i] = rng_u32(r);
        return;
    }
    rng_block(r, out);
    r->counter += 4;
}

/* Uniform in [0, n), n > 0, without division bias worth speaking of (Lemire's multiply, 64 bits). */
HD static inline uint32_t rng_below(struct rng *r, uint32_t n) {
    return (uint32_t)(((uint64_t)rng_u32(r) * n) >> 32);
}

/* A word as a number in [0, 1) with 24 bits. */
HD static inline float rng_unit(uint32_t word) {
    return (float)(word >> 8) * (1.0f / 16777216.0f);
}

/* Uniform in [0, 1). */
HD static inline float rng_uniform(struct rng *r) {
    return rng_unit(rng_u32(r));
}

/* Standard normal (Box-Muller, the cosine half). */
HD static inline float rng_normal(struct rng *r) {
    float u = (float)((rng_u32(r) >> 8) + 1) * (1.0f / 16777216.0f);
    float v = rng_uniform(r);
    return sqrtf(-2.0f * logf(u)) * cosf(6.28318530717958648f * v);
}

/* Gamma(alpha, 1), alpha > 0 (Marsaglia and Tsang, 2000; boosted for alpha < 1). */
HD static inline float rng_gamma(struct rng *r, float alpha) {
    float boost = 1.0f;
    if (alpha < 1.0f) {
        float u = (float)((rng_u32(r) >> 8) + 1) * (1.0f / 16777216.0f);
        boost = powf(u, 1.0f / alpha);
        alpha += 1.0f;
    }
    float d = alpha - 1.0f / 3.0f, c = 1.0f / sqrtf(9.0f * d);
    for (;;) {
        float x = rng_normal(r), v = 1.0f + c * x;
        if (v <= 0.0f) continue;
        v = v * v * v;
        float u = (float)((rng_u32(r) >> 8) + 1) * (1.0f / 16777216.0f);
        if (logf(u) < 0.5f * x * x + d - d * v + d * logf(v)) return boost * d * v;
    }
}

#endif
