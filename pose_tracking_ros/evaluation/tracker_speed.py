"""What the tracker alone costs, from one person to hundreds, beside other trackers.

People walk on a grid, so that neighbours overlap a little, and everybody is found in nearly every
image. Ours runs on whole people (17 joints, 128-d looks) as in the node, and on boxes alone, which
is all that the peers get. All of one run on one machine, one after the other.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pose_tracking_ros.evaluation.mot_files import NO_CLASS, NO_ID, MotBoxes
from pose_tracking_ros.evaluation.peer_environment import run_peers
from pose_tracking_ros.evaluation.tracker_runs import DetectedSequence, run_ours
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.tracker import Tracker

_IMAGE_SIZE = (1920, 1080)
_RATE_HZ = 30.0
_DIM = 128
_MISS_SHARE = 0.02
# The first images only start tracks.
_WARM_UP = 10
# As the comparison with peers does: other programs can only make an update slower.
_REPEATS = 3


def walking_people(count: int, frames: int, seed: int = 0) -> list[People]:
    """Return images with people who walk about their places on a grid.

    Args:
        count: people, at least 1.
        frames: images.
        seed: of places, speeds, looks and misses.
    """
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(count * 16 / 9)))
    rows = int(np.ceil(count / columns))
    cell = np.array(_IMAGE_SIZE) / (columns, rows)
    number = np.arange(count)
    home = np.stack([number % columns + 0.5, number // columns + 0.5], axis=1) * cell
    # Boxes as wide as their cells: neighbours touch as they walk.
    size = np.array([1.0, 1.0]) * cell * 0.95
    phase, period_s = rng.uniform(0, 2 * np.pi, count), rng.uniform(3.0, 6.0, count)
    looks = rng.normal(size=(count, _DIM))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    places = np.stack([np.tile([0.35, 0.65], 9)[:17], np.linspace(0.05, 0.95, 17)], axis=1)
    images = []
    for index in range(frames):
        swing = 0.25 * cell[0] * np.sin(phase + 2 * np.pi * index / _RATE_HZ / period_s)
        centre = home + np.stack([swing, np.zeros(count)], axis=1)
        centre += rng.normal(0.0, 0.01, (count, 2)) * size
        low = centre - size / 2
        found = rng.random(count) >= _MISS_SHARE
        seen = looks + rng.normal(0.0, 0.3 / np.sqrt(_DIM), looks.shape)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        images.append(
            People(
                boxes=np.concatenate([low, low + size], axis=1)[found],
                scores=np.full(found.sum(), 0.9),
                keypoints=(low[:, None] + places * size)[found],
                keypoint_scores=np.full((found.sum(), len(COCO_17)), 0.8),
                embeddings=seen[found],
                image_size=_IMAGE_SIZE,
            )
        )
    return images


def time_ours(images: list[People], settings: TrackerSettings) -> Float[np.ndarray, 'image']:
    """Return the time each image's update takes, the fastest of three runs, s."""
    runs = np.zeros((_REPEATS, len(images)))
    for run in runs:
        tracker = Tracker(settings)
        for index, people in enumerate(images):
            started = time.perf_counter()
            tracker.update(people, index / _RATE_HZ)
            run[index] = time.perf_counter() - started
    fastest: Float[np.ndarray, 'image'] = runs.min(axis=0)
    return fastest


def as_sequence(images: list[People]) -> DetectedSequence:
    """Return the boxes of images, without joints and looks, as the peers get them."""
    counts = [len(people) for people in images]
    total = sum(counts)
    boxes = MotBoxes(
        frames=np.repeat(np.arange(len(images)) + 1, counts),
        ids=np.full(total, NO_ID),
        boxes=np.concatenate([people.boxes for people in images]).astype(np.float64),
        scores=np.concatenate([people.scores for people in images]).astype(np.float64),
        classes=np.full(total, NO_CLASS),
    )
    return DetectedSequence(boxes, len(images), _RATE_HZ, _IMAGE_SIZE)


def add_tracker_speed(commands: Any) -> None:
    """Add the command `tracker-speed`: what the tracker alone costs."""
    parser = commands.add_parser('tracker-speed', help='time per image of the tracker alone')
    parser.add_argument('--people', type=int, nargs='+', default=[1, 5, 20, 50, 100, 200, 500])
    parser.add_argument('--frames', type=int, default=150, help='images per count of people')
    parser.add_argument('--only', choices=('ours',), help='without the peers')
    parser.add_argument(
        '--environment',
        type=Path,
        default=Path('.cache/peers'),
        help='where the peers are installed, when first needed',
    )
    parser.add_argument('--json', type=Path, help='write the figures here, a picture beside it')
    parser.set_defaults(run=_measure, show=_show)


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    if min(options.people) < 1 or options.frames <= _WARM_UP:
        raise ValueError(
            f'tracker-speed: expected at least 1 person and more than {_WARM_UP} frames, got '
            f'{min(options.people)} and {options.frames}'
        )
    console = Console()
    report: dict[str, Any] = {'frames': options.frames}
    for count in track(options.people, description='people', transient=True, console=console):
        images = walking_people(count, options.frames)
        sequence = {'walk': as_sequence(images)}
        spent = {
            'ours': time_ours(images, TrackerSettings()),
            'ours_boxes_only': run_ours(sequence)['ours'].update_s,
        }
        if options.only != 'ours':
            # Their defaults start tracks later, which is no other work.
            peers = run_peers(sequence, options.environment, console, with_defaults=False)
            spent |= {name: run.update_s for name, run in peers.items()}
        for name, update_s in spent.items():
            report[f'{name}.{count}.ms_median'] = 1e3 * float(np.median(update_s[_WARM_UP:]))
            report[f'{name}.{count}.ms_p95'] = 1e3 * float(np.quantile(update_s[_WARM_UP:], 0.95))
    if options.json:
        _draw(options.json.with_suffix('.png'), report)
    return report


def _medians(report: dict[str, Any]) -> dict[str, dict[int, float]]:
    medians: dict[str, dict[int, float]] = {}
    for key, value in report.items():
        if key.endswith('.ms_median'):
            name, count, _ = key.split('.')
            medians.setdefault(name, {})[int(count)] = value
    return medians


def _show(report: dict[str, Any]) -> None:
    medians = _medians(report)
    counts = list(next(iter(medians.values())))
    table = Table('people', *map(str, counts), title='median ms per image')
    for column in table.columns[1:]:
        column.justify = 'right'
    for name, values in medians.items():
        table.add_row(name, *(f'{values[count]:.2f}' for count in counts))
    Console().print(table)


def _draw(path: Path, report: dict[str, Any]) -> None:
    figure = Figure(figsize=(6.5, 4.5), layout='constrained')
    axes = figure.subplots()
    for name, values in _medians(report).items():
        is_ours = name.startswith('ours')
        axes.loglog(
            list(values),
            list(values.values()),
            marker='o',
            ms=3,
            lw=2 if is_ours else 1,
            label=name,
        )
    axes.set_xlabel('people')
    axes.set_ylabel('median ms per image')
    axes.grid(which='both', alpha=0.2)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format='png')
