#include "tengen/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tengen/mem.h"
#include "tengen/thread.h"

enum { LINE_MAX_BYTES = 1 << 20 }; /* more without an end of line is no answer of a sane engine */

extern char **environ;

static void close_end(int *descriptor) {
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
}

/* ---- starting -------------------------------------------------------------------------------------------
 */

/* theirs[0..3] become the child's 0, 1, 2, 3. posix_spawn rather than fork: this process may be large and has
 * threads. */
static int spawn(pid_t *pid, const char *const *arguments, const int theirs[4]) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int i = 0; i < 4; i++)
        if (theirs[i] >= 0) posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    /* posix_spawn does not change the arguments */
    int error = posix_spawnp(pid, arguments[0], &actions, &attributes, (char *const *)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

enum status child_start(struct child *c, const char *command) {
    const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
    return child_start_program(c, arguments, -1);
}

enum status child_start_program(struct child *c, const char *const *arguments, int descriptor) {
    *c = (struct child){.in = -1, .out = -1, .err = -1, .started = true};
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    int error = 0;
    for (int i = 0; i < 3 && !error; i++)
        if (pipe2(pipes[i], O_CLOEXEC) != 0) error = errno;
    if (!error) {
        const int theirs[4] = {pipes[0][0], pipes[1][1], pipes[2][1], descriptor};
        error = spawn(&c->pid, arguments, theirs);
    }
    close_end(&pipes[0][0]);
    close_end(&pipes[1][1]);
    close_end(&pipes[2][1]);
    c->in = pipes[0][1];
    c->out = pipes[1][0];
    c->err = pipes[2][0];
    if (error) {
        c->pid = 0;
        child_stop(c, 0);
        return status_fail(STATUS_PEER, "cannot start \"%s\": %s", arguments[0], strerror(error));
    }
    fcntl(c->in, F_SETFL, O_NONBLOCK);
    fcntl(c->out, F_SETFL, O_NONBLOCK);
    fcntl(c->err, F_SETFL, O_NONBLOCK);
    return STATUS_OK;
}

/* ---- ending ---------------------------------------------------------------------------------------------
 */

static void nap(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* Reaps the child if it ends before the deadline. */
static bool reap(struct child *c, double deadline, int *wait_status) {
    for (double pause = 0.0005;; pause = pause < 0.02 ? 2 * pause : pause) {
        siginfo_t info = {0};
        int failed = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
        if ((failed && errno != EINTR) || info.si_pid == c->pid) {
            kill(-c->pid,
                 SIGKILL); /* what it may have left behind; before the number can be given to another */
            *wait_status = 0;
            while (waitpid(c->pid, wait_status, 0) < 0 && errno == EINTR) {
            }
            c->pid = 0;
            return true;
        }
        if (clock_now() >= deadline) return false;
        nap(pause);
    }
}

void child_stop(struct child *c, double grace) {
    if (c->pid) {
        int ignored;
        close_end(&c->in);
        if (grace <= 0 || !reap(c, clock_now() + grace, &ignored)) {
            pid_t pid = c->pid;
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL); /* in case it had no group yet */
            while (waitpid(pid, &ignored, 0) < 0 && errno == EINTR) {
            }
            c->pid = 0;
        }
    }
    if (c->started) {
        close_end(&c->in);
        close_end(&c->out);
        close_end(&c->err);
    }
    c->started = false;
    mem_free(c->buffer);
    c->buffer = NULL;
    c->used = c->room = 0;
}

/* ---- talking --------------------------------------------------------------------------------------------
 */

/* Takes what stderr holds; keeps the last bytes. */
static void drain_complaints(struct child *c) {
    char bytes[sizeof c->complaint / 2];
    for (ssize_t got; c->err >= 0 && (got = read(c->err, bytes, sizeof bytes)) != 0;) {
        if (got < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) close_end(&c->err);
            return;
        }
        size_t limit = sizeof c->complaint - 1, size = (size_t)got;
        size_t keep = c->complaint_used + size <= limit ? c->complaint_used : limit - size;
        memmove(c->complaint, c->complaint + c->complaint_used - keep, keep);
        memcpy(c->complaint + keep, bytes, size);
        c->complaint_used = keep + size;
        c->complaint[c->complaint_used] = 0;
    }
    close_end(&c->err);
}

/* ": " and the last line of stderr, or nothing. */
static void last_complaint(struct child *c, char *text, size_t size) {
    drain_complaints(c);
    char copy[sizeof c->complaint];
    memcpy(copy, c->complaint, sizeof copy);
    size_t length = strlen(copy);
    while (length && strchr("\r\n \t", copy[length - 1]))
        copy[--length] = 0;
    const char *line = strrchr(copy, '\n');
    line = line ? line + 1 : copy;
    snprintf(text, size, "%s%s", *line ? "; it said: " : "", line);
}

