"""PPO in PyTorch with everything on one device, for ppo_device_compare.py: environments, rollout, advantages, shuffles and
minibatches are tensors there and stay there. One network, the losses and the settings of `tengen train`; what a user does
who wants speed: compiled functions, Adam as one kernel, and on a GPU the rollout and the step on a minibatch each as one
CUDA graph. As in CleanRL a truncated episode is an end, where Tengen asks the critic once more: a little less to do here.
"""
import time

import torch
from torch import nn
from torch.nn import functional as F

from torch_envs import ENVS

GAMMA, LAMBDA, CLIP, VALUE_CLIP, VALUE_WEIGHT, ENTROPY_WEIGHT, NORM = 0.99, 0.95, 0.2, 0.2, 0.5, 0.01, 0.5
torch._dynamo.config.recompile_limit = 256  # one program compiles the same functions for many shapes


class Mlp(nn.Module):
    """models/mlp.c"""

    def __init__(self, shape, actions):
        super().__init__()
        self.policy, self.value = self.trunk(*shape, actions), self.trunk(*shape, 1)

    def trunk(self, inputs, outputs):
        return nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))

    def forward(self, x):
        return self.policy(x), self.value(x)


class MinatarCnn(nn.Module):
    """models/minatar_cnn.c; channels last, as the observation lies there."""

    def __init__(self, shape, actions):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(shape[2], 16, 3).to(memory_format=torch.channels_last), nn.Linear(1024, 128)
        self.policy, self.value = nn.Linear(128, actions), nn.Linear(128, 1)

    def forward(self, x):
        x = F.relu(self.conv(x.float().permute(0, 3, 1, 2)))
        x = F.relu(self.fc(x.permute(0, 2, 3, 1).flatten(1)))
        return self.policy(x), self.value(x)


