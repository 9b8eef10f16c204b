"""Ground truth from files in the formats of COCO, PoseTrack and MOT."""

import json

import numpy as np
import pytest
from tiny_bags import (
    HEIGHT,
    PERIOD_NS,
    TOPIC,
    WIDTH,
    image_entries,
    stamp_ns,
    write_bag,
)

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.ground_truth import (
    load_ground_truth,
    match_truth,
    truth_from_file,
)
from pose_tracking_ros.evaluation.replay.truth_people import REGION_ID
from pose_tracking_ros.recordings.bag_reader import BagReader
from pose_tracking_ros.skeleton import COCO_17, POSETRACK_15

STAMPS = [stamp_ns(i) for i in range(6)]


@pytest.fixture
def bag(tmp_path):
    with BagReader(write_bag(tmp_path / 'bag', image_entries(6))) as reader:
        yield reader


def coco(images=6, **changes):
    """Return a COCO file of one person who walks right: a joint seen, one hidden, one unknown."""
    flat = [10.0, 20.0, 2, 11.0, 21.0, 1, 12.0, 22.0, 0] + [0, 0, 0] * 14
    content = {
        'images': [{'id': i, 'width': WIDTH, 'height': HEIGHT} for i in range(1, images + 1)],
        'annotations': [
            {
                'id': i,
                'image_id': i,
                'category_id': 1,
                'track_id': 5,
                'bbox': [i, 2.0, 10.0, 20.0],
                'keypoints': flat,
                'iscrowd': 0,
            }
            for i in range(1, images + 1)
        ],
        'categories': [{'id': 1, 'name': 'person', 'keypoints': list(COCO_17.joints)}],
    }
    return content | changes


def save(tmp_path, content, name='truth.json'):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def load(tmp_path, content, stamps=STAMPS, name='truth.json'):
    return truth_from_file(save(tmp_path, content, name), stamps)


