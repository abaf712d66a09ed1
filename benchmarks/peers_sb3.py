#!/usr/bin/env python3
"""Stable-Baselines3's PPO on CartPole with CleanRL's settings; says `iteration` whenever one begins.

    FOLDER/sb3/bin/python benchmarks/peers_sb3.py ENVIRONMENTS HORIZON ITERATIONS
"""
import sys

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from torch import nn


class Mark(BaseCallback):
    def _on_rollout_start(self):
        print("iteration", flush=True)

    def _on_step(self):
        return True


envs, horizon, iterations = map(int, sys.argv[1:])
network = {"activation_fn": nn.Tanh, "net_arch": {"pi": [64, 64], "vf": [64, 64]}}
model = PPO("MlpPolicy", make_vec_env("CartPole-v1", n_envs=envs), n_steps=horizon, batch_size=envs * horizon // 4,
            n_epochs=4, learning_rate=lambda left: 2.5e-4 * left, gamma=0.99, gae_lambda=0.95, clip_range=0.2,
            clip_range_vf=0.2, ent_coef=0.01, vf_coef=0.5, max_grad_norm=0.5, policy_kwargs=network, device="cpu")
model.learn(envs * horizon * iterations, callback=Mark())
