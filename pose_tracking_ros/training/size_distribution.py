"""Draw the sizes of the people that train, before and after SIFP.

`python -m pose_tracking_ros.training.size_distribution CONFIG --output PNG`
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from pose_tracking_ros.training.arguments import add_data_root
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.datasets import DataError, Dataset
from pose_tracking_ros.training.mixture import open_datasets
from pose_tracking_ros.training.scale_ranges import (
    Level,
    PyramidSettings,
    ScaleTraining,
    is_trained,
    levels_of,
)

_BINS = np.geomspace(1, 1024, 61)
_TICKS = (4, 16, 64, 256)
# What is told of a distribution: the middle nine tenths.
_QUANTILES = (0.05, 0.95)


@dataclass(frozen=True, eq=False)
class LevelSizes:
    """Sizes of people (square root of the box area, px) at a level of the pyramid.

    Attributes:
        level: of the pyramid.
        trained: of those who train there.
        ignored: of the others.
    """

    level: Level
    trained: Float[np.ndarray, 'trained']
    ignored: Float[np.ndarray, 'ignored']


def boxes_at_factor_1(datasets: list[Dataset], side_px: int) -> Float[np.ndarray, 'person 4']:
    """Return all people's boxes (corners), each picture's longer side being the canvas's.

    Crops of single people are left out.

    Raises:
        DataError: there is nobody.
    """
    parts = []
    for dataset in datasets:
        for record in [] if dataset.has_crops else dataset.records:
            assert record.size is not None
            boxes = np.concatenate(
                [record.boxes[:, :2], record.boxes[:, :2] + record.boxes[:, 2:]], 1
            )
            parts.append(boxes * (side_px / max(record.size)))
    if not sum(map(len, parts)):
        raise DataError('data: expected pictures with people, found nobody')
    return np.concatenate(parts)


def sizes_by_level(
    boxes: Float[np.ndarray, 'person 4'], settings: PyramidSettings, side_px: int
) -> list[LevelSizes]:
    """Return who trains at each level of a pyramid.

    Args:
        boxes: corners at factor 1, px.
        settings: of the pyramid.
        side_px: of the canvas.
    """
    found = []
    for level in levels_of(settings):
        moved = boxes * level.factor
        sizes = np.sqrt((moved[:, 2:] - moved[:, :2]).prod(1))
        trained = is_trained(moved, level, side_px)
        found.append(LevelSizes(level, sizes[trained], sizes[~trained]))
    return found


def spread(sizes: Float[np.ndarray, 'person']) -> float:
    """Return the 95th percentile of sizes over the 5th; NaN without any."""
    if not len(sizes):
        return float('nan')
    low, high = np.quantile(sizes, _QUANTILES)
    return float(high / low)


def draw(path: Path, before: Float[np.ndarray, 'person'], after: list[LevelSizes]) -> None:
    """Draw sizes before and after, and for each level who trains and who is ignored."""
    figure = Figure(figsize=(11, 6.5), layout='constrained')
    frames: Any = figure.subfigures(2, 1)
    top, bottom = frames
    sides = top.subplots(1, 2, sharex=True)
    sides[0].hist(before, _BINS, color='0.6')
    sides[0].set_title(f'before: one scale ({len(before):,} people)')
    everybody = [sizes.trained for sizes in after]
    names = [f'{sizes.level.factor:g}' for sizes in after]
    sides[1].hist(everybody, _BINS, stacked=True, label=names)
    sides[1].set_title(f'after: {sum(map(len, everybody)):,} appearances that train')
    sides[1].legend(title='factor', frameon=False)
    for number, (axes, sizes) in enumerate(
        zip(bottom.subplots(1, len(after), sharey=True, squeeze=False)[0], after, strict=True)
    ):
        both = [sizes.trained, sizes.ignored]
        colours = [f'C{number}', '0.85']
        axes.hist(both, _BINS, stacked=True, color=colours, label=['train', 'ignored'])
        axes.legend(frameon=False, loc='upper left', fontsize='small')
        share = len(sizes.trained) / max(sum(map(len, both)), 1)
        axes.set_title(f'factor {sizes.level.factor:g}: {share:.0%} train')
        axes.set_xlabel('size at the level, px')
        sides = np.append(sides, axes)
    for axes in sides:
        axes.set_xscale('log')
        axes.set_xticks(_TICKS, [str(tick) for tick in _TICKS])
        axes.minorticks_off()
        axes.set_xlim(_BINS[0], _BINS[-1])
        axes.spines[['top', 'right']].set_visible(False)
    for axes in sides[:2]:
        axes.set_xlabel('size √(w·h), px')
        axes.set_ylabel('people')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, format='png')


def main(arguments: list[str] | None = None) -> int:
    """Draw and tell; exit 0 when done, 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.training.size_distribution', description=__doc__
    )
    parser.add_argument('config', type=Path, help='training configuration: data and pyramid')
    parser.add_argument('--output', type=Path, required=True, help='PNG')
    add_data_root(parser)
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        side_px, pyramid = config.canvas.size_px, config.canvas.pyramid
        boxes = boxes_at_factor_1(open_datasets(config.data, options.data_root), side_px)
    except (ConfigError, DataError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    table = Table('training', 'who trains', 'appearances', 'size 95 % / 5 %')
    for training in get_args(ScaleTraining):
        found = sizes_by_level(boxes, dataclasses.replace(pyramid, training=training), side_px)
        trained = np.concatenate([sizes.trained for sizes in found])
        ever = np.any(
            [is_trained(boxes * s.level.factor, s.level, side_px) for s in found], axis=0
        )
        table.add_row(
            training, f'{ever.mean():.1%}', f'{len(trained):,}', f'{spread(trained):.1f}'
        )
    Console().print(table)
    before = sizes_by_level(boxes, PyramidSettings('none'), side_px)[0].trained
    draw(options.output, before, sizes_by_level(boxes, pyramid, side_px))
    return 0


if __name__ == '__main__':
    sys.exit(main())
