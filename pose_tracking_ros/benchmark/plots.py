"""Pictures of a report: latency against people and pixels, stages as bars."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pose_tracking_ros.benchmark.report import label_of, stages_of

_COLOURS = ('#4477aa', '#66ccee', '#228833', '#ccbb44', '#ee6677', '#aa3377', '#777777')


def draw(content: dict[str, Any], beside: Path) -> dict[str, str]:
    """Write the pictures that the report has figures for.

    Args:
        content: of `Report.content`.
        beside: the report's own file; pictures are named after it.

    Returns:
        File names by what they show.
    """
    measured = content['measurements']
    pictures = {}
    for what, key, unit, others in (
        ('people', 'people', 'people K', 'long_side_px'),
        ('pixels', 'pixels', 'pixels of the network input', 'people'),
    ):
        lines = _lines(measured, key, others, content['conditions']['usual_size_px'])
        if lines:
            name = f'{beside.stem}-{what}.png'
            _draw_lines(beside.with_name(name), lines, unit)
            pictures[f'Latency against {what}'] = name
    if measured:
        name = f'{beside.stem}-stages.png'
        _draw_stages(beside.with_name(name), measured, content['conditions']['usual_size_px'])
        pictures['Stages'] = name
    return pictures


def _lines(
    measured: list[dict[str, Any]], key: str, other: str, size: int
) -> dict[str, list[tuple[float, float, float]]]:
    """Return x, median and p95 by contestant, at the size of comparison or the middle K."""
    values = sorted({one[other] for one in measured})
    fixed = size if other == 'long_side_px' else values[len(values) // 2]
    lines: dict[str, list[tuple[float, float, float]]] = {}
    for one in measured:
        # A program with an input of its own size has one value of that only.
        own = {m[other] for m in measured if label_of(m) == label_of(one)}
        if one[other] == fixed or len(own) == 1:
            point = (float(one[key]), one['ms']['p50'], one['ms']['p95'])
            lines.setdefault(label_of(one), []).append(point)
    # A single point is no line, and the heavy programs would press the others to the ground.
    return {name: sorted(points) for name, points in lines.items() if len(points) > 1}


def _draw_lines(
    path: Path, lines: dict[str, list[tuple[float, float, float]]], label: str
) -> None:
    figure = Figure(figsize=(6.5, 4.5), layout='constrained')
    axes = figure.subplots()
    for name, points in lines.items():
        x, median, high = np.array(points).T
        (drawn,) = axes.plot(x, median, marker='o', ms=4, label=name)
        axes.fill_between(x, median, high, color=drawn.get_color(), alpha=0.15, lw=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label)
    axes.set_ylabel('ms per image: median, shaded to p95')
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120, format='png')


def _draw_stages(path: Path, measured: list[dict[str, Any]], size: int) -> None:
    """Draw a bar per program and number of people, at the size of comparison.

    Programs that were measured for one number of people only, the heavy ones, have an axis of
    their own.
    """
    chosen = sorted(
        (one for one in measured if one['long_side_px'] == size),
        key=lambda one: (one['people'], label_of(one)),
    )
    counts = Counter(map(label_of, chosen))
    most = max(counts.values())
    panels = [
        [one for one in chosen if counts[label_of(one)] == most],
        [one for one in chosen if counts[label_of(one)] < most],
    ]
    panels = [panel for panel in panels if panel]
    rows = [len(panel) for panel in panels]
    figure = Figure(figsize=(8.0, 1.6 + 0.34 * sum(rows) + 0.5 * len(rows)), layout='constrained')
    stages = stages_of(chosen)
    grid = figure.subplots(len(panels), squeeze=False, height_ratios=rows)
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        names = [f'K = {one["people"]}: {label_of(one)}' for one in panel]
        start = np.zeros(len(panel))
        for number, stage in enumerate(stages):
            width = np.array([one['stages_ms'].get(stage, {'p50': 0.0})['p50'] for one in panel])
            colour = _COLOURS[number % len(_COLOURS)]
            hatch = '//' if number >= len(_COLOURS) else None
            axes.barh(
                names, width, left=start, label=stage, color=colour, hatch=hatch, height=0.75
            )
            start += width
        for row, total in enumerate(start):
            axes.annotate(
                f'{total:.0f}', (total, row), (3, 0), textcoords='offset points', va='center'
            )
        axes.invert_yaxis()
        axes.margins(x=0.1)
    grid[-1, 0].set_xlabel('ms per image, medians of the stages')
    grid[0, 0].legend(frameon=False, fontsize=8, ncols=5, loc='lower left', bbox_to_anchor=(0, 1))
    figure.savefig(path, dpi=120, format='png')
