/* What networks of several files end in: hidden units and the outputs that the config's `head` asks for. */
#ifndef MODELS_HEADS_H
#define MODELS_HEADS_H

#include "tengen/model.h"

/* A layer of `hidden` ReLU units named `fc`, then the output "q" by a layer named `out`: A actions of `atoms`
 * logits each, or of one value. Where the config says so both are noisy (Fortunato et al. 2018), or stand
 * twice, as "value.fc", "value.out" and "advantage.fc", "advantage.out", for the dueling sum (Wang et al.
 * 2016). Values begin near zero. */
void head_q(struct net *net, const char *fc, const char *out, int x, int hidden,
            const struct model_config *config, int actions);

/* What follows the convolutions of nature_cnn and minatar_cnn: head_q, or a layer "fc" of `hidden` ReLU units
 *, recurrent units if there are any, and "policy" and "value" (CleanRL's gains). */
void head_after_convs(struct net *net, int x, int hidden, const struct model_config *config,
                      struct model_shape shape);

/* x, or config->gru_units recurrent units over it, as model_create_recurrent names their inputs and output.
 */
int recurrent_units(struct net *net, int x, const struct model_config *config);

/* Of struct model.settings: what the heads use. */
#define POLICY_SETTINGS "gru_units"
#define Q_SETTINGS      "dueling atoms noisy"

/* relu(conv(x)) with orthogonal weights, without padding. */
int conv_relu(struct net *net, const char *name, int x, int channels, int kernel, int stride);

#endif
