"""Bad input is an exception that names it, and changes nothing."""

import ctypes
import json

import gymnasium
import numpy as np
import pytest

import lethe
from support import assert_equal, history, random_actions

SHORT = "Corridor-Short-v0"


@pytest.fixture
def env():
    """One in the middle of an episode, that has to be the same after the test."""
    env = lethe.make_vec(SHORT, 4, threads=2, seed=1)
    observations = env.reset()[0]
    history(env, random_actions(env, 3))
    saved, shown = env.save(), observations.copy()
    yield env
    assert env.save() == saved
    np.testing.assert_array_equal(observations, shown)


@pytest.mark.parametrize(
    "error, message, arguments",
    [
        (ValueError, "did you mean `Corridor-Short-v0`", {"id": "Coridor-Short-v0"}),
        (ValueError, "unknown environment nothing like it", {"id": "nothing like it"}),
        (ValueError, "num_envs is 0; allowed: 1..", {"num_envs": 0}),
        (ValueError, "num_envs is -3", {"num_envs": -3}),
        (ValueError, "num_envs is 4294967297", {"num_envs": 2**32 + 1}),
        (TypeError, "num_envs is 2.0; wanted: an integer", {"num_envs": 2.0}),
        (ValueError, "threads is 0; allowed: 1..", {"threads": 0}),
        (TypeError, "threads is '2'", {"threads": "2"}),
        (ValueError, "seed is -1", {"seed": -1}),
        (ValueError, "seed is 18446744073709551616; allowed: 0..18446744073709551615", {"seed": 2**64}),
        (TypeError, "seed is 1.5", {"seed": 1.5}),
        (ValueError, "first_index is -1", {"first_index": -1}),
        (ValueError, "first_index is 4294967294; allowed: 0..4294967293", {"first_index": 2**32 - 2}),
        (ValueError, 'purpose is "test"; allowed: train, evaluate or demonstrate', {"purpose": "test"}),
        (ValueError, "autoreset_mode is 'disabled'; allowed: 'next_step', 'same_step'", {"autoreset_mode": "disabled"}),
        (ValueError, "autoreset_mode is", {"autoreset_mode": gymnasium.vector.AutoresetMode.DISABLED}),
        (ValueError, "render_mode is 'human'", {"render_mode": "human"}),
        (ValueError, "unknown parameter lenght_max; did you mean `length_max`", {"lenght_max": 5}),
        (ValueError, "length_max is 2; allowed", {"length_max": 2}),
        (ValueError, "length_max is 5.0; allowed: an integer", {"length_max": 5.0}),
        (ValueError, "length_max is 1267650600228229401496703205376; allowed", {"length_max": 2**100}),
        (ValueError, "length_max is None; allowed", {"length_max": None}),
        (ValueError, "step_cost is nan", {"step_cost": float("nan")}),
        (ValueError, "hint is 1; allowed: true or false", {"hint": 1}),
        (ValueError, 'length_dist is "normal"; allowed', {"length_dist": "normal"}),
    ],
)
def test_what_cannot_be_made(error, message, arguments):
    with pytest.raises(error) as raised:
        lethe.make_vec(**({"id": SHORT, "num_envs": 2} | arguments))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "error, message, actions",
    [
        (ValueError, "action of row 2 is 4; allowed: 0..3", np.array([0, 0, 4, 0], np.uint8)),
        (ValueError, "action of row 1 is -1; allowed: 0..3", np.array([0, -1, 0, 0])),
        (ValueError, "action of row 2 is -1; allowed: 0..3", np.array([0, 0, -1, 0], np.int8)),
        (ValueError, "action of row 0 is -128; allowed: 0..3", np.array([-128, 0, 0, 0], np.int8)),
        (ValueError, "action of row 1 is -2", (ctypes.c_int8 * 4)(0, -2, 0, 0)),
        (ValueError, "action of row 3 is 256; allowed: 0..3", np.array([0, 0, 0, 256])),
        (ValueError, "action of row 3 is 4294967296", np.array([0, 0, 0, 2**32])),
        (ValueError, "action of row 0 is 18446744073709551615", np.array([2**64 - 1, 0, 0, 0], np.uint64)),
        (ValueError, "actions have shape (3,); wanted: (4,)", np.zeros(3, np.uint8)),
        (ValueError, "actions have shape (4,1); wanted: (4,)", np.zeros((4, 1), np.uint8)),
        (ValueError, "actions have shape (); wanted: (4,)", np.uint8(1)),
        (ValueError, "actions have shape (0,); wanted: (4,)", np.zeros(0, np.uint8)),
        (TypeError, "actions are float32; wanted: integers", np.zeros(4, np.float32)),
        (TypeError, "actions are float64; wanted: integers", [0.0, 1.0, 2.0, 3.0]),
        (TypeError, "actions are bool; wanted: integers", np.zeros(4, bool)),
        (TypeError, "actions are objects; wanted: integers", np.array([0, 1, None, 2], object)),
        (TypeError, "'>q'; wanted: integers", np.zeros(4, ">i8")),
        (TypeError, "wanted: integers", ["a", "b", "c", "d"]),
        (ValueError, "wanted: (4,)", None),
        (ValueError, "inhomogeneous", [[1], [1, 2], 3, 4]),
    ],
)
def test_actions(env, error, message, actions):
    with pytest.raises(error) as raised:
        env.step(actions)
    assert message in str(raised.value)


def test_a_row_that_begins_ignores_any_action():
    env = lethe.make_vec(SHORT, 2, max_steps=1)
    env.reset(seed=1)
    for action in [np.array([-5, 1000]), np.array([255, 99], np.uint8)]:
        env.step([0, 0])
        env.step(action)
        assert env.episode_start.all()


