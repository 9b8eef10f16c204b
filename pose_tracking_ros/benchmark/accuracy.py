"""Whether a faster engine or a lower precision finds the same people as eager torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pose_tracking_ros.benchmark.contestants import BenchmarkError
from pose_tracking_ros.benchmark.plan import Plan, Program
from pose_tracking_ros.evaluation.keypoints import (
    MIN_PERSON_SCORE,
    EvaluationError,
    KeypointReport,
    load_ground_truth,
    run_engine,
    score,
)
from pose_tracking_ros.inference.loading import load_engine
from pose_tracking_ros.settings import NetworkSettings

Measure = Callable[[Program], KeypointReport]


@dataclass(frozen=True)
class Accuracy:
    """Average precision over IoU or OKS 0.50:0.95 of COCO, each in [0, 1].

    Attributes:
        box_ap: person boxes.
        box_ap_change: against eager torch in f32; negative is worse.
        keypoint_ap: poses.
        keypoint_ap_change: likewise.
        images: evaluated.
    """

    box_ap: float
    box_ap_change: float
    keypoint_ap: float
    keypoint_ap_change: float
    images: int


class CocoFolder:
    """Measures programs on labelled pictures.

    Args:
        folder: holds `annotations.json` (COCO keypoints) and the pictures in `images`.
        plan: size, threads and device.

    Raises:
        BenchmarkError: the annotations are missing or damaged.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._images, self._plan = folder / 'images', plan
        try:
            self._truth = load_ground_truth(folder / 'annotations.json')
        except EvaluationError as error:
            raise BenchmarkError(f'--coco: {error}') from error

    def measure(self, program: Program) -> KeypointReport:
        """Return the average precision of a preset's shipped weights.

        Raises:
            BenchmarkError: a picture is missing or unreadable.
        """
        settings = NetworkSettings(
            preset=program.preset,
            engine=program.engine,
            precision=program.precision,
            device=self._plan.device,
            threads=self._plan.threads,
            image_long_side_px=self._plan.usual_size_px,
            min_person_score=MIN_PERSON_SCORE,
        )
        engine = load_engine(settings)
        try:
            results = run_engine(engine, self._truth, self._images)
        except EvaluationError as error:
            raise BenchmarkError(f'--coco: {error}') from error
        return score(self._truth, results, engine.model_id)


def compare(programs: Iterable[Program], measure: Measure) -> dict[Program, Accuracy]:
    """Return the accuracy of each program, beside that of its preset by eager torch in f32.

    Args:
        programs: of presets with shipped weights.
        measure: evaluates one; called once for each, and for what they are compared with.
    """
    reports: dict[Program, KeypointReport] = {}

    def report_of(program: Program) -> KeypointReport:
        if program not in reports:
            reports[program] = measure(program)
        return reports[program]

    found = {}
    for program in programs:
        eager = report_of(Program(program.preset, 'torch', 'f32'))
        own = report_of(program)
        found[program] = Accuracy(
            box_ap=own.box_ap,
            box_ap_change=own.box_ap - eager.box_ap,
            keypoint_ap=own.keypoint_ap,
            keypoint_ap_change=own.keypoint_ap - eager.keypoint_ap,
            images=own.images,
        )
    return found
