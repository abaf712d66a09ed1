/* What all algorithms share: from a config file or a checkpoint to a running algorithm, and the loop that
 * iterates, writes figures, saves, and stops when it is asked to. */
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "algo/footprint.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/net_check.h"
#include "tengen/phase.h"
#include "tengen/profile.h"

static enum status unknown_algorithm(const char *where, const char *name) {
    const char *names[64];
    char list[512];
    size_t used = 0;
    int count = 0;
    for (; count < algo_count() && count < 64; count++) {
        names[count] = algo_at(count)->name;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "", names[count]);
    }
    if (!name[0])
        return status_fail(STATUS_USAGE, "%s: [run] algorithm is missing; write algorithm = NAME, one of: %s",
                           where, list);
    const char *nearest = config_nearest(name, names, count);
    if (nearest)
        return status_fail(STATUS_USAGE, "%s: [run] algorithm = %s: unknown; did you mean `%s`?", where, name,
                           nearest);
    return status_fail(STATUS_USAGE, "%s: [run] algorithm = %s: unknown; there are: %s", where, name, list);
}

/* The last value given to a key on the command line, or NULL. */
static const char *override_of(const char *const *overrides, int count, const char *prefix) {
    const char *value = NULL;
    for (int i = 0; i < count; i++)
        if (strncmp(overrides[i], prefix, strlen(prefix)) == 0) value = overrides[i] + strlen(prefix);
    return value;
}

/* [run] alone is read first: which other sections there may be depends on the algorithm. */
static enum status find_algorithm(const struct algo **algo, const char *where, const char *text,
                                  const char *const *overrides, int count) {
    struct run_config run;
    struct config *c = config_create();
    config_bind(c, "run", run_config_keys, &run, "");
    config_ignore_unbound(c);
    enum status status = config_read_text(c, where, text);
    char place[600];
    snprintf(place, sizeof place, "%s", where);
    if (config_line(c, "run", "algorithm"))
        snprintf(place, sizeof place, "%s:%d", where, config_line(c, "run", "algorithm"));
    for (int i = 0; i < count && status == STATUS_OK; i++)
        if (strncmp(overrides[i], "run.", 4) == 0) status = config_override(c, overrides[i]);
    if (override_of(overrides, count, "run.algorithm=")) snprintf(place, sizeof place, "command line");
    config_free(c);
    TRY(status);
    *algo = algo_find(run.algorithm);
    return *algo ? STATUS_OK : unknown_algorithm(place, run.algorithm);
}

void session_close(struct session *s) {
    if (s->self) {
        s->algo->close(s->self);
        mem_free(s->self);
    }
    run_close(&s->run);
    config_free(s->config);
    *s = (struct session){0};
}

enum status session_configure(struct session *s, const char *where, const char *text,
                              const char *const *overrides, int count) {
    TRY(find_algorithm(&s->algo, where, text, overrides, count));
    s->self = mem_alloc(1, s->algo->bytes);
    s->config = config_create();
    config_bind(s->config, "run", run_config_keys, &s->run.config, "every algorithm has these");
    s->algo->bind(s->self, s->config);
    TRY(config_read_text(s->config, where, text));
    for (int i = 0; i < count; i++)
        TRY(config_override(s->config, overrides[i]));
    return STATUS_OK;
}

/* A state is of one algorithm, whose sections its config has. */
static enum status check_same_algorithm(const char *path, const char *text, const char *const *overrides,
                                        int count) {
    const char *wanted = override_of(overrides, count, "run.algorithm=");
    const struct algo *algo;
    TRY(find_algorithm(&algo, path, text, NULL, 0));
    if (!wanted || strcmp(wanted, algo->name) == 0) return STATUS_OK;
    return status_fail(
        STATUS_USAGE,
        "command line: run.algorithm=%s: %s is a state of %s, with which alone it can go on; for "
        "another algorithm begin a new run by `tengen train CONFIG`",
        wanted, path, algo->name);
}

enum status session_configure_from(struct session *s, const char *path, const char *const *overrides,
                                   int count) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    enum status status = check_same_algorithm(path, checkpoint_config(r), overrides, count);
    if (status == STATUS_OK) status = session_configure(s, path, checkpoint_config(r), overrides, count);
    checkpoint_close(r);
    return status;
}

