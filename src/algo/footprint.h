/* What a run will take of memory, known before anything is taken: the algorithm is opened once on a device
 * that counts (device_open_counting), by the code that opens it afterwards on the real one. */
#ifndef ALGO_FOOTPRINT_H
#define ALGO_FOOTPRINT_H

#include "algo/session.h"
#include "tengen/account.h"

enum { FOOTPRINT_AUTOS = 4 };

struct footprint {
    const char *device; /* its name */
    int count;
    struct account_total accounts[ACCOUNTS_MAX];
    size_t all[ACCOUNT_PLACES], free[ACCOUNT_PLACES]; /* free 0: unknown */
    bool spill;                                       /* as it then has to be in the run */
    /* What `auto` became. */
    int auto_count;
    struct {
        const char *key;
        int value;
    } autos[FOOTPRINT_AUTOS];
};

/* For a session that is configured and has its device: puts numbers in place of `auto` in the config, the
 * largest useful ones that fit, lets the run spill where its device is too small, and measures.
 * STATUS_MEMORY, with a smaller size that would fit, where the run does not; *f then is what it would have
 * taken. */
enum status footprint_settle(struct session *s, struct footprint *f) MUST_USE;

/* As a table; in a line ("training activations 1.2 GiB, ..."), what takes most first. */
void footprint_report(const struct footprint *f, const struct report *report);
void footprint_text(const struct footprint *f, char *text, size_t size);

#endif
