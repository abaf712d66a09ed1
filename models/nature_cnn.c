/* The network of Mnih et al. 2015 for Atari frames [84,84,4] (values 0 to 1): conv 32 8x8 stride 4, conv 64
 * 4x4 stride 2, conv 64 3x3, linear 512, all ReLU; then either policy and value (as CleanRL's ppo_atari.py,
 * orthogonal weights, gains sqrt(2) inside, 0.01 and 1 at the heads) or Q values. `blocks` and `channels` are
 * not used. */
#include <string.h>

#include "tengen/model.h"

static enum status nature_cnn_build(struct net *net, const struct model_config *config,
                                    struct model_shape shape) {
    static const struct {
        const char *name;
        int channels, kernel, stride;
    } convs[] = {{"conv1", 32, 8, 4}, {"conv2", 64, 4, 2}, {"conv3", 64, 3, 1}};
    enum { SMALLEST = 36, HIDDEN = 512 };
    const float inside = 1.41421356f;
    if (shape.h < SMALLEST || shape.w < SMALLEST)
        return status_fail(STATUS_USAGE, "model nature_cnn needs frames of %d x %d at least, not %d x %d",
                           SMALLEST, SMALLEST, shape.h, shape.w);
    int x = net_input(net, "observation", shape.h, shape.w, shape.c);
    for (int i = 0; i < 3; i++) {
        x = net_conv(net, convs[i].name, x, convs[i].channels, convs[i].kernel, convs[i].stride, 0, true);
        net_orthogonal(net, inside);
        x = net_activation(net, x, ACTIVATION_RELU);
    }
    x = net_linear(net, "fc", x, HIDDEN);
    net_orthogonal(net, inside);
    x = net_activation(net, x, ACTIVATION_RELU);
    if (strcmp(config->head, "q") == 0) {
        net_output(net, "q", net_linear(net, "q", x, shape.actions));
        return STATUS_OK;
    }
    net_output(net, "policy", net_linear(net, "policy", x, shape.actions));
    net_orthogonal(net, 0.01f);
    if (strcmp(config->head, "policy") == 0) return STATUS_OK;
    net_output(net, "value", net_linear(net, "value", x, 1));
    net_orthogonal(net, 1.0f);
    return STATUS_OK;
}

const struct model model_nature_cnn = {
    .name = "nature_cnn",
    .summary = "convolutions for Atari frames (DQN 2015); actor and critic, or Q values",
    .build = nature_cnn_build,
    .bench_config = {.model = "nature_cnn", .head = "actor_critic"},
    .bench_shape = {84, 84, 4, 6},
};
