"""What camera motion compensation costs, and how exact it is: a camera that swings to and fro.

The pictures are rendered with a wide camera that stands still; a smaller image moves over them by
a known path (pan, tilt and roll), so the true map from one image to the next is known. People walk
about; the boxes of the true ones in the image before are left out, as the tracker does.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pose_tracking_ros.evaluation.compare_trackers import parse_size
from pose_tracking_ros.settings import CameraMotionSettings
from pose_tracking_ros.simulation.scenes import make_scene
from pose_tracking_ros.tracking.camera_motion import CameraMotionEstimator, largest_shift_px
from pose_tracking_ros.tracking.camera_warp import move_boxes

METHODS = ('flow', 'ecc')
_RATE_HZ = 10.0
# The rendered picture is so many times as large as the image that moves over it.
_MARGIN = 1.25
# Of the swing: share of the image's width and height, and angle, to either side; and how long one
# swing to and fro takes.
_SWING = np.array([0.06, 0.04])
_ROLL_RAD = math.radians(2.0)
_PERIODS_S = np.array([2.3, 3.1, 4.1])


@dataclass(frozen=True, eq=False)
class SwungImage:
    """One image of the swinging camera.

    Attributes:
        image: RGB.
        stamp_s: time of the image, s.
        boxes: the people in it, corners, px.
        affine: the true map from the image before to this one, px; the identity at first.
    """

    image: UInt8[np.ndarray, 'height width 3']
    stamp_s: float
    boxes: Float[np.ndarray, 'person 4']
    affine: Float[np.ndarray, '2 3']


def swung_images(count: int, size: tuple[int, int], seed: int = 0) -> Iterator[SwungImage]:
    """Yield what the swinging camera sees.

    Args:
        count: images.
        size: width and height, px.
        seed: of the scene.
    """
    wide = round(_MARGIN * size[0]), round(_MARGIN * size[1])
    scene = make_scene('crossing', seed, image_size=wide, rate_hz=_RATE_HZ)
    before = np.eye(3)
    for index in range(min(count, scene.frame_count)):
        now = np.vstack([_view(index / _RATE_HZ, wide, size), [0.0, 0.0, 1.0]])
        # OpenCV's pixels have their centres at whole numbers, the product's corners.
        half = np.array([[1.0, 0.0, -0.5], [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]])
        shown = cv2.warpAffine(scene.render(index), (half @ now @ np.linalg.inv(half))[:2], size)
        yield SwungImage(
            image=np.asarray(shown, np.uint8),
            stamp_s=index / _RATE_HZ,
            boxes=move_boxes(scene.truth(index).boxes.astype(np.float64), now[:2]),
            affine=(now @ np.linalg.inv(before))[:2] if index else np.eye(2, 3),
        )
        before = now


def _view(
    stamp_s: float, wide: tuple[int, int], size: tuple[int, int]
) -> Float[np.ndarray, '2 3']:
    """Return the map from the wide picture's pixels to those of the image at a time."""
    pan, tilt, roll = np.sin(2.0 * np.pi * stamp_s / _PERIODS_S)
    angle = _ROLL_RAD * roll
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = 0.5 * np.array(wide) + np.array([pan, tilt]) * _SWING * size
    return np.column_stack([turn, 0.5 * np.array(size) - turn @ centre])


def add_camera_motion(commands: Any) -> None:
    """Add the command `camera-motion`."""
    parser = commands.add_parser(
        'camera-motion', help='what camera motion compensation costs, and how exact it is'
    )
    parser.add_argument('--frames', type=int, default=60, help='images')
    parser.add_argument(
        '--image-size', type=parse_size, metavar='WxH', default=(1280, 720), help='px'
    )
    parser.add_argument('--json', type=Path, help='write the figures here, a picture beside it')
    parser.set_defaults(run=_run, show=_show)


