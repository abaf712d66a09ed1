"""Stands for Gymnasium in tests of the worker protocol: plain Python, no numpy. $TENGEN_FAKE_LOG gets a line for each reset
of a Counter."""
import os
import random
import time


class Box:
    def __init__(self, low, high, shape, dtype="float32"):
        self.low, self.high, self.shape, self.dtype = low, high, shape, dtype


class Discrete:
    def __init__(self, n):
        self.n = n


class MultiDiscrete:
    dtype = "int64"

    def __init__(self, nvec, start):
        self.nvec, self.start, self.shape = nvec, start, (len(nvec),)


class Text:
    pass


class Counter:
    """Observes its seed's draw and the step; action 1 is worth 1; ends after 5 steps, or as `how` says at step 3."""

    def __init__(self, how):
        self.how = how
        self.observation_space = Box([-1e9] * 3, [1e9] * 3, (3,))
        self.action_space = Text() if how == "text" else Discrete(2)
        if how == "deaf":
            time.sleep(60)

    def reset(self, seed=None):
        if self.how == "stillborn":
            os._exit(3)
        if "TENGEN_FAKE_LOG" in os.environ:
            with open(os.environ["TENGEN_FAKE_LOG"], "a") as log:
                print("reset", file=log)
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


class Echo:
    """Observes the action that it was given."""

    def __init__(self, what):
        if what == "choices":
            self.action_space = MultiDiscrete([3, 2, 4], [0, 10, -1])
            self.observation_space = Box([-1.0] * 3, [11.0] * 3, (3,))
        else:
            self.action_space = Box([-2.0, 0.5, float("-inf")], [1.0, 0.75, float("inf")], (3,))
            self.observation_space = Box([float("-inf")] * 3, [float("inf")] * 3, (3,))

    def reset(self, seed=None):
        return [0.0] * 3, {}

    def step(self, action):
        return [float(x) for x in action], 0.0, False, False, {}


class Pixels:
    """Pictures of 2 x 3 points in 4 channels, whose bytes count up from the number of the step."""

    observation_space = Box(0, 255, (2, 3, 4), "uint8")
    action_space = Discrete(2)

    def picture(self):
        return [(self.step_count + i) % 256 for i in range(24)]

    def reset(self, seed=None):
        self.step_count = 250
        return self.picture(), {}

    def step(self, action):
        self.step_count += 1
        return self.picture(), 0.0, False, False, {}


class Rooms:
    """Observes which of 3 floors, numbered from 0, and of 2 rooms, numbered from 1; an action leads to another."""

    observation_space = MultiDiscrete([3, 2], [0, 1])
    action_space = Discrete(6)

    def reset(self, seed=None):
        return [0, 1], {}

    def step(self, action):
        return [action // 2, 1 + action % 2], 0.0, False, False, {}


def make(name):
    kind, _, how = name.partition("-")
    kinds = {"Counter": lambda: Counter(how), "Echo": lambda: Echo(how), "Pixels": Pixels, "Rooms": Rooms}
    if kind not in kinds:
        raise KeyError(name)
    return kinds[kind]()
