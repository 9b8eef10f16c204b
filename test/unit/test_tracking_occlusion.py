"""Who is hidden and by whom; when a look may be trusted."""

import dataclasses

import numpy as np
import pytest

from pose_tracking_ros.people import KeypointState, People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking import occlusion

SIZE = (640, 480)
SETTINGS = TrackerSettings()


def _people(boxes, seen_joints, joints=17, dim=4) -> People:
    boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    scores = np.full((len(boxes), joints), 0.05)
    for row, count in enumerate(seen_joints):
        scores[row, :count] = 0.9
    centre = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    embeddings = np.zeros((len(boxes), dim))
    embeddings[:, :1] = 1.0
    return People(
        boxes=boxes,
        scores=np.full(len(boxes), 0.9),
        keypoints=np.broadcast_to(centre, (len(boxes), joints, 2)),
        keypoint_scores=scores,
        embeddings=embeddings,
        image_size=SIZE,
    )


def test_valid_keypoints_are_those_above_the_threshold():
    scores = np.array([[0.1, 0.2, 0.21, 0.9], [0, 0, 0, 0]])
    assert occlusion.count_valid_keypoints(scores, 0.2).tolist() == [2, 0]


@pytest.mark.parametrize(('seen', 'valid'), [(17, True), (11, True), (10, False), (0, False)])
def test_more_than_ten_seen_joints_make_a_look_valid(seen, valid):
    judged = occlusion.judge_visibility(_people([[100, 100, 140, 200]], [seen]), SETTINGS)
    assert judged.appearance_is_valid.tolist() == [valid]
    assert judged.is_occluded.tolist() == [not valid]
    np.testing.assert_allclose(judged.visibility, [seen / 17])


def test_whoever_stands_lower_hides_the_other():
    people = _people([[100, 100, 140, 200], [105, 105, 150, 220]], [17, 17])
    judged = occlusion.judge_visibility(people, SETTINGS)
    assert judged.is_occluded.tolist() == [True, False]
    assert judged.appearance_is_valid.tolist() == [False, True]
    np.testing.assert_allclose(judged.covered_share, [35 * 95 / 4000, 0])


def test_an_unknown_look_is_never_valid():
    people = _people([[100, 100, 140, 200]], [17])
    blank = People(
        people.boxes, people.scores, people.keypoints, people.keypoint_scores,
        np.zeros((1, 4)), SIZE,
    )  # fmt: skip
    assert not occlusion.judge_visibility(blank, SETTINGS).appearance_is_valid.any()
    none = _people([[100, 100, 140, 200]], [17], dim=0)
    assert not occlusion.judge_visibility(none, SETTINGS).appearance_is_valid.any()


def test_without_poses_the_boxes_decide():
    people = _people([[100, 100, 140, 200], [105, 105, 150, 220]], [0, 0], joints=0)
    judged = occlusion.judge_visibility(people, SETTINGS)
    assert judged.appearance_is_valid.tolist() == [False, True]
    assert judged.visibility.tolist() == [0, 0]


def test_a_person_without_any_estimated_joint_is_not_called_occluded():
    people = _people([[100, 100, 140, 200]], [0])
    unknown = People(
        people.boxes, people.scores, np.full((1, 17, 2), np.nan), np.zeros((1, 17)),
        people.embeddings, SIZE,
    )  # fmt: skip
    judged = occlusion.judge_visibility(unknown, SETTINGS)
    assert not judged.is_occluded.any()
    assert not judged.appearance_is_valid.any()


def test_joints_beyond_the_border_are_not_hidden_by_anything():
    judged = occlusion.judge_visibility(_people([[0, 100, 20, 200]], [6]), SETTINGS)
    assert not judged.is_occluded.any()
    assert not judged.appearance_is_valid.any()


def test_nobody_is_judged_as_nobody():
    judged = occlusion.judge_visibility(People.none(SIZE), SETTINGS)
    assert judged.appearance_is_valid.shape == (0,)
    assert judged.seen.shape == (0, 17)


