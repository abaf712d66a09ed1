"""CartPole, and MinAtar's Breakout and Space Invaders, as tensor code of PyTorch: what ppo_device_compare.py's other
side plays. Many environments are one state, a dictionary of tensors [N, ...]; nothing waits for the device, so that all
of it can be compiled and captured into a CUDA graph.

    state = env.reset(draws)                                        draws: [N, env.draws] in [0, 1)
    state, reward, terminated, truncated = env.step(state, action, draw)       draw: [N] in [0, 1)
    env.observe(state)                                              [N, *env.shape]; bytes 0 or 1 of MinAtar's games

The rules are those of src/env/cartpole.h, breakout.h and space_invaders.h; check() holds them to the trajectories of the
originals in tests/data, which hold ours, too.
"""
import os

import torch

SIDE, STICKY, MOST_STEPS = 10, 0.1, 10000
LEFT, RIGHT, FIRE = 1, 3, 5
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data")


class CartPole:
    shape, actions, draws = (4,), 2, 4

    def __init__(self, device):
        pass

    def reset(self, draws):
        x, x_dot, theta, theta_dot = (0.1 * draws - 0.05).unbind(1)
        return {"x": x, "x_dot": x_dot, "theta": theta, "theta_dot": theta_dot,
                "steps": torch.zeros_like(x, dtype=torch.int32)}

    def step(self, s, action, draw):
        sine, cosine = s["theta"].sin(), s["theta"].cos()
        force = torch.where(action == 1, 10.0, -10.0)
        shared = (force + 0.05 * s["theta_dot"] ** 2 * sine) / 1.1
        theta_acc = (9.8 * sine - cosine * shared) / (0.5 * (4 / 3 - 0.1 * cosine ** 2 / 1.1))
        x_acc = shared - 0.05 * theta_acc * cosine / 1.1
        after = {"x": s["x"] + 0.02 * s["x_dot"], "x_dot": s["x_dot"] + 0.02 * x_acc,
                 "theta": s["theta"] + 0.02 * s["theta_dot"], "theta_dot": s["theta_dot"] + 0.02 * theta_acc,
                 "steps": s["steps"] + 1}
        terminated = (after["x"].abs() > 2.4) | (after["theta"].abs() > 0.20943951023931953)
        return after, torch.ones_like(sine), terminated, after["steps"] >= 500

    def observe(self, s):
        return torch.stack([s["x"], s["x_dot"], s["theta"], s["theta_dot"]], 1)


class MinAtar:
    """What the games share: rows and columns of the screen, the action that is taken, moving aside."""

    actions = 6

    def __init__(self, device):
        self.y = torch.arange(SIDE, dtype=torch.int32, device=device).view(SIDE, 1)
        self.x = torch.arange(SIDE, dtype=torch.int32, device=device)

    def action(self, s, action, draw):
        return torch.where(draw < STICKY, s["last"], action.int())

    def aside(self, x, action):
        return (x + (action == RIGHT).int() - (action == LEFT).int()).clamp(0, SIDE - 1)

    def at(self, y, x):
        """[N, 10, 10]: where the thing at y, x is."""
        return (self.y == y.view(-1, 1, 1)) & (self.x == x.view(-1, 1, 1))


