"""Trained agents in Python: LETHE_AGENT_LIBRARY names liblethe_agent.so, LETHE_PROGRAM the program that trains one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lethe

torch = pytest.importorskip("torch")
if "LETHE_AGENT_LIBRARY" not in os.environ:
    pytest.skip("LETHE_AGENT_LIBRARY does not name liblethe_agent.so", allow_module_level=True)


def train(folder, *options):
    small = ["env.length_max=6", "train.unroll_length=8", "log.eval_episodes=0"]
    config = folder.parent / "small.yaml"
    config.write_text("env:\n  id: Corridor-v0\n")
    command = [os.environ["LETHE_PROGRAM"], "train", config, "--quiet", "--run-dir", folder, *small, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Ten seconds of cloning: corridors of 3 to 6 cells."""
    return train(tmp_path_factory.mktemp("runs") / "corridor", "phases=clone", "train.max_steps=0",
                 "memory.span_limit=32", "memory.ramp=4", "clone.max_steps=400000",
                 "clone.optimizer.learning_rate=2e-3")


@pytest.fixture(scope="module")
def agent(run):
    return lethe.load(run)


def test_plays_as_well_as_it_was_trained(agent):
    env = lethe.make_vec(agent.env_id, num_envs=64, seed=5, length_max=6, purpose="evaluate")
    observations, _ = env.reset()
    state = agent.initial_state(64)
    scores = []
    for _ in range(60):
        actions, state = agent.act(observations, state, env.episode_start, greedy=True)
        observations, rewards, terminated, truncated, _ = env.step(actions)
        scores += rewards[terminated | truncated].tolist()
    assert len(scores) > 200
    assert np.mean(scores) > 0.9, "by chance and without memory 0.5"


def test_tells_spans_and_living_memories(agent):
    env = lethe.make_vec(agent.env_id, num_envs=3, seed=1, length_min=6, length_max=6)
    observations, _ = env.reset()
    state = agent.initial_state(3)
    assert len(state) == 3 and state.logits is None
    for step in range(4):
        actions, same = agent.act(observations, state, env.episode_start)
        assert same is state and actions.dtype == np.uint8 and actions.shape == (3,)
        assert state.spans.shape == (2, 3) and ((0 < state.spans) & (state.spans < 32)).all()
        assert (state.living == step).all(), "spans of 24 steps: nothing is forgotten yet"
        assert state.logits.shape == (3, agent.num_actions) and state.values.shape == (3,)
        observations, *_ = env.step(np.zeros(3, np.uint8))  # against the wall


def test_a_clone_goes_its_own_way(agent):
    observations = np.ones((2, len(agent.vocabularies)), np.uint8)
    state = agent.initial_state(2)
    for _ in range(11):  # past the end of an unroll
        agent.act(observations, state)
    copy = state.clone()
    assert torch.equal(copy.living, state.living)
    agent.act(observations, copy)
    first = copy.logits
    agent.act(observations * 0, copy)
    agent.act(observations, state)
    assert torch.allclose(state.logits, first, atol=1e-5)


def test_an_episode_start_forgets(agent):
    rng = np.random.default_rng(0)
    shape, limits = (4, len(agent.vocabularies)), np.minimum(agent.vocabularies, 256)
    draw = lambda: rng.integers(0, limits, shape).astype(np.uint8)
    used = agent.initial_state(4)
    for _ in range(13):
        agent.act(draw(), used)
    observations = draw()
    agent.act(observations, used, np.ones(4, np.uint8))
    fresh = agent.initial_state(4)
    agent.act(observations, fresh)
    assert torch.allclose(used.logits, fresh.logits, atol=1e-5)
    assert (used.living == 0).all()


@pytest.fixture(scope="module")
def beginner(tmp_path_factory):
    """Hardly trained, so that its actions are nearly uniform; a memory without spans."""
    folder = tmp_path_factory.mktemp("runs") / "gru"
    return lethe.load(train(folder, "memory.core=gru", "phases=learn", "train.max_steps=2000"))


def test_draws_from_the_policy(beginner):
    agent = beginner
    observations = np.ones((512, len(agent.vocabularies)), np.uint8)
    draw = lambda seed: agent.act(observations, agent.initial_state(512), generator=torch.Generator().manual_seed(seed))
    actions, state = draw(1)
    assert (draw(1)[0] == actions).all() and (draw(2)[0] != actions).any()
    shares = np.bincount(actions, minlength=agent.num_actions) / 512
    assert np.abs(shares - state.logits[0].softmax(0).numpy()).max() < 0.1


def test_a_memory_without_spans(beginner):
    state = beginner.initial_state(2)
    beginner.act(np.ones((2, len(beginner.vocabularies)), np.uint8), state)
    assert state.spans.numel() == 0 and torch.isfinite(state.logits).all()


def test_an_agent_may_see_its_last_action(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "seeing"
    agent = lethe.load(train(folder, "memory.core=none", "phases=learn", "train.max_steps=2000",
                             "policy.last_action=true"))
    env = lethe.make_vec(agent.env_id, num_envs=3)
    assert agent.sees_last_action and len(agent.vocabularies) == env.reset()[0].shape[1]
    observations = np.ones((3, len(agent.vocabularies)), np.uint8)
    state = agent.initial_state(3)
    agent.act(observations, state)
    first = state.logits
    _, state = agent.act(observations, state)
    assert (state.logits != first).any(1).all(), "without a memory, only the last action tells the two steps apart"
    copy = state.clone()
    agent.act(observations, state, np.ones(3, np.uint8))
    assert torch.equal(state.logits, first), "a new episode has none"
    agent.act(observations, copy)
    assert (copy.logits != first).any(1).all()


def test_the_snippet_of_the_manual(run, capsys):
    text = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    [code] = [code for code in snippets if "lethe.load(" in code]
    exec(code.replace("runs/corridor", str(run)).replace("1000", "20"), {"lethe": lethe})
    assert capsys.readouterr().out.count("tensor") == 2


@pytest.mark.parametrize("call, message", [
    (lambda agent, seen: agent.initial_state(0), "n is 0; allowed: at least 1"),
    (lambda agent, seen: agent.act(seen[:1], agent.initial_state(2)), r"have shape \(1, 18\); allowed: \(2, 18\)"),
    (lambda agent, seen: agent.act(seen.astype(np.int64), agent.initial_state(2)), "are torch.int64; allowed"),
    (lambda agent, seen: agent.act(seen + 200, agent.initial_state(2)), "token 0 of an observation is 200; allowed"),
    (lambda agent, seen: agent.act(seen, agent.initial_state(2), [1]), r"has shape \(1,\); allowed: \(2,\)"),
])
def test_bad_input_is_refused(agent, call, message):
    with pytest.raises(ValueError, match=message):
        call(agent, np.zeros((2, len(agent.vocabularies)), np.uint8))


def test_a_library_that_is_not_there(run):
    program = f"import lethe; lethe.load({str(run)!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          env={**os.environ, "LETHE_AGENT_LIBRARY": "/nowhere/liblethe_agent.so"})
    assert done.returncode == 1
    assert "FileNotFoundError: /nowhere/liblethe_agent.so: there is no such library" in done.stderr


def test_loading_leaves_the_generator_alone(run):
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    lethe.load(run)
    assert torch.rand(1) == first


def test_a_folder_that_is_no_run(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        lethe.load(tmp_path / "none")
    with pytest.raises(ValueError, match="not a run"):
        lethe.load(tmp_path)
    with pytest.raises(ValueError, match="nothing.safetensors"):
        lethe.load(run, checkpoint=tmp_path / "nothing.safetensors")
