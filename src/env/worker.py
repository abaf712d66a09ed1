"""A worker of a Tengen trainer: steps some environments of Gymnasium, or games of the Arcade Learning Environment.

The trainer runs this text with `python3 -c` and shares memory with it (descriptor 3), whose layout src/env/workers.h
tells: for each worker a semaphore and what its environments are like, for each environment a slot with a command, what came
of it, and the observation. Commands are carried out when the semaphore is posted; after each, the trainer's is.
"""
import array
import ctypes
import difflib
import mmap
import os
import signal
import sys

try:
    import numpy
except ImportError:  # Gymnasium brings it; the tests do without
    numpy = None

MEMORY, UP, REFUSED, RESET, STEP, NO_SEED = 3, 1, 2, 1, 2, -1
ERROR_BYTES, COMPONENTS = 1024, 16
# Words (4 bytes) of a worker's area and of a slot.
STATE, ERROR, SPEC = 16, 17, 17 + ERROR_BYTES // 4
HEIGHT, WIDTH, CHANNELS, BYTES, MASK, PIXELS, KIND, PARTS, LIMIT, SOLVED, GREY, FIRE = range(SPEC, SPEC + 12)
CHOICES = SPEC + 12
LOW, HIGH = CHOICES + COMPONENTS, CHOICES + 2 * COMPONENTS
COMMAND, SEED, REWARD, TERMINATED, TRUNCATED, LIVES, FRAMES, MASKED, ACTIONS = range(9)
SLOT_BYTES = 128
DISCRETE, MULTI_DISCRETE, CONTINUOUS = range(3)


class Refusal(Exception):
    """What the user has to change."""


def flat(values):
    return values.reshape(-1).tolist() if hasattr(values, "reshape") else list(values)


def choices_of(space):
    """How many choices each component of a Discrete or MultiDiscrete space has, and the number of its first."""
    if hasattr(space, "n"):
        return [int(space.n)], [int(getattr(space, "start", 0))]
    sizes = [int(n) for n in flat(space.nvec)]
    return sizes, [int(n) for n in flat(getattr(space, "start", [0] * len(sizes)))]


def import_module(name, package):
    try:
        return __import__(name)
    except ImportError as error:
        raise Refusal(
            f"{sys.executable} (Python {sys.version.split()[0]}) cannot import {name} ({error}): "
            f"{sys.executable} -m pip install {package}, or choose another Python with env.python=PATH"
        ) from None


class Memory:
    """The shared memory, or as much of it as there is yet."""

    def __init__(self):
        self.bytes = mmap.mmap(MEMORY, 0)
        self.ints = memoryview(self.bytes).cast("i")
        self.floats = memoryview(self.bytes).cast("f")
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.bytes))

    def view(self, offset, count, pixels):
        if numpy:
            return numpy.frombuffer(self.bytes, numpy.uint8 if pixels else numpy.float32, count, offset)
        return memoryview(self.bytes)[offset : offset + count * (1 if pixels else 4)].cast("B" if pixels else "f")


