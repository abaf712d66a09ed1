#include "tengen/net_evaluator.h"

#include <string.h>

#include "tengen/account.h"
#include "tengen/board_input.h"
#include "tengen/checkpoint.h"
#include "tengen/log.h"
#include "tengen/mem.h"
#include "tengen/model.h"
#include "tengen/phase.h"

struct evaluator_lane {
    struct queue *queue;
    struct plan *plan;
    struct board_input input;
    struct tensor planes, policy, value;
    float *host_policy, *host_value; /* staging where the device's memory is not the host's */
};

struct net_evaluator {
    struct evaluator base; /* first: callers hold a pointer to it */
    bool staged;
    struct evaluator_lane *lanes;
};

static struct game_batch lane_input(void *context, int lane) {
    const struct net_evaluator *e = context;
    return e->lanes[lane].input.batch;
}

static void lane_evaluate(void *context, int lane, int n, const float **logits, const float **values) {
    struct net_evaluator *e = context;
    struct evaluator_lane *l = &e->lanes[lane];
    PHASE("evaluate");
    board_input_run(&l->input, l->queue, l->planes, n);
    plan_forward(l->plan, n);
    if (e->staged) {
        queue_download(l->queue, l->host_policy, tensor_head(l->policy, n));
        queue_download(l->queue, l->host_value, tensor_head(l->value, n));
    }
    *logits = e->staged ? l->host_policy : l->policy.data;
    *values = e->staged ? l->host_value : l->value.data;
}

static enum status lane_open(struct net_evaluator *e, struct evaluator_lane *l, const struct game *g,
                             struct net *net, struct device *device, int threads, enum precision precision) {
    TRY(queue_open(device, threads, &l->queue));
    l->queue->label = "acting";
    TRY(plan_create(net, l->queue, PLAN_INFER, precision, e->base.batch, &l->plan));
    board_input_init(&l->input, g, l->queue, e->base.batch);
    l->planes = plan_input(l->plan, "observation");
    l->policy = plan_output(l->plan, "policy");
    l->value = plan_output(l->plan, "value");
    if (e->staged) {
        l->host_policy = mem_alloc(tensor_bytes(l->policy), 1);
        l->host_value = mem_alloc(tensor_bytes(l->value), 1);
    }
    return STATUS_OK;
}

enum status net_evaluator_create(const struct game *g, struct net *net, struct device *device, int lanes,
                                 int threads, int batch, enum precision precision, struct evaluator **out) {
    TRY(net_require_output(net, "policy"));
    TRY(net_require_output(net, "value"));
    ACCOUNT("batches");
    struct net_evaluator *e = MEM_NEW(struct net_evaluator, 1);
    e->staged = device->kind != DEVICE_CPU;
    e->lanes = MEM_NEW(struct evaluator_lane, lanes);
    e->base = (struct evaluator){e, lanes, batch, lane_input, lane_evaluate};
    for (int i = 0; i < lanes; i++) {
        enum status s = lane_open(e, &e->lanes[i], g, net, device, threads, precision);
        if (s != STATUS_OK) {
            net_evaluator_free(&e->base);
            return s;
        }
    }
    *out = &e->base;
    return STATUS_OK;
}

void net_evaluator_free(struct evaluator *base) {
    if (!base) return;
    struct net_evaluator *e = base->context;
    for (int i = 0; i < e->base.lanes; i++) {
        plan_free(e->lanes[i].plan);
        queue_close(e->lanes[i].queue);
        board_input_free(&e->lanes[i].input);
        mem_free(e->lanes[i].host_policy);
        mem_free(e->lanes[i].host_value);
    }
    mem_free(e->lanes);
    mem_free(e);
}

enum status net_evaluator_wait(struct evaluator *base) {
    struct net_evaluator *e = base->context;
    for (int i = 0; i < base->lanes; i++)
        TRY(queue_wait(e->lanes[i].queue));
    return STATUS_OK;
}

/* The parts of a run's config that say what a network is for. */
struct loaded_config {
    struct game_config game;
    struct model_config net;
};

static enum status read_config(const char *path, const char *text, const char *const *overrides,
                               int override_count, struct loaded_config *out) {
    struct config *c = config_create();
    config_bind(c, "game", game_config_keys, &out->game, "the game");
    config_bind(c, "net", model_config_keys, &out->net, "the network");
    config_ignore_unbound(c); /* the file's other sections are the training run's own */
    enum status s = config_read_text(c, path, text);
    if (s == STATUS_OK && !config_line(c, "game", "name"))
        s = status_fail(STATUS_USAGE, "%s: is a network that plays no game (its config has no [game])", path);
    struct game_config own = out->game;
    for (int i = 0; i < override_count && s == STATUS_OK; i++)
        s = config_override(c, overrides[i]);
    if (s == STATUS_OK && strcmp(out->game.name, own.name) != 0)
        s = status_fail(STATUS_USAGE, "%s: this network plays %s, not %s", path, own.name, out->game.name);
    if (s == STATUS_OK && out->game.size != own.size)
        s = status_fail(STATUS_USAGE, "%s: this network plays on %dx%d; a board of size %d is unknown to it",
                        path, own.size, own.size, out->game.size);
    config_free(c);
    return s;
}

enum status net_load(const char *path, struct device *device, const char *const *overrides,
                     int override_count, struct game **game, struct net **net) {
    struct checkpoint_reader *r;
    TRY(checkpoint_open(path, &r));
    struct loaded_config config;
    struct game *g = NULL;
    struct net *n = NULL;
    enum status s = read_config(path, checkpoint_config(r), overrides, override_count, &config);
    if (s == STATUS_OK && !checkpoint_has(r, "net"))
        s = status_fail(STATUS_FORMAT,
                        "%s: holds no network (no group /net); give a file made by `tengen export`", path);
    if (s == STATUS_OK) s = game_create(&config.game, &g);
    if (s == STATUS_OK) {
        struct model_shape shape = {g->height, g->width, g->planes, g->actions, false};
        s = model_create(&config.net, shape, device, &n);
    }
    if (s == STATUS_OK) s = checkpoint_get_net(r, "net", n, NULL);
    checkpoint_close(r);
    if (s != STATUS_OK) {
        net_free(n);
        game_free(g);
        return s;
    }
    *game = g;
    *net = n;
    return STATUS_OK;
}
