#!/usr/bin/env python3
"""Loads weights that `tengen export` wrote into PyTorch, and holds PyTorch's outputs against the program's.

    tengen export runs/NAME weights.h5 --example
    python3 tools/load_weights.py weights.h5          # needs torch, h5py and numpy

From a program:  net, shape = load_weights.load("weights.h5"); net(planes) -> {"policy": logits, "value": value}
Inputs are float32 [N, H, W, C] (NHWC) or [N, features], as the program has them.

The architectures are those of models/resnet.c and models/mlp.c. In the file a convolution's weight is OHWI and a linear
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


def convolution(weights, name, padding):
    weight = tensor(weights, name + ".weight")
    has_bias = name + ".bias" in weights
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=padding, bias=has_bias)
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


class MLP(nn.Module):
    """models/mlp.c"""

    def __init__(self, weights, config):
        super().__init__()
        self.heads = nn.ModuleDict()
        self.shared = "trunk.fc1.weight" in weights
        for head in ("policy", "value", "q"):
            if head + ".out.weight" not in weights:
                continue
            trunk = "trunk" if self.shared else head
            layers = []
            for i in range(config.getint("blocks")):
                layers += [linear(weights, f"{trunk}.fc{i + 1}"), nn.ReLU() if head == "q" else nn.Tanh()]
            self.heads[head] = nn.Sequential(*layers, linear(weights, head + ".out"))

    def forward(self, x):
        return {name: head(x.flatten(1)) for name, head in self.heads.items()}


MODELS = {"resnet": ResNet, "mlp": MLP}


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
        outputs = net(torch.from_numpy(example["observation"]))
    worst = 0.0
    for name, theirs in example.items():
        if name == "observation":
            continue
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
