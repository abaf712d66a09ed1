"""Stands for Gymnasium in tests of the worker protocol: plain Python, no numpy."""
import os
import random
import time


class Box:
    def __init__(self, low, high, shape, dtype="float32"):
        self.shape, self.dtype = shape, dtype
        self.low, self.high = [low] * shape[0], [high] * shape[0]


class Discrete:
    def __init__(self, n):
        self.n = n


class Text:
    pass


class Counter:
    """Observes its seed's draw and the step; action 1 is worth 1; ends after 5 steps, or as `how` says at step 3."""

    def __init__(self, how):
        self.how = how
        self.observation_space = Box(-1e9, 1e9, (3,))
        self.action_space = Text() if how == "text" else Discrete(2)

    def reset(self, seed=None):
        if seed is not None:
            self.random = random.Random(seed)
        self.step_count, self.draw = 0, self.random.randrange(1000)
        return [float(self.draw), 0.0, 0.0], {}

    def step(self, action):
        self.step_count += 1
        reward = float(action)
        if self.step_count == 3 and self.draw % 4 == 0:
            if self.how == "crash":
                os.kill(os.getpid(), 9)
            if self.how == "raise":
                raise ValueError("the rules broke")
            if self.how == "hang":
                time.sleep(60)
        if self.how == "nan" and self.step_count == 3:
            reward = float("nan")
        return [float(self.draw), float(self.step_count), float(action)], reward, self.step_count == 5, False, {}


def make(name):
    if not name.startswith("Counter"):
        raise KeyError(name)
    return Counter(name.partition("-")[2])
