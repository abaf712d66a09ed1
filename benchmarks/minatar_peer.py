#!/usr/bin/env python3
"""Stable-Baselines3's PPO or DQN on MinAtar's own environments, with the settings of configs/ppo_minatar_GAME.ini or
dqn_minatar_GAME.ini: what those rules, that network and those settings bring elsewhere, to hold ours against.

    FOLDER/sb3/bin/python benchmarks/minatar_peer.py ppo|dqn GAME FRAMES [SEED]        (FOLDER: tools/install_peers.sh)
    tengen train configs/ppo_minatar_GAME.ini run.iterations=N "optimiser.rate=0.001@0 ~0@N"             N = FRAMES/16384
    tengen train configs/dqn_minatar_GAME.ini run.iterations=N "optimiser.rate=0.0005@0 ~0.00005@N" dqn.double_q=false
                                                                                                         N = FRAMES/10000

Its DQN is not double. Prints the mean return of the last 100 training episodes as it goes, and that of 100 greedy ones
at the end.
"""
import json
import sys
import time

import gymnasium
import torch
from gymnasium.wrappers import TimeLimit
from minatar.gym import BaseEnv
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

ENVS, HORIZON, MINIBATCHES = 128, 128, 16  # of PPO
REPORT = 131072  # frames


class Trunk(BaseFeaturesExtractor):
    """models/minatar_cnn.c"""

    def __init__(self, space):
        super().__init__(space, 128)
        self.layers = nn.Sequential(nn.Conv2d(space.shape[2], 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 128),
                                    nn.ReLU())

    def forward(self, x):
        return self.layers(x.permute(0, 3, 1, 2))


class Report(BaseCallback):
    def _on_rollout_start(self):
        if self.model.ep_info_buffer and self.num_timesteps % REPORT == 0:
            returns = [episode["r"] for episode in self.model.ep_info_buffer]
            print(f"{self.num_timesteps} frames, {time.time() - start:.0f} s: return {sum(returns) / len(returns):.1f}",
                  flush=True)

    def _on_step(self):
        return True


class Floats(gymnasium.ObservationWrapper):
    """Stable-Baselines3 takes truth values for no numbers."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, env.observation_space.shape)

    def observation(self, observation):
        return observation.astype("float32")


def make():
    return TimeLimit(Floats(BaseEnv(game)), 10000)


def ppo():
    return PPO("MlpPolicy", make_vec_env(make, n_envs=ENVS, seed=seed), n_steps=HORIZON, n_epochs=4, seed=seed,
               batch_size=ENVS * HORIZON // MINIBATCHES, learning_rate=lambda left: 1e-3 * left, gamma=0.99,
               gae_lambda=0.95, clip_range=0.2, clip_range_vf=0.2, ent_coef=0.01, vf_coef=0.5, max_grad_norm=0.5,
               policy_kwargs={"features_extractor_class": Trunk, "net_arch": []}, device="cpu")


def dqn():
    """16 environments, two updates a step of all; a target every 1000 updates."""
    return DQN("MlpPolicy", make_vec_env(make, n_envs=16, seed=seed), seed=seed, buffer_size=200000, batch_size=64,
               learning_starts=10000, train_freq=1, gradient_steps=2, target_update_interval=8000, n_steps=3,
               gamma=0.99, learning_rate=lambda left: 5e-5 + 4.5e-4 * left, max_grad_norm=10,
               exploration_fraction=100000 / frames, exploration_final_eps=0.01, device="cpu",
               policy_kwargs={"features_extractor_class": Trunk, "net_arch": [], "optimizer_kwargs": {"eps": 1e-5}})


algorithm, game, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
torch.set_num_threads(1)
start = time.time()
model = {"ppo": ppo, "dqn": dqn}[algorithm]()
model.learn(frames, callback=Report())
spent = time.time() - start
mean, deviation = evaluate_policy(model, make_vec_env(make, n_envs=10, seed=seed + 1000), n_eval_episodes=100)
print(json.dumps({"algorithm": algorithm, "game": game, "frames": model.num_timesteps, "seed": seed,
                  "seconds": round(spent), "return": round(float(mean), 2), "deviation": round(float(deviation), 2)}))
