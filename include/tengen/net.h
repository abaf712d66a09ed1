/* Networks: built once out of calls that return node numbers, then run by plans.
 *
 *     struct net *net = net_create("resnet");
 *     int x = net_input(net, "planes", 7, 7, 17);
 *     x = net_conv(net, "stem.conv", x, 64, 3, 1, 1, false);
 *     x = net_batchnorm(net, "stem.bn", x);  x = net_activation(net, x, ACTIVATION_RELU);
 *     net_output(net, "policy", net_linear(net, "policy.fc", x, 50));
 *     TRY(net_commit(net, device));  net_initialise(net, seed);
 *     TRY(plan_create(net, queue, PLAN_TRAIN, PRECISION_AUTO, 256, &plan));
 *
 * A net owns its parameters: one slab each for weights, gradients and state (running statistics), with a
 * table of named segments, ordered so that those with equal flags lie together. Any number of plans share
 * them. A plan owns activations, made for the largest batch; nothing allocates after plan_create. Plans for
 * inference fold batch norm into the layer before, fuse bias, residual and activation, and refold when the
 * weights' version changes. A net and its plans are used by one thread at a time, except that several
 * inference plans with queues of their own may run at once while nobody changes the weights.
 */
#ifndef TENGEN_NET_H
#define TENGEN_NET_H

#include <stdio.h>

#include "tengen/config.h"
#include "tengen/device.h"
#include "tengen/ops.h"
#include "tengen/rng.h"

struct net;
struct plan;

enum segment_flags { SEGMENT_DECAY = 1, SEGMENT_FROZEN = 2, SEGMENT_STATE = 4 };

struct segment {
    char name[96];      /* "block3.conv1.weight"; what checkpoints and exports speak of */
    const char *layout; /* "OHWI", "OI", "C", "HWC" */
    unsigned flags;     /* SEGMENT_STATE: lies in the state slab and has no gradient */
    int rank, dims[TENSOR_RANK];
    size_t offset, count; /* in floats, within its slab */
    int fan_in;           /* for initialisation; 0: constant `fill` */
    float gain, fill;
    bool orthogonal; /* initial weights: net_orthogonal */
};

/* ---- building -------------------------------------------------------------------------------------------
 */
struct net *net_create(const char *model_name);
void net_free(struct net *net);

int net_input(struct net *net, const char *name, int h, int w, int c); /* image, NHWC */
int net_input_vector(struct net *net, const char *name, int n);
/* Convolution with square kernel. No bias where a batch norm follows. */
int net_conv(struct net *net, const char *name, int x, int channels, int kernel, int stride, int pad,
             bool bias);
int net_linear(struct net *net, const char *name, int x,
               int outputs); /* with bias; images are flattened (HWC order) */
/* A linear layer whose weights and biases are means plus deviations, both learnt, times factorised noise
 * (Fortunato et al. 2018), which net_noise draws. */
int net_noisy_linear(struct net *net, const char *name, int x, int outputs);
int net_batchnorm(struct net *net, const char *name, int x);
int net_position_bias(struct net *net, const char *name, int x); /* one bias a point and channel */
/* n learned numbers that depend on no input, the same for every sample; `fill` at first: the logarithm of a
 * policy's standard deviation, say. The segment is NAME.bias. */
int net_parameter(struct net *net, const char *name, int n, float fill);
int net_activation(struct net *net, int x, enum activation act);
int net_add(struct net *net, int a, int b);
/* v[k] + d[a,k] - mean of d[.,k] over a (dueling_forward in ops.def)     values: [K], advantages: [A K] */
int net_dueling(struct net *net, int values, int advantages);
/* Gated recurrent units (Cho et al. 2014; gru_forward in ops.def) over x: a linear layer NAME.input with
 * three outputs a unit, and NAME.weight [3H,H] for the state, without a bias (PyTorch: bias_hh = 0); both
 * begin orthogonal. state [H] and starts [1] are inputs: the units before the first step of each sequence
 * (plan_set_steps), and for each sample 1 where it begins an episode, before which all is forgotten. Returns
 * the units after each step; callers who carry them on make them an output. */
