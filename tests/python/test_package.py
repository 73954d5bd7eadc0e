import pathlib
import re
import subprocess
import sys

import gymnasium

import lethe


def test_needs_no_library_of_the_system_but_the_compilers():
    maps = pathlib.Path("/proc/self/maps").read_text()
    fmt = {line.split()[-1] for line in maps.splitlines() if "libfmt" in line}
    assert fmt <= {str(path) for path in pathlib.Path(lethe.__file__).parent.glob("libfmt*")}


def test_the_import_loads_little():
    code = "import sys, gymnasium; before = set(sys.modules); import lethe; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["lethe", "lethe._native", "lethe.task"]


def test_the_build_takes_the_versions_that_are_tested():
    root = pathlib.Path(__file__).resolve().parents[2]
    build_system = (root / "pyproject.toml").read_text().split("[project]")[0]
    pins = [pin.replace("-", "_") for pin in re.findall(r'"([\w-]+==[\w.]+)"', build_system)]
    assert len(pins) == 2
    assert set(pins) <= set((root / "tools/setup/python.txt").read_text().split("\n"))


def test_registered_ids_stay():
    before = dict(gymnasium.registry)
    lethe._register(lethe.envs())
    assert gymnasium.registry == before and all(f"lethe/{id}" in before for id in lethe.envs())


def test_workers_of_gymnasiums_async_vector_env_can_make_one():
    env = gymnasium.make_vec("lethe/Corridor-v0", num_envs=2, vectorization_mode="async")
    env.reset(seed=1)
    assert env.step(env.action_space.sample())[0].shape == (2, 18)
    env.close()
