/* tengen bench env: steps a second of environments alone, with observations and resets: a batch a thread, or
 * all lanes on a GPU, or one batch in worker processes. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "env/atari_screen.h"
#include "env/native.h"
#include "env/workers.h"
#include "tengen/device.h"
#include "tengen/env_kernels.h"
#include "tengen/mem.h"
#include "tengen/thread.h"

enum { ACTION_SETS = 16 /* drawn before, taken in turn */, STEPS = 64 /* between two looks at the clock */ };

struct env_bench {
    struct env_config config;
    bool outside; /* in worker processes: threads of ours have nothing to do */
    double seconds;
    double preprocess; /* seconds of an observation of Atari; 0: not Atari */
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
                             const struct env_bench *e, double *rate) {
    const int between = e->outside ? 1 : STEPS;
    int64_t t = 0;
    TRY(env_batch_reset(b));
    env_batch_observe(b, observations);
    double start = clock_now(), spent;
    do {
        for (int i = 0; i < between; i++, t++) {
            TRY(env_batch_step(b, actions + (size_t)(t % ACTION_SETS) * stride));
            TRY(env_batch_reset_done(b));
            env_batch_observe(b, observations);
        }
        spent = clock_now() - start;
    } while (spent < e->seconds);
    *rate = (double)t * b->count / spent;
    return STATUS_OK;
}

/* Seconds from two screens, as the workers have left them, to an observation: the best of windows. */
static double time_preprocessing(const struct env_batch *b) {
    enum { WINDOWS = 100 };
    const struct workers *w = b->self; /* first in it */
    static struct screen screen;
    static uint8_t picture[SCREEN_PIXELS], stack[4 * SCREEN_PIXELS];
    double best = INFINITY;
    screen_init(&screen, w->spec.h, w->spec.grey ? SCREEN_GREY : SCREEN_COLOUR);
    for (int k = 0; k < WINDOWS; k++) {
        double start = clock_thread_cpu();
        for (int i = 0; i < b->count; i++) {
            const uint8_t *screens = workers_slot(w, i)->observation;
            screen_shrink(picture, screens, screens + w->spec.h * SCREEN_WIDTH, &screen);
            screen_push(stack, picture);
        }
        best = fmin(best, (clock_thread_cpu() - start) / b->count);
    }
    return best;
}

static enum status time_batch(struct env_bench *e, int thread, double *rate) {
    struct env_batch b;
    TRY(env_batch_open(&b, &e->config, e->config.count, 1, RNG_ENV,
                       (uint64_t)thread * (uint64_t)e->config.count));
    size_t n = (size_t)b.count, stride = n * (size_t)b.spec.components;
    /* Both kinds of actions have four bytes a number. */
    float *actions = MEM_NEW(float, ACTION_SETS *stride);
    void *observations = mem_alloc(n * (size_t)env_spec_features(&b.spec), b.spec.pixels ? 1 : sizeof(float));
    struct rng rng = rng_make(1, RNG_TEST, (uint64_t)thread);
    draw_actions(&b.spec, actions, ACTION_SETS * stride, &rng);
    enum status status = run_steps(&b, actions, stride, observations, e, rate);
    if (status == STATUS_OK && b.provider == &env_provider_atari) e->preprocess = time_preprocessing(&b);
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

/* A name as figures have it: "atari_pong" of atari:pong. */
static const char *figure_name(const struct env_bench *e, char name[ENV_NAME]) {
    snprintf(name, ENV_NAME, "%s", e->config.name);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c)) *c = '_';
    return name;
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
    if (status != STATUS_OK) return status;
    char name[ENV_NAME];
    report_value(report, rate, "steps/s", "env.%s.steps", figure_name(e, name));
    if (e->preprocess > 0) report_value(report, e->preprocess * 1e6, "us", "env.%s.preprocess", name);
    return STATUS_OK;
}

/* ---- on a GPU -------------------------------------------------------------------------------------------
 */

/* Device memory of a batch of our own environments. */
struct device_batch {
    struct env_lanes lanes;
    char *actions; /* [ACTION_SETS, n] words */
    float *rewards;
    uint8_t *terminated, *truncated;
    void *observations;
};

static void device_batch_open(struct device_batch *d, struct queue *q, const struct env_batch *b,
                              const float *actions) {
    const struct env_native_batch *native = b->self;
    size_t n = (size_t)b->count, words = ACTION_SETS * n;
    d->lanes.state = device_alloc(q->device, native->stride * native->kind->state_bytes);
    d->lanes.stride = native->stride;
    d->lanes.rngs = device_alloc(q->device, n * sizeof(struct rng));
    d->lanes.n = b->count;
    d->actions = device_alloc(q->device, words * sizeof(float));
    d->rewards = device_alloc(q->device, n * sizeof(float));
    d->terminated = device_alloc(q->device, n);
    d->truncated = device_alloc(q->device, n);
    d->observations = device_alloc(q->device, n * (size_t)env_spec_features(&b->spec) *
                                                  (b->spec.pixels ? 1 : sizeof(float)));
    queue_upload(q, tensor_1(d->lanes.rngs, DTYPE_U8, (int)(n * sizeof(struct rng))), native->rngs);
    queue_upload(q, tensor_1(d->actions, DTYPE_F32, (int)words), actions);
}

static void device_batch_close(struct device_batch *d, struct device *device) {
    void *arrays[] = {d->lanes.state, d->lanes.rngs, d->actions,     d->rewards,
                      d->terminated,  d->truncated,  d->observations};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        device_release(device, arrays[i]);
}

