"""Ground truth from topics and scenes, and which image each piece of truth belongs to."""

import json

import numpy as np
import pytest
from tiny_bags import (
    TOPIC,
    image_entries,
    image_message,
    stamp_ns,
    write_bag,
)

from pose_tracking_ros.evaluation.keypoints import EvaluationError
from pose_tracking_ros.evaluation.replay.ground_truth import (
    TRUTH_TOPIC,
    load_ground_truth,
    match_truth,
    truth_from_scene,
)
from pose_tracking_ros.evaluation.replay.truth import GroundTruth
from pose_tracking_ros.evaluation.replay.truth_messages import (
    message_from_truth,
    rounded,
    truth_from_message,
)
from pose_tracking_ros.evaluation.replay.truth_people import REGION_ID, TruePerson, frame_of
from pose_tracking_ros.people import KeypointState, TrackState
from pose_tracking_ros.recordings.bag_reader import BagError, BagReader
from pose_tracking_ros.recordings.message_types import IMAGE_TYPE, POSES_TYPE
from pose_tracking_ros.simulation.scenes import make_scene

STAMPS = [stamp_ns(i) for i in range(6)]


@pytest.fixture
def bag(tmp_path):
    with BagReader(write_bag(tmp_path / 'bag', image_entries(6))) as reader:
        yield reader


def save(tmp_path, content, name='truth.json'):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def frame(stamp, *ids):
    return frame_of(stamp, [TruePerson.boxed(i, np.array([0.0, 0, 9, 9])) for i in ids])


def truth_of(*frames):
    return GroundTruth('test', frames, has_keypoints=False)


def assert_same(one, other):
    assert one.stamp_ns == other.stamp_ns
    for name in ('person_ids', 'boxes', 'keypoints', 'keypoint_visible', 'is_ignored'):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


class TestTopic:
    @staticmethod
    def write(folder, frames, images=True):
        entries = image_entries(6) if images else []
        entries += [
            (TRUTH_TOPIC, POSES_TYPE, one.stamp_ns + 7, message_from_truth(one, (64, 48), 'c', n))
            for n, one in enumerate(frames, start=1)
        ]
        return write_bag(folder, entries)

    def test_people_regions_and_joints_come_back(self, tmp_path):
        joints = np.full((17, 2), np.nan)
        joints[0], joints[1], joints[2] = (10.25, 20.5), (30.125, 40), (100, 20)
        seen = np.arange(17) == 0
        frames = [
            frame_of(
                STAMPS[1],
                [
                    TruePerson(3, np.array([10.0, 20, 40, 46]), joints, seen, False),
                    TruePerson.boxed(4, np.array([1.0, 2, 3, 4]), is_ignored=True),
                    TruePerson.region(np.array([5.0, 6, 7, 8])),
                ],
            ),
            frame_of(STAMPS[0], []),
        ]
        with BagReader(self.write(tmp_path / 'bag', frames)) as bag:
            truth = load_ground_truth(TRUTH_TOPIC, bag)
            (_, first), (_, message) = bag.messages(TRUTH_TOPIC)
        assert truth.name == TRUTH_TOPIC
        assert truth.has_keypoints
        assert [one.stamp_ns for one in truth.frames] == STAMPS[:2]
        assert len(truth.frames[0]) == 0
        back = truth.frames[1]
        assert back.person_ids.tolist() == [3, 4, REGION_ID]
        assert back.is_ignored.tolist() == [False, True, True]
        np.testing.assert_array_equal(back.boxes, frames[0].boxes)
        # As in COCO, nobody labels what is outside of the image.
        joints[2] = np.nan
        np.testing.assert_array_equal(back.keypoints[0], joints)
        np.testing.assert_array_equal(back.keypoint_visible[0], seen)
        # What other tools show.
        assert first.poses == [] or message.poses == []
        poses = message.poses or first.poses
        assert [p.state for p in poses] == [
            TrackState.CONFIRMED, TrackState.OCCLUDED, TrackState.OCCLUDED,
        ]  # fmt: skip
        assert [(p.is_matched, p.score) for p in poses] == [(True, 1), (False, 0), (False, 0)]
        assert [k.state for k in poses[0].keypoints[:4]] == [
            KeypointState.VISIBLE,
            KeypointState.OCCLUDED,
            KeypointState.OUT_OF_FRAME,
            KeypointState.NOT_ESTIMATED,
        ]
        assert poses[0].keypoints[2].x == 100
        assert np.isnan(poses[0].pose.position.x)

    def test_topic_of_another_bag(self, tmp_path, bag):
        other = self.write(tmp_path / 'other', [frame(STAMPS[0], 1)], images=False)
        truth = load_ground_truth(f'{other}:{TRUTH_TOPIC}', bag)
        assert truth.frames[0].person_ids.tolist() == [1]
        with pytest.raises(
            EvaluationError, match='expected a topic of type .*, got no such topic'
        ):
            load_ground_truth(f'{other}:/nothing', bag)

    def test_tracks_that_claim_nobody_are_not_read(self):
        message = message_from_truth(frame(5, 1, 2, 3, 4), (64, 48), '', 1)
        for pose, state in zip(message.poses, (1, 2, 4, 5), strict=True):
            pose.state = state
        assert truth_from_message(message, 'topic').person_ids.tolist() == [2]

    def test_a_topic_that_is_no_truth(self, tmp_path, bag):
        with pytest.raises(EvaluationError, match=f'got {IMAGE_TYPE}; .*no tracked poses'):
            load_ground_truth(TOPIC, bag)
        with pytest.raises(EvaluationError, match='/x: expected a file, a topic of the bag, or'):
            load_ground_truth('/x', bag)
        message = message_from_truth(frame(5, 1), (64, 48), '', 1)
        message.skeleton = 'octopus_8'
        with pytest.raises(EvaluationError, match="expected one of coco_17.*got 'octopus_8'"):
            truth_from_message(message, '/truth')
        message.skeleton = 'posetrack_15'
        with pytest.raises(EvaluationError, match='stamp 5: keypoints: expected 15 .* got 17'):
            truth_from_message(message, '/truth')


