#!/usr/bin/env python3
"""Loads weights that `tengen export` wrote into PyTorch, and holds PyTorch's outputs against the program's.

    tengen export runs/NAME weights.h5 --example
    python3 tools/load_weights.py weights.h5          # needs torch, h5py and numpy

From a program:  net = load_weights.load("weights.h5"); net(planes) -> {"policy": logits, "value": value}
Inputs are float32 [N, H, W, C] (NHWC) or [N, features], as the program has them. A network with recurrent units takes
their `state` [N, units] and `starts` [N, 1] (1 where an episode begins) beside them, and gives "next_state", too.

The architectures are those of models/: resnet, mlp, nature_cnn, minatar_cnn. In the file a convolution's weight is OHWI and a linear
layer's OI; where a linear layer reads an image, its inputs are in HWC order. See README.md for the file format.
"""
import argparse
import configparser
import sys

import h5py
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def tensor(weights, name):
    """A weight by name; convolutions come back as PyTorch wants them, OIHW."""
    data = torch.from_numpy(np.asarray(weights[name]))
    layout = weights[name].attrs["layout"]
    layout = layout.decode() if isinstance(layout, bytes) else layout
    return data.permute(0, 3, 1, 2).contiguous() if layout == "OHWI" else data


def convolution(weights, name, padding, stride=1):
    weight = tensor(weights, name + ".weight")
    has_bias = name + ".bias" in weights
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, padding, bias=has_bias)
    layer.weight.data = weight
    if has_bias:
        layer.bias.data = tensor(weights, name + ".bias")
    return layer


def batch_norm(weights, name):
    layer = nn.BatchNorm2d(weights[name + ".weight"].shape[0])  # epsilon 1e-5, as in the program
    layer.weight.data = tensor(weights, name + ".weight")
    layer.bias.data = tensor(weights, name + ".bias")
    layer.running_mean.data = tensor(weights, name + ".running_mean")
    layer.running_var.data = tensor(weights, name + ".running_var")
    return layer


def linear(weights, name):
    """Noisy layers are their means, as they are for evaluation."""
    weight = tensor(weights, name + ".weight")
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = weight
    layer.bias.data = tensor(weights, name + ".bias")
    return layer


class ConvNorm(nn.Module):
    def __init__(self, weights, conv, norm, padding):
        super().__init__()
        self.conv = convolution(weights, conv, padding)
        self.norm = batch_norm(weights, norm)

    def forward(self, x):
        return self.norm(self.conv(x))


