"""How well poses of people without a detection are predicted, on rendered scenes' exact truth.

Somebody is seen for a while with noise on every joint, then no more. After a time the pose that
`tracking.pose_motion` expects is compared with the true one, both in the true box: this is about
joints, not about where the box goes. Beside it, the last pose moved and scaled along with the box.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pose_tracking_ros.simulation.scene import Scene
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.tracking.pose_motion import (
    expect_poses,
    learn_usual_poses,
    relative_poses,
)
from pose_tracking_ros.tracking.similarity import box_areas, object_keypoint_similarity

_SCENES = ('crossing', 'street', 'queue', 'group_turn')
_DURATION_S = 8.0
# Seen for so long before, and asked for at most so long after.
_SEEN_S = 1.0
_AHEAD_S = (0.1, 0.2, 0.4, 0.7, 1.0)
# One trial each so often per person.
_EVERY_S = 0.5
METHODS = ('joint by joint', 'moved with the box')


@dataclass(frozen=True, eq=False)
class _Walk:
    """One person's truth, image by image, as long as all of the body is inside the image."""

    boxes: Float[np.ndarray, 'image 4']
    keypoints: Float[np.ndarray, 'image joint 2']


def add_pose_prediction(commands: Any) -> None:
    """Add the command `pose-prediction`."""
    parser = commands.add_parser(
        'pose-prediction', help='how well the poses of unseen people are predicted'
    )
    parser.add_argument('--seeds', type=int, default=2, help='scenes per kind')
    parser.add_argument('--rate-hz', type=float, nargs='+', default=[10.0, 30.0])
    parser.add_argument(
        '--noise', type=float, nargs='+', default=[0.01, 0.03],
        help='standard deviation of seen joints, in heights of the box',
    )  # fmt: skip
    parser.add_argument('--json', type=Path, help='write the figures here, a picture beside it')
    parser.set_defaults(run=_run, show=_show)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    if options.seeds < 1 or min(options.rate_hz) <= 0 or min(options.noise) < 0:
        raise ValueError(
            'pose-prediction: expected at least one seed, rates above 0 and noise of 0 or more; '
            f'got {options.seeds}, {options.rate_hz}, {options.noise}'
        )
    plans = [
        (name, seed, rate_hz)
        for name in _SCENES
        for seed in range(options.seeds)
        for rate_hz in options.rate_hz
    ]
    found: dict[tuple[float, str, float], list[float]] = defaultdict(list)
    for name, seed, rate_hz in track(plans, description='scenes', transient=True):
        for walk in walks_of(make_scene(name, seed=seed, rate_hz=rate_hz)):
            for noise in options.noise:
                for method, ahead_s, similarity in trials(walk, rate_hz, noise, seed):
                    found[noise, method, ahead_s].append(similarity)
    report = {
        'trials': len(next(iter(found.values()), [])),
        'results': [
            {'noise': noise, 'method': method, 'ahead_s': ahead_s, 'oks': float(np.mean(values))}
            for (noise, method, ahead_s), values in sorted(found.items())
        ],
    }
    if options.json:
        _draw(options.json.with_suffix('.png'), _lines(report))
    return report


def walks_of(scene: Scene) -> list[_Walk]:
    """Return the longest unbroken stay of each person in the image."""
    width, height = scene.image_size
    stays: dict[int, list[list[tuple[np.ndarray, np.ndarray]]]] = defaultdict(lambda: [[]])
    for index in range(min(scene.frame_count, round(_DURATION_S * scene.rate_hz))):
        truth = scene.truth(index)
        inside = set()
        for row, person in enumerate(truth.person_ids.tolist()):
            x1, y1, x2, y2 = truth.boxes[row].tolist()
            if x1 > 1 and y1 > 1 and x2 < width - 1 and y2 < height - 1:
                stays[person][-1].append((truth.boxes[row], truth.keypoints[row]))
                inside.add(person)
        for person in stays.keys() - inside:
            if stays[person][-1]:
                stays[person].append([])
    longest = [max(parts, key=len) for parts in stays.values()]
    return [
        _Walk(np.array([box for box, _ in stay]), np.array([points for _, points in stay]))
        for stay in longest
        if stay
    ]


