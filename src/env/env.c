/* Batches: which provider serves a name, and the accounts of episodes, which all providers share. */
#include "tengen/env.h"

#include <math.h>
#include <string.h>

#include "env/finite.h"
#include "env/native.h"
#include "env/workers.h"
#include "tengen/account.h"
#include "tengen/mem.h"

CONFIG_TABLE(env_config, ENV_CONFIG)

/* ---- specs -----------------------------------------------------------------------------------------------
 */

int env_spec_features(const struct env_spec *spec) {
    return spec->h * spec->w * spec->c;
}

int env_spec_choices(const struct env_spec *spec) {
    int sum = 0;
    for (int i = 0; i < spec->components; i++)
        sum += spec->choices[i];
    return sum;
}

enum status env_spec_require(const struct env_spec *spec, enum env_action_kind kind, const char *algorithm) {
    static const char *const kinds[] = {"one of several", "several choices at once", "continuous"};
    if (spec->kind == kind) return STATUS_OK;
    return status_fail(
        STATUS_USAGE,
        "[env] name = %s: its actions are %s, but %s needs actions that are %s; choose another "
        "environment or algorithm",
        spec->name, kinds[spec->kind], algorithm, kinds[kind]);
}

int env_spec_state(const struct env_spec *spec, const float *observation) {
    int state = 0;
    while (state < spec->states - 1 && observation[state] == 0)
        state++;
    return state;
}

/* ---- opening ---------------------------------------------------------------------------------------------
 */

static const struct {
    const char *prefix;
    const struct env_provider *provider;
} outside[] = {{"gym:", &env_provider_gym}, {"atari:", &env_provider_atari}};

static enum status unknown(const char *name) {
    enum { MAX = 64 };
    char list[1024] = "";
    const char *names[MAX];
    struct env_spec specs[MAX];
    int count = env_native_count();
    size_t used = 0;
    ENSURE(count <= MAX, "%d environments", count);
    for (int i = 0; i < count; i++) {
        specs[i] = env_native_spec(i);
        names[i] = specs[i].name;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s, ", names[i]);
    }
    const char *near = config_nearest(name, names, count);
    if (near)
        return status_fail(STATUS_USAGE, "[env] name = %s: unknown environment; did you mean `%s`?", name,
                           near);
    return status_fail(STATUS_USAGE,
                       "[env] name = %s: unknown environment; there are %sgym:ID and atari:GAME", name, list);
}

static enum status find_provider(const char *name, const struct env_provider **provider) {
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        if (strncmp(name, outside[i].prefix, strlen(outside[i].prefix)) != 0) continue;
        *provider = outside[i].provider;
        return STATUS_OK;
    }
    *provider = &env_provider_native;
    return env_native_find(name) >= 0 ? STATUS_OK : unknown(name);
}

bool env_config_uses(const struct env_config *config, const char *key) {
    const struct env_provider *provider;
    if (config_lists("name count", key) || find_provider(config->name, &provider) != STATUS_OK) return true;
    const char *settings = provider->settings;
    if (!settings) settings = env_native_spec(env_native_find(config->name)).settings;
    return settings && config_lists(settings, key);
}

enum status env_batch_open(struct env_batch *b, const struct env_config *config, int count, uint64_t seed,
                           enum rng_purpose purpose, uint64_t first_index) {
    *b = (struct env_batch){.count = count, .planned = mem_is_counting()};
    ENSURE(count > 0, "%d environments", count);
    ACCOUNT("environments");
    TRY(find_provider(config->name, &b->provider));
    if (strlen(config->name) >= ENV_NAME)
        return status_fail(STATUS_USAGE, "[env] name = %s: longer than %d letters", config->name,
                           ENV_NAME - 1);
    snprintf(b->spec.name, sizeof b->spec.name, "%s", config->name);
    b->returns = MEM_NEW(float, count);
    b->lengths = MEM_NEW(int32_t, count);
    b->rewards = MEM_NEW(float, count);
    b->terminated = MEM_NEW(uint8_t, count);
    b->truncated = MEM_NEW(uint8_t, count);
    b->done = MEM_NEW(uint8_t, count);
    b->lost = MEM_NEW(uint8_t, count);
    b->scores = b->rewards;
    b->ended = b->done;
    enum status status = b->provider->open(b, config, seed, purpose, first_index);
    if (status != STATUS_OK) env_batch_close(b);
    return status;
}

void env_batch_close(struct env_batch *b) {
    if (b->provider) b->provider->close(b);
    mem_free(b->returns);
    mem_free(b->lengths);
    mem_free(b->rewards);
    mem_free(b->terminated);
    mem_free(b->truncated);
    mem_free(b->done);
    mem_free(b->lost);
    *b = (struct env_batch){0};
}

/* ---- stepping --------------------------------------------------------------------------------------------
 */