@pytest.mark.parametrize(
    'name', ['max_covered_share', 'max_new_track_overlap', 'min_duplicate_iou']
)
def test_no_share_that_decides_anything_is_left_out(name):
    people = _people([[100, 100, 140, 200], [100, 180, 140, 300]], [17, 17])
    share = 0.2
    judged = occlusion.judge_visibility(people, SETTINGS)
    assert not len(judged.covered.share)
    assert not judged.is_occluded.any()
    low = dataclasses.replace(SETTINGS, **{name: share - 0.05})
    judged = occlusion.judge_visibility(people, low)
    np.testing.assert_allclose(judged.covered.share, [share])
    np.testing.assert_allclose(judged.covered_share, [share, 0])
    assert judged.is_occluded.tolist() == [name == 'max_covered_share', False]


class TestFindOccluders:
    boxes = np.array([[100.0, 100, 140, 200], [105.0, 105, 150, 220], [98.0, 110, 142, 240]])
    ids = np.array([7, 8, 9])

    def found(self, person_of: list[int], count: int = 3) -> list[int]:
        """Return who hides each of the first tracks; those with a person have that one's box."""
        person_of = np.array(person_of)
        people = np.zeros((3, 4))
        people[person_of[person_of >= 0]] = self.boxes[: len(person_of)][person_of >= 0]
        judged = occlusion.judge_visibility(_people(people, [17, 17, 17]), SETTINGS)
        return occlusion.find_occluders(
            self.boxes[:count], self.ids[:count], person_of, judged, 0.3
        ).tolist()

    def test_the_one_who_covers_most(self):
        assert self.found([0, 1, 2]) == [9, 9, 0]
        assert self.found([2, 0, 1]) == [9, 9, 0]

    def test_an_expectation_hides_nobody_but_can_be_hidden(self):
        assert self.found([0, 1, -1]) == [8, 0, 0]
        assert self.found([-1, 1, 0]) == [9, 9, 0]
        assert self.found([-1, -1, -1]) == [0, 0, 0]

    def test_people_without_a_track_hide_nobody(self):
        people = _people(self.boxes, [17, 17, 17])
        judged = occlusion.judge_visibility(people, SETTINGS)
        boxes, ids, person_of = self.boxes[:2], self.ids[:2], np.array([0, 1])
        assert occlusion.find_occluders(boxes, ids, person_of, judged, 0.3).tolist() == [8, 0]

    def test_a_small_overlap_does_not_count(self):
        judged = occlusion.judge_visibility(_people(self.boxes, [17, 17, 17]), SETTINGS)
        person_of = np.array([0, 1, 2])
        most = judged.covered_share.max()
        found = occlusion.find_occluders(self.boxes, self.ids, person_of, judged, most)
        assert found.tolist() == [0, 0, 0]

    def test_one_alone_has_no_occluder(self):
        assert self.found([0], 1) == [0]

    def test_of_equal_shares_the_oldest_counts(self):
        inside, first, second = [20.0, 20, 40, 80], [10.0, 0, 50, 100], [0.0, 10, 60, 110]
        boxes = np.array([inside, second, first])
        judged = occlusion.judge_visibility(_people(boxes, [17, 17, 17]), SETTINGS)
        found = occlusion.find_occluders(boxes, self.ids, np.arange(3), judged, 0.3)
        assert found.tolist() == [8, 0, 8]


def test_every_keypoint_state():
    keypoints = np.array([[[10.0, 10], [20, 20], [np.nan, np.nan], [-1, 5], [5, 481]]] * 2)
    seen = np.array([[True, False, False, True, False]] * 2)
    states = occlusion.keypoint_states(keypoints, seen, np.array([True, False]), SIZE)
    state = KeypointState
    away = [state.NOT_ESTIMATED, state.OUT_OF_FRAME, state.OUT_OF_FRAME]
    assert states[0].tolist() == [state.VISIBLE, state.OCCLUDED, *away]
    assert states[1].tolist() == [state.PREDICTED, state.PREDICTED, *away]
