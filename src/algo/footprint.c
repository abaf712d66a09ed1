#include "algo/footprint.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tengen/mem.h"

/* ---- measuring --------------------------------------------------------------------------------------------
 */

/* What has been taken since `before`; accounts that hold nothing are left out. */
static void footprint_subtract(struct footprint *f, const struct account_total *before, int before_count) {
    struct account_total now[ACCOUNTS_MAX];
    int count = accounts_read(now);
    f->count = 0;
    memset(f->all, 0, sizeof f->all);
    for (int i = 0; i < count; i++) {
        struct account_total t = now[i];
        size_t sum = 0;
        for (int p = 0; p < ACCOUNT_PLACES; p++) {
            if (i < before_count) t.bytes[p] -= before[i].bytes[p];
            f->all[p] += t.bytes[p];
            sum += t.bytes[p];
        }
        if (sum) f->accounts[f->count++] = t;
    }
}

static int by_size(const void *a, const void *b) {
    const struct account_total *x = a, *y = b;
    size_t sums[2] = {x->bytes[ACCOUNT_HOST] + x->bytes[ACCOUNT_DEVICE],
                      y->bytes[ACCOUNT_HOST] + y->bytes[ACCOUNT_DEVICE]};
    return sums[0] < sums[1] ? 1 : sums[0] > sums[1] ? -1 : strcmp(x->name, y->name);
}

/* Of the session's config with one setting changed ("ppo.horizon=8", or NULL). */
static enum status footprint_measure(const struct session *s, const char *setting, bool spill,
                                     struct footprint *f) {
    struct session probe = {.run.evaluating = s->run.evaluating, .run.spill = spill};
    struct account_total before[ACCOUNTS_MAX];
    size_t total;
    f->device = s->run.device->name;
    f->spill = spill;
    f->free[ACCOUNT_HOST] = mem_available();
    f->free[ACCOUNT_DEVICE] = 0;
    if (s->run.device->kind != DEVICE_CPU && !device_room(s->run.device, &f->free[ACCOUNT_DEVICE], &total))
        f->free[ACCOUNT_DEVICE] = 0;
    char *text = config_text(s->config);
    int count = accounts_read(before);
    mem_count_only(true);
    enum status status = session_configure(&probe, "config", text, &setting, setting ? 1 : 0);
    if (status == STATUS_OK) status = run_open_counting(&probe.run, s->run.device);
    if (status == STATUS_OK) status = probe.algo->open(probe.self, &probe.run);
    footprint_subtract(f, before, count);
    session_close(&probe);
    mem_count_only(false);
    mem_free(text);
    qsort(f->accounts, (size_t)f->count, sizeof *f->accounts, by_size);
    return status;
}

/* The place where it does not fit, or ACCOUNT_PLACES. */
static enum account_place footprint_excess(const struct footprint *f) {
    for (int p = ACCOUNT_PLACES - 1; p >= 0; p--)
        if (f->free[p] && f->all[p] > f->free[p]) return (enum account_place)p;
    return ACCOUNT_PLACES;
}

/* How full the fullest place would be: above 1 it does not fit. */
static double footprint_fullness(const struct footprint *f) {
    double most = 0;
    for (int p = 0; p < ACCOUNT_PLACES; p++)
        if (f->free[p]) most = fmax(most, (double)f->all[p] / (double)f->free[p]);
    return most;
}

/* Measures, and spills where the device is too small and that helps. */
static enum status footprint_fit(const struct session *s, const char *setting, struct footprint *f) {
    TRY(footprint_measure(s, setting, false, f));
    if (footprint_excess(f) != ACCOUNT_DEVICE) return STATUS_OK;
    struct footprint spilt = *f;
    if (footprint_measure(s, setting, true, &spilt) == STATUS_OK &&
        footprint_fullness(&spilt) < footprint_fullness(f))
        *f = spilt;
    return STATUS_OK;
}

/* ---- sizes ------------------------------------------------------------------------------------------------
 */