enum status session_restore(struct session *s, const char *path) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    TRY(queue_wait(s->run.queue)); /* nothing queued may write after what is loaded */
    enum status status;
    if (strcmp(checkpoint_kind(r), "checkpoint") == 0) {
        status = checkpoint_get_long(r, "run/iteration", &s->run.iteration);
        if (status == STATUS_OK) status = s->algo->load(s->self, r);
    } else {
        status = s->algo->init_weights(s->self, r);
    }
    checkpoint_close(r);
    return status;
}

static struct net *acting_net(const struct session *s) {
    const struct algo *a = s->algo;
    return a->acting_net ? a->acting_net(s->self) : a->net ? a->net(s->self) : NULL;
}

enum status session_check_start(struct session *s) {
    if (s->run.config.check_every == 0) return STATUS_OK;
    struct net *net = acting_net(s);
    if (net) return net_check_start(net, s->run.config.check_every);
    return status_fail(STATUS_USAGE, "[run] check_every = %d: %s has no network to check",
                       s->run.config.check_every, s->algo->name);
}

/* A difference that the check has found comes before what it led to. */
enum status session_iterate(struct session *s) {
    enum status status = s->algo->iterate(s->self, &s->run);
    struct net *net = acting_net(s);
    if (net) TRY(net_check_result(net));
    return status;
}

static enum status save(struct session *s) {
    PHASE("save");
    char path[640];
    struct checkpoint_writer *w;
    TRY(queue_wait(s->run.queue));
    run_checkpoint_path(&s->run, s->run.iteration, path, sizeof path);
    char *text = config_text(s->config);
    enum status status = checkpoint_create(path, "checkpoint", text, &w);
    mem_free(text);
    TRY(status);
    checkpoint_put_long(w, "run/iteration", s->run.iteration);
    s->algo->save(s->self, w);
    TRY(checkpoint_commit(w));
    run_prune_checkpoints(&s->run);
    return STATUS_OK;
}

/* ---- where a run begins ----------------------------------------------------------------------------------
 */

/* What `tengen train` is doing, beside the session. */
struct training {
    struct session session;
    struct footprint footprint;
    bool resumed;  /* goes on in the directory of its checkpoint */
    int64_t saved; /* iteration of the newest checkpoint */
};

/* The directory goes into the config, too, so that the copy in a checkpoint is whole. */
static enum status set_dir(struct session *s, const char *dir) {
    size_t length = strlen(dir);
    while (length > 1 && dir[length - 1] == '/')
        length--;
    if (length >= sizeof s->run.config.dir)
        return status_fail(STATUS_USAGE, "run.dir = %s: is longer than %zu bytes", dir,
                           sizeof s->run.config.dir - 1);
    snprintf(s->run.dir, sizeof s->run.dir, "%.*s", (int)length, dir);
    snprintf(s->run.config.dir, sizeof s->run.config.dir, "%.*s", (int)length, s->run.dir);
    return STATUS_OK;
}

/* runs/NAME for a config named NAME.ini. */
static void default_dir(const char *config_path, char *dir, size_t size) {
    char *copy = mem_string(config_path), *name = basename(copy), *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = 0;
    snprintf(dir, size, "runs/%s", name);
    mem_free(copy);
}

static enum status init_weights(struct session *s, const char *path) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    enum status status = s->algo->init_weights(s->self, r);
    checkpoint_close(r);
    return status == STATUS_OK ? status : status_context(status, "--init");
}

static enum status configure_new(struct training *t, const struct train_request *q) {
    struct session *s = &t->session;
    char *text, dir[512];
    TRY(config_file_text(q->config_path, &text));
    enum status status = session_configure(s, q->config_path, text, q->overrides, q->override_count);
    mem_free(text);
    TRY(status);
    default_dir(q->config_path, dir, sizeof dir);
    return set_dir(s, s->run.config.dir[0] ? s->run.config.dir : dir);
}

/* The run that a checkpoint belongs to, from where it lies now: RUN/checkpoints/NUMBER.h5. False if it lies
 * alone. */
static bool run_of_checkpoint(const char *path, char *dir, size_t size) {
    char *copy = mem_string(path), *folder = dirname(copy);
    size_t length = strlen(folder), tail = strlen("checkpoints");
    bool within = length >= tail && strcmp(folder + length - tail, "checkpoints") == 0 &&
                  (length == tail || folder[length - tail - 1] == '/');
    if (within) snprintf(dir, size, "%s", dirname(folder));
    mem_free(copy);
    return within;
}

