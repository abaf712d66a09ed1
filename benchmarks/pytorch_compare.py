#!/usr/bin/env python3
"""The same networks in Tengen and in PyTorch, side by side in one run: positions a second, and their ratio.

    python3 -m venv torch && torch/bin/pip install torch
    torch/bin/python benchmarks/pytorch_compare.py --compile --json benchmarks/results/MACHINE_pytorch.jsonl

Both sides take turns (--rounds) and the best of each counts. Tengen: `tengen bench net`, in its own choice of
precision and in fp32. PyTorch: channels_last; fp32 and bf16 autocast; eager, and where --compile is given compiled,
too (training as it comes, inference frozen: batch norm folded, weights packed; on a GPU with CUDA graphs). Inference
is a forward pass in evaluation mode without gradients; training a forward and a backward pass from given output
gradients, batch norm in training mode. Prints a table, ratios against the best figure of each precision; --json FILE
keeps the figures.
"""
import argparse
import itertools
import json
import os
import platform
import shlex
import subprocess
import sys
import time

import torch
import torch._inductor.config as inductor
from torch import nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + x)


class ResNet(nn.Module):
    """models/resnet.c"""

    shape = (17, 19, 19)

    def __init__(self, blocks, channels):
        super().__init__()
        self.stem = nn.Conv2d(17, channels, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(*[Residual(channels) for _ in range(blocks)])
        self.policy_conv = nn.Conv2d(channels, 2, 1, bias=False)
        self.policy_bn = nn.BatchNorm2d(2)
        self.policy = nn.Linear(2 * 361, 362)
        self.value_conv = nn.Conv2d(channels, 1, 1, bias=False)
        self.value_bn = nn.BatchNorm2d(1)
        self.value1 = nn.Linear(361, 256)
        self.value2 = nn.Linear(256, 1)

    def forward(self, x):
        x = self.blocks(F.relu(self.stem_bn(self.stem(x))))
        policy = self.policy(F.relu(self.policy_bn(self.policy_conv(x))).flatten(1))
        value = self.value1(F.relu(self.value_bn(self.value_conv(x))).flatten(1))
        return policy, torch.tanh(self.value2(F.relu(value)))


class NatureCnn(nn.Module):
    """models/nature_cnn.c"""

    shape = (4, 84, 84)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 32, 8, stride=4)
        self.conv2 = nn.Conv2d(32, 64, 4, stride=2)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.fc = nn.Linear(3136, 512)
        self.policy = nn.Linear(512, 6)
        self.value = nn.Linear(512, 1)

    def forward(self, x):
        x = F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))))
        x = F.relu(self.fc(x.flatten(1)))
        return self.policy(x), self.value(x)


class AlphaGoPolicy(nn.Module):
    """models/alphago_policy.c"""

    shape = (48, 19, 19)

    def __init__(self, layers, channels):
        super().__init__()
        convs = [nn.Conv2d(48, channels, 5, padding=2)]
        convs += [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(layers)]
        self.convs = nn.ModuleList(convs)
        self.last = nn.Conv2d(channels, 1, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(361))

    def forward(self, x):
        for conv in self.convs:
            x = F.relu(conv(x))
        return (self.last(x).flatten(1) + self.bias,)


NETWORKS = {  # name: (arguments of `tengen bench net`, the same in PyTorch)
    "alphago_policy": (["alphago_policy"], lambda: AlphaGoPolicy(11, 192)),
    "resnet_20x256": (["resnet_20x256"], lambda: ResNet(20, 256)),
    "resnet": (["resnet"], lambda: ResNet(10, 128)),
    "nature_cnn": (["nature_cnn"], NatureCnn),
}


def pytorch_rates(network, device, batch, precision, compiled, seconds):
    """Positions a second: {"infer": ..., "train": ...}."""
    torch._dynamo.reset()
    torch.manual_seed(1)
    net = NETWORKS[network][1]().to(device).to(memory_format=torch.channels_last)
    x = (torch.rand(batch, *net.shape, device=device) < 0.3).float().to(memory_format=torch.channels_last)
    run = torch.compile(net, mode="max-autotune" if device == "cuda" else None) if compiled else net

    def forward():
        # Weights cached by autocast cannot be frozen.
        with torch.autocast(device, torch.bfloat16, precision == "bf16", cache_enabled=torch.is_grad_enabled()):
            return run(x)

    gradients = None

    def infer():
        with torch.no_grad():
            forward()

    def train():
        for parameter in net.parameters():
            parameter.grad = None
        torch.autograd.backward(forward(), gradients)

    rates = {}
    for mode, call in (("infer", infer), ("train", train)):
        if mode == "train" and batch < 32:  # as tengen bench net
            continue
        net.train(mode == "train")
        inductor.freezing = mode == "infer"
        if mode == "train":
            gradients = [torch.full_like(y, 1e-3) for y in forward()]
        for _ in range(2):
            call()
        best, end = float("inf"), time.perf_counter() + seconds
        while time.perf_counter() < end:
            if device == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
            call()
            if device == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
        rates[mode] = batch / best
    return rates


