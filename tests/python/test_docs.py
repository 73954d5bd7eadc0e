"""Every Python snippet of docs/python.md runs, one after the other as a reader would type them."""

import importlib.util
import inspect
import pathlib
import re

import lethe

MANUAL = pathlib.Path(__file__).parents[2] / "docs" / "python.md"


def test_the_snippets_of_the_manual(capsys):
    text = MANUAL.read_text()
    names, executed = {}, 0
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if "lethe.load(" in match[1]:
            continue  # test_agent.py has a run for it
        if "import torch" in match[1] and not importlib.util.find_spec("torch"):
            continue
        line = text.count("\n", 0, match.start(1))
        code = compile("\n" * line + match[1], str(MANUAL), "exec")  # so that errors name the line
        exec(code, names)
        executed += 1
    assert executed >= 8
    printed = capsys.readouterr().out
    assert "Keep one fact over a long empty time.\n['up', 'right', 'down', 'left'] 0.5\nParameter(value=200" in printed


def test_the_manual_names_every_argument_and_method():
    text = MANUAL.read_text()
    arguments = [name for name in inspect.signature(lethe.VectorEnv).parameters if name not in ("env_id", "params")]
    inherited = vars(lethe.VectorEnv.__base__)
    own = [name for name in vars(lethe.VectorEnv) if not name.startswith("_") and name not in inherited]
    missing = [name for name in arguments + own if not re.search(rf"\b{name}\b", text)]
    assert not missing
