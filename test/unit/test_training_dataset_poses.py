"""CrowdPose, COCO-WholeBody, Halpe, MPII: joints by name, visibility, boxes, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import picture, read, save_json

from pose_tracking_ros.skeleton import COCO_17, LABEL_LAYOUTS
from pose_tracking_ros.training.datasets import DataError, Dataset

BODY = COCO_17.joints[5:]


def joint(dataset: Dataset, name: str, person: int = 0) -> list[float]:
    record = dataset.records[0]
    index = COCO_17.index(name)
    return [*record.joints[person, index].tolist(), int(record.visibility[person, index])]


def labelled(dataset: Dataset, person: int = 0) -> set[str]:
    seen = dataset.records[0].visibility[person] > 0
    return {name for name, known in zip(COCO_17.joints, seen, strict=True) if known}


def flat(count: int, visibility: int = 2) -> list[float]:
    """Return joint number n at (n, n + 20)."""
    return [value for n in range(count) for value in (float(n), float(n + 20), visibility)]


def coco_layout(
    root: Path, keypoints: list[float], names: list[str] | None = None, **changes: Any
) -> None:
    picture(root / 'a.png')
    person = {'id': 1, 'image_id': 5, 'category_id': 1, 'bbox': [1, 2, 60, 70], 'iscrowd': 0}
    category = {'id': 1, 'name': 'person'} | ({'keypoints': names} if names else {})
    save_json(
        root / 'labels.json',
        {
            'images': [{'id': 5, 'file_name': 'a.png', 'width': 100, 'height': 80}],
            'annotations': [person | {'keypoints': keypoints} | changes],
            'categories': [category],
        },
    )


def opened(root: Path, layout: str) -> Dataset:
    return read(root, layout, images='.', annotations='labels.json')


@pytest.mark.parametrize('names', [None, list(LABEL_LAYOUTS['crowdpose'])])
def test_crowdpose_has_no_nose_and_its_head_is_nobodys_eye(
    tmp_path: Path, names: list[str] | None
) -> None:
    coco_layout(tmp_path, flat(14), names)
    dataset = opened(tmp_path, 'crowdpose')
    assert labelled(dataset) == set(BODY)
    # CrowdPose's order: left shoulder first, right ankle last before head and neck.
    assert joint(dataset, 'left_shoulder') == [0, 20, 2]
    assert joint(dataset, 'right_ankle') == [11, 31, 2]
    assert joint(dataset, 'nose')[2] == 0
    assert (dataset.kinds.boxes, dataset.kinds.joints, dataset.kinds.identities) == (
        True,
        True,
        False,
    )


def test_crowdpose_boxes_end_at_the_border_but_must_be_inside(tmp_path: Path) -> None:
    coco_layout(tmp_path, flat(14), bbox=[-10, 10, 50, 100])
    assert opened(tmp_path, 'crowdpose').records[0].boxes.tolist() == [[0, 10, 40, 70]]
    coco_layout(tmp_path, flat(14), bbox=[100, 10, 50, 100])
    with pytest.raises(DataError, match=r'annotations\[0\]\.bbox: .*inside the 100x80 picture'):
        opened(tmp_path, 'crowdpose')


def test_crowdpose_with_the_wrong_length_or_joint(tmp_path: Path) -> None:
    coco_layout(tmp_path, flat(17))
    with pytest.raises(DataError, match=r'\[0\]\.keypoints: expected 42 numbers, got 51'):
        opened(tmp_path, 'crowdpose')
    coco_layout(tmp_path, flat(14), [*LABEL_LAYOUTS['crowdpose'][:-1], 'tail'])
    with pytest.raises(DataError, match=r"keypoints\[13\]: unknown joint 'tail'"):
        opened(tmp_path, 'crowdpose')


@pytest.mark.parametrize('count', [17, 23, 133])
def test_coco_wholebody_uses_the_body(tmp_path: Path, count: int) -> None:
    coco_layout(tmp_path, flat(count), list(COCO_17.joints), face_kpts=flat(68))
    dataset = opened(tmp_path, 'coco_wholebody')
    assert labelled(dataset) == set(COCO_17.joints)
    assert joint(dataset, 'right_ankle') == [16, 36, 2]


def test_coco_wholebody_of_another_length(tmp_path: Path) -> None:
    coco_layout(tmp_path, flat(100))
    with pytest.raises(DataError, match=r'keypoints: expected 51 or 69 or 399 numbers, got 300'):
        opened(tmp_path, 'coco_wholebody')


# As Halpe's page spells them.
HALPE_NAMES = [
    'Nose', 'LEye', 'REye', 'LEar', 'REar', 'LShoulder', 'RShoulder', 'LElbow', 'RElbow', 'LWrist',
    'RWrist', 'LHip', 'RHip', 'LKnee', 'Rknee', 'LAnkle', 'RAnkle', 'Head', 'Neck', 'Hip',
    'LBigToe', 'RBigToe', 'LSmallToe', 'RSmallToe', 'LHeel', 'RHeel',
]  # fmt: skip


@pytest.mark.parametrize('count', [26, 136])
@pytest.mark.parametrize('names', [None, HALPE_NAMES, [*HALPE_NAMES, *map(str, range(110))]])
def test_halpe_in_its_own_spelling(tmp_path: Path, count: int, names: list[str] | None) -> None:
    coco_layout(tmp_path, flat(count, visibility=1), names)
    dataset = opened(tmp_path, 'halpe')
    assert labelled(dataset) == set(COCO_17.joints)
    assert joint(dataset, 'right_knee') == [14, 34, 1]


def test_halpe_in_another_order_goes_by_name(tmp_path: Path) -> None:
    names = [HALPE_NAMES[14], *HALPE_NAMES[:14], *HALPE_NAMES[15:]]
    coco_layout(tmp_path, flat(26), names)
    dataset = opened(tmp_path, 'halpe')
    assert joint(dataset, 'right_knee') == [0, 20, 2]
    assert joint(dataset, 'nose') == [1, 21, 2]
    coco_layout(tmp_path, flat(26), [*HALPE_NAMES[:-1], 'LHorn'])
    with pytest.raises(DataError, match=r"keypoints\[25\]: unknown joint 'LHorn'"):
        opened(tmp_path, 'halpe')


def mpii_person(**changes: Any) -> dict[str, Any]:
    """Return a person whose joint number n is at (n + 10, n + 20), counted from 1."""
    return {
        'image': 'a.png',
        'joints': [[n + 11, n + 21] for n in range(16)],
        'joints_vis': [1] * 16,
        'center': [40.0, 40.0],
        'scale': 0.2,
    } | changes


def mpii(root: Path, people: list[dict[str, Any]]) -> Dataset:
    picture(root / 'images' / 'a.png')
    save_json(root / 'mpii_train.json', people)
    return read(root, 'mpii', images='images', annotations='mpii_train.json')


def test_mpii_joints_count_from_zero_and_lack_the_face(tmp_path: Path) -> None:
    visible = [1] * 16
    visible[0] = 0
    dataset = mpii(tmp_path, [mpii_person(joints_vis=visible)])
    # MPII's order: right ankle, knee, hip; left hip, knee, ankle; ...; left wrist last.
    assert joint(dataset, 'right_ankle')[2] == 0
    assert joint(dataset, 'right_knee') == [11, 21, 2]
    assert joint(dataset, 'left_ankle') == [15, 25, 2]
    assert joint(dataset, 'left_wrist') == [25, 35, 2]
    assert labelled(dataset) == set(BODY) - {'right_ankle'}
    # People without labels may be in the picture.
    assert not dataset.kinds.boxes
    # About the labelled joints, (11, 21) to (25, 35), and a tenth of 14 px.
    assert dataset.records[0].boxes[0] == pytest.approx([9.6, 19.6, 16.8, 16.8])


def test_mpii_people_of_one_picture_are_one_record(tmp_path: Path) -> None:
    hardly = mpii_person(joints_vis=[1, 1] + [0] * 14)
    dataset = mpii(tmp_path, [mpii_person(), hardly, mpii_person()])
    assert len(dataset.records) == 1
    assert len(dataset.records[0].boxes) == 2
    # Two joints make no box: 0.2 * 200 px about the centre, which counts from 1, is ignored.
    assert dataset.records[0].ignored.tolist() == [[19, 19, 40, 40]]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'joints': [[1, 2]] * 15}, r'\[1\]\.joints: expected 16 positions, got 15'),
        ({'joints': [[1, 2, 3]] * 16}, r'\[1\]\.joints\[0\]: expected 2 numbers, got 3'),
        ({'joints': [[1, float('nan')]] * 16}, r'joints\[0\]\[1\]: expected a finite number'),
        ({'joints_vis': [1] * 15}, r'\[1\]\.joints_vis: expected 16 numbers, got 15'),
        ({'joints_vis': [2] * 16}, r'\[1\]\.joints_vis\[0\]: expected 0 or 1, got 2'),
        ({'joints_vis': [0] * 16, 'scale': -1.0}, r'\[1\]\.scale: expected a number above 0'),
        ({'joints_vis': [0] * 16, 'center': [1]}, r'\[1\]\.center: expected 2 numbers, got 1'),
        ({'image': 'b.png'}, r'\[1\]\.image: expected a picture, there is no file .*b\.png'),
        ({'image': None}, r'\[1\]\.image: expected a text, it is missing'),
        ({'joints': [[n + 500, 20] for n in range(16)]}, r'\[1\]: box: .*inside the 100x80'),
    ],
)
def test_bad_mpii_person(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        mpii(tmp_path, [mpii_person(), mpii_person(**changes)])
    assert 'mpii_train.json' in str(error.value)


def test_mpii_that_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='expected a list of people, got dict'):
        mpii(tmp_path, {})  # type: ignore[arg-type]


def test_layouts_name_every_joint_once() -> None:
    counts = {name: len(joints) for name, joints in LABEL_LAYOUTS.items()}
    assert counts == {
        'coco': 17,
        'crowdpose': 14,
        'halpe': 26,
        'coco_wholebody': 23,
        'mpii': 16,
        'posetrack': 17,
        'posetrack_2017': 15,
    }
    for joints in LABEL_LAYOUTS.values():
        assert len(set(joints)) == len(joints)
    # As HRNet's MPII loader names them.
    assert LABEL_LAYOUTS['mpii'][6:10] == ('pelvis', 'thorax', 'upper_neck', 'head_top')
    assert np.all(COCO_17.order_from(LABEL_LAYOUTS['coco']) == np.arange(17))
