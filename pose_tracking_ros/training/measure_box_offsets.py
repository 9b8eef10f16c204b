"""Measure where a network's boxes lie relative to the labelled ones, for `objective.box_offsets`.

`python -m pose_tracking_ros.training.measure_box_offsets CONFIG --output JSON`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.progress import track

from pose_tracking_ros.network.weights import WeightsError, load_network, shipped_weights
from pose_tracking_ros.training.arguments import add_data_root
from pose_tracking_ros.training.box_offsets import BoxOffsets
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.datasets import DataError
from pose_tracking_ros.training.mixture import open_pictures
from pose_tracking_ros.training.validation import engine_of

# Beyond, a file only grows.
_MAX_SAMPLES = 2000


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; exit 0 when done, 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.training.measure_box_offsets', description=__doc__
    )
    parser.add_argument('config', type=Path, help='training configuration: preset and pictures')
    parser.add_argument('--output', type=Path, required=True, help='JSON')
    parser.add_argument('--weights', type=Path, help='checkpoint; default: the shipped one')
    parser.add_argument('--source', default='coco', help='`images[].source` with human boxes')
    parser.add_argument(
        '--pictures', type=int, default=400, help='at most so many, the first ones'
    )
    add_data_root(parser)
    options = parser.parse_args(arguments)
    try:
        offsets = _measured(options)
    except (ConfigError, DataError, WeightsError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    offsets.save(options.output)
    for axis, sides in (('x', offsets.x), ('y', offsets.y)):
        middle, spread = sides.mean(axis=0), sides.std(axis=0)
        print(
            f'{axis}: {middle[0]:+.3f} ± {spread[0]:.3f} and {middle[1]:+.3f} ± {spread[1]:.3f} '
            f'({len(sides)} boxes)'
        )
    return 0


def _measured(options: argparse.Namespace) -> BoxOffsets:
    config = load_config(options.config)
    weights = options.weights or shipped_weights(config.preset)
    network, _ = load_network(config.preset, weights)
    engine = engine_of(network, config.preset, config.validation.long_side_px)
    chosen = [
        (pictures, index)
        for pictures in open_pictures(config.data, options.data_root)
        if pictures.kinds.boxes
        for index, source in enumerate(pictures.sources)
        if source == options.source
    ][: options.pictures]
    found = []
    for pictures, index in track(chosen, description='pictures', transient=True):
        boxes = engine.infer(pictures.image(index)).boxes
        offsets = BoxOffsets.between(boxes, pictures.labels(index).boxes)
        if offsets is not None:
            found.append(offsets)
    if not found:
        raise DataError(
            f'box offsets: nobody was found in {len(chosen)} pictures of source '
            f'{options.source!r}; name another --source or other --weights'
        )
    x, y = (np.concatenate([getattr(one, axis) for one in found]) for axis in ('x', 'y'))
    return BoxOffsets(x[:_MAX_SAMPLES], y[:_MAX_SAMPLES])


if __name__ == '__main__':
    sys.exit(main())
