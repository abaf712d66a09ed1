/* A child process: an outside GTP engine, which is talked to in lines over pipes, or a worker with
 * environments, which shares memory with us.
 *
 * Nothing here blocks for longer than its deadline (seconds of clock_now()): pipes are non-blocking and
 * waited on with poll. What the child writes to stderr is drained, and its end kept for error texts. The
 * child has a process group of its own, so that stopping it also stops what it has started. A struct child is
 * used by one thread at a time; different ones are independent. Errors are STATUS_PEER and say what the child
 * did. */
#ifndef TENGEN_CHILD_H
#define TENGEN_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tengen/status.h"

struct child {
    bool started;     /* the descriptors are ours to close */
    pid_t pid;        /* 0: none, or it has ended */
    int in, out, err; /* our ends of its stdin, stdout, stderr; -1: closed */
    char *buffer;     /* bytes of its stdout */
    size_t used, room;
    size_t returned;     /* bytes in front that are the line returned last */
    char complaint[512]; /* the end of its stderr */
    size_t complaint_used;
};

/* Runs `command` with the shell. A command that the shell cannot find is seen at the first read. */
enum status child_start(struct child *c, const char *command) MUST_USE;
/* Runs a program, found as the shell would, with its arguments (the first is its name; NULL ends them).
 * `descriptor` is the program's descriptor 3; -1: it gets none. */
enum status child_start_program(struct child *c, const char *const *arguments, int descriptor) MUST_USE;
/* Whether it has ended, on its own or not. Never waits; takes what it has written to stderr. */
bool child_has_ended(struct child *c);
/* STATUS_PEER with how a child has ended that has, or is about to. */
enum status child_fail_ended(struct child *c);
enum status child_write(struct child *c, const char *text, double deadline) MUST_USE;
/* The next line without its end ("\n" or "\r\n"); valid until the next call. */
enum status child_line(struct child *c, const char **line, double deadline) MUST_USE;
/* Closes its stdin, gives it `grace` seconds to leave, then kills it; reaps it. Legal on a zeroed struct. */
void child_stop(struct child *c, double grace);

#endif
