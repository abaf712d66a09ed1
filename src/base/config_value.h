/* One value of a configuration: text to member, member to text, and what may stand there. */
#ifndef TENGEN_BASE_CONFIG_VALUE_H
#define TENGEN_BASE_CONFIG_VALUE_H

#include "tengen/config.h"

/* A schedule of SCHEDULE_POINTS points is the longest value. */
enum { CONFIG_VALUE_TEXT = 1024, CONFIG_CHOICES = 32 };

/* Sets the key's member in `values`. On false nothing is set, and `why` says what is wrong and what would be
 * right. */
bool config_value_set(const struct config_key *key, void *values, const char *text, char *why, size_t size);

/* Sets the key's member to its default; a default that is no legal value is a bug. */
void config_value_default(const struct config_key *key, void *values);

/* The member as text that config_value_set takes back. */
void config_value_print(const struct config_key *key, const void *values, char text[CONFIG_VALUE_TEXT]);

/* "int", "1 .. 65536", the sentence: the columns of the help. For a choice the range is "a | b". */
const char *config_type_name(enum config_type type);
void config_range_print(const struct config_key *key, char *text, size_t size);
const char *config_sentence(const struct config_key *key);

/* The fewest digits that read back as the same number. */
void config_print_float(float value, char *text, size_t size);
void config_print_double(double value, char *text, size_t size);

#endif
