/* The writer's inside, for the files that write more than single data sets (nets, exports). */
#ifndef RUN_WRITER_H
#define RUN_WRITER_H

#include "hdf5_file.h"

struct checkpoint_writer {
    char *path, *temporary;
    hid_t file;
    hid_t groups;       /* properties of new groups: without times */
    enum status status; /* the first error; nothing is written after it */
    char error[1024];
};

/* Remembers what the library said when it could not write `name`. */
void writer_fail(struct checkpoint_writer *w, const char *name);
/* Remembers this thread's error text. */
void writer_fail_status(struct checkpoint_writer *w, enum status s);
/* Says in the group of a net which architecture its weights belong to. */
void writer_mark_net(struct checkpoint_writer *w, const char *group, const char *model);

#endif