static enum status run_device_steps(struct device_batch *d, struct queue *q, const struct env_kernels *k,
                                    const struct env_rules *rules, double seconds, double *rate) {
    size_t set = (size_t)d->lanes.n * sizeof(float);
    int64_t steps = 0;
    k->reset(q, rules, d->lanes, NULL, NULL);
    TRY(queue_wait(q));
    double start = clock_now(), spent;
    do {
        for (int t = 0; t < STEPS; t++) {
            k->step(q, rules, d->lanes, d->actions + (size_t)(t % ACTION_SETS) * set, d->rewards,
                    d->terminated, d->truncated);
            k->reset(q, rules, d->lanes, d->terminated, d->truncated);
            k->observe(q, rules, d->lanes, d->observations);
        }
        TRY(queue_wait(q));
        steps += (int64_t)STEPS * d->lanes.n;
        spent = clock_now() - start;
    } while (spent < seconds);
    *rate = (double)steps / spent;
    return STATUS_OK;
}

static enum status time_on_device(const struct report *report, const struct env_bench *e,
                                  struct device *device) {
    struct env_batch b;
    struct queue *q;
    struct device_batch d = {0};
    double rate;
    int kind = env_native_find(e->config.name);
    TRY(env_batch_open(&b, &e->config, e->config.count, 1, RNG_ENV, 0));
    const struct env_kernels *kernels = device->backend->env_kernels;
    enum status status = STATUS_OK;
    if (kind < 0 || !kernels)
        status = status_fail(STATUS_USAGE, "%s: has no kernels for %s", e->config.name, device->name);
    if (status == STATUS_OK) status = queue_open(device, 0, &q);
    if (status == STATUS_OK) {
        const struct env_native_batch *native = b.self;
        size_t words = ACTION_SETS * (size_t)b.count;
        float *actions = MEM_NEW(float, words);
        struct rng rng = rng_make(1, RNG_TEST, 0);
        draw_actions(&b.spec, actions, words, &rng);
        device_batch_open(&d, q, &b, actions);
        status = run_device_steps(&d, q, &kernels[kind], &native->rules, e->seconds, &rate);
        if (status == STATUS_OK) report_value(report, rate, "steps/s", "env.%s.device_steps", e->config.name);
        device_batch_close(&d, device);
        queue_close(q);
        mem_free(actions);
    }
    env_batch_close(&b);
    return status;
}

/* ---- the command -----------------------------------------------------------------------------------------
 */

static enum status time_all(const struct report *report, struct env_bench *e, const char *name,
                            struct pool *pool, struct device *device) {
    for (int i = 0; i < (name ? 1 : env_native_count()); i++) {
        snprintf(e->config.name, sizeof e->config.name, "%s", name ? name : env_native_spec(i).name);
        TRY(device ? time_on_device(report, e, device) : time_environment(report, e, pool));
    }
    return STATUS_OK;
}

/* NAME and settings "env.key=value", in any order. */
static enum status read_words(struct options *o, struct env_bench *e, const char **name) {
    struct config *c = config_create();
    enum status status = STATUS_OK;
    const char *word;
    config_bind(c, "env", env_config_keys, &e->config, "the environment");
    e->config.count = 0; /* not said */
    while (status == STATUS_OK && (word = option_word(o))) {
        if (strchr(word, '='))
            status = config_override(c, word);
        else if (*name)
            status =
                status_fail(STATUS_USAGE, "two environments, %s and %s; time one at a time", *name, word);
        else
            *name = word;
    }
    config_free(c);
    e->outside = *name && strchr(*name, ':');
    return status;
}

static enum status bench_env_run(const struct report *report, int argc, char **argv) {
    struct options o;
    struct env_bench e = {.seconds = 1};
    long threads = 0;
    const char *name = NULL;
    options_init(&o, argc, argv);
    const char *spec = option_text(&o, "device", "cpu");
    bool gpu = strcmp(spec, "cpu") != 0;
    TRY(option_long(&o, "threads", &threads, 0, 4096));
    TRY(option_double(&o, "seconds", &e.seconds, 0, 36000));
    TRY(option_done(&o));
    TRY(read_words(&o, &e, &name));
    if (!e.config.count) e.config.count = e.outside ? 16 : gpu ? 65536 : 2048;
    struct device *device = NULL;
    if (gpu) TRY(device_open(spec, 1, &device));
    struct pool *pool = pool_create(e.outside ? 1 : (int)threads);
    if (gpu)
        report_note(report, "%d environments on %s, random actions", e.config.count, device->name);
    else if (e.outside)
        report_note(report, "%d environments in worker processes, random actions", e.config.count);
    else
        report_note(report, "%d environments in each of %d threads, random actions", e.config.count,
                    pool_threads(pool));
    enum status status = time_all(report, &e, name, pool, device);
    pool_free(pool);
    if (device) device_close(device);
    return status;
}

const struct bench bench_env = {
    .name = "env",
    .summary = "steps a second of environments alone, observations and resets included",
    .help =
        "  tengen bench env [NAME] [env.key=value ...] [--threads T] [--seconds 1] [--device cpu|cuda]\n"
        "  Each thread steps a batch of env.count (2048) environments by random actions drawn before, "
        "resets\n"
        "  what has ended and observes. Without a name: all of our own, one after the other. On a GPU one\n"
        "  batch (of 65536) lives in its memory, and kernels do the same. gym:ID and atari:GAME are one "
        "batch\n"
        "  (of 16) in env.workers processes; of Atari, also how long an observation takes from screens to "
        "stack.\n",
    .run = bench_env_run,
};