class Gymnasium:
    """One environment of Gymnasium."""

    def __init__(self, name, _, masks):
        gymnasium = import_module("gymnasium", "gymnasium")
        if name.startswith("ALE/"):
            import_module("ale_py", "ale-py")
        try:
            self.env = gymnasium.make(name)
        except Exception as error:
            raise Refusal(f"gymnasium.make({name!r}): {type(error).__name__}: {error}") from None
        self.masks, self.observes, self.acts = masks, self.env.observation_space, self.env.action_space
        self.describe_observation()
        self.describe_action()

    def unfit(self, what, space):
        return Refusal(f"{what} {space}: only Box, Discrete and MultiDiscrete spaces can be used")

    def describe_observation(self):
        space, kind = self.observes, type(self.observes).__name__
        self.pixels, self.hot = False, None
        if kind == "Box":
            shape = tuple(space.shape)
            if len(shape) > 3:
                raise Refusal(f"observations of {len(shape)} dimensions: three at most")
            shape = (1, 1) + (shape or (1,)) if len(shape) < 2 else (shape + (1,))[:3]
            self.pixels = "uint8" in str(space.dtype)
        elif kind in ("Discrete", "MultiDiscrete"):  # one-hot
            sizes, starts = choices_of(space)
            self.hot, shape = list(zip(sizes, starts)), (1, 1, sum(sizes))
        else:
            raise self.unfit("observation space", space)
        self.shape, self.size = shape, shape[0] * shape[1] * shape[2]
        self.bytes_observed = self.size * (1 if self.pixels else 4)

    def describe_action(self):
        space, kind = self.acts, type(self.acts).__name__
        self.choices, self.low, self.high = [], [], []
        if kind == "Discrete" or (kind == "MultiDiscrete" and len(space.shape) == 1):
            self.kind = DISCRETE if kind == "Discrete" else MULTI_DISCRETE
            self.choices, self.starts = choices_of(space)
        elif kind == "Box":
            self.kind, self.low, self.high = CONTINUOUS, flat(space.low), flat(space.high)
        else:
            raise self.unfit("action space", space)
        self.parts = max(len(self.choices), len(self.low))
        if self.parts > COMPONENTS:
            raise Refusal(f"actions of {self.parts} numbers: {COMPONENTS} at most")

    def gives_masks(self):
        """Only a reset tells. The trainer's first has a seed, so that what was drawn here leaves no trace."""
        return self.masks and self.choices and "action_mask" in self.env.reset(seed=0)[1]

    def write_spec(self, memory, area):
        memory.ints[area + HEIGHT], memory.ints[area + WIDTH], memory.ints[area + CHANNELS] = self.shape
        memory.ints[area + BYTES], memory.ints[area + PIXELS] = self.bytes_observed, self.pixels
        memory.ints[area + MASK] = sum(self.choices) if self.gives_masks() else 0
        memory.ints[area + KIND], memory.ints[area + PARTS] = self.kind, self.parts
        spec = getattr(self.env, "spec", None)
        memory.ints[area + LIMIT] = getattr(spec, "max_episode_steps", None) or 0
        solved = getattr(spec, "reward_threshold", None)
        memory.floats[area + SOLVED] = float("nan") if solved is None else solved
        for i in range(self.parts):
            if self.choices:
                memory.ints[area + CHOICES + i] = self.choices[i]
            else:
                memory.floats[area + LOW + i], memory.floats[area + HIGH + i] = self.low[i], self.high[i]

    def attach(self, memory, slot, area):
        self.memory, self.slot, self.mask_bytes = memory, slot, memory.ints[area + MASK]
        self.target = memory.view(4 * slot + SLOT_BYTES, self.size, self.pixels)

    def show_observation(self, observation):
        if self.hot:
            values, row = [observation] if len(self.hot) == 1 else flat(observation), []
            for (size, start), value in zip(self.hot, flat(values)):
                row += [float(i == int(value) - start) for i in range(size)]
            observation = row
        if numpy:
            self.target[:] = numpy.asarray(observation).reshape(-1)
        else:
            self.target[:] = array.array("B" if self.pixels else "f", observation)

    def show_mask(self, info):
        mask = info.get("action_mask", ())  # of several choices: a tuple of masks, or all in a row
        values = [value for part in mask for value in flat(part)] if isinstance(mask, tuple) else flat(mask)
        self.memory.ints[self.slot + MASKED] = len(values)
        if len(values) == self.mask_bytes:
            at = 4 * self.slot + SLOT_BYTES + self.bytes_observed
            self.memory.bytes[at : at + len(values)] = bytes(map(bool, values))

    def show(self, observation, info):
        self.show_observation(observation)
        if self.mask_bytes:
            self.show_mask(info)

    def action(self):
        at = self.slot + ACTIONS
        if self.kind == DISCRETE:
            return self.memory.ints[at] + self.starts[0]
        if self.kind == MULTI_DISCRETE:
            values = [self.memory.ints[at + i] + self.starts[i] for i in range(self.parts)]
            return numpy.array(values, self.acts.dtype) if numpy else values
        values = [self.memory.floats[at + i] for i in range(self.parts)]
        return numpy.array(values, self.acts.dtype).reshape(self.acts.shape) if numpy else values

    def run(self, command):
        ints, slot = self.memory.ints, self.slot
        if command == RESET:
            seed = ints[slot + SEED]
            self.show(*self.env.reset(**({} if seed == NO_SEED else {"seed": seed})))
            return
        observation, reward, terminated, truncated, info = self.env.step(self.action())
        self.show(observation, info)
        self.memory.floats[slot + REWARD] = float(reward)
        ints[slot + TERMINATED], ints[slot + TRUNCATED] = bool(terminated), bool(truncated)


