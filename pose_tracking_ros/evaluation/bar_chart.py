"""Figures as bars in a PNG, the common picture of several evaluations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure


def write_bar_chart(path: Path, title: str, unit: str, bars: dict[str, dict[str, float]]) -> None:
    """Draw groups of horizontal bars, one group per name, one bar per figure.

    Args:
        path: PNG to write; its folder is made where needed.
        title: above the bars.
        unit: of all figures.
        bars: figures by name, the same ones for each name; from top to bottom.

    Raises:
        ValueError: there is nothing to draw, or names have different figures.
    """
    if not bars:
        raise ValueError('bars: expected at least one name, got none')
    names, figures = list(bars), list(next(iter(bars.values())))
    if any(list(values) != figures for values in bars.values()):
        raise ValueError(f'bars: expected the figures {figures} for each name')
    height = 0.8 / len(figures)
    figure = Figure(figsize=(9.0, 1.2 + 0.25 * len(names) * len(figures)), layout='constrained')
    axes = figure.subplots()
    for index, kind in enumerate(figures):
        values = [bars[name][kind] for name in names]
        places = np.arange(len(names)) + (index - 0.5 * (len(figures) - 1)) * height
        drawn = axes.barh(places, values, height, label=kind)
        axes.bar_label(drawn, fmt='%.1f', padding=2, fontsize=7)
    axes.set_yticks(np.arange(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.set_xlabel(unit)
    axes.set_title(title, loc='left')
    axes.legend(loc='lower right', bbox_to_anchor=(1.0, 1.0), ncols=len(figures), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format='png')
