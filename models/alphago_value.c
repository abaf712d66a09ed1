/* The value network of AlphaGo (Silver et al. 2016, Methods, "Neural network architecture"): conv 5x5,
 * `blocks` times conv 3x3 (11 in the paper: layers 2 to 12), all ReLU, conv 1x1 with one filter, linear to
 * `value_hidden` (256), ReLU, linear to 1, tanh. The paper names no activation after the single filter; there
 * is none here, since one ReLU unit would cut the whole network off where it dies. */
#include "tengen/model.h"

#define HEAD_GAIN 0.1f

static enum status alphago_value_build(struct net *net, const struct model_config *config,
                                       struct model_shape shape) {
    int x = net_input(net, "observation", shape.h, shape.w, shape.c);
    x = net_conv(net, "conv1", x, config->channels, 5, 1, 2, true);
    x = net_activation(net, x, ACTIVATION_RELU);
    for (int i = 0; i < config->blocks; i++) {
        char name[32];
        snprintf(name, sizeof name, "conv%d", i + 2);
        x = net_conv(net, name, x, config->channels, 3, 1, 1, true);
        x = net_activation(net, x, ACTIVATION_RELU);
    }
    x = net_conv(net, "value.conv", x, 1, 1, 1, 0, true);
    x = net_linear(net, "value.fc1", x, config->value_hidden);
    x = net_activation(net, x, ACTIVATION_RELU);
    x = net_linear(net, "value.fc2", x, 1);
    net_gain(net, HEAD_GAIN);
    net_output(net, "value", net_activation(net, x, ACTIVATION_TANH));
    return STATUS_OK;
}

const struct model model_alphago_value = {
    .name = "alphago_value",
    .summary = "15-layer convolutional value (AlphaGo 2016)",
    .build = alphago_value_build,
    .settings = {{NULL, "blocks channels value_hidden"}},
    .bench_config = {.model = "alphago_value", .blocks = 11, .channels = 192, .value_hidden = 256},
    .bench_shape = {19, 19, 49, 361, false},
};
