"""Labels beside a human's: who has one, which joints are off, which are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.label_quality import compare_labels, table_of

NOSE, ANKLE, HIP = (COCO_17.index(name) for name in ('nose', 'left_ankle', 'left_hip'))


def person(x: float, image_id: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an upright person of 40x100 px, all joints in a column in the middle of the box."""
    points = np.column_stack([np.full(17, x + 20.0), np.linspace(5, 95, 17), np.full(17, 2.0)])
    labels = {'image_id': image_id, 'category_id': 1, 'bbox': [x, 0.0, 40.0, 100.0]}
    labels |= {'area': 2500.0, 'keypoints': points.ravel().tolist(), 'iscrowd': 0}
    return labels | changes


def file(*people: dict[str, Any], image_id: int = 1) -> dict[str, Any]:
    return {'images': [{'id': image_id, 'file_name': 'a.png'}], 'annotations': list(people)}


def test_same_labels_are_right_and_pictures_go_by_name() -> None:
    quality = compare_labels(file(person(0, image_id=7), image_id=7), file(person(0)))
    assert (quality.people, quality.found) == (1, 1)
    assert list(quality.joints) == [*COCO_17.joints, 'all']
    assert quality.joints['all'].judged == 17
    assert quality.joints['all'].wrong == quality.joints['all'].missing == 0.0
    assert quality.joints['all'].median_distance == 0.0


def test_wrong_missing_and_unlabelled_joints_are_told_apart() -> None:
    label, truth = person(0), person(0)
    label['keypoints'][3 * ANKLE] += 25.0
    label['keypoints'][3 * HIP : 3 * HIP + 3] = [0, 0, 0]
    truth['keypoints'][3 * NOSE : 3 * NOSE + 3] = [0, 0, 0]
    joints = compare_labels(file(label), file(truth)).joints
    assert joints['left_ankle'].wrong == 1.0
    # 25 px of the square root of 2500 px².
    assert joints['left_ankle'].median_distance == pytest.approx(0.5)
    assert (joints['left_hip'].judged, joints['left_hip'].missing) == (0, 1.0)
    assert (joints['nose'].judged, np.isnan(joints['nose'].missing)) == (0, True)
    assert joints['all'].judged == 15
    assert joints['all'].wrong == pytest.approx(1 / 15)
    assert joints['all'].missing == pytest.approx(1 / 16)


def test_people_without_a_label_regions_and_other_pictures_do_not_count_as_found() -> None:
    labels = file(person(0, iscrowd=1), person(100))
    labels['images'].append({'id': 2, 'file_name': 'b.png'})
    labels['annotations'].append(person(0, image_id=2))
    quality = compare_labels(labels, file(person(0), person(200)))
    assert (quality.people, quality.found) == (2, 0)
    assert quality.joints['all'].judged == 0
    assert 'nan' in str([*table_of(quality).columns[2].cells])
