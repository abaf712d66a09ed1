/* tengen bench env: steps a second of environments alone, with observations and resets, a batch a thread. */
#include <string.h>

#include "cli/cli.h"
#include "tengen/env.h"
#include "tengen/mem.h"
#include "tengen/thread.h"

enum { ACTION_SETS = 16 /* drawn before, taken in turn */, STEPS = 64 /* between two looks at the clock */ };

struct env_bench {
    struct env_config config;
    double seconds;
    struct env_thread *threads;
};

/* What one thread times. */
struct env_thread {
    enum status status;
    char why[1024];
    double rate; /* steps a second */
};

static void draw_actions(const struct env_spec *spec, void *actions, size_t count, struct rng *rng) {
    for (size_t i = 0; i < count; i++) {
        int c = (int)(i % (size_t)spec->components);
        if (spec->kind == ENV_CONTINUOUS)
            ((float *)actions)[i] = spec->low[c] + (spec->high[c] - spec->low[c]) * rng_uniform(rng);
        else
            ((int32_t *)actions)[i] = (int32_t)rng_below(rng, (uint32_t)spec->choices[c]);
    }
}

static enum status run_steps(struct env_batch *b, const float *actions, size_t stride, void *observations,
                             double seconds, double *rate) {
    int64_t steps = 0;
    TRY(env_batch_reset(b));
    env_batch_observe(b, observations);
    double start = clock_now(), spent;
    do {
        for (int t = 0; t < STEPS; t++) {
            TRY(env_batch_step(b, actions + (size_t)(t % ACTION_SETS) * stride));
            TRY(env_batch_reset_done(b));
            env_batch_observe(b, observations);
        }
        steps += (int64_t)STEPS * b->count;
        spent = clock_now() - start;
    } while (spent < seconds);
    *rate = (double)steps / spent;
    return STATUS_OK;
}

static enum status time_batch(const struct env_bench *e, int thread, double *rate) {
    struct env_batch b;
    TRY(env_batch_open(&b, &e->config, e->config.count, 1, RNG_ENV,
                       (uint64_t)thread * (uint64_t)e->config.count));
    size_t n = (size_t)b.count, stride = n * (size_t)b.spec.components;
    /* Both kinds of actions have four bytes a number. */
    float *actions = MEM_NEW(float, ACTION_SETS *stride);
    void *observations = mem_alloc(n * (size_t)env_spec_features(&b.spec), b.spec.pixels ? 1 : sizeof(float));
    struct rng rng = rng_make(1, RNG_TEST, (uint64_t)thread);
    draw_actions(&b.spec, actions, ACTION_SETS * stride, &rng);
    enum status status = run_steps(&b, actions, stride, observations, e->seconds, rate);
    mem_free(actions);
    mem_free(observations);
    env_batch_close(&b);
    return status;
}

static void time_thread(void *context, int i) {
    struct env_bench *e = context;
    struct env_thread *t = &e->threads[i];
    t->status = time_batch(e, i, &t->rate);
    if (t->status != STATUS_OK) snprintf(t->why, sizeof t->why, "%s", status_text());
}

static enum status time_environment(const struct report *report, struct env_bench *e, struct pool *pool) {
    int threads = pool_threads(pool);
    double rate = 0;
    enum status status = STATUS_OK;
    e->threads = MEM_NEW(struct env_thread, threads);
    pool_run(pool, threads, time_thread, e);
    for (int i = 0; i < threads; i++) {
        if (e->threads[i].status != STATUS_OK)
            status = status_fail(e->threads[i].status, "%s", e->threads[i].why);
        rate += e->threads[i].rate;
    }
    mem_free(e->threads);
    if (status == STATUS_OK) report_value(report, rate, "steps/s", "env.%s.steps", e->config.name);
    return status;
}

static enum status bench_env_run(const struct report *report, int argc, char **argv) {
    struct options o;
    struct env_bench e = {.seconds = 1};
    long count = 2048, threads = 0;
    options_init(&o, argc, argv);
    config_defaults(env_config_keys, &e.config);
    TRY(option_long(&o, "count", &count, 1, 1000000));
    TRY(option_long(&o, "threads", &threads, 0, 4096));
    TRY(option_double(&o, "seconds", &e.seconds, 0, 36000));
    TRY(option_done(&o));
    e.config.count = (int)count;
    const char *name = option_word(&o), *more = name ? option_word(&o) : NULL;
    if (more) return status_fail(STATUS_USAGE, "two environments, %s and %s; time one at a time", name, more);
    struct pool *pool = pool_create((int)threads);
    enum status status = STATUS_OK;
    report_note(report, "%ld environments in each of %d threads, random actions", count, pool_threads(pool));
    for (int i = 0; i < (name ? 1 : env_native_count()) && status == STATUS_OK; i++) {
        snprintf(e.config.name, sizeof e.config.name, "%s", name ? name : env_native_spec(i).name);
        status = time_environment(report, &e, pool);
    }
    pool_free(pool);
    return status;
}

const struct bench bench_env = {
    .name = "env",
    .summary = "steps a second of environments alone, observations and resets included",
    .help = "  tengen bench env [NAME] [--count 2048] [--threads T] [--seconds 1]\n"
            "  Each thread steps a batch of --count environments by random actions drawn before, resets what "
            "has\n"
            "  ended and observes. Without a name: all of our own, one after the other.\n",
    .run = bench_env_run,
};
