/* The reader's inside, for the files that read more than single data sets (nets, exports). */
#ifndef RUN_READER_H
#define RUN_READER_H

#include "hdf5_file.h"

struct checkpoint_reader {
    char *path;
    hid_t file;
    hsize_t bytes; /* of the whole file: no data set can hold more */
    char kind[32], version[64];
    char *config;
};

#endif
