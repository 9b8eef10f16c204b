"""The command `posetrack`: score PoseTrack files, print a table, draw bars per joint."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pose_tracking_ros.evaluation.posetrack_files import load_sequences
from pose_tracking_ros.evaluation.posetrack_metrics import CORRECTED, MODES, score_posetrack

_PERCENTAGES = {
    'ap': 'AP',
    'mota': 'MOTA',
    'motp': 'MOTP',
    'precision': 'Prec',
    'recall': 'Rec',
}
_COUNTS = {
    'objects': 'joints',
    'misses': 'missed',
    'false_positives': 'false',
    'switches': 'IDsw',
}


def add_posetrack(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser('posetrack', help='AP and MOTA per joint on PoseTrack files')
    parser.add_argument(
        '--ground-truth', type=Path, required=True, help='PoseTrack 2018/2021 JSON, or a folder'
    )
    parser.add_argument(
        '--results', type=Path, required=True, help='likewise; files of the same names'
    )
    parser.add_argument(
        '--mode',
        choices=MODES,
        default=CORRECTED,
        help="poseval-compatible: the official tool's figures, with its errors",
    )
    parser.add_argument('--json', type=Path, help='write the figures here')
    parser.add_argument(
        '--picture', type=Path, help='write the bars here; default: beside the JSON, as PNG'
    )
    parser.set_defaults(run=_run, show=show_table)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    sequences = load_sequences(options.ground_truth, options.results)
    report = score_posetrack(sequences, options.mode).as_json()
    picture = options.picture or (options.json and options.json.with_suffix('.png'))
    if picture:
        draw_bars(report, picture)
    return report


def show_table(report: dict[str, Any]) -> None:
    """Print one row per joint and one for all."""
    table = Table(
        title=f'PoseTrack, {report["mode"]}: {report["sequences"]} sequences, '
        f'{report["frames"]} frames',
        # Ten columns in the 80 characters of a terminal.
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column('joint', no_wrap=True)
    for title in (*_PERCENTAGES.values(), *_COUNTS.values()):
        table.add_column(title, justify='right')
    for name, figures in report['joints'].items():
        table.add_row(name, *_cells(figures))
    table.add_section()
    table.add_row('mean / sum', *_cells(report['total']))
    Console().print(table)


def _cells(figures: dict[str, Any]) -> list[str]:
    percentages = ['-' if figures[n] is None else f'{figures[n]:.1f}' for n in _PERCENTAGES]
    return percentages + [str(figures[name]) for name in _COUNTS]


def draw_bars(report: dict[str, Any], path: Path) -> None:
    """Write a picture with one row of bars per figure; undefined figures have no bar.

    A negative MOTA (more errors than joints) hangs below its axis, cut at -100.
    """
    names = list(report['joints'])
    figure = Figure(figsize=(10, 10), layout='constrained')
    figure.suptitle(f'PoseTrack, {report["mode"]}')
    axes = figure.subplots(len(_PERCENTAGES), 1, sharex=True)
    for axis, (key, title) in zip(axes, _PERCENTAGES.items(), strict=True):
        values = [report['joints'][name][key] for name in names]
        heights = np.array([np.nan if value is None else value for value in values], np.float64)
        bars = axis.bar(names, heights, color='#4c78a8')
        labels = ['' if value is None else f'{value:.0f}' for value in values]
        axis.bar_label(bars, labels=labels, fontsize=8)
        total = report['total'][key]
        if total is not None:
            axis.axhline(total, color='#e45756', linewidth=1, zorder=0)
        mean = 'undefined' if total is None else f'{total:.1f}'
        axis.set_title(f'mean {mean}', loc='right', fontsize=9, color='#e45756')
        axis.set_ylabel(f'{title}, %')
        lowest = np.nanmin(heights, initial=0.0)
        axis.set_ylim(max(1.3 * lowest, -100.0) if lowest < 0.0 else 0.0, 118.0)
        axis.spines[['top', 'right']].set_visible(False)
    axes[-1].tick_params(axis='x', labelrotation=45)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
