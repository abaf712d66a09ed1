/* What the files of the room run share about a run directory. */
#ifndef RUN_RUN_FILES_H
#define RUN_RUN_FILES_H

#include <stdio.h>

#include "tengen/run.h"

enum { RUN_PATH = 640 };

/* Behind `struct run`: what is open in its directory. */
struct run_files {
    int lock;                  /* descriptor of the directory; locked as long as it is open */
    FILE *metrics;             /* opened with the first row */
    char *header[RUN_COLUMNS]; /* names of the columns after "iteration" and "seconds"; owned */
    int header_count;
    double seconds_before; /* trained by earlier processes of this run */
};

/* Cuts metrics.csv back to rows up to run->iteration and takes its header and seconds over. */
enum status metrics_resume(struct run *run) MUST_USE;
void metrics_close(struct run_files *files);

/* The checkpoints of a run directory by ascending iteration. Free with checkpoint_list_free. */
struct checkpoint_list {
    int count;
    char **paths;
    int64_t *iterations;
};
enum status checkpoint_list_make(const char *dir, struct checkpoint_list *list) MUST_USE;
void checkpoint_list_free(struct checkpoint_list *list);
/* Before a resumed run goes on: see run_open_dir. */
enum status checkpoints_resume(const struct run *run) MUST_USE;

#endif
