/* The network of Mnih et al. 2015 for Atari frames [84,84,4] (values 0 to 1): conv 32 8x8 stride 4, conv 64
 * 4x4 stride 2, conv 64 3x3, linear 512, all ReLU; then either policy and value (as CleanRL's ppo_atari.py,
 * orthogonal weights, gains sqrt(2) inside, 0.01 and 1 at the heads) or Q values. `blocks` and `channels` are
 * not used. */
#include "models/heads.h"

static enum status nature_cnn_build(struct net *net, const struct model_config *config,
                                    struct model_shape shape) {
    enum { SMALLEST = 36, HIDDEN = 512 };
    if (shape.h < SMALLEST || shape.w < SMALLEST)
        return status_fail(STATUS_USAGE, "model nature_cnn needs frames of %d x %d at least, not %d x %d",
                           SMALLEST, SMALLEST, shape.h, shape.w);
    int x = net_input(net, "observation", shape.h, shape.w, shape.c);
    x = conv_relu(net, "conv1", x, 32, 8, 4);
    x = conv_relu(net, "conv2", x, 64, 4, 2);
    x = conv_relu(net, "conv3", x, 64, 3, 1);
    head_after_convs(net, x, HIDDEN, config, shape);
    return STATUS_OK;
}

const struct model model_nature_cnn = {
    .name = "nature_cnn",
    .summary = "convolutions for Atari frames (DQN 2015); actor and critic, or Q values",
    .build = nature_cnn_build,
    .settings = {{NULL, "head"},
                 {"actor_critic", POLICY_SETTINGS},
                 {"policy", POLICY_SETTINGS},
                 {"q", Q_SETTINGS}},
    .bench_config = {.model = "nature_cnn", .head = "actor_critic"},
    .bench_shape = {84, 84, 4, 6, false},
};
