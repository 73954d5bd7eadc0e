#!/usr/bin/env python3
"""Draws the course of a run: python tools/plot.py RUN_DIR

Reads RUN_DIR/metrics.jsonl and writes RUN_DIR/report/progress.png: the score, the curriculum where it moves, and the
living memories of every layer against what a memory that never forgets would hold, over environment steps; for a run on
a sequence task its scores on train and valid, and the living memories, over updates. Needs matplotlib.
Exit code 2 and one line when the run cannot be read.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path

INK = "#1f2933"
MUTED = "#6b7785"
GRID = "#e4e7eb"
SCORE = "#0b7a75"
LAYERS = ["#3d5a98", "#d1603d", "#7b5ea7", "#2f9e63", "#b8892b", "#c2476f", "#4b8bbe", "#5f6b3a"]
PHASES = {"clone": "#eff7f0", "learn": "#eef4fb", "consolidate": "#fbf1e6"}
OTHER_PHASE = "#f3f3f3"
STEPS = {"env_steps": "environment steps", "updates": "updates"}  # what the lines count, the first that they have
SCORES = ["bits_per_byte", "sequence_accuracy", "token_accuracy", "error"]  # of sequence tasks


class Unreadable(Exception):
    """The run cannot be plotted; the message says why."""


def number(value):
    """`value` as a float; NaN (a gap in the curve) when it is absent, null or no number."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


def step_of(line):
    """Where a line stands on the horizontal axis; NaN when it does not say."""
    return number(next((line[key] for key in STEPS if key in line), None))


def steps_name(lines):
    return next(name for key, name in STEPS.items() if key in lines[-1])


def read_metrics(run_dir):
    """The lines of metrics.jsonl that know their step. A torn last line of a running run is left out."""
    path = run_dir / "metrics.jsonl"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error
    lines = []
    for row, content in enumerate(text.split("\n"), start=1):
        is_last = row == text.count("\n") + 1
        if is_last or not content.strip():
            continue
        try:
            line = json.loads(content)
        except ValueError as error:
            raise Unreadable(f"{path}:{row}: not JSON: {error}") from error
        if isinstance(line, dict) and math.isfinite(step_of(line)):
            lines.append(line)
    if not lines:
        raise Unreadable(f"{path}: no line has {' or '.join(STEPS)} yet")
    return lines


def column(lines, *keys):
    """One number per line: the first of `keys` that the line has."""
    return [number(next((line[key] for key in keys if line.get(key) is not None), None)) for line in lines]


def layer_columns(lines, key):
    """One list of numbers per layer."""
    per_line = [line.get(key) if isinstance(line.get(key), list) else [line.get(key)] for line in lines]
    layers = max(len(values) for values in per_line)
    columns = [[number(values[i]) if i < len(values) else math.nan for values in per_line] for i in range(layers)]
    return [values for values in columns if has_numbers(values)]


def has_numbers(values):
    return any(math.isfinite(value) for value in values)


def last_number(values):
    return next((value for value in reversed(values) if math.isfinite(value)), math.nan)


def phases(lines):
    """(phase, first step, last step) of every stretch of lines in the same phase, end to end."""
    stretches = []
    for line in lines:
        phase, step = line.get("phase") or "", step_of(line)
        if not stretches or stretches[-1][0] != phase:
            start = stretches[-1][2] if stretches else 0.0
            stretches.append([phase, start, step])
        stretches[-1][2] = step
    return stretches


def steps_unit(last_step, name):
    for unit, word in [(1e9, "billion"), (1e6, "million"), (1e3, "thousand")]:
        if last_step >= 2 * unit:
            return unit, f"{word} {name}"
    return 1.0, name


def style_axes(axes):
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, length=3)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def shade_phases(axes, stretches, unit, last_step):
    """Colours the background by phase and names each phase above the top plot, where there is room for the name."""
    for axis in axes:
        for phase, start, end in stretches:
            axis.axvspan(start / unit, end / unit, color=PHASES.get(phase, OTHER_PHASE), linewidth=0, zorder=0)
    for phase, start, end in stretches:
        if phase and end - start > 0.1 * last_step:
            axes[0].annotate(phase, ((start + end) / 2 / unit, 1), xycoords=("data", "axes fraction"), xytext=(0, 5),
                             textcoords="offset points", ha="center", color=MUTED, fontsize=9.5)


