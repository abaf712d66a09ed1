/* Accounts: who holds how much memory. What a thread takes, of the host or of a device, is charged to the
 * account that it is in until it is given back, by whomever. An account lasts until the end of the block it
 * stands in; accounts nest, and the innermost is charged.
 *
 *     void rollout_init(struct rollout *r, ...) {
 *         ACCOUNT("rollout");
 */
#ifndef TENGEN_ACCOUNT_H
#define TENGEN_ACCOUNT_H

#include <stddef.h>

struct account;
enum account_place { ACCOUNT_HOST, ACCOUNT_DEVICE, ACCOUNT_PLACES };
enum { ACCOUNTS_MAX = 24 };

struct account_total {
    const char *name; /* "other": what was taken in no account */
    size_t bytes[ACCOUNT_PLACES];
};

/* Every account there has been, in the order of their first use; returns how many. */
int accounts_read(struct account_total totals[ACCOUNTS_MAX]);
size_t accounts_held(enum account_place place); /* all together */

/* The calling thread's innermost account, to charge and to take off what was charged. */
struct account *account_current(void);
void account_add(struct account *a, enum account_place place, size_t bytes);
void account_subtract(struct account *a, enum account_place place, size_t bytes);

struct account *account_begin(const char *name); /* `name` is kept; returns the one before */
void account_end(struct account *const *before);

#define ACCOUNT_JOIN(a, b) a##b
#define ACCOUNT_VARIABLE(line, name)                                                                         \
    __attribute__((cleanup(account_end), unused)) struct account *const ACCOUNT_JOIN(account_, line) =       \
        account_begin(name)
#define ACCOUNT(name) ACCOUNT_VARIABLE(__LINE__, name)

#endif
