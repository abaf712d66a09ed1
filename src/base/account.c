#include "tengen/account.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tengen/status.h"

struct account {
    const char *name;
    atomic_size_t bytes[ACCOUNT_PLACES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct account accounts[ACCOUNTS_MAX] = {{.name = "other"}};
static atomic_int account_count = 1; /* grows under the lock */
static _Thread_local struct account *current;

struct account *account_current(void) {
    return current ? current : &accounts[0];
}

static struct account *account_find(const char *name) {
    for (int i = 0; i < account_count; i++)
        if (strcmp(accounts[i].name, name) == 0) return &accounts[i];
    return NULL;
}

struct account *account_begin(const char *name) {
    struct account *before = current, *found = account_find(name);
    if (!found) {
        pthread_mutex_lock(&lock);
        found = account_find(name);
        if (!found) {
            ENSURE(account_count < ACCOUNTS_MAX, "account %s: there are %d already", name, ACCOUNTS_MAX);
            found = &accounts[account_count];
            found->name = name;
            atomic_fetch_add(&account_count, 1);
        }
        pthread_mutex_unlock(&lock);
    }
    current = found;
    return before;
}

void account_end(struct account *const *before) {
    current = *before;
}

void account_add(struct account *a, enum account_place place, size_t bytes) {
    atomic_fetch_add_explicit(&a->bytes[place], bytes, memory_order_relaxed);
}

void account_subtract(struct account *a, enum account_place place, size_t bytes) {
    atomic_fetch_sub_explicit(&a->bytes[place], bytes, memory_order_relaxed);
}

int accounts_read(struct account_total totals[ACCOUNTS_MAX]) {
    int count = account_count;
    for (int i = 0; i < count; i++) {
        totals[i].name = accounts[i].name;
        for (int p = 0; p < ACCOUNT_PLACES; p++)
            totals[i].bytes[p] = accounts[i].bytes[p];
    }
    return count;
}

size_t accounts_held(enum account_place place) {
    struct account_total totals[ACCOUNTS_MAX];
    size_t sum = 0;
    for (int i = accounts_read(totals) - 1; i >= 0; i--)
        sum += totals[i].bytes[place];
    return sum;
}
