#include "resign.h"

#include <stdbool.h>

void resign_add(struct resign_history *h, struct resign_game game) {
    h->games[h->next] = game;
    h->next = (h->next + 1) % RESIGN_HISTORY;
    if (h->count < RESIGN_HISTORY) h->count++;
}

/* In a game where both fall below the threshold it counts against it, whoever fell first. */
static bool acceptable(const struct resign_history *h, float threshold, float share) {
    int resigned = 0, wrong = 0;
    for (int i = 0; i < h->count; i++) {
        bool other = h->games[i].other < threshold;
        resigned += other || h->games[i].loser < threshold;
        wrong += other;
    }
    return (float)wrong <= share * (float)resigned;
}

float resign_threshold(const struct resign_history *h, float ceiling, float share) {
    if (ceiling <= -1 || h->count < RESIGN_FIRST) return -1;
    if (acceptable(h, ceiling, share)) return ceiling;
    float best = -1; /* only at a false positive's value does the count of them change */
    for (int i = 0; i < h->count; i++) {
        float candidate = h->games[i].other;
        if (candidate > best && candidate < ceiling && acceptable(h, candidate, share)) best = candidate;
    }
    return best;
}
