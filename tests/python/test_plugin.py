"""lethe.load_plugin. LETHE_TEST_PLUGINS is the folder of the plug-ins that CMake builds for the tests."""

import os
import pathlib

import gymnasium
import numpy as np
import pytest

import lethe

if "LETHE_TEST_PLUGINS" not in os.environ:
    pytest.skip("LETHE_TEST_PLUGINS is not set", allow_module_level=True)
PLUGINS = pathlib.Path(os.environ["LETHE_TEST_PLUGINS"])


def test_environments_of_a_plugin_work_like_all_others():
    ids = lethe.load_plugin(PLUGINS / "libplugin_echo.so")
    assert ids == ["Echo-v0", "Echo-Long-v0"]
    assert lethe.load_plugin(PLUGINS / "libplugin_echo.so") == ids  # harmless
    assert set(ids) <= set(lethe.envs())
    env = lethe.make_vec("Echo-v0", num_envs=64, seed=1, delay_max=3)
    env.reset()
    returns = np.zeros(64)
    for _ in range(6):
        returns += env.step(env.oracle())[1]
    assert (returns >= 1).all()
    single = gymnasium.make("lethe/Echo-v0", render_mode="ansi")
    single.reset(seed=1)
    assert single.render().startswith("heard ")


@pytest.mark.parametrize("name", ["libplugin_empty.so", "libplugin_abi_only.so", "none.so"])
def test_a_plugin_that_is_none_is_refused(name):
    before = lethe.envs()
    with pytest.raises(RuntimeError, match=name):
        lethe.load_plugin(PLUGINS / name)
    assert lethe.envs() == before
