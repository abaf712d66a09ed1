/* What all algorithms share: from a config file or a checkpoint to a running algorithm, and the loop that iterates,
 * writes figures, saves, and stops when it is asked to. */
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "tengen/algo.h"
#include "tengen/file.h"
#include "tengen/log.h"
#include "tengen/mem.h"

/* A run with its algorithm, and the config that both read. */
struct session {
    const struct algo *algo;
    void *self;
    struct run run;
    struct config *config;
};

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
        return status_fail(STATUS_USAGE, "%s: [run] algorithm is missing; write algorithm = NAME, one of: %s", where, list);
    const char *nearest = config_nearest(name, names, count);
    if (nearest)
        return status_fail(STATUS_USAGE, "%s: [run] algorithm = %s: unknown; did you mean `%s`?", where, name, nearest);
    return status_fail(STATUS_USAGE, "%s: [run] algorithm = %s: unknown; there are: %s", where, name, list);
}

static void session_close(struct session *s) {
    if (s->self) {
        s->algo->close(s->self);
        mem_free(s->self);
    }
    run_close(&s->run);
    config_free(s->config);
    *s = (struct session){0};
}

/* Binds and reads the config: text from `where`, then the overrides. */
static enum status session_configure(struct session *s, const char *where, const char *text,
                                     const char *const *overrides, int count) {
    char name[CONFIG_TEXT] = "";
    static const char prefix[] = "run.algorithm=";
    config_peek(text, "run", "algorithm", name);
    for (int i = 0; i < count; i++)
        if (strncmp(overrides[i], prefix, sizeof prefix - 1) == 0)
            snprintf(name, sizeof name, "%s", overrides[i] + sizeof prefix - 1);
    s->algo = algo_find(name);
    if (!s->algo) return unknown_algorithm(where, name);
    s->self = mem_alloc(1, s->algo->bytes);
    s->config = config_create();
    config_bind(s->config, "run", run_config_keys, &s->run.config, "every algorithm has these");
    s->algo->bind(s->self, s->config);
    TRY(config_read_text(s->config, where, text));
    for (int i = 0; i < count; i++)
        TRY(config_override(s->config, overrides[i]));
    return STATUS_OK;
}

static enum status save(struct session *s) {
    char path[640], *text = config_text(s->config);
    struct checkpoint_writer *w;
    run_checkpoint_path(&s->run, s->run.iteration, path, sizeof path);
    enum status status = checkpoint_create(path, "checkpoint", text, &w);
    mem_free(text);
    TRY(status);
    checkpoint_put_long(w, "run/iteration", s->run.iteration);
    s->algo->save(s->self, w);
    TRY(checkpoint_commit(w));
    run_prune_checkpoints(&s->run);
    return STATUS_OK;
}

/* The state of a checkpoint into an opened algorithm. */
static enum status restore(struct session *s, const char *path) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    enum status status = checkpoint_get_long(r, "run/iteration", &s->run.iteration);
    if (status == STATUS_OK) status = s->algo->load(s->self, r);
    checkpoint_close(r);
    return status == STATUS_OK ? status : status_context(status, "%s", path);
}

static enum status config_of_checkpoint(const char *path, char **text) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    enum status s = strcmp(checkpoint_kind(r), "checkpoint") == 0
                        ? STATUS_OK
                        : status_fail(STATUS_USAGE,
                                      "%s: holds weights alone, which cannot be resumed; start a new run from them "
                                      "with `tengen train CONFIG --init %s`",
                                      path, path);
    if (s == STATUS_OK) *text = mem_string(checkpoint_config(r));
    checkpoint_close(r);
    return s;
}

/* runs/NAME for a config named NAME.ini. */
static void default_dir(const char *config_path, char *dir, size_t size) {
    char *copy = mem_string(config_path), *name = basename(copy), *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = 0;
    snprintf(dir, size, "runs/%s", name);
    mem_free(copy);
}

static enum status open_new(struct session *s, const struct train_request *q) {
    char *text;
    size_t size;
    TRY(file_read(q->config_path, &text, &size));
    enum status status = session_configure(s, q->config_path, text, q->overrides, q->override_count);
    mem_free(text);
    TRY(status);
    /* The copy that a checkpoint keeps names the directory too, so that a resume finds it. */
    if (!s->run.config.dir[0]) default_dir(q->config_path, s->run.config.dir, sizeof s->run.config.dir);
    snprintf(s->run.dir, sizeof s->run.dir, "%s", s->run.config.dir);
    TRY(run_check_new(s->run.dir));
    TRY(run_open_device(&s->run));
    TRY(s->algo->open(s->self, &s->run));
    if (!q->init) return STATUS_OK;
    struct checkpoint_reader *r;
    TRY(checkpoint_open(q->init, &r));
    status = s->algo->init_weights(s->self, r);
    checkpoint_close(r);
    return status == STATUS_OK ? status : status_context(status, "--init %s", q->init);
}

