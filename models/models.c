/* The list of architectures, and making one by name. */
#include "tengen/model.h"

#include <string.h>

CONFIG_TABLE(model_config, MODEL_CONFIG)

#define MODEL(name) extern const struct model model_##name;
#include "models/models.def"
#undef MODEL

static const struct model *const models[] = {
#define MODEL(name) &model_##name,
#include "models/models.def"
#undef MODEL
};

int model_count(void) {
    return (int)(sizeof models / sizeof models[0]);
}

const struct model *model_at(int i) {
    ENSURE(i >= 0 && i < model_count(), "model %d of %d", i, model_count());
    return models[i];
}

const struct model *model_find(const char *name) {
    for (int i = 0; i < model_count(); i++)
        if (strcmp(models[i]->name, name) == 0) return models[i];
    return NULL;
}

bool model_config_uses(const struct model_config *config, const char *key) {
    const struct model *m = model_find(config->model);
    if (!m || strcmp(key, "model") == 0) return true;
    for (int i = 0; i < MODEL_SETTINGS && m->settings[i].keys; i++) {
        const char *head = m->settings[i].head;
        if ((!head || strcmp(head, config->head) == 0) && config_lists(m->settings[i].keys, key)) return true;
    }
    return false;
}

static enum status model_unknown(const char *name) {
    const char *names[sizeof models / sizeof models[0]];
    for (int i = 0; i < model_count(); i++)
        names[i] = models[i]->name;
    const char *near = config_nearest(name, names, model_count());
    if (near) return status_fail(STATUS_USAGE, "there is no model %s; did you mean %s?", name, near);
    return status_fail(STATUS_USAGE, "there is no model %s; models/models.def lists them", name);
}

enum status model_create(const struct model_config *config, struct model_shape shape, struct device *device,
                         struct net **out) {
    *out = NULL;
    if (config->gru_units)
        return status_fail(STATUS_USAGE,
                           "[net] gru_units = %d: nobody carries their state from step to step here; ppo and "
                           "a2c do, elsewhere it must be 0",
                           config->gru_units);
    return model_create_recurrent(config, shape, device, out);
}

enum status model_create_recurrent(const struct model_config *config, struct model_shape shape,
                                   struct device *device, struct net **out) {
    const struct model *m = model_find(config->model);
    *out = NULL;
    if (!m) return model_unknown(config->model);
    if (shape.h < 1 || shape.w < 1 || shape.c < 1 || shape.actions < 1)
        return status_fail(STATUS_USAGE, "model %s: observation %d x %d x %d, %d actions", m->name, shape.h,
                           shape.w, shape.c, shape.actions);
    struct net *net = net_create(m->name);
    enum status status = m->build(net, config, shape);
    if (status == STATUS_OK && config->gru_units && !net_input_count(net, "state"))
        status =
            status_fail(STATUS_USAGE, "[net] gru_units = %d: model %s with head = %s has no recurrent units",
                        config->gru_units, m->name, config->head);
    if (status == STATUS_OK) status = net_commit(net, device);
    if (status != STATUS_OK) {
        net_free(net);
        return status;
    }
    *out = net;
    return STATUS_OK;
}
