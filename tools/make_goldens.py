#!/usr/bin/env python3
"""Writes tests/data/nn_*.golden: small networks' outputs, gradients and training losses according to PyTorch.

    python3 tools/make_goldens.py [FOLDER]        (needs torch and numpy; any version from 1.13 on; FOLDER: tests/data)

A file is a text header, then floats. The header has one line a tensor, `NAME DIM DIM ...`, in the order of the floats,
and ends with the line `end`. Everything is in Tengen's layouts (images NHWC, convolutions OHWI). PyTorch computes in
doubles from values rounded to float, so that the figures are the truth to a float's precision.

Names: `in`, `out.NAME` (of a training-mode forward pass), `eval.NAME` (in evaluation mode after it), `dout.NAME` (the
gradient that the backward pass starts from), `NAME.weight` ... (before), `grad.NAME.weight` ..., `after.NAME` (running
statistics after the training-mode pass), `losses`.
"""
import pathlib
import sys

import numpy as np
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def rounded(t):
    return t.float().double()


def native(name, t):
    """To Tengen's layout: OIHW -> OHWI, NCHW -> NHWC (both the same permutation)."""
    return t.permute(0, 2, 3, 1) if t.dim() == 4 else t


def write(path, tensors):
    with open(path, "wb") as f:
        for name, t in tensors.items():
            f.write((" ".join([name] + [str(d) for d in t.shape]) + "\n").encode())
        f.write(b"end\n")
        for t in tensors.values():
            f.write(np.ascontiguousarray(t.detach().float().numpy()).astype("<f4").tobytes())
    print(path, path.stat().st_size, "bytes")


def flat_hwc(x):
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)


class ConvBN(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class Resnet(nn.Module):
    """models/resnet.c"""

    def __init__(self, h, w, c, actions, blocks, channels, hidden):
        super().__init__()
        self.stem = ConvBN(c, channels, 3)
        self.blocks = blocks
        for i in range(blocks):
            setattr(self, f"block{i + 1}", Block(channels))
        self.policy = ConvBN(channels, 2, 1)
        self.policy.fc = nn.Linear(2 * h * w, actions)
        self.value = ConvBN(channels, 1, 1)
        self.value.fc1 = nn.Linear(h * w, hidden)
        self.value.fc2 = nn.Linear(hidden, 1)

    def forward(self, x):
        x = self.stem(x)
        for i in range(self.blocks):
            x = getattr(self, f"block{i + 1}")(x)
        policy = self.policy.fc(flat_hwc(self.policy(x)))
        value = torch.relu(self.value.fc1(flat_hwc(self.value(x))))
        return {"policy": policy, "value": torch.tanh(self.value.fc2(value))}


class Trunk(nn.Module):
    def __init__(self, inputs, units, outputs):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, units), nn.Linear(units, units)
        self.out = nn.Linear(units, outputs)

    def forward(self, x):
        return self.out(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))


class Mlp(nn.Module):
    """models/mlp.c, actor and critic apart"""

    def __init__(self, inputs, units, actions):
        super().__init__()
        self.policy, self.value = Trunk(inputs, units, actions), Trunk(inputs, units, 1)

    def forward(self, x):
        return {"policy": self.policy(x), "value": self.value(x)}


class PositionBias(nn.Module):
    def __init__(self, h, w, c):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(h, w, c))

    def forward(self, x):
        return x + self.bias.permute(2, 0, 1)


