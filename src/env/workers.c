#include "env/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/thread.h"
#include "worker_source.h" /* worker_source: the text of src/env/worker.py, made by CMake */

enum { DESCRIPTOR = 3, RESTARTS_IN_A_ROW = 3 };

/* What a worker has come to, as in worker.py. */
enum {
    STARTING,
    UP /* the spec has been written, and commands are waited for */,
    REFUSED /* what is configured */
};

static const double LOOK = 0.1; /* seconds between looks at whether workers live */

/* Shared, a worker; only it writes behind `request`. */
struct area {
    sem_t request;
    _Alignas(64) _Atomic int32_t state; /* STARTING, ... */
    char error[WORKER_ERROR];           /* why it ends; empty: it has not said */
    struct worker_spec spec;
};

struct shared {
    sem_t ready; /* posted for each command done, and once by each worker that is up */
    _Alignas(64) struct area areas[];
};

_Static_assert(sizeof(sem_t) <= 64, "worker.py expects the state behind the semaphore");
_Static_assert(offsetof(struct area, state) == 4 * 16 && offsetof(struct area, spec) == 4 * 273,
               "as worker.py has it");
_Static_assert(sizeof(struct worker_spec) == 4 * 60, "as worker.py has it");
_Static_assert(offsetof(struct worker_slot, actions) == 4 * 8 &&
                   offsetof(struct worker_slot, observation) == 128,
               "as worker.py has it");

/* Ours, a worker. */
struct worker {
    struct child child;
    int first, envs;
    bool called;   /* has commands that it was not told of */
    double active; /* when it was last called, or last had done something */
    int fruitless; /* restarts since all of its environments had last finished a step */
};

static struct shared *shared(const struct workers *w) {
    return (struct shared *)w->memory;
}

static size_t slots_at(const struct workers *w) {
    return sizeof(struct shared) + (size_t)w->count * sizeof(struct area);
}

struct worker_slot *workers_slot(const struct workers *w, int env) {
    ENSURE(env >= 0 && env < w->envs, "environment %d of %d", env, w->envs);
    return (struct worker_slot *)(w->memory + slots_at(w) + (size_t)env * w->slot_bytes);
}

/* ---- memory ---------------------------------------------------------------------------------------------
 */

/* Makes the shared memory so long and maps it. What it held stays. */
static enum status map_memory(struct workers *w, size_t bytes) {
    if (w->memory) munmap(w->memory, w->memory_bytes);
    w->memory = NULL;
    int error =
        posix_fallocate(w->descriptor, 0, (off_t)bytes); /* rather now than by SIGBUS when it is touched */
    void *memory =
        error ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, w->descriptor, 0);
    if (memory == MAP_FAILED)
        return status_fail(STATUS_MEMORY,
                           "%zu bytes of shared memory for %d environments of %s: %s; fewer "
                           "environments (env.count), or a larger /dev/shm",
                           bytes, w->envs, w->name, strerror(error ? error : errno));
    w->memory = memory;
    w->memory_bytes = bytes;
    return STATUS_OK;
}

/* Memory without a name, so that none stays behind however this process ends. */
static enum status make_memory(struct workers *w) {
    char name[64];
    snprintf(name, sizeof name, "/tengen-%ld-%p", (long)getpid(), (void *)w);
    w->descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (w->descriptor < 0) return status_fail(STATUS_IO, "shared memory %s: %s", name, strerror(errno));
    shm_unlink(name);
    TRY(map_memory(w, slots_at(w)));
    sem_init(&shared(w)->ready, 1, 0);
    return STATUS_OK;
}

/* ---- starting -------------------------------------------------------------------------------------------
 */

static void describe(const struct workers *w, const struct worker *worker, char text[160]) {
    snprintf(text, 160, "worker %d (environments %d to %d of %s)", (int)(worker - w->workers), worker->first,
             worker->first + worker->envs - 1, w->name);
}

