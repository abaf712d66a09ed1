"""Stands for the Arcade Learning Environment in tests: plain Python, no numpy.

Every game is the same: frame t of a game shows colour code 2 (t mod 100) everywhere, an action is worth its own number, a
life goes every 40 frames, and the third is the last. Some games differ as their names say."""
import os

ACTIONS = {"pong": [0, 1, 3, 4], "never_fires": [0, 3, 4], "crashes": [0, 1, 3, 4], "pal_game": [0, 1, 3, 4]}


class roms:
    @staticmethod
    def get_all_rom_ids():
        return list(ACTIONS)

    @staticmethod
    def get_rom_path(name):
        return name


class LoggerMode:
    Error = 2


class ALEInterface:
    @staticmethod
    def setLoggerMode(mode):
        assert mode == LoggerMode.Error

    def setFloat(self, key, value):
        assert (key, value) == ("repeat_action_probability", 0.0)

    def setInt(self, key, value):
        assert key == "random_seed" and value >= 0

    def loadROM(self, path):
        self.name = path
        self.reset_game()

    def getMinimalActionSet(self):
        return ACTIONS[self.name]

    def getLegalActionSet(self):
        return range(18)

    def getScreenDims(self):
        return (250 if self.name == "pal_game" else 210), 160

    def fill(self, screen, value):
        view = memoryview(screen).cast("B")
        view[:] = bytes([value]) * len(view)

    def getScreen(self, screen):
        assert self.name != "pal_game"
        self.fill(screen, 2 * (self.frame % 100))

    def getScreenGrayscale(self, screen):
        assert self.name == "pal_game"
        self.fill(screen, self.frame % 100)

    def reset_game(self):
        self.frame = 0

    def act(self, action):
        assert not self.game_over()
        self.frame += 1
        if self.name == "crashes" and self.frame == 30:
            os.kill(os.getpid(), 9)
        return action

    def game_over(self):
        return self.frame >= 120

    def lives(self):
        return 3 - self.frame // 40
