/* The wish to stop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tengen/run.h"

static volatile sig_atomic_t stop;
static char message[256];

/* Says at once that it was heard, since what goes on may take a while to end. */
static void request_stop(int signal) {
    (void)signal;
    if (!stop) {
        int before = errno; /* of whatever was interrupted */
        ssize_t written = write(STDERR_FILENO, message, strlen(message));
        (void)written;
        errno = before;
    }
    stop = 1;
}

void run_catch_signals(const char *text) {
    snprintf(message, sizeof message, "\n%s\n", text);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = request_stop;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART | SA_RESETHAND; /* the second one has its usual effect */
    sigaction(SIGINT, &action, NULL);
    action.sa_flags = SA_RESTART; /* batch systems may send it to every process of a group, and again */
    sigaction(SIGTERM, &action, NULL);
    struct sigaction before;
    sigaction(SIGHUP, NULL, &before);
    if (before.sa_handler != SIG_IGN) /* as under nohup */
        sigaction(SIGHUP, &action, NULL);
    /* Who reads the log may die of the same signal; that is no reason to lose the state. */
    signal(SIGPIPE, SIG_IGN);
    stop = 0;
}

bool run_stop_requested(void) {
    return stop;
}
