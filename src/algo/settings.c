/* Settings that nobody uses: every key is known, but which of them matter depends on what was chosen. */
#include <stdio.h>
#include <string.h>

#include "algo/session.h"
#include "tengen/env.h"
#include "tengen/game.h"
#include "tengen/log.h"
#include "tengen/model.h"

#define CHOSEN(section_, S, format, ...)                                                                     \
    if (strcmp(s->section, #section_) == 0) {                                                                \
        const struct S *c = s->values;                                                                       \
        snprintf(who, 2 * CONFIG_TEXT, format, __VA_ARGS__);                                                 \
        return S##_uses(c, s->key);                                                                          \
    }

/* Whether what was chosen in the setting's section uses it; `who` that is. */
static bool is_used(const struct config_setting *s, char who[2 * CONFIG_TEXT]) {
    CHOSEN(env, env_config, "%s", c->name)
    CHOSEN(game, game_config, "%s", c->name)
    CHOSEN(net, model_config, "model %s with head = %s", c->model, c->head)
    CHOSEN(optimiser, optimiser_config, "%s", c->kind)
    return true;
}

struct unused {
    const char *where;
    int count;
};

static void warn_if_unused(void *context, const struct config_setting *s) {
    struct unused *u = context;
    char who[2 * CONFIG_TEXT];
    if ((s->line && !u->where) || is_used(s, who)) return;
    u->count++;
    if (s->line)
        log_warn("%s:%d: [%s] %s = %s: %s does not use it", u->where, s->line, s->section, s->key, s->value,
                 who);
    else
        log_warn("command line: %s.%s=%s: %s does not use it", s->section, s->key, s->value, who);
}

int session_warn_unused(const struct session *s, const char *where) {
    struct unused u = {.where = where};
    config_each_setting(s->config, warn_if_unused, &u);
    return u.count;
}
