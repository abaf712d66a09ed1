#include "tengen/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_ini.h"
#include "config_value.h"
#include "tengen/file.h"
#include "tengen/mem.h"

enum { NAME_SIZE = 50, CANDIDATES = 256, COMMAND_LINE = -1 };

struct section {
    char name[NAME_SIZE];
    const struct config_key *keys;
    void *values; /* the caller's struct */
    const char *about;
    int count;
    int *set_at; /* line of the text read last in which the key stood; COMMAND_LINE; 0: nowhere */
};

struct config {
    struct section *sections;
    int count;
    bool ignore_unbound;
};

struct config *config_create(void) {
    return MEM_NEW(struct config, 1);
}

void config_free(struct config *c) {
    if (!c) return;
    for (int i = 0; i < c->count; i++) {
        mem_free(c->sections[i].set_at);
    }
    mem_free(c->sections);
    mem_free(c);
}

void config_ignore_unbound(struct config *c) {
    c->ignore_unbound = true;
}

void config_defaults(const struct config_key *keys, void *values) {
    for (; keys->name; keys++)
        config_value_default(keys, values);
}

static struct section *find_section(const struct config *c, const char *name) {
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->sections[i].name, name) == 0) return &c->sections[i];
    return NULL;
}

/* Index of a key, -1 if there is none. */
static int find_key(const struct section *s, const char *name) {
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->keys[i].name, name) == 0) return i;
    return -1;
}

void config_bind(struct config *c, const char *section, const struct config_key *keys, void *values,
                 const char *about) {
    ENSURE(strlen(section) < NAME_SIZE, "the section name %s is too long", section);
    ENSURE(!find_section(c, section), "section [%s] is bound twice", section);
    c->sections = mem_resize(c->sections, (size_t)c->count, (size_t)c->count + 1, sizeof *c->sections);
    struct section *s = &c->sections[c->count++];
    snprintf(s->name, sizeof s->name, "%s", section);
    s->keys = keys;
    s->values = values;
    s->about = about ? about : "";
    while (keys[s->count].name) {
        ENSURE(strlen(keys[s->count].name) < NAME_SIZE, "the key name %s is too long", keys[s->count].name);
        s->count++;
    }
    s->set_at = MEM_NEW(int, s->count);
    config_defaults(keys, values);
}

