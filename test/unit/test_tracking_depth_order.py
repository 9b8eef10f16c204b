"""Who is in front of whom, told by joints and boxes."""

import numpy as np
import pytest

from pose_tracking_ros.people import People
from pose_tracking_ros.settings import TrackerSettings
from pose_tracking_ros.tracking.depth_order import ShownJoints, covered_pairs
from pose_tracking_ros.tracking.occlusion import judge_visibility


def shares_of(boxes: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Return the share of each box (row) that each other (column) covers."""
    covered = covered_pairs(boxes, others)
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
        every = set(covered_pairs(boxes).as_tuples())
        share = sorted(share for _, _, share in every)[len(every) // 2]
        large = set(covered_pairs(boxes, min_share=share).as_tuples())
        assert large == {pair for pair in every if pair[2] >= share}
        assert large < every

    def test_a_few_boxes_cover_each_other_as_in_a_crowd(self):
        rng = np.random.default_rng(6)
        far = np.arange(20.0)[:, None] * 1000 + [1e6, 1e6, 1e6 + 10, 1e6 + 10]
        nobody_covered = 0
        for _ in range(100):
            corner, size = rng.uniform(0, 100, (3, 2)), rng.uniform(1, 60, (3, 2))
            few = np.concatenate([corner, corner + size], axis=1)
            alone = covered_pairs(few, min_share=0.3)
            in_crowd = covered_pairs(np.concatenate([few, far]), min_share=0.3)
            assert list(alone.as_tuples()) == list(in_crowd.as_tuples())
            nobody_covered += len(alone.share) == 0
        assert 10 < nobody_covered < 90


def joints_in(boxes: np.ndarray, seen: list[list[bool]]) -> ShownJoints:
    """Return joints down the middle line of each box, top to bottom."""
    seen = np.array(seen)
    steps = np.linspace(0.02, 0.98, seen.shape[1])[None, :, None]
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    places = np.repeat(middle, seen.shape[1], axis=1)
    places[..., 1:] = boxes[:, None, 1:2] + steps * (boxes[:, None, 3:] - boxes[:, None, 1:2])
    return ShownJoints(places, seen)


def who_is_behind(boxes: np.ndarray, joints: ShownJoints | None) -> list[tuple[int, int]]:
    """Return pairs of the covered one and the one in front."""
    found = covered_pairs(boxes, joints=joints)
    return list(zip(found.behind.tolist(), found.front.tolist(), strict=True))


class TestJoints:
    # Somebody sits in front of somebody who stands: the smaller box, and it ends higher.
    boxes = np.array([[100.0, 100, 180, 300], [110.0, 180, 170, 290]])
    ten, none = [True] * 10, [False] * 10

    def test_whose_joints_are_seen_where_boxes_overlap_is_in_front(self):
        assert who_is_behind(self.boxes, None) == [(1, 0)]
        # Of the one behind the head is seen; it is not where the boxes overlap.
        head_only = [True] * 3 + [False] * 7
        joints = joints_in(self.boxes, [head_only, self.ten])
        assert who_is_behind(self.boxes, joints) == [(0, 1)]
        joints = joints_in(self.boxes, [self.ten, self.none])
        assert who_is_behind(self.boxes, joints) == [(1, 0)]

    def test_boxes_cut_off_below_are_told_by_joints(self):
        level = np.array([[100.0, 50, 240, 480], [180.0, 90, 320, 480]])
        assert who_is_behind(level, None) == [(1, 0)]
        joints = joints_in(level, [self.none, self.ten])
        # Both lean to where their boxes overlap.
        joints.places[..., 0] = 210.0
        assert who_is_behind(level, joints) == [(0, 1)]

    @pytest.mark.parametrize(
        ('behind', 'why'),
        [
            ([True] * 10, 'as many of both are seen'),
            ([True] * 8 + [False] * 2, 'nearly as many'),
        ],
    )
    def test_where_joints_do_not_tell_the_boxes_do(self, behind, why):
        joints = joints_in(self.boxes, [behind, self.ten])
        assert who_is_behind(self.boxes, joints) == [(1, 0)], why

    def test_a_few_joints_in_common_do_not_tell(self):
        joints = joints_in(self.boxes, [[False] * 10, self.ten])
        # Three joints are left of the second person; what is not estimated is nowhere.
        joints.places[1, 3:] = np.nan
        assert who_is_behind(self.boxes, joints) == [(1, 0)]
        joints.places[1, 3] = joints.places[1, 0]
        assert who_is_behind(self.boxes, joints) == [(0, 1)]

    def test_half_more_is_enough(self):
        joints = joints_in(self.boxes, [self.none, [True] * 5 + [False] * 5])
        assert who_is_behind(self.boxes, joints) == [(0, 1)]
        joints = joints_in(self.boxes, [self.none, [True] * 4 + [False] * 6])
        assert who_is_behind(self.boxes, joints) == [(1, 0)]

    def test_nobody_hides_both_ways_and_order_does_not_matter(self):
        rng = np.random.default_rng(8)
        corner, size = rng.uniform(0, 100, (40, 2)), rng.uniform(20, 100, (40, 2))
        boxes = np.concatenate([corner, corner + size], axis=1)
        joints = joints_in(boxes, rng.random((40, 17)) < rng.random((40, 1)))
        pairs = set(who_is_behind(boxes, joints))
        assert pairs
        assert not pairs & {(front, behind) for behind, front in pairs}
        assert pairs != set(who_is_behind(boxes, None))
        order = rng.permutation(40)
        mixed = ShownJoints(joints.places[order], joints.seen[order])
        found = who_is_behind(boxes[order], mixed)
        assert {(int(order[a]), int(order[b])) for a, b in found} == pairs


def test_joints_decide_whose_look_is_trusted():
    """The one who sits in front is seen, learnt and no longer called hidden."""
    sitting = People(
        boxes=TestJoints.boxes,
        scores=np.full(2, 0.9),
        keypoints=joints_in(TestJoints.boxes, [[True] * 17] * 2).places,
        keypoint_scores=np.array([[0.9] * 8 + [0.05] * 9, [0.9] * 17]),
        embeddings=np.eye(2, 4),
        image_size=(640, 480),
    )
    judged = judge_visibility(sitting, TrackerSettings())
    assert judged.appearance_is_valid.tolist() == [False, True]
    assert judged.is_occluded.tolist() == [True, False]
    np.testing.assert_allclose(judged.covered_share, [60 * 110 / (80 * 200), 0.0])
