"""What a state looks like: cells, and images of them."""

import colorsys
import functools
import math
from typing import NamedTuple

import numpy as np

from lethe.task import Task
from lethe.tiles import COLOURS, TILE, agent_tile, tile


class Picture(NamedTuple):
    """The cells of a grid, or of the part of a long one around the agent."""

    cells: np.ndarray
    """uint8 [rows, columns, 2]: kind (lethe.tiles.Kind) and colour (0: none) of each."""
    agent: tuple[int, int] | None
    """Row and column."""


def picture_from_native(parts: tuple | None) -> Picture | None:
    if parts is None:
        return None
    cells, rows, columns, agent_row, agent_column = parts
    agent = None if agent_row < 0 else (agent_row, agent_column)
    return Picture(np.frombuffer(cells, np.uint8).reshape(rows, columns, 2), agent)


def draw(picture: Picture | None, observation: np.ndarray, task: Task) -> np.ndarray:
    """An image, uint8 [height, width, 3]: a tile per cell, or without cells a square per token of the observation."""
    if picture is None:
        return _draw_tokens(observation, [token.vocabulary for token in task.tokens])
    tiles = [[tile(int(kind), int(colour)) for kind, colour in row] for row in picture.cells]
    if picture.agent is not None:
        row, column = picture.agent
        tiles[row][column] = agent_tile(*map(int, picture.cells[row, column]))
    return _join(tiles)


def _join(tiles: list[list[np.ndarray]]) -> np.ndarray:
    return np.concatenate([np.concatenate(row, axis=1) for row in tiles], axis=0)


def _draw_tokens(observation: np.ndarray, vocabularies: list[int]) -> np.ndarray:
    columns = math.ceil(math.sqrt(len(vocabularies)))
    squares = [_square(int(value), vocabulary) for value, vocabulary in zip(observation, vocabularies)]
    squares += [np.zeros_like(squares[0])] * (-len(squares) % columns)
    return _join([squares[first : first + columns] for first in range(0, len(squares), columns)])


@functools.lru_cache(maxsize=1024)
def _square(value: int, vocabulary: int) -> np.ndarray:
    """Grey for 0, then the palette where it is long enough, then hues."""
    if vocabulary <= len(COLOURS):
        colour = np.array(COLOURS[value])
    elif value == 0:
        colour = np.array(COLOURS[0])
    else:
        colour = np.array(colorsys.hsv_to_rgb(value / vocabulary, 0.75, 0.95)) * 255
    square = np.zeros((TILE, TILE, 3), np.uint8)
    square[2:-2, 2:-2] = colour.astype(np.uint8)
    return square