/* " ; did you mean `x`?", or the words there are: what comes after "unknown key" or "unknown section". */
static void suggest(const char *word, const char *const *candidates, int count, char *text, size_t size) {
    const char *near = config_nearest(word, candidates, count);
    if (near) {
        snprintf(text, size, "did you mean `%s`?", near);
        return;
    }
    size_t used = (size_t)snprintf(text, size, "there are");
    for (int i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s %s", i ? "," : "", candidates[i]);
}

static int section_names(const struct config *c, const char *names[CANDIDATES]) {
    int count = 0;
    for (; count < c->count && count < CANDIDATES; count++)
        names[count] = c->sections[count].name;
    return count;
}

static enum status unknown_section(const struct config *c, const char *where, const char *section) {
    const char *candidates[CANDIDATES];
    char hint[600];
    int count = section_names(c, candidates);
    suggest(section, candidates, count, hint, sizeof hint);
    return status_fail(STATUS_USAGE, "%s: unknown section `%s`; %s", where, section, hint);
}

static enum status unknown_key(const struct config *c, const struct section *s, const char *where,
                               const char *key) {
    for (int i = 0; i < c->count; i++)
        if (find_key(&c->sections[i], key) >= 0)
            return status_fail(STATUS_USAGE, "%s: unknown key `%s` in [%s]; did you mean the one of [%s]?",
                               where, key, s->name, c->sections[i].name);
    const char *candidates[CANDIDATES];
    char hint[600];
    int count = 0;
    for (; count < s->count && count < CANDIDATES; count++)
        candidates[count] = s->keys[count].name;
    suggest(key, candidates, count, hint, sizeof hint);
    return status_fail(STATUS_USAGE, "%s: unknown key `%s` in [%s]; %s", where, key, s->name, hint);
}

/* Sets one value; `where` begins the error. */
static enum status assign(const struct config *c, const char *where, const char *section, const char *key,
                          const char *value, struct section **found, int *index) {
    struct section *s = find_section(c, section);
    if (!s) return unknown_section(c, where, section);
    int i = find_key(s, key);
    if (i < 0) return unknown_key(c, s, where, key);
    char why[1024];
    if (!config_value_set(&s->keys[i], s->values, value, why, sizeof why))
        return status_fail(STATUS_USAGE, "%s: %s", where, why);
    *found = s;
    *index = i;
    return STATUS_OK;
}

/* Another reader's, and not one of ours misspelt. */
static bool is_ignored(const struct config *c, const char *section) {
    const char *names[CANDIDATES];
    return c->ignore_unbound && section[0] && !find_section(c, section) &&
           !config_nearest(section, names, section_names(c, names));
}

struct reading {
    const struct config *config;
    const char *name;
};

static enum status read_line(void *context, int line, const char *section, const char *key,
                             const char *value) {
    const struct reading *r = context;
    char where[700];
    if (is_ignored(r->config, section)) return STATUS_OK;
    if (!key) {
        snprintf(where, sizeof where, "%s:%d", r->name, line);
        return find_section(r->config, section) ? STATUS_OK : unknown_section(r->config, where, section);
    }
    if (!section[0])
        return status_fail(STATUS_USAGE, "%s:%d: %s = %.200s: stands before any [section]", r->name, line,
                           key, value);
    snprintf(where, sizeof where, "%s:%d: [%s] %s = %.200s", r->name, line, section, key, value);
    struct section *s;
    int i;
    TRY(assign(r->config, where, section, key, value, &s, &i));
    if (s->set_at[i])
        return status_fail(STATUS_USAGE, "%s: the key stands in line %d already; keep one of them", where,
                           s->set_at[i]);
    s->set_at[i] = line;
    return STATUS_OK;
}

enum status config_read_text(struct config *c, const char *name, const char *text) {
    for (int i = 0; i < c->count; i++)
        for (int k = 0; k < c->sections[i].count; k++)
            c->sections[i].set_at[k] = 0;
    struct reading r = {c, name};
    return config_ini_parse(name, text, read_line, &r);
}

enum status config_file_text(const char *path, char **text) {
    size_t size;
    TRY(file_read(path, text, &size));
    if (strlen(*text) == size) return STATUS_OK;
    mem_free(*text);
    return status_fail(STATUS_USAGE, "%s: is not a text file", path);
}

/* "net.policy.blocks", of `length` letters, into "net.policy" and "blocks". */
static bool split_name(const char *name, size_t length, char section[NAME_SIZE], char key[NAME_SIZE]) {
    const char *dot = memrchr(name, '.', length);
    if (!dot) return false;
    snprintf(section, NAME_SIZE, "%.*s", (int)(dot - name), name);
    snprintf(key, NAME_SIZE, "%.*s", (int)(name + length - dot - 1), dot + 1);
    return true;
}

enum status config_override(struct config *c, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    char where[700], section[NAME_SIZE], key[NAME_SIZE];
    snprintf(where, sizeof where, "command line: %.600s", assignment);
    if (!equals || !split_name(assignment, (size_t)(equals - assignment), section, key))
        return status_fail(STATUS_USAGE, "%s: a setting is section.key=value", where);
    struct section *s;
    int i;
    TRY(assign(c, where, section, key, equals + 1, &s, &i));
    s->set_at[i] = COMMAND_LINE;
    return STATUS_OK;
}

/* The section of "section.key", and the key's index there. */
static const struct section *find_name(const struct config *c, const char *name, int *index) {
    char section[NAME_SIZE] = "", key[NAME_SIZE] = "";
    split_name(name, strlen(name), section, key);
    const struct section *s = find_section(c, section);
    *index = s ? find_key(s, key) : -1;
    ENSURE(*index >= 0, "there is no key %s", name);
    return s;
}

bool config_is(const struct config *c, const char *name, const char *value) {
    char text[CONFIG_VALUE_TEXT];
    int i;
    const struct section *s = find_name(c, name, &i);
    config_value_print(&s->keys[i], s->values, text);
    return strcmp(text, value) == 0;
}

int64_t config_whole(const struct config *c, const char *name) {
    int i;
    const struct section *s = find_name(c, name, &i);
    const void *member = (const char *)s->values + s->keys[i].offset;
    enum config_type type = s->keys[i].type;
    ENSURE(type == CONFIG_INT || type == CONFIG_INT_OR_AUTO || type == CONFIG_LONG, "%s is no whole number",
           name);
    return type == CONFIG_LONG ? *(const int64_t *)member : *(const int *)member;
}

const void *config_values(const struct config *c, const char *section) {
    const struct section *s = find_section(c, section);
    return s ? s->values : NULL;
}

int config_line(const struct config *c, const char *section, const char *key) {
    const struct section *s = find_section(c, section);
    int i = s ? find_key(s, key) : -1;
    return i >= 0 && s->set_at[i] != COMMAND_LINE ? s->set_at[i] : 0;
}

/* The default as text, as the value would be printed. */
static void default_print(const struct config_key *key, char text[CONFIG_VALUE_TEXT]) {
    struct schedule room[sizeof(struct schedule) >= CONFIG_TEXT ? 1 : 2] = {0}; /* any one member */
    struct config_key alone = *key;
    alone.offset = 0;
    config_value_default(&alone, room);
    config_value_print(&alone, room, text);
}

void config_each_setting(const struct config *c,
                         void (*each)(void *context, const struct config_setting *setting), void *context) {
    for (int i = 0; i < c->count; i++) {
        const struct section *s = &c->sections[i];
        for (int k = 0; k < s->count; k++) {
            char value[CONFIG_VALUE_TEXT], preset[CONFIG_VALUE_TEXT];
            config_value_print(&s->keys[k], s->values, value);
            default_print(&s->keys[k], preset);
            if (!s->set_at[k] || strcmp(value, preset) == 0) continue;
            const int line = s->set_at[k] == COMMAND_LINE ? 0 : s->set_at[k];
            each(context, &(struct config_setting){s->name, s->keys[k].name, value, s->values, line});
        }
    }
}

bool config_lists(const char *names, const char *name) {
    const size_t length = strlen(name);
    while (*(names += strspn(names, " "))) {
        size_t word = strcspn(names, " ");
        if (word == length && strncmp(names, name, length) == 0) return true;
        names += word;
    }
    return false;
}

char *config_text(const struct config *c) {
    char *text = NULL, value[CONFIG_VALUE_TEXT];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ENSURE(out, "no memory for a text");
    for (int i = 0; i < c->count; i++) {
        const struct section *s = &c->sections[i];
        fprintf(out, "%s[%s]\n", i ? "\n" : "", s->name);
        for (int k = 0; k < s->count; k++) {
            config_value_print(&s->keys[k], s->values, value);
            fprintf(out, "%s =%s%s\n", s->keys[k].name, value[0] ? " " : "", value);
        }
    }
    fclose(out);
    char *copy = mem_string(text);
    free(text);
    return copy;
}

void config_help(const struct config *c, FILE *out) {
    for (int i = 0; i < c->count; i++) {
        const struct section *s = &c->sections[i];
        fprintf(out, "%s[%s]%s%s\n", i ? "\n" : "", s->name, s->about[0] ? "  " : "", s->about);
        for (int k = 0; k < s->count; k++) {
            const struct config_key *key = &s->keys[k];
            char range[1024], preset[CONFIG_VALUE_TEXT];
            default_print(key, preset);
            config_range_print(key, range, sizeof range);
            bool ranged = range[0] != 0;
            fprintf(out, "  %-28s %-8s default %s%s%s%s\n", key->name, config_type_name(key->type),
                    preset[0] ? preset : "(empty)", ranged ? "  [" : "", range, ranged ? "]" : "");
            fprintf(out, "      %s\n", config_sentence(key));
        }
    }
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, changes and swapped neighbours, case left aside. */
static int edit_distance(const char *a, const char *b) {
    int n = (int)strlen(a), m = (int)strlen(b), rows[3][NAME_SIZE + 1];
    if (n > NAME_SIZE || m > NAME_SIZE) return NAME_SIZE;
    for (int j = 0; j <= m; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            row[j] = least(above[j - 1] + (ca != cb), least(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                           cb == tolower((unsigned char)a[i - 2]);
            if (swapped) row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

/* Near is: a third of the letters wrong at most. */
const char *config_nearest(const char *word, const char *const *candidates, int count) {
    const char *nearest = NULL;
    int best = ((int)strlen(word) + 2) / 3 + 1;
    for (int i = 0; i < count; i++) {
        int distance = edit_distance(word, candidates[i]);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
