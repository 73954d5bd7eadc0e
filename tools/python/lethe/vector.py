"""Many environments in one: lethe.VectorEnv."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from lethe.core import RENDER_MODES, checked_render_mode, checked_seed, integer, make_core, refuse_unknown
from lethe.picture import Picture, draw, picture_from_native
from lethe.task import Task, from_native


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    names = {"next_step": AutoresetMode.NEXT_STEP, "same_step": AutoresetMode.SAME_STEP}
    chosen = names.get(mode, mode) if isinstance(mode, str) else mode
    if chosen not in names.values():
        raise ValueError(f"autoreset_mode is {mode!r}; allowed: 'next_step', 'same_step', or these AutoresetMode")
    return chosen


class VectorEnv(gymnasium.vector.VectorEnv):
    """num_envs environments of one kind, stepped together by native code.

    Every call writes into the same arrays and returns them: copy what has to outlive the next call. Observations are
    uint8 [num_envs, tokens], rewards float32, the flags bool. They stay readable after close().

    threads: how many step the rows, the caller's included; results do not depend on it.
    seed: of the levels; None draws one. Row i plays the levels of (seed, purpose, first_index + i).
    autoreset_mode: "next_step" or "same_step", or Gymnasium's AutoresetMode.
    purpose: "train", "evaluate" or "demonstrate"; none ever plays a level of another.
    params: parameters of the environment, see task.params.

    Not for several threads at once: a call during another thread's step is refused (RuntimeError). Steps release
    Python's lock. With threads > 1 only the process that made it can step it; in one that was forked that is
    refused too, until reset with a seed.
    """

    def __init__(
        self,
        env_id: str,
        num_envs: int,
        threads: int = 1,
        seed: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        purpose: str = "train",
        first_index: int = 0,
        **params: Any,
    ):
        mode = _autoreset_mode(autoreset_mode)
        self.metadata = {"render_modes": RENDER_MODES, "render_fps": 10, "autoreset_mode": mode}
        self.render_mode = checked_render_mode(render_mode)
        self._same_step = mode == AutoresetMode.SAME_STEP
        self._core = core = make_core(
            env_id,
            params,
            num_envs=num_envs,
            threads=threads,
            seed=seed,
            purpose=purpose,
            first_index=first_index,
            same_step=self._same_step,
        )
        self.task: Task = from_native(core.describe())
        self.num_envs = int(num_envs)
        self.single_observation_space = self.task.observation_space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

        self._observations = core.observations()
        self._rewards = core.rewards()
        self._terminated = core.terminated()
        self._truncated = core.truncated()
        self._oracle = core.oracle()
        self._memoryless = core.memoryless()
        self._cues = core.cues()
        #: True where the present observation is the first of its episode.
        self.episode_start = core.episode_start()
        #: True where the last step ended an episode: terminated or truncated.
        self.finished = core.finished()
        #: Same-step mode only: where finished, the last observation of the old episode.
        self.final_observations = core.final_observations() if self._same_step else None
        self._metrics_infos = self._make_infos(core.metrics())
        self._final_obs = np.full(self.num_envs, None, dtype=object)
        self._native_step = core.step

    def _make_infos(self, metrics: np.ndarray) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for name, values in zip(self.task.metrics, metrics):
            infos[name] = values
            infos[f"_{name}"] = self.finished
        return infos

    def step(self, actions):
        """Returns (observations, rewards, terminated, truncated, infos). uint8 actions are the fastest.

        infos is empty if no episode ended. Otherwise, in next-step mode, it holds an array for each metric and under
        "_" + name where it counts; in same-step mode these are in infos["final_info"], and infos["final_obs"] holds the
        last observations.
        """
        if self._native_step(actions):
            infos = self._same_step_infos() if self._same_step else self._metrics_infos.copy()
        else:
            infos = {}
        return self._observations, self._rewards, self._terminated, self._truncated, infos

    def _same_step_infos(self) -> dict[str, Any]:
        final_obs = self._final_obs
        final_obs.fill(None)
        for row in np.flatnonzero(self.finished):
            final_obs[row] = self.final_observations[row]
        return {
            "final_obs": final_obs,
            "_final_obs": self.finished,
            "final_info": self._metrics_infos.copy(),
            "_final_info": self.finished,
        }

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Begins an episode in every row: the next one, or with a seed the first of that seed.

        options={"reset_mask": mask} begins the next episode only where the bool array `mask` is true.
        """
        options = options or {}
        refuse_unknown(options, "reset_mask")
        if "reset_mask" in options:
            if seed is not None:
                raise ValueError("a seed begins anew in every row; it does not go with reset_mask")
            self._core.reset_rows(self._checked_mask(options["reset_mask"]))
        elif seed is not None:
            seed = checked_seed(seed)
            super().reset(seed=seed)
            self._core.reseed(seed)
        else:
            self._core.reset()
        return self._observations, {}

    def _checked_mask(self, mask: Any) -> np.ndarray:
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError(f"reset_mask is {getattr(mask, 'dtype', type(mask))}; wanted: an array of bool")
        if mask.shape != (self.num_envs,):
            raise ValueError(f"reset_mask has shape {mask.shape}; wanted: ({self.num_envs},)")
        return np.ascontiguousarray(mask)

    def oracle(self) -> np.ndarray:
        """The oracle's action for every row, uint8; the same array each time."""
        self._core.fill_oracle()
        return self._oracle

    def memoryless(self) -> np.ndarray:
        """The actions of the best policy without memory, uint8; the same array each time."""
        self._core.fill_memoryless()
        return self._memoryless

    def cues(self) -> np.ndarray:
        """True where the observation shows what has to be remembered; the same array each time."""
        self._core.fill_cues()
        return self._cues

    def level(self, row: int) -> str:
        """The record of a row's level, JSON: with the actions it determines the episode."""
        return self._core.level(self._row(row))

    def load_level(self, row: int, level: str) -> None:
        """Begins an episode on a recorded level; the arrays that step and reset returned show it at once."""
        self._core.load_level(self._row(row), level)

    def text(self, row: int) -> str:
        """The present state as a picture of characters."""
        return self._core.text(self._row(row))

    def picture(self, row: int) -> Picture | None:
        """The present state as cells; None if the environment has none."""
        return picture_from_native(self._core.picture(self._row(row)))

    def save(self) -> bytes:
        """Everything that decides the future, with the arrays of the last step."""
        return self._core.save()

    def restore(self, saved: bytes) -> None:
        """Takes over what save gave, also of another such environment; the arrays are then those of that time."""
        self._core.restore(saved)

    def set_curriculum(self, value: float) -> None:
        """Sets the parameter task.curriculum names, clamped to its range; a row takes it over with its next episode."""
        self._core.set_curriculum(value)

    def render(self) -> tuple[Any, ...] | None:
        """One frame per row: text, or an RGB image, as render_mode says."""
        if self.render_mode is None:
            return None
        rows = range(self.num_envs)
        if self.render_mode == "ansi":
            return tuple(self.text(row) for row in rows)
        return tuple(draw(self.picture(row), self._observations[row], self.task) for row in rows)

    def _row(self, row: int) -> int:
        return integer("row", row, 0, self.num_envs - 1)

    def close_extras(self, **kwargs: Any) -> None:
        self._core.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