class Mixed(nn.Module):
    """tests/nn/nets.h, net_mixed: what the others lack: strides, biases, both poolings, sums of two branches."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.point = PositionBias(5, 5, 8)
        self.short = nn.Conv2d(8, 8, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.max = nn.Linear(8, 6)
        self.mean = nn.Linear(8, 6)
        self.out = nn.Linear(6, 4)

    def forward(self, x):
        a = torch.relu(self.conv1(x))
        b = torch.sigmoid(self.point(self.conv2(a)))
        c = self.norm(self.short(a) + b)
        d = torch.tanh(self.max(c.amax(dim=(2, 3))) + self.mean(c.mean(dim=(2, 3))))
        return {"both": d, "out": self.out(d)}


def randomise(net, generator):
    """Weights, biases and running statistics that are neither 0 nor 1, so that nothing hides."""
    with torch.no_grad():
        for name, t in list(net.named_parameters()) + list(net.named_buffers()):
            if name.endswith("num_batches_tracked"):
                continue
            r = torch.randn(t.shape, generator=generator)
            if name.endswith("running_var"):
                t.copy_(rounded(1.0 + 0.5 * torch.rand(t.shape, generator=generator)))
            elif t.dim() == 1 and name.endswith("weight"):
                t.copy_(rounded(1.0 + 0.3 * r))
            elif t.dim() in (1, 3):
                t.copy_(rounded(0.3 * r))
            else:
                t.copy_(rounded(r * (1.5 / t[0].numel()) ** 0.5))


def state(net):
    return {n: native(n, t).clone() for n, t in net.state_dict().items() if "num_batches" not in n}


def gradients(path, net, x, seed):
    generator = torch.Generator().manual_seed(seed)
    randomise(net, generator)
    x = rounded(x(generator))
    tensors = {"in": native("in", x), **state(net)}
    net.train()
    outputs = net(x)
    douts = {n: rounded(torch.randn(t.shape, generator=generator)) for n, t in outputs.items()}
    sum((outputs[n] * douts[n]).sum() for n in outputs).backward()
    for n in outputs:
        tensors["out." + n], tensors["dout." + n] = outputs[n], douts[n]
    for n, p in net.named_parameters():
        tensors["grad." + n] = native(n, p.grad)
    for n, t in net.named_buffers():
        if "num_batches" not in n:
            tensors["after." + n] = t
    net.eval()
    for n, t in net(x).items():
        tensors["eval." + n] = t
    write(path, tensors)


def training(path, steps=10):
    """Cross-entropy and squared error, means over the batch; SGD with momentum; L2 on weights alone."""
    generator = torch.Generator().manual_seed(4)
    h, w, c, actions, n = 7, 7, 5, 50, 16
    net = Resnet(h, w, c, actions, 2, 16, 32)
    randomise(net, generator)
    x = rounded(torch.randint(0, 2, (n, c, h, w), generator=generator).double())
    pi = rounded(torch.softmax(2.0 * torch.randn(n, actions, generator=generator), dim=1))
    z = torch.randint(0, 2, (n, 1), generator=generator).double() * 2 - 1
    tensors = {"in": native("in", x), "pi": pi, "z": z, **state(net)}
    decayed = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() == 1]
    optimiser = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 1e-3}, {"params": others, "weight_decay": 0.0}], lr=0.02, momentum=0.9)
    losses = []
    for _ in range(steps):
        out = net(x)
        policy_loss = -(pi * torch.log_softmax(out["policy"], dim=1)).sum(dim=1).mean()
        loss = policy_loss + ((out["value"] - z) ** 2).mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    print([round(loss, 4) for loss in losses])
    tensors["losses"] = torch.tensor(losses)
    write(path, tensors)


class Recurrent(nn.Module):
    """tests/nn/test_recurrent.c: rows are T steps of N sequences, in the order of time."""

    def __init__(self, inputs, units, actions):
        super().__init__()
        self.fc = nn.Linear(inputs, 7)
        self.gru = nn.GRUCell(7, units)
        self.policy, self.value = nn.Linear(units, actions), nn.Linear(units, 1)

    def forward(self, x, state, starts):
        rows = []
        for x, start in zip(torch.tanh(self.fc(x)).split(len(state)), starts.split(len(state))):
            state = self.gru(x, state * (1 - start))
            rows.append(state)
        units = torch.cat(rows)
        return {"policy": self.policy(units), "value": self.value(units), "state": units}


def recurrent(path, steps, sequences):
    generator = torch.Generator().manual_seed(5)
    net = Recurrent(4, 6, 3)
    randomise(net, generator)
    net.gru.bias_hh.data.zero_()
    ours = {"gru.weight_ih": "gru.input.weight", "gru.bias_ih": "gru.input.bias", "gru.weight_hh": "gru.weight"}
    parameters = {ours.get(n, n): p for n, p in net.named_parameters() if n != "gru.bias_hh"}
    rows = steps * sequences
    x, state = torch.randn(rows, 4, generator=generator), torch.randn(sequences, 6, generator=generator)
    starts = torch.randint(0, 4, (rows, 1), generator=generator) == 0
    tensors = {"in": rounded(x), "state": rounded(0.5 * state), "starts": starts.double(), **parameters}
    outputs = net(tensors["in"], tensors["state"], tensors["starts"])
    douts = {n: rounded(torch.randn(t.shape, generator=generator)) for n, t in outputs.items()}
    sum((outputs[n] * douts[n]).sum() for n in outputs).backward()
    for n in outputs:
        tensors["out." + n], tensors["dout." + n] = outputs[n], douts[n]
    for n, p in parameters.items():
        tensors["grad." + n] = p.grad
    write(path, tensors)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/data")
    folder.mkdir(parents=True, exist_ok=True)
    planes = lambda n, c, h, w: lambda g: torch.randn(n, c, h, w, generator=g)
    gradients(folder / "nn_resnet.golden", Resnet(5, 5, 3, 26, 2, 8, 16), planes(4, 3, 5, 5), 1)
    gradients(folder / "nn_mlp.golden", Mlp(4, 16, 3), lambda g: torch.randn(8, 4, generator=g), 2)
    gradients(folder / "nn_mixed.golden", Mixed(), planes(4, 3, 10, 10), 3)
    training(folder / "nn_training.golden")
    recurrent(folder / "nn_recurrent.golden", 5, 3)


main()
