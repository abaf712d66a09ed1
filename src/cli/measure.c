#include "cli/measure.h"

#include <math.h>

#include "tengen/thread.h"

/* A window is long beside a wait for a GPU (some 20 us), and short, so that some see no other process. */
#define WINDOW_SECONDS 0.005
enum { WINDOWS_MIN = 3, REPEATS_MAX = 10000 };

enum status measure_call(struct queue *q, double seconds, void (*call)(void *context), void *context,
                         double *best) {
    *best = INFINITY;
    call(context); /* compiles kernels, reorders weights */
    TRY(queue_wait(q));
    double end = clock_now() + seconds;
    for (int window = 0, repeats = 1; window < WINDOWS_MIN || clock_now() < end; window++) {
        double gap = 0;
        queue_mark(q);
        for (int i = 0; i < repeats; i++)
            call(context);
        queue_mark(q);
        queue_marks_read(q, &gap);
        TRY(queue_wait(q));
        *best = fmin(*best, gap / repeats);
        double fits = WINDOW_SECONDS / fmax(*best, 1e-9);
        repeats = fits < 1 ? 1 : fits > REPEATS_MAX ? REPEATS_MAX : (int)fits;
    }
    return STATUS_OK;
}