class TestCoco:
    def test_boxes_joints_and_identities(self, tmp_path, bag):
        truth = load_ground_truth(str(save(tmp_path, coco())), bag)
        assert truth.has_keypoints
        assert [one.stamp_ns for one in truth.frames] == STAMPS
        for number, one in enumerate(truth.frames, start=1):
            assert one.person_ids.tolist() == [5]
            assert one.boxes.tolist() == [[number, 2, number + 10, 22]]
            # COCO names the centre of a pixel by whole numbers.
            assert one.keypoints[0, :2].tolist() == [[10.5, 20.5], [11.5, 21.5]]
            assert np.isnan(one.keypoints[0, 2:]).all()
            assert one.keypoint_visible[0].tolist() == [True] + [False] * 16
            assert not one.is_ignored.any()

    def test_images_without_people_are_labelled_all_the_same(self, tmp_path):
        content = coco()
        del content['annotations'][2]
        truth = load(tmp_path, content)
        assert [len(one) for one in truth.frames] == [1, 1, 0, 1, 1, 1]
        assert truth.frames[2].boxes.shape == (0, 4)
        assert truth.frames[2].keypoints.shape == (0, 17, 2)

    @pytest.mark.parametrize(
        ('field', 'values', 'expected'),
        [
            ('stamp_ns', STAMPS[::-1], STAMPS[::-1]),
            # Doubles hold about 200 ns here.
            ('timestamp', [s * 1e-9 for s in STAMPS], STAMPS),
            ('timestamp', STAMPS, STAMPS),
            ('timestamp', [1.5, 2, 3, 4, 5, 6], [15 * 10**8, *(s * 10**9 for s in range(2, 7))]),
            ('frame_id', [2, 1, 3, 4, 5, 6], [STAMPS[i] for i in (1, 0, 2, 3, 4, 5)]),
            ('frame_id', [0, 1, 2, 3, 4, 5], STAMPS),
            # PoseTrack begins anywhere: then the order counts.
            ('frame_id', [100, 102, 101, 103, 104, 105], [STAMPS[i] for i in (0, 2, 1, 3, 4, 5)]),
        ],
    )  # fmt: skip
    def test_images_are_found_by_what_they_have(self, tmp_path, field, values, expected):
        content = coco()
        for image, value in zip(content['images'], values, strict=True):
            image[field] = value
        truth = load(tmp_path, content)
        at = {one.stamp_ns: one.boxes[0, 0] for one in truth.frames}
        assert at == {stamp: i for i, stamp in enumerate(expected, start=1)}
        assert [one.stamp_ns for one in truth.frames] == sorted(expected)

    def test_some_frame_numbers_of_a_longer_recording(self, tmp_path):
        content = coco(images=2)
        for image, number in zip(content['images'], (3, 5), strict=True):
            image['frame_id'] = number
        assert [one.stamp_ns for one in load(tmp_path, content).frames] == [STAMPS[2], STAMPS[4]]

    def test_truth_beyond_the_recording_goes_on_at_its_rate(self, tmp_path):
        truth = load(tmp_path, coco(images=8))
        assert [one.stamp_ns for one in truth.frames][6:] == [
            STAMPS[-1] + PERIOD_NS,
            STAMPS[-1] + 2 * PERIOD_NS,
        ]
        match = match_truth(truth, STAMPS)
        assert list(match.extra_ns) == [STAMPS[-1] + PERIOD_NS, STAMPS[-1] + 2 * PERIOD_NS]
        assert list(match.missing_ns) == []

    def test_crowds_are_ignored_regions(self, tmp_path):
        content = coco()
        region = {'id': 9, 'image_id': 1, 'category_id': 1, 'iscrowd': 1, 'bbox': [0, 0, 5, 5]}
        content['annotations'] += [region, {**region, 'id': 10, 'bbox': [9, 9, 5, 5]}]
        content['annotations'][0]['ignore'] = 1
        first = load(tmp_path, content).frames[0]
        assert first.person_ids.tolist() == [5, REGION_ID, REGION_ID]
        assert first.is_ignored.tolist() == [True, True, True]

    def test_other_things_than_people_are_left_out(self, tmp_path):
        content = coco()
        content['categories'].append({'id': 2, 'name': 'car'})
        content['annotations'][0]['category_id'] = 2
        assert [len(one) for one in load(tmp_path, content).frames] == [0, 1, 1, 1, 1, 1]
        content['categories'][0]['name'] = 'dog'
        with pytest.raises(EvaluationError, match='categories: expected one named person'):
            load(tmp_path, content)

    def test_boxes_alone_will_do(self, tmp_path):
        content = coco(categories=[{'id': 1, 'name': 'pedestrian'}])
        for person in content['annotations']:
            del person['keypoints']
            person['track_id'] -= 5
        truth = load(tmp_path, content)
        assert not truth.has_keypoints
        # In messages 0 is nobody.
        assert truth.frames[0].person_ids.tolist() == [1]

    @pytest.mark.parametrize(
        ('section', 'field', 'value', 'message'),
        [
            ('annotations', 'track_id', None, r'annotations\[1\]: track_id: expected a whole'),
            ('annotations', 'track_id', -3, r'annotations\[1\]: track_id: expected at least 0'),
            ('annotations', 'bbox', [1, 2, 0, 4], r'annotations\[1\]: bbox: expected a width'),
            ('annotations', 'bbox', [1, 2, 4], r'annotations\[1\]: bbox: expected 4 finite'),
            ('annotations', 'image_id', 99, r'annotations\[1\]: image_id: expected one of the'),
            ('annotations', 'image_id', 1, r'annotations\[1\]: track_id: .* 5 again in 1'),
            ('annotations', 'keypoints', [1, 2], r'annotations\[1\]: keypoints: expected 51'),
            ('images', 'id', 1, r'images\[1\]: id: has been used before: 1'),
            ('images', 'id', 'x', r'images\[1\]: id: expected a whole number'),
            ('images', 'stamp_ns', 5, r'images\[0\]: stamp_ns: expected it in every image, 1'),
            ('images', 'vid_id', 'b', r'images: expected those of one video, got 2'),
            ('categories', 'keypoints', ['nose', 'tail'], r"categories: keypoints: .*'tail'"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, tmp_path, section, field, value, message):
        content = coco()
        if field == 'vid_id':
            content['images'][0][field] = 'a'
        place = 0 if section == 'categories' else 1
        content[section][place][field] = value
        with pytest.raises(EvaluationError, match=f'truth.json: {message}'):
            load(tmp_path, content)

    def test_images_of_another_size_are_refused(self, tmp_path, bag):
        content = coco()
        content['images'][0]['width'] = 2 * WIDTH
        with pytest.raises(EvaluationError, match='expected 64x48 px as /camera/image_raw'):
            load_ground_truth(str(save(tmp_path, content)), bag)


def test_posetrack_maps_joints_by_name_and_regions_to_boxes(tmp_path):
    names = [*POSETRACK_15.joints[:3], 'left_ear', 'right_ear', *POSETRACK_15.joints[3:]]
    points = np.zeros((17, 3))
    points[names.index('head_top')] = 30, 5, 1
    points[names.index('left_wrist')] = 12, 34, 1
    points[names.index('right_ankle')] = 20, 40, 0
    content = {
        'images': [
            {'id': 7, 'vid_id': '000001', 'frame_id': 1007, 'is_labeled': True},
            {'id': 8, 'vid_id': '000001', 'frame_id': 1008, 'is_labeled': False},
            {
                'id': 9,
                'vid_id': '000001',
                'frame_id': 1009,
                'is_labeled': True,
                'ignore_regions_x': [[1, 9, 5]],
                'ignore_regions_y': [[2, 3, 8]],
            },
        ],
        'annotations': [
            {'image_id': 7, 'track_id': 0, 'keypoints': points.reshape(-1).tolist()},
        ],
        'categories': [{'id': 1, 'name': 'person', 'keypoints': names}],
    }
    truth = load(tmp_path, content)
    # The second image is not labelled: it has no truth, which is not the same as nobody.
    assert [one.stamp_ns for one in truth.frames] == [STAMPS[0], STAMPS[2]]
    first, last = truth.frames
    assert first.keypoints[0, COCO_17.index('left_wrist')].tolist() == [12.5, 34.5]
    assert first.keypoints[0, COCO_17.index('right_ankle')].tolist() == [20.5, 40.5]
    assert np.isfinite(first.keypoints[0]).all(axis=1).sum() == 2
    assert first.keypoint_visible[0].nonzero()[0].tolist() == [COCO_17.index('left_wrist')]
    # Without a box: around the joints, with a margin.
    np.testing.assert_allclose(first.boxes[0], [11.7, 33.9, 21.3, 41.1])
    assert last.boxes.tolist() == [[1, 2, 9, 8]]
    assert last.is_ignored.tolist() == [True]


class TestMot:
    TEXT = (
        '1,3,11,21,30,40,1,1,1\n'
        '1,4,1,1,5,5,0,1,0.2\n'  # flagged 0
        '3,3,13,21,30,40,1,1,1\n'
        '3,8,1,1,9,9,1,8,1\n'  # a distractor
        '3,9,1,1,9,9,1,3,1\n'  # a car
    )

    def test_numbers_are_those_of_the_images(self, tmp_path, bag):
        truth = load_ground_truth(str(save(tmp_path, self.TEXT, 'gt.txt')), bag)
        assert [one.stamp_ns for one in truth.frames] == STAMPS[:3]
        assert [one.person_ids.tolist() for one in truth.frames] == [[3, 4], [], [3, 8]]
        assert [one.is_ignored.tolist() for one in truth.frames] == [
            [False, True],
            [],
            [False, True],
        ]
        # The top left pixel begins at (1, 1) in the file, at (0, 0) here.
        assert truth.frames[0].boxes[0].tolist() == [10, 20, 40, 60]
        assert not truth.has_keypoints
        match = match_truth(truth, bag.stamps(TOPIC))
        assert list(match.missing_ns) == STAMPS[3:]
        assert match.frames[3] is None

    def test_stamps_are_those_of_the_images_however_uneven(self, tmp_path):
        truth = load(tmp_path, '1,3,1,1,5,5\n5,3,1,1,5,5\n', [50, 70, 200, 210], 'gt.txt')
        assert [one.stamp_ns for one in truth.frames] == [50, 70, 200, 210, 230]

    def test_blanks_and_ids_from_0(self, tmp_path):
        truth = load(tmp_path, '1 0 1 1 5 5\n2 1 1 1 5 5\n', name='gt.txt')
        assert [one.person_ids.tolist() for one in truth.frames] == [[1], [2]]

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('1,3,1,1,5,5\n1,3,1,1,5,5\n', 'line 2, field id: 3 is already on line 1'),
            ('1,3,1,1,5,5\n2,3,1,1,0,5\n', 'line 2, field width: expected more than 0'),
            ('1,3,1,1,5,5\nx,3,1,1,5,5\n', 'line 2, field frame: expected a number'),
            ('1,-1,1,1,5,5\n', 'line 1, field id: expected an identity'),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, text, message):
        with pytest.raises(EvaluationError, match=f'gt.txt: {message}'):
            load(tmp_path, text, name='gt.txt')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', "begins with ''"),
        ('frame;id\n', "begins with 'frame;id'"),
        ('1,2,3\n', "begins with '1,2,3'"),
        ('[1, 2]', r"begins with '\[1, 2\]'"),
        ('{"images": [', 'not readable as JSON'),
        ('{"annolist": []}', 'got JSON with annolist'),
    ],
)
def test_other_files_are_refused_with_the_formats_there_are(tmp_path, content, message):
    with pytest.raises(EvaluationError, match=message) as error:
        load(tmp_path, content)
    assert 'JSON' in str(error.value)
    path = tmp_path / 'binary'
    path.write_bytes(b'\xff\xfe\x80')
    with pytest.raises(EvaluationError, match='expected COCO JSON.*, got no text'):
        truth_from_file(path, STAMPS)
