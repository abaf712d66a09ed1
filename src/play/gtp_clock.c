/* Time: how long to think so that it lasts. */
#include <math.h>

#include "gtp_state.h"

/* What an answer may take beside the thinking: a batch that is under way, pipes, a graphical program. */
static const double lag = 0.1;

void gtp_clock_set(struct gtp_clock *c, double main, double period, int stones) {
    bool none = period > 0 && stones == 0; /* GTP 2, section 4.2: then there is no limit */
    *c = (struct gtp_clock){.limited = !none, .period = period, .stones = stones, .left = main};
    if (c->limited && main <= 0 && period > 0) {
        c->left = period;
        c->stones_left = stones;
    }
}

void gtp_clock_left(struct gtp_clock *c, double left, int stones) {
    c->limited = true;
    c->left = left;
    c->stones_left = stones;
}

double gtp_clock_budget(const struct gtp_clock *c, int points, int moves) {
    if (!c->limited) return 0;
    double budget;
    if (c->stones_left > 0) {
        budget = c->left / c->stones_left;
    } else {
        /* A game is about 0.8 moves a point long; half of the rest is ours, and never is fewer than some
         * moves left. */
        double rest = fmax(0.8 * points - moves, 0.2 * points) / 2;
        budget = c->left / rest;
        double after = c->period > 0 && c->stones > 0 ? c->period / c->stones : 0;
        budget = fmin(fmax(budget, after), c->left + after); /* what the periods give is safe to use */
    }
    return fmax(budget - fmin(lag, budget / 2), 0.01);
}

void gtp_clock_spend(struct gtp_clock *c, double seconds) {
    if (!c->limited) return;
    c->left -= seconds;
    if (c->stones_left > 0) {
        if (--c->stones_left == 0) {
            c->left = c->period;
            c->stones_left = c->stones;
        }
    } else if (c->left <= 0 && c->period > 0 && c->stones > 0) { /* the main time ended within this move */
        c->left = c->period;
        c->stones_left = c->stones;
    }
    if (c->left < 0) c->left = 0;
}