struct size_try {
    int value;
    double fullness;
};

/* STATUS_MEMORY where it does not fit, another error where the config cannot be so. */
static enum status size_measure(const struct session *s, const char *key, struct size_try *t) {
    struct footprint f;
    char setting[128];
    snprintf(setting, sizeof setting, "%s=%d", key, t->value);
    TRY(footprint_fit(s, setting, &f));
    t->fullness = footprint_fullness(&f);
    return footprint_excess(&f) == ACCOUNT_PLACES ? STATUS_OK : STATUS_MEMORY;
}

/* Where the straight line through both is full; NaN or infinite where there is none. */
static double size_full(struct size_try a, struct size_try b) {
    return a.value + (1 - a.fullness) * (b.value - a.value) / (b.fullness - a.fullness);
}

/* The largest value below the one of `first`, which does not fit, that fits and is allowed; 0 where none is.
 * Each look opens the algorithm, which with very many environments takes its time, so looks are few: memory
 * is a straight line or nearly, and every other look is where two looks say that it is full (regula falsi);
 * those between halve what is left (bisection), so that no kink is worse than slow. */
static int size_largest(const struct session *s, const struct algo_size *z, struct size_try first) {
    struct size_try best = {0, 0}, high = first; /* the largest that fits, the smallest that does not */
    int low = 0;                                 /* nothing else up to here */
    for (bool halve = true; high.value - low > 1; halve = !halve) {
        int guess = low + (high.value - low) / 2;
        if (!halve && (best.value || high.value < first.value)) {
            double full = size_full(best.value ? best : first, high);
            const bool helps = full > low && high.fullness < first.fullness;
            if (!best.value && !helps) return 0; /* it is the rest that does not fit */
            guess = full < high.value ? (int)fmax(full, low + 1) : high.value - 1;
        }
        struct size_try t = {guess, 0};
        while (t.value > low && z->allowed && !z->allowed(s->self, t.value))
            t.value--;
        enum status status = t.value > low ? size_measure(s, z->key, &t) : STATUS_USAGE;
        if (status == STATUS_OK) best = t;
        if (status == STATUS_MEMORY)
            high = t;
        else
            low = guess;
    }
    return best.value;
}

static enum status size_set(struct session *s, const char *key, int value) {
    char setting[128];
    snprintf(setting, sizeof setting, "%s=%d", key, value);
    return config_override(s->config, setting);
}

/* First as if memory were no matter. */
static enum status autos_begin(struct session *s, struct footprint *f) {
    f->auto_count = 0;
    for (const struct algo_size *z = s->algo->sizes; z && z->key; z++) {
        if (!z->automatic || config_whole(s->config, z->key) != 0) continue;
        ENSURE(f->auto_count < FOOTPRINT_AUTOS, "%s: more than %d sizes", s->algo->name, FOOTPRINT_AUTOS);
        TRY(size_set(s, z->key, z->automatic(s->self, &s->run, INT_MAX)));
        f->autos[f->auto_count++].key = z->key;
    }
    return STATUS_OK;
}

/* Then smaller ones, each by half and half again, until the run fits. */
static enum status autos_shrink(struct session *s, struct footprint *f) {
    for (const struct algo_size *z = s->algo->sizes; z && z->key; z++) {
        bool automatic = false;
        for (int i = 0; i < f->auto_count; i++)
            automatic |= f->autos[i].key == z->key;
        while (automatic && footprint_excess(f) != ACCOUNT_PLACES && config_whole(s->config, z->key) > 1) {
            TRY(size_set(s, z->key,
                         z->automatic(s->self, &s->run, (int)config_whole(s->config, z->key) / 2)));
            TRY(footprint_fit(s, NULL, f));
        }
    }
    for (int i = 0; i < f->auto_count; i++)
        f->autos[i].value = (int)config_whole(s->config, f->autos[i].key);
    return STATUS_OK;
}

/* ---- texts ------------------------------------------------------------------------------------------------
 */

