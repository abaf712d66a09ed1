/* The network of Young and Tian 2019 for MinAtar's frames [10,10,C]: conv 16 3x3, linear 128, both ReLU; then
 * policy and value, or Q values. `blocks` and `channels` are not used. */
#include "models/heads.h"

static enum status minatar_cnn_build(struct net *net, const struct model_config *config,
                                     struct model_shape shape) {
    enum { KERNEL = 3, HIDDEN = 128 };
    if (shape.h < KERNEL || shape.w < KERNEL)
        return status_fail(STATUS_USAGE, "model minatar_cnn needs frames of %d x %d at least, not %d x %d",
                           KERNEL, KERNEL, shape.h, shape.w);
    int x = net_input(net, "observation", shape.h, shape.w, shape.c);
    head_after_convs(net, conv_relu(net, "conv", x, 16, KERNEL, 1), HIDDEN, config, shape);
    return STATUS_OK;
}

const struct model model_minatar_cnn = {
    .name = "minatar_cnn",
    .summary = "one convolution for MinAtar's frames; actor and critic, or Q values",
    .build = minatar_cnn_build,
    .settings = {{NULL, "head"},
                 {"actor_critic", POLICY_SETTINGS},
                 {"policy", POLICY_SETTINGS},
                 {"q", Q_SETTINGS}},
    .bench_config = {.model = "minatar_cnn", .head = "actor_critic"},
    .bench_shape = {10, 10, 4, 6, false},
};
