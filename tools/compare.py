#!/usr/bin/env python3
"""Draws runs of one sequence task side by side: python tools/compare.py RUN_DIR... --out FILE.png

Upper picture: the task's score on the valid split over minutes of wall time (of training blocks, where valid was never
evaluated); lower picture: living memories, mean over layers, where a memory is made of steps. Prints a table in Markdown: what
each run cost, and what the evaluation at its end wrote to report/evaluation.json. Needs matplotlib.
Exit code 2 and one line when a run cannot be read, has no scores yet or has those of another task.
"""

import argparse
import itertools
import json
import math
import sys
from pathlib import Path

from plot import (INK, LAYERS, MUTED, SCORES, Unreadable, column, exit_code, has_numbers, label_ends, layer_columns,
                  number, read_metrics, style_axes)


def score_name(run_dir, lines):
    names = [name for name in SCORES if name in lines[-1]]
    if not names:
        raise Unreadable(f"{run_dir}: has none of the scores {', '.join(SCORES)}")
    if not curve(lines, names[0]):
        raise Unreadable(f"{run_dir}: no {names[0]} was measured yet")
    return names[0]


def curve(lines, name):
    """(minutes, scores) of the evaluations on valid, or of training where there were none."""
    key = "valid_" + name if has_numbers(column(lines, "valid_" + name)) else name
    points = [(number(line.get("seconds")) / 60, number(line.get(key))) for line in lines]
    return list(zip(*[point for point in points if math.isfinite(point[1])]))


def living_curve(lines):
    """(minutes, living memories); () for a memory that is not made of steps."""
    layers = layer_columns(lines, "living_memories")
    minutes = [number(line.get("seconds")) / 60 for line in lines]
    return (minutes, [sum(values) / len(values) for values in zip(*layers)]) if layers else ()


def evaluation(run_dir):
    try:
        return json.loads((run_dir / "report" / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def table(runs, name):
    """Markdown: one line a run. A run that was not evaluated has gaps."""
    rows = [["run", "updates", "tokens", "minutes", name.replace("_", " "), "at the end, test", "living memories, test"],
            ["---"] + ["---:"] * 6]
    for run_dir, lines in runs:
        last, test = lines[-1], evaluation(run_dir)
        scores = curve(lines, name)
        living = ", ".join(f"{value:.1f}" for value in test.get("living_memories", []))
        rows.append([run_dir.resolve().name, f"{number(last.get('updates')):,.0f}",
                     f"{number(last.get('tokens')) / 1e6:.2f} M", f"{number(last.get('seconds')) / 60:.1f}",
                     f"{scores[1][-1]:.4g}", f"{test[name]:.4g}" if name in test else "", living])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def draw(runs, name):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 10, "text.color": INK, "axes.labelcolor": INK, "lines.solid_capstyle": "round"})
    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(9, 6), dpi=110)
    figure.subplots_adjust(left=0.1, right=0.76, top=0.96, bottom=0.09, hspace=0.14)
    figure.align_ylabels(axes)
    scores, memories = [], []
    for colour, (run_dir, lines) in zip(itertools.cycle(LAYERS), runs):
        minutes, values = curve(lines, name)
        axes[0].plot(minutes, values, color=colour, linewidth=1.8, marker="o" if len(values) < 3 else None)
        scores.append((run_dir.resolve().name, list(values), colour))
        if living := living_curve(lines):
            axes[1].plot(*living, color=colour, linewidth=1.8)
            memories.append((run_dir.resolve().name, living[1], colour))
    for axis, label, curves in [(axes[0], name.replace("_", " "), scores), (axes[1], "living memories", memories)]:
        style_axes(axis)
        axis.set_ylabel(label, color=INK)
        if curves is memories and memories:
            axis.set_yscale("log")
        label_ends(axis, curves)
    axes[1].set_xlabel("minutes", color=MUTED)
    return figure


def write_comparison(run_dirs, out):
    runs = [(run_dir, read_metrics(run_dir)) for run_dir in run_dirs]
    names = {score_name(*run) for run in runs}
    if len(names) > 1:
        raise Unreadable(f"runs of different tasks: {', '.join(sorted(names))}")
    name = names.pop()
    draw(runs, name).savefig(out)
    print(table(runs, name))


def main():
    parser = argparse.ArgumentParser(description="Draw runs of one sequence task side by side, and print their table.")
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, nargs="+", help="folders that hold metrics.jsonl")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="picture to write")
    arguments = parser.parse_args()
    return exit_code("compare", lambda: write_comparison(arguments.run_dir, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