static enum status check_resumable(const char *path) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    bool whole = strcmp(checkpoint_kind(r), "checkpoint") == 0;
    checkpoint_close(r);
    if (whole) return STATUS_OK;
    return status_fail(
        STATUS_USAGE,
        "%s: holds weights alone, which cannot be resumed; start a new run from them with `tengen train "
        "CONFIG --init %s`",
        path, path);
}

/* Another run.dir makes a branch: a new run that begins with the state of the checkpoint, whose path is
 * found. */
static enum status configure_resumed(struct training *t, const struct train_request *q, char *path,
                                     size_t size) {
    struct session *s = &t->session;
    char origin[512] = "";
    TRY(run_find_checkpoint(q->resume, path, size));
    TRY(check_resumable(path));
    TRY(session_configure_from(s, path, q->overrides, q->override_count));
    const char *dir = override_of(q->overrides, q->override_count, "run.dir=");
    bool within = run_of_checkpoint(path, origin, sizeof origin);
    if (!within && !dir)
        return status_fail(STATUS_USAGE,
                           "%s: lies in no run's folder; say where to go on with run.dir=FOLDER", path);
    TRY(set_dir(s, dir ? dir : origin));
    t->resumed = within && strcmp(s->run.dir, origin) == 0;
    return STATUS_OK;
}

/* Nothing is written before everything has been built, and nothing built before it is known to fit. */
static enum status open_training(struct training *t, const struct train_request *q) {
    struct session *s = &t->session;
    char path[1024];
    TRY(q->resume ? configure_resumed(t, q, path, sizeof path) : configure_new(t, q));
    if (!t->resumed && !q->plan) TRY(run_check_new(s->run.dir));
    TRY(run_open_device(&s->run));
    enum status fits = footprint_settle(s, &t->footprint);
    if (q->plan && (fits == STATUS_OK || fits == STATUS_MEMORY))
        footprint_report(&t->footprint, &(struct report){.json = false});
    TRY(fits);
    if (q->plan) session_warn_unused(s, q->config_path);
    if (q->plan) return STATUS_OK;
    TRY(s->algo->open(s->self, &s->run));
    if (q->init) TRY(init_weights(s, q->init));
    if (q->resume) TRY(session_restore(s, path));
    if (t->resumed) t->saved = s->run.iteration;
    return STATUS_OK;
}

/* ---- the loop --------------------------------------------------------------------------------------------
 */

static bool save_is_due(const struct session *s, double last_save) {
    const struct run_config *c = &s->run.config;
    if (c->checkpoint_every > 0 && s->run.iteration % c->checkpoint_every == 0) return true;
    return c->checkpoint_minutes > 0 && clock_now() - last_save >= 60 * (double)c->checkpoint_minutes;
}

static bool out_of_time(const struct session *s) {
    double minutes = (double)s->run.config.minutes;
    return minutes > 0 && clock_now() - s->run.started >= 60 * minutes;
}

/* One iteration and what follows it. */
static enum status step(struct training *t, double *last_save) {
    struct session *s = &t->session;
    struct run *run = &s->run;
    TRY(session_iterate(s));
    run->iteration++;
    TRY(run_write_metrics(run));
    if (!save_is_due(s, *last_save)) return STATUS_OK;
    TRY(save(s));
    t->saved = run->iteration;
    *last_save = clock_now();
    return STATUS_OK;
}

static void show(struct progress *p, const struct session *s, double first_count) {
    const struct run *run = &s->run;
    if (p->begun && !progress_due(p) && run->iteration < run->config.iterations) return;
    double count = s->algo->count(s->self), spent = clock_now() - p->start;
    char rate[32];
    progress_quantity(spent > 0 ? (count - first_count) / spent : 0, rate, sizeof rate);
    progress_update(p, (double)run->iteration, (double)run->config.iterations,
                    "%lld/%lld, %.0f %s (%s/s)  %s", (long long)run->iteration,
                    (long long)run->config.iterations, count, s->algo->unit, rate, run->detail);
}

/* What went wrong, where, and what is left. */
static enum status explain(const struct training *t, enum status status) {
    const struct run *run = &t->session.run;
    char path[640] = "";
    run_checkpoint_path(run, t->saved, path, sizeof path);
    char why[1024];
    snprintf(why, sizeof why, "%s", status_text());
    return status_fail(status,
                       "iteration %lld: %s; %s is intact: go on from it by `tengen train --resume %s`",
                       (long long)run->iteration + 1, why, path, run->dir);
}

