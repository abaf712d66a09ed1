/* Algorithms: one file each in src/algo/, listed in algos.def, read top to bottom. They never include each
 * other.
 *
 * An algorithm is a state machine whose state between two iterations can be saved: training 2N iterations
 * equals training N, saving, loading and training N more, bit for bit (tests/algo/resume_all.c holds every
 * one to it).
 */
#ifndef TENGEN_ALGO_H
#define TENGEN_ALGO_H

#include "tengen/report.h"
#include "tengen/run.h"

/* A key of the config that memory grows with. */
struct algo_size {
    const char *key; /* "alphazero.batch" */
    /* For a key that may be `auto`: the largest useful value up to `most`, from a config that is read. NULL:
     * the key is a number. */
    int (*automatic)(const void *self, const struct run *run, int most);
    /* Optional, from a config that is read: whether the rest of it allows the value and uses all of it (a
     * size that has to divide something). What open refuses besides is refused below some value: too little.
     */
    bool (*allowed)(const void *self, int value);
};

/* Keys of a section, parted by blanks, that have no effect where another ("net.atoms") has this value. */
struct algo_idle {
    const char *section, *keys, *other, *value;
};

struct algo {
    const char *name, *summary;
    size_t bytes; /* of the algorithm's own struct, zeroed by the caller: `self` */
    /* Binds the config sections inside self. */
    void (*bind)(void *self, struct config *config);
    /* Builds everything from the config: nets initialised from the seed, buffers. Checks what the config
     * cannot. */
    enum status (*open)(void *self, struct run *run) MUST_USE;
    /* One iteration: act, learn, run_metric(). */
    enum status (*iterate)(void *self, struct run *run) MUST_USE;
    void (*save)(void *self, struct checkpoint_writer *w);
    enum status (*load)(void *self, struct checkpoint_reader *r) MUST_USE;
    /* --init: weights alone, by name, from a weights file or checkpoint. */
    enum status (*init_weights)(void *self, struct checkpoint_reader *r) MUST_USE;
    /* `tengen eval`: its own protocol, reported by name; `episodes` 0 means the algorithm's default. */
    enum status (*evaluate)(void *self, struct run *run, int episodes, const struct report *report) MUST_USE;
    /* Optional: what was learnt, in notes for people; after training, and by evaluate. */
    void (*show)(void *self, const struct report *report);
    void (*close)(void *self); /* legal on a zeroed self */
    /* The counter shown as progress besides iterations: "games", "steps". */
    const char *unit;
    double (*count)(const void *self);
    /* Optional: the net that `tengen export --example` runs ("observation" in). */
    struct net *(*net)(void *self);
    /* Optional: the net that acts, where it is another. */
    struct net *(*acting_net)(void *self);
    /* What a run that does not fit is told to lower, what helps most first; the last one's key is NULL. */
    const struct algo_size *sizes;
    /* Optional: settings that others put out of use, for warnings; the last one's section is NULL. */
    const struct algo_idle *idle;
    const char *test_config; /* INI text of a tiny run of seconds, for the tests that enumerate algorithms */
};

const struct algo *algo_find(const char *name); /* NULL if there is none */
int algo_count(void);
const struct algo *algo_at(int i);

/* What `tengen train` is asked for. */
struct train_request {
    const char *config_path;      /* NULL with resume */
    const char *resume;           /* a run directory or checkpoint; NULL: a new run */
    const char *init;             /* weights file; NULL: from the seed */
    const char *const *overrides; /* "section.key=value" */
    int override_count;
    bool quiet;   /* no progress */
    bool plan;    /* says what memory the run takes, and ends before it begins */
    bool profile; /* says at the end where the time went */
};

/* Trains until the configured end, a time limit or a signal; saves before it returns. STATUS_INTERRUPTED
 * after a signal. */
enum status algo_train(const struct train_request *request) MUST_USE;
/* Evaluates the newest checkpoint of a run (or a file) by its algorithm's protocol. */
enum status algo_evaluate(const char *run_or_file, int episodes, const struct report *report,
                          const char *const *overrides, int override_count) MUST_USE;
/* Writes the weights of a run's newest checkpoint (or of a file) to `to`; with `examples` > 0 also so many
 * inputs and the network's outputs (group /example), to check readers by. */
enum status algo_export(const char *run_or_file, const char *to, int examples) MUST_USE;

#endif
