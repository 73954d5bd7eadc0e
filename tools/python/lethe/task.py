"""What an environment says of itself."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np

from lethe import _native


class Token(NamedTuple):
    """One entry of an observation."""

    meaning: str
    vocabulary: int
    """Its values are 0 .. vocabulary - 1."""


class Parameter(NamedTuple):
    value: bool | int | float | str
    allowed: str
    meaning: str


class Task(NamedTuple):
    """An environment with certain parameters."""

    id: str
    family: str
    version: int
    rules: str
    """In Markdown; the first line tells the purpose."""
    tokens: list[Token]
    actions: list[str]
    metrics: list[str]
    """What is told of a finished episode."""
    score_metric: str
    """The metric that agents are compared by; the three scores are in its units, and hold for the id as it is, without
    changed parameters."""
    oracle_score: float
    memoryless_score: float
    """The best that any policy reaches which sees nothing but the present observation."""
    random_score: float
    horizon: int
    """Steps from the last sight of a fact to its use by the oracle, at the most."""
    curriculum: tuple[str, int, int] | None
    """The parameter that makes levels harder, its easiest and its hardest value."""
    params: dict[str, Parameter]

    @property
    def observation_space(self) -> gymnasium.spaces.Box:
        highest = np.array([token.vocabulary - 1 for token in self.tokens], np.uint8)
        return gymnasium.spaces.Box(np.zeros_like(highest), highest, dtype=np.uint8)

    @property
    def action_space(self) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(len(self.actions))


def task(id: str, **params: Any) -> Task:
    """The task of an id, with some parameters changed. ValueError if there is none, or a parameter does not fit."""
    return from_native(_native.describe(id.removeprefix("lethe/"), params))


def from_native(fields: dict[str, Any]) -> Task:
    fields["tokens"] = [Token(*token) for token in fields["tokens"]]
    fields["params"] = {name: Parameter(**parameter) for name, parameter in fields["params"].items()}
    return Task(**fields)
