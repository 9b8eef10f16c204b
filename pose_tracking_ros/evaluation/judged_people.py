"""Labelled people beside what was found of them: who is missed, which joints are off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from pose_tracking_ros.skeleton import COCO_17, Skeleton
from pose_tracking_ros.tracking.similarity import pairwise_iou

# A person is found when a box overlaps at least this much: people cut off by others are often
# found with a box of another extent.
_MIN_IOU = 0.3


@dataclass(frozen=True, eq=False)
class JudgedPerson:
    """One labelled person.

    Attributes:
        image_id: picture.
        box: labelled, corners x1, y1, x2, y2, px.
        truth: labelled joints, px; NaN where there is no label.
        found: joints of the detection whose box overlaps most, px; None if there is none.
        likeness: of each joint, the term of OKS in [0, 1]; NaN without a label, 0 if missed.
        distances: from the label, relative to the square root of the person's area; NaN without a
            label or a detection.
    """

    image_id: int
    box: Float[np.ndarray, '4']
    truth: Float[np.ndarray, 'joint 2']
    found: Float[np.ndarray, 'joint 2'] | None
    likeness: Float[np.ndarray, 'joint']
    distances: Float[np.ndarray, 'joint']

    @property
    def oks(self) -> float:
        """Object keypoint similarity in [0, 1]: the mean over labelled joints; 0 if missed."""
        return float(np.nanmean(self.likeness))

    @property
    def has_joint(self) -> Bool[np.ndarray, 'joint']:
        """Which joints are labelled."""
        labelled: Bool[np.ndarray, 'joint'] = np.isfinite(self.likeness)
        return labelled


def judge_people(
    truth: dict[str, Any],
    results: Sequence[dict[str, Any]],
    min_score: float,
    skeleton: Skeleton = COCO_17,
) -> list[JudgedPerson]:
    """Return every person with labelled joints, worst first.

    Args:
        truth: content of a COCO keypoint file.
        results: COCO results with boxes, as `evaluation.keypoints.run_engine` returns them.
        min_score: people found below this are left out.
        skeleton: of both.
    """
    found: dict[int, list[dict[str, Any]]] = {}
    for result in results:
        if result['score'] >= min_score:
            found.setdefault(int(result['image_id']), []).append(result)
    judged = [
        _judged(person, found.get(int(person['image_id']), []), skeleton)
        for person in truth['annotations']
        if not person.get('iscrowd', 0) and any(person['keypoints'][2::3])
    ]
    return sorted(judged, key=lambda person: person.oks)


def _judged(
    person: dict[str, Any], results: list[dict[str, Any]], skeleton: Skeleton
) -> JudgedPerson:
    box = _corners(np.array([person['bbox']], np.float64))[0]
    labels = np.array(person['keypoints'], np.float64).reshape(-1, 3)
    is_labelled = labels[:, 2] > 0
    points = np.where(is_labelled[:, None], labels[:, :2], np.nan)
    corners = _corners(np.array([result['bbox'] for result in results]).reshape(-1, 4))
    overlaps = pairwise_iou(box[None], corners)[0]
    image_id = int(person['image_id'])
    if not (overlaps >= _MIN_IOU).any():
        likeness = np.where(is_labelled, 0.0, np.nan)
        return JudgedPerson(image_id, box, points, None, likeness, np.full(len(labels), np.nan))
    best = results[int(overlaps.argmax())]
    found = np.array(best['keypoints'], np.float64).reshape(-1, 3)[:, :2]
    squared = ((found - points) ** 2).sum(1)
    area = float(person['area'])
    likeness = skeleton.likeness(found, points, area)
    return JudgedPerson(image_id, box, points, found, likeness, np.sqrt(squared / area))


def _corners(boxes: Float[np.ndarray, 'box 4']) -> Float[np.ndarray, 'box 4']:
    """Return corners of boxes given as x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