int net_gru(struct net *net, const char *name, int x, int state, int starts);
int net_pool(struct net *net, int x, enum pooling kind); /* [N,H,W,C] -> [N,C] */
int net_flatten(struct net *net, int x);                 /* [N,H,W,C] -> [N,HWC], no copy */
/* relu(bn(conv3x3)), bn(conv3x3), + x, relu (AlphaGo Zero, Methods) under NAME.conv1, NAME.bn1, ... */
int net_residual(struct net *net, const char *name, int x, int channels);
/* Scales the initial weights of the last layer added: 0.01 for a policy head, say. */
void net_gain(struct net *net, float gain);
/* The last layer's initial weights become orthogonal times gain (Saxe et al. 2014), as PPO implementations
 * have them. */
void net_orthogonal(struct net *net, float gain);
/* Parameters added so far whose names begin with `prefix` get no optimiser steps. */
void net_freeze(struct net *net, const char *prefix);
/* Names a node whose values callers read, and whose gradient a training plan starts from. Always F32 to
 * callers. */
void net_output(struct net *net, const char *name, int x);
/* Numbers a sample of the input of this name; 0: there is none. */
size_t net_input_count(const struct net *net, const char *name);
int net_outputs(const struct net *net);
const char *net_output_name(const struct net *net, int i);
/* Fails with a text that names the outputs there are, unless one has this name. */
enum status net_require_output(const struct net *net, const char *name) MUST_USE;

/* ---- parameters -----------------------------------------------------------------------------------------
 */
/* Fixes the graph and allocates the slabs on the device. */
enum status net_commit(struct net *net, struct device *device) MUST_USE;
/* He-normal by fan-in times gain, biases 0, batch norm 1 and 0; the stream of segment i is (seed, RNG_INIT,
 * i). */
enum status net_initialise(struct net *net, uint64_t seed) MUST_USE;

const char *net_name(const struct net *net);
/* Nodes in the order in which a forward pass runs; a name for each, "block1.conv1", or by what it reads where
 * the builder gave none, "block1.bn2.add.activation". */
int net_nodes(const struct net *net);
size_t net_node_count(const struct net *net, int node); /* values a sample */
void net_node_text(const struct net *net, int node, char *text, size_t size);
struct device *net_device(const struct net *net);
int net_segments(const struct net *net);
const struct segment *net_segment(const struct net *net, int i);
int net_find_segment(const struct net *net, const char *name); /* -1 if absent */
struct tensor net_weights(struct net *net);                    /* the slab: F32 [n] */
struct tensor net_gradients(struct net *net);                  /* as long as net_weights */
struct tensor net_state(struct net *net);                      /* running statistics */
/* One segment to or from host memory. On a GPU these, net_copy and net_initialise use a queue of the net's
 * own: callers wait for theirs (queue_wait) first. */
void net_read(struct net *net, int segment, float *host);
enum status net_write(struct net *net, int segment, const float *host) MUST_USE;
/* Says that weights or state changed (optimiser steps, net_write and training forward passes say so
 * themselves). */
void net_touch(struct net *net);
/* New noise for all noisy layers, the same for every sample until the next call; rng NULL: none, the layers
 * are their means. As net_write, callers wait for their queues first. */
enum status net_noise(struct net *net, struct rng *rng) MUST_USE;
void net_zero_gradients(struct net *net, struct queue *q);
/* Copies weights and state of `from` to the segments of equal name and shape: target networks, fine-tuning.
 */
enum status net_copy(struct net *to, const struct net *from) MUST_USE;
/* Number of trainable parameters, and multiply-adds * 2 of one forward pass for one sample. */
size_t net_parameters(const struct net *net);
double net_flops(const struct net *net);
/* Bytes that a forward pass of n samples moves at least: parameters read once (as F32), each layer's output,
 * the rest being fused into it, written and read once in `type`. */
double net_traffic(const struct net *net, int n, enum dtype type);
/* A table of layers, shapes and parameters. */
void net_print(const struct net *net, FILE *out);

/* ---- plans ----------------------------------------------------------------------------------------------
 */
/* INSPECT: as INFER, but what the layers made stays, for plan_read_node. */
enum plan_mode { PLAN_INFER, PLAN_TRAIN, PLAN_INSPECT };
/* Of activations; weights are always F32. TF32 stores F32, and products on a GPU round their factors to 10
 * bits; on a CPU it is F32. AUTO: BF16 where the device is faster in it. */
enum precision { PRECISION_F32, PRECISION_TF32, PRECISION_BF16, PRECISION_AUTO };

/* "f32", "tf32", "bf16", "auto", as users write them. */
const char *precision_name(enum precision precision);
enum status precision_parse(const char *text, enum precision *out) MUST_USE;
/* What a device makes of it: F32, TF32 or BF16. */
enum precision precision_choose(const struct device *device, enum precision wanted);