static enum status start_worker(struct workers *w, struct worker *worker) {
    int index = (int)(worker - w->workers);
    struct area *area = &shared(w)->areas[index];
    char numbers[7][24];
    memset(area, 0, sizeof *area);
    sem_init(&area->request, 1, 0);
    worker->called = false;
    worker->active = clock_now();
    const long values[7] = {(long)(offsetof(struct shared, areas) + (size_t)index * sizeof *area) / 4,
                            worker->first,
                            worker->envs,
                            (long)slots_at(w),
                            (long)getpid(),
                            w->all_actions,
                            w->masks};
    for (int i = 0; i < 7; i++)
        snprintf(numbers[i], sizeof numbers[i], "%ld", values[i]);
    const char *const arguments[] = {w->python,  "-W",       "ignore",   "-c",       worker_source,
                                     w->name,    numbers[0], numbers[1], numbers[2], numbers[3],
                                     numbers[4], numbers[5], numbers[6], NULL};
    enum status status = child_start_program(&worker->child, arguments, w->descriptor);
    if (status == STATUS_OK) return STATUS_OK;
    return status_context(status, "[env] python = %s, which %s needs (choose another by env.python=PATH)",
                          w->python, w->name);
}

/* Why a worker ended: what it said itself, or how it ended. */
static enum status fail_dead(struct workers *w, struct worker *worker) {
    struct area *area = &shared(w)->areas[worker - w->workers];
    char who[160];
    describe(w, worker, who);
    enum status status = child_fail_ended(&worker->child);
    area->error[WORKER_ERROR - 1] = 0;
    if (*area->error)
        status = status_fail(atomic_load(&area->state) == REFUSED ? STATUS_USAGE : STATUS_PEER, "%.700s",
                             area->error);
    return status_context(status, "%s", who);
}

static enum status fail_silent(struct workers *w, struct worker *worker, double seconds, const char *key) {
    char who[160];
    describe(w, worker, who);
    return status_fail(STATUS_PEER, "%s: no answer for %g seconds (env.%s)", who, seconds, key);
}

/* Waits for `ready`, a moment at most. */
static void wait_ready(struct workers *w) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(LOOK * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    sem_timedwait(&shared(w)->ready, &until);
}

static enum status wait_up(struct workers *w, struct worker *worker) {
    const struct area *area = &shared(w)->areas[worker - w->workers];
    while (atomic_load(&area->state) != UP) {
        if (child_has_ended(&worker->child)) return fail_dead(w, worker);
        if (clock_now() > worker->active + w->start_timeout)
            return fail_silent(w, worker, w->start_timeout, "start_timeout");
        wait_ready(w);
    }
    return STATUS_OK;
}

static enum status check_spec(struct workers *w, const struct worker_spec *s) {
    bool sane = s->h > 0 && s->w > 0 && s->c > 0 && s->observation_bytes > 0 && s->components > 0 &&
                s->components <= ENV_COMPONENTS && s->kind >= ENV_DISCRETE && s->kind <= ENV_CONTINUOUS;
    if (!sane)
        return status_fail(STATUS_PEER, "%s: observations of %d x %d x %d in %d bytes, actions of %d numbers",
                           w->name, s->h, s->w, s->c, s->observation_bytes, s->components);
    w->spec = *s;
    return STATUS_OK;
}

static void distribute(struct workers *w, int wanted) {
    w->count = wanted ? wanted : thread_cores();
    if (w->count > w->envs) w->count = w->envs;
    w->workers = MEM_NEW(struct worker, w->count);
    for (int i = 0; i < w->count; i++) {
        w->workers[i].first = (int)((int64_t)w->envs * i / w->count);
        w->workers[i].envs = (int)((int64_t)w->envs * (i + 1) / w->count) - w->workers[i].first;
    }
}

static enum status start_all(struct workers *w) {
    TRY(make_memory(w));
    for (int i = 0; i < w->count; i++)
        TRY(start_worker(w, &w->workers[i]));
    for (int i = 0; i < w->count; i++)
        TRY(wait_up(w, &w->workers[i]));
    TRY(check_spec(w, &shared(w)->areas[0].spec));
    w->slot_bytes = sizeof(struct worker_slot) +
                    ((size_t)w->spec.observation_bytes + (size_t)w->spec.mask_bytes + 63) / 64 * 64;
    TRY(map_memory(w, slots_at(w) + (size_t)w->envs * w->slot_bytes));
    for (int i = 0; i < w->count; i++)
        sem_post(&shared(w)->areas[i].request);
    return STATUS_OK;
}

