"""The native core of both kinds of environment, and the checks of what it is made from."""

import operator
from typing import Any

from gymnasium.utils import seeding

from lethe import _native

RENDER_MODES = ["ansi", "rgb_array"]


def make_core(
    env_id: str,
    params: dict[str, Any],
    *,
    num_envs: int = 1,
    threads: int = 1,
    seed: int | None = None,
    purpose: str = "train",
    first_index: int = 0,
    same_step: bool = False,
) -> _native.VectorCore:
    num_envs = integer("num_envs", num_envs, 1, 2**31 - 1)
    threads = integer("threads", threads, 1, 1024)
    seed = random_seed() if seed is None else checked_seed(seed)
    first_index = integer("first_index", first_index, 0, 2**32 - 1 - num_envs)  # the last index is the policy's
    return _native.VectorCore(env_id, num_envs, threads, seed, str(purpose), first_index, same_step, params)


def integer(name: str, value: Any, lowest: int, highest: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; wanted: an integer") from None
    if not lowest <= number <= highest:
        raise ValueError(f"{name} is {number}; allowed: {lowest}..{highest}")
    return number


def checked_seed(seed: Any) -> int:
    return integer("seed", seed, 0, 2**64 - 1)


def random_seed() -> int:
    return seeding.np_random()[1] % 2**64


def checked_render_mode(mode: str | None) -> str | None:
    if mode is not None and mode not in RENDER_MODES:
        raise ValueError(f"render_mode is {mode!r}; allowed: None, 'ansi' or 'rgb_array'")
    return mode


def refuse_unknown(options: dict[str, Any], known: str) -> None:
    for name in options:
        if name != known:
            raise ValueError(f"unknown reset option {name!r}; allowed: {known!r}")