enum status plan_create(struct net *net, struct queue *q, enum plan_mode mode, enum precision precision,
                        int max_batch, struct plan **out) MUST_USE;
void plan_free(struct plan *plan);
enum precision plan_precision(const struct plan *plan);
size_t plan_memory(const struct plan *plan); /* bytes of activations */

/* Of a training plan with recurrent layers: samples are `steps` steps of S sequences, sample t S + s being
 * step t of sequence s. Of the states' inputs the first S rows are read. 1 at first: every sample is a
 * sequence. */
void plan_set_steps(struct plan *plan, int steps);

/* The input as F32 [max_batch, ...] in device memory, zeros at first; on a CPU callers write it in place. */
struct tensor plan_input(struct plan *plan, const char *name);
/* Runs the first n samples. Rows from n up to the plan's slice may be computed too and hold garbage. */
void plan_forward(struct plan *plan, int n);
/* Of an inference plan: makes anew what it keeps of the weights (plan_forward does so, too), before passes
 * that are part of work that repeats (queue_repeat). */
void plan_refresh(struct plan *plan);
/* F32 [max_batch, ...] in device memory, valid until the next forward pass. */
struct tensor plan_output(struct plan *plan, const char *name);
/* Where the caller writes dLoss/doutput before plan_backward; F32, same shape. Outputs not written to must be
 * filled with zeros by the caller. */
struct tensor plan_output_gradient(struct plan *plan, const char *name);
/* Adds to the net's gradients. Training plans only; n as in the forward pass before. */
void plan_backward(struct plan *plan, int n);
/* Any node's activation as F32 [n, ...] host memory, for tests and for `tengen check`; returns its count a
 * sample. */
size_t plan_read_node(struct plan *plan, int node, int n, float *host);

/* ---- optimisers -----------------------------------------------------------------------------------------
 */
#define OPTIMISER_CONFIG(F, S)                                                                               \
    F(S, choice, kind, "sgd", 0, 0,                                                                          \
      "sgd | adam | adamw | rmsprop; sgd has momentum and L2 in the gradient, rmsprop is centred")           \
    F(S, schedule, rate, "0.01", 0, 10, "learning rate: VALUE, or VALUE@STEP pairs (~VALUE@STEP: linear)")   \
    F(S, float, momentum, 0.9, 0, 1, "of sgd")                                                               \
    F(S, float, beta1, 0.9, 0, 1, "of adam; of rmsprop's average gradient")                                  \
    F(S, float, beta2, 0.999, 0, 1, "of adam; of rmsprop's average squared gradient")                        \
    F(S, float, epsilon, 1e-8, 0, 1, "of adam; of rmsprop, under the root")                                  \
    F(S, float, decay, 0, 0, 1, "L2 coefficient (adamw: decoupled weight decay); not on biases and norms")   \
    F(S, float, clip, 0, 0, 1e9, "global gradient norm is clipped to this; 0: not")
CONFIG_STRUCT(optimiser_config, OPTIMISER_CONFIG)

/* Whether the kind that is named there uses a setting. */
bool optimiser_config_uses(const struct optimiser_config *config, const char *key);

struct optimiser;
enum status optimiser_create(struct net *net, struct queue *q, const struct optimiser_config *config,
                             struct optimiser **out) MUST_USE;
void optimiser_free(struct optimiser *o);
/* One step from the net's gradients, which are then zeroed. `at` is the counter the schedule runs on. Waits
 * for nothing (but once in many steps, where nobody asks for the norm); where the gradient is not finite,
 * weights and state are left as they were. */
void optimiser_step(struct optimiser *o, double at);
/* Global gradient norm of the last step before clipping (waits). STATUS_NUMERIC, which names the first such
 * step, if that of any step since the last call was not finite. */
enum status optimiser_norm(struct optimiser *o, float *norm) MUST_USE;
/* State for checkpoints: named slabs as long as net_weights, and the step counter. */
int optimiser_slabs(const struct optimiser *o);
const char *optimiser_slab_name(const struct optimiser *o, int i); /* "momentum", "m", "v" */
struct tensor optimiser_slab(struct optimiser *o, int i);
int64_t optimiser_steps(const struct optimiser *o); /* exact after optimiser_norm */
void optimiser_set_steps(struct optimiser *o, int64_t steps);

#endif