static const char *bytes_text(size_t bytes, char text[24]) {
    double mib = (double)bytes / (1 << 20);
    if (mib >= 1000)
        snprintf(text, 24, "%.1f GiB", mib / 1024);
    else if (mib >= 1)
        snprintf(text, 24, "%.1f MiB", mib);
    else
        snprintf(text, 24, "%.1f KiB", mib * 1024);
    return text;
}

static enum status refuse(const struct session *s, const struct footprint *f, enum account_place place) {
    char all[24], room[24], most[24], remedy[192] = "take fewer blocks or channels";
    const struct account_total *largest = &f->accounts[0];
    for (int i = 1; i < f->count; i++)
        if (f->accounts[i].bytes[place] > largest->bytes[place]) largest = &f->accounts[i];
    for (const struct algo_size *z = s->algo->sizes; z && z->key; z++) {
        int value = (int)config_whole(s->config, z->key);
        int fits = size_largest(s, z, (struct size_try){value, footprint_fullness(f)});
        if (!fits) continue;
        snprintf(remedy, sizeof remedy, "%s = %d is the largest that fits (it is %d)", z->key, fits, value);
        break;
    }
    return status_fail(
        STATUS_MEMORY,
        "this run would take %s of the memory of %s, most of it for %s (%s), and %s are free: %s",
        bytes_text(f->all[place], all), place == ACCOUNT_DEVICE ? f->device : "the host", largest->name,
        bytes_text(largest->bytes[place], most), bytes_text(f->free[place], room), remedy);
}

enum status footprint_settle(struct session *s, struct footprint *f) {
    TRY(autos_begin(s, f));
    TRY(footprint_fit(s, NULL, f));
    TRY(autos_shrink(s, f));
    s->run.spill = f->spill;
    enum account_place place = footprint_excess(f);
    return place == ACCOUNT_PLACES ? STATUS_OK : refuse(s, f, place);
}

static void row_report(const struct footprint *f, const struct report *report, const char *name,
                       const size_t bytes[ACCOUNT_PLACES]) {
    char host[24], device[24];
    bytes_text(bytes[ACCOUNT_HOST], host);
    bytes_text(bytes[ACCOUNT_DEVICE], device);
    if (f->all[ACCOUNT_DEVICE])
        report_note(report, "  %-24s %14s %14s", name, device, host);
    else
        report_note(report, "  %-24s %14s", name, host);
}

void footprint_report(const struct footprint *f, const struct report *report) {
    report_note(report, "memory, on %s", f->device);
    if (f->all[ACCOUNT_DEVICE]) report_note(report, "  %-24s %14s %14s", "", "device", "host");
    for (int i = 0; i < f->count; i++)
        row_report(f, report, f->accounts[i].name, f->accounts[i].bytes);
    row_report(f, report, "all", f->all);
    row_report(f, report, "free now", f->free);
    for (int i = 0; i < f->auto_count; i++)
        report_note(report, "  %s = auto: %d", f->autos[i].key, f->autos[i].value);
}

void footprint_text(const struct footprint *f, char *text, size_t size) {
    char bytes[24];
    size_t used = 0;
    for (int p = ACCOUNT_PLACES - 1; p >= 0; p--) {
        if (f->all[p] == 0) continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s%s", used ? "; " : "",
                                 bytes_text(f->all[p], bytes),
                                 f->all[ACCOUNT_DEVICE] == 0 ? ""
                                 : p == ACCOUNT_DEVICE       ? " of the device"
                                                             : " of the host");
        for (int i = 0, shown = 0; i < f->count && shown < 4 && used < size; i++) {
            if (f->accounts[i].bytes[p] * 50 < f->all[p]) continue;
            used += (size_t)snprintf(text + used, size - used, "%s%s %s", shown++ ? ", " : " (",
                                     f->accounts[i].name, bytes_text(f->accounts[i].bytes[p], bytes));
        }
        if (used < size) used += (size_t)snprintf(text + used, size - used, ")");
        if (used >= size) return;
    }
}