def trials(
    walk: _Walk, rate_hz: float, noise: float, seed: int
) -> Iterator[tuple[str, float, float]]:
    """Yield method, time ahead in s, and OKS of the prediction with the truth."""
    rng = np.random.default_rng(seed)
    seen, longest = round(_SEEN_S * rate_hz), round(max(_AHEAD_S) * rate_hz)
    every = max(1, round(_EVERY_S * rate_hz))
    heights = (walk.boxes[:, 3] - walk.boxes[:, 1])[:, None, None]
    shown = walk.keypoints + noise * heights * rng.normal(size=walk.keypoints.shape)
    is_sure = np.ones((1, shown.shape[1]), dtype=np.bool_)
    usual = relative_poses(shown[:1], walk.boxes[:1])
    for last in range(1, len(shown) - longest):
        usual = learn_usual_poses(usual, shown[[last]], walk.boxes[[last]], is_sure, 1.0 / rate_hz)
        if last < seen or last % every:
            continue
        for ahead_s in _AHEAD_S:
            now = last + round(ahead_s * rate_hz)
            expected = expect_poses(
                shown[[last]],
                is_sure,
                walk.boxes[[last]],
                usual,
                walk.boxes[[now]],
                np.array([ahead_s]),
            )
            moved = move_poses(shown[[last]], walk.boxes[[last]], walk.boxes[[now]])
            for method, pose in zip(METHODS, (expected, moved), strict=True):
                similarity = object_keypoint_similarity(
                    pose,
                    is_sure,
                    box_areas(walk.boxes[[now]]),
                    walk.keypoints[[now]],
                    is_sure,
                    COCO_17.sigma_array,
                )
                yield method, ahead_s, float(similarity[0])


def move_poses(
    keypoints: Float[np.ndarray, 'person joint 2'],
    from_boxes: Float[np.ndarray, 'person 4'],
    to_boxes: Float[np.ndarray, 'person 4'],
) -> Float[np.ndarray, 'person joint 2']:
    """Return poses moved and scaled as their boxes were, width and height each for itself."""
    from_sizes = np.maximum(from_boxes[:, 2:] - from_boxes[:, :2], 1.0)
    scale = ((to_boxes[:, 2:] - to_boxes[:, :2]) / from_sizes)[:, None]
    moved: Float[np.ndarray, 'person joint 2']
    moved = (keypoints - from_boxes[:, None, :2]) * scale + to_boxes[:, None, :2]
    return moved


def _lines(report: dict[str, Any]) -> dict[str, dict[float, float]]:
    """Return the mean OKS by time ahead, s, for each method and noise."""
    lines: dict[str, dict[float, float]] = defaultdict(dict)
    for result in report['results']:
        name = f'{result["method"]}, noise {100 * result["noise"]:g} %'
        lines[name][result['ahead_s']] = result['oks']
    return dict(lines)


def _show(report: dict[str, Any]) -> None:
    lines = _lines(report)
    table = Table(
        'mean OKS with the truth', *(f'{ahead_s:g} s' for ahead_s in _AHEAD_S),
        caption=f'{report["trials"]} trials each',
    )  # fmt: skip
    for name, values in lines.items():
        table.add_row(name, *(f'{values[ahead_s]:.3f}' for ahead_s in _AHEAD_S))
    Console().print(table)


def _draw(path: Path, lines: dict[str, dict[float, float]]) -> None:
    figure = Figure(figsize=(6.0, 4.2), layout='constrained')
    axes = figure.subplots()
    for name, values in lines.items():
        axes.plot(list(values), list(values.values()), marker='o', ms=4, label=name)
    axes.set(xlabel='time without a detection, s', ylabel='mean OKS with the truth', ylim=(0, 1))
    axes.grid(alpha=0.2)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format='png')
