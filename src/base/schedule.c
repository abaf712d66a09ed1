#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "tengen/config.h"

float schedule_value(const struct schedule *s, double at) {
    if (s->count <= 0) return 0.0f;
    int i = 0;
    while (i + 1 < s->count && s->points[i + 1].at <= at)
        i++;
    if (i + 1 == s->count || !s->points[i + 1].linear || at <= s->points[i].at) return s->points[i].value;
    double from = s->points[i].value, to = s->points[i + 1].value;
    double part = (at - s->points[i].at) / (s->points[i + 1].at - s->points[i].at);
    return (float)(from + part * (to - from));
}

/* One point, "[~]value[@at]", up to the next blank; NULL if malformed, else where it ended. */
static const char *parse_point(struct schedule *s, const char *text) {
    if (s->count == SCHEDULE_POINTS) return NULL;
    bool linear = *text == '~';
    if (linear) text++;
    char *end;
    float value = strtof(text, &end);
    if (end == text || !isfinite(value)) return NULL;
    double at = 0;
    if (*end == '@') {
        text = end + 1;
        at = strtod(text, &end);
        if (end == text || !isfinite(at)) return NULL;
    } else if (s->count > 0) {
        return NULL; /* only the first may leave out "@0" */
    }
    if (*end && *end != ' ' && *end != '\t') return NULL;
    bool in_order = s->count == 0 ? at == 0 && !linear : at > s->points[s->count - 1].at;
    if (!in_order) return NULL;
    s->points[s->count].at = at;
    s->points[s->count].value = value;
    s->points[s->count].linear = linear;
    s->count++;
    return end;
}

bool schedule_parse(struct schedule *s, const char *text) {
    struct schedule fresh = {0};
    text += strspn(text, " \t");
    while (*text) {
        text = parse_point(&fresh, text);
        if (!text) return false;
        text += strspn(text, " \t");
    }
    if (fresh.count == 0) return false;
    *s = fresh;
    return true;
}

void schedule_print(const struct schedule *s, char *text, size_t size) {
    size_t used = 0;
    if (size) text[0] = 0;
    for (int i = 0; i < s->count && used < size; i++) {
        char value[32], at[32];
        config_print_float(s->points[i].value, value, sizeof value);
        config_print_double(s->points[i].at, at, sizeof at);
        bool constant = s->count == 1;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s%s%s%s", i ? " " : "",
                             s->points[i].linear ? "~" : "", value, constant ? "" : "@", constant ? "" : at);
    }
}
