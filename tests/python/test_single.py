import json
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import lethe
from support import IDS

SHORT = "lethe/Corridor-Short-v0"


def play(env, actions):
    """The results of the steps, until the episode ends."""
    results = []
    for action in actions:
        results.append(env.step(action))
        if results[-1][2] or results[-1][3]:
            break
    return results


@pytest.mark.parametrize("render_mode", [None, "ansi", "rgb_array"])
@pytest.mark.parametrize("id", IDS)
def test_gymnasiums_checker_has_nothing_to_say(id, render_mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(f"lethe/{id}", render_mode=render_mode).unwrapped)


@pytest.mark.parametrize("id", IDS)
def test_plays_to_the_end(id):
    env = gymnasium.make(f"lethe/{id}", max_steps=30)
    env.reset(seed=1)
    random = np.random.default_rng(1)
    results = play(env, (random.integers(env.action_space.n) for _ in range(30)))
    for *_, infos in results[:-1]:
        assert infos == {}
    infos = results[-1][-1]
    assert list(infos) == env.unwrapped.task.metrics and infos["steps"] == len(results)
    assert all(type(value) is float for value in infos.values())


def test_returns_fresh_arrays_and_python_numbers():
    env = gymnasium.make(SHORT)
    first, _ = env.reset(seed=1)
    before = first.copy()
    observation, reward, terminated, truncated, _ = env.step(1)
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    np.testing.assert_array_equal(first, before)
    assert not np.shares_memory(first, observation)


def test_every_way_to_make_one():
    for id in [SHORT, f"lethe:{SHORT}"]:
        env = gymnasium.make(id, length_max=5, render_mode="ansi")
        assert type(env.unwrapped) is lethe.Env and env.unwrapped.task.params["length_max"].value == 5
    again = gymnasium.make(env.spec)
    assert again.unwrapped.task == env.unwrapped.task
    from_json = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert from_json.unwrapped.task == env.unwrapped.task


def test_a_seed_begins_the_same_levels():
    env = gymnasium.make(SHORT).unwrapped
    levels = []
    for seed in [4, None, None, 4, None, None, 5]:
        env.reset(seed=seed)
        levels.append(env.level())
    assert levels[:3] == levels[3:6] and levels[6] != levels[0]


def test_a_level_as_reset_option():
    env = gymnasium.make(SHORT)
    env.reset(seed=1)
    level = json.loads(env.unwrapped.level())
    level["length"], level["cue"], level["doors"] = 4, 1, [2, 1]
    env.reset(options={"level": json.dumps(level)})
    assert env.unwrapped.text() == "####B#\nr@...#\n####R#\n"
    results = play(env, [1, 1, 1, 2])
    assert [result[1] for result in results] == [0, 0, 0, 1]
    assert results[-1][2] and results[-1][-1]["success"] == 1


def test_oracle_memoryless_and_cue():
    env = gymnasium.make(SHORT).unwrapped
    success = []
    for policy in [env.oracle, env.memoryless]:
        env.reset(seed=1)
        for _ in range(100):
            assert env.is_cue()
            success.append(play(env, (policy() for _ in range(30)))[-1][-1]["success"])
            env.reset()
    assert np.mean(success[:100]) == 1 and 0.3 < np.mean(success[100:]) < 0.7


def test_the_end_is_the_end():
    env = gymnasium.make(SHORT, max_steps=1).unwrapped
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(0)
    env.reset()
    assert env.step(0)[3]
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(0)


def test_curriculum():
    env = gymnasium.make("lethe/Corridor-v0").unwrapped
    env.set_curriculum(3)
    env.reset()
    assert len(env.text().split("\n")[0]) == 5


def test_the_task_is_complete():
    for id in IDS:
        task = lethe.task(id)
        assert task.id == id and task.version >= 0 and task.horizon > 0 and task.rules
        assert task.score_metric in task.metrics and task.metrics[-1] == "steps"
        assert task.random_score <= task.memoryless_score < task.oracle_score
        assert {"step_cost", "hint", "max_steps"} <= task.params.keys()
        assert all(param.meaning and param.allowed for param in task.params.values())
    changed = lethe.task("Corridor-v0", hint=True, length_max=np.int64(50), step_cost=np.float32(0.5))
    assert len(changed.tokens) == len(lethe.task("Corridor-v0").tokens) + 1
    assert changed.params["length_max"].value == 50 and changed.params["step_cost"].value == 0.5