static void take_memory(struct workers *w, const struct env_config *config, int envs) {
    *w = (struct workers){.envs = envs,
                          .descriptor = -1,
                          .timeout = (double)config->timeout,
                          .start_timeout = (double)config->start_timeout,
                          .all_actions = config->all_actions,
                          .masks = config->masks};
    w->name = mem_string(config->name);
    snprintf(w->python, sizeof w->python, "%s", config->python);
    w->rngs = MEM_NEW(struct rng, envs);
    w->seeded = MEM_NEW(uint8_t, envs);
    w->out = MEM_NEW(uint8_t, envs);
    w->lost = MEM_NEW(uint8_t, envs);
    memset(w->lost, 1, (size_t)envs); /* until their first reset */
    distribute(w, config->workers);
}

/* Starts one worker with one environment to be asked. What was answered last is remembered, since a plan
 * opens what is the same but for its size again and again. */
static enum status ask_spec(const struct env_config *config, struct worker_spec *spec) {
    static _Thread_local struct {
        struct env_config config;
        struct worker_spec spec;
    } last;
    if (strcmp(last.config.name, config->name) != 0 || strcmp(last.config.python, config->python) != 0 ||
        last.config.all_actions != config->all_actions || last.config.masks != config->masks) {
        struct workers one;
        take_memory(&one, config, 1);
        enum status status = start_all(&one);
        if (status == STATUS_OK) {
            last.spec = one.spec;
            last.config = *config;
        }
        workers_close(&one);
        TRY(status);
    }
    *spec = last.spec;
    return STATUS_OK;
}

enum status workers_open(struct workers *w, const struct env_config *config, int envs, uint64_t seed,
                         enum rng_purpose purpose, uint64_t first_index) {
    take_memory(w, config, envs);
    for (int i = 0; i < envs; i++)
        w->rngs[i] = rng_make(seed, purpose, first_index + (uint64_t)i);
    enum status status = mem_is_counting() ? ask_spec(config, &w->spec) : start_all(w);
    if (status != STATUS_OK) workers_close(w);
    return status;
}

void workers_close(struct workers *w) {
    for (int i = 0; w->workers && i < w->count; i++)
        child_stop(&w->workers[i].child, 0);
    if (w->memory) munmap(w->memory, w->memory_bytes);
    if (w->workers && w->descriptor >= 0) close(w->descriptor);
    mem_free(w->workers);
    mem_free(w->rngs);
    mem_free(w->seeded);
    mem_free(w->out);
    mem_free(w->lost);
    mem_free(w->name);
    *w = (struct workers){0};
}

/* ---- commands -------------------------------------------------------------------------------------------
 */

static struct worker *worker_of(const struct workers *w, int env) {
    struct worker *worker = &w->workers[(int64_t)env * w->count / w->envs];
    while (env < worker->first)
        worker--;
    while (env >= worker->first + worker->envs)
        worker++;
    return worker;
}

void workers_command(struct workers *w, int env, enum worker_command command) {
    ENSURE(!w->out[env], "environment %d has a command already", env);
    w->out[env] = (uint8_t)command;
    w->outstanding++;
    struct worker_slot *slot = workers_slot(w, env);
    if (command == WORKER_RESET) {
        slot->seed = w->seeded[env] ? WORKER_NO_SEED : (int32_t)(rng_u32(&w->rngs[env]) >> 1);
        w->seeded[env] = 1;
        w->lost[env] = 0;
    }
    if (w->lost[env]) return; /* workers_next says so */
    atomic_store_explicit(&slot->command, command, memory_order_release);
    worker_of(w, env)->called = true;
}

