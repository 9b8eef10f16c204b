"""The plots of a training report, as SVG text that reads on light and on dark paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from pose_tracking_ros.viewing.svg_plots import INK, STYLE, svg_of

_COLUMNS = 3
# Points of a smoothed curve; more are not seen.
_SHOWN = 400
_SMOOTH = '#3d86c6'
_RIGHT, _OFF = '#3d86c6', '#e0861a'


def losses_plot(steps: Sequence[Mapping[str, Any]]) -> str:
    """Draw every logged quantity over the steps, as it was and smoothed.

    Args:
        steps: lines of the journal; at least one.
    """
    names = [name for name in steps[-1] if name not in ('step', 'elapsed_s')]
    rows = -(-len(names) // _COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 2.3 * rows), layout='constrained')
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
        for axes, name in zip(grid, names, strict=False):
            there = [line for line in steps if name in line]
            x = np.array([line['step'] for line in there], float)
            y = np.array([line[name] for line in there], float)
            axes.plot(x, y, color=INK, alpha=0.35, linewidth=0.6)
            axes.plot(*_smoothed(x, y), color=_SMOOTH, linewidth=1.6)
            low, high = np.percentile(y, [0.5, 99.0])
            axes.set(title=name.replace('_', ' '), ylim=(min(low, 0.0), 1.1 * high + 1e-9))
        for axes in grid[len(names) :]:
            axes.set_axis_off()
        return svg_of(figure)


def validation_plot(validations: Sequence[Mapping[str, Any]]) -> str:
    """Draw accuracy over the steps.

    Args:
        validations: lines of the journal; at least one.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.4), layout='constrained')
        axes = figure.subplots()
        for name in validations[-1]['validation']:
            x = [line['step'] for line in validations]
            y = [line['validation'].get(name, np.nan) for line in validations]
            axes.plot(x, y, marker='o', markersize=3, label=name.replace('_', ' '))
        axes.set(xlabel='step', ylabel='average precision', ylim=(0, None))
        axes.legend(ncols=2)
        return svg_of(figure)


def joints_plot(
    names: Sequence[str], right: Float[np.ndarray, 'joint'], off: Float[np.ndarray, 'joint']
) -> str:
    """Draw how often each joint is right, and how far off it is.

    Args:
        names: of the joints.
        right: share whose term of OKS is at least 0.5; NaN without labels.
        off: median distance relative to the square root of the person's area; NaN without labels.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 4.6), layout='constrained')
        left, middle = figure.subplots(1, 2, sharey=True)
        places = np.arange(len(names))
        left.barh(places, np.nan_to_num(right), color=_RIGHT)
        left.set(xlabel='share right', xlim=(0, 1))
        left.set_yticks(places, [name.replace('_', ' ') for name in names])
        left.invert_yaxis()
        middle.barh(places, np.nan_to_num(off), color=_OFF)
        middle.set(xlabel='median distance / √area')
        return svg_of(figure)


def _smoothed(
    x: Float[np.ndarray, 'step'], y: Float[np.ndarray, 'step']
) -> tuple[Float[np.ndarray, 'point'], Float[np.ndarray, 'point']]:
    """Return medians over a fiftieth of the steps around evenly spread places."""
    half = max(len(x) // 100, 1)
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), _SHOWN)).round().astype(int))
    medians = [np.median(y[max(place - half, 0) : place + half + 1]) for place in places.tolist()]
    return x[places], np.array(medians)
