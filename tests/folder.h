/* Folders that tests write into: gone before they begin, or of their own and gone when they end. */
#ifndef TENGEN_TESTS_FOLDER_H
#define TENGEN_TESTS_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline int folder_remove_one(const char *path, const struct stat *about, int type, struct FTW *where) {
    (void)about, (void)type, (void)where;
    return remove(path);
}

static inline void folder_remove(const char *dir) {
    nftw(dir, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char folder_entered[] = "/tmp/tengen-XXXXXX";
static pid_t folder_owner; /* its children end, too */

static inline void folder_leave(void) {
    if (getpid() == folder_owner) folder_remove(folder_entered);
}

/* Makes an empty folder the working one, until this process exits. */
static inline void folder_enter(void) {
    folder_owner = getpid();
    if (!mkdtemp(folder_entered) || chdir(folder_entered) != 0 || atexit(folder_leave) != 0) {
        perror(folder_entered);
        exit(1);
    }
}

#endif