class Residual(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        self.first = ConvNorm(weights, name + ".conv1", name + ".bn1", 1)
        self.second = ConvNorm(weights, name + ".conv2", name + ".bn2", 1)

    def forward(self, x):
        return F.relu(x + self.second(F.relu(self.first(x))))


def flat(x):
    """NCHW to rows in HWC order."""
    return x.permute(0, 2, 3, 1).flatten(1)


class ResNet(nn.Module):
    """models/resnet.c"""

    def __init__(self, weights, config):
        super().__init__()
        self.stem = ConvNorm(weights, "stem.conv", "stem.bn", 1)
        self.blocks = nn.ModuleList(Residual(weights, f"block{i + 1}") for i in range(config.getint("blocks")))
        self.policy_conv = ConvNorm(weights, "policy.conv", "policy.bn", 0)
        self.policy = linear(weights, "policy.fc")
        self.value_conv = ConvNorm(weights, "value.conv", "value.bn", 0)
        self.value1 = linear(weights, "value.fc1")
        self.value2 = linear(weights, "value.fc2")

    def forward(self, x):
        x = F.relu(self.stem(x.permute(0, 3, 1, 2)))
        for block in self.blocks:
            x = block(x)
        policy = self.policy(flat(F.relu(self.policy_conv(x))))
        value = F.relu(self.value1(flat(F.relu(self.value_conv(x)))))
        return {"policy": policy, "value": torch.tanh(self.value2(value))}


class QHead(nn.Module):
    """head_q of models/heads.c: one stream, or two for the dueling sum; outputs are [N, A * atoms]"""

    def __init__(self, weights, config, hidden, out):
        super().__init__()
        self.atoms = config.getint("atoms")
        dueling = [("value.fc", "value.out"), ("advantage.fc", "advantage.out")]
        names = dueling if config.getboolean("dueling") else [(hidden, out)]
        self.streams = nn.ModuleList(
            nn.Sequential(linear(weights, first), nn.ReLU(), linear(weights, second)) for first, second in names
        )

    def forward(self, x):
        if len(self.streams) == 1:
            return self.streams[0](x)
        value, advantage = (stream(x) for stream in self.streams)
        advantage = advantage.unflatten(1, (-1, self.atoms))
        return (value[:, None] + advantage - advantage.mean(1, keepdim=True)).flatten(1)


class Parameter(nn.Module):
    """Numbers that no input moves: the logarithm of a policy's standard deviation."""

    def __init__(self, weights, name):
        super().__init__()
        self.bias = nn.Parameter(tensor(weights, name + ".bias"))

    def forward(self, x):
        return self.bias.expand(len(x), -1)


class Units(nn.Module):
    """recurrent_units of models/heads.c"""

    def __init__(self, weights):
        super().__init__()
        weight = tensor(weights, "gru.input.weight")
        self.cell = nn.GRUCell(weight.shape[1], weight.shape[0] // 3)
        self.cell.weight_ih.data, self.cell.bias_ih.data = weight, tensor(weights, "gru.input.bias")
        self.cell.weight_hh.data = tensor(weights, "gru.weight")
        nn.init.zeros_(self.cell.bias_hh)

    def forward(self, x, state, starts):
        return self.cell(x, state * (1 - starts))


class MLP(nn.Module):
    """models/mlp.c"""

    def __init__(self, weights, config):
        super().__init__()
        self.heads = nn.ModuleDict()
        self.units = None
        blocks = config.getint("blocks")
        if config["head"] == "q":
            layers = self.layers(weights, "q", blocks - 1, nn.ReLU)
            self.heads["q"] = nn.Sequential(*layers, QHead(weights, config, f"q.fc{blocks}", "q.out"))
            return
        if "gru.weight" in weights:
            self.units = Units(weights)
        for head in ("policy", "value"):
            if head + ".out.weight" in weights:
                trunk = "trunk" if config.getboolean("shared") or self.units else head
                layers = self.layers(weights, trunk, blocks, nn.Tanh)
                if self.units:
                    self.trunk, layers = nn.Sequential(*layers), []
                self.heads[head] = nn.Sequential(*layers, linear(weights, head + ".out"))
        if "log_std.bias" in weights:
            self.heads["log_std"] = Parameter(weights, "log_std")

    @staticmethod
    def layers(weights, trunk, count, activation):
        linears = [linear(weights, f"{trunk}.fc{i + 1}") for i in range(count)]
        return [layer for each in linears for layer in (each, activation())]

    def forward(self, x, *memory):
        x, outputs = x.flatten(1), {}
        if self.units:
            x = outputs["next_state"] = self.units(self.trunk(x), *memory)
        return outputs | {name: head(x) for name, head in self.heads.items()}


class CNN(nn.Module):
    """models/nature_cnn.c, models/minatar_cnn.c"""

    def __init__(self, weights, config, convolutions):
        super().__init__()
        self.convolutions = nn.ModuleList(convolution(weights, name, 0, stride) for name, stride in convolutions)
        self.heads = nn.ModuleDict()
        self.hidden = self.units = None
        if config["head"] == "q":
            self.heads["q"] = QHead(weights, config, "fc", "q")
            return
        self.hidden = linear(weights, "fc")
        if "gru.weight" in weights:
            self.units = Units(weights)
        for head in ("policy", "value"):
            if head + ".weight" in weights:
                self.heads[head] = linear(weights, head)
        if "log_std.bias" in weights:
            self.heads["log_std"] = Parameter(weights, "log_std")

    def forward(self, x, *memory):
        x, outputs = x.permute(0, 3, 1, 2), {}
        for layer in self.convolutions:
            x = F.relu(layer(x))
        x = flat(x)
        if self.hidden:
            x = F.relu(self.hidden(x))
        if self.units:
            x = outputs["next_state"] = self.units(x, *memory)
        return outputs | {name: head(x) for name, head in self.heads.items()}


def nature_cnn(weights, config):
    return CNN(weights, config, [("conv1", 4), ("conv2", 2), ("conv3", 1)])


def minatar_cnn(weights, config):
    return CNN(weights, config, [("conv", 1)])


MODELS = {"resnet": ResNet, "mlp": MLP, "nature_cnn": nature_cnn, "minatar_cnn": minatar_cnn}


def load(path, net="net"):
    """The network of a weights file or checkpoint, in evaluation mode."""
    with h5py.File(path, "r") as file:
        if file.attrs.get("format") not in ("tengen", b"tengen"):
            raise ValueError(f"{path}: tengen did not write this file")
        config = configparser.ConfigParser(inline_comment_prefixes=(";",))
        config.read_string(file["config"][()].decode())
        model = config["net"].get("model")
        if model not in MODELS:
            raise ValueError(f"{path}: no PyTorch twin for model {model}; there are {', '.join(MODELS)}")
        return MODELS[model](file[net], config["net"]).eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="written by `tengen export RUN FILE --example`")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest difference allowed")
    options = parser.parse_args()
    net = load(options.file)
    print(f"{options.file}: {sum(p.numel() for p in net.parameters())} parameters")
    with h5py.File(options.file, "r") as file:
        if "example" not in file:
            sys.exit(f"{options.file}: holds no /example; export with --example")
        example = {name: np.asarray(data) for name, data in file["example"].items()}
    with torch.no_grad():
        inputs = [example.pop(name) for name in ("observation", "state", "starts") if name in example]
        outputs = net(*map(torch.from_numpy, inputs))
    worst = 0.0
    for name, theirs in example.items():
        ours = outputs[name].numpy()
        if ours.shape != theirs.shape:
            sys.exit(f"{name}: PyTorch gives {ours.shape}, the program {theirs.shape}")
        difference = float(np.abs(ours - theirs).max())
        worst = max(worst, difference)
        print(f"{name:8} {str(list(theirs.shape)):12} largest difference {difference:.2e}")
    if not worst <= options.tolerance:
        sys.exit(f"the outputs differ by more than {options.tolerance}")


if __name__ == "__main__":
    main()