def spread(positions, gap):
    """Moves positions apart, in their order, until neighbours are at least `gap` from each other."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    moved = list(positions)
    for _ in range(100):
        for low, high in zip(order, order[1:]):
            lack = gap - (moved[high] - moved[low])
            if lack > 1e-9:
                moved[low] -= lack / 2
                moved[high] += lack / 2
    return moved


def brief(value):
    """Three digits, and whole numbers without an exponent."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def label_ends(axis, curves):
    """Writes each curve's name and last value at its end instead of into a legend."""
    ends = [last_number(values) for _, values, _ in curves]
    axis.autoscale_view()  # now, not when it is drawn
    to_axes = (axis.transData + axis.transAxes.inverted()).transform  # whatever the scale
    heights = spread([to_axes((0, end))[1] for end in ends], 0.085)
    for (name, _, colour), end, height in zip(curves, ends, heights):
        axis.annotate(f"{name}: {brief(end)}", (1, height), xycoords="axes fraction", xytext=(8, 0),
                      textcoords="offset points", va="center", color=colour, fontsize=9.5, annotation_clip=False)


def draw_score(axis, steps, lines):
    """The curve through all measurements; a rate of success keeps its whole scale of 0 to 1."""
    score = column(lines, "score", "success")
    axis.set_ylabel("score", color=INK)
    if not has_numbers(score):
        axis.text(0.5, 0.5, "no score yet", transform=axis.transAxes, ha="center", color=MUTED)
        return
    axis.plot(steps, score, color=SCORE, linewidth=1.8, marker="o" if len(steps) < 3 else None, markersize=4)
    finite = [value for value in score if math.isfinite(value)]
    if 0 <= min(finite) and max(finite) <= 1:
        axis.set_ylim(0, 1.03)
    label_ends(axis, [("score", score, SCORE)])


def draw_task_scores(axis, steps, lines):
    """Every score of a sequence task: on the training blocks, and, dashed, on the valid split."""
    curves = []
    for name, colour in zip([name for name in SCORES if name in lines[-1]], [SCORE, LAYERS[1]]):
        curves.append((name.replace("_", " "), column(lines, name), colour))
        curves.append(("valid", column(lines, "valid_" + name), colour))
    curves = [curve for curve in curves if has_numbers(curve[1])]
    for name, values, colour in curves:
        points = [(step, value) for step, value in zip(steps, values) if math.isfinite(value)]
        is_valid = name == "valid"
        axis.plot(*zip(*points), color=colour, linewidth=1.8, linestyle=(0, (5, 2.5)) if is_valid else "-",
                  marker="o" if len(points) < 3 else None, markersize=4)
    axis.set_ylabel("score", color=INK)
    if curves:
        label_ends(axis, curves)


def changes(values):
    return len(set(filter(math.isfinite, values))) > 1


def draw_curriculum(axis, steps, curriculum):
    """The difficulty under the score: a score that dips where this rises is no loss."""
    axis.plot(steps, curriculum, color=MUTED, linewidth=1.5, drawstyle="steps-post")
    axis.fill_between(steps, curriculum, step="post", color=MUTED, alpha=0.12, linewidth=0)
    axis.set_ylabel("curriculum", color=INK)
    axis.set_ylim(0, 1.15 * max(filter(math.isfinite, curriculum)))
    axis.locator_params(axis="y", nbins=3)
    label_ends(axis, [("now", curriculum, MUTED)])


def draw_memories(axis, steps, lines):
    layers = layer_columns(lines, "living_memories")
    never = column(lines, "never_forgetting")
    axis.set_ylabel("living memories", color=INK)
    if not layers:
        axis.text(0.5, 0.5, "no memory measured", transform=axis.transAxes, ha="center", color=MUTED)
        return
    curves = [(f"layer {i + 1}", values, LAYERS[i % len(LAYERS)]) for i, values in enumerate(layers)]
    for _, values, colour in curves:
        axis.plot(steps, values, color=colour, linewidth=1.8, marker="o" if len(steps) < 3 else None, markersize=4)
    if has_numbers(never):
        axis.plot(steps, never, color=INK, linewidth=1.2, linestyle=(0, (5, 2.5)))
        curves.append(("never forgetting", never, INK))
    axis.set_ylim(bottom=0)
    axis.set_ylim(top=axis.get_ylim()[1] * 1.04)
    label_ends(axis, curves)


