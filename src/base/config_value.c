#include "config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void config_print_float(float value, char *text, size_t size) {
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, size, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) return;
    }
}

void config_print_double(double value, char *text, size_t size) {
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return;
    }
}

const char *config_type_name(enum config_type type) {
    static const char *const names[] = {"int",  "int|auto", "long",   "float",
                                        "bool", "string",   "choice", "schedule"};
    return names[type];
}

/* A choice's help begins "a | b | c; ": where that list ends. */
static const char *choices_end(const struct config_key *key) {
    const char *end = strchr(key->help, ';');
    ENSURE(end, "%s: the help of a choice begins \"a | b; \", not \"%s\"", key->name, key->help);
    return end;
}

const char *config_sentence(const struct config_key *key) {
    if (key->type != CONFIG_CHOICE) return key->help;
    const char *sentence = choices_end(key) + 1;
    return sentence + strspn(sentence, " ");
}

static bool is_ranged(const struct config_key *key) {
    bool number = key->type == CONFIG_INT || key->type == CONFIG_INT_OR_AUTO || key->type == CONFIG_LONG ||
                  key->type == CONFIG_FLOAT || key->type == CONFIG_SCHEDULE;
    return number && !(key->min == 0 && key->max == 0);
}

void config_range_print(const struct config_key *key, char *text, size_t size) {
    text[0] = 0;
    if (key->type == CONFIG_CHOICE) {
        snprintf(text, size, "%.*s", (int)(choices_end(key) - key->help), key->help);
    } else if (is_ranged(key)) {
        char least[32], most[32];
        config_print_double(key->min, least, sizeof least);
        config_print_double(key->max, most, sizeof most);
        snprintf(text, size, "%s .. %s", least, most);
    }
}

static bool refuse(char *why, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

static bool refuse(char *why, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, size, format, arguments);
    va_end(arguments);
    return false;
}

static bool in_range(const struct config_key *key, double value, char *why, size_t size) {
    if (!is_ranged(key) || (value >= key->min && value <= key->max)) return true;
    char range[96];
    config_range_print(key, range, sizeof range);
    return refuse(why, size, "out of range; it must be in %s", range);
}

/* Whole numbers may be written as 1e6, as counts of steps often are. */
static bool parse_whole(const char *text, int64_t *value) {
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (end != text && *end == 0) return errno == 0;
    double number = strtod(text, &end);
    if (end == text || *end || !(fabs(number) <= 9007199254740992.0) || number != floor(number)) return false;
    *value = (int64_t)number;
    return true;
}

static bool set_whole(const struct config_key *key, void *member, const char *text, char *why, size_t size) {
    int64_t value;
    const bool may_be_auto = key->type == CONFIG_INT_OR_AUTO;
    if (may_be_auto && strcmp(text, "auto") == 0) {
        *(int *)member = 0;
        return true;
    }
    if (!parse_whole(text, &value))
        return refuse(why, size, "not a whole number%s", may_be_auto ? ", nor `auto`" : "");
    if (!in_range(key, (double)value, why, size)) return false;
    if (key->type == CONFIG_LONG) {
        *(int64_t *)member = value;
        return true;
    }
    if (value < INT_MIN || value > INT_MAX)
        return refuse(why, size, "out of range; it must be in %d .. %d", INT_MIN, INT_MAX);
    *(int *)member = (int)value;
    return true;
}

static bool set_float(const struct config_key *key, void *member, const char *text, char *why, size_t size) {
    char *end;
    float value = strtof(text, &end);
    if (end == text || *end) return refuse(why, size, "not a number");
    if (!isfinite(value)) return refuse(why, size, "not a finite number");
    /* The range is written in decimals, and so is the value: 0.1f is a little more than the double 0.1. */
    if (!in_range(key, strtod(text, NULL), why, size)) return false;
    *(float *)member = value;
    return true;
}

static bool set_bool(void *member, const char *text, char *why, size_t size) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *(bool *)member = i & 1;
            return true;
        }
    return refuse(why, size, "not a truth value; it must be true or false");
}

static bool set_string(void *member, const char *text, char *why, size_t size) {
    if (strlen(text) >= CONFIG_TEXT)
        return refuse(why, size, "too long; %d bytes are the most", CONFIG_TEXT - 1);
    /* Could not be written to a file and read back. */
    if (strpbrk(text, "\r\n") || strstr(text, " ;") || strstr(text, "\t;") || text[0] == ';')
        return refuse(why, size,
                      "a text cannot hold a line's end, or a `;` after a blank, which begins a comment");
    memset(member, 0, CONFIG_TEXT);
    memcpy(member, text, strlen(text));
    return true;
}