class Breakout(MinAtar):
    shape, draws = (SIDE, SIDE, 4), 1
    FULL = (1 << 30) - 1

    def reset(self, draws):
        right = draws[:, 0] >= 0.5
        zero = torch.zeros_like(right, dtype=torch.int32)
        x = torch.where(right, zero + SIDE - 1, zero)
        return {"last": zero, "steps": zero, "paddle": zero + 4, "x": x, "y": zero + 3, "last_x": x, "last_y": zero + 3,
                "dx": torch.where(right, zero - 1, zero + 1), "dy": zero + 1, "bricks": zero + self.FULL,
                "struck": zero.bool()}

    def brick(self, y, x):
        """The bit of the brick at a place; 0 where none can be."""
        row = y - 1
        there = (row >= 0) & (row < 3)
        return torch.where(there, torch.ones_like(x) << torch.where(there, row * SIDE + x, 0), 0)

    def step(self, s, action, draw):
        action = self.action(s, action, draw)
        paddle, dx, dy = self.aside(s["paddle"], action), s["dx"], s["dy"]
        x, y = s["x"] + dx, s["y"] + dy
        beside, above = (x < 0) | (x >= SIDE), y < 0
        x, dx = torch.where(beside, s["x"], x), torch.where(beside, -dx, dx)
        y, dy = y.clamp(min=0), torch.where(above, 1, dy)
        bit, low = self.brick(y, x), y == SIDE - 1
        struck = (s["bricks"] & bit) != 0
        breaks = struck & ~s["struck"]
        bricks = torch.where(breaks, s["bricks"] & ~bit, s["bricks"])
        bricks = torch.where(low & (bricks == 0), self.FULL, bricks)
        straight = s["x"] == paddle
        met = low & (straight | (x == paddle))
        y, dy = torch.where(breaks | met, s["y"], y), torch.where(breaks | met, -dy, dy)
        after = {"last": action, "steps": s["steps"] + 1, "paddle": paddle, "x": x, "y": y, "last_x": s["x"],
                 "last_y": s["y"], "dx": torch.where(met & ~straight, -dx, dx), "dy": dy, "bricks": bricks,
                 "struck": struck}
        return after, breaks.float(), low & ~met, after["steps"] >= MOST_STEPS

    def observe(self, s):
        bricks = (s["bricks"].view(-1, 1, 1) & self.brick(self.y, self.x.expand(SIDE, SIDE))) != 0
        lowest = torch.full_like(s["paddle"], SIDE - 1)
        planes = self.at(lowest, s["paddle"]), self.at(s["y"], s["x"]), self.at(s["last_y"], s["last_x"]), bricks
        return torch.stack(planes, 3).byte()


class SpaceInvaders(MinAtar):
    """Aliens and bullets are planes [N, 10, 10]."""

    shape, draws = (SIDE, SIDE, 6), 1

    def line_up(self):
        return (self.y < 4) & (self.x >= 2) & (self.x < 8)

    def reset(self, draws):
        zero = torch.zeros_like(draws[:, 0], dtype=torch.int32)
        none = (zero != 0).view(-1, 1, 1).expand(-1, SIDE, SIDE)
        return {"last": zero, "steps": zero, "cannon": zero + 5, "aliens": none | self.line_up(), "bullets": none,
                "alien_bullets": none, "dx": zero - 1, "interval": zero + 12, "move_timer": zero + 12,
                "alien_shot_timer": zero + 10, "shot_timer": zero}

    def move(self, s, aliens):
        """Aliens, direction and timer after a move, and whether the aliens have won."""
        moves, left = s["move_timer"] == 0, s["dx"] < 0
        columns = aliens.any(1)
        border = torch.where(left, columns[:, 0], columns[:, -1])
        aside = torch.where(left.view(-1, 1, 1), aliens.roll(-1, 2), aliens.roll(1, 2))
        after = torch.where(border.view(-1, 1, 1), aliens.roll(1, 1), aside)
        timer = torch.minimum(aliens.sum((1, 2), dtype=torch.int32), s["interval"])
        return (torch.where(moves.view(-1, 1, 1), after, aliens), torch.where(moves & border, -s["dx"], s["dx"]),
                torch.where(moves, timer, s["move_timer"]), moves & border & aliens[:, -1].any(1))

    def shot(self, aliens, cannon):
        """Where the lowest alien of the nearest column, of two as near the left one, is."""
        far = 2 * SIDE * SIDE
        distance = torch.where(aliens.any(1), (self.x - cannon.view(-1, 1)).abs() * SIDE + self.x, far)
        column = (distance == distance.amin(1, keepdim=True)) & (distance < far)
        row = torch.where(aliens, self.y, -1).amax(1)
        return column.unsqueeze(1) & (self.y == row.unsqueeze(1)) & aliens

    def step(self, s, action, draw):
        action = self.action(s, action, draw)
        cannon = self.aside(s["cannon"], action)
        here, none = self.x == cannon.view(-1, 1), torch.zeros_like(s["bullets"][:, :1])
        fires = (action == FIRE) & (s["shot_timer"] == 0)
        shot_timer = torch.where(fires, 5, s["shot_timer"])
        lowest = s["bullets"][:, -1:] | (fires.view(-1, 1) & here).unsqueeze(1)
        bullets = torch.cat([s["bullets"][:, 1:-1], lowest, none], 1)
        alien_bullets = torch.cat([none, s["alien_bullets"][:, :-1]], 1)
        lost = ((alien_bullets[:, -1] | s["aliens"][:, -1]) & here).any(1)
        aliens, dx, move_timer, won = self.move(s, s["aliens"])
        lost = lost | won | (aliens[:, -1] & here).any(1)
        shoots = s["alien_shot_timer"] == 0
        alien_bullets = alien_bullets | (self.shot(aliens, cannon) & shoots.view(-1, 1, 1))
        hits = aliens & bullets
        aliens, bullets = aliens & ~hits, bullets & ~hits
        gone = ~aliens.any((1, 2))
        after = {"last": action, "steps": s["steps"] + 1, "cannon": cannon,
                 "aliens": torch.where(gone.view(-1, 1, 1), self.line_up(), aliens), "bullets": bullets,
                 "alien_bullets": alien_bullets, "dx": dx,
                 "interval": torch.where(gone & (s["interval"] > 6), s["interval"] - 1, s["interval"]),
                 "move_timer": move_timer - 1, "alien_shot_timer": torch.where(shoots, 10, s["alien_shot_timer"]) - 1,
                 "shot_timer": (shot_timer - 1).clamp(min=0)}
        return after, hits.sum((1, 2), dtype=torch.float32), lost, after["steps"] >= MOST_STEPS

    def observe(self, s):
        left = (s["dx"] < 0).view(-1, 1, 1)
        lowest = torch.full_like(s["cannon"], SIDE - 1)
        planes = (self.at(lowest, s["cannon"]), s["aliens"], s["aliens"] & left, s["aliens"] & ~left, s["bullets"],
                  s["alien_bullets"])
        return torch.stack(planes, 3).byte()


