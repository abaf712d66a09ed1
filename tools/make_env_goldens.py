#!/usr/bin/env python3
"""Writes tests/data/env_cartpole.txt: single steps of Gymnasium's CartPole-v1, for tests/env/test_env.c.

    python3 -m venv gym && gym/bin/pip install gymnasium==1.4.0
    gym/bin/python tools/make_env_goldens.py

A row is a state, an action, and what Gymnasium makes of them. Each state is rounded to float32 and put into the
environment before its step, so that rows stand alone and rounding does not grow along an episode:

    steps x x_dot theta theta_dot action   x x_dot theta theta_dot reward terminated truncated
"""
import pathlib

import gymnasium
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "env_cartpole.txt"
LIMITS = {0: 2.4, 2: 12 * 2 * np.pi / 360}


def step(env, steps, state, action):
    """One row: `state` (float32) after `steps` steps of an episode, pushed by `action`."""
    env.reset(seed=0)
    env.unwrapped.state = state.astype(np.float64)
    time_limit = env
    while not hasattr(time_limit, "_elapsed_steps"):
        time_limit = time_limit.env
    time_limit._elapsed_steps = steps
    after, reward, terminated, truncated, _ = env.step(action)
    # A golden value must not hang on the last bit of a float.
    for i, limit in LIMITS.items():
        assert abs(abs(after[i]) - limit) > 1e-5, (state, after)
    numbers = " ".join(f"{v:.9g}" for v in state), " ".join(f"{v:.9g}" for v in after)
    return after, terminated or truncated, (
        f"{steps} {numbers[0]} {action}   {numbers[1]} {reward:g} {int(terminated)} {int(truncated)}")


def episode(env, rng, policy, keep):
    """An episode from a fresh reset; the rows whose step number `keep` accepts, and always the last three."""
    state, rows, done = rng.uniform(-0.05, 0.05, 4).astype(np.float32), [], False
    while not done:
        state, done, row = step(env, len(rows), state, policy(state, rng))
        rows.append(row)
    return [row for i, row in enumerate(rows) if keep(i) or i >= len(rows) - 3]


def main():
    env, rng = gymnasium.make("CartPole-v1"), np.random.default_rng(20240601)
    rows = []
    for _ in range(3):  # until the pole falls
        rows += episode(env, rng, lambda s, r: int(r.integers(2)), lambda i: True)
    rows += episode(env, rng, lambda s, r: 1, lambda i: True)
    # A controller that lasts until the time limit.
    rows += episode(env, rng, lambda s, r: int(s[2] + 0.5 * s[3] + 0.05 * s[0] + 0.1 * s[1] > 0), lambda i: i % 25 == 0)
    for _ in range(60):  # all over the state space, ends of all kinds
        state = (rng.uniform(-1, 1, 4) * [2.5, 3.0, 0.22, 3.0]).astype(np.float32)
        rows.append(step(env, int(rng.choice([0, 250, 499])), state, int(rng.integers(2)))[2])
    OUT.parent.mkdir(parents=True, exist_ok=True)
    head = f"# Gymnasium {gymnasium.__version__}, CartPole-v1, by tools/make_env_goldens.py; see there for the columns\n"
    OUT.write_text(head + "\n".join(rows) + "\n")
    print(f"{OUT}: {len(rows)} rows")


if __name__ == "__main__":
    main()
