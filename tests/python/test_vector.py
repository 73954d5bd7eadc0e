import ctypes
import os
import threading
import tracemalloc

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

import lethe
from support import IDS, assert_equal, copied, history, random_actions, sync_vector_env

MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]
SHORT = "Corridor-Short-v0"


def play(env, policy, episodes):
    """Mean score of `policy()` over the first episodes of every row, so that short ones count no more than long ones."""
    env.reset(seed=5)
    scores, done = [], np.zeros(env.num_envs, int)
    while (done < episodes).any():
        infos = env.step(policy())[-1]
        if infos:
            counted = infos[f"_{env.task.score_metric}"] & (done < episodes)
            scores.extend(infos[env.task.score_metric][counted])
            done += counted
    return np.mean(scores)


# --- Gymnasium's rules.


@pytest.mark.parametrize("id", IDS)
def test_spaces_and_metadata(id):
    with lethe.make_vec(id, 3, seed=0) as env:
        assert isinstance(env, gymnasium.vector.VectorEnv) and env.num_envs == 3
        assert env.observation_space == batch_space(env.single_observation_space, 3)
        assert env.action_space == batch_space(env.single_action_space, 3)
        assert env.single_observation_space.dtype == np.uint8
        assert list(env.single_observation_space.high + 1.0) == [token.vocabulary for token in env.task.tokens]
        assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
        observations, infos = env.reset()
        assert observations in env.observation_space and infos == {}
        env.action_space.seed(0)
        for _ in range(30):
            observations, rewards, terminated, truncated, infos = env.step(env.action_space.sample())
            assert observations in env.observation_space
            assert (rewards.dtype, terminated.dtype, truncated.dtype) == (np.float32, np.bool_, np.bool_)
            assert rewards.shape == terminated.shape == truncated.shape == (3,)
            assert not (terminated & truncated).any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", IDS)
def test_equals_gymnasiums_own_vector_env(id, mode):
    env = lethe.make_vec(id, 5, threads=2, autoreset_mode=mode, max_steps=6)
    expected = sync_vector_env(id, 5, mode, max_steps=6)
    assert env.metadata["autoreset_mode"] is mode
    assert_equal(env.reset(seed=3), expected.reset(seed=[3] * 5))
    for t, action in enumerate(random_actions(env, 40)):
        assert_equal(env.step(action), expected.step(action), f"step {t}")


def test_gymnasiums_make_vec_gives_the_native_one():
    for mode in [None, "vector_entry_point"]:
        env = gymnasium.make_vec(f"lethe/{SHORT}", num_envs=4, vectorization_mode=mode, length_max=9)
        assert type(env) is lethe.VectorEnv and env.num_envs == 4 and env.task.params["length_max"].value == 9
    env = gymnasium.make_vec(f"lethe:lethe/{SHORT}", num_envs=2, vectorization_mode="sync", length_max=9)
    assert type(env) is gymnasium.vector.SyncVectorEnv
    assert "num_envs=4" in str(lethe.make_vec(SHORT, 4)) and SHORT in str(lethe.make_vec(f"lethe/{SHORT}", 4))


@pytest.mark.parametrize("mode", MODES)
def test_gymnasiums_wrappers_work(mode):
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(lethe.make_vec(SHORT, 4, autoreset_mode=mode, max_steps=5))
    env.reset(seed=1)
    lengths = []
    for action in random_actions(env, 30):
        infos = env.step(action)[-1]
        lengths.extend(infos["episode"]["l"][infos["_episode"]] if infos else [])
    assert 20 <= len(lengths) and max(lengths) == 5


def test_modes_by_name():
    assert lethe.make_vec(SHORT, 1, autoreset_mode="same_step").metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert lethe.make_vec(SHORT, 1, autoreset_mode="next_step").metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


# --- Arrays.


@pytest.mark.parametrize("mode", MODES)
def test_the_same_arrays_every_time(mode):
    env = lethe.make_vec(SHORT, 4, seed=1, autoreset_mode=mode)
    first = env.reset()[0]
    arrays = env.step([0, 0, 0, 0])[:4]
    assert arrays[0] is first
    for action in random_actions(env, 50):
        assert all(now is then for now, then in zip(env.step(action)[:4], arrays))
    for array in arrays:
        assert array.flags.c_contiguous and array.flags.writeable and array.flags.aligned
    for method in [env.oracle, env.memoryless, env.cues]:
        assert method() is method()


