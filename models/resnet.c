/* The dual residual network of AlphaGo Zero (Silver et al. 2017, Methods, "Neural network architecture"):
 *
 *     stem      conv 3x3, batch norm, ReLU
 *     blocks    conv 3x3, batch norm, ReLU, conv 3x3, batch norm, + input, ReLU
 *     policy    conv 1x1 (2 channels), batch norm, ReLU, linear to the actions
 *     value     conv 1x1 (1 channel), batch norm, ReLU, linear, ReLU, linear to 1, tanh
 *
 * Heads begin near zero, so that the first games are played with an even policy. */
#include "tengen/model.h"

#define HEAD_GAIN 0.1f

static int conv_bn_relu(struct net *net, const char *conv, const char *bn, int x, int channels, int kernel) {
    x = net_conv(net, conv, x, channels, kernel, 1, kernel / 2, false);
    x = net_batchnorm(net, bn, x);
    return net_activation(net, x, ACTIVATION_RELU);
}

static enum status resnet_build(struct net *net, const struct model_config *config,
                                struct model_shape shape) {
    int x = net_input(net, "observation", shape.h, shape.w, shape.c);
    x = conv_bn_relu(net, "stem.conv", "stem.bn", x, config->channels, 3);
    for (int i = 0; i < config->blocks; i++) {
        char name[32];
        snprintf(name, sizeof name, "block%d", i + 1);
        x = net_residual(net, name, x, config->channels);
    }

    int policy = conv_bn_relu(net, "policy.conv", "policy.bn", x, config->policy_channels, 1);
    policy = net_linear(net, "policy.fc", policy, shape.actions);
    net_gain(net, HEAD_GAIN);
    net_output(net, "policy", policy);

    int value = conv_bn_relu(net, "value.conv", "value.bn", x, config->value_channels, 1);
    value = net_linear(net, "value.fc1", value, config->value_hidden);
    value = net_activation(net, value, ACTIVATION_RELU);
    value = net_linear(net, "value.fc2", value, 1);
    net_gain(net, HEAD_GAIN);
    net_output(net, "value", net_activation(net, value, ACTIVATION_TANH));
    return STATUS_OK;
}

const struct model model_resnet = {
    .name = "resnet",
    .summary = "residual network with policy and value heads (AlphaGo Zero)",
    .build = resnet_build,
    .settings = {{NULL, "blocks channels value_hidden policy_channels value_channels"}},
    .bench_config = {.model = "resnet",
                     .blocks = 10,
                     .channels = 128,
                     .value_hidden = 256,
                     .policy_channels = 2,
                     .value_channels = 1},
    .bench_shape = {19, 19, 17, 362, false},
};
