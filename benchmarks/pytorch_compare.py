#!/usr/bin/env python3
"""The same networks in Tengen and in PyTorch, side by side in one run: positions a second, ratios, and bars.

    python3 -m venv torch && torch/bin/pip install torch
    torch/bin/python benchmarks/pytorch_compare.py --compile --json benchmarks/results/MACHINE_pytorch.jsonl
    torch/bin/python benchmarks/pytorch_compare.py --compile --device cuda --networks all --batches 1,8,32,256,1024

Both sides take turns (--rounds) and the best of each counts. Tengen: `tengen bench net`, in its own choice of
precision and in fp32. PyTorch: channels_last; fp32 and bf16 autocast; eager, and where --compile is given compiled,
too (training as it comes, inference frozen: batch norm folded, weights packed; on a GPU with CUDA graphs, --mode).
Inference is a forward pass in evaluation mode without gradients; training a forward and a backward pass from given
output gradients, batch norm in training mode. fp32 is exact: no TF32 on either side. Prints a table with ratios
against PyTorch's best figure of each precision and, where there is a bar, whether it is met; --json FILE keeps the
figures. What does not fit in memory, or what PyTorch cannot compile, is said and left out.
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
import time

import torch
import torch._inductor.config as inductor
from torch import nn
from torch.nn import functional as F

import figures


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


def bar(device, mode, batch, precision):
    """What Tengen's rate over PyTorch's best in `precision` is to be at least; None: nothing is promised."""
    if device == "cpu":
        return {"train": {"f32": 1.1, "bf16": 1.3}, "infer": {"f32": 1.5, "bf16": 1.5}}[mode][precision]
    if mode == "train":
        return 1.0
    return 1.5 if batch < 32 else 1.1 if batch >= 256 else None


def best_seconds(call, device, seconds):
    """Of a call, as src/cli/measure.c: the best of windows of 5 ms or one longer call, on the device's clock."""
    best, repeats, windows, end = float("inf"), 1, 0, time.perf_counter() + seconds
    while windows < 3 or time.perf_counter() < end:
        if device == "cuda":
            start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        spent = time.perf_counter() - began
        if device == "cuda":
            stop.record()
            stop.synchronize()
            spent = start.elapsed_time(stop) * 1e-3
        best = min(best, spent / repeats)
        repeats = min(max(1, int(0.005 / best)), 10000)
        windows += 1
    return best


def pytorch_rates(arguments, network, batch, precision, compiled):
    """Positions a second: {"infer": ..., "train": ...}."""
    device = arguments.device
    torch._dynamo.reset()
    torch.manual_seed(1)
    net = NETWORKS[network][1]().to(device).to(memory_format=torch.channels_last)
    x = (torch.rand(batch, *net.shape, device=device) < 0.3).float().to(memory_format=torch.channels_last)
    run = torch.compile(net, mode=arguments.mode) if compiled else net

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
        for _ in range(3):  # compiles, tunes, captures graphs
            call()
        rates[mode] = batch / best_seconds(call, device, arguments.seconds)
    return rates


