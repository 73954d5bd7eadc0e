"""What several test files share."""

import gymnasium
import numpy as np

import lethe

IDS = lethe.envs()


def random_actions(env, steps, seed=0):
    """`steps` arrays of valid uint8 actions for a vector environment."""
    random = np.random.default_rng(seed)
    return random.integers(0, env.single_action_space.n, (steps, env.num_envs), np.uint8)


def history(env, actions):
    """Copies of what the steps return, for comparison by assert_equal."""
    return [copied(env.step(action)) for action in actions]


def copied(value):
    if isinstance(value, (tuple, list)):
        return [copied(item) for item in value]
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value


def assert_equal(got, expected, where=""):
    """Equality of nested results; of entries with a mask only what the mask shows."""
    if isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for key in expected:
            mask = expected.get(f"_{key}")
            if mask is None or isinstance(expected[key], dict):
                assert_equal(got[key], expected[key], f"{where}[{key!r}]")
            else:
                assert_equal(list(got[key][mask]), list(expected[key][mask]), f"{where}[{key!r}]")
    elif isinstance(expected, (tuple, list)):
        assert len(got) == len(expected), where
        for i, (one, other) in enumerate(zip(got, expected)):
            assert_equal(one, other, f"{where}[{i}]")
    else:
        np.testing.assert_array_equal(got, expected, err_msg=where)


def sync_vector_env(id, num_envs, mode, **params):
    """Gymnasium's own vector environment over single ones that play the same levels, for reset(seed=[seed] * num_envs)."""
    makers = [lambda row=row: gymnasium.make(f"lethe/{id}", first_index=row, **params) for row in range(num_envs)]
    return gymnasium.vector.SyncVectorEnv(makers, autoreset_mode=mode)
