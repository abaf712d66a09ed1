#!/usr/bin/env python3
"""PPO with everything on one device, in Tengen and in PyTorch, side by side in one run: environment steps a second.

    python3 -m venv torch && torch/bin/pip install torch
    torch/bin/python benchmarks/ppo_device_compare.py --json benchmarks/results/MACHINE_ppo_device.jsonl
    torch/bin/python benchmarks/ppo_device_compare.py --device cuda --precisions tf32,bf16

Both train the same network in the same environments with the same settings: as many environments, steps, epochs and
minibatches, Adam, clipping. Tengen: `tengen train` by its own figures, in its own choice of precision. PyTorch:
torch_ppo.py with the environments of torch_envs.py, which are first held to the originals' trajectories; eager and
compiled, on a GPU both as CUDA graphs. What is timed is whole iterations: acting, environments, advantages, learning; not
starting, compiling, nor the first iteration. Sides take turns (--rounds), each with every number of --threads; a figure is
the median of the rounds, and so is the ratio of a round's bests. On a CPU the processor time of a step stands beside,
which depends less on what else the machine does. Prints a table with ratios and bars; --json FILE keeps the figures.
What does not fit in memory, or what PyTorch cannot compile or capture, is said and left out.
"""
import argparse
import gc
import itertools
import os
import statistics
import subprocess
import sys
import tempfile

import torch

import figures
import torch_envs
from torch_ppo import ENTROPY_WEIGHT, GAMMA, LAMBDA, NORM, Ppo

CONFIGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "configs")
TASKS = {"cartpole": "ppo_cartpole.ini", "breakout": "ppo_minatar_breakout.ini",
         "space_invaders": "ppo_minatar_space_invaders.ini"}
# What is usual on each device: environments, steps an iteration, minibatches.
SIZES = {"cpu": ("8,64", 128, 4), "cuda": ("4096,16384,65536", 32, 8)}
EPOCHS = 4
RATE, COST = range(2)  # of a side and round: steps a second; processor seconds of a step
RATIO_BAR, GPU_GOAL = 1.0, 1e7  # Tengen over PyTorch; steps a second of a task with its best number of environments