def pytorch_rates_or_none(arguments, network, batch, precision, compiled):
    try:
        return pytorch_rates(arguments, network, batch, precision, compiled)
    except (torch.cuda.OutOfMemoryError, torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
        print(f"{network} batch {batch} {precision}{' compiled' * compiled}: left out of PyTorch's figures: "
              f"{str(error).splitlines()[0]}", file=sys.stderr)
        return {}
    finally:
        if arguments.device == "cuda":
            torch.cuda.empty_cache()  # for Tengen's turn


def tengen_rates(arguments, network, batches, precision):
    """{(mode, batch): positions a second}"""
    command = [arguments.tengen, "bench", "net", *NETWORKS[network][0], "--batch", ",".join(map(str, batches)),
               "--precision", precision, "--device", arguments.device, "--seconds", str(arguments.seconds), "--json"]
    if arguments.device == "cpu":
        command += ["--threads", str(arguments.threads)]
    rates = {}
    for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        figure = json.loads(line)
        part = figure["name"].split(".")
        if part[-1] == "positions":
            rates[part[-4], int(part[-3][1:])] = figure["value"]
    return rates


def verdicts(arguments, table):
    """[(network, mode, batch, Tengen's rate, precision, PyTorch's name, its rate, ratio, bar or None)]"""
    rows = []
    for network, mode, batch in sorted({key[:3] for key in table}):
        row = {name: rate for (*rest, name), rate in table.items() if rest == [network, mode, batch]}
        tengen = max((rate for name, rate in row.items() if name.startswith("tengen")), default=None)
        for precision in ("f32", "bf16"):
            best = max(((rate, name) for name, rate in row.items() if name.startswith(f"torch {precision}")), default=None)
            if tengen and best:
                rows.append((network, mode, batch, tengen, precision, best[1], best[0], tengen / best[0],
                             bar(arguments.device, mode, batch, precision)))
    return rows


def print_verdicts(arguments, rows):
    for network, mode, batch, tengen, _, name, rate, ratio, least in rows:
        verdict = "" if least is None else f"  bar {least:.1f}: {'met' if ratio >= least else 'missed'}"
        print(f"{network:14} {mode:5} batch {batch:4}  tengen {tengen:9.0f}  {name:19} {rate:9.0f}  {ratio:5.2f}x{verdict}")
    barred = [(row[7], row[8]) for row in rows if row[8] is not None]
    print(f"{sum(ratio >= least for ratio, least in barred)} of {len(barred)} bars met")


def write_results(arguments, table, rows):
    values = [(f"compare.{network}.{mode}.b{batch}.{name.replace(' ', '.')}", round(rate, 1), "positions/s")
              for (network, mode, batch, name), rate in sorted(table.items())]
    for network, mode, batch, _, precision, _, _, ratio, least in rows:
        values.append((f"compare.{network}.{mode}.b{batch}.ratio.{precision}", round(ratio, 3), "of PyTorch"))
        if least is not None:
            values.append((f"compare.{network}.{mode}.b{batch}.bar.{precision}", least, "of PyTorch"))
    head = figures.torch_head(torch, arguments.device, arguments.threads)
    figures.write(arguments.json, arguments.tengen, head, values)


def keep_best(table, key, rate):
    table[key] = max(table.get(key, 0), rate)


def measure(arguments, table, network, batches):
    for precision in ("auto", "f32") if "f32" in arguments.precisions else ("auto",):
        for (mode, batch), rate in tengen_rates(arguments, network, batches, precision).items():
            keep_best(table, (network, mode, batch, f"tengen {precision}"), rate)
    for batch, precision, compiled in itertools.product(batches, arguments.precisions, {False, arguments.compile}):
        name = f"torch {precision}" + (" compiled" if compiled else "")
        for mode, rate in pytorch_rates_or_none(arguments, network, batch, precision, compiled).items():
            keep_best(table, (network, mode, batch, name), rate)
        if arguments.json:  # what there is, should the time run out
            write_results(arguments, table, verdicts(arguments, table))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tengen", default="build/tengen", help="the program")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--networks", default="resnet,nature_cnn", help="all, or of " + ", ".join(NETWORKS))
    parser.add_argument("--batches", default="1,32,64,256")
    parser.add_argument("--precisions", default="f32,bf16", help="of PyTorch; without f32 Tengen runs in its own choice only")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=1, help="a figure and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="torch.compile, too")
    parser.add_argument("--mode", help="of torch.compile: default, reduce-overhead or max-autotune (a GPU's default)")
    parser.add_argument("--json", help="file for the figures, one object a line")
    arguments = parser.parse_args()
    arguments.precisions = arguments.precisions.split(",")
    if not arguments.mode:
        arguments.mode = "max-autotune" if arguments.device == "cuda" else "default"
    if arguments.networks == "all":
        arguments.networks = ",".join(NETWORKS)
    unknown = set(arguments.networks.split(",")) - set(NETWORKS)
    if unknown:
        parser.error(f"--networks {', '.join(unknown)}: not of {', '.join(NETWORKS)}")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this PyTorch finds no GPU")
    return arguments


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    batches = [int(batch) for batch in arguments.batches.split(",")]
    table = {}
    for _, network in itertools.product(range(arguments.rounds), arguments.networks.split(",")):
        measure(arguments, table, network, batches)
    head = figures.torch_head(torch, arguments.device, arguments.threads)
    print(f"PyTorch {head['pytorch']}, {head['machine']}; positions a second, best of {arguments.rounds}")
    print_verdicts(arguments, verdicts(arguments, table))


if __name__ == "__main__":
    main()
