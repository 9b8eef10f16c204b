"""Pictures of detection, pose NMS and re-identification accuracy, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pose_tracking_ros.evaluation.pose_nms_fit import PoseNmsFit

_POSE_NMS_PARAMETERS = ('score_scale', 'distance_scale', 'distance_weight', 'min_similarity')


def draw_precision_curves(
    path: Path, title: str, curves: Mapping[str, Mapping[str, Sequence[float]]]
) -> None:
    """Draw precision over recall, one plot per kind of result.

    Args:
        path: PNG to write; its folder is made where needed.
        title: above the plots.
        curves: per kind, per threshold, precision at evenly spaced recalls from 0 to 1; the area
            under a curve is its average precision.
    """
    figure = Figure(figsize=(4.5 * len(curves), 4.2), layout='constrained')
    for axes, (kind, lines) in zip(
        np.atleast_1d(figure.subplots(1, len(curves), sharey=True)), curves.items(), strict=True
    ):
        for threshold, precision in lines.items():
            recall = np.linspace(0.0, 1.0, len(precision))
            area = float(np.mean(precision)) if len(precision) else 0.0
            axes.plot(recall, precision, label=f'{threshold}: {area:.3f}')
        axes.set(title=kind, xlabel='recall', xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(alpha=0.2)
        if lines:
            axes.legend(title='threshold: AP', loc='upper right', frameon=False)
    figure.axes[0].set_ylabel('precision')
    figure.suptitle(title)
    _save(figure, path)


def draw_matching_curve(path: Path, title: str, shares: Sequence[float]) -> None:
    """Draw the cumulative matching characteristic of re-identification.

    Args:
        path: PNG to write; its folder is made where needed.
        title: above the plot.
        shares: of the queries whose first right answer is among the first 1, 2, ... crops.
    """
    figure = Figure(figsize=(5.5, 4.2), layout='constrained')
    axes = figure.subplots()
    axes.plot(np.arange(1, len(shares) + 1), shares, marker='o', ms=3)
    axes.annotate(f'{shares[0]:.3f}', (1, shares[0]), (6, -12), textcoords='offset points')
    axes.set(title=title, xlabel='rank', ylabel='share of queries found', ylim=(0, 1.02))
    axes.grid(alpha=0.2)
    _save(figure, path)


def draw_pose_nms_fit(path: Path, title: str, fit: PoseNmsFit) -> None:
    """Draw the AP of every trial over each parameter, the best, and the AP without pose NMS.

    Args:
        path: PNG to write; its folder is made where needed.
        title: above the plots.
        fit: the outcome of a fit.
    """
    figure = Figure(figsize=(11.0, 3.4), layout='constrained')
    every = figure.subplots(1, len(_POSE_NMS_PARAMETERS), sharey=True)
    precisions = [precision for _, precision in fit.tried]
    for axes, name in zip(every, _POSE_NMS_PARAMETERS, strict=True):
        values = [getattr(parameters, name) for parameters, _ in fit.tried]
        best = getattr(fit.parameters, name)
        axes.plot(values, precisions, 'o', ms=3, alpha=0.4)
        axes.plot([best], [fit.ap], '*', ms=11, color='#e45756', label=f'best: {fit.ap:.3f}')
        axes.axhline(fit.plain_ap, color='0.4', lw=1, label=f'without: {fit.plain_ap:.3f}')
        axes.set(xscale='log', xlabel=name, title=f'{best:.3g}')
        axes.grid(alpha=0.2)
    every[0].set_ylabel('keypoint AP')
    every[0].legend(frameon=False)
    figure.suptitle(f'{title}, {fit.parameters.form}: {len(fit.tried)} trials')
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format='png')
