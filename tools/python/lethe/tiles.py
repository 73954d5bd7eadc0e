"""The tiles that images of gridworlds are made of: one per kind and colour of a cell, drawn once."""

import enum
import functools

import numpy as np


class Kind(enum.IntEnum):
    """What a cell holds; the numbers are those of the observation's kind tokens."""

    OUTSIDE = 0
    FLOOR = 1
    WALL = 2
    DOOR = 3
    SIGNAL = 4
    PAD = 5
    CHAIR = 6
    TABLE = 7
    LAMP = 8
    BOOK = 9
    CUP = 10
    BALL = 11
    BOX = 12
    PLANT = 13
    KEY = 14


TILE = 24
"""Pixels on each side."""

COLOURS = [  # none, red, blue, green, yellow, purple, cyan, orange, white
    (120, 124, 132),
    (228, 62, 56),
    (72, 124, 246),
    (66, 180, 92),
    (246, 208, 60),
    (164, 92, 218),
    (70, 205, 214),
    (243, 142, 50),
    (242, 242, 240),
]

_OUTSIDE, _FLOOR, _GAP = (18, 19, 22), (52, 56, 64), (42, 45, 52)
_WALL, _WALL_EDGE = (138, 142, 150), (108, 112, 120)
_BLACK, _WHITE, _CLAY = (16, 16, 18), (250, 250, 250), (150, 94, 60)

_FINE = 4  # every pixel is the mean of this many in each direction
_Y, _X = (np.mgrid[0 : TILE * _FINE, 0 : TILE * _FINE] + 0.5) / (TILE * _FINE)  # 0..1 from the top left


def _disc(x, y, radius):
    return (_X - x) ** 2 + (_Y - y) ** 2 <= radius**2


def _ring(x, y, radius, inner):
    return _disc(x, y, radius) & ~_disc(x, y, inner)


def _box(left, top, right, bottom):
    return (_X >= left) & (_X <= right) & (_Y >= top) & (_Y <= bottom)


def _trapezoid(top, bottom, top_half, bottom_half, x=0.5):
    """From the y `top` to `bottom`, half as wide as told there."""
    half = top_half + (bottom_half - top_half) * (_Y - top) / (bottom - top)
    return (_Y >= top) & (_Y <= bottom) & (abs(_X - x) <= half)


def _darker(colour):
    return tuple(0.6 * part for part in colour)


def _lighter(colour):
    return tuple(0.45 * part + 0.55 * 255 for part in colour)


def _shapes(kind, colour):
    """(mask, colour) pairs, painted one over the other."""
    dark, light = _darker(colour), _lighter(colour)
    match kind:
        case Kind.FLOOR:
            return []
        case Kind.WALL:
            return [(_box(0, 0, 1, 1), _WALL_EDGE), (_box(0.04, 0.04, 0.96, 0.96), _WALL)]
        case Kind.DOOR:
            panel = [(_box(0.08, 0, 0.92, 1), dark), (_box(0.16, 0.08, 0.84, 1), colour)]
            return panel + [(_disc(0.7, 0.55, 0.09), _BLACK), (_disc(0.7, 0.55, 0.06), _WHITE)]
        case Kind.SIGNAL:
            return [(_disc(0.5, 0.5, 0.42), dark), (_disc(0.5, 0.5, 0.36), colour), (_disc(0.5, 0.5, 0.16), light)]
        case Kind.PAD:
            return [(_box(0.1, 0.1, 0.9, 0.9), colour), (_box(0.22, 0.22, 0.78, 0.78), _FLOOR)]
        case Kind.CHAIR:
            legs = _box(0.24, 0.1, 0.36, 0.9) | _box(0.66, 0.6, 0.78, 0.9)
            return [(legs, dark), (_box(0.24, 0.48, 0.78, 0.62), colour)]
        case Kind.TABLE:
            legs = _box(0.18, 0.4, 0.28, 0.86) | _box(0.72, 0.4, 0.82, 0.86)
            return [(legs, dark), (_box(0.08, 0.26, 0.92, 0.42), colour)]
        case Kind.LAMP:
            stand = _box(0.46, 0.4, 0.54, 0.82) | _box(0.3, 0.8, 0.7, 0.9)
            return [(stand, dark), (_trapezoid(0.1, 0.5, 0.14, 0.36), colour)]
        case Kind.BOOK:
            pages = (_box(0.76, 0.18, 0.82, 0.82), _WHITE)
            return [(_box(0.18, 0.12, 0.82, 0.88), colour), pages, (_box(0.18, 0.12, 0.28, 0.88), dark)]
        case Kind.CUP:
            return [(_ring(0.72, 0.48, 0.2, 0.12), dark), (_trapezoid(0.22, 0.82, 0.3, 0.22, x=0.44), colour)]
        case Kind.BALL:
            return [(_disc(0.5, 0.5, 0.36), colour), (_disc(0.38, 0.38, 0.1), light)]
        case Kind.BOX:
            tape = _box(0.14, 0.44, 0.86, 0.52) | _box(0.46, 0.18, 0.54, 0.86)
            return [(_box(0.14, 0.18, 0.86, 0.86), colour), (tape, dark)]
        case Kind.PLANT:
            leaves = _disc(0.5, 0.26, 0.18) | _disc(0.3, 0.42, 0.17) | _disc(0.7, 0.42, 0.17)
            return [(leaves, colour), (_box(0.46, 0.3, 0.54, 0.66), dark), (_trapezoid(0.6, 0.92, 0.24, 0.16), _CLAY)]
        case Kind.KEY:
            shaft = _box(0.44, 0.5, 0.56, 0.92) | _box(0.5, 0.68, 0.72, 0.76) | _box(0.5, 0.84, 0.72, 0.92)
            return [(_ring(0.5, 0.32, 0.24, 0.12), colour), (shaft, colour)]
        case _:  # a plug-in's
            return [(abs(_X - 0.5) + abs(_Y - 0.5) <= 0.42, dark), (abs(_X - 0.5) + abs(_Y - 0.5) <= 0.34, colour)]


def _figure():
    """A person in white on a black outline: head and shoulders."""
    outline = _disc(0.5, 0.3, 0.23) | (_disc(0.5, 0.86, 0.39) & (_Y <= 0.94))
    inside = _disc(0.5, 0.3, 0.17) | (_disc(0.5, 0.86, 0.32) & (_Y <= 0.88))
    return [(outline, _BLACK), (inside, _WHITE)]


def _paint(shapes, background):
    fine = np.empty((*_X.shape, 3))
    fine[:] = background
    for mask, colour in shapes:
        fine[mask] = colour
    pixels = fine.reshape(TILE, _FINE, TILE, _FINE, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


def _colour(number):
    return COLOURS[number % len(COLOURS)]


def _layers(kind, number):
    if kind == Kind.OUTSIDE:
        return [(_box(0, 0, 1, 1), _OUTSIDE)]
    return [(_box(0.03, 0.03, 0.97, 0.97), _FLOOR), *_shapes(kind, _colour(number))]


@functools.lru_cache(maxsize=4096)
def tile(kind: int, colour: int) -> np.ndarray:
    """A cell as uint8 [TILE, TILE, 3], not to be written to."""
    return _paint(_layers(kind, colour), _GAP)


@functools.lru_cache(maxsize=4096)
def agent_tile(kind: int, colour: int) -> np.ndarray:
    """The cell with the agent in it."""
    return _paint(_layers(kind, colour) + _figure(), _GAP)
