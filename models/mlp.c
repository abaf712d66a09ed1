/* Fully connected networks for small observations.
 *
 * head = actor_critic or policy: `blocks` hidden layers of `channels` tanh units, orthogonal weights, gains
 * sqrt(2) inside, 0.01 for the policy and 1 for the value; a trunk each for policy and value unless `shared`
 * (CleanRL's ppo.py, 2 layers of 64) or recurrent units follow. head = q: `blocks` hidden layers of
 * `channels` ReLU units, the last of which belongs to head_q. */
#include <string.h>

#include "models/heads.h"

static int trunk(struct net *net, const char *name, int x, const struct model_config *config, int layers,
                 bool orthogonal) {
    for (int i = 0; i < layers; i++) {
        char layer[64];
        snprintf(layer, sizeof layer, "%s.fc%d", name, i + 1);
        x = net_linear(net, layer, x, config->channels);
        if (orthogonal) net_orthogonal(net, 1.41421356f);
        x = net_activation(net, x, orthogonal ? ACTIVATION_TANH : ACTIVATION_RELU);
    }
    return x;
}

static int head(struct net *net, const char *output, const char *name, int x, int outputs, float gain) {
    x = net_linear(net, name, x, outputs);
    net_orthogonal(net, gain);
    net_output(net, output, x);
    return x;
}

static enum status mlp_build(struct net *net, const struct model_config *config, struct model_shape shape) {
    int x = net_input_vector(net, "observation", shape.h * shape.w * shape.c);
    if (strcmp(config->head, "q") == 0) {
        char last[64];
        if (config->blocks < 1)
            return status_fail(STATUS_USAGE, "[net] blocks = %d: head = q has one hidden layer at least",
                               config->blocks);
        snprintf(last, sizeof last, "q.fc%d", config->blocks);
        x = trunk(net, "q", x, config, config->blocks - 1, false);
        head_q(net, last, "q.out", x, config->channels, config, shape.actions);
        return STATUS_OK;
    }
    const bool shared = config->shared || config->gru_units;
    int policy = trunk(net, shared ? "trunk" : "policy", x, config, config->blocks, true);
    policy = recurrent_units(net, policy, config);
    head(net, "policy", "policy.out", policy, shape.actions, 0.01f);
    if (shape.continuous) net_output(net, "log_std", net_parameter(net, "log_std", shape.actions, 0.0f));
    if (strcmp(config->head, "policy") == 0) return STATUS_OK;
    int value = shared ? policy : trunk(net, "value", x, config, config->blocks, true);
    head(net, "value", "value.out", value, 1, 1.0f);
    return STATUS_OK;
}

const struct model model_mlp = {
    .name = "mlp",
    .summary = "fully connected; actor and critic (CleanRL's PPO), or Q values",
    .build = mlp_build,
    .settings = {{NULL, "head blocks channels"},
                 {"actor_critic", "shared " POLICY_SETTINGS},
                 {"policy", "shared " POLICY_SETTINGS},
                 {"q", Q_SETTINGS}},
    .bench_config = {.model = "mlp", .blocks = 2, .channels = 64, .head = "actor_critic"},
    .bench_shape = {1, 1, 4, 2, false},
};
