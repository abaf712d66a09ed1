#!/usr/bin/env python3
"""Writes tests/data/minatar_*.txt: trajectories of MinAtar's games with what they drew, for tests/env/test_minatar.c.

    python3 -m venv minatar && minatar/bin/pip install minatar==1.0.15
    minatar/bin/python tools/make_minatar_goldens.py

The games are played from outside: their random numbers are recorded as they are drawn, the players below look at what
a game shows of its state. A file holds episodes, a line a step and a line for each beginning:

    reset HASH DRAWS...                      the episode begins (the last action is none again)
    ACTION REWARD TERMINATED HASH DRAWS...

HASH is the 32-bit FNV-1a hash of the observation, a byte of 0 or 1 for each of [10, 10, channels]. A draw is U, a number
in [0, 1), or I/N, a whole number in 0 .. N-1, in the order of the draws.
"""
import pathlib

import numpy as np
from minatar import Environment

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
NONE, LEFT, UP, RIGHT, DOWN, FIRE = range(6)


class Tape:
    """Stands in for a numpy RandomState, and writes down what is drawn from it."""

    def __init__(self, seed):
        self.random, self.draws = np.random.RandomState(seed), []

    def rand(self, *shape):
        values = self.random.rand(*shape)
        self.draws += [f"{v:.7f}" for v in np.ravel(values)]
        return values

    def randint(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        values = self.random.randint(low, high, size)
        self.draws += [f"{v - low}/{high - low}" for v in np.ravel(values)]
        return values

    def take(self):
        draws, self.draws = self.draws, []
        return " ".join(draws)


def fnv(observation):
    value = 2166136261
    for byte in observation.astype(np.uint8).ravel().tolist():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return f"{value:08x}"


def toward(x, target):
    return LEFT if x > target else RIGHT if x < target else NONE


def play_asterix(game, rng):
    """The nearest gold, around enemies."""
    def cost(dx, dy):
        x, y = min(9, max(0, game.player_x + dx)), min(8, max(1, game.player_y + dy))
        row = game.entities[y - 1]
        enemy = row is not None and not row[3]
        hit = enemy and (row[0] == x or (game.move_timer <= 1 and row[0] + (1 if row[2] else -1) == x))
        return 100 * hit + min([abs(e[0] - x) + abs(e[1] - y) for e in game.entities if e is not None and e[3]], default=0)
    moves = [(NONE, 0, 0), (LEFT, -1, 0), (UP, 0, -1), (RIGHT, 1, 0), (DOWN, 0, 1)]
    rng.shuffle(moves)
    return min(moves, key=lambda move: cost(move[1], move[2]))[0]


def play_breakout(game, rng):
    """Where the ball will come down, met in its middle or at its side."""
    x, y, dx = game.ball_x, game.ball_y, 1 if game.ball_dir in (1, 2) else -1
    if game.ball_dir in (0, 1):
        return toward(game.pos, x)
    while y < 8:
        x, y = x + dx, y + 1
        if x < 0 or x > 9:
            x, dx = min(9, max(0, x)), -dx
    return toward(game.pos, x if rng.random() < 0.7 else min(9, max(0, x + dx)))


def play_freeway(game, rng):
    return UP


def play_seaquest(game, rng):
    """Shoots what is ahead, fetches divers, comes up with all six or for air."""
    enemies = game.e_fish + game.e_subs
    flying = [(thing[0], thing[1], 1 if thing[2] else -1) for thing in enemies + game.e_bullets]
    if game.shot_timer == 0 and any(e[1] == game.sub_y and (e[0] > game.sub_x) == game.sub_or for e in enemies):
        return FIRE
    goal = (5, 4)
    if game.diver_count == 6 or (game.oxygen < 60 and game.diver_count != 0):
        goal = (game.sub_x, 0)
    elif game.divers:
        goal = min(game.divers, key=lambda d: abs(d[0] - game.sub_x) + abs(d[1] - game.sub_y))[:2]

    def cost(dx, dy):
        x, y = min(9, max(0, game.sub_x + dx)), min(8, max(0, game.sub_y + dy))
        hits = sum(row == y and x in (column, column + step) for column, row, step in flying)
        drowned = y == 0 and not game.surface and game.diver_count == 0
        return 100 * hits + 1000 * drowned + abs(x - goal[0]) + abs(y - goal[1])
    moves = [(NONE, 0, 0), (LEFT, -1, 0), (UP, 0, -1), (RIGHT, 1, 0), (DOWN, 0, 1)]
    rng.shuffle(moves)
    return min(moves, key=lambda move: cost(move[1], move[2]))[0]


def play_space_invaders(game, rng):
    """Shoots below the nearest aliens, steps aside from bullets."""
    def danger(x):
        return not 0 <= x < 10 or game.e_bullet_map[7:9, x].any()
    if danger(game.pos):
        return LEFT if not danger(game.pos - 1) else RIGHT
    if game.shot_timer == 0 and rng.random() < 0.7:
        return FIRE
    columns = np.flatnonzero(game.alien_map.any(0))
    action = toward(game.pos, columns[np.argmin(abs(columns - game.pos))])
    return NONE if danger(game.pos + (action == RIGHT) - (action == LEFT)) else action


def write(name, play, seed, steps, careless=0.05):
    """`careless` is how often the player takes a random action."""
    environment, tape, rng = Environment(name), Tape(seed), np.random.default_rng(seed)
    environment.random = environment.env.random = tape
    rows, total, best, done = [], 0, 0, True
    while len(rows) < steps:
        if done:
            environment.reset()
            environment.last_action, total = NONE, 0
            rows.append(f"reset {fnv(environment.state())} {tape.take()}")
        action = int(rng.integers(6)) if rng.random() < careless else int(play(environment.env, rng))
        reward, done = environment.act(action)
        total += reward
        best = max(best, total)
        rows.append(f"{action} {reward} {int(done)} {fnv(environment.state())} {tape.take()}")
    path = OUT / f"minatar_{name}.txt"
    head = f"# MinAtar 1.0.15, {name}, by tools/make_minatar_goldens.py; see there for the columns\n"
    path.write_text(head + "\n".join(row.strip() for row in rows) + "\n")
    print(f"{path}: {len(rows)} rows, {sum(row.startswith('reset') for row in rows)} episodes, best return {best}")


if __name__ == "__main__":
    write("asterix", play_asterix, 4, 1500)
    write("breakout", play_breakout, 3, 1000, careless=0.02)
    write("freeway", play_freeway, 2, 2700)
    write("seaquest", play_seaquest, 2, 3000)
    write("space_invaders", play_space_invaders, 4, 1500)
