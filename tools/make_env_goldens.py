#!/usr/bin/env python3
"""Writes tests/data/env_*.txt: single steps of Gymnasium's classic control, for tests/env/test_classic.c.

    python3 -m venv gym && gym/bin/pip install gymnasium==1.4.0
    gym/bin/python tools/make_env_goldens.py

A row is a state, an action, and what Gymnasium makes of them. Each state is rounded to float32 and put into the
environment before its step, so that rows stand alone and rounding does not grow along an episode:

    steps STATE action   OBSERVATION reward terminated truncated
"""
import pathlib

import gymnasium
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"


class Task:
    """How one environment is driven: its state, how near a state is to the edge of an end, how states spread."""

    def __init__(self, name, identity, limit, scale, start, margin, policies, tidy=lambda s: s):
        self.name, self.identity, self.limit = name, identity, limit
        self.scale, self.start = np.array(scale), np.array(start)  # of random states; (low, high) of a fresh episode
        self.margin = margin  # of the state after a step: distance to the edge of an end
        self.policies, self.tidy = policies, tidy  # tidy: a state as ours is kept
        self.env = gymnasium.make(identity)
        self.continuous = hasattr(self.env.action_space, "low")

    def step(self, steps, state, action):
        """The state (float32, of a copy of the environment) after `action`, whether it is an end, the row."""
        env = self.env
        env.reset(seed=0)
        env.unwrapped.state = state.astype(np.float64)
        time_limit = env
        while not hasattr(time_limit, "_elapsed_steps"):
            time_limit = time_limit.env
        time_limit._elapsed_steps = steps
        observation, reward, terminated, truncated, _ = env.step(np.array([action]) if self.continuous else int(action))
        after = self.tidy(np.array(env.unwrapped.state, np.float64))
        if self.margin(after) < 1e-4:  # a golden value must not hang on the last bit of a float
            return after.astype(np.float32), terminated or truncated, None
        row = (f"{steps} {' '.join(f'{v:.9g}' for v in state)} {action:.9g}   "
               f"{' '.join(f'{v:.9g}' for v in observation)} {float(reward):.9g} {int(terminated)} {int(truncated)}")
        return after.astype(np.float32), terminated or truncated, row

    def episode(self, rng, policy, keep):
        """An episode from a fresh start; the rows whose step number `keep` accepts, and always the last three."""
        state, rows, done = rng.uniform(*self.start).astype(np.float32), [], False
        while not done:
            state, done, row = self.step(len(rows), state, policy(state, rng))
            rows.append(row)
        return [row for i, row in enumerate(rows) if keep(i) or i >= len(rows) - 3]

    def random_action(self, rng):
        return np.float32(rng.uniform(-2.5, 2.5)) if self.continuous else int(rng.integers(self.env.action_space.n))

    def write(self):
        rng = np.random.default_rng(20240601)
        rows = []
        for _ in range(2):
            rows += self.episode(rng, lambda s, r: self.random_action(r), lambda i: i < 12 or i % 25 == 0)
        for policy in self.policies:
            rows += self.episode(rng, policy, lambda i: i % 25 == 0)
        for _ in range(80):  # all over the state space, ends of all kinds
            state = (rng.uniform(-1, 1, len(self.scale)) * self.scale).astype(np.float32)
            steps = int(rng.choice([0, self.limit // 2, self.limit - 1]))
            rows.append(self.step(steps, state, self.random_action(rng))[2])
        rows = [row for row in rows if row]
        head = f"# Gymnasium {gymnasium.__version__}, {self.identity}, by tools/make_env_goldens.py; see there for the columns\n"
        path = OUT / f"env_{self.name}.txt"
        path.write_text(head + "\n".join(rows) + "\n")
        print(f"{path}: {len(rows)} rows")


TASKS = [
    Task("cartpole", "CartPole-v1", 500, [2.5, 3, 0.22, 3], ([-0.05] * 4, [0.05] * 4),
         lambda s: min(abs(abs(s[0]) - 2.4), abs(abs(s[2]) - np.radians(12))),
         # One that pushes to the right, and one that lasts until the time limit.
         [lambda s, r: 1, lambda s, r: int(s[2] + 0.5 * s[3] + 0.05 * s[0] + 0.1 * s[1] > 0)]),
    Task("mountaincar", "MountainCar-v0", 200, [1.2, 0.07], ([-0.6, 0], [-0.4, 0]),
         lambda s: abs(s[0] - 0.5),
         [lambda s, r: 2 if s[1] >= 0 else 0, lambda s, r: 0 if s[0] > -0.5 else 2]),
    Task("acrobot", "Acrobot-v1", 500, [np.pi, np.pi, 12, 28], ([-0.1] * 4, [0.1] * 4),
         lambda s: abs(-np.cos(s[0]) - np.cos(s[0] + s[1]) - 1),
         [lambda s, r: 2 if s[2] < 0 else 0]),
    Task("pendulum", "Pendulum-v1", 200, [np.pi, 8], ([-np.pi, -1], [np.pi, 1]),
         lambda s: 1,
         [lambda s, r: np.float32(2 if s[1] > 0 else -2)],
         lambda s: np.array([(s[0] + np.pi) % (2 * np.pi) - np.pi, s[1]])),
]

if __name__ == "__main__":
    for task in TASKS:
        task.write()
