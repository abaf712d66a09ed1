#!/usr/bin/env python3
"""Atari steps a second side by side in one run: Tengen, ALE's own vector environment, EnvPool.

    python3 -m venv atari && atari/bin/pip install ale-py gymnasium envpool
    atari/bin/python benchmarks/env_compare.py --json benchmarks/results/MACHINE_env_compare.jsonl

The same games, number of environments and cores; a step is four frames, an observation four pictures of 84 x 84, rewards
are clipped, games begin with up to 30 no-ops, actions are drawn at random before. All take turns (--rounds) and the best of
each counts. EnvPool runs twice: all environments step together, as the others do, and half of them at a time (async).
Beside steps a second stands the processor time of a step, all processes together, which does not depend on what else the
machine does. What is not installed is left out, and said.
"""
import argparse
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from importlib import metadata

import numpy


def processor_seconds():
    times = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(t.ru_utime + t.ru_stime for t in times)


def measure(step, count, seconds):
    """step(i): the i-th call, which steps `count` environments; steps a second, processor microseconds a step."""
    for i in range(16):
        step(i)
    calls, start, processor = 0, time.perf_counter(), processor_seconds()
    while time.perf_counter() - start < seconds:
        for i in range(8):
            step(i)
        calls += 8
    return calls * count / (time.perf_counter() - start), (processor_seconds() - processor) / (calls * count) * 1e6


def bench(options, game, seconds):
    """Steps a second by `tengen bench env`, and the processor seconds that it took, starting included."""
    command = [options.tengen, "bench", "env", f"atari:{game}", f"env.count={options.envs}", "--json"]
    command += ["--seconds", str(seconds), f"env.workers={options.cores}", f"env.python={sys.executable}"]
    before = processor_seconds()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stderr}")
    return json.loads(result.stdout.splitlines()[0])["value"], processor_seconds() - before


def tengen(options, game):
    short, long = options.seconds / 10, options.seconds * 11 / 10
    rate_short, processor_short = bench(options, game, short)
    rate, processor = bench(options, game, long)
    return rate, (processor - processor_short) / (rate * long - rate_short * short) * 1e6


def actions_of(n, count):
    return numpy.random.default_rng(1).integers(0, n, (16, count)).astype(numpy.int32)


def ale(options, game):
    from ale_py.vector_env import AtariVectorEnv

    envs = AtariVectorEnv(game, options.envs, num_threads=options.cores, use_fire_reset=False)
    actions = actions_of(envs.single_action_space.n, options.envs)
    envs.reset(seed=1)
    return measure(lambda i: envs.step(actions[i % 16]), options.envs, options.seconds)


def envpool_envs(options, game, count):
    import envpool

    name = "".join(word.capitalize() for word in game.split("_")) + "-v5"
    envs = envpool.make(name, env_type="gymnasium", num_envs=options.envs, batch_size=count, num_threads=options.cores,
                        seed=1, reward_clip=True, use_fire_reset=False)
    return envs, actions_of(envs.action_space.n, count)


def envpool(options, game):
    envs, actions = envpool_envs(options, game, options.envs)
    envs.reset()
    return measure(lambda i: envs.step(actions[i % 16]), options.envs, options.seconds)


def envpool_async(options, game):
    count = options.envs // 2
    envs, actions = envpool_envs(options, game, count)
    envs.async_reset()

    def step(i):
        ids = envs.recv()[-1]["env_id"]
        envs.send(actions[i % 16], ids)

    return measure(step, count, options.seconds)


SIDES = {"tengen": tengen, "ale": ale, "envpool": envpool, "envpool_async": envpool_async}


def origin(options):
    """Where the figures come from, as benchmarks/record.sh says it; and the peers' versions."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.split(": ")[1].strip() for line in lines if line.startswith("model name")]
    version = subprocess.run([options.tengen, "--version"], check=True, capture_output=True, text=True).stdout
    installed = metadata.packages_distributions()
    peers = {name: metadata.version(name) for name in ("ale-py", "envpool") if name.replace("-", "_") in installed}
    return {"machine": f"{names[0] if names else platform.machine()}, {options.cores} cores",
            "commit": version.rpartition("(")[2].rstrip(")\n"), **peers, "date": time.strftime("%Y-%m-%d"),
            "command": shlex.join(["env_compare.py", *sys.argv[1:]])}


def best_of_rounds(options, game):
    """{side: (most steps a second, least processor time)} of those that are installed."""
    best = {}
    for _ in range(options.rounds):
        for name, side in SIDES.items():
            try:
                rate, processor = side(options, game)
            except ImportError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            most, least = best.get(name, (0, float("inf")))
            best[name] = max(rate, most), min(processor, least)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--tengen", default=os.path.join(here, "..", "build", "tengen"))
    parser.add_argument("--games", default="pong,breakout", help="as ALE calls them, parted by commas")
    parser.add_argument("--envs", type=int, default=32)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="a file for the figures")
    options = parser.parse_args()
    figures = []
    print(f"{'game':16}{'side':16}{'steps/s':>10}{'us a step':>12}   Tengen is so many times as fast; in processor time")
    for game in options.games.split(","):
        best = best_of_rounds(options, game)
        for name, (rate, processor) in best.items():
            print(f"{game:16}{name:16}{rate:10.0f}{processor:12.1f}   {best['tengen'][0] / rate:.2f}; "
                  f"{processor / best['tengen'][1]:.2f}")
            figures.append({"name": f"compare.env.{game}.{name}.steps", "value": round(rate, 1), "unit": "steps/s"})
            figures.append({"name": f"compare.env.{game}.{name}.processor", "value": round(processor, 1), "unit": "us"})
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in [origin(options), *figures])


if __name__ == "__main__":
    main()
