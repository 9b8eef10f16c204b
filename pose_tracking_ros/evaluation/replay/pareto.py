"""Accuracy against time: which configurations no other one beats in both, and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from pose_tracking_ros.evaluation.replay.bootstrap import Estimate

_FRONT, _OTHERS = '#1f6fb4', '#8a919a'


@dataclass(frozen=True)
class Point:
    """A configuration in the picture.

    Attributes:
        name: of the configuration.
        time_ms: less is better.
        accuracy: more is better, %, with its interval where there is one.
    """

    name: str
    time_ms: float
    accuracy: Estimate


def pareto_front(
    costs: Float[np.ndarray, 'choice'], worths: Float[np.ndarray, 'choice']
) -> Int[np.ndarray, 'front']:
    """Return the choices than which no other is better in one respect and as good in the other.

    Equal choices are all part of it. The cheapest comes first; without choices there is none.

    Args:
        costs: less is better.
        worths: more is better.
    """
    as_good = (costs[None] <= costs[:, None]) & (worths[None] >= worths[:, None])
    better = (costs[None] < costs[:, None]) | (worths[None] > worths[:, None])
    front = np.flatnonzero(~(as_good & better).any(axis=1))
    return front[np.lexsort((front, worths[front], costs[front]))]


def front_of(points: Sequence[Point]) -> list[Point]:
    """Return the points of the front whose accuracy is known, from the fastest on."""
    known = [point for point in points if point.accuracy.value is not None]
    costs = np.array([point.time_ms for point in known])
    worths = np.array([point.accuracy.value for point in known], np.float64)
    return [known[place] for place in pareto_front(costs, worths).tolist()]


def write_pareto_plot(path: Path, points: Sequence[Point], time: str, accuracy: str) -> None:
    """Draw accuracy against time as PNG, with intervals, the front as a line.

    Args:
        path: PNG to write; its folder is made where needed.
        points: at least one with a known accuracy.
        time: what the time is.
        accuracy: what the accuracy is.

    Raises:
        ValueError: no accuracy is known.
    """
    front = front_of(points)
    if not front:
        raise ValueError('points: expected at least one with a known accuracy, got none')
    figure = Figure(figsize=(8.0, 5.0), layout='constrained')
    axes = figure.subplots()
    times_ms = [point.time_ms for point in front]
    values = [point.accuracy.value or 0.0 for point in front]
    # What is reached within a time: it stays until the next better one.
    axes.step(times_ms, values, where='post', color=_FRONT, lw=1.2, alpha=0.6, zorder=1)
    longest_ms = max(point.time_ms for point in points)
    for point in points:
        value, low, high = point.accuracy.value, point.accuracy.low, point.accuracy.high
        if value is None:
            continue
        colour = _FRONT if point in front else _OTHERS
        if low is not None and high is not None:
            axes.vlines(point.time_ms, low, high, color=colour, lw=1.2, alpha=0.7, zorder=2)
        axes.plot(point.time_ms, value, 'o', color=colour, ms=7, zorder=3)
        # Towards the middle, so that long names stay inside.
        is_right = point.time_ms > 0.5 * longest_ms
        axes.annotate(
            point.name,
            (point.time_ms, value),
            (-7 if is_right else 7, 5),
            textcoords='offset points',
            ha='right' if is_right else 'left',
            fontsize=9,
        )
    axes.margins(y=0.12)
    axes.set_xlim(0.0, 1.1 * longest_ms or 1.0)
    axes.grid(visible=True, alpha=0.3)
    axes.set_xlabel(f'{time}, ms')
    axes.set_ylabel(f'{accuracy}, %')
    axes.set_title(
        'Blue: no other is faster and as accurate. Bars: 95 % intervals.', loc='left', fontsize=10
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format='png')
