"""Reinforcement-learning environments that can only be solved by remembering.

    import lethe
    env = lethe.make_vec("Corridor-v0", num_envs=1024)      # a gymnasium.vector.VectorEnv over native code
    env = gymnasium.make("lethe/Corridor-v0")               # one environment
    agent = lethe.load("runs/corridor")                     # a trained agent, with torch

The manual is docs/python.md.
"""

import importlib
import os

import gymnasium

from lethe import _native
from lethe.task import Parameter, Task, Token, task

__all__ = ["Env", "Parameter", "Picture", "Task", "Token", "VectorEnv", "draw", "envs", "load", "load_plugin", "make_vec", "task"]

_LAZY = {"Env": "single", "Picture": "picture", "VectorEnv": "vector", "draw": "picture", "load": "agent"}


def __getattr__(name):  # so that the import stays fast
    if name not in _LAZY:
        raise AttributeError(f"module 'lethe' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lethe.{_LAZY[name]}"), name)


def envs() -> list[str]:
    """The ids of all environments, as make_vec takes them; gymnasium.make wants "lethe/" before them."""
    return _native.ids()


def make_vec(id: str, num_envs: int, threads: int = 1, seed: int | None = None, **kwargs):
    """num_envs environments that are stepped together: a lethe.VectorEnv, which tells what can be passed."""
    name = id.removeprefix("lethe/")
    task(name)  # for its message if there is none of this name
    return gymnasium.make_vec(
        f"lethe/{name}",
        num_envs=num_envs,
        vectorization_mode="vector_entry_point",
        threads=threads,
        seed=seed,
        **kwargs,
    )


def load_plugin(path: str | os.PathLike[str]) -> list[str]:
    """Takes in the environments of a plug-in library, and returns their ids; RuntimeError with the reason if it is refused.

    Loading the same file again returns the same ids. Not while another thread uses this package.
    """
    ids = _native.load_plugin(os.fspath(path))
    _register(ids)
    return ids


def _register(ids: list[str]) -> None:
    """Makes ids of the native registry known to Gymnasium, as lethe/<id>; those it knows already stay."""
    for id in ids:
        if f"lethe/{id}" not in gymnasium.registry:
            gymnasium.register(
                f"lethe/{id}",
                entry_point="lethe.single:Env",
                vector_entry_point="lethe.vector:VectorEnv",
                kwargs={"env_id": id},
            )


_register(envs())