def test_arrays_outlive_the_environment():
    env = lethe.make_vec(SHORT, 4, threads=2, seed=1)
    observations = env.reset()[0]
    before = observations.copy()
    env.close()
    np.testing.assert_array_equal(observations, before)
    del env
    np.testing.assert_array_equal(observations, before)


def test_infos_may_be_changed():
    env = lethe.make_vec(SHORT, 2, max_steps=1)
    env.reset()
    for _ in range(4):
        infos = env.step([0, 0])[-1]
        assert "mine" not in infos
        infos["mine"] = 1


def test_steps_leave_nothing_behind():
    env = lethe.make_vec(SHORT, 64, threads=2, autoreset_mode="same_step", max_steps=9)
    actions = random_actions(env, 100)
    env.reset(seed=1)
    history(env, actions)
    tracemalloc.start()
    for _ in range(20):
        for action in actions:
            env.step(action)
    growth = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert growth < 20_000  # final_obs holds the last views


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64])
def test_integer_actions_of_any_type_and_layout(dtype):
    envs = [lethe.make_vec(SHORT, 6, seed=2) for _ in range(3)]
    actions = random_actions(envs[0], 30)
    wide = np.zeros((30, 12), dtype)
    wide[:, ::2] = actions
    for env in envs:
        env.reset()
    expected = history(envs[0], actions)
    assert_equal(history(envs[1], wide[:, ::2]), expected)
    assert_equal(history(envs[2], [list(map(int, action)) for action in actions]), expected)


@pytest.mark.parametrize("type", [ctypes.c_uint8, ctypes.c_int16, ctypes.c_int32, ctypes.c_long, ctypes.c_ulonglong])
def test_actions_of_other_libraries(type):
    env, other = (lethe.make_vec(SHORT, 6, seed=2) for _ in range(2))
    env.reset()
    other.reset()
    for action in random_actions(env, 9):
        assert_equal(env.step((type * 6)(*action.tolist())), other.step(action))


# --- Levels.


def test_a_seed_gives_the_same_levels():
    env, other = lethe.make_vec(SHORT, 8, seed=7), lethe.make_vec(SHORT, 8)
    actions = random_actions(env, 60)
    start = copied(env.reset()[0])
    expected = history(env, actions)
    for again in [env, other]:
        assert_equal(again.reset(seed=7)[0], start)
        assert_equal(history(again, actions), expected)
    assert [env.level(row) for row in range(8)] == [other.level(row) for row in range(8)]
    env.reset(seed=8)
    other.reset()
    assert len({e.level(row) for e in [env, other] for row in range(8)}) > 8


def test_without_a_seed_levels_differ_from_run_to_run():
    levels = []
    for _ in range(2):
        env = lethe.make_vec("Corridor-v0", 8)
        env.reset()
        levels.append([env.level(row) for row in range(8)])
    assert levels[0] != levels[1]


@pytest.mark.parametrize("mode", MODES)
def test_results_do_not_depend_on_threads(mode):
    results = []
    for threads in [1, 2, 3, 16]:
        env = lethe.make_vec(SHORT, 7, threads=threads, seed=1, autoreset_mode=mode, max_steps=9)
        env.reset()
        results.append(history(env, random_actions(env, 60)))
    for result in results[1:]:
        assert_equal(result, results[0])


def test_rows_are_those_of_a_larger_batch():
    whole = lethe.make_vec(SHORT, 6, seed=1)
    half = lethe.make_vec(SHORT, 3, seed=1, first_index=3)
    np.testing.assert_array_equal(whole.reset()[0][3:], half.reset()[0])
    assert [whole.level(row + 3) for row in range(3)] == [half.level(row) for row in range(3)]


def test_purposes_share_no_level():
    levels = set()
    for purpose in ["train", "evaluate", "demonstrate"]:
        env = lethe.make_vec("Corridor-100k-Mix-v0", 4, seed=1, purpose=purpose)
        env.reset()
        levels |= {env.level(row) for row in range(4)}
    assert len(levels) == 12


def test_reset_mask_begins_some_rows():
    env = lethe.make_vec("Corridor-100k-Mix-v0", 3, seed=1)
    env.reset()
    env.step([1, 1, 1])
    levels, texts = [[f(row) for row in range(3)] for f in (env.level, env.text)]
    env.reset(options={"reset_mask": np.array([False, True, False])})
    assert [env.level(row) == levels[row] for row in range(3)] == [True, False, True]
    assert [env.text(row) == texts[row] for row in range(3)] == [True, False, True]
    assert list(env.episode_start) == [False, True, False]