static enum status open_resumed(struct session *s, const struct train_request *q) {
    char path[1024], *text;
    TRY(run_find_checkpoint(q->resume, path, sizeof path));
    TRY(config_of_checkpoint(path, &text));
    enum status status = session_configure(s, path, text, q->overrides, q->override_count);
    mem_free(text);
    TRY(status);
    /* A run that was moved goes on where it lies now. */
    bool elsewhere = false;
    for (int i = 0; i < q->override_count; i++)
        elsewhere |= strncmp(q->overrides[i], "run.dir=", 8) == 0;
    if (file_is_folder(q->resume) && !elsewhere)
        snprintf(s->run.config.dir, sizeof s->run.config.dir, "%s", q->resume);
    snprintf(s->run.dir, sizeof s->run.dir, "%s", s->run.config.dir);
    TRY(run_open_device(&s->run));
    TRY(s->algo->open(s->self, &s->run));
    return restore(s, path);
}

static bool save_is_due(const struct session *s, double last_save) {
    const struct run_config *c = &s->run.config;
    if (c->checkpoint_every > 0 && s->run.iteration % c->checkpoint_every == 0) return true;
    return c->checkpoint_minutes > 0 && clock_now() - last_save >= 60 * (double)c->checkpoint_minutes;
}

static bool out_of_time(const struct session *s) {
    double minutes = (double)s->run.config.minutes;
    return minutes > 0 && clock_now() - s->run.started >= 60 * minutes;
}

/* Iterates until the end, a limit or a signal; what is done is saved. */
static enum status loop(struct session *s, bool quiet) {
    struct run *run = &s->run;
    double last_save = clock_now();
    int64_t saved = -1;
    struct progress progress;
    progress_start(&progress, s->algo->name);
    run_catch_signals();
    enum status status = STATUS_OK;
    while (status == STATUS_OK && run->iteration < run->config.iterations && !run_stop_requested() && !out_of_time(s)) {
        status = s->algo->iterate(s->self, run);
        if (status != STATUS_OK) break;
        run->iteration++;
        status = run_write_metrics(run);
        if (status == STATUS_OK && save_is_due(s, last_save)) {
            status = save(s);
            last_save = clock_now();
            saved = run->iteration;
        }
        if (!quiet)
            progress_update(&progress, (double)run->iteration, (double)run->config.iterations, "%.0f %s  %s",
                            s->algo->count(s->self), s->algo->unit, run->detail);
    }
    if (!quiet) progress_end(&progress);
    if (status == STATUS_NUMERIC)
        return status_context(status,
                              "iteration %lld: the checkpoints before it are intact; resume from one of %s/checkpoints "
                              "with a smaller optimiser.rate or with optimiser.clip",
                              (long long)run->iteration + 1, run->dir);
    TRY(status);
    if (saved != run->iteration) TRY(save(s));
    return STATUS_OK;
}

static enum status report_end(const struct session *s) {
    const struct run *run = &s->run;
    char spent[32];
    progress_duration(clock_now() - run->started, spent, sizeof spent);
    bool complete = run->iteration >= run->config.iterations;
    log_info("%s after %lld of %lld iterations, %.0f %s, %s; saved in %s", complete ? "done" : "stopped",
             (long long)run->iteration, (long long)run->config.iterations, s->algo->count(s->self), s->algo->unit, spent,
             run->dir);
    if (complete) return STATUS_OK;
    log_info("go on with: tengen train --resume %s", run->dir);
    if (run_stop_requested()) return status_fail(STATUS_INTERRUPTED, "interrupted; %s is saved", run->dir);
    return STATUS_OK;
}

enum status algo_train(const struct train_request *q) {
    struct session s = {0};
    enum status status = q->resume ? open_resumed(&s, q) : open_new(&s, q);
    if (status == STATUS_OK && q->resume && s.run.iteration >= s.run.config.iterations) {
        log_info("%s is complete: %lld of %lld iterations; to go on: tengen train --resume %s run.iterations=MORE",
                 s.run.dir, (long long)s.run.iteration, (long long)s.run.config.iterations, q->resume);
        session_close(&s);
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        char *text = config_text(s.config);
        status = run_open_dir(&s.run, text, q->resume != NULL);
        mem_free(text);
    }
    if (status == STATUS_OK) {
        log_info("%s: %s on %s, %d threads, in %s", q->resume ? "resuming" : "training", s.algo->name,
                 s.run.device->name, pool_threads(s.run.pool), s.run.dir);
        status = loop(&s, q->quiet);
    }
    if (status == STATUS_OK) status = report_end(&s);
    session_close(&s);
    return status;
}

enum status algo_evaluate(const char *run_or_file, int episodes, const struct report *report,
                          const char *const *overrides, int override_count) {
    char path[1024], *text;
    TRY(run_find_checkpoint(run_or_file, path, sizeof path));
    TRY(config_of_checkpoint(path, &text));
    struct session s = {0};
    enum status status = session_configure(&s, path, text, overrides, override_count);
    mem_free(text);
    if (status == STATUS_OK) status = run_open_device(&s.run);
    if (status == STATUS_OK) status = s.algo->open(s.self, &s.run);
    if (status == STATUS_OK) status = restore(&s, path);
    if (status == STATUS_OK) status = s.algo->evaluate(s.self, &s.run, episodes, report);
    session_close(&s);
    return status;
}