def tengen_rates(arguments, network, batches, precision):
    """{(mode, batch): positions a second}"""
    command = [arguments.tengen, "bench", "net", *NETWORKS[network][0], "--batch", ",".join(map(str, batches)),
               "--precision", precision, "--device", arguments.device, "--seconds", str(arguments.seconds), "--json"]
    if arguments.device == "cpu":
        command += ["--threads", str(arguments.threads)]
    rates = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        figure = json.loads(line)
        part = figure["name"].split(".")
        if part[-1] == "positions":
            rates[part[-4], int(part[-3][1:])] = figure["value"]
    return rates


def processor():
    """As benchmarks/record.sh says it."""
    with open("/proc/cpuinfo") as lines:
        names = [line.split(": ")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_results(path, table, machine, arguments):
    """As benchmarks/record.sh does: where the figures come from, then a figure a line."""
    version = subprocess.run([arguments.tengen, "--version"], check=True, capture_output=True, text=True).stdout
    head = {"machine": machine, "commit": version.rpartition("(")[2].rstrip(")\n"), "pytorch": torch.__version__,
            "date": time.strftime("%Y-%m-%d"), "command": shlex.join(["pytorch_compare.py", *sys.argv[1:]])}
    with open(path, "w") as out:
        out.write(json.dumps(head) + "\n")
        for (network, mode, batch, name), rate in sorted(table.items()):
            value = {"name": f"compare.{network}.{mode}.b{batch}.{name.replace(' ', '.')}", "value": round(rate, 1),
                     "unit": "positions/s"}
            out.write(json.dumps(value) + "\n")


def keep_best(table, key, rate):
    table[key] = max(table.get(key, 0), rate)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tengen", default="build/tengen", help="the program")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--networks", default="resnet,nature_cnn", help="of " + ", ".join(NETWORKS))
    parser.add_argument("--batches", default="1,32,64,256")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=1, help="a figure and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="torch.compile, too")
    parser.add_argument("--json", help="file for the figures, one object a line")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    batches = [int(batch) for batch in arguments.batches.split(",")]
    table = {}
    for _, network in itertools.product(range(arguments.rounds), arguments.networks.split(",")):
        for precision in ("auto", "f32"):
            for (mode, batch), rate in tengen_rates(arguments, network, batches, precision).items():
                keep_best(table, (network, mode, batch, f"tengen {precision}"), rate)
        for batch, precision, compiled in itertools.product(batches, ("f32", "bf16"), {False, arguments.compile}):
            name = f"torch {precision}" + (" compiled" if compiled else "")
            rates = pytorch_rates(network, arguments.device, batch, precision, compiled, arguments.seconds)
            for mode, rate in rates.items():
                keep_best(table, (network, mode, batch, name), rate)

    cpu = f"{processor()}, {arguments.threads} cores"
    machine = torch.cuda.get_device_name() if arguments.device == "cuda" else cpu
    print(f"PyTorch {torch.__version__}, {machine}; positions a second, best of {arguments.rounds}")
    for key in sorted({key[:3] for key in table}):
        row = {name: rate for (*rest, name), rate in table.items() if tuple(rest) == key}
        tengen = max(rate for name, rate in row.items() if name.startswith("tengen"))
        print(f"{key[0]:14} {key[1]:5} batch {key[2]:4}  tengen {tengen:8.0f} (f32 {row['tengen f32']:8.0f})", end="")
        for precision in ("f32", "bf16"):
            rate, name = max((rate, name) for name, rate in row.items() if name.startswith(f"torch {precision}"))
            print(f"   {name} {rate:8.0f} ({tengen / rate:.2f}x)", end="")
        print()
    if arguments.json:
        write_results(arguments.json, table, machine, arguments)


if __name__ == "__main__":
    main()
