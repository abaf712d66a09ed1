/* Settings that nobody uses: every key is known, but which of them matter depends on what was chosen. */
#include <stdio.h>
#include <string.h>

#include "algo/session.h"
#include "tengen/env.h"
#include "tengen/game.h"
#include "tengen/log.h"
#include "tengen/model.h"

enum { REASON = 2 * CONFIG_TEXT + 64 };

#define CHOSEN(section_, S, format, ...)                                                                     \
    if (strcmp(s->section, #section_) == 0) {                                                                \
        const struct S *c = s->values;                                                                       \
        snprintf(why, REASON, format " does not use it", __VA_ARGS__);                                       \
        return S##_uses(c, s->key);                                                                          \
    }

/* Whether what was chosen in the setting's section uses it; if not, `why`. */
static bool is_used(const struct config_setting *s, char why[REASON]) {
    CHOSEN(env, env_config, "%s", c->name)
    CHOSEN(game, game_config, "%s", c->name)
    CHOSEN(net, model_config, "model %s with head = %s", c->model, c->head)
    CHOSEN(optimiser, optimiser_config, "%s", c->kind)
    return true;
}

/* Whether another setting puts it out of use. */
static bool is_idle(const struct session *session, const struct config_setting *s, char why[REASON]) {
    for (const struct algo_idle *i = session->algo->idle; i && i->section; i++) {
        if (strcmp(i->section, s->section) != 0 || !config_lists(i->keys, s->key) ||
            !config_is(session->config, i->other, i->value))
            continue;
        snprintf(why, REASON, "it has no effect with %s = %s", i->other, i->value);
        return true;
    }
    return false;
}

struct unused {
    const struct session *session;
    const char *where;
    int count;
};

static void warn_if_unused(void *context, const struct config_setting *s) {
    struct unused *u = context;
    char why[REASON];
    if ((s->line && !u->where) || (is_used(s, why) && !is_idle(u->session, s, why))) return;
    u->count++;
    if (s->line)
        log_warn("%s:%d: [%s] %s = %s: %s", u->where, s->line, s->section, s->key, s->value, why);
    else
        log_warn("command line: %s.%s=%s: %s", s->section, s->key, s->value, why);
}

int session_warn_unused(const struct session *s, const char *where) {
    struct unused u = {.session = s, .where = where};
    config_each_setting(s->config, warn_if_unused, &u);
    return u.count;
}
