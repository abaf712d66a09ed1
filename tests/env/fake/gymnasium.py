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
    """Observes its seed's draw, the step and the action, which is its reward; ends after 5 steps, or as `how` says at step 3:
    crash, raise and hang where it drew a multiple of four, doomed always; broken raises in every step; nan is a reward,
    blurred an observation, blind the first one."""

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
        return [float(self.draw), 0.0, float("nan") if self.how == "blind" else 0.0], {}

    def step(self, action):
        self.step_count += 1
        reward, seen = float(action), float(action)
        if self.how == "broken":
            raise ValueError("the rules broke")
        if self.how == "doomed" and self.step_count == 3:
            os.kill(os.getpid(), 9)
        if self.step_count == 3 and self.draw % 4 == 0:
            if self.how == "crash":
                os.kill(os.getpid(), 9)
            if self.how == "raise":
                raise ValueError("the rules broke")
            if self.how == "hang":
                time.sleep(60)
        if self.how == "nan" and self.step_count == 3:
            reward = float("nan")
        if self.how == "blurred" and self.step_count == 3:
            seen = float("-inf")
        return [float(self.draw), float(self.step_count), seen], reward, self.step_count == 5, False, {}


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


class Gates:
    """Observes its draw and the step, whose sum says which one of each component's choices is closed; raises at that one.
    Ends after 4 steps, with a mask that allows nothing. `how`: several components, or what is wrong with the mask of step 2."""

    def __init__(self, how):
        self.how = how
        self.sizes = [3, 2] if how in ("several", "row") else [4]
        self.action_space = MultiDiscrete(self.sizes, [0, 0]) if len(self.sizes) > 1 else Discrete(4)
        self.observation_space = Box([0.0] * 2, [1e3] * 2, (2,))

    def see(self):
        at = self.draw + self.step_count
        masks = [[int(i != at % n and self.step_count < 4) for i in range(n)] for n in self.sizes]
        if self.step_count == 2 and self.how == "none":
            masks = [[0] * n for n in self.sizes]
        if self.step_count == 2 and self.how == "short":
            masks[0].pop()
        several = {"several": tuple(masks), "row": sum(masks, [])}
        info = {} if self.step_count == 2 and self.how == "absent" else {"action_mask": several.get(self.how, masks[0])}
        return [float(self.draw), float(self.step_count)], info

    def reset(self, seed=None):
        if seed is not None:
            self.random = random.Random(seed)
        self.step_count, self.draw = 0, self.random.randrange(100)
        return self.see()

    def step(self, action):
        at = self.draw + self.step_count
        chosen = list(action) if len(self.sizes) > 1 else [action]
        if any(i == at % n for i, n in zip(chosen, self.sizes)):
            raise ValueError(f"{action} is closed at {at}")
        self.step_count += 1
        observation, info = self.see()
        return observation, 1.0, self.step_count == 4, False, info


def make(name):
    kind, _, how = name.partition("-")
    kinds = {
        "Counter": lambda: Counter(how),
        "Echo": lambda: Echo(how),
        "Gates": lambda: Gates(how),
        "Pixels": Pixels,
        "Rooms": Rooms,
    }
    if kind not in kinds:
        raise KeyError(name)
    return kinds[kind]()