static bool set_choice(const struct config_key *key, void *member, const char *text, char *why, size_t size) {
    char list[1024];
    const char *candidates[CONFIG_CHOICES];
    int count = 0;
    config_range_print(key, list, sizeof list);
    for (char *rest = list, *word; (word = strtok_r(rest, "| \t", &rest));) {
        ENSURE(count < CONFIG_CHOICES, "%s: more than %d choices", key->name, CONFIG_CHOICES);
        candidates[count++] = word;
        if (strcmp(word, text) == 0) return set_string(member, text, why, size);
    }
    const char *near = config_nearest(text, candidates, count);
    char all[1024];
    config_range_print(key, all, sizeof all);
    if (near) return refuse(why, size, "not one of %s; did you mean `%s`?", all, near);
    return refuse(why, size, "not one of %s", all);
}

static bool set_schedule(const struct config_key *key, void *member, const char *text, char *why,
                         size_t size) {
    struct schedule s;
    if (!schedule_parse(&s, text))
        return refuse(why, size,
                      "not a schedule; it is a number, or up to %d points like `0.1@0 0.01@500 ~0.001@1000`, "
                      "the first at 0, ascending, `~` for a line from the point before",
                      SCHEDULE_POINTS);
    for (int i = 0; i < s.count; i++) {
        char value[32];
        config_print_float(s.points[i].value, value, sizeof value);
        if (!in_range(key, strtod(value, NULL), why, size)) return false;
    }
    *(struct schedule *)member = s;
    return true;
}

/* `text` without blanks around it and, for texts, without one pair of double quotes. */
static void trim(const struct config_key *key, const char *text, char *trimmed, size_t size) {
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    bool quotable = key->type == CONFIG_STRING || key->type == CONFIG_CHOICE || key->type == CONFIG_SCHEDULE;
    if (quotable && length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        text++;
        length -= 2;
    }
    snprintf(trimmed, size, "%.*s", (int)length, text);
}

bool config_value_set(const struct config_key *key, void *values, const char *text, char *why, size_t size) {
    if (strlen(text) >= CONFIG_VALUE_TEXT) return refuse(why, size, "too long");
    char value[CONFIG_VALUE_TEXT];
    trim(key, text, value, sizeof value);
    void *member = (char *)values + key->offset;
    switch (key->type) {
    case CONFIG_INT:
    case CONFIG_INT_OR_AUTO:
    case CONFIG_LONG:
        return set_whole(key, member, value, why, size);
    case CONFIG_FLOAT:
        return set_float(key, member, value, why, size);
    case CONFIG_BOOL:
        return set_bool(member, value, why, size);
    case CONFIG_STRING:
        return set_string(member, value, why, size);
    case CONFIG_CHOICE:
        return set_choice(key, member, value, why, size);
    case CONFIG_SCHEDULE:
        return set_schedule(key, member, value, why, size);
    }
    return refuse(why, size, "unknown type");
}

/* Defaults are C's text of them: 2.5e-4f, 1000000L, "adam". */
void config_value_default(const struct config_key *key, void *values) {
    char text[CONFIG_VALUE_TEXT], why[1024] = "";
    snprintf(text, sizeof text, "%s", key->default_text);
    size_t length = strlen(text);
    const char *suffixes = "";
    if (key->type == CONFIG_INT || key->type == CONFIG_INT_OR_AUTO || key->type == CONFIG_LONG)
        suffixes = "lLuU";
    if (key->type == CONFIG_FLOAT || (key->type == CONFIG_SCHEDULE && text[0] != '"')) suffixes = "fF";
    while (length && strchr(suffixes, text[length - 1]))
        text[--length] = 0;
    bool legal = config_value_set(key, values, text, why, sizeof why);
    ENSURE(legal, "the default of %s, %s: %s", key->name, key->default_text, why);
}

void config_value_print(const struct config_key *key, const void *values, char text[CONFIG_VALUE_TEXT]) {
    const void *member = (const char *)values + key->offset;
    switch (key->type) {
    case CONFIG_INT:
        snprintf(text, CONFIG_VALUE_TEXT, "%d", *(const int *)member);
        break;
    case CONFIG_INT_OR_AUTO:
        if (*(const int *)member)
            snprintf(text, CONFIG_VALUE_TEXT, "%d", *(const int *)member);
        else
            snprintf(text, CONFIG_VALUE_TEXT, "auto");
        break;
    case CONFIG_LONG:
        snprintf(text, CONFIG_VALUE_TEXT, "%" PRId64, *(const int64_t *)member);
        break;
    case CONFIG_FLOAT:
        config_print_float(*(const float *)member, text, CONFIG_VALUE_TEXT);
        break;
    case CONFIG_BOOL:
        snprintf(text, CONFIG_VALUE_TEXT, "%s", *(const bool *)member ? "true" : "false");
        break;
    case CONFIG_STRING:
    case CONFIG_CHOICE:
        snprintf(text, CONFIG_VALUE_TEXT, "%s", (const char *)member);
        break;
    case CONFIG_SCHEDULE:
        schedule_print(member, text, CONFIG_VALUE_TEXT);
        break;
    }
}
