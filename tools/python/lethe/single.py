"""One environment: lethe.Env."""

from typing import Any

import gymnasium

from lethe.core import RENDER_MODES, checked_render_mode, checked_seed, make_core, refuse_unknown
from lethe.picture import Picture, draw, picture_from_native
from lethe.task import Task, from_native


class Env(gymnasium.Env):
    """One environment, as gymnasium.make("lethe/<id>", **params) makes it. Returns fresh arrays.

    For speed take lethe.make_vec; the arguments are those of lethe.VectorEnv. The infos of an episode's last step hold
    its metrics.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": 10}

    def __init__(
        self,
        env_id: str,
        render_mode: str | None = None,
        seed: int | None = None,
        purpose: str = "train",
        first_index: int = 0,
        **params: Any,
    ):
        self.render_mode = checked_render_mode(render_mode)
        self._core = core = make_core(env_id, params, seed=seed, purpose=purpose, first_index=first_index)
        self.task: Task = from_native(core.describe())
        self.observation_space = self.task.observation_space
        self.action_space = self.task.action_space
        self._observation = core.observations()[0]
        self._reward = core.rewards()
        self._terminated = core.terminated()
        self._truncated = core.truncated()
        self._metrics = core.metrics()[:, 0]
        self._running = False

    def step(self, action):
        if not self._running:
            raise RuntimeError("the episode is over, or there is none yet: call reset")
        infos = {}
        if self._core.step_one(action):
            self._running = False
            infos = dict(zip(self.task.metrics, self._metrics.tolist()))
        terminated, truncated = bool(self._terminated[0]), bool(self._truncated[0])
        return self._observation.copy(), float(self._reward[0]), terminated, truncated, infos

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """Begins the next episode, or with a seed the first of that seed; options={"level": record} that level."""
        options = options or {}
        refuse_unknown(options, "level")
        if seed is not None:
            seed = checked_seed(seed)
        if "level" in options:
            self._begin_level(seed, options["level"])
        else:
            self._begin(seed)
        super().reset(seed=seed)
        self._running = True
        return self._observation.copy(), {}

    def _begin(self, seed: int | None) -> None:
        if seed is None:
            self._core.reset()
        else:
            self._core.reseed(seed)

    def _begin_level(self, seed: int | None, level: str) -> None:
        before = self._core.save()
        try:
            self._begin(seed)
            self._core.load_level(0, level)
        except Exception:  # a bad level: as if nothing had been asked
            self._core.restore(before)
            raise

    def oracle(self) -> int:
        """The oracle's action."""
        self._core.fill_oracle()
        return int(self._core.oracle()[0])

    def memoryless(self) -> int:
        """The action of the best policy without memory."""
        self._core.fill_memoryless()
        return int(self._core.memoryless()[0])

    def is_cue(self) -> bool:
        """The observation shows what has to be remembered."""
        self._core.fill_cues()
        return bool(self._core.cues()[0])

    def level(self) -> str:
        """The record of the level, JSON: with the actions it determines the episode."""
        return self._core.level(0)

    def text(self) -> str:
        """The present state as a picture of characters."""
        return self._core.text(0)

    def picture(self) -> Picture | None:
        """The present state as cells; None if the environment has none."""
        return picture_from_native(self._core.picture(0))

    def set_curriculum(self, value: float) -> None:
        """Sets the parameter task.curriculum names, clamped to its range, from the next episode on."""
        self._core.set_curriculum(value)

    def render(self):
        if self.render_mode == "ansi":
            return self.text()
        if self.render_mode == "rgb_array":
            return draw(self.picture(), self._observation, self.task)
        return None

    def close(self) -> None:
        self._core.close()
