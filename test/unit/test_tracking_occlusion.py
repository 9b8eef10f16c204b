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


def shares_of(boxes: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Return the share of each box (row) that each other (column) covers."""
    covered = occlusion.covered_pairs(boxes, others)
    shares = np.zeros((len(boxes), len(boxes if others is None else others)))
    shares[covered.behind, covered.front] = covered.share
    return shares


class TestCoveredPairs:
    def test_the_share_is_of_the_hidden_box(self):
        shares = shares_of(np.array([[0.0, 0, 10, 10], [5.0, 0, 25, 20], [100, 0, 110, 10]]))
        np.testing.assert_allclose(shares, [[0, 0.5, 0], [0, 0, 0], [0, 0, 0]])

    def test_of_level_boxes_the_larger_is_nearer(self):
        shares = shares_of(np.array([[0.0, 50, 40, 200], [0.0, 0, 60, 200]]))
        np.testing.assert_allclose(shares, [[0, 1], [0, 0]])

    def test_level_is_measured_by_the_smaller_box(self):
        # 2 % of 100 px are 2 px: bottoms 3 px apart tell who is nearer, whoever is larger.
        lower, larger = [0.0, 103, 40, 203], [0.0, 0, 60, 200]
        np.testing.assert_allclose(
            shares_of(np.array([lower, larger])), [[0, 0], [40 * 97 / 12000, 0]]
        )
        level = [0.0, 102, 40, 202]
        np.testing.assert_allclose(shares_of(np.array([level, larger])), [[0, 0.98], [0, 0]])

    def test_equal_boxes_hide_neither(self):
        box = [10.0, 10, 50, 120]
        assert not shares_of(np.array([box, box])).any()

    def test_nobody_hides_both_ways(self):
        rng = np.random.default_rng(3)
        corner, size = rng.uniform(0, 100, (40, 2)), rng.uniform(1, 100, (40, 2))
        shares = shares_of(np.concatenate([corner, corner + size], axis=1))
        assert not ((shares > 0) & (shares.T > 0)).any()
        assert (shares > 0).any()
        assert ((shares >= 0) & (shares <= 1 + 1e-9)).all()

    def test_others_cover_as_they_do_among_themselves(self):
        rng = np.random.default_rng(4)
        corner, size = rng.uniform(0, 100, (20, 2)), rng.uniform(1, 100, (20, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        shares = shares_of(boxes)
        np.testing.assert_array_equal(shares_of(boxes[:5], boxes[5:]), shares[:5, 5:])
        assert shares_of(boxes[:0], boxes).shape == (0, 20)

    def test_small_shares_are_left_out_on_demand(self):
        rng = np.random.default_rng(5)
        corner, size = rng.uniform(0, 100, (30, 2)), rng.uniform(1, 100, (30, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        every = set(occlusion.covered_pairs(boxes).as_tuples())
        share = sorted(share for _, _, share in every)[len(every) // 2]
        large = set(occlusion.covered_pairs(boxes, min_share=share).as_tuples())
        assert large == {pair for pair in every if pair[2] >= share}
        assert large < every

    def test_a_few_boxes_cover_each_other_as_in_a_crowd(self):
        rng = np.random.default_rng(6)
        far = np.arange(20.0)[:, None] * 1000 + [1e6, 1e6, 1e6 + 10, 1e6 + 10]
        nobody_covered = 0
        for _ in range(100):
            corner, size = rng.uniform(0, 100, (3, 2)), rng.uniform(1, 60, (3, 2))
            few = np.concatenate([corner, corner + size], axis=1)
            alone = occlusion.covered_pairs(few, min_share=0.3)
            in_crowd = occlusion.covered_pairs(np.concatenate([few, far]), min_share=0.3)
            assert list(alone.as_tuples()) == list(in_crowd.as_tuples())
            nobody_covered += len(alone.share) == 0
        assert 10 < nobody_covered < 90


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