void workers_start(struct workers *w) {
    for (int i = 0; i < w->count; i++) {
        struct worker *worker = &w->workers[i];
        if (!worker->called) continue;
        worker->called = false;
        worker->active = clock_now();
        sem_post(&shared(w)->areas[i].request);
    }
}

/* ---- death ----------------------------------------------------------------------------------------------
 */

/* After a failure that status_text() tells. */
static enum status restart(struct workers *w, struct worker *worker) {
    child_stop(&worker->child, 0);
    if (worker->fruitless++ == RESTARTS_IN_A_ROW)
        return status_context(STATUS_PEER, "given up after %d restarts", RESTARTS_IN_A_ROW);
    w->restarts++;
    log_warn("%s; it is started again (restart %d), its episodes end truncated", status_text(), w->restarts);
    for (int i = worker->first; i < worker->first + worker->envs; i++) {
        w->lost[i] = 1;
        w->seeded[i] = 0;
        atomic_store(&workers_slot(w, i)->command, WORKER_IDLE);
    }
    TRY(start_worker(w, worker));
    TRY(wait_up(w, worker));
    sem_post(&shared(w)->areas[worker - w->workers].request);
    return STATUS_OK;
}

static bool is_busy(const struct workers *w, const struct worker *worker) {
    for (int i = worker->first; i < worker->first + worker->envs; i++)
        if (w->out[i] && !w->lost[i]) return true;
    return false;
}

/* Restarts those that have died, and those that are silent though they have work. */
static enum status look_after(struct workers *w) {
    double now = clock_now();
    for (int i = 0; i < w->count; i++) {
        struct worker *worker = &w->workers[i];
        enum status status = STATUS_OK;
        if (child_has_ended(&worker->child))
            status = fail_dead(w, worker);
        else if (now > worker->active + w->timeout && is_busy(w, worker))
            status = fail_silent(w, worker, w->timeout, "timeout");
        if (status != STATUS_OK) TRY(restart(w, worker));
    }
    return STATUS_OK;
}

/* A reset, or a step of some of its environments, is no sign that a worker is of use: it may die of the next
 * step. */
static void note_done(const struct workers *w, int env, bool step) {
    struct worker *worker = worker_of(w, env);
    worker->active = clock_now();
    if (step && !is_busy(w, worker)) worker->fruitless = 0;
}

static bool take_done(struct workers *w, int *env, bool *lost) {
    for (int i = 0; i < w->envs; i++) {
        if (!w->out[i]) continue;
        *lost = w->lost[i];
        if (!*lost && atomic_load_explicit(&workers_slot(w, i)->command, memory_order_acquire) != WORKER_IDLE)
            continue;
        bool step = w->out[i] == WORKER_STEP;
        w->out[i] = WORKER_IDLE;
        w->outstanding--;
        if (!*lost) note_done(w, i, step);
        *env = i;
        return true;
    }
    return false;
}

enum status workers_next(struct workers *w, int *env, bool *lost) {
    *env = -1;
    while (w->outstanding) {
        if (take_done(w, env, lost)) return STATUS_OK;
        double before = clock_now();
        wait_ready(w);
        if (clock_now() - before >= 0.9 * LOOK) TRY(look_after(w));
    }
    return STATUS_OK;
}

/* ---- state ----------------------------------------------------------------------------------------------
 */

int workers_batch_restarts(const struct env_batch *b) {
    return ((const struct workers *)b->self)->restarts;
}

size_t workers_batch_save(struct env_batch *b, void *to) {
    const struct workers *w = b->self;
    size_t bytes = (size_t)w->envs * sizeof *w->rngs;
    if (to) memcpy(to, w->rngs, bytes);
    return bytes;
}

enum status workers_batch_load(struct env_batch *b, const void *from, size_t size) {
    struct workers *w = b->self;
    memcpy(w->rngs, from, size);
    memset(w->seeded, 0, (size_t)w->envs);
    memset(b->returns, 0, (size_t)b->count * sizeof *b->returns);
    memset(b->lengths, 0, (size_t)b->count * sizeof *b->lengths);
    return b->provider->reset(b, NULL);
}