def test_files_that_count_need_to_know_the_topic(tmp_path):
    entries = image_entries(3) + [
        ('/other/image', IMAGE_TYPE, stamp_ns(i), image_message(i)) for i in range(4, 6)
    ]
    path = str(save(tmp_path, '1,3,1,1,5,5\n', 'gt.txt'))
    with BagReader(write_bag(tmp_path / 'two', entries)) as bag:
        with pytest.raises(EvaluationError, match='not exactly one; there are: /camera/image_raw'):
            load_ground_truth(path, bag)
        assert load_ground_truth(path, bag, '/other/image').frames[0].stamp_ns == stamp_ns(4)
        with pytest.raises(BagError, match='expected topic /nothing'):
            load_ground_truth(path, bag, '/nothing')


def test_numbers_where_the_driver_gives_no_stamps(tmp_path):
    entries = [(TOPIC, IMAGE_TYPE, 100 + i, image_message(i, stamp=0)) for i in range(3)]
    path = str(save(tmp_path, '1,3,1,1,5,5\n3,3,1,1,5,5\n', 'gt.txt'))
    with BagReader(write_bag(tmp_path / 'bag', entries)) as bag:
        assert [one.stamp_ns for one in load_ground_truth(path, bag).frames] == [100, 101, 102]


class TestMatch:
    def test_gaps_and_extras(self):
        truth = truth_of(frame(10, 1), frame(20, 2), frame(40, 4))
        match = match_truth(truth, [10, 30, 40, 50])
        assert [one and one.stamp_ns for one in match.frames] == [10, None, 40, None]
        assert list(match.missing_ns) == [30, 50]
        assert list(match.extra_ns) == [20]
        assert match.truth is truth

    def test_equal_stamps_take_truth_in_turn_and_share_the_last(self):
        truth = truth_of(frame(10, 1), frame(10, 2), frame(20, 3))
        match = match_truth(truth, [10, 20, 10, 10, 20])
        assert [one.person_ids[0] for one in match.frames] == [1, 3, 2, 2, 3]
        assert list(match.extra_ns) == []

    def test_images_need_not_be_sorted(self):
        match = match_truth(truth_of(frame(1, 1), frame(2, 2)), [2, 1])
        assert [one.person_ids[0] for one in match.frames] == [2, 1]

    def test_nearest_within_a_tolerance_one_to_one(self):
        truth = truth_of(frame(10, 1), frame(19, 2), frame(33, 3), frame(60, 6))
        # 16 and 21 both are near 19; it goes to the nearest.
        match = match_truth(truth, [10, 16, 21, 30, 50], tolerance_ns=5)
        assert [one and one.person_ids[0] for one in match.frames] == [1, None, 2, 3, None]
        assert list(match.missing_ns) == [16, 50]
        assert list(match.extra_ns) == [60]
        assert match_truth(truth, [55], tolerance_ns=5).frames[0].person_ids[0] == 6
        assert match_truth(truth, [54], tolerance_ns=5).frames[0] is None

    def test_exact_ones_are_not_given_away(self):
        match = match_truth(truth_of(frame(10, 1)), [9, 10], tolerance_ns=5)
        assert match.frames[0] is None
        assert match.frames[1].person_ids[0] == 1

    def test_negative_tolerance(self):
        with pytest.raises(ValueError, match='tolerance_ns: expected at least 0'):
            match_truth(truth_of(), [], tolerance_ns=-1)


class TestScene:
    def test_truth_of_a_scene_is_in_float32_and_stays_so(self):
        scene = make_scene('crossing', image_size=(320, 240), duration_s=1.0, rate_hz=5)
        truth = truth_from_scene(scene)
        assert len(truth.frames) == 5
        assert truth.has_keypoints
        intervals = np.diff([one.stamp_ns for one in truth.frames])
        assert intervals.tolist() == [200_000_000] * 4
        for index, one in enumerate(truth.frames):
            assert_same(rounded(one, scene.image_size), one)
            exact = scene.truth(index)
            assert one.person_ids.tolist() == exact.person_ids.tolist()
            np.testing.assert_allclose(one.boxes, exact.boxes, atol=1e-4)
            inside = np.isfinite(one.keypoints).all(axis=-1)
            assert (inside | ~exact.keypoint_visible).all()
            np.testing.assert_allclose(one.keypoints[inside], exact.keypoints[inside], atol=1e-4)

    def test_hidden_people_are_there_but_nobody_must_find_them(self):
        scene = make_scene('full_occlusion', image_size=(320, 240), rate_hz=2)
        truth = truth_from_scene(scene)
        hidden = seen = 0
        for index, one in enumerate(truth.frames):
            fraction = scene.truth(index).visible_fraction
            assert one.is_ignored[fraction < 0.25].all()
            hidden += int((fraction == 0).sum())
            seen += int((~one.is_ignored).sum())
        assert hidden > 0
        assert seen > 20
