import json

import gymnasium
import numpy as np
import pytest

import lethe
from lethe.tiles import COLOURS, TILE, Kind, agent_tile, tile
from support import IDS


def at_level(render_mode, **level):
    env = gymnasium.make("lethe/Corridor-Short-v0", render_mode=render_mode).unwrapped
    env.reset(seed=1)
    env.reset(options={"level": json.dumps(json.loads(env.level()) | level)})
    return env


def cell(image, row, column):
    return image[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]


def test_ansi_is_the_text():
    env = at_level("ansi", length=4, cue=2, doors=[1, 2])
    assert env.render() == "####R#\nb@...#\n####B#\n"


def test_the_image_shows_every_cell():
    env = at_level("rgb_array", length=4, cue=2, doors=[1, 2])
    image, picture = env.render(), env.picture()
    assert image.dtype == np.uint8 and image.shape == (3 * TILE, 6 * TILE, 3)
    assert picture.agent == (1, 1) and picture.cells.shape == (3, 6, 2)
    expected = {(0, 4): tile(Kind.DOOR, 1), (2, 4): tile(Kind.DOOR, 2), (1, 0): tile(Kind.SIGNAL, 2)}
    expected |= {(1, 1): agent_tile(Kind.FLOOR, 0), (1, 2): tile(Kind.FLOOR, 0), (0, 0): tile(Kind.WALL, 0)}
    for place, pixels in expected.items():
        np.testing.assert_array_equal(cell(image, *place), pixels, err_msg=str(place))
    env.step(1)
    moved = env.render()
    np.testing.assert_array_equal(cell(moved, 1, 1), tile(Kind.FLOOR, 0))
    np.testing.assert_array_equal(cell(moved, 1, 2), agent_tile(Kind.FLOOR, 0))


def test_all_tiles_differ():
    plain = [Kind.OUTSIDE, Kind.FLOOR, Kind.WALL]
    tiles = [tile(kind, 0) for kind in plain]
    tiles += [tile(kind, colour) for kind in range(Kind.DOOR, 16) for colour in range(1, len(COLOURS))]
    tiles += [agent_tile(kind, 1) for kind in range(Kind.DOOR, 16)]
    assert len({pixels.tobytes() for pixels in tiles}) == len(tiles)


def test_tiles_have_the_colour_of_the_thing():
    for kind in range(Kind.DOOR, 16):
        for colour in range(1, len(COLOURS)):
            painted = (tile(kind, colour) == np.array(COLOURS[colour])).all(axis=-1).mean()
            assert painted > 0.04, (kind, colour)


def test_without_cells_every_token_is_a_square():
    task = lethe.task("Corridor-v0")
    observation = np.zeros(18, np.uint8)
    empty = lethe.draw(None, observation, task)
    assert empty.shape == (4 * TILE, 5 * TILE, 3) and not cell(empty, 3, 3).any() and not cell(empty, 3, 4).any()
    for i in range(18):
        observation[:] = 0
        observation[i] = 1
        changed = lethe.draw(None, observation, task) != empty
        places = {(y // TILE, x // TILE) for y, x, _ in zip(*changed.nonzero())}
        assert places == {(i // 5, i % 5)}


@pytest.mark.parametrize("id", IDS)
def test_a_vector_environment_gives_a_frame_per_row(id):
    env = lethe.make_vec(id, 2, seed=1, render_mode="rgb_array")
    env.reset()
    frames = env.render()
    assert len(frames) == 2 and all(frame.dtype == np.uint8 and frame.ndim == 3 for frame in frames)
    env.render_mode = "ansi"
    assert env.render() == (env.text(0), env.text(1))
    env.render_mode = None
    assert env.render() is None