def graph_of(call):
    """A CUDA graph of a call that works on memory which stays where it is; a function that launches it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # compiles, tunes, makes the optimiser's state
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


class Ppo:
    """precision: f32, tf32 (factors of products may be rounded) or bf16 (autocast)."""

    def __init__(self, task, count, horizon, epochs, minibatches, device, precision="f32", compiled=False):
        self.device, self.precision, self.samples, self.epochs = device, precision, count * horizon, epochs
        self.env = ENVS[task](device)
        net = Mlp if task == "cartpole" else MinatarCnn
        self.net = net(self.env.shape, self.env.actions).to(device)
        gpu = device == "cuda"
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=2.5e-4, eps=1e-5, fused=True, capturable=gpu)
        self.state = {name: t.clone() for name, t in self.env.reset(self.random(count, self.env.draws)).items()}
        self.rollout = self.allocate(horizon, count)
        self.index = torch.zeros(self.samples // minibatches, dtype=torch.int64, device=device)
        compile_ = torch.compile(fullgraph=True, dynamic=False) if compiled else lambda function: function
        self.act, self.judge, self.loss = compile_(self.act), compile_(self.judge), compile_(self.loss)
        self.choose_precision()
        self.play_all, self.learn_one = (graph_of(self.play), graph_of(self.learn)) if gpu else (self.play, self.learn)

    def random(self, *shape):
        return torch.rand(*shape, device=self.device)

    def allocate(self, horizon, count):
        """[T, N, ...]; the last observation has a row of its own."""
        def column(dtype, *shape):
            return torch.zeros(horizon, count, *shape, dtype=dtype, device=self.device)

        r = {name: column(torch.float32) for name in ("log_prob", "value", "reward", "advantage", "target")}
        kind = self.env.observe(self.state).dtype
        return {**r, "observation": column(kind, *self.env.shape), "action": column(torch.int64), "end": column(torch.bool)}

    def choose_precision(self):
        exact = self.precision == "f32"
        torch.set_float32_matmul_precision("highest" if exact else "high")
        torch.backends.cudnn.allow_tf32 = not exact
        torch.backends.cudnn.benchmark = True

    def opinion(self, observation):
        """Logits and values; a cache of cast weights would outlive a step in a graph."""
        with torch.autocast(self.device, torch.bfloat16, self.precision == "bf16", cache_enabled=False):
            logits, value = self.net(observation)
        return logits.float(), value.float().squeeze(1)

    # ---- 1. act ----------------------------------------------------------------------------------------------------

    def act(self, row):
        """One step of all environments; what it was goes into a row of the rollout."""
        observation = self.env.observe(self.state)
        logits, value = self.opinion(observation)
        log_probs = logits.log_softmax(1)
        action = (log_probs - torch.rand_like(log_probs).log().neg().log()).argmax(1)  # by Gumbel's noise
        count, draws = len(action), self.env.draws
        after, reward, terminated, truncated = self.env.step(self.state, action, self.random(count))
        end = terminated | truncated
        fresh = self.env.reset(self.random(count, draws))
        log_prob = log_probs.gather(1, action.unsqueeze(1)).squeeze(1)
        made = {"observation": observation, "action": action, "log_prob": log_prob, "value": value, "reward": reward,
                "end": end}
        for name, values in made.items():
            row[name].copy_(values)
        for name, values in after.items():
            shape = -1, *[1] * (values.dim() - 1)
            self.state[name].copy_(torch.where(end.view(shape), fresh[name], values))

    # ---- 2. judge --------------------------------------------------------------------------------------------------

    def judge(self, r):
        """Generalised advantage estimation: A[t] = delta[t] + decay[t] A[t+1], by doubling how far each step looks ahead."""
        last = self.opinion(self.env.observe(self.state))[1]
        on = (~r["end"]).float()
        advantage = r["reward"] + GAMMA * on * torch.cat([r["value"][1:], last.unsqueeze(0)]) - r["value"]
        decay, ahead = GAMMA * LAMBDA * on, 1
        while ahead < len(on):
            advantage = advantage + decay * F.pad(advantage[ahead:], (0, 0, 0, ahead))
            decay = decay * F.pad(decay[ahead:], (0, 0, 0, ahead))
            ahead *= 2
        r["advantage"].copy_(advantage)
        r["target"].copy_(advantage + r["value"])

    @torch.no_grad()
    def play(self):
        for t in range(len(self.rollout["value"])):
            self.act({name: column[t] for name, column in self.rollout.items()})
        self.judge(self.rollout)

    # ---- 3. learn --------------------------------------------------------------------------------------------------

    def loss(self, r, index):
        b = {name: column.flatten(0, 1)[index] for name, column in r.items()}
        logits, value = self.opinion(b["observation"])
        log_probs = logits.log_softmax(1)
        log_prob = log_probs.gather(1, b["action"].unsqueeze(1)).squeeze(1)
        advantage = (b["advantage"] - b["advantage"].mean()) / (b["advantage"].std() + 1e-8)
        ratio = (log_prob - b["log_prob"]).exp()
        policy = -torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
        near = b["value"] + (value - b["value"]).clamp(-VALUE_CLIP, VALUE_CLIP)
        errors = torch.maximum((value - b["target"]) ** 2, (near - b["target"]) ** 2)
        entropy = -(log_probs.exp() * log_probs).sum(1).mean()
        return policy + VALUE_WEIGHT * 0.5 * errors.mean() - ENTROPY_WEIGHT * entropy

    def learn(self):
        """A step on the minibatch that `index` names."""
        self.optimiser.zero_grad(set_to_none=True)
        self.loss(self.rollout, self.index).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), NORM)
        self.optimiser.step()

    def iterate(self):
        self.play_all()
        for _ in range(self.epochs):
            order = torch.randperm(self.samples, device=self.device)
            for chunk in order.split(len(self.index)):
                self.index.copy_(chunk)
                self.learn_one()

    def rate(self, seconds):
        """Steps a second of whole iterations, not counting one that warms up, and the processor seconds of a step."""
        self.choose_precision()
        wait = torch.cuda.synchronize if self.device == "cuda" else lambda: None
        self.iterate()
        wait()
        iterations, start, processor = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() < start + seconds:
            self.iterate()
            wait()
            iterations += 1
        steps = iterations * self.samples
        return steps / (time.perf_counter() - start), (time.process_time() - processor) / steps