/* As if no step had been taken yet. */
static void clear_accounts(struct env_batch *b) {
    size_t n = (size_t)b->count;
    memset(b->returns, 0, n * sizeof *b->returns);
    memset(b->lengths, 0, n * sizeof *b->lengths);
    memset(b->rewards, 0, n * sizeof *b->rewards);
    memset(b->scores, 0, n * sizeof *b->scores);
    memset(b->terminated, 0, n);
    memset(b->truncated, 0, n);
    memset(b->done, 0, n);
    memset(b->ended, 0, n);
    memset(b->lost, 0, n);
    b->done_count = 0;
}

enum status env_batch_reset(struct env_batch *b) {
    if (b->planned) return STATUS_OK;
    TRY(b->provider->reset(b, NULL));
    clear_accounts(b);
    return STATUS_OK;
}

void env_batch_observe(struct env_batch *b, void *observations) {
    if (!b->planned) b->provider->observe(b, observations);
}

void env_batch_masks(struct env_batch *b, uint8_t *masks) {
    ENSURE(b->spec.masked, "%s has no masks", b->spec.name);
    b->provider->masks(b, masks);
}

enum status env_batch_send(struct env_batch *b, const void *actions) {
    return b->provider->send(b, actions);
}

static enum status bad_reward(const struct env_batch *b) {
    int i = 0;
    while (isfinite(b->rewards[i]) && isfinite(b->scores[i]))
        i++;
    return status_fail(STATUS_NUMERIC,
                       "environment %d of %s: reward %g after %d steps of its episode; mend the "
                       "environment, whose numbers must be finite",
                       i, b->spec.name, (double)(isfinite(b->rewards[i]) ? b->scores[i] : b->rewards[i]),
                       b->lengths[i]);
}

enum status env_batch_receive(struct env_batch *b) {
    TRY(b->provider->receive(b));
    int n = b->count, done = 0;
    float *restrict returns = b->returns;
    int32_t *restrict lengths = b->lengths;
    uint8_t *restrict ends = b->done;
    for (int i = 0; i < n; i++) {
        returns[i] += b->scores[i];
        lengths[i]++;
    }
    for (int i = 0; i < n; i++) {
        ends[i] = b->terminated[i] | b->truncated[i];
        done += ends[i];
    }
    b->done_count = done;
    if (all_finite(b->rewards, n) && (b->scores == b->rewards || all_finite(b->scores, n))) return STATUS_OK;
    return bad_reward(b);
}

enum status env_batch_step(struct env_batch *b, const void *actions) {
    TRY(env_batch_send(b, actions));
    return env_batch_receive(b);
}

enum status env_batch_reset_done(struct env_batch *b) {
    if (!b->done_count) return STATUS_OK;
    TRY(b->provider->reset(b, b->done));
    float *restrict returns = b->returns;
    int32_t *restrict lengths = b->lengths;
    const uint8_t *restrict ended = b->ended;
    for (int i = 0, n = b->count; i < n; i++) {
        returns[i] = ended[i] ? 0 : returns[i];
        lengths[i] = ended[i] ? 0 : lengths[i];
    }
    memset(b->done, 0, (size_t)b->count);
    memset(b->ended, 0, (size_t)b->count);
    memset(b->lost, 0, (size_t)b->count);
    b->done_count = 0;
    return STATUS_OK;
}

int env_batch_restarts(const struct env_batch *b) {
    return b->provider->restarts ? b->provider->restarts(b) : -1;
}

/* ---- state -----------------------------------------------------------------------------------------------
 */

/* [N] returns, [N] lengths, what the provider keeps */
static size_t saved_bytes(struct env_batch *b) {
    return (size_t)b->count * (sizeof *b->returns + sizeof *b->lengths) + b->provider->save(b, NULL);
}

void *env_batch_save(struct env_batch *b, size_t *size) {
    ENSURE(!b->done_count, "%d environments of %s are done, but not reset", b->done_count, b->spec.name);
    size_t column = (size_t)b->count * sizeof(float);
    *size = saved_bytes(b);
    char *data = mem_alloc(*size, 1);
    memcpy(data, b->returns, column);
    memcpy(data + column, b->lengths, column);
    b->provider->save(b, data + 2 * column);
    return data;
}

enum status env_batch_load(struct env_batch *b, const void *data, size_t size) {
    size_t column = (size_t)b->count * sizeof(float);
    if (size != saved_bytes(b))
        return status_fail(STATUS_FORMAT,
                           "the state of %d environments of %s has %zu bytes, not %zu; was [env] changed?",
                           b->count, b->spec.name, saved_bytes(b), size);
    clear_accounts(b);
    memcpy(b->returns, data, column);
    memcpy(b->lengths, (const char *)data + column, column);
    return b->provider->load(b, (const char *)data + 2 * column, size - 2 * column);
}
