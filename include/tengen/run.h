/* A run: directory, metrics, checkpoints, progress, the wish to stop. Knows no algorithm.
 *
 *     runs/NAME/config.ini       as run, every key
 *               metrics.csv      one row an iteration: its number, seconds trained, the algorithm's figures
 *               log.txt
 *               checkpoints/000000120.h5   named by iteration; the last `keep` are kept
 *               games/           SGF or text of sample games
 */
#ifndef TENGEN_RUN_H
#define TENGEN_RUN_H

#include "tengen/checkpoint.h"
#include "tengen/config.h"
#include "tengen/device.h"
#include "tengen/progress.h"
#include "tengen/thread.h"

#define RUN_CONFIG(F, S)                                                                                     \
    F(S, string, algorithm, "", 0, 0, "a name in src/algo/algos.def: what to train with")                    \
    F(S, string, dir, "", 0, 0, "run directory; default: runs/NAME of the config file")                      \
    F(S, long, seed, 1, 0, 9e15, "of everything random")                                                     \
    F(S, int, threads, 0, 0, 4096, "CPU threads; 0: all usable cores")                                       \
    F(S, string, device, "auto", 0, 0, "auto, cpu, cuda or cuda:N")                                          \
    F(S, choice, precision, "auto", 0, 0,                                                                    \
      "auto | f32 | tf32 | bf16; of activations (weights are always f32)")                                   \
    F(S, long, iterations, 100, 0, 1e12, "how long to train; resume with more to go on")                     \
    F(S, float, minutes, 0, 0, 1e6, "stop and save after so many minutes of this process; 0: no limit")      \
    F(S, float, checkpoint_minutes, 5, 0, 1e6, "save at least this often")                                   \
    F(S, long, checkpoint_every, 0, 0, 1e12, "and every so many iterations; 0: not by count")                \
    F(S, int, keep, 3, 1, 1000000, "checkpoints kept")                                                       \
    F(S, int, check_every, 0, 0, 1000000000,                                                                 \
      "one in so many inference passes is repeated on the CPU; a difference stops the run. 0: none")
CONFIG_STRUCT(run_config, RUN_CONFIG)

enum { RUN_COLUMNS = 64 };

struct run {
    struct run_config config;
    char dir[512];
    struct device *device;
    struct queue *queue; /* for learning, all threads */
    struct pool *pool;   /* for work on the host, all threads; distinct from the queue's */
    enum precision precision;
    bool evaluating;   /* nothing will be trained: memory for that (a replay) need not be taken */
    bool spill;        /* the device is too small for all: what may lie in the host's memory does */
    int64_t iteration; /* finished ones */
    double started;    /* clock_now() */
    /* this iteration's row */
    int columns;
    const char *column_names[RUN_COLUMNS];
    double column_values[RUN_COLUMNS];
    char detail[192];        /* what the progress line shows besides its counts */
    struct run_files *files; /* metrics file and such */
};

/* Sets a figure of this iteration's row. The first iteration decides what columns there are; one that is not
 * set later is written as nan. `name` is kept. */
void run_metric(struct run *run, const char *name, double value);
/* The progress line's detail. */
void run_detail(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Opens what run->config asks for: device, queue, pool, precision. Touches no file. */
enum status run_open_device(struct run *run) MUST_USE;
/* The same on a device that counts (device_open_counting). */
enum status run_open_counting(struct run *run, const struct device *like) MUST_USE;
/* Makes run->dir, writes config.ini, opens the log and metrics.csv. A new run: the directory must not hold
 * one yet. With `resume`, at run->iteration: rows of later iterations are cut off metrics.csv, leftovers of a
 * crash are removed; later checkpoints that can be read are an error. One process at a time has a run
 * directory open. */
enum status run_open_dir(struct run *run, const char *config_text, bool resume) MUST_USE;
/* STATUS_USAGE with a remedy if the directory holds a run. */
enum status run_check_new(const char *dir) MUST_USE;
void run_close(struct run *run);
/* Appends this iteration's row to metrics.csv, after its number and the seconds trained; empties the row. */
enum status run_write_metrics(struct run *run) MUST_USE;

/* Path of a checkpoint by iteration. */
void run_checkpoint_path(const struct run *run, int64_t iteration, char *path, size_t size);
/* The newest readable checkpoint of a run directory (damaged ones are passed over with a warning), or a
 * checkpoint or weights file itself. */
enum status run_find_checkpoint(const char *run_or_file, char *path, size_t size) MUST_USE;
/* Removes old checkpoints but the last `keep`. */
void run_prune_checkpoints(const struct run *run);

/* From now on SIGINT, SIGTERM and SIGHUP ask for a stop (a second SIGINT kills at once); `text` then says on
 * stderr what will happen. */
void run_catch_signals(const char *text);
bool run_stop_requested(void);

#endif
