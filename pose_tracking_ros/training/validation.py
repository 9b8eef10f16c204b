"""How good the network is in the middle of training, on pictures it never trains on."""

from __future__ import annotations

import copy
from pathlib import Path

from pose_tracking_ros.evaluation.keypoints import (
    MIN_PERSON_SCORE,
    EvaluationError,
    load_ground_truth,
    run_engine,
    score,
)
from pose_tracking_ros.inference.loading import choose_device
from pose_tracking_ros.inference.network_engine import NetworkEngine
from pose_tracking_ros.inference.runtimes import Job, build
from pose_tracking_ros.network.backbone import fold_batch_norm
from pose_tracking_ros.network.calibration import ScoreCalibration
from pose_tracking_ros.network.model import MultiTaskNetwork
from pose_tracking_ros.network.weights import Provenance
from pose_tracking_ros.settings import NetworkSettings
from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.config import ValidationSettings
from pose_tracking_ros.training.pictures import DataError

_FIGURES = ('box_ap', 'box_ap50', 'keypoint_ap', 'keypoint_ap50', 'keypoint_ap75')


class Validator:
    """Scores networks on labelled pictures.

    Args:
        settings: which pictures, and how large they are made.
        root: folder of the data.
        preset: of the networks.

    Raises:
        DataError: the labels cannot be used.
    """

    def __init__(self, settings: ValidationSettings, root: Path, preset: str) -> None:
        self._settings = settings
        self._preset = preset
        self._images = root / settings.images
        try:
            self._truth = load_ground_truth(root / settings.annotations)
        except EvaluationError as error:
            raise DataError(f'validation: {error}') from error

    def figures(self, network: MultiTaskNetwork) -> dict[str, float]:
        """Return average precisions of a network, in [0, 1], by name; it stays as it is.

        Raises:
            DataError: a picture is missing or unreadable.
        """
        engine = engine_of(network, self._preset, self._settings.long_side_px)
        try:
            report = score(
                self._truth, run_engine(engine, self._truth, self._images), engine.model_id
            )
        except EvaluationError as error:
            raise DataError(f'validation: {error}') from error
        return {name: float(getattr(report, name)) for name in _FIGURES}


def engine_of(
    network: MultiTaskNetwork,
    preset: str,
    long_side_px: int,
    calibration: ScoreCalibration | None = None,
) -> NetworkEngine:
    """Return an engine for a copy of a network in memory.

    Args:
        network: of the preset, which may still be in training.
        preset: architecture.
        long_side_px: longer side of the pictures inside the network.
        calibration: what the raw keypoint scores are worth; None: not known.
    """
    copied = copy.deepcopy(network).eval()
    fold_batch_norm(copied)
    settings = NetworkSettings(
        preset=preset,
        engine='torch',
        image_long_side_px=long_side_px,
        min_person_score=MIN_PERSON_SCORE,
    )
    provenance = Provenance(
        preset,
        COCO_17.name,
        'in memory',
        {},
        calibration=calibration or ScoreCalibration(),
        decoding=copied.decoding,
    )
    device, _ = choose_device('auto')
    job = Job(copied, provenance, settings, device, lambda line: None)
    return NetworkEngine(copied, build('torch', job), provenance, settings)
