"""Fit pose NMS to a network: the parameters under which its keypoint AP is best.

AlphaPose (arXiv 2211.03375, §3.4) fixes two of the four parameters and searches the other two, in
turns, until nothing improves. Here each search looks at the neighbours in a grid of ratios around
the best so far, first a wide one, then finer ones; the parameters are scales, so ratios suit them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pose_tracking_ros.evaluation.keypoints import (
    EvaluationError,
    average_precisions,
    results_from_people,
)
from pose_tracking_ros.people import People
from pose_tracking_ros.tracking.pose_nms import apply_parametric_nms
from pose_tracking_ros.tracking.pose_similarity import RELEASED_CODE, ParametricPoseNms

_PAIRS = (('distance_weight', 'min_similarity'), ('score_scale', 'distance_scale'))
_RATIOS = (4.0, 2.0, 2.0**0.5)
# Where the search starts. The paper gives no figures: half of what 17 sure and equal joints reach,
# with joints a tenth of the box (10 px) apart counting 1/e. The released code's are its own.
STARTS = {
    'paper': ParametricPoseNms('paper', 0.3, 100.0, 1.0, 17.0),
    'scaled': ParametricPoseNms('scaled', 0.3, 1.0, 1.0, 17.0),
    'released': RELEASED_CODE,
}


@dataclass(frozen=True)
class PoseNmsFit:
    """The outcome of a fit. AP is COCO's keypoint AP in [0, 1], on the pictures it was fitted to.

    Attributes:
        parameters: the best found.
        ap: with them.
        start_ap: with those of the start.
        plain_ap: without pose NMS.
        images: fitted to.
        poses: found in them, before pose NMS.
        kept: after it, with the best parameters.
        tried: all sets of parameters that were tried, and the AP of each.
    """

    parameters: ParametricPoseNms
    ap: float
    start_ap: float
    plain_ap: float
    images: int
    poses: int
    kept: int
    tried: tuple[tuple[ParametricPoseNms, float], ...] = field(repr=False)


def fit_pose_nms(
    found: Mapping[int, People], truth: dict[str, Any], start: ParametricPoseNms
) -> PoseNmsFit:
    """Search the parameters of highest keypoint AP.

    The search is deterministic and stays with what it has unless something is really better, so
    without any duplicates the result is the start.

    Args:
        found: people by image id, duplicates included: found with a loose box NMS.
        truth: content of a COCO keypoint file, checked.
        start: form and first parameters.

    Raises:
        EvaluationError: nobody was found, or in an image that the truth lacks.
    """
    known = {int(record['id']) for record in truth['images']}
    if not set(found) <= known:
        raise EvaluationError(
            f'expected images of the ground truth, got {sorted(set(found) - known)[0]}'
        )
    poses = sum(len(people) for people in found.values())
    if not poses:
        raise EvaluationError('expected people to fit pose NMS to, nobody was found')
    tried: dict[ParametricPoseNms, float] = {}

    def ap_of(parameters: ParametricPoseNms) -> float:
        if parameters not in tried:
            kept = {i: apply_parametric_nms(people, parameters) for i, people in found.items()}
            tried[parameters] = keypoint_ap(kept, truth)
        return tried[parameters]

    best = start
    for ratio in _RATIOS:
        best = _search(best, ratio, ap_of)
    return PoseNmsFit(
        parameters=best,
        ap=tried[best],
        start_ap=tried[start],
        plain_ap=keypoint_ap(found, truth),
        images=len(found),
        poses=poses,
        kept=sum(len(apply_parametric_nms(people, best)) for people in found.values()),
        tried=tuple(tried.items()),
    )


def keypoint_ap(found: Mapping[int, People], truth: dict[str, Any]) -> float:
    """Return COCO's keypoint AP of people by image id, [0, 1]."""
    category = int(truth['categories'][0]['id'])
    results = [
        result
        for image_id, people in found.items()
        for result in results_from_people(people, image_id, category)
    ]
    return average_precisions(truth, results, 'keypoints', 'pose_score')['ap']


def _search(
    start: ParametricPoseNms, ratio: float, ap_of: Callable[[ParametricPoseNms], float]
) -> ParametricPoseNms:
    """Move two parameters at a time by a ratio, until no move of either pair helps."""
    best = centre = start
    is_moving = True
    while is_moving:
        is_moving = False
        for first, second in _PAIRS:
            for factors in itertools.product((1.0 / ratio, 1.0, ratio), repeat=2):
                moved = dataclasses.replace(
                    centre,
                    **{
                        first: getattr(centre, first) * factors[0],
                        second: getattr(centre, second) * factors[1],
                    },
                )
                if ap_of(moved) > ap_of(best):
                    best, is_moving = moved, True
            centre = best
    return best
