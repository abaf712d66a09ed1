/* Network architectures: one file each in models/, listed in models.def. */
#ifndef TENGEN_MODEL_H
#define TENGEN_MODEL_H

#include "tengen/config.h"
#include "tengen/net.h"

/* What the world outside asks of a network. */
struct model_shape {
    int h, w, c;     /* observation as an image NHWC; a vector of n is 1, 1, n */
    int actions;     /* width of the policy: choices, or numbers of a continuous action */
    bool continuous; /* policies are means, beside an output "log_std" [N,A] that no observation moves */
};

#define MODEL_CONFIG(F, S)                                                                                   \
    F(S, string, model, "resnet", 0, 0, "architecture: a name in models/models.def")                         \
    F(S, int, blocks, 6, 0, 200, "residual blocks, or hidden layers")                                        \
    F(S, int, channels, 64, 1, 4096, "channels of the trunk, or units of hidden layers")                     \
    F(S, int, value_hidden, 64, 1, 4096, "units of the value head's hidden layer")                           \
    F(S, int, policy_channels, 2, 1, 256, "channels of the policy head's 1x1 convolution")                   \
    F(S, int, value_channels, 1, 1, 256, "channels of the value head's 1x1 convolution")                     \
    F(S, choice, head, "actor_critic", 0, 0,                                                                 \
      "actor_critic | policy | q; of mlp, nature_cnn and minatar_cnn: which outputs")                        \
    F(S, bool, shared, false, 0, 1, "mlp: policy and value share the hidden layers")                         \
    F(S, int, gru_units, 0, 0, 4096,                                                                         \
      "mlp, nature_cnn, minatar_cnn: gated recurrent units that policy and value share; 0: no memory")       \
    F(S, bool, dueling, false, 0, 0, "head q: values of states and advantages of actions are summed")        \
    F(S, int, atoms, 1, 1, 1024, "head q: atoms of each action's distribution (C51: 51); 1: a plain value")  \
    F(S, bool, noisy, false, 0, 0, "head q: its linear layers are noisy, which replaces epsilon")
CONFIG_STRUCT(model_config, MODEL_CONFIG)

/* Whether the model and head that are named there use a setting. */
bool model_config_uses(const struct model_config *config, const char *key);

enum { MODEL_SETTINGS = 4 };

struct model {
    const char *name, *summary;
    enum status (*build)(struct net *net, const struct model_config *config, struct model_shape shape);
    /* Keys of [net] besides `model` that it uses, with any head (NULL) and with that one. */
    struct {
        const char *head, *keys;
    } settings[MODEL_SETTINGS];
    /* What `tengen bench net NAME` builds. */
    struct model_config bench_config;
    struct model_shape bench_shape;
};

/* NULL if there is none of that name. */
const struct model *model_find(const char *name);
int model_count(void);
const struct model *model_at(int i);

/* Finds, builds and commits; an unknown name is an error that offers the nearest. Outputs are named "policy"
 * (logits [N,A]; for continuous actions means, and "log_std" [N,A]) and, where the model has one, "value"
 * ([N,1]); or "q" ([N, A atoms]). The single input is "observation". A network with recurrent units is an
 * error. */
enum status model_create(const struct model_config *config, struct model_shape shape, struct device *device,
                         struct net **out) MUST_USE;
/* For callers who carry recurrent units from step to step: there, if the config wants any, inputs "state"
 * [N,units] and "starts" [N,1] are as net_gru has them, and the units after a step are the output
 * "next_state". */
enum status model_create_recurrent(const struct model_config *config, struct model_shape shape,
                                   struct device *device, struct net **out) MUST_USE;

#endif
