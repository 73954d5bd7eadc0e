#!/usr/bin/env python3
"""Draws what memory buys: python tools/frontier.py RUN_DIR... --out FILE.png

One point a run, as its evaluation at the end of training measured it (report/evaluation.json): the score over the
living memories a step sees, mean over layers, with the 95 % interval of the score. Runs of one kind of memory share a
colour and a line. Cores whose memory is not made of steps (gru, lstm, none) have no place here. Prints the points as a
table in Markdown. Needs matplotlib.
Exit code 2 and one line when a run cannot be read, was not evaluated or is of another environment than the first.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from plot import INK, LAYERS, MUTED, Unreadable, exit_code, number, read_metrics, style_axes


@dataclass
class Point:
    run: str
    environment: str
    core: str
    living: float
    score: float
    interval: tuple
    steps: float
    seconds: float


def setting(config, section, name):
    """One scalar of a run's config.yaml, which has one option a line under its section."""
    found = re.search(rf"^{section}:.*\n(?:[ #].*\n|\n)*?  {name}: *([^ #\n]+)", config, re.MULTILINE)
    return found.group(1) if found else ""


def read_point(run_dir):
    try:
        config = (run_dir / "config.yaml").read_text(encoding="utf-8")
        evaluation = json.loads((run_dir / "report" / "evaluation.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise Unreadable(f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise Unreadable(f"{run_dir}/report/evaluation.json: not JSON: {error}") from error
    living = evaluation.get("living_memories") or []
    if "score" not in evaluation or not living:
        raise Unreadable(f"{run_dir}: its evaluation has no living memories (gru, lstm and none have none)")
    last = read_metrics(run_dir)[-1]
    score = number(evaluation["score"])
    front = setting(config, "memory", "front")  # what it carries is not among the living memories: another kind
    core = setting(config, "memory", "core") + ("" if front in ("", "none") else f" behind {front}")
    return Point(run_dir.resolve().name, setting(config, "env", "id"), core,
                 sum(living) / len(living), score, tuple(map(number, evaluation.get("score_ci") or (score, score))),
                 number(last.get("env_steps")), number(last.get("seconds")))


def table(points):
    rows = [["run", "memory", "living memories", "score", "95 % interval", "steps", "minutes"],
            ["---", "---"] + ["---:"] * 5]
    for p in points:
        rows.append([p.run, p.core, f"{p.living:.1f}", f"{p.score:.3f}", f"{p.interval[0]:.3f} to {p.interval[1]:.3f}",
                     f"{p.steps / 1e6:.1f} M", f"{p.seconds / 60:.1f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def draw(points):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, ScalarFormatter

    plt.rcParams.update({"font.size": 10, "text.color": INK, "axes.labelcolor": INK, "lines.solid_capstyle": "round"})
    figure, axis = plt.subplots(figsize=(8, 4.6), dpi=110)
    figure.subplots_adjust(left=0.1, right=0.97, top=0.93, bottom=0.13)
    for i, core in enumerate(dict.fromkeys(p.core for p in points)):
        own = sorted((p for p in points if p.core == core), key=lambda p: p.living)
        living, scores = [p.living for p in own], [p.score for p in own]
        below = [max(0.0, p.score - p.interval[0]) for p in own]
        above = [max(0.0, p.interval[1] - p.score) for p in own]
        axis.errorbar(living, scores, yerr=(below, above), color=LAYERS[i % len(LAYERS)], linewidth=1.4, marker="o",
                      markersize=5, capsize=2.5, label=core.replace("_", " "), zorder=10 - i)
    style_axes(axis)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_locator(LogLocator(subs=range(1, 10)))
    axis.xaxis.set_minor_formatter(lambda *_: "")
    axis.set_xlabel("living memories a step sees, mean over layers", color=MUTED)
    axis.set_ylabel("score", color=INK)
    axis.set_title(points[0].environment, loc="left", color=MUTED, fontsize=10)
    axis.legend(frameon=False, loc="lower right")
    return figure


def write_frontier(run_dirs, out):
    points = [read_point(run_dir) for run_dir in run_dirs]
    for point in points:
        if point.environment != points[0].environment:
            raise Unreadable(f"runs of different environments: {points[0].run} on {points[0].environment}, "
                             f"{point.run} on {point.environment}")
    draw(points).savefig(out)
    print(table(points))


def main():
    parser = argparse.ArgumentParser(description="Draw the scores of runs over their living memories.")
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="picture to write")
    arguments = parser.parse_args()
    return exit_code("frontier", lambda: write_frontier(arguments.run_dir, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
