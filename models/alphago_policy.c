/* The policy network of AlphaGo (Silver et al. 2016, Methods, "Neural network architecture"): conv 5x5, then
 * `blocks` times conv 3x3 (11 in the paper), all ReLU and zero padded, then conv 1x1 with one filter and a
 * bias of its own for each point. One logit a point; there is no pass. */
#include "tengen/model.h"

#define HEAD_GAIN 0.1f

static enum status alphago_policy_build(struct net *net, const struct model_config *config,
                                        struct model_shape shape) {
    if (shape.actions != shape.h * shape.w)
        return status_fail(STATUS_USAGE, "model alphago_policy knows no pass: %d actions on %d x %d points",
                           shape.actions, shape.h, shape.w);
    int x = net_input(net, "observation", shape.h, shape.w, shape.c);
    x = net_conv(net, "conv1", x, config->channels, 5, 1, 2, true);
    x = net_activation(net, x, ACTIVATION_RELU);
    for (int i = 0; i < config->blocks; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv%d", i + 2);
        x = net_conv(net, name, x, config->channels, 3, 1, 1, true);
        x = net_activation(net, x, ACTIVATION_RELU);
    }
    x = net_conv(net, "policy.conv", x, 1, 1, 1, 0, false);
    net_gain(net, HEAD_GAIN);
    x = net_position_bias(net, "policy", x);
    net_output(net, "policy", net_flatten(net, x));
    return STATUS_OK;
}

const struct model model_alphago_policy = {
    .name = "alphago_policy",
    .summary = "13-layer convolutional policy (AlphaGo 2016)",
    .build = alphago_policy_build,
    .settings = {{NULL, "blocks channels"}},
    .bench_config = {.model = "alphago_policy", .blocks = 11, .channels = 192},
    .bench_shape = {19, 19, 48, 361, false},
};
