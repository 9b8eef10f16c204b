"""Fit what keypoint scores are worth, and write it into a checkpoint.

`python -m pose_tracking_ros.training.calibration config/training/lite.yaml --weights FILE`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from rich.progress import track
from scipy.optimize import minimize
from torchvision.ops import box_iou

from pose_tracking_ros.inference import load_engine
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.network.calibration import ScoreCalibration, logits
from pose_tracking_ros.network.weights import WeightsError, load_network, save_weights
from pose_tracking_ros.people import People
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.skeleton import AREA_SHARE, COCO_17
from pose_tracking_ros.training.arguments import add_data_root
from pose_tracking_ros.training.config import ConfigError, load_config
from pose_tracking_ros.training.mixture import open_pictures
from pose_tracking_ros.training.pictures import DataError, Labels, PictureSet

# A found person is a labelled one when the boxes overlap at least this much.
_MIN_IOU = 0.5
# A joint is where it is said to be when its part of OKS is at least this.
_MIN_LIKENESS = 0.5
_BINS = 10


def judged_joints(
    people: People, labels: Labels
) -> tuple[Float[np.ndarray, 'joint'], Bool[np.ndarray, 'joint']]:
    """Return scores of found people's joints, and whether each is right.

    A joint that is not labelled on a labelled person cannot be right: a human could not say
    where it is. People nobody labelled say nothing.

    Args:
        people: found in a picture.
        labels: of the picture, by humans.
    """
    if len(people) == 0 or len(labels.boxes) == 0:
        return np.zeros(0, np.float32), np.zeros(0, np.bool_)
    iou = box_iou(torch.from_numpy(people.boxes), torch.from_numpy(labels.boxes)).numpy()
    who = iou.argmax(axis=1)
    # The best detection of each labelled person, and only if it fits.
    is_best = iou.argmax(axis=0)[who] == np.arange(len(people))
    has_pose = (labels.keypoints[who, :, 2] > 0).any(axis=1)
    chosen = np.flatnonzero(is_best & has_pose & (iou.max(axis=1) >= _MIN_IOU))
    truth = labels.keypoints[who[chosen]]
    sides = labels.boxes[who[chosen], 2:] - labels.boxes[who[chosen], :2]
    area = AREA_SHARE * sides.prod(axis=1)
    likeness = COCO_17.likeness(people.keypoints[chosen], truth[..., :2], area)
    is_right = (likeness >= _MIN_LIKENESS) & (truth[..., 2] > 0)
    return people.keypoint_scores[chosen].ravel(), is_right.ravel()


def fit(
    scores: Float[np.ndarray, 'joint'], is_right: Bool[np.ndarray, 'joint']
) -> ScoreCalibration:
    """Return the line through the logits that makes the observations most probable.

    Raises:
        DataError: all joints are right, or none is.
    """
    if is_right.all() or not is_right.any():
        raise DataError(
            f'calibration: expected right and wrong joints, got {int(is_right.sum())} right ones '
            f'of {len(is_right)}; choose pictures with labelled people'
        )
    x, y = logits(scores), is_right.astype(np.float64)

    def loss(line: np.ndarray) -> float:
        z = np.exp(line[0]) * x + line[1]
        return float((np.logaddexp(0.0, z) - y * z).mean())

    # The slope's logarithm is free, so that the slope stays above 0.
    found = minimize(loss, np.zeros(2), method='Nelder-Mead')
    return ScoreCalibration(float(np.exp(found.x[0])), float(found.x[1]))


def calibration_error(
    scores: Float[np.ndarray, 'joint'], is_right: Bool[np.ndarray, 'joint']
) -> float:
    """Return the expected calibration error: mean gap between score and share right, ten bins."""
    if len(scores) == 0:
        return float('nan')
    which = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(scores[which == b].mean()) - float(is_right[which == b].mean()))
        * float((which == b).mean())
        for b in range(_BINS)
        if (which == b).any()
    ]
    return float(sum(gaps))


def observe(
    engine: NetworkEngine, chosen: list[tuple[PictureSet, list[int]]]
) -> tuple[Float[np.ndarray, 'joint'], Bool[np.ndarray, 'joint']]:
    """Return scores and rightness of all joints that the engine finds in some pictures."""
    parts = [
        judged_joints(engine.infer(pictures.image(index)), pictures.labels(index))
        for pictures, which in chosen
        for index in track(which, description=pictures.name, transient=True)
    ]
    if not parts:
        raise DataError('calibration: no pictures of that source; see `images[].source`')
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def draw(
    path: Path, curves: dict[str, tuple[Float[np.ndarray, 'joint'], Bool[np.ndarray, 'joint']]]
) -> None:
    """Draw the reliability diagram: the share of right joints over their score."""
    figure = Figure(figsize=(4.5, 4.5), layout='constrained')
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color='0.7', lw=1)
    for name, (scores, is_right) in curves.items():
        which = np.minimum((scores * _BINS).astype(int), _BINS - 1)
        bins = [b for b in range(_BINS) if (which == b).sum() >= 10]
        x = [scores[which == b].mean() for b in bins]
        y = [is_right[which == b].mean() for b in bins]
        error = calibration_error(scores, is_right)
        axes.plot(x, y, marker='o', ms=3, label=f'{name} (error {error:.3f})')
    axes.set_xlabel('keypoint score')
    axes.set_ylabel('share of joints that are right')
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> int:
    """Fit and write; exit 0 when done, 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog='python -m pose_tracking_ros.training.calibration', description=__doc__
    )
    parser.add_argument('config', type=Path, help='training configuration: preset and labels')
    parser.add_argument('--weights', type=Path, required=True, help='checkpoint')
    parser.add_argument('--output', type=Path, help='written here; default: the checkpoint itself')
    parser.add_argument('--source', default='coco', help='`images[].source` labelled by humans')
    add_data_root(parser)
    parser.add_argument('--plot', type=Path, help='reliability diagram, PNG')
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        network, provenance = load_network(config.preset, options.weights)
        engine = load_engine(
            NetworkSettings(preset=config.preset, weights=str(options.weights), device='cpu')
        )
        chosen = [
            (
                pictures,
                [i for i, source in enumerate(pictures.sources) if source == options.source],
            )
            for pictures in open_pictures(config.data, options.data_root)
        ]
        reported, is_right = observe(engine, chosen)
        # The engine has applied what the checkpoint says so far: take that back.
        before = provenance.calibration
        z = (logits(reported) - before.offset) / before.slope
        raw = (1.0 / (1.0 + np.exp(-z))).astype(np.float32)
        calibration = fit(raw, is_right)
    except (ConfigError, DataError, WeightsError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    after = calibration.apply(raw)
    if options.plot:
        draw(options.plot, {'raw': (raw, is_right), 'calibrated': (after, is_right)})
    save_weights(
        network,
        options.output or options.weights,
        config.preset,
        provenance.training,
        calibration=calibration,
    )
    print(
        f'{len(raw)} joints, {is_right.mean():.1%} right; '
        f'slope {calibration.slope:.3f}, offset {calibration.offset:.3f}'
    )
    errors = [calibration_error(scores, is_right) for scores in (raw, after)]
    print(f'calibration error {errors[0]:.3f} -> {errors[1]:.3f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
