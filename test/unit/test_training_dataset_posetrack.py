"""PoseTrack 2018, 2021 and 2017: frames, tracks, ignored polygons, missing boxes, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dataset_files import picture, read, save_json
from posetrack_samples import NAMES

from pose_tracking_ros.skeleton import COCO_17
from pose_tracking_ros.training.datasets import DataError, Dataset

FRAME = 'images/train/000001_bonn_train/000000.jpg'


def person(**changes: Any) -> dict[str, Any]:
    keypoints = [0.0] * 51
    for name, x, y in (('nose', 30, 20), ('head_top', 30, 10), ('left_ankle', 40, 70)):
        at = 3 * NAMES.index(name)
        keypoints[at : at + 3] = [x, y, 1]
    return {
        'id': 1000010000,
        'image_id': 10000010000,
        'category_id': 1,
        'track_id': 3,
        'bbox': [20.0, 5.0, 40.0, 70.0],
        'bbox_head': [25.0, 8.0, 10.0, 14.0],
        'keypoints': keypoints,
    } | changes


def sequence(
    root: Path, people: list[dict[str, Any]], name: str = '000001_bonn_train', **frame: Any
) -> None:
    picture(root / FRAME)
    image = {
        'id': 10000010000,
        'file_name': FRAME,
        'vid_id': '000001',
        'frame_id': 10000010000,
        'is_labeled': True,
    }
    save_json(
        root / 'train' / f'{name}.json',
        {
            'images': [image | frame],
            'annotations': people,
            'categories': [{'id': 1, 'name': 'person', 'keypoints': NAMES}],
        },
    )


def opened(root: Path, **more: Any) -> Dataset:
    return read(root, 'posetrack', images='.', annotations='train', **more)


def test_joints_are_labelled_or_not_and_the_heads_ends_are_no_eyes(tmp_path: Path) -> None:
    sequence(tmp_path, [person()])
    dataset = opened(tmp_path)
    record = dataset.records[0]
    seen = {COCO_17.joints[i] for i in record.visibility[0].nonzero()[0]}
    assert seen == {'nose', 'left_ankle'}
    # PoseTrack says 1 for what COCO calls 2.
    assert set(record.visibility[0].tolist()) == {0, 2}
    assert record.joints[0, COCO_17.index('left_ankle')].tolist() == [40, 70]
    assert record.size == (100, 80)
    assert dataset.kinds.boxes
    assert dataset.kinds.identities


def test_a_joint_with_a_place_but_not_seen_is_hidden(tmp_path: Path) -> None:
    hidden = person()
    at = 3 * NAMES.index('left_wrist')
    hidden['keypoints'][at : at + 3] = [35, 40, 0]
    sequence(tmp_path, [hidden])
    record = opened(tmp_path).records[0]
    assert record.visibility[0, COCO_17.index('left_wrist')] == 1
    assert record.visibility[0, COCO_17.index('right_wrist')] == 0


def test_tracks_are_scoped_by_sequence_and_person_ids_are_not(tmp_path: Path) -> None:
    two = [person(), person(id=2, track_id=4)]
    sequence(tmp_path, two, 'a')
    sequence(tmp_path, [person()], 'b')
    dataset = opened(tmp_path)
    assert [record.identities.tolist() for record in dataset.records] == [[0, 1], [2]]
    assert dataset.identity_count == 3
    sequence(tmp_path, [person(person_id=9)], 'a')
    sequence(tmp_path, [person(person_id=9)], 'b')
    assert opened(tmp_path).identity_count == 1
    assert len(opened(tmp_path, sequences='b*').records) == 1


def test_frames_nobody_labelled_are_left_out(tmp_path: Path) -> None:
    sequence(tmp_path, [person()], 'a', is_labeled=False)
    sequence(tmp_path, [person()], 'b')
    assert len(opened(tmp_path).records) == 1
    # 2021: boxes without poses.
    sequence(tmp_path, [person()], 'a', is_labeled=False, has_labeled_person=True)
    assert len(opened(tmp_path).records) == 2


def test_ignored_polygons_become_boxes_inside_the_picture(tmp_path: Path) -> None:
    regions = {
        'ignore_regions_x': [[10, 30, 20], [90, 120, 120, 90], [5, 5]],
        'ignore_regions_y': [[10, 10, 40], [-10, -10, 20, 20], [1, 9]],
    }
    sequence(tmp_path, [person()], **regions)
    assert opened(tmp_path).records[0].ignored.tolist() == [[10, 10, 20, 30], [90, 0, 10, 20]]


def test_without_a_box_joints_and_head_make_one(tmp_path: Path) -> None:
    alone = person()
    del alone['bbox']
    sequence(tmp_path, [alone])
    # Nose, ankle and the head's box span (25, 8) to (40, 70); a tenth of 62 px around.
    expected = [25 - 6.2, 8 - 6.2, 15 + 12.4, 62 + 12.4]
    assert opened(tmp_path).records[0].boxes[0] == pytest.approx(expected)
    del alone['bbox_head']
    alone['keypoints'] = [0.0] * 51
    sequence(tmp_path, [alone])
    with pytest.raises(DataError, match=r'annotations\[0\]\.bbox: .*both are missing'):
        opened(tmp_path)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'keypoints': [0.0] * 45}, r'annotations\[0\]\.keypoints: expected 51 numbers, got 45'),
        ({'image_id': 5}, r'annotations\[0\]\.image_id: expected one of the images, got 5'),
        ({'track_id': 'x'}, r"annotations\[0\]\.track_id: expected a whole number, got 'x'"),
        ({'bbox': [200, 5, 40, 70]}, r'annotations\[0\]: box: .*inside the 100x80 picture'),
    ],
)
def test_bad_person(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    sequence(tmp_path, [person(**changes)])
    with pytest.raises(DataError, match=message) as error:
        opened(tmp_path)
    assert '000001_bonn_train.json' in str(error.value)


def test_polygons_of_unequal_lengths_and_no_files(tmp_path: Path) -> None:
    sequence(tmp_path, [], ignore_regions_x=[[1, 2]], ignore_regions_y=[[1]])
    with pytest.raises(DataError, match=r'images\[0\]\.ignore_regions_y: expected as many'):
        opened(tmp_path)
    with pytest.raises(DataError, match=r'train: expected files z\*\.json, found none'):
        opened(tmp_path, sequences='z*')


def point(key: int, x: float, y: float) -> dict[str, Any]:
    return {'id': [key], 'x': [x], 'y': [y], 'is_visible': [1]}


def old_person(points: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        'track_id': [7],
        'x1': [25],
        'y1': [8],
        'x2': [35],
        'y2': [22],
        'annopoints': [{'point': points}],
    } | changes


def old_sequence(root: Path, *frames: dict[str, Any]) -> None:
    picture(root / FRAME)
    image = {'image': [{'name': FRAME}]}
    save_json(root / 'train' / 'old.json', {'annolist': [image | frame for frame in frames]})


def test_2017_counts_its_points_by_id(tmp_path: Path) -> None:
    # Id 5 is the left ankle, 13 the nose, 12 the head's bottom.
    points = [point(5, 40, 70), point(13, 30, 20), point(12, 30, 25)]
    region = {'point': [{'x': [60], 'y': [10]}, {'x': [80], 'y': [30]}]}
    old_sequence(tmp_path, {'annorect': [old_person(points)], 'ignore_regions': [region]})
    dataset = opened(tmp_path)
    record = dataset.records[0]
    assert record.joints[0, COCO_17.index('left_ankle')].tolist() == [40, 70]
    assert record.joints[0, COCO_17.index('nose')].tolist() == [30, 20]
    assert record.visibility[0].sum() == 4
    assert record.ignored.tolist() == [[60, 10, 20, 20]]
    # Nobody drew boxes: no background is learned.
    assert not dataset.kinds.boxes
    assert record.boxes[0] == pytest.approx([18.8, 1.8, 27.4, 74.4])
    assert dataset.identity_count == 1


def test_2017_frames_without_people_are_left_out(tmp_path: Path) -> None:
    frame = {'annorect': [old_person([point(13, 30, 20)])]}
    old_sequence(tmp_path, frame, {'annorect': []}, frame | {'is_labeled': [0]})
    assert len(opened(tmp_path).records) == 1


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        (old_person([point(15, 1, 1)]), r'annopoints: unknown joint 15; expected an id from 0'),
        (old_person([point(5, float('nan'), 1)]), r'point\[0\]\.x\[0\]: expected a finite'),
        (old_person([{'id': [5], 'x': [1]}]), r'point\[0\]\.y: expected 1 number, it is missing'),
        ({'track_id': [1]}, r'annorect\[0\]\.annopoints: expected labelled joints or a head'),
        (old_person([], annopoints=[{}, {}]), r'annopoints: expected a list of one object, got 2'),
    ],
)
def test_bad_2017_person(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    old_sequence(tmp_path, {'annorect': [changed]})
    with pytest.raises(DataError, match=message) as error:
        opened(tmp_path)
    assert 'old.json: annolist[0].annorect[0].' in str(error.value)


def test_years_are_not_mixed(tmp_path: Path) -> None:
    old_sequence(tmp_path, {'annorect': [old_person([point(13, 30, 20)])]})
    sequence(tmp_path, [person()])
    with pytest.raises(DataError, match='expected files of one year'):
        opened(tmp_path)
