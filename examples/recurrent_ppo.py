"""Stable-Baselines3's RecurrentPPO learns to remember: the colour of a signal, for up to twenty steps.

    pip install . stable-baselines3 sb3-contrib
    python examples/recurrent_ppo.py                # about a minute on two cores
    python examples/recurrent_ppo.py --steps 20000  # only to see it run

A policy without memory opens the right door half of the time. The curriculum makes the difference: on corridors of all
lengths from the start, 400,000 steps led no further.
"""

import argparse
import time

import gymnasium
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

import lethe

ENV = "Corridor-Short-v0"


TASK = lethe.task(ENV)
VOCABULARIES = np.array([token.vocabulary for token in TASK.tokens])
FIRST_BIT = np.cumsum(VOCABULARIES) - VOCABULARIES


def one_hot(observations: np.ndarray) -> np.ndarray:
    """uint8 [..., tokens] -> float32 [..., bits], with one bit set per token."""
    bits = np.zeros((*observations.shape[:-1], VOCABULARIES.sum()), np.float32)
    np.put_along_axis(bits, FIRST_BIT + observations, 1, axis=-1)
    return bits


def make_env() -> gymnasium.Env:
    bits = gymnasium.spaces.Box(0, 1, (int(VOCABULARIES.sum()),))
    return gymnasium.wrappers.TransformObservation(gymnasium.make(f"lethe/{ENV}"), one_hot, bits)


def score(model: RecurrentPPO, episodes: int = 1000) -> float:
    """Mean success in one episode of each of many environments, on levels that no training has seen."""
    env = lethe.make_vec(ENV, episodes, seed=0, purpose="evaluate")
    observations, _ = env.reset()
    success = np.full(episodes, np.nan)
    state = None
    while np.isnan(success).any():
        actions, state = model.predict(one_hot(observations), state, env.episode_start, deterministic=False)
        observations, _, _, _, infos = env.step(actions)
        if infos:
            first_end = infos["_success"] & np.isnan(success)
            success[first_end] = infos["success"][first_end]
    return success.mean()


class Curriculum(BaseCallback):
    """Begins with corridors of three or four cells, and allows longer ones when these are mastered."""

    def __init__(self):
        super().__init__()
        name, self.easiest, self.hardest = TASK.curriculum
        self.successes = []
        self.start = time.monotonic()

    def _set(self, length: int) -> None:
        self.length = min(length, self.hardest)
        self.successes.clear()
        self.training_env.env_method("set_curriculum", self.length)

    def _on_training_start(self) -> None:
        self._set(self.easiest + 1)

    def _on_step(self) -> bool:
        self.successes += [info["success"] for info in self.locals["infos"] if "success" in info]
        return True

    def _on_rollout_end(self) -> None:
        if len(self.successes) < 500:
            return
        success, seconds = np.mean(self.successes), time.monotonic() - self.start
        print(
            f"{self.num_timesteps:9,} steps  {seconds:4.0f} s  length 3..{self.length}: score {success:.3f}", flush=True
        )
        self._set(self.length * 4 // 3 if success > 0.9 else self.length)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=200_000, help="environment steps of the training")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(1)  # the batches are too small for more
    model = RecurrentPPO(
        "MlpLstmPolicy",
        make_vec_env(make_env, n_envs=64, seed=arguments.seed),
        n_steps=32,
        batch_size=1024,
        n_epochs=4,
        learning_rate=3e-3,
        gamma=0.95,
        ent_coef=0.05,  # both doors have to be tried as long as the colour says nothing
        policy_kwargs={"net_arch": [], "lstm_hidden_size": 64, "enable_critic_lstm": False, "shared_lstm": True},
        seed=arguments.seed,
    )
    print(f"{ENV}: oracle {TASK.oracle_score}, without memory {TASK.memoryless_score}, random {TASK.random_score}")
    print(f"score before training: {score(model):.3f}")
    model.learn(arguments.steps, callback=Curriculum())
    print(f"score after training: {score(model):.3f}")


if __name__ == "__main__":
    main()
