/* Folders that tests write into: gone before they begin. */
#ifndef TENGEN_TESTS_FOLDER_H
#define TENGEN_TESTS_FOLDER_H

#include <ftw.h>
#include <stdio.h>

static inline int folder_remove_one(const char *path, const struct stat *about, int type, struct FTW *where) {
    (void)about, (void)type, (void)where;
    return remove(path);
}

static inline void folder_remove(const char *dir) {
    nftw(dir, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
