"""Trained agents: lethe.load(run). Needs torch, of the version that the library was built with."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

try:
    import torch
except ImportError as error:
    raise ImportError("lethe.load needs torch, which is not installed") from error

_NAME = "liblethe_agent.so"
_loaded = False


def _library(run: Path) -> Path:
    """liblethe_agent.so: LETHE_AGENT_LIBRARY, or of the environment, or of a build above the run or this folder."""
    if named := os.environ.get("LETHE_AGENT_LIBRARY"):
        return Path(named)
    places = [Path(sys.prefix) / "lib" / _NAME]
    for start in (run.resolve(), Path.cwd()):
        places += [above / "build/release/lib" / _NAME for above in (start, *start.parents)]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"{_NAME} is in no build folder above {run} or {Path.cwd()}, nor in {sys.prefix}/lib; "
        "LETHE_AGENT_LIBRARY may name it"
    )


def _load_library(run: Path) -> None:
    global _loaded
    if _loaded:
        return
    path = _library(run)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such library")
    try:
        torch.classes.load_library(str(path))
    except OSError as error:
        raise ImportError(f"{path} does not go with torch {torch.__version__}: {error}") from error
    _loaded = True


class State:
    """What n rows remember. An agent's act moves it on; clone() keeps what it is now.

    Before the first step spans and living are empty.
    """

    def __init__(self, native, logits=None, values=None, last_action=None):
        self._native = native
        self._last_action = torch.zeros(native.rows(), dtype=torch.uint8) if last_action is None else last_action
        self.logits = logits
        """Of the latest step, float32 [n, actions]; None before it."""
        self.values = values
        """Expected return after the latest step, float32 [n]; None before it."""

    def __len__(self) -> int:
        return self._native.rows()

    @property
    def spans(self) -> torch.Tensor:
        """For how many steps the latest step will be remembered: float64 [layers, n]; [0, n] for a memory without."""
        return self._native.spans()

    @property
    def living(self) -> torch.Tensor:
        """Memories that the latest step saw: int64 [layers, n]."""
        return self._native.living()

    def clone(self) -> "State":
        return State(self._native.clone(), self.logits, self.values, self._last_action)


class Agent:
    """A trained agent; lethe.load makes them. Any number of states may be played in turn, on one thread at a time."""

    def __init__(self, native):
        self._native = native
        self.env_id: str = native.env()
        """The environment it was trained on."""
        self.num_actions: int = native.num_actions()
        self.sees_last_action: bool = native.sees_last_action()
        """Whether it was trained with policy.last_action; states keep that action, observations do not hold it."""
        vocabularies = native.vocabularies()
        self.vocabularies: tuple[int, ...] = tuple(vocabularies[:-1] if self.sees_last_action else vocabularies)
        """Of every token of an observation: how many values it has."""

    def initial_state(self, n: int) -> State:
        """n rows that remember nothing. ValueError if n < 1."""
        if n < 1:
            raise ValueError(f"initial_state: n is {n}; allowed: at least 1")
        return State(self._native.start(n))

    def act(self, observations, state: State, episode_start=None, *, greedy: bool = False,
            generator: torch.Generator | None = None) -> tuple[np.ndarray, State]:
        """Actions uint8 [n] for observations uint8 [n, tokens], and the state, which has moved on by this step.

        episode_start [n] marks rows whose observation is the first of its episode: they forget all before it.
        VectorEnv.episode_start is that. Actions are drawn from the policy with `generator`, or with greedy=True the
        likeliest; an agent that sees its last action takes them for those that are taken. ValueError for shapes, types
        and tokens that do not fit.
        """
        seen = self._observations(observations, len(state))
        start = torch.zeros(len(state), dtype=torch.uint8) if episode_start is None else torch.as_tensor(episode_start)
        if start.shape != (len(state),):
            raise ValueError(f"act: episode_start has shape {tuple(start.shape)}; allowed: ({len(state)},)")
        start = start.to("cpu", torch.uint8).contiguous()
        if self.sees_last_action:
            seen = torch.cat([seen, (state._last_action * (start == 0)).unsqueeze(1)], 1)
        head = state._native.step(seen, start)
        state.logits, state.values = head[:, :-1], head[:, -1]
        if greedy:
            actions = state.logits.argmax(1)
        else:
            actions = torch.multinomial(state.logits.softmax(1), 1, generator=generator).squeeze(1)
        actions = actions.to(torch.uint8)
        state._last_action = actions + 1
        return actions.numpy(), state

    def _observations(self, observations, rows: int) -> torch.Tensor:
        seen = torch.as_tensor(observations)
        wanted = (rows, len(self.vocabularies))
        if seen.shape != wanted:
            raise ValueError(f"act: observations have shape {tuple(seen.shape)}; allowed: {wanted}")
        if seen.dtype != torch.uint8:
            raise ValueError(f"act: observations are {seen.dtype}; allowed: torch.uint8 or numpy.uint8")
        seen = seen.cpu().contiguous()
        largest = seen.amax(0).tolist()
        for i, (token, size) in enumerate(zip(largest, self.vocabularies)):
            if token >= size:
                raise ValueError(f"act: token {i} of an observation is {token}; allowed: 0..{size - 1}")
        return seen


def load(run: str | os.PathLike[str], checkpoint: str | os.PathLike[str] | None = None,
         plugins: Sequence[str | os.PathLike[str]] = ()) -> Agent:
    """The agent of a run folder, with the newest good checkpoint or a given one.

    plugins: libraries with environments, if it was trained on one of theirs. FileNotFoundError where there is no such
    folder or no liblethe_agent.so, ImportError where it does not go with the torch that is installed; ValueError with
    the reason where the folder is no agent's run or its weights do not fit.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    _load_library(folder)
    paths = [os.fspath(plugin) for plugin in plugins]
    try:
        with torch.random.fork_rng(devices=[]):  # weights are drawn before they are read
            native = torch.classes.lethe_agent.Agent(str(folder), os.fspath(checkpoint or ""), paths)
    except RuntimeError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    return Agent(native)
