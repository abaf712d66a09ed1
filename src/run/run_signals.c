/* The wish to stop. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tengen/run.h"

static volatile sig_atomic_t stop;

/* Says at once that it was heard, since the iteration may take a while to end. */
static void request_stop(int signal) {
    static const char text[] =
        "\nstopping after this iteration; the state will be saved (Ctrl-C again: stop at once, "
        "without saving)\n";
    (void)signal;
    if (!stop) {
        ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
        (void)written;
    }
    stop = 1;
}

void run_catch_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = request_stop;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART | SA_RESETHAND; /* the second one has its usual effect */
    sigaction(SIGINT, &action, NULL);
    action.sa_flags = SA_RESTART; /* batch systems may send it to every process of a group, and again */
    sigaction(SIGTERM, &action, NULL);
    stop = 0;
}

bool run_stop_requested(void) {
    return stop;
}