bool child_has_ended(struct child *c) {
    siginfo_t info = {0};
    drain_complaints(c);
    return !c->pid || (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid);
}

enum status child_fail_ended(struct child *c) {
    int wait_status = 0;
    char said[300];
    bool ended = reap(c, clock_now() + 0.5, &wait_status);
    last_complaint(c, said, sizeof said);
    if (!ended) return status_fail(STATUS_PEER, "closed its output%s", said);
    if (WIFSIGNALED(wait_status))
        return status_fail(STATUS_PEER, "was killed by signal %d (%s)%s", WTERMSIG(wait_status),
                           strsignal(WTERMSIG(wait_status)), said);
    return status_fail(STATUS_PEER, "ended with exit status %d%s", WEXITSTATUS(wait_status), said);
}

static enum status fail_silent(struct child *c) {
    char said[300];
    last_complaint(c, said, sizeof said);
    return status_fail(STATUS_PEER, "did not answer in time%s", said);
}

/* Waits until `descriptor` is ready for `events`, draining stderr meanwhile. False: the deadline has passed.
 */
static bool wait_ready(struct child *c, int descriptor, short events, double deadline) {
    for (;;) {
        double left = deadline - clock_now();
        if (left < 0) return false;
        struct pollfd set[2] = {{descriptor, events, 0}, {c->err, POLLIN, 0}};
        int milliseconds = left > 1e6 ? 1000000000 : (int)(left * 1e3) + 1;
        int got = poll(set, 2, milliseconds);
        if (got < 0 && errno != EINTR) return false;
        if (got > 0 && set[1].revents) drain_complaints(c);
        if (got > 0 && set[0].revents) return true;
    }
}

/* write() that gives EPIPE without the signal, whatever the program does about SIGPIPE: it is blocked in this
 * thread for the while, and one that came of it is taken away. */
static ssize_t write_quietly(int descriptor, const char *text, size_t size) {
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t got = write(descriptor, text, size);
    int error = errno;
    if (got < 0 && error == EPIPE && !was_pending) {
        const struct timespec now = {0, 0};
        while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return got;
}

enum status child_write(struct child *c, const char *text, double deadline) {
    if (!c->pid || c->in < 0) return status_fail(STATUS_PEER, "is not running");
    size_t left = strlen(text);
    while (left) {
        ssize_t got = write_quietly(c->in, text, left);
        if (got > 0) {
            text += got;
            left -= (size_t)got;
        } else if (got < 0 && errno == EAGAIN) {
            if (!wait_ready(c, c->in, POLLOUT, deadline)) return fail_silent(c);
        } else if (got < 0 && errno != EINTR) {
            return child_fail_ended(c);
        }
    }
    return STATUS_OK;
}

/* Reads what stdout holds into the buffer. */
static enum status fill_buffer(struct child *c, double deadline) {
    if (c->used + 4096 > c->room) {
        size_t room = c->room ? 2 * c->room : 8192;
        c->buffer = mem_resize(c->buffer, c->room, room, 1);
        c->room = room;
    }
    for (;;) {
        ssize_t got = read(c->out, c->buffer + c->used, c->room - c->used);
        if (got > 0) {
            c->used += (size_t)got;
            return STATUS_OK;
        }
        if (got == 0) return child_fail_ended(c);
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return status_fail(STATUS_PEER, "cannot be read from: %s", strerror(errno));
        if (!wait_ready(c, c->out, POLLIN, deadline)) return fail_silent(c);
    }
}

enum status child_line(struct child *c, const char **line, double deadline) {
    if (c->out < 0) return status_fail(STATUS_PEER, "is not running");
    if (c->returned) { /* the line returned last still stands in front */
        memmove(c->buffer, c->buffer + c->returned, c->used - c->returned);
        c->used -= c->returned;
        c->returned = 0;
    }
    for (size_t seen = 0;;) {
        char *end = c->used > seen ? memchr(c->buffer + seen, '\n', c->used - seen) : NULL;
        if (end) {
            c->returned = (size_t)(end - c->buffer) + 1;
            *end = 0;
            if (end > c->buffer && end[-1] == '\r') end[-1] = 0;
            *line = c->buffer;
            return STATUS_OK;
        }
        seen = c->used;
        if (seen > LINE_MAX_BYTES)
            return status_fail(STATUS_PEER, "sent a line of more than %d bytes", LINE_MAX_BYTES);
        TRY(fill_buffer(c, deadline));
    }
}