@pytest.mark.parametrize("id", IDS)
def test_a_level_can_be_played_again(id):
    env, other = lethe.make_vec(id, 2, seed=1), lethe.make_vec(id, 2, seed=2)
    env.reset()
    shown = other.reset()[0]
    for row in range(2):
        other.load_level(row, env.level(row))
    np.testing.assert_array_equal(shown, env.reset(seed=1)[0])
    for action in random_actions(env, 20):
        result = env.step(action)
        assert_equal(other.step(action)[:4], result[:4])
        if result[2].any() or result[3].any():
            break


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", IDS)
def test_saved_and_restored_it_has_the_same_future(id, mode):
    env = lethe.make_vec(id, 3, seed=1, autoreset_mode=mode, max_steps=6)
    env.reset()
    actions = random_actions(env, 50)
    history(env, actions[:20])
    saved, final = env.save(), copied(env.final_observations)
    present = copied(env.step(actions[20])[:4])
    for action in actions[:20]:  # ends episodes, so that the last observations are others
        env.step(action)
    env.restore(saved)
    assert_equal(env.final_observations, final)
    assert_equal(env.step(actions[20])[:4], present)
    expected, memoryless = history(env, actions[21:]), env.memoryless().copy()

    other = lethe.make_vec(id, 3, threads=2, seed=9, autoreset_mode=mode, max_steps=6)
    observations = other.reset()[0]
    other.restore(saved)
    assert_equal(other.final_observations, final)
    assert other.save() == saved
    assert_equal(other.step(actions[20])[:4], present)
    assert_equal(history(other, actions[21:]), expected)
    assert_equal(other.memoryless(), memoryless)
    assert other.step(actions[0])[0] is observations


def test_the_curriculum_is_taken_over_at_the_next_start_and_kept_by_a_seed():
    env = lethe.make_vec("Corridor-v0", 32)
    longest = lambda: max(int(env.text(row).index("\n")) - 2 for row in range(32))
    env.set_curriculum(4.9)
    for seed in [1, None, 2]:
        env.reset(seed=seed)
        assert longest() == 4
    assert env.task.curriculum == ("length_max", 3, 200)


# --- Policies.


def test_oracle_and_memoryless_reach_the_stated_scores():
    env = lethe.make_vec(SHORT, 200, seed=1)
    assert play(env, env.oracle, 2) == env.task.oracle_score == 1
    assert abs(play(env, env.memoryless, 10) - env.task.memoryless_score) < 0.04
    random = iter(random_actions(env, 100_000))
    assert abs(play(env, lambda: next(random), 10) - env.task.random_score) < 0.04


def test_cues_tell_where_the_secret_is_seen():
    env = lethe.make_vec(SHORT, 4, seed=1)
    env.reset()
    assert env.cues().all()
    env.step([1] * 4)
    assert not env.cues().any()


# --- Threads.


def test_threads_stay_with_the_process_that_made_them():
    env, spare = (lethe.make_vec(SHORT, 8, threads=2, seed=1) for _ in range(2))
    env.reset()
    env.step([1] * 8)
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(RuntimeError, match="made before a fork"):
                env.step([1] * 8)
            new = lethe.make_vec(SHORT, 8, threads=2, seed=1)
            env.close()
            spare.reset(seed=1)  # makes its threads anew
            for each in [new, spare]:
                each.step([1] * 8)
                each.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    env.step([1] * 8)


def test_another_thread_runs_meanwhile_but_may_not_use_the_same_environment():
    env = lethe.make_vec("Corridor-v0", 50_000, seed=1)
    env.reset()
    stop, refused = threading.Event(), 0

    def step():
        actions = np.ones(env.num_envs, np.uint8)
        while not stop.is_set():
            try:
                env.step(actions)
            except RuntimeError:  # the other one was first
                pass

    thread = threading.Thread(target=step)
    thread.start()
    try:
        for _ in range(100_000):
            try:
                env.text(0)
            except RuntimeError as error:
                assert "in use by another thread" in str(error)
                refused += 1
                if refused == 3:
                    break
    finally:
        stop.set()
        thread.join()
    assert refused == 3
