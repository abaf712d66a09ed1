#!/usr/bin/env python3
"""Tengen beside Stable-Baselines3 and CleanRL, side by side in one run: environment steps a second of training.

    tools/install_peers.sh PEERS
    python3 benchmarks/peers_compare.py PEERS --json benchmarks/results/MACHINE_peers.jsonl

All train the same network on the same task with the same hyper-parameters (CleanRL's), on a CPU, each with one thread
and with all; they take turns (--rounds), and the best of each counts. CleanRL's scripts run as they are
(peers_cleanrl.py), Stable-Baselines3 by peers_sb3.py. What is timed is whole iterations: acting, environments,
learning; not starting, nor the first iteration. Beside stands the processor time of a step, all threads and processes
together, which depends less on what else the machine does. Prints a table; --json FILE keeps the figures.
"""
import argparse
import itertools
import os
import shlex
import subprocess
import sys
import tempfile
import time

import figures

HERE = os.path.dirname(os.path.abspath(__file__))


def tengen(config, *settings):
    return lambda peers, program, threads: [program, "train", os.path.join(HERE, "..", "configs", config),
                                            "run.device=cpu", f"run.threads={threads}", "run.dir=run",
                                            *(setting.format(peers=peers) for setting in settings)]


def cleanrl(script, *arguments):
    return lambda peers, program, threads: [f"{peers}/cleanrl/bin/python", "-u", f"{HERE}/peers_cleanrl.py", script,
                                            "--cuda", "False", *arguments]


def sb3(*arguments):
    return lambda peers, program, threads: [f"{peers}/sb3/bin/python", f"{HERE}/peers_sb3.py", *arguments]


# A task's sides: the command, and of the peers which of their lines come how many steps apart.
TASKS = {
    "ppo_cartpole": {
        "tengen": (tengen("ppo_cartpole.ini", "env.count=8", "ppo.horizon=128", "ppo.epochs=4", "ppo.minibatches=4",
                          "ppo.gamma=0.99", "optimiser.rate=0.00025@0 ~0@1000", "run.iterations=1000"),),
        "sb3": (sb3("8", "128", "24"), "iteration", 8 * 128),
        "cleanrl": (cleanrl("ppo", "--num-envs", "8", "--total-timesteps", str(8 * 128 * 24)), "SPS:", 8 * 128),
    },
    "ppo_atari": {
        "tengen": (tengen("ppo_atari_pong.ini", "env.python={peers}/sb3/bin/python", "env.count=8", "env.preset=sb3",
                          "ppo.epochs=4", "ppo.minibatches=4", "run.iterations=8"),),
        "cleanrl": (cleanrl("ppo_atari", "--env-id", "PongNoFrameskip-v4", "--num-envs", "8", "--total-timesteps",
                            str(8 * 128 * 4)), "SPS:", 8 * 128),
    },
    # An update in four steps, from the hundredth on.
    "dqn_atari": {
        "tengen": (tengen("dqn_cartpole.ini", "env.name=atari:pong", "env.python={peers}/sb3/bin/python", "env.count=1",
                          "env.preset=sb3", "net.model=nature_cnn", "net.atoms=1", "optimiser.rate=0.0001",
                          "dqn.steps=100", "dqn.capacity=20000", "dqn.learning_starts=100", "dqn.train_period=4",
                          "dqn.batch=32", "dqn.target_period=250", "dqn.delta=0", "dqn.epsilon=0.01",
                          "dqn.double_q=false", "dqn.n_step=1", "run.iterations=30"),),
        "cleanrl": (cleanrl("dqn_atari", "--env-id", "PongNoFrameskip-v4", "--buffer-size", "20000", "--start-e", "0.01",
                            "--learning-starts", "100", "--total-timesteps", "1000"), "SPS:", 100),
    },
}


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def peer_rate(command, folder, threads, mark, steps):
    """By when the lines come that have `mark` in them."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    marks, said = [], []
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            said.append(line)
            if mark in line:
                marks.append((time.perf_counter(), processor_seconds(process.pid)))
    if process.returncode or len(marks) < 2:
        sys.exit(f"{shlex.join(command)}: exit status {process.returncode}; it said:\n{''.join(said[-10:])}")
    steps *= len(marks) - 1
    return steps / (marks[-1][0] - marks[0][0]), (marks[-1][1] - marks[0][1]) / steps


def measure(side, peers, program, threads):
    """Steps a second, and the processor seconds of a step."""
    make, *marks = side
    with tempfile.TemporaryDirectory() as folder:
        command = make(peers, program, threads)
        return peer_rate(command, folder, threads, *marks) if marks else figures.training_rate(command, folder)


def versions(peers):
    ask = "from importlib.metadata import version as v; print(*map(v, ['stable-baselines3', 'torch']))"
    sb3_version, torch = subprocess.check_output([f"{peers}/sb3/bin/python", "-c", ask], text=True).split()
    ask = "from importlib.metadata import version as v; print(v('cleanrl'))"
    return {"stable-baselines3": sb3_version, "pytorch": torch,
            "cleanrl": subprocess.check_output([f"{peers}/cleanrl/bin/python", "-c", ask], text=True).strip()}


def print_task(task, rates, costs):
    """Each side with its better number of threads."""
    rate = {side: max(value for key, value in rates.items() if key[:2] == (task, side)) for side in TASKS[task]}
    cost = {side: min(value for key, value in costs.items() if key[:2] == (task, side)) for side in TASKS[task]}
    for side in TASKS[task]:
        print(f"{task:14} {side:8} {rate[side]:9.0f} steps/s  {1e6 * cost[side]:9.1f} us of a processor a step", end="")
        if side != "tengen":
            print(f"   Tengen {rate['tengen'] / rate[side]:.1f}x, {cost[side] / cost['tengen']:.1f}x", end="")
        print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", type=os.path.abspath, help="the folder that tools/install_peers.sh made")
    parser.add_argument("--tengen", type=os.path.abspath, default="build/tengen", help="the program")
    parser.add_argument("--tasks", default=",".join(TASKS), help="of " + ", ".join(TASKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="file for the figures, one object a line")
    arguments = parser.parse_args()
    cores, rates, costs = len(os.sched_getaffinity(0)), {}, {}
    for task in arguments.tasks.split(","):
        for _, side, threads in itertools.product(range(arguments.rounds), TASKS[task], sorted({1, cores})):
            rate, cost = measure(TASKS[task][side], arguments.peers, arguments.tengen, threads)
            key = task, side, threads
            rates[key], costs[key] = max(rate, rates.get(key, 0)), min(cost, costs.get(key, cost))
        print_task(task, rates, costs)
    if arguments.json:
        head = {"machine": f"{figures.processor()}, {cores} cores", **versions(arguments.peers)}
        values = []
        for (task, side, threads), rate in sorted(rates.items()):
            name = f"peers.{task}.{side}.t{threads}"
            values += [(f"{name}.steps", round(rate, 1), "steps/s"),
                       (f"{name}.processor", round(1e6 * costs[task, side, threads], 1), "us")]
        figures.write(arguments.json, arguments.tengen, head, values)


if __name__ == "__main__":
    main()
