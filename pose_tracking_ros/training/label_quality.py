"""How far labels of one origin are from a human's of the same pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from pose_tracking_ros.evaluation.judged_people import judge_people
from pose_tracking_ros.skeleton import COCO_17

# A joint is wrong when its term of OKS is less: farther off than 2.1 times k·s, with k twice the
# sigma of the joint and s the square root of the area.
WRONG_LIKENESS = 0.1


@dataclass(frozen=True)
class JointQuality:
    """One kind of joint.

    Attributes:
        judged: labelled by both.
        wrong: of these, in [0, 1]; NaN if there are none.
        median_distance: from the human's, relative to the square root of the person's area.
        missing: of those the human labelled on people who have a label, the share that this one
            leaves out, in [0, 1]; NaN if there are none.
    """

    judged: int
    wrong: float
    median_distance: float
    missing: float


@dataclass(frozen=True)
class LabelQuality:
    """Labels of several pictures beside a human's.

    Attributes:
        people: whose joints the human labelled.
        found: of these, with a label whose box overlaps by an IoU of 0.3 or more.
        joints: by name, and `all`.
    """

    people: int
    found: int
    joints: dict[str, JointQuality]


def compare_labels(content: dict[str, Any], truth: dict[str, Any]) -> LabelQuality:
    """Compare labels with a human's; pictures belong together by their `file_name`.

    Args:
        content: labels in COCO's layout.
        truth: the human's.
    """
    number_of = {image['file_name']: image['id'] for image in truth['images']}
    name_of = {image['id']: image['file_name'] for image in content['images']}
    labels = [
        {
            'image_id': number_of[name_of[person['image_id']]],
            'bbox': person['bbox'],
            'keypoints': _without_unlabelled(person['keypoints']),
            'score': 1.0,
        }
        for person in content['annotations']
        if not person.get('iscrowd', 0) and name_of[person['image_id']] in number_of
    ]
    judged = judge_people(truth, labels, min_score=0.0)
    found = [person for person in judged if person.found is not None]
    size = (len(found), len(COCO_17))
    is_true = np.array([np.isfinite(p.truth).all(1) for p in found], bool).reshape(size)
    likeness = np.array([p.likeness for p in found]).reshape(size)
    distances = np.array([p.distances for p in found]).reshape(size)
    columns = {name: [index] for index, name in enumerate(COCO_17.joints)}
    columns['all'] = list(range(len(COCO_17)))
    return LabelQuality(
        people=len(judged),
        found=len(found),
        joints={
            name: _quality(is_true[:, rows], likeness[:, rows], distances[:, rows])
            for name, rows in columns.items()
        },
    )


def table_of(quality: LabelQuality) -> Table:
    """Return the table of all joints."""
    table = Table('joint', title=f'{quality.found} of {quality.people} people have a label')
    for heading in ('by both', 'wrong', 'median distance', 'left out'):
        table.add_column(heading, justify='right')
    for name, joint in quality.joints.items():
        table.add_row(
            name,
            str(joint.judged),
            f'{joint.wrong:.1%}',
            f'{joint.median_distance:.3f}',
            f'{joint.missing:.1%}',
        )
    return table


def _without_unlabelled(keypoints: list[float]) -> list[float]:
    labels = np.array(keypoints, np.float64).reshape(-1, 3)
    labels[labels[:, 2] == 0] = np.nan
    flat: list[float] = labels.ravel().tolist()
    return flat


def _quality(is_true: np.ndarray, likeness: np.ndarray, distances: np.ndarray) -> JointQuality:
    is_judged = is_true & np.isfinite(distances)
    if not is_true.any():
        return JointQuality(0, np.nan, np.nan, np.nan)
    missing = 1.0 - float(is_judged.sum() / is_true.sum())
    if not is_judged.any():
        return JointQuality(0, np.nan, np.nan, missing)
    return JointQuality(
        judged=int(is_judged.sum()),
        wrong=float((likeness[is_judged] < WRONG_LIKENESS).mean()),
        median_distance=float(np.median(distances[is_judged])),
        missing=missing,
    )
