#include "models/heads.h"

#include <string.h>

#define RELU_GAIN 1.41421356f

static int q_layer(struct net *net, const char *name, int x, int outputs, const struct model_config *config) {
    if (config->noisy) return net_noisy_linear(net, name, x, outputs);
    return net_linear(net, name, x, outputs);
}

/* Hidden units and one output layer. */
static int q_stream(struct net *net, const char *fc, const char *out, int x, int hidden, int outputs,
                    const struct model_config *config) {
    x = net_activation(net, q_layer(net, fc, x, hidden, config), ACTIVATION_RELU);
    x = q_layer(net, out, x, outputs, config);
    if (!config->noisy) net_gain(net, 0.1f);
    return x;
}

void head_q(struct net *net, const char *fc, const char *out, int x, int hidden,
            const struct model_config *config, int actions) {
    if (!config->dueling) {
        net_output(net, "q", q_stream(net, fc, out, x, hidden, actions * config->atoms, config));
        return;
    }
    int value = q_stream(net, "value.fc", "value.out", x, hidden, config->atoms, config);
    int advantage =
        q_stream(net, "advantage.fc", "advantage.out", x, hidden, actions * config->atoms, config);
    net_output(net, "q", net_dueling(net, value, advantage));
}

int recurrent_units(struct net *net, int x, const struct model_config *config) {
    if (config->gru_units == 0) return x;
    int state = net_input_vector(net, "state", config->gru_units),
        starts = net_input_vector(net, "starts", 1);
    x = net_gru(net, "gru", x, state, starts);
    net_output(net, "next_state", x);
    return x;
}

void head_after_convs(struct net *net, int x, int hidden, const struct model_config *config,
                      struct model_shape shape) {
    if (strcmp(config->head, "q") == 0) {
        head_q(net, "fc", "q", x, hidden, config, shape.actions);
        return;
    }
    x = net_linear(net, "fc", x, hidden);
    net_orthogonal(net, RELU_GAIN);
    x = recurrent_units(net, net_activation(net, x, ACTIVATION_RELU), config);
    net_output(net, "policy", net_linear(net, "policy", x, shape.actions));
    net_orthogonal(net, 0.01f);
    if (shape.continuous) net_output(net, "log_std", net_parameter(net, "log_std", shape.actions, 0.0f));
    if (strcmp(config->head, "policy") == 0) return;
    net_output(net, "value", net_linear(net, "value", x, 1));
    net_orthogonal(net, 1.0f);
}

int conv_relu(struct net *net, const char *name, int x, int channels, int kernel, int stride) {
    x = net_conv(net, name, x, channels, kernel, stride, 0, true);
    net_orthogonal(net, RELU_GAIN);
    return net_activation(net, x, ACTIVATION_RELU);
}
