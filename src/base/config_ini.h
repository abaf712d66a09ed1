/* INI text through inih, with line numbers, which Debian's build of inih does not give. */
#ifndef TENGEN_BASE_CONFIG_INI_H
#define TENGEN_BASE_CONFIG_INI_H

#include "tengen/status.h"

/* Called for each "[section]" line with key and value NULL, and for each "key = value". A status that is not
 * OK ends the reading and is returned. */
typedef enum status (*config_ini_line)(void *context, int line, const char *section, const char *key,
                                       const char *value);

/* Errors of the text itself are "NAME:LINE: ...". */
enum status config_ini_parse(const char *name, const char *text, config_ini_line each,
                             void *context) MUST_USE;

#endif
