#!/usr/bin/env python3
"""Makes tests/data/atari.golden.gz from Gymnasium, ALE, OpenCV and Stable-Baselines3:

    pip install ale-py gymnasium opencv-python-headless stable-baselines3 && tools/make_atari_goldens.py

It holds, as bytes (numbers little-endian):
    u32 pictures, and for each: u32 height, u32 grey, two screens [height, 160] that follow each other (colour codes; if grey,
        luminances), and what they become [84, 84]:
        luminance, maximum, INTER_AREA    (gymnasium.wrappers.AtariPreprocessing)
        maximum, luminance, INTER_AREA    (Stable-Baselines3's AtariWrapper: RGB, cvtColor, resize)
    u32 games, and for each, played by AtariPreprocessing: name [16], u32 steps, and for each step (the first: the reset): action,
        reward, lives, terminated (a byte each), u32 CRC-32 of the observation [84, 84]
    the same of games played by Stable-Baselines3's AtariWrapper; action RESET: a reset, after a lost life or a game

It also checks that src/env/atari_screen.c has the colours that ALE draws; --colours prints them."""
import gzip
import re
import struct
import sys
import zlib
from pathlib import Path

import ale_py
import cv2
import gymnasium
import numpy as np
from stable_baselines3.common.atari_wrappers import AtariWrapper

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "tests/data/atari.golden.gz"
PICTURES = [("pong", 120), ("breakout", 31), ("breakout", 120), ("ms_pacman", 120), ("seaquest", 120), ("space_invaders", 120),
            ("enduro", 120), ("beam_rider", 200), ("carnival", 60), ("air_raid", 60)]  # the last two: 214 rows; PAL
STEPS, RESET = 600, 255
ROW = struct.Struct("<BbBBI")


def camel(game):
    return "".join(word.capitalize() for word in game.split("_"))


def make(game):
    name = camel(game)
    env = gymnasium.make(f"ALE/{name}-v5", frameskip=1, repeat_action_probability=0.0)
    return gymnasium.wrappers.AtariPreprocessing(env, noop_max=0, frame_skip=4)


def action_at(step, choices):
    return (step // 5 * 7 + step // 13) % choices


def screens(ale):
    """Codes, RGB, luminances."""
    dims = ale.getScreenDims()
    codes, rgb, grey = (np.zeros(dims + depth, np.uint8) for depth in ((), (3,), ()))
    ale.getScreen(codes)
    ale.getScreenRGB(rgb)
    ale.getScreenGrayscale(grey)
    return codes, rgb, grey


def picture(game, steps):
    """Two neighbouring screens after some steps of four frames, and what becomes of them."""
    env = make(game)
    env.reset(seed=1)
    ale, choices = env.unwrapped.ale, env.action_space.n
    actions = ale.getMinimalActionSet()
    for step in range(steps):
        env.step(action_at(step, choices))
    action = action_at(steps, choices)
    state = ale.cloneState()
    for _ in range(3):
        ale.act(actions[action])
    before = screens(ale)
    ale.act(actions[action])
    last = screens(ale)
    ale.restoreState(state)
    expected = env.step(action)[0]
    pal = ale.getScreenDims()[0] == 250
    shown = 2 if pal else 0
    grey = cv2.cvtColor(np.maximum(before[1], last[1]), cv2.COLOR_RGB2GRAY)
    both = [expected, expected if pal else cv2.resize(grey, (84, 84), interpolation=cv2.INTER_AREA)]
    head = struct.pack("<II", ale.getScreenDims()[0], pal)
    return head + b"".join(a.tobytes() for a in [before[shown], last[shown], *both])


def row(action, reward, lives, ended, observation):
    return ROW.pack(action, int(reward), lives, ended, zlib.crc32(observation.tobytes()))


def packed(name, rows):
    return name.encode().ljust(16, b"\0") + struct.pack("<I", len(rows)) + b"".join(rows)


def game(name):
    env = make(name)
    observation, info = env.reset(seed=1)
    rows, ended, step = [row(0, 0, info["lives"], False, observation)], False, 0
    while not ended and step < STEPS:
        action = action_at(step, env.action_space.n)
        observation, reward, ended, _, info = env.step(action)
        rows.append(row(action, reward, info["lives"], ended, observation))
        step += 1
    return packed(name, rows)


def game_of_sb3(name):
    env = AtariWrapper(gymnasium.make(f"{camel(name)}NoFrameskip-v4"), noop_max=0)
    lives = env.unwrapped.ale.lives
    rows = [row(RESET, 0, lives(), False, env.reset(seed=1)[0])]
    for step in range(STEPS):
        action = action_at(step, env.action_space.n)
        observation, reward, ended, _, _ = env.step(action)
        rows.append(row(action, reward, lives(), ended, observation))
        if ended:
            observation = env.reset()[0]
            rows.append(row(RESET, 0, lives(), False, observation))
    return packed(name, rows)


def colours():
    """0xRRGGBB by code, from the screens of games that show them all."""
    found = {}
    for name in sorted(ale_py.roms.get_all_rom_ids()):
        if name in ("combat", "joust", "maze_craze", "warlords"):  # need two players
            continue
        ale = ale_py.ALEInterface()
        ale.loadROM(ale_py.roms.get_rom_path(name))
        if ale.getScreenDims()[0] == 250:  # PAL
            continue
        shape, actions = ale.getScreenDims(), ale.getMinimalActionSet()
        codes, rgb = np.zeros(shape, np.uint8), np.zeros(shape + (3,), np.uint8)
        for step in range(700):
            ale.act(actions[step // 4 * 7 % len(actions)])
            if step % 10 == 0:
                ale.getScreen(codes)
                ale.getScreenRGB(rgb)
                for code, at in zip(*np.unique(codes, return_index=True)):
                    r, g, b = (int(v) for v in rgb.reshape(-1, 3)[at])
                    assert found.setdefault(int(code), r << 16 | g << 8 | b) == r << 16 | g << 8 | b, (name, code)
            if ale.game_over():
                ale.reset_game()
    return [found[code] for code in range(0, 256, 2)]


def main():
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gymnasium.register_envs(ale_py)
    seen = colours()
    if "--colours" in sys.argv:
        for i in range(0, 128, 8):
            print("    " + " ".join(f"0x{c:06x}," for c in seen[i : i + 8]))
    source = re.findall(r"\b0x([0-9a-f]{6}),", (ROOT / "src/env/atari_screen.c").read_text())
    if [int(c, 16) for c in source] != seen:
        sys.exit("src/env/atari_screen.c: colours differ from ALE's (--colours prints those)")
    pictures = [picture(*which) for which in PICTURES]
    games = [game("pong"), game("breakout")]
    games_of_sb3 = [game_of_sb3(name) for name in ("breakout", "qbert", "ms_pacman")]  # the last has no FIRE
    data = b"".join(struct.pack("<I", len(part)) + b"".join(part) for part in (pictures, games, games_of_sb3))
    OUT.write_bytes(gzip.compress(data, mtime=0))
    print(f"{OUT}: {len(data)} bytes, {OUT.stat().st_size} compressed; ale-py {ale_py.__version__}, "
          f"gymnasium {gymnasium.__version__}, OpenCV {cv2.__version__}")


if __name__ == "__main__":
    main()