ENVS = {"cartpole": CartPole, "breakout": Breakout, "space_invaders": SpaceInvaders}


def rows_of(name):
    with open(os.path.join(DATA, name)) as lines:
        return [line.split() for line in lines if not line.startswith("#")]


def check_cartpole(device):
    """Single steps: tools/make_env_goldens.py says what the columns are."""
    rows = torch.tensor([[float(word) for word in row] for row in rows_of("env_cartpole.txt")], device=device)
    state = dict(zip(("steps", "x", "x_dot", "theta", "theta_dot"), rows.unbind(1)))
    env = CartPole(device)
    after, reward, terminated, truncated = env.step(state, rows[:, 5], None)
    torch.testing.assert_close(env.observe(after), rows[:, 6:10], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.stack([reward, terminated, truncated], 1), rows[:, 10:])


def hash_of(observation):
    value = 2166136261
    for byte in observation.flatten().tolist():
        value = (value ^ byte) * 16777619 & 0xffffffff
    return value


def check_minatar(name, device):
    """A trajectory, with the reference's draws: tools/make_minatar_goldens.py."""
    env, ends = ENVS[name](device), 0
    state, screens, expected = None, [], []
    for number, row in enumerate(rows_of(f"minatar_{name}.txt")):
        if row[0] == "reset":
            which, _, count = row[2].partition("/") if len(row) > 2 else ("0", "", "1")
            state = env.reset(torch.tensor([[(int(which) + 0.5) / int(count)]], device=device))
        else:
            draw, action = torch.tensor([float(row[4])], device=device), torch.tensor([int(row[0])], device=device)
            state, *got = env.step(state, action, draw)
            assert [float(v) for v in got] == [float(row[1]), float(row[2]), 0.0], f"{name}, row {number}: {got}"
            ends += int(row[2])
        screens.append(env.observe(state))
        expected.append(int(row[1 if row[0] == "reset" else 3], 16))
    wrong = [i for i, screen in enumerate(torch.cat(screens).cpu()) if hash_of(screen) != expected[i]]
    assert not wrong and ends, f"{name}: another screen in row {wrong[:1]}"


def check(name, device):
    """Fails where an environment is not the original's."""
    if name == "cartpole":
        check_cartpole(device)
    else:
        check_minatar(name, device)
