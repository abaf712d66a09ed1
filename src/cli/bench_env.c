/* tengen bench env: steps a second of environments alone, with observations and resets: a batch a thread, or
 * one that lives in a device's memory, or one in worker processes. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "env/atari_screen.h"
#include "env/native.h"
#include "env/workers.h"
#include "tengen/device.h"
#include "tengen/env_resident.h"
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

/* ---- in a device's memory --------------------------------------------------------------------------------
 */

static enum status run_device_steps(struct env_resident *e, struct env_step *s, struct tensor actions,
                                    double seconds, double *rate) {
    struct queue *q = e->queue;
    int64_t steps = 0;
    env_resident_push(e);
    TRY(queue_wait(q));
    double start = clock_now(), spent;
    do {
        env_resident_begin(e);
        for (int t = 0; t < STEPS; t++) {
            s->actions = (float *)actions.data + (size_t)(t % ACTION_SETS) * (size_t)actions.dims[1];
            env_resident_step(e, s);
        }
        TRY(queue_wait(q));
        steps += (int64_t)STEPS * e->lanes.n;
        spent = clock_now() - start;
    } while (spent < seconds);
    *rate = (double)steps / spent;
    return STATUS_OK;
}

/* Gives a resident batch its actions and columns, and times it. */
static enum status time_resident(struct env_resident *e, double seconds, double *rate) {
    const struct env_spec *spec = &e->batch->spec;
    struct device *d = e->queue->device;
    const int n = e->lanes.n;
    struct tensor actions = device_tensor(d, DTYPE_F32, ACTION_SETS, n), seen = env_observations(spec, d, n),
                  floats = device_tensor(d, DTYPE_F32, 2, n), ints = device_tensor(d, DTYPE_I32, 2, n),
                  bytes = device_tensor(d, DTYPE_U8, 2, n);
    struct env_step step = {
        .rewards = floats.data,
        .returns = (float *)floats.data + n,
        .lengths = ints.data,
        .final_slots = (int32_t *)ints.data + n,
        .terminated = bytes.data,
        .truncated = (uint8_t *)bytes.data + n,
        .observations = seen.data,
    };
    struct rng rng = rng_make(1, RNG_TEST, 0);
    float *drawn = MEM_NEW(float, tensor_count(actions));
    draw_actions(spec, drawn, tensor_count(actions), &rng);
    queue_upload(e->queue, actions, drawn);
    mem_free(drawn);
    enum status status = run_device_steps(e, &step, actions, seconds, rate);
    struct tensor all[] = {actions, seen, floats, ints, bytes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        device_release(d, all[i].data);
    return status;
}

static enum status time_on_device(const struct report *report, const struct env_bench *e,
                                  struct device *device) {
    struct env_batch b;
    struct queue *q;
    struct env_resident resident = {0};
    double rate = 0;
    TRY(env_batch_open(&b, &e->config, e->config.count, 1, RNG_ENV, 0));
    enum status status = env_batch_reset(&b);
    if (status == STATUS_OK) status = queue_open(device, 0, &q);
    if (status == STATUS_OK) {
        status = env_resident_open(&resident, &b, q, STEPS, true);
        if (status == STATUS_OK) status = time_resident(&resident, e->seconds, &rate);
        if (status == STATUS_OK) report_value(report, rate, "steps/s", "env.%s.device_steps", e->config.name);
        env_resident_close(&resident);
        queue_close(q);
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

/* NAME (or env.name=NAME) and settings "env.key=value", in any order. */
static enum status read_words(struct options *o, struct env_bench *e, const char **name) {
    static const char key[] = "env.name=";
    struct config *c = config_create();
    enum status status = STATUS_OK;
    const char *word;
    config_bind(c, "env", env_config_keys, &e->config, "the environment");
    e->config.count = 0; /* not said */
    while (status == STATUS_OK && (word = option_word(o))) {
        const bool named = strncmp(word, key, strlen(key)) == 0;
        if (named) word += strlen(key);
        if (!named && strchr(word, '='))
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
    const char *spec = option_text(&o, "device", NULL);
    TRY(option_long(&o, "threads", &threads, 0, 4096));
    TRY(option_double(&o, "seconds", &e.seconds, 0, 36000));
    TRY(option_done(&o));
    TRY(read_words(&o, &e, &name));
    if (!e.config.count) e.config.count = e.outside ? 16 : spec ? 65536 : 2048;
    struct device *device = NULL;
    if (spec) TRY(device_open(spec, (int)threads, &device));
    struct pool *pool = pool_create(e.outside ? 1 : (int)threads);
    if (device)
        report_note(report, "%d environments in the memory of %s, random actions", e.config.count,
                    device->name);
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
        "  tengen bench env [NAME | env.name=NAME] [env.key=value ...] [--threads T] [--seconds 1] [--device "
        "cpu|cuda]\n"
        "  Each thread steps a batch of env.count (2048) environments by random actions drawn before, "
        "resets\n"
        "  what has ended and observes. Without a name: all of our own, one after the other. With --device "
        "one\n"
        "  batch (of 65536) that lives in the device's memory is stepped there. gym:ID and atari:GAME are "
        "one\n"
        "  batch (of 16) in env.workers processes; of Atari, also how long an observation takes from screens "
        "to\n"
        "  stack.\n",
    .run = bench_env_run,
};
