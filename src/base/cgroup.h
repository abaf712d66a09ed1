/* The control groups (versions 1 and 2) that this process lives in: their limits on memory and processors.
 * Only mem.c and thread.c ask. */
#ifndef TENGEN_BASE_CGROUP_H
#define TENGEN_BASE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

enum { CGROUP_PATH = 4096 };

/* This process's folder for a version 1 controller ("memory", "cpu"), or with "" for version 2. A limit may
 * stand in that folder or in any above: call cgroup_parent until it returns false. Inside a container the
 * folder's own name may not be visible; the mount's root, which comes last, is the container's own group
 * then. */
bool cgroup_first(const char *controller, char path[CGROUP_PATH]);
bool cgroup_parent(char path[CGROUP_PATH]);

/* Up to `most` leading numbers in path/name; how many there were ("max" is no number). */
int cgroup_numbers(const char *path, const char *name, int most, long long numbers[]);

#endif
