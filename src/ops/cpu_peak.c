/* Peak rates of one core: see ops/peak.h. */
#include "ops/peak.h"

#include "tengen/thread.h"

typedef float lanes __attribute__((vector_size(64)));

enum { CHAINS = 12 };

/* `rounds` rounds of CHAINS independent multiply-adds of 16 lanes. */
static float multiply_adds(int rounds) {
    lanes sum[CHAINS], factor = {0}, sum_all = {0};
    factor += 0.999f;
    for (int i = 0; i < CHAINS; i++)
        sum[i] = factor + (float)i;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = sum[i] * factor + factor;
            __asm__ volatile("" : "+v"(sum[i])); /* neither folded nor kept in memory */
        }
    for (int i = 0; i < CHAINS; i++)
        sum_all += sum[i];
    return sum_all[0];
}

static double peak_f32(void) {
    enum { ROUNDS = 100000 };
    double best = 0.0;
    for (int i = 0; i < 20; i++) {
        double start = clock_now();
        volatile float keep = multiply_adds(ROUNDS);
        (void)keep;
        double rate = 2.0 * 16 * CHAINS * ROUNDS / (clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

double cpu_peak_flops(enum dtype dtype) {
    return dtype == DTYPE_F32 ? peak_f32() : 0.0;
}