/* The log's lines are one each. */
static void log_profile(void) {
    char *text = profile_text(), *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && rest)
        log_info("%s", line);
    mem_free(text);
}

/* Iterates until the end, a limit or a signal; what is done is saved. A run saves its beginning, too: a
 * folder that cannot be written to, or a disk too small, shows before the work is done. */
static enum status loop(struct training *t, bool quiet) {
    struct session *s = &t->session;
    struct run *run = &s->run;
    struct progress progress;
    enum status status = STATUS_OK;
    if (t->saved != run->iteration) TRY(save(s));
    t->saved = run->iteration;
    double last_save = clock_now(), first_count = s->algo->count(s->self);
    if (profile_enabled()) profile_start();
    progress_start(&progress, s->algo->name);
    if (!quiet) show(&progress, s, first_count);
    while (run->iteration < run->config.iterations && !run_stop_requested() && !out_of_time(s)) {
        status = step(t, &last_save);
        if (status != STATUS_OK) break;
        if (!quiet) show(&progress, s, first_count);
        if (profile_enabled()) profile_iteration();
    }
    if (!quiet) progress_end(&progress);
    if (status == STATUS_OK && t->saved != run->iteration) status = save(s);
    if (profile_enabled()) log_profile();
    return status == STATUS_OK ? status : explain(t, status);
}

static enum status report_end(const struct session *s) {
    const struct run *run = &s->run;
    char spent[32];
    progress_duration(clock_now() - run->started, spent, sizeof spent);
    bool complete = run->iteration >= run->config.iterations;
    log_info("%s after %lld of %lld iterations, %.0f %s, %s; saved in %s", complete ? "done" : "stopped",
             (long long)run->iteration, (long long)run->config.iterations, s->algo->count(s->self),
             s->algo->unit, spent, run->dir);
    if (complete) return STATUS_OK;
    if (run_stop_requested())
        return status_fail(STATUS_INTERRUPTED, "interrupted and saved; go on with: tengen train --resume %s",
                           run->dir);
    log_info("go on with: tengen train --resume %s", run->dir);
    return STATUS_OK;
}

static void log_footprint(const struct footprint *f) {
    char text[512];
    footprint_text(f, text, sizeof text);
    log_info("  memory: %s", text);
    for (int i = 0; i < f->auto_count; i++)
        log_info("  %s = auto: %d", f->autos[i].key, f->autos[i].value);
}

static enum status train(struct training *t, const struct train_request *q) {
    struct session *s = &t->session;
    TRY(open_training(t, q));
    if (q->plan) return STATUS_OK;
    if (t->resumed && s->run.iteration >= s->run.config.iterations) {
        log_info(
            "%s is complete: %lld of %lld iterations; to go on: tengen train --resume %s run.iterations=MORE",
            s->run.dir, (long long)s->run.iteration, (long long)s->run.config.iterations, s->run.dir);
        return STATUS_OK;
    }
    TRY(session_check_start(s));
    char *text = config_text(s->config);
    enum status status = run_open_dir(&s->run, text, t->resumed);
    mem_free(text);
    TRY(status);
    run_catch_signals("stopping after this iteration; the state will be saved (Ctrl-C again: stop at once, "
                      "without saving)");
    log_info("%s %s in %s from iteration %lld, on %s, %d threads", q->resume ? "resuming" : "training",
             s->algo->name, s->run.dir, (long long)s->run.iteration, s->run.device->name,
             pool_threads(s->run.pool));
    log_footprint(&t->footprint);
    if (s->run.device->why_not_gpu[0]) log_info("  without a GPU: %s", s->run.device->why_not_gpu);
    for (int i = 0; i < q->override_count; i++)
        log_info("  %s", q->overrides[i]);
    session_warn_unused(s, q->config_path);
    TRY(loop(t, q->quiet));
    if (s->algo->show && !q->quiet) s->algo->show(s->self, &(struct report){.json = false});
    return report_end(s);
}

enum status algo_train(const struct train_request *q) {
    if (q->profile) profile_enable();
    struct training t = {.saved = -1};
    enum status status = train(&t, q);
    session_close(&t.session);
    return status;
}
