#!/usr/bin/env python3
"""Runs a script of CleanRL's package as it is, in the environment that tools/install_peers.sh makes:

    FOLDER/cleanrl/bin/python benchmarks/peers_cleanrl.py SCRIPT ARGUMENTS

ppo_atari.py is written for a gym whose environments return four values from step(), seed themselves by seed(), and
draw by randint(); those of the ale-py that this Python can have are told to.
"""
import os
import runpy
import sys

script = sys.argv[1]
folder = os.path.join(sys.prefix, "lib", f"python3.{sys.version_info.minor}", "site-packages", "cleanrl")


def old_interface():
    sys.path.insert(0, os.path.join(sys.prefix, "gym"))
    import numpy
    from ale_py.env.gym import AtariEnv
    from gym.utils.seeding import RandomNumberGenerator

    step, reset = AtariEnv.step, AtariEnv.reset

    def four_values(self, action):
        observation, reward, terminated, truncated, info = step(self, action)
        return observation, reward, terminated or truncated, info

    AtariEnv.step = four_values
    AtariEnv.reset = lambda self, **options: reset(self, **options)[0]
    numpy.random.default_rng = lambda seed=None: RandomNumberGenerator(numpy.random.PCG64(seed))


if script == "ppo_atari":
    old_interface()
elif script.endswith("atari"):
    import ale_py  # makes the games known to Gymnasium

sys.argv = sys.argv[1:]
runpy.run_path(os.path.join(folder, script + ".py"), run_name="__main__")