def summary(lines):
    """The facts of the newest line, for the head of the page."""
    last = lines[-1]
    facts = []
    if math.isfinite(number(last.get("seconds"))):
        minutes, seconds = divmod(round(number(last["seconds"])), 60)
        hours, minutes = divmod(minutes, 60)
        facts.append(f"{hours}:{minutes:02d}:{seconds:02d} h" if hours else f"{minutes}:{seconds:02d} min")
    facts.append(f"{step_of(last):,.0f} {'steps' if 'env_steps' in last else 'updates'}")
    for key, unit in [("steps_per_s", "steps/s"), ("chars_per_s", "tokens/s")]:
        if math.isfinite(number(last.get(key))):
            facts.append(f"{number(last[key]):,.0f} {unit}")
    living = [last_number(values) for values in layer_columns(lines, "living_memories")]
    never = last_number(column(lines, "never_forgetting"))
    if living and never > 0:
        facts.append(f"{sum(living) / len(living) / never:.0%} of all memories alive")
    return "   ·   ".join(facts)


def draw(run_dir, lines):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    plt.rcParams.update({"font.size": 10, "text.color": INK, "axes.labelcolor": INK, "lines.solid_capstyle": "round"})
    last_step = max(step_of(line) for line in lines)
    unit, unit_name = steps_unit(last_step, steps_name(lines))
    steps = [step_of(line) / unit for line in lines]

    curriculum = column(lines, "curriculum")
    heights = [5, 1.4, 5] if changes(curriculum) else [5, 5]
    figure, axes = plt.subplots(len(heights), 1, sharex=True, figsize=(9, 6.4), dpi=150, height_ratios=heights)
    figure.subplots_adjust(left=0.1, right=0.81, top=0.84, bottom=0.085, hspace=0.14)
    figure.align_ylabels(axes)
    figure.text(0.1, 0.948, run_dir.resolve().name, fontsize=15, fontweight="bold")
    figure.text(0.1, 0.913, summary(lines), fontsize=9.5, color=MUTED)
    for axis in axes:
        style_axes(axis)
    is_sequence = any(name in lines[-1] for name in SCORES)
    (draw_task_scores if is_sequence else draw_score)(axes[0], steps, lines)
    if changes(curriculum):
        draw_curriculum(axes[1], steps, curriculum)
    draw_memories(axes[-1], steps, lines)
    axes[-1].set_xlim(0, max(last_step, 1) / unit)
    axes[-1].xaxis.set_major_locator(MaxNLocator(8))
    axes[-1].set_xlabel(unit_name)
    shade_phases(axes, phases(lines), unit, last_step)
    return figure


def write_plot(run_dir):
    figure = draw(run_dir, read_metrics(run_dir))
    path = run_dir / "report" / "progress.png"
    temporary = path.with_name("progress.tmp.png")
    try:
        path.parent.mkdir(exist_ok=True)
        figure.savefig(temporary)
        os.replace(temporary, path)  # whoever looks at it meanwhile sees a whole picture
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Unreadable(f"{path}: {error.strerror}") from error
    return path


def exit_code(program, work):
    """0 after work(); 2 and one line on stderr where runs are unreadable, pictures not writable or matplotlib lacks."""
    try:
        work()
    except (Unreadable, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"{program}: {error.name} is missing; install it with: pip install matplotlib", file=sys.stderr)
        return 2
    return 0


def main():
    parser = argparse.ArgumentParser(description="Draw the course of a run into RUN_DIR/report/progress.png.")
    parser.add_argument("run_dir", metavar="RUN_DIR", type=Path, help="folder that holds metrics.jsonl")
    run_dir = parser.parse_args().run_dir
    return exit_code("plot", lambda: print(write_plot(run_dir)))


if __name__ == "__main__":
    sys.exit(main())