def tengen_rate(arguments, task, count, threads):
    settings = {"run.device": arguments.device, "run.threads": threads, "run.dir": "run", "run.iterations": 10**9,
                "run.minutes": arguments.seconds / 60, "env.count": count, "ppo.horizon": arguments.horizon,
                "ppo.epochs": EPOCHS, "ppo.minibatches": arguments.minibatches, "ppo.gamma": GAMMA, "ppo.lambda": LAMBDA,
                "ppo.entropy_weight": ENTROPY_WEIGHT, "optimiser.clip": NORM, "optimiser.rate": 0.00025}
    command = [arguments.tengen, "train", os.path.join(CONFIGS, TASKS[task]), "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        return figures.training_rate(command + [f"{key}={value}" for key, value in settings.items()], folder)


def torch_side(arguments, task, count, threads, precision, compiled):
    """A Ppo that has run once, or None."""
    try:
        torch.set_num_threads(threads)
        ppo = Ppo(task, count, arguments.horizon, EPOCHS, arguments.minibatches, arguments.device, precision, compiled)
        ppo.iterate()
        return ppo
    except (torch.OutOfMemoryError, torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
        print(f"{task} with {count} environments, {precision}{' compiled' * compiled}: left out of PyTorch's figures: "
              f"{str(error).splitlines()[0]}", file=sys.stderr)
        return None


def side_name(precision, compiled, threads):
    return f"torch.{precision}{'.compiled' * compiled}.t{threads}"


def measure(arguments, task, count):
    """{side: [(steps a second, processor seconds of a step) of each round]}"""
    kinds = list(itertools.product(arguments.precisions, arguments.compiled, arguments.threads))
    sides = {side_name(*kind): (torch_side(arguments, task, count, kind[2], *kind[:2]), kind[2]) for kind in kinds}
    rounds = {}
    for _ in range(arguments.rounds):
        for threads in arguments.threads:
            rounds.setdefault(f"tengen.t{threads}", []).append(tengen_rate(arguments, task, count, threads))
        for name, (ppo, threads) in sides.items():
            torch.set_num_threads(threads)
            if ppo:
                rounds.setdefault(name, []).append(ppo.rate(arguments.seconds))
    return rounds


def medians(rounds, which):
    return {side: statistics.median(figure[which] for figure in row) for side, row in rounds.items()}


def ratios(rounds, which, best):
    """Of each round: Tengen's best over PyTorch's; [] where PyTorch has no figure."""
    ours, theirs = ([row for side, row in rounds.items() if side.startswith(name)] for name in ("tengen", "torch"))
    return [best(figure[which] for figure in our) / best(figure[which] for figure in their)
            for our, their in zip(zip(*ours), zip(*theirs))]


def verdict(arguments, task, count, rounds):
    """Prints a line and returns Tengen's rate and the figures."""
    rates, name = medians(rounds, RATE), f"ppo_device.{task}.n{count}"
    values = [(f"{name}.{side}.steps", round(rate, 1), "steps/s") for side, rate in sorted(rates.items())]
    best = {start: max((rate, side) for side, rate in rates.items() if side.startswith(start))
            for start in ("tengen", "torch") if any(side.startswith(start) for side in rates)}
    print(f"{task:14} {count:6} environments", end="")
    print(*(f"  {side:22} {rate:10.0f} steps/s" for rate, side in best.values()), end="")
    if arguments.device == "cpu":
        costs = sorted(medians(rounds, COST).items())
        values += [(f"{name}.{side}.processor", round(1e6 * cost, 3), "us") for side, cost in costs]
    found = ratios(rounds, RATE, max)
    if found:
        ratio = statistics.median(found)
        values += [(f"{name}.ratio", round(ratio, 3), "of PyTorch"), (f"{name}.bar", RATIO_BAR, "of PyTorch")]
        print(f"  {ratio:5.2f}x ({min(found):.2f} to {max(found):.2f})  "
              f"bar {RATIO_BAR:.1f}: {'met' if ratio >= RATIO_BAR else 'missed'}", end="")
    if found and arguments.device == "cpu":
        cost = 1 / statistics.median(ratios(rounds, COST, min))
        values.append((f"{name}.processor.ratio", round(cost, 3), "of PyTorch"))
        print(f"; {cost:.2f}x by processor time", end="")
    print(flush=True)
    return best["tengen"][0], values


def goal_figures(arguments, task, best):
    """Of a task as a whole: on a GPU there is a number to reach."""
    if arguments.device == "cpu":
        return []
    unit = f"of {GPU_GOAL:.0f} steps/s"
    return [(f"ppo_device.{task}.goal.ratio", round(best / GPU_GOAL, 3), unit), (f"ppo_device.{task}.goal.bar", 1.0, unit)]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--tengen", type=os.path.abspath, default="build/tengen", help="the program")
    parser.add_argument("--device", default="cpu", choices=list(SIZES))
    parser.add_argument("--tasks", default=",".join(TASKS), help="of " + ", ".join(TASKS))
    usual = "; ".join(f"{device}: {size[0]}" for device, size in SIZES.items())
    parser.add_argument("--envs", help=f"numbers of environments; by default {usual}")
    parser.add_argument("--horizon", type=int, help="steps in each an iteration")
    parser.add_argument("--minibatches", type=int, help="an epoch")
    parser.add_argument("--precisions", default="f32,bf16", help="of PyTorch: f32, tf32, bf16")
    parser.add_argument("--compiled", default="both", choices=["both", "yes", "no"], help="which functions of PyTorch")
    parser.add_argument("--threads", help="numbers of CPU threads; by default 1 and all, on a GPU all")
    parser.add_argument("--seconds", type=float, default=10, help="a figure and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="file for the figures, one object a line")
    arguments = parser.parse_args()
    envs, horizon, minibatches = SIZES[arguments.device]
    arguments.envs = [int(count) for count in (arguments.envs or envs).split(",")]
    arguments.horizon, arguments.minibatches = arguments.horizon or horizon, arguments.minibatches or minibatches
    arguments.tasks, arguments.precisions = arguments.tasks.split(","), arguments.precisions.split(",")
    arguments.compiled = {"both": (False, True), "yes": (True,), "no": (False,)}[arguments.compiled]
    threads = arguments.threads or (f"1,{cores}" if arguments.device == "cpu" else str(cores))
    arguments.threads = sorted({int(number) for number in threads.split(",")})
    for name, known in (("tasks", TASKS), ("precisions", ("f32", "tf32", "bf16"))):
        unknown = set(getattr(arguments, name)) - set(known)
        if unknown:
            parser.error(f"--{name} {', '.join(unknown)}: not of {', '.join(known)}")
    if any(count * arguments.horizon % arguments.minibatches for count in arguments.envs):
        parser.error(f"--minibatches {arguments.minibatches}: must divide --horizon * --envs")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this PyTorch finds no GPU")
    return arguments


def run_task(arguments, task, write):
    """Figures of a task; write(figures so far) after each number of environments, should the time run out."""
    torch_envs.check(task, arguments.device)
    best, values = 0, []
    for count in arguments.envs:
        rate, more = verdict(arguments, task, count, measure(arguments, task, count))
        best, values = max(best, rate), values + more
        write(values + goal_figures(arguments, task, best))
        if arguments.device == "cuda":
            gc.collect()  # what this one had is the next one's
            torch.cuda.empty_cache()
    if arguments.device == "cuda":
        met = "met" if best >= GPU_GOAL else "missed"
        print(f"{task:14} best {best:.0f} steps/s, goal {GPU_GOAL:.0f}: {met}", flush=True)
    return values + goal_figures(arguments, task, best)


def main():
    arguments = parse_arguments()
    head, values = figures.torch_head(torch, arguments.device, len(os.sched_getaffinity(0))), []

    def write(more):
        if arguments.json:
            figures.write(arguments.json, arguments.tengen, head, values + more)

    print(f"PyTorch {head['pytorch']}, {head['machine']}; steps a second, median of {arguments.rounds} rounds", flush=True)
    for task in arguments.tasks:
        values += run_task(arguments, task, write)


if __name__ == "__main__":
    main()