class Atari:
    """One game; shows the last two screens of a step, as colour codes where the console has the palette of NTSC."""

    def __init__(self, name, all_actions, _):
        ale_py = import_module("ale_py", "ale-py")
        games = {game.replace("_", ""): game for game in ale_py.roms.get_all_rom_ids()}
        if name not in games:
            near = [games[key] for key in difflib.get_close_matches(name, games, 3, 0.5)] or sorted(games.values())
            raise Refusal(f"no game is called {name}; did you mean {', '.join(near)}?")
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale, self.rom = ale_py.ALEInterface(), ale_py.roms.get_rom_path(games[name])
        self.ale.setFloat("repeat_action_probability", 0.0)  # the trainer says which action each frame gets
        self.ale.loadROM(self.rom)
        legal = self.ale.getLegalActionSet() if all_actions else self.ale.getMinimalActionSet()
        self.actions = [int(getattr(action, "value", action)) for action in legal]
        self.height, self.width = self.ale.getScreenDims()
        self.grey = self.height == 250  # PAL
        self.screen = self.ale.getScreenGrayscale if self.grey else self.ale.getScreen

    def write_spec(self, memory, area):
        memory.ints[area + HEIGHT], memory.ints[area + WIDTH], memory.ints[area + CHANNELS] = self.height, self.width, 2
        memory.ints[area + BYTES], memory.ints[area + PIXELS] = 2 * self.height * self.width, True
        memory.ints[area + KIND], memory.ints[area + PARTS] = DISCRETE, 1
        memory.ints[area + CHOICES] = len(self.actions)
        memory.ints[area + GREY], memory.ints[area + FIRE] = self.grey, self.actions[1:2] == [1] and len(self.actions) > 2

    def attach(self, memory, slot, _):
        self.memory, self.slot, size = memory, slot, self.height * self.width
        self.before, self.last = (memory.view(4 * slot + SLOT_BYTES + i * size, size, True) for i in range(2))
        if numpy:
            self.before, self.last = (view.reshape(self.height, self.width) for view in (self.before, self.last))

    def reset(self, seed, noops):
        if seed != NO_SEED:
            self.ale.setInt("random_seed", seed)
            self.ale.loadROM(self.rom)
        self.ale.reset_game()
        for _ in range(noops):
            self.ale.act(0)
            if self.ale.game_over():
                self.ale.reset_game()
        self.screen(self.before)
        return 0, noops

    def step(self, frames):
        act, over, codes, actions = self.ale.act, self.ale.game_over, self.actions, self.memory.ints
        first, reward = self.slot + ACTIONS, 0
        for frame in range(frames):
            if over():
                return reward, frame
            if frame == frames - 1:
                self.screen(self.before)
            reward += act(codes[actions[first + frame]])
        if frames == 1:
            self.screen(self.before)
        return reward, frames

    def run(self, command):
        ints, slot = self.memory.ints, self.slot
        frames = ints[slot + FRAMES]
        reward, played = self.reset(ints[slot + SEED], frames) if command == RESET else self.step(frames)
        self.screen(self.last)
        self.memory.floats[slot + REWARD] = reward
        ints[slot + TERMINATED], ints[slot + LIVES], ints[slot + FRAMES] = self.ale.game_over(), self.ale.lives(), played


KINDS = {"gym": Gymnasium, "atari": Atari}


def waiter(trainer):
    """sem_wait that ends this process when the trainer has gone (which need not be our parent: a Python may be a
    script that starts another)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: at once, even amid a step
    clock = (ctypes.c_long * 2)()

    def wait(address):
        while True:
            libc.clock_gettime(0, clock)
            clock[0] += 1
            if libc.sem_timedwait(ctypes.c_void_p(address), clock) == 0:
                return
            try:
                os.kill(trainer, 0)
            except ProcessLookupError:
                os._exit(0)

    return wait, lambda address: libc.sem_post(ctypes.c_void_p(address))


def work(memory, name, area, first, count, slots, trainer, all_actions, masks):
    wait, post = waiter(trainer)
    kind, _, name = name.partition(":")
    envs = [KINDS[kind](name, all_actions, masks) for _ in range(count)]
    envs[0].write_spec(memory, area)
    stride = SLOT_BYTES + (memory.ints[area + BYTES] + memory.ints[area + MASK] + 63) // 64 * 64
    memory.ints[area + STATE] = UP
    post(memory.address)
    wait(memory.address + 4 * area)
    memory = Memory()  # the slots are there now
    for i, env in enumerate(envs):
        env.attach(memory, (slots + (first + i) * stride) // 4, area)
    ints, ready, request = memory.ints, memory.address, memory.address + 4 * area
    while True:
        for env in envs:
            command = ints[env.slot + COMMAND]
            if command:
                env.run(command)
                ints[env.slot + COMMAND] = 0
                post(ready)
        wait(request)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer saves first, and then ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.dup2(2, 1)
    area, memory = int(sys.argv[2]), Memory()
    try:
        work(memory, sys.argv[1], *map(int, sys.argv[2:9]))
    except BaseException as error:
        text = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
        data = text.encode()[: ERROR_BYTES - 1] + b"\0"
        memory.bytes[4 * (area + ERROR) : 4 * (area + ERROR) + len(data)] = data
        if not isinstance(error, Refusal):
            raise
        memory.ints[area + STATE] = REFUSED
        sys.exit(2)


main()
