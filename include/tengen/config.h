/* Configuration: one list a module gives the struct, the defaults, the help, the checks and the text that a
 * checkpoint keeps.
 *
 *     #define PPO_CONFIG(F, S)                                                              \
 *         F(S, float,  learning_rate, 2.5e-4f, 0,  1,     "Adam step size")                 \
 *         F(S, int,    horizon,       128,     1,  65536, "steps per environment and update") \
 *         F(S, bool,   normalise,     true,    0,  1,     "normalise advantages")           \
 *         F(S, choice, optimiser,     "adam",  0, 0,      "adam | sgd; the optimiser")      \
 *         F(S, string, name,          "",      0, 0,      "what to call it")                \
 *         F(S, schedule, rate, "0.02@0 0.002@1000", 0, 1, "value@step pairs, kept constant between")
 *     CONFIG_STRUCT(ppo_config, PPO_CONFIG)          -> struct ppo_config { ... };           (in the header)
 *     CONFIG_TABLE(ppo_config, PPO_CONFIG)           -> const struct config_key ppo_config_keys[] (in the .c
 * file)
 *
 * S is the struct's name, passed through. Types: int (int), int_or_auto (int; the word auto is 0, and
 * somebody puts a number in its place before the value is used), long (int64_t), float, bool, string and
 * choice (char[CONFIG_TEXT]), schedule (struct schedule). A choice's help begins "a | b | c; ", and its
 * default is one of them; any other value is refused. For a schedule min and max bound its values.
 *
 * A `struct config` binds sections ("run", "net", "net.policy") to such structs, then reads an INI file
 * (inih) and overrides from the command line ("section.key=value"). An unknown section or key, a bad value or
 * one out of range is an error that names file, line, key and the nearest valid key. One that what was chosen
 * does not use is a warning (config_each_setting, src/algo/settings.c).
 */
#ifndef TENGEN_CONFIG_H
#define TENGEN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tengen/status.h"

enum { CONFIG_TEXT = 256, SCHEDULE_POINTS = 16 };

/* A value that changes with a counter: points of (at, value), "value@at", at ascending from 0.
 * "0.1" is a constant. "0.1@0 0.01@500" steps; "0.1@0 ~0.01@500" runs linearly from the point before. */
struct schedule {
    int count;
    struct {
        double at;
        float value;
        bool linear;
    } points[SCHEDULE_POINTS];
};

float schedule_value(const struct schedule *s, double at);
bool schedule_parse(struct schedule *s, const char *text); /* false if malformed */
void schedule_print(const struct schedule *s, char *text, size_t size);

enum config_type {
    CONFIG_INT,
    CONFIG_INT_OR_AUTO,
    CONFIG_LONG,
    CONFIG_FLOAT,
    CONFIG_BOOL,
    CONFIG_STRING,
    CONFIG_CHOICE,
    CONFIG_SCHEDULE
};

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset;
    const char *default_text; /* as it would stand in an INI file */
    double min, max;          /* inclusive; both 0: not checked */
    const char *help;
};

/* Member types by list type. */
#define CONFIG_MEMBER_int(n)         int n;
#define CONFIG_MEMBER_int_or_auto(n) int n;
#define CONFIG_MEMBER_long(n)        int64_t n;
#define CONFIG_MEMBER_float(n)       float n;
#define CONFIG_MEMBER_bool(n)        bool n;
#define CONFIG_MEMBER_string(n)      char n[CONFIG_TEXT];
#define CONFIG_MEMBER_choice(n)      char n[CONFIG_TEXT];
#define CONFIG_MEMBER_schedule(n)    struct schedule n;

#define CONFIG_TYPE_int         CONFIG_INT
#define CONFIG_TYPE_int_or_auto CONFIG_INT_OR_AUTO
#define CONFIG_TYPE_long        CONFIG_LONG
#define CONFIG_TYPE_float       CONFIG_FLOAT
#define CONFIG_TYPE_bool        CONFIG_BOOL
#define CONFIG_TYPE_string      CONFIG_STRING
#define CONFIG_TYPE_choice      CONFIG_CHOICE
#define CONFIG_TYPE_schedule    CONFIG_SCHEDULE

#define CONFIG_FIELD_(S, type, name, default_, min, max, help) CONFIG_MEMBER_##type(name)
#define CONFIG_KEY_(S, type, name, default_, min, max, help)                                                 \
    {#name, CONFIG_TYPE_##type, offsetof(struct S, name), #default_, min, max, help},

#define CONFIG_STRUCT(S, LIST)                                                                               \
    struct S {                                                                                               \
        LIST(CONFIG_FIELD_, S)                                                                               \
    };                                                                                                       \
    extern const struct config_key S##_keys[];
#define CONFIG_TABLE(S, LIST)                                                                                \
    const struct config_key S##_keys[] = {LIST(CONFIG_KEY_, S){NULL, CONFIG_INT, 0, NULL, 0, 0, NULL}};

struct config;

struct config *config_create(void);
void config_free(struct config *c);

/* Binds a section and sets `values` to the defaults. `values` must outlive the config. `about` is a line for
 * help. */
void config_bind(struct config *c, const char *section, const struct config_key *keys, void *values,
                 const char *about);

/* From now on sections of a text that nothing is bound to are skipped, but for those that look like one that
 * is, misspelt: for reading a part of a config. */
void config_ignore_unbound(struct config *c);

/* Sets every value of one struct to its default, without a config. */
void config_defaults(const struct config_key *keys, void *values);

/* A file's content, if it is text; mem_free. */
enum status config_file_text(const char *path, char **text) MUST_USE;
/* Reads INI text (`name` is used in errors). Later readings win. */
enum status config_read_text(struct config *c, const char *name, const char *text) MUST_USE;

/* "section.key=value" */
enum status config_override(struct config *c, const char *assignment) MUST_USE;

/* The value of "section.key", a key of type int, int_or_auto or long. */
int64_t config_whole(const struct config *c, const char *name);

/* The struct that a section is bound to; NULL: there is no such section. */
const void *config_values(const struct config *c, const char *section);

/* A key that the text read last or the command line has set to another value than its default. */
struct config_setting {
    const char *section, *key, *value;
    const void *values; /* the section's struct */
    int line;           /* of the text; 0: on the command line */
};
/* Calls `each` for every such key. */
void config_each_setting(const struct config *c,
                         void (*each)(void *context, const struct config_setting *setting), void *context);

/* Whether `name` is among `names`, which are parted by blanks. */
bool config_lists(const char *names, const char *name);

/* Whether "section.key" has this value, as it would stand in an INI file. */
bool config_is(const struct config *c, const char *name, const char *value);

/* The whole config as INI text that config_read_text takes back, every key written; freed by mem_free. */
char *config_text(const struct config *c);

/* Every section and key with type, default, range and help. */
void config_help(const struct config *c, FILE *out);

/* The line of the text read last in which a key stood; 0: it did not. */
int config_line(const struct config *c, const char *section, const char *key);

/* Edit distance, for "did you mean": the candidate nearest to `word`, or NULL if none is near. */
const char *config_nearest(const char *word, const char *const *candidates, int count);

#endif