def _run(options: argparse.Namespace) -> dict[str, Any]:
    if options.frames < 2:
        raise ValueError(f'camera-motion: expected at least 2 frames, got {options.frames}')
    estimators = {
        name: CameraMotionEstimator(CameraMotionSettings(camera_motion=name)) for name in METHODS
    }
    spent_s: dict[str, list[float]] = {name: [] for name in METHODS}
    errors_px: dict[str, list[float]] = {name: [] for name in METHODS}
    motion_px: list[float] = []
    boxes = np.zeros((0, 4))
    images = swung_images(options.frames, options.image_size)
    for index, now in enumerate(
        track(images, 'camera-motion', total=options.frames, transient=True)
    ):
        motion_px.append(largest_shift_px(now.affine, options.image_size))
        for name, estimator in estimators.items():
            started = time.perf_counter()
            found = estimator.estimate(now.image, now.stamp_s, boxes)
            spent_s[name].append(time.perf_counter() - started)
            if index and found.is_trusted:
                errors_px[name].append(distance_px(found.affine, now.affine, options.image_size))
        boxes = now.boxes
    report: dict[str, Any] = {
        'frames': len(motion_px),
        'image_size': 'x'.join(map(str, options.image_size)),
        'motion_px_median': float(np.median(motion_px[1:])),
    }
    for name in METHODS:
        # The first image has nothing to be compared with.
        spent_ms = 1e3 * np.array(spent_s[name][1:])
        report |= {
            f'{name}.ms_median': float(np.median(spent_ms)),
            f'{name}.ms_p95': float(np.quantile(spent_ms, 0.95)),
            f'{name}.trusted': len(errors_px[name]) / len(spent_ms),
            f'{name}.error_px_median': float(np.median(errors_px[name] or [np.nan])),
            f'{name}.error_px_p95': float(np.quantile(errors_px[name] or [np.nan], 0.95)),
        }
    if options.json:
        _draw(options.json.with_suffix('.png'), spent_s, errors_px, motion_px)
    return report


def distance_px(
    found: Float[np.ndarray, '2 3'], true: Float[np.ndarray, '2 3'], size: tuple[int, int]
) -> float:
    """Return how far apart two maps put the corner of the image on which they differ most, px."""
    width, height = size
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    return float(np.linalg.norm((found - true) @ corners, axis=0).max())


def _show(report: dict[str, Any]) -> None:
    table = Table(
        'method', 'ms, median', 'ms, 95 %', 'trusted', 'error px, median', 'error px, 95 %',
        caption=f'{report["frames"]} images of {report["image_size"]}; corners move by '
        f'{report["motion_px_median"]:.1f} px from one to the next (median)',
    )  # fmt: skip
    for name in METHODS:
        table.add_row(
            name,
            f'{report[f"{name}.ms_median"]:.1f}',
            f'{report[f"{name}.ms_p95"]:.1f}',
            f'{report[f"{name}.trusted"]:.0%}',
            f'{report[f"{name}.error_px_median"]:.2f}',
            f'{report[f"{name}.error_px_p95"]:.2f}',
        )
    Console().print(table)


def _draw(
    path: Path,
    spent_s: dict[str, list[float]],
    errors_px: dict[str, list[float]],
    motion_px: list[float],
) -> None:
    """Draw how long each image took, and how exact the maps were, sorted."""
    figure = Figure(figsize=(9.0, 3.6), layout='constrained')
    cost, error = figure.subplots(1, 2)
    for name in METHODS:
        cost.plot(1e3 * np.array(spent_s[name][1:]), lw=1, label=name)
        error.plot(np.sort(errors_px[name]), lw=2, label=name)
    error.plot(np.sort(motion_px[1:]), '0.5', lw=1, label='without compensation')
    cost.set(xlabel='image', ylabel='ms', ylim=(0, None), title='cost')
    error.set(xlabel='images, best first', ylabel='px', yscale='log', title='error at the corners')
    for axes in (cost, error):
        axes.grid(alpha=0.2)
    # Beside the plots: within, curves run everywhere.
    figure.legend(*error.get_legend_handles_labels(), loc='outside lower center', ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, format='png')