@pytest.mark.parametrize("error, message, action", [
    (ValueError, "action of row 0 is 4; allowed: 0..3", 4),
    (ValueError, "action of row 0 is -1", np.int64(-1)),
    (ValueError, "action of row 0 is 1267650600228229401496703205376", 2**100),
    (TypeError, "action is 1.0; wanted: an integer", 1.0),
    (TypeError, "action is 'up'", "up"),
    (TypeError, "action is None", None),
])  # fmt: skip
def test_action_of_one_environment(error, message, action):
    env = gymnasium.make(f"lethe/{SHORT}").unwrapped
    env.reset(seed=1)
    level, text = env.level(), env.text()
    with pytest.raises(error) as raised:
        env.step(action)
    assert message in str(raised.value)
    assert (env.level(), env.text()) == (level, text)
    env.step(1)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("error, level", [(ValueError, "{"), (TypeError, {}), (TypeError, None)])
def test_level_of_one_environment(error, level, seed, begun):
    env, other = (gymnasium.make(f"lethe/{SHORT}", seed=1).unwrapped for _ in range(2))
    for each in [env, other]:
        if begun:
            each.reset(seed=2)
            each.step(1)
    random = env._np_random
    with pytest.raises(error):
        env.reset(seed=seed, options={"level": level})
    assert env._core.save() == other._core.save() and env._np_random is random
    if not begun:
        with pytest.raises(RuntimeError, match="call reset"):
            env.step(1)
        env.reset()
        other.reset()
    assert_equal(env.step(1), other.step(1))


@pytest.mark.parametrize("row", [-1, 4, 10**30])
def test_rows(env, row):
    for method in [env.level, env.text, env.picture, lambda row: env.load_level(row, "{}")]:
        with pytest.raises(ValueError, match=f"row is {row}; allowed: 0..3"):
            method(row)


def test_levels(env):
    level = json.loads(env.level(0))
    bad = {
        "{": "JSON object",
        json.dumps(level | {"env": "Maze"}): 'env is "Maze"; this batch has',
        json.dumps(level | {"length": 1}): "length is 1; allowed",
        json.dumps(level | {"doors": [1, 1]}): "allowed: a permutation",
        json.dumps(level | {"params": level["params"] | {"step_cost": 0.5}}): "step_cost is 0.5",
    }
    for text, message in bad.items():
        with pytest.raises(ValueError) as raised:
            env.load_level(1, text)
        assert message in str(raised.value)
    with pytest.raises(TypeError):
        env.load_level(1, level)


def test_saved_bytes(env):
    saved = env.save()
    damaged = [b"", saved[:7], saved[:-1], saved + b"\0", saved[: len(saved) // 2]]
    for place in range(0, len(saved), 97):
        damaged.append(saved[:place] + bytes([saved[place] ^ 4]) + saved[place + 1 :])
    for bytes_ in damaged:
        with pytest.raises(ValueError, match="damaged or cut short"):
            env.restore(bytes_)
    with pytest.raises(TypeError):
        env.restore("text")


@pytest.mark.parametrize("message, arguments", [
    ("size is 5; this batch has 4", {"num_envs": 5}),
    ("length_max is 9; this batch has 20", {"length_max": 9}),
    ("of no lethe vector environment, next-step autoreset", {"autoreset_mode": "same_step"}),
])  # fmt: skip
def test_bytes_of_another_environment(env, message, arguments):
    other = lethe.make_vec(**({"id": SHORT, "num_envs": 4} | arguments))
    other.reset()
    with pytest.raises(ValueError) as raised:
        env.restore(other.save())
    assert message in str(raised.value)


@pytest.mark.parametrize("error, message, arguments", [
    (ValueError, "unknown reset option 'mask'; allowed: 'reset_mask'", {"options": {"mask": 1}}),
    (TypeError, "reset_mask is uint8; wanted: an array of bool", {"options": {"reset_mask": np.ones(4, np.uint8)}}),
    (TypeError, "wanted: an array of bool", {"options": {"reset_mask": [True] * 4}}),
    (ValueError, "reset_mask has shape (3,); wanted: (4,)", {"options": {"reset_mask": np.ones(3, bool)}}),
    (ValueError, "does not go with reset_mask", {"seed": 1, "options": {"reset_mask": np.ones(4, bool)}}),
    (ValueError, "seed is -1", {"seed": -1}),
    (TypeError, "seed is [1, 2, 3, 4]", {"seed": [1, 2, 3, 4]}),
])  # fmt: skip
def test_reset(env, error, message, arguments):
    with pytest.raises(error) as raised:
        env.reset(**arguments)
    assert message in str(raised.value)


def test_curriculum(env):
    with pytest.raises(ValueError, match="length_max is not a number"):
        env.set_curriculum(float("nan"))
    with pytest.raises(TypeError):
        env.set_curriculum("longer")


def test_before_the_first_reset():
    env = lethe.make_vec(SHORT, 2)
    for call in [env.oracle, env.memoryless, env.cues, lambda: env.text(0), lambda: env.level(0)]:
        with pytest.raises(RuntimeError, match="call [rR]eset"):
            call()
    with pytest.raises(RuntimeError, match="call reset"):
        env.reset(options={"reset_mask": np.ones(2, bool)})


def test_after_close():
    env = lethe.make_vec(SHORT, 2, threads=2)
    env.reset()
    env.close()
    env.close()
    for call in [
        env.reset,
        env.oracle,
        env.save,
        lambda: env.step([0, 0]),
        lambda: env.reset(seed=1),
        lambda: env.text(0),
    ]:
        with pytest.raises(RuntimeError, match="closed"):
            call()
